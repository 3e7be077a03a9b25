"""Scanning well-known repositories: how often a finding is right, judged by two readers who do not see each other."""
