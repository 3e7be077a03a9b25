"""Slow, real measurements of wattleak itself. Each writes a page under docs/results/ with machine and date."""
