"""Checks of NVIDIA GPUs, on what NVML said once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.environment.checks.check import Outcome, not_known, ok, warning

if TYPE_CHECKING:
    from types import ModuleType

    from wattleak.environment.checks.host import Host

_NO_NVML = "no NVIDIA GPU is seen"


@dataclass(frozen=True, slots=True)
class Gpu:
    """State of one GPU; what it does not tell is None."""

    name: str
    index: int
    persistent: bool | None
    holders: tuple[int, ...] | None  # process ids with a compute context
    slowed: str | None  # why its clock is held back now; empty: it is not


def read_gpus() -> tuple[Gpu, ...] | None:
    """The state of every NVIDIA GPU; None where NVML does not open. Opens and closes the library."""
    try:
        import pynvml  # noqa: PLC0415 - 40 ms
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return tuple(_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def nvidia_persistence(host: Host) -> Outcome:
    """Without persistence mode the driver lets go of a GPU when its last user ends. The next one waits (seconds) until
    it is set up again, its clocks start cold, and its energy counter may start from zero.

    ok: on for every GPU. warning: off. not known: no NVIDIA GPU, or it does not say.

    Remedy: `sudo nvidia-smi -pm 1`, or the nvidia-persistenced service.
    Source: NVIDIA, Driver Persistence (docs.nvidia.com/deploy/driver-persistence).
    """
    if not host.gpus:
        return not_known(_NO_NVML)
    off = [f"gpu{gpu.index}" for gpu in host.gpus if gpu.persistent is False]
    if off:
        return warning(
            f"off for {', '.join(off)}: the driver sets the GPU up anew for every run", "sudo nvidia-smi -pm 1"
        )
    if any(gpu.persistent is None for gpu in host.gpus):
        return not_known("the GPU does not say")
    return ok(f"on for {len(host.gpus)} GPU{'s' if len(host.gpus) > 1 else ''}")


def gpu_sharing(host: Host) -> Outcome:
    """Whether somebody else's program holds a GPU now. Its energy is then shared out by what each of them uses, with a
    wide range, and its work slows ours down.

    ok: nobody. warning: somebody does; the process ids are named. not known: no NVIDIA GPU, or it does not say.

    Remedy: another GPU (`CUDA_VISIBLE_DEVICES`), or wait.
    Source: NVML reference, nvmlDeviceGetComputeRunningProcesses.
    """
    if not host.gpus:
        return not_known(_NO_NVML)
    held = [gpu for gpu in host.gpus if gpu.holders]
    if held:
        said = "; ".join(f"gpu{gpu.index} by process {', '.join(map(str, gpu.holders or ()))}" for gpu in held)
        free = [str(gpu.index) for gpu in host.gpus if gpu.holders == ()]
        remedy = f"export CUDA_VISIBLE_DEVICES={','.join(free)}" if free else "wait until they have ended"
        return warning(f"held: {said}", remedy)
    if any(gpu.holders is None for gpu in host.gpus):
        return not_known("the GPU does not say who holds it")
    return ok("nobody holds a GPU")


def gpu_clock(host: Host) -> Outcome:
    """Whether a GPU is being held back: by heat, by a power cap, or by the hardware's emergency brake.

    ok: no. warning: yes, and why. not known: no NVIDIA GPU, or it does not say. An idle GPU that clocks down by itself
    is not held back.

    Remedy: cooling and a pause (`--cooldown 60`); `nvidia-smi -q -d PERFORMANCE` shows the reason.
    Source: NVML reference, nvmlClocksEventReasons.
    """
    if not host.gpus:
        return not_known(_NO_NVML)
    slowed = [f"gpu{gpu.index} by {gpu.slowed}" for gpu in host.gpus if gpu.slowed]
    if slowed:
        return warning(f"held back: {', '.join(slowed)}", "nvidia-smi -q -d PERFORMANCE; --cooldown 60 between runs")
    if any(gpu.slowed is None for gpu in host.gpus):
        return not_known("the GPU does not say")
    return ok("not held back")


def _gpu(pynvml: ModuleType, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Gpu(
        name=str(pynvml.nvmlDeviceGetName(handle)),
        index=index,
        persistent=_persistent(pynvml, handle),
        holders=_holders(pynvml, handle),
        slowed=_slowed(pynvml, handle),
    )


def _persistent(pynvml: ModuleType, handle: object) -> bool | None:
    try:
        return bool(pynvml.nvmlDeviceGetPersistenceMode(handle) == pynvml.NVML_FEATURE_ENABLED)
    except pynvml.NVMLError:
        return None


def _holders(pynvml: ModuleType, handle: object) -> tuple[int, ...] | None:
    try:
        return tuple(int(process.pid) for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except pynvml.NVMLError:
        return None


def _slowed(pynvml: ModuleType, handle: object) -> str | None:
    """Reasons by bit as in nvml.h: only those that hold a busy GPU back against its will."""
    try:
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    except pynvml.NVMLError:
        return None
    named = ((0x04, "its power cap"), (0x08, "the hardware"), (0x20, "heat"), (0x40, "heat"), (0x80, "the power brake"))
    return " and ".join(dict.fromkeys(word for bit, word in named if reasons & bit))
