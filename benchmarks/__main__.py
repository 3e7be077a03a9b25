"""`make bench`: run every benchmark, or the named ones, and write their pages.

`python -m benchmarks truth ...` and `python -m benchmarks overhead ...` (`make bench-truth`, `make bench-overhead`) take
words of their own: they install other tools and are not in `make bench`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks import calibration, kills, marks, neighbour, recorder_cost, selftest, start_up, week

ALL = {
    "start-up": start_up,
    "recorder-cost": recorder_cost,
    "marks": marks,
    "kills": kills,
    "week": week,
    "neighbour": neighbour,
    "calibration": calibration,
}


LONG = {"selftest": selftest}  # an hour: by name only

BESIDE_PEERS = ("truth", "overhead")


def main(names: list[str]) -> int:
    if names and names[0] in BESIDE_PEERS:
        import_module(f"benchmarks.{names[0]}.bench").run(names[1:])
        return 0
    known = ALL | LONG
    unknown = set(names) - set(known)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*known, *BESIDE_PEERS))}", file=sys.stderr)
        return 2
    for name in names or ALL:
        print(f"== {name}", flush=True)
        known[name].run()
    return 0


sys.exit(main(sys.argv[1:]))
