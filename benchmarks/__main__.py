"""`make bench`: run every benchmark, or the named ones, and write their pages.

`python -m benchmarks truth ...`, `overhead ...` (`make bench-truth`, `make bench-overhead`) and `repositories ...` take
words of their own: they install other tools or fetch repositories, and are not in `make bench`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks import (
    agent_cost,
    calibration,
    kills,
    marks,
    million_jobs,
    neighbour,
    recorder_cost,
    scheduling,
    selftest,
    start_up,
    week,
)

ALL = {
    "start-up": start_up,
    "recorder-cost": recorder_cost,
    "agent-cost": agent_cost,
    "marks": marks,
    "kills": kills,
    "week": week,
    "neighbour": neighbour,
    "calibration": calibration,
    "scheduling": scheduling,
    "simulation": million_jobs,
}


LONG = {"selftest": selftest}  # an hour: by name only

WITH_WORDS = {
    "truth": "truth.bench",
    "overhead": "overhead.bench",
    "repositories": "repositories.bench",
    "smells": "smells",
    "tune": "tune",
    "models": "models",
    "devices": "devices",
    "data": "data",
    "combined": "combined",
    "compression": "compression",
    "inference": "inference",
    "frameworks": "frameworks",
}


def main(names: list[str]) -> int:
    if names and names[0] in WITH_WORDS:
        import_module(f"benchmarks.{WITH_WORDS[names[0]]}").run(names[1:])
        return 0
    known = ALL | LONG
    unknown = set(names) - set(known)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*known, *WITH_WORDS))}", file=sys.stderr)
        return 2
    for name in names or ALL:
        print(f"== {name}", flush=True)
        known[name].run()
    return 0


sys.exit(main(sys.argv[1:]))
