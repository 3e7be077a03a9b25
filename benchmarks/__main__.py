"""`make bench`: run every benchmark, or the named ones, and write their pages."""

from __future__ import annotations

import sys

from benchmarks import calibration, neighbour, recorder_cost, start_up

ALL = {
    "start-up": start_up,
    "recorder-cost": recorder_cost,
    "neighbour": neighbour,
    "calibration": calibration,
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        print(f"== {name}", flush=True)
        ALL[name].run()
    return 0


sys.exit(main(sys.argv[1:]))
