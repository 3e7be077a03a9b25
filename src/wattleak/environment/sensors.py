"""Temperatures of this machine, now: the kernel's thermal zones and hwmon chips, and NVIDIA GPUs.

Source: kernel documentation, driver-api/thermal/sysfs-api (temp: millidegrees Celsius) and hwmon/sysfs-interface
(temp*_input: the same; temp*_fault: 1 when the sensor is broken).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAUSIBLE_C = (1.0, 150.0)  # a sensor that is not there shows 0, -128 or 255 degrees


class Thermometers:
    """Every temperature sensor that shows a plausible value when it is first read."""

    def __init__(self, root: Path = Path("/"), *, gpus: Callable[[], dict[str, float]] | None = None) -> None:
        self._root = root
        self._gpus = gpus

    def read(self) -> dict[str, float]:
        """Degrees Celsius by sensor. One that cannot be read now, or shows nonsense, is left out."""
        found = {**self._zones(), **self._chips(), **(self._gpus() if self._gpus is not None else {})}
        low, high = _PLAUSIBLE_C
        return {name: celsius for name, celsius in found.items() if low <= celsius <= high}

    def _zones(self) -> dict[str, float]:
        zones = {}
        for folder in sorted((self._root / "sys/class/thermal").glob("thermal_zone*")):
            celsius = _millidegrees(folder / "temp")
            if celsius is not None:
                zones[f"{folder.name} ({_text(folder / 'type') or 'zone'})"] = celsius
        return zones

    def _chips(self) -> dict[str, float]:
        chips = {}
        for folder in sorted((self._root / "sys/class/hwmon").glob("hwmon*")):
            for file in sorted(folder.glob("temp*_input")):
                stem = file.name.removesuffix("_input")
                celsius = _millidegrees(file)
                if celsius is not None and _text(folder / f"{stem}_fault") != "1":
                    label = _text(folder / f"{stem}_label") or stem
                    chips[f"{folder.name} ({_text(folder / 'name') or 'chip'} {label})"] = celsius
        return chips


def gpu_temperatures() -> dict[str, float]:
    """Degrees Celsius of every NVIDIA GPU; empty where NVML does not open."""
    import pynvml  # noqa: PLC0415 - 40 ms, and most machines have none

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return {
            f"gpu{index}": float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
            for index, handle in enumerate(handles)
        }
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _millidegrees(path: Path) -> float | None:
    try:
        return int(_text(path) or "") / 1000.0
    except ValueError:
        return None
