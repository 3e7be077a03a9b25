"""Which graphics processors sit in this machine, whether or not their driver is there. For probes only."""

from __future__ import annotations

from pathlib import Path

NVIDIA, AMD = 0x10DE, 0x1002  # PCI vendor numbers (pci.ids)
_DISPLAY, _ACCELERATOR = 0x03, 0x12  # base classes of the PCI Code and ID Assignment Specification


def has_gpu(vendor: int, host: str = "/") -> bool | None:
    """Is there a display controller or accelerator of this vendor? None where the system does not list PCI devices.

    `host` is the folder in which /sys lies. Containers see the devices of their machine; WSL2 sees none of them.
    """
    devices = Path(host, "sys/bus/pci/devices")
    try:
        listed = list(devices.iterdir())
    except OSError:
        return None
    for device in listed:
        try:
            found = int((device / "vendor").read_text(), 16)
            base_class = int((device / "class").read_text(), 16) >> 16
        except (OSError, ValueError):
            continue  # unplugged just now
        if found == vendor and base_class in (_DISPLAY, _ACCELERATOR):
            return True
    return None if Path(host, "dev/dxg").exists() else False
