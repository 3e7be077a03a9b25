"""Which hwmon drivers are understood, and what their sensors see. Imported by probes only.

Facts: names and attributes are those of the kernel's Documentation/hwmon (power_meter, amd_energy, fam15h_power,
macsmc-hwmon, corsair-psu, pmbus), of Documentation/gpu/amdgpu/thermal.rst ("on APUs this includes the CPU"; only
APUs have the northbridge voltage `vddnb`) and of the ABI files for i915 and xe. NVIDIA Grace's ACPI meters name their
place in `power1_oem_info`: the socket's meter (CPU, fabric and memory) is read; the module's, which holds the GPU
too, is not.

Ranges: the accuracy that an ACPI meter's firmware states, and never better than +-5 %. No driver of the others states
one: +-5 % for the input of a power supply, +-10 % for what a controller or a GPU says of itself and +-20 % for AMD's
modelled CPU counters are assumptions.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_METER = "hwmon"
_ACPI = "power_meter"
_WHOLE_SYSTEM = "LNXSYBUS:00"  # the ACPI object \_SB: an ACPI meter that measures it measures the machine
_MACHINE_OUTER_FIRST = ("machine-psu", "machine-acpi", "machine-smc")
_LEAST_ERROR = 0.05
_SLOW_S = 0.05  # an ACPI meter that asks the BMC for each reading
_ASK_AGAIN_S = 1.1  # the kernel gives the same answer again for as long as the firmware says, usually a second
_GRACE = r"(?P<what>Grace|CPU) Power Socket (?P<socket>\d+)"
_GRACE_OTHER = r"(Module|SysIO) Power Socket \d+"


class Driver(NamedTuple):
    """What the sensors of one driver see.

    `labels` picks among several sensors of a device; without it the first is taken. `channel` gets the number of the
    device behind it, unless all devices together make up one channel (`summed`).
    """

    names: tuple[str, ...]
    attribute: str  # regular expression of the file name
    labels: str | None
    part: Part
    channel: str
    device: str
    period_s: float  # where no file says it: assumptions
    error: float
    mirrors: str | None = None  # a meter that reads the same devices better
    summed: bool = False


DRIVERS: tuple[Driver, ...] = (
    Driver(("amd_energy",), r"energy\d+_input", r"Esocket\d+", Part.CPU, "cpu", "AMD CPU package", 0.001, 0.20),
    Driver(("fam15h_power",), r"power1_(average|input)", None, Part.CPU, "cpu", "AMD CPU package", 0.1, 0.20),
    Driver(("apm_xgene",), r"power\d+_input", r"(CPU|IO) power", Part.CPU, "cpu0", "Arm SoC", 0.1, 0.10, summed=True),
    Driver(("amdgpu",), r"power1_(average|input)", None, Part.GPU, "amd-gpu", "AMD GPU", 0.1, 0.10, "amd-smi"),
    Driver(("nouveau",), r"power1_input", None, Part.GPU, "nvidia-gpu", "NVIDIA GPU", 0.1, 0.10, "nvml"),
    Driver(("i915", "xe"), r"energy\d+_input", r"card|pkg|", Part.GPU, "intel-gpu", "Intel GPU", 0.01, 0.10),
    Driver(
        ("macsmc_hwmon", "macsmc-hwmon"),
        r"power\d+_input",
        r"Total System Power",
        Part.MACHINE,
        "machine-smc",
        "Apple SMC",
        1.0,
        0.10,
        summed=True,
    ),
    Driver(
        ("corsairpsu",),
        r"power\d+_input",
        r"power total",
        Part.MACHINE,
        "machine-psu",
        "power supply (output)",
        1.0,
        0.10,
        summed=True,
    ),
    Driver(
        ("dps650ab", "dps800", "dps920ab", "ibm-cffps", "ibm-cffps1", "ibm-cffps2", "ipsps1", "crps185", "fsp-3y"),
        r"power\d+_input",
        r"pin1?",
        Part.MACHINE,
        "machine-psu",
        "power supplies (input)",
        1.0,
        0.05,
        summed=True,
    ),
)
"""Drivers beside ACPI's, whose meters say themselves what they see."""


class Sensor(NamedTuple):
    """One file, and what it shows."""

    path: str
    channel: str
    part: Part
    energy: bool
    period_s: float
    error: float
    device: str
    source: str


