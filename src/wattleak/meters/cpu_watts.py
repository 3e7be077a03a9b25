"""Watts per vCPU by micro-architecture: the table behind the CPU model. Imported by probes only."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from wattleak.records import NamedTuple
from wattleak.shipped import broken, shipped_text

if TYPE_CHECKING:
    from wattleak.meters.cpuinfo import Processor

TABLE_VERSION = "cpu_watts 1"

# The truth as a multiple of the model (95 %).
# A known chip: a factor of two either way. Against the published power sweeps of four processors no curve of this
# kind is nearer (mean error 22-63 %), and the two methods of the table differ by up to 1.9 on the same chip.
KNOWN = (0.5, 2.0)
# An unknown server chip: the same, and the spread of the table's own chips about their middle (up to a factor 1.5),
# combined as exp(sqrt(ln(2)^2 + ln(1.5)^2)) = 2.23.
_UNKNOWN = (0.45, 2.25)
# An unknown laptop or desktop chip is not in the table at all: 15 W over 16 threads is a quarter of a server's
# watts per thread, 250 W over 32 twice as much. An assumption, hence wide.
_UNKNOWN_CLIENT = (0.25, 2.25)

_METHODS = {
    "ccf_gcp_full_w": "Cloud Carbon Footprint (SPECpower, 2023-2024)",
    "ccf_azure_full_w": "Cloud Carbon Footprint (SPECpower, 2023-2024)",
    "teads_full_w": "Teads (turbostat, 2021)",
}


class Curve(NamedTuple):
    """Watts of one vCPU at rest and fully busy, how far the truth may lie, and in words where it comes from."""

    idle_w: float
    full_w: float
    relative_low: float
    relative_high: float
    source: str


def curve_for(processor: Processor) -> Curve | None:
    """The curve of a processor: its micro-architecture's, else the stated generic of its vendor; None: no table."""
    table = read_table()
    if processor.architecture is not None and processor.architecture in table:
        row = table[processor.architecture]
        methods = " and ".join(dict.fromkeys(method for column, method in _METHODS.items() if row[column]))
        source = f"CPU time x watts per vCPU of {processor.architecture}: {methods}; table {TABLE_VERSION}"
        return Curve(float(row["idle_w"]), float(row["full_w"]), *KNOWN, source)
    if processor.vendor is None:
        return None
    row = table[f"generic-{processor.vendor}"]
    family = {"intel": "Intel", "amd": "AMD", "arm": "Arm", "x86": "x86"}[processor.vendor]
    called = f" ({processor.name})" if processor.name else ""
    source = (
        f"CPU model unknown{called}: generic {family} server curve, CPU time x median watts per vCPU of the table's "
        f"servers; table {TABLE_VERSION}"
    )
    bounds = _UNKNOWN_CLIENT if processor.client else _UNKNOWN
    return Curve(float(row["idle_w"]), float(row["full_w"]), *bounds, source)


def read_table() -> dict[str, dict[str, str]]:
    """Rows by micro-architecture, with a `generic-*` row per vendor; watts as text, empty where a source is silent."""
    return {row["architecture"]: row for row in table_rows("cpu_watts.csv")}


def table_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table. Raises OwnFailure when it is missing or has none."""
    text = shipped_text("wattleak.meters", "data", name)
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    if not rows:
        raise broken(name, "it has no rows")
    return rows
