"""Evidence that travels: one file that holds an experiment and everything that its numbers are made from.

bundle      what goes in, and writing it
archive     reading a file that may be anybody's
recompute   from journals and runs to the numbers, once more
verify      all checks, in one answer
"""
