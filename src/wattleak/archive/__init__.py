"""Reading what other tools measured: tables of runs, benchmark files, power logs.

Pure reading and judging: nothing is measured here, and every number keeps the origin `quoted`.
"""
