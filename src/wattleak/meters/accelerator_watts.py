"""Power of accelerators that have no counter which we can read: the table behind the accelerator model.

Imported by probes of machines that have one, and by who states one.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from wattleak.meters.accelerators import nodes_of
from wattleak.shipped import shipped_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE_VERSION = "accelerator_watts 1"


class Watts(NamedTuple):
    """A row of the table: power of one chip or card."""

    name: str
    measured: bool  # by its maker, in production; otherwise `high_w` is a thermal design power and the others absent
    low_w: float | None
    mean_w: float | None
    high_w: float
    source: str
    year: int


class Found(NamedTuple):
    """Accelerators of one kind. `unknown` says in words what they are when no power of them is published."""

    name: str
    chips: int
    nodes: tuple[str, ...]  # device files, the one of the first chip first; empty when there are not as many as chips
    known: Watts | None


def look_up(counts: Mapping[str, int], host: str = "/") -> tuple[Found, ...]:
    """These many chips of each name, with their device files and what is published of their power."""
    table = read_table()
    return tuple(Found(name, n, nodes_of(name, n, host), table.get(name)) for name, n in counts.items())


def read_table() -> dict[str, Watts]:
    """Power of one chip or card, by name."""
    text = shipped_text("wattleak.meters", "data", "accelerator_watts.csv")
    return {
        row["name"]: Watts(
            row["name"],
            row["kind"] == "measured",
            float(row["low_w"]) if row["low_w"] else None,
            float(row["mean_w"]) if row["mean_w"] else None,
            float(row["high_w"]),
            row["source"],
            int(row["year"]),
        )
        for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    }
