"""`make bench-overhead`: what it costs to be measured, by wattleak and by its peers."""
