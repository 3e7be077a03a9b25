"""Which accelerators without a readable counter this machine has: PCI identity, device nodes, what the cloud says.

Nothing is asked over the network and no driver is loaded. Imported by probes only, never by the recorder.
"""

from __future__ import annotations

import os
from pathlib import Path

# PCI identity of a chip (vendor, device) -> name in the table, or in words what it is when no power is published.
# Google: jax/_src/hardware_utils.py. Habana: drivers/accel/habanalabs and Intel's hl-thunk. Intel: i915_pciids.h.
_PCI = {
    (0x1AE0, 0x0027): "TPU v2 or v3",  # one identity for both: TPU_ACCELERATOR_TYPE tells them apart
    (0x1AE0, 0x005E): "tpu-v4",
    (0x1AE0, 0x0062): "TPU v5p",
    (0x1AE0, 0x0063): "TPU v5e",
    (0x1AE0, 0x006F): "TPU v6e",
    (0x1AE0, 0x0076): "TPU 7x",
    (0x1DA3, 0x1000): "Gaudi (first generation)",
    (0x1DA3, 0x1020): "gaudi2",
    (0x1DA3, 0x1060): "gaudi3",
    (0x1DA3, 0x1063): "gaudi3-pcie",
    (0x8086, 0x0BD5): "max-1550",
    (0x8086, 0x0BDA): "max-1100",
    (0x8086, 0x56C0): "flex-170",
}
_VENDORS = frozenset(vendor for vendor, _ in _PCI)
_OLD_TPU = "TPU v2 or v3"
_NODES = {  # where the device files of a family lie, by the start of its name in the table
    "tpu": ("accel[0-9]*", "vfio/[0-9]*"),
    "gaudi": ("accel/accel[0-9]*", "hl[0-9]*"),
    "max": ("dri/renderD[0-9]*",),
    "flex": ("dri/renderD[0-9]*",),
}


def count_accelerators(host: str = "/", accelerator_type: str | None = None) -> dict[str, int]:
    """Chips of this machine by name: as in the table of `accelerator_watts`, or in words where that has none.

    `accelerator_type` is Google's name of the slice (TPU_ACCELERATOR_TYPE: `v3-8`).
    """
    counts: dict[str, int] = {}
    devices = f"{host}/sys/bus/pci/devices"
    for folder in sorted(_listed(devices)):
        vendor = _hex(f"{devices}/{folder}/vendor")
        name = _PCI.get((vendor, _hex(f"{devices}/{folder}/device"))) if vendor in _VENDORS else None
        if name is not None:
            name = _which_old_tpu(accelerator_type) if name == _OLD_TPU else name
            counts[name] = counts.get(name, 0) + 1
    neuron = sum(name.startswith("neuron") and name[6:7].isdigit() for name in _listed(f"{host}/dev"))
    if neuron:
        counts["AWS Trainium or Inferentia"] = neuron
    return counts


def nodes_of(name: str, count: int, host: str = "/") -> tuple[str, ...]:
    """Device files of `count` chips; empty when another number of them is there: then nobody knows whose is whose."""
    for pattern in _NODES.get(name.partition("-")[0].rstrip("0123456789"), ()):
        found = sorted((Path(host) / "dev").glob(pattern), key=lambda path: (len(path.name), path.name))
        if len(found) == count:
            return tuple(map(str, found))
    return ()


def accelerator_type_of_environment() -> str | None:
    """What a TPU virtual machine says that it is: `v4-8`, `v5litepod-4`."""
    return os.environ.get("TPU_ACCELERATOR_TYPE") or None


def _which_old_tpu(accelerator_type: str | None) -> str:
    generation = (accelerator_type or "").partition("-")[0]
    return f"tpu-{generation}" if generation in ("v2", "v3") else _OLD_TPU


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a path object for each file takes longer than to read it
    except OSError:
        return []


def _hex(path: str) -> int:
    """The number in a file of sysfs; 0, which is no vendor and no device, where there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return int(file.read(), 16)
    except (OSError, ValueError):
        return 0
