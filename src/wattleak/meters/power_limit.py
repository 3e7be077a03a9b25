"""The power limit of an NVIDIA GPU: what it is, what it may be, and setting it.

Sources: NVML reference, nvmlDeviceGetPowerManagementLimit, nvmlDeviceGetPowerManagementLimitConstraints,
nvmlDeviceSetPowerManagementLimit (needs root; the limit does not outlive a reboot or the unloading of the driver).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.meters.nvml_driver import opened

if TYPE_CHECKING:
    from types import ModuleType

_MW = 1000.0


@dataclass(frozen=True, slots=True)
class PowerLimit:
    """Of one GPU, in watts."""

    index: int
    uuid: str
    name: str
    now_w: float
    low_w: float
    high_w: float


class PowerLimits:
    """NVML, held open: without persistence mode the driver forgets a limit when nobody holds the device."""

    def __init__(self) -> None:
        """Raises UsageError when there is no NVIDIA driver to ask."""
        self._nvml: ModuleType = opened("power limits")

    def all(self) -> tuple[PowerLimit, ...]:
        """Every GPU that says its limit."""
        found = []
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                found.append(self._read(index, self._nvml.nvmlDeviceGetHandleByIndex(index)))
            except self._nvml.NVMLError:
                continue  # it does not answer, or has no limit: it is not offered
        return tuple(found)

    def of(self, uuid: str) -> PowerLimit:
        """The limit of one GPU. Raises OwnFailure when it does not answer."""
        for found in self.all():
            if found.uuid == uuid:
                return found
        raise OwnFailure(f"the GPU {uuid} does not say its power limit", "nvidia-smi -q -d POWER")

    def set(self, uuid: str, watts: float) -> None:
        """Set it. Raises UsageError when the driver refuses."""
        try:
            handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
            self._nvml.nvmlDeviceSetPowerManagementLimit(handle, round(watts * _MW))
        except self._nvml.NVMLError as error:
            raise UsageError(
                f"the driver does not let us set the power limit of {uuid} to {watts:g} W: {error}",
                "it takes root: sudo env PATH=$PATH wattleak tune ...; and a limit within nvidia-smi -q -d POWER",
            ) from error

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _read(self, index: int, handle: object) -> PowerLimit:
        nvml = self._nvml
        low, high = nvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        return PowerLimit(
            index=index,
            uuid=str(nvml.nvmlDeviceGetUUID(handle)),
            name=str(nvml.nvmlDeviceGetName(handle)),
            now_w=nvml.nvmlDeviceGetPowerManagementLimit(handle) / _MW,
            low_w=low / _MW,
            high_w=high / _MW,
        )
