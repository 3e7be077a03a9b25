"""Locked clocks of an NVIDIA GPU: which there are, locking and unlocking them, and what they were seen to be.

Sources: NVML reference, nvmlDeviceSetGpuLockedClocks (Volta and later; needs root; holds whether or not a program runs,
above application clocks; gone after a reboot or the unloading of the driver), nvmlDeviceResetGpuLockedClocks,
nvmlDeviceGetSupportedMemoryClocks, nvmlDeviceGetSupportedGraphicsClocks, nvmlDeviceGetSamples with
NVML_PROCESSOR_CLK_SAMPLES. NVML has no call that says what the clocks are locked to: whoever locked them before has to
say it (`--clocks-were`), and without that they count as unlocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.meters.nvml_driver import opened

if TYPE_CHECKING:
    from types import ModuleType

UNLOCKED = "unlocked"


@dataclass(frozen=True, slots=True)
class Lock:
    """The range that the clocks are held in, in MHz."""

    low_mhz: int
    high_mhz: int

    def __str__(self) -> str:
        return f"{self.low_mhz}" if self.low_mhz == self.high_mhz else f"{self.low_mhz}-{self.high_mhz}"


def read_lock(text: str) -> Lock | None:
    """From "1410", "1200-1410" or "unlocked" (None). Raises UsageError."""
    if text == UNLOCKED:
        return None
    low, _, high = text.partition("-")
    try:
        lock = Lock(int(low), int(high or low))
    except ValueError:
        lock = Lock(0, 0)
    if not 0 < lock.low_mhz <= lock.high_mhz:
        raise UsageError(f"{text!r} is no clock to lock a GPU to", "in MHz: 1410, or 1200-1410, or unlocked")
    return lock


@dataclass(frozen=True, slots=True)
class Clocks:
    """Of one GPU: what its graphics clock may be, at the highest memory clock."""

    index: int
    uuid: str
    name: str
    supported_mhz: tuple[int, ...]  # the highest first


class GpuClocks:
    """NVML, held open: without persistence mode the driver forgets a lock when nobody holds the device."""

    def __init__(self) -> None:
        """Raises UsageError when there is no NVIDIA driver to ask."""
        self._nvml: ModuleType = opened("locked clocks")

    def all(self) -> tuple[Clocks, ...]:
        """Every GPU that says which clocks it has."""
        found = []
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                clocks = self._read(index, self._nvml.nvmlDeviceGetHandleByIndex(index))
            except self._nvml.NVMLError:
                continue  # it does not answer (a vGPU): it is not offered
            if clocks.supported_mhz:
                found.append(clocks)
        return tuple(found)

    def of(self, uuid: str) -> Clocks:
        """Of one GPU. Raises OwnFailure when it does not answer."""
        for found in self.all():
            if found.uuid == uuid:
                return found
        raise OwnFailure(f"the GPU {uuid} does not say its clocks", "nvidia-smi -q -d SUPPORTED_CLOCKS")

    def set(self, uuid: str, lock: Lock | None) -> None:
        """Lock them, or unlock them with None. Raises UsageError when the driver refuses."""
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
            if lock is None:
                nvml.nvmlDeviceResetGpuLockedClocks(handle)
            else:
                nvml.nvmlDeviceSetGpuLockedClocks(handle, lock.low_mhz, lock.high_mhz)
        except nvml.NVMLError as error:
            what = "unlock the clocks" if lock is None else f"lock the clocks to {lock} MHz"
            remedy = {
                nvml.NVML_ERROR_NO_PERMISSION: "it takes root: sudo env PATH=$PATH wattleak tune ...",
                nvml.NVML_ERROR_NOT_SUPPORTED: "clocks can be locked on Volta and later, and not on a vGPU",
            }.get(error.value, "nvidia-smi -q -d SUPPORTED_CLOCKS says which there are")
            raise UsageError(f"the driver does not let us {what} of {uuid}: {error}", remedy) from error

    def seen(self, uuid: str, since_us: int) -> tuple[int, tuple[int, ...]]:
        """The driver's own samples of the clock after a moment of its own time: the newest moment, and the MHz.

        Empty, and `since_us` again, where the driver keeps none.
        """
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
            _type, samples = nvml.nvmlDeviceGetSamples(handle, nvml.NVML_PROCESSOR_CLK_SAMPLES, since_us)
        except nvml.NVMLError:
            return since_us, ()
        fresh = [sample for sample in samples if sample.timeStamp > since_us]
        newest = max((int(sample.timeStamp) for sample in fresh), default=since_us)
        return newest, tuple(int(sample.sampleValue.uiVal) for sample in fresh)

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _read(self, index: int, handle: object) -> Clocks:
        nvml = self._nvml
        memory = max(nvml.nvmlDeviceGetSupportedMemoryClocks(handle), default=0)
        supported = nvml.nvmlDeviceGetSupportedGraphicsClocks(handle, memory) if memory else ()
        return Clocks(
            index=index,
            uuid=str(nvml.nvmlDeviceGetUUID(handle)),
            name=str(nvml.nvmlDeviceGetName(handle)),
            supported_mhz=tuple(sorted((int(clock) for clock in supported), reverse=True)),
        )
