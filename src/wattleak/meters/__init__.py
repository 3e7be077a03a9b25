"""Sources of energy and power: one file per meter, a readable tuple of those that are built in, and a shipped fake.

This package is imported by the recorder, which must start in milliseconds: nothing here imports more than `os` and
`time` until a meter is probed. Outsiders register a class under the entry-point group `wattleak.meters` and check it
with `wattleak.meters.conformance.check_meter`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Meter

BUILTIN: tuple[tuple[str, str], ...] = (
    ("rapl", "wattleak.meters.rapl:RaplMeter"),  # CPU packages, memory, whole platform: Linux powercap counters
    ("perf-rapl", "wattleak.meters.perf_rapl:PerfRaplMeter"),  # the same through perf, where powercap is closed
    ("nvml", "wattleak.meters.nvml:NvmlMeter"),  # NVIDIA GPUs
    ("amd-smi", "wattleak.meters.amd_smi:AmdSmiMeter"),  # AMD GPUs
    ("apple", "wattleak.meters.apple:AppleMeter"),  # chips of Macs, through powermetrics
    ("ina3221", "wattleak.meters.ina3221:Ina3221Meter"),  # rails of Jetson modules
    ("hwmon", "wattleak.meters.hwmon:HwmonMeter"),  # ACPI power meters, power supplies, GPUs without another meter
    ("ipmi", "wattleak.meters.ipmi:IpmiMeter"),  # the machine by its BMC; slow: only when it is named
    ("plug", "wattleak.meters.plug:PlugMeter"),  # smart plug at the wall: plug:http://ADDRESS, never asked unasked
    ("accelerator-model", "wattleak.meters.accelerator_model:AcceleratorModelMeter"),  # TPU, Gaudi, Intel
    ("ram-model", "wattleak.meters.ram_model:RamModelMeter"),  # stands in where memory has no counter
    ("cpu-model", "wattleak.meters.cpu_model:CpuModelMeter"),  # stands in where the CPU has no counter
    ("replay", "wattleak.meters.replay:ReplayMeter"),  # the fake: replay:FILE.json, never probed unasked
)
"""Name and `module:Class` of each meter, in the order in which they are probed."""

ENTRY_POINTS = "wattleak.meters"
"""The entry-point group in which other packages register a meter: name = "module:Class"."""


def meter_class(name: str) -> type[Meter]:
    """The class of a built-in meter, imported now. Raises UsageError for a name that is not built in."""
    for known, reference in BUILTIN:
        if known == name:
            return load(reference)
    from wattleak.errors import UsageError  # noqa: PLC0415 - imports enum, which the recorder must not pay for

    raise UsageError(f"no meter is called {name!r}", f"built in: {', '.join(known for known, _ in BUILTIN)}")


def load(reference: str) -> type[Meter]:
    """Import `module:Class`. Raises what the import raises."""
    module, _, attribute = reference.partition(":")
    found: type[Meter] = getattr(__import__(module, fromlist=[attribute]), attribute)
    return found
