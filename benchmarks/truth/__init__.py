"""`make bench-truth`: scripted power, of which every joule is known, shown to wattleak and its peers alike."""