def find_sensors(root: str, read_already: Sequence[Channel]) -> tuple[list[Sensor], tuple[Unavailable, ...]]:
    """Sensors that are understood and readable, and what is lost by those that are not readable or not clear."""
    found: list[Sensor] = []
    losses: list[Unavailable] = []
    devices = _devices(root)
    for driver in DRIVERS:
        if driver.mirrors is not None and any(channel.meter == driver.mirrors for channel in read_already):
            continue
        mine = [folder for name, folder in devices if name in driver.names]
        sensors = [sensor for number, folder in enumerate(mine) for sensor in _sensors_of(driver, folder, number)]
        taken = {sensor.channel for sensor in found}  # two drivers that see one package: the first of the table is read
        found += [sensor for sensor in sensors if sensor.channel not in taken]
    taken = {sensor.channel for sensor in found}
    acpi = _acpi([folder for name, folder in devices if name == _ACPI], losses)
    found += [sensor for sensor in acpi if sensor.channel not in taken]
    if any(channel.part is Part.CPU or _holds_grace(channel) for channel in read_already):
        found = [sensor for sensor in found if sensor.part is not Part.CPU]
    taken_s = {sensor.path: _reading_time_s(sensor.path) for sensor in found}
    closed = [sensor for sensor in found if taken_s[sensor.path] is None]
    if any((seconds or 0.0) > _SLOW_S for seconds in taken_s.values()):
        time.sleep(_ASK_AGAIN_S)  # it may have been us who had to wait for a CPU
        taken_s = {path: s if s is None or s <= _SLOW_S else _reading_time_s(path) for path, s in taken_s.items()}
    slow = [sensor for sensor in found if (taken_s[sensor.path] or 0.0) > _SLOW_S]
    if closed:
        paths = " ".join(sensor.path for sensor in closed)
        reason = f"this user may not read the sensors of {_listed(closed)}: their energy is in no figure"
        losses.append(Unavailable(_METER, reason, f"sudo chmod a+r {paths} (until reboot)"))
    if slow:
        longest_ms = max(taken_s[sensor.path] or 0.0 for sensor in slow) * 1000
        reason = f"a reading of {_listed(slow)} takes {longest_ms:.0f} ms, which would hold up all other meters"
        losses.append(Unavailable(_METER, reason, "ask the BMC beside the work instead: --meters ipmi"))
    left_out = {sensor.channel for sensor in (*closed, *slow)}
    return [sensor for sensor in found if sensor.channel not in left_out], tuple(losses)


def _listed(sensors: Sequence[Sensor]) -> str:
    return ", ".join(f"{sensor.channel} ({sensor.device})" for sensor in sensors)


def channels_of(sensors: Sequence[Sensor]) -> tuple[tuple[Channel, ...], dict[str, list[str]]]:
    """Channels and the files that make up each."""
    grouped: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        grouped.setdefault(sensor.channel, []).append(sensor)
    channels = []
    for name, parts in grouped.items():
        first, error = parts[0], max(sensor.error for sensor in parts)
        several = f", sum of {len(parts)} sensors" if len(parts) > 1 else ""
        channels.append(
            Channel(
                name=name,
                meter=_METER,
                part=first.part,
                origin=Origin.COUNTER if first.energy else Origin.SAMPLED,
                quantity=Quantity.ENERGY_J if first.energy else Quantity.POWER_W,
                period_s=max(sensor.period_s for sensor in parts),
                relative_low=1 - error,
                relative_high=1 + error,
                contains=_further_in(name, grouped),
                device=first.device,
                source=first.source + several,
            )
        )
    return tuple(channels), {name: [sensor.path for sensor in parts] for name, parts in grouped.items()}


def _further_in(name: str, names: Iterable[str]) -> frozenset[str]:
    """Other sensors of the whole machine that see no more than this one does."""
    if name not in _MACHINE_OUTER_FIRST:
        return frozenset()
    return frozenset(_MACHINE_OUTER_FIRST[_MACHINE_OUTER_FIRST.index(name) + 1 :]) & frozenset(names)


def explain(root: str) -> Unavailable | None:
    """Say why none of the sensors is read; None: there are none."""
    unknown = sorted(
        f"{name} {path.name}"
        for name, folder in _devices(root)
        for path in _attributes(folder, r"(power\d+_(input|average)|energy\d+_input)")
    )
    if unknown:
        reason = f"{root} has power sensors, but where in the machine they sit is not known: {', '.join(unknown)}"
        return Unavailable(_METER, reason, "nothing to type: what they show may be part of another figure")
    return None


def _sensors_of(driver: Driver, folder: Path, number: int) -> list[Sensor]:
    files = _attributes(folder, driver.attribute)
    labels = {path: _read(_beside(path, "label")) for path in files}
    if driver.labels is not None:
        files = [path for path in files if re.fullmatch(driver.labels, labels[path])]
    if driver.names == ("amd_energy",):
        sockets = [(path, f"cpu{labels[path].removeprefix('Esocket').lstrip('0') or '0'}") for path in files]
        return [_sensor(driver, path, channel, driver.part, labels[path]) for path, channel in sockets]
    if not driver.summed:
        files = sorted(files, key=lambda path: labels[path] != "card")[:1]  # xe: the card holds the package
    apu = driver.names == ("amdgpu",) and _read(folder / "in1_label") == "vddnb"
    part, base = (Part.CPU, "cpu") if apu else (driver.part, driver.channel)
    name = base if driver.summed else f"{base}{number}"
    return [_sensor(driver, path, name, part, labels[path], apu=apu) for path in files]


