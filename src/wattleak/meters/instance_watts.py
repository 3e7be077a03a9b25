"""Watts per vCPU by cloud instance type, for a machine whose firmware or user names its type."""

from __future__ import annotations

from typing import NamedTuple

from wattleak.meters.cpu_watts import KNOWN, Curve, table_rows

TABLE_VERSION = "instance_watts 1"


class Instance(NamedTuple):
    """A cloud instance type that the table knows."""

    cloud: str  # "aws", "gcp", "azure"
    name: str
    vcpus: float
    curve: Curve


def instance_named(name: str) -> Instance | None:
    """The instance type of this name: `m6i.large`, `n2-standard-8`, `Standard_D2s_v3`; None: not in the table."""
    wanted = _plain(name)
    for row in table_rows("instance_watts.csv"):
        if _plain(row["type"]) == wanted:
            break
    else:
        return None
    both = row["methods"] == "2"
    teads, ccf = "Teads (turbostat, 2021)", "Cloud Carbon Footprint (SPECpower, 2023-2024)"
    own, other = (teads, ccf) if row["cloud"] == "aws" else (ccf, teads)
    source = (
        f"CPU time x watts per vCPU of the instance type {row['type']}: {own}"
        + (f" and, for {row['architecture']}, {other}" if both else "")
        + f"; table {TABLE_VERSION}"
    )
    curve = Curve(float(row["idle_w"]), float(row["full_w"]), *KNOWN, source)
    return Instance(row["cloud"], row["type"], float(row["vcpus"]), curve)


def _plain(name: str) -> str:
    """Azure writes one type as `Standard_D2s_v3` and as `D2s v3`."""
    return name.strip().lower().removeprefix("standard_").replace("_", " ")
