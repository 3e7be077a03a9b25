"""One small classifier, compressed in several ways: what the programs of `wattleak study compression` are made of."""