def _sensor(driver: Driver, path: Path, channel: str, part: Part, label: str, *, apu: bool = False) -> Sensor:
    device = "AMD APU (CPU and GPU)" if apu else driver.device
    return Sensor(
        path=str(path),
        channel=channel,
        part=part,
        energy=path.name.startswith("energy"),
        period_s=_interval_s(path) or driver.period_s,
        error=driver.error,
        device=device,
        source=f"hwmon {driver.names[0]} {path.name}{f' ({label})' if label else ''}; accuracy +-{driver.error:.0%} "
        "assumed, none is published",
    )


def _acpi(folders: Sequence[Path], losses: list[Unavailable]) -> list[Sensor]:
    """ACPI power meters: the machine's, or those of Grace sockets."""
    sensors: dict[str, Sensor] = {}
    whole: list[Path] = []
    for folder in folders:
        info = _read(folder / "power1_oem_info")
        grace = re.fullmatch(_GRACE, info)
        if grace is not None:
            channel = f"cpu{grace['socket']}"
            if channel not in sensors or grace["what"] == "Grace":  # the socket's meter holds the CPU rail's
                what = "CPU, fabric and memory" if grace["what"] == "Grace" else "CPU rail"
                sensors[channel] = _acpi_sensor(folder, channel, Part.CPU, f"NVIDIA Grace ({what})")
        elif not re.fullmatch(_GRACE_OTHER, info) and _read(folder / "power1_is_battery") != "1":
            whole.append(folder)
    whole = [folder for folder in whole if (folder / "measures" / _WHOLE_SYSTEM).exists()] or whole
    if len(whole) == 1:
        model = " ".join(word for word in (_read(whole[0] / "power1_model_number"), "ACPI power meter") if word)
        sensors["machine-acpi"] = _acpi_sensor(whole[0], "machine-acpi", Part.MACHINE, model)
    elif whole:
        reason = f"the firmware has {len(whole)} ACPI power meters and does not say what each of them measures"
        losses.append(Unavailable(_METER, reason, "use a meter of the whole machine: ipmi or plug, by --meters"))
    return list(sensors.values())


def _holds_grace(channel: Channel) -> bool:
    """Does a GPU's counter cover its whole module, the Grace CPU included? GH200's does (see `nvml_probe`)."""
    return channel.meter == "nvml" and "GH200" in (channel.device or "")


def _acpi_sensor(folder: Path, channel: str, part: Part, device: str) -> Sensor:
    path = folder / "power1_average"
    stated = _accuracy(_read(folder / "power1_accuracy"))
    error = max(_LEAST_ERROR, 1 - stated) if stated is not None else 0.10
    said = f"firmware states {stated:.1%} accuracy" if stated is not None else "no accuracy stated"
    return Sensor(
        path=str(path),
        channel=channel,
        part=part,
        energy=False,
        period_s=_interval_s(path) or 1.0,
        error=error,
        device=device,
        source=f"ACPI power meter, {said}, +-{error:.0%} taken",
    )


def _accuracy(text: str) -> float | None:
    """`90.0%` as a fraction. The kernel prints thousandths of a percent without leading zeros: 99.50% is 99.050 %."""
    match = re.fullmatch(r"(\d+)\.(\d{1,3})%", text)
    if match is None:
        return None
    percent = int(match[1]) + int(match[2]) / 1000
    return percent / 100 if 0 < percent <= 100 else None


def _interval_s(path: Path) -> float | None:
    """Over how long the reading is averaged, or how often it is taken, where the driver says so (milliseconds)."""
    for file in (_beside(path, "average_interval"), path.parent / "update_interval"):
        text = _read(file)
        if text.isdigit() and int(text) > 0:
            return int(text) / 1000
    return None


def _beside(path: Path, ending: str) -> Path:
    """`power1_label` for `power1_average`."""
    return path.with_name(f"{path.name.partition('_')[0]}_{ending}")


def _devices(root: str) -> list[tuple[str, Path]]:
    """Name and folder of each device. Old drivers keep their files one level down, in `device`."""
    found: list[tuple[str, Path]] = []
    for folder in sorted(Path(root).glob("hwmon*"), key=lambda folder: (len(folder.name), folder.name)):
        for place in (folder, folder / "device"):
            name = _read(place / "name")
            if name and _attributes(place, r"(power|energy)\d+_\w+"):
                found.append((name, place))
                break
    return found


def _attributes(folder: Path, pattern: str) -> list[Path]:
    """Files of a device by name, power1 before power10, averages before momentary readings."""
    try:
        files = [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
    except OSError:
        return []
    return sorted(files, key=lambda path: (len(path.name.partition("_")[0]), path.name))


def _reading_time_s(path: str) -> float | None:
    """How long a reading takes; None when the file may not be opened. One that fails now may answer later."""
    begun_s = time.monotonic()
    try:
        with Path(path).open("rb", buffering=0) as file:
            with suppress(OSError):
                file.read(32)
            return time.monotonic() - begun_s
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
