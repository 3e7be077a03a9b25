"""What the studies of a smell measured: `evidence.json` in its folder, written by `make study` and by nothing else.

A finding is a suspicion; this is what the smell cost in the two programs of the study, on one machine, with intervals.
It says nothing about the code that was scanned.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.model import Smell

FILE = "evidence.json"
ALIKE = 0.02  # a change that lies inside this band, with its whole interval, is called the same
_METRICS = (
    ("energy_j", "energy"),
    ("gpu_energy_j", "GPU energy"),
    ("cpu_s", "CPU time"),
    ("duration_s", "wall time"),
    ("peak_memory_b", "peak memory"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """Of the bad program against the good one: fractions, with the ends of the 95 % interval where there is one."""

    change: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finished study."""

    framework: str
    date: str
    machine: str
    versions: Mapping[str, str]
    data: str
    runs: int  # of each program
    verdict: str
    changes: Mapping[str, Change]  # by metric; measured ones only
    quality: str

    def summary(self) -> str:
        """One line: what it cost, and what it did not."""
        parts = [f"{noun} {_shown(self.changes[name])}" for name, noun in _METRICS if name in self.changes]
        return f"{self.framework}: {', '.join(parts)}; quality {self.quality.replace('_', ' ')}"

    def source(self) -> str:
        """Where the summary comes from."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.runs} runs of each program, {self.data}; {versions}; {self.machine}; {self.date}"


def evidence(smell: Smell) -> tuple[Evidence, ...]:
    """What was measured, by framework; empty: no study was kept."""
    return _read(smell.folder / FILE)


@functools.cache
def _read(path: Path) -> tuple[Evidence, ...]:
    if not path.is_file():
        return ()
    document = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Evidence(
            framework=framework,
            date=item["date"],
            machine=item["machine"],
            versions=item["versions"],
            data=item["data"],
            runs=item["runs"],
            verdict=item["verdict"],
            changes={name: Change(*values) for name, values in item["changes"].items()},
            quality=item["quality"],
        )
        for framework, item in sorted(document.items())
    )


def _shown(change: Change) -> str:
    """+285 % [+264, +313]; the same (within 2 %); no difference shown [-5, +8] %."""
    if change.low is None or change.high is None:
        return f"{100 * change.change:+.0f} %"
    if change.low >= -ALIKE and change.high <= ALIKE:
        return f"EQUAL (within {100 * ALIKE:.0f} %)"
    ends = f"[{100 * change.low:+.1f}, {100 * change.high:+.1f}] %"
    if change.low <= 0.0 <= change.high:
        return f"no difference shown {ends}"
    return f"{100 * change.change:+.1f} % {ends.removesuffix(' %')}"
