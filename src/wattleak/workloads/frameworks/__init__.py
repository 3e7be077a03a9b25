"""One network, trained alike by several frameworks: the programs of `wattleak study frameworks`."""
