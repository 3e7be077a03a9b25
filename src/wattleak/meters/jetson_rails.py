"""The power rails of Jetson modules: what each sees, and where the kernel shows it. Imported by probes only.

Names of rails: NVIDIA Jetson Linux Developer Guide, "Platform Power and Performance" (TX1, TX2, Nano, Xavier, Orin),
and the device trees of those modules. Two layouts: mainline's hwmon driver (`in1_label`, `in1_input` in millivolts,
`curr1_input` in milliamperes) and the older iio driver ina3221x (`rail_name_0`, `in_power0_input` in milliwatts).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

_RAILS: tuple[tuple[str, Part | None, str], ...] = (
    (r"VDD_IN|POM_5V_IN", Part.MACHINE, "all that the module takes in"),
    (r"VDD_CPU|VDD_SYS_CPU|POM_5V_CPU|CPU", Part.CPU, "CPU"),
    (r"VDD_CPU_CV", Part.CPU, "CPU and vision accelerators"),
    (r"VDD_CPU_GPU_CV", Part.CPU, "CPU, GPU and vision accelerators, on one rail"),
    (r"VDD_GPU|VDD_SYS_GPU|POM_5V_GPU|GPU", Part.GPU, "GPU"),
    (r"VDD_GPU_SOC", Part.GPU, "GPU and the memory controllers of the SoC"),
    (r"VDD_SYS_DDR|VDDRQ|VDDQ_VDD2_1V8AO", Part.DRAM, "memory"),
    (r"VDD_SOC|VDD_SYS_SOC|SOC|CV|SYS5V|VIN_SYS_5V0|VDD_4V0_WIFI", None, "the rest of the module"),
)
"""Label, part of the machine (None: no part of its own; inside VDD_IN where there is one), what it feeds."""


class Rail(NamedTuple):
    """One rail: watts = scale_w x the product of the numbers in its files."""

    label: str
    channel: str
    part: Part | None
    sees: str
    paths: tuple[str, ...]
    scale_w: float
    period_s: float | None


def find_rails(root: str) -> list[Rail]:
    """The rails under the folder of I2C drivers whose names are known, each once."""
    found: dict[str, Rail] = {}
    for rail in (*_hwmon(Path(root)), *_iio(Path(root))):
        found.setdefault(rail.channel, rail)
    return list(found.values())


def _hwmon(base: Path) -> Iterator[Rail]:
    for folder in sorted(base.glob("ina3221/*/hwmon/hwmon*")):
        interval = _read(folder / "update_interval")
        period_s = int(interval) / 1000 if interval.isdigit() and int(interval) > 0 else None
        for number in (1, 2, 3):
            if _read(folder / f"in{number}_enable") == "0":
                continue
            paths = (str(folder / f"in{number}_input"), str(folder / f"curr{number}_input"))
            yield from _rail(_read(folder / f"in{number}_label"), paths, 1e-6, period_s)  # millivolts x milliamperes


def _iio(base: Path) -> Iterator[Rail]:
    for folder in sorted(base.glob("ina3221x/*/iio:device*")):
        for number in (0, 1, 2):
            paths = (str(folder / f"in_power{number}_input"),)
            yield from _rail(_read(folder / f"rail_name_{number}"), paths, 1e-3, None)  # milliwatts


def _rail(label: str, paths: tuple[str, ...], scale_w: float, period_s: float | None) -> Iterator[Rail]:
    for pattern, part, sees in _RAILS:
        if re.fullmatch(pattern, label):
            yield Rail(label, label.lower(), part, sees, paths, scale_w, period_s)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
