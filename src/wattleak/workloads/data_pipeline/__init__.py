"""The same samples stored and read in several ways: the programs of `wattleak study data`."""
