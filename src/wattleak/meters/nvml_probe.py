"""Finding NVIDIA GPUs: which can be read, how, what their figures cover, and why others cannot. For probes only.

Facts and where they come from:

- The counter counts millijoules since the driver was loaded, on Volta and later (NVML reference,
  nvmlDeviceGetTotalEnergyConsumption). It moves every 20 to 100 ms (PETSc manual, PetscLogGpuEnergyMeter; the
  ML.ENERGY blog on thermally stable profiling: about 100 ms): 100 ms is assumed, as the slowest.
- The power reading is an average over one second on Ampere and later, except GA100, and the power of the moment
  on GA100 and before (NVML reference, nvmlDeviceGetPowerUsage, 2026).
- NVIDIA states +-5 % for the power reading of Fermi and Kepler, and nothing for later cards or for the counter. Yang
  et al. (SC 2024, arXiv:2312.02741, more than 70 cards) found errors proportional to power of about that size: +-5 %
  is used for the counter. On A100 and H100 the sensor looks at only a quarter of the time (same source). For energy
  integrated from power, +-10 % and for those two chips +-20 % are assumptions.
- On GH200 the counter covers the module, its CPU and memory included (ml-energy/zeus, pull request 172, 2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wattleak.meters.nvml import LOST, NO_LIBRARY
from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

METER = "nvml"

_COUNTER_PERIOD_S = 0.1
_COUNTER_ERROR = 0.05
_AVERAGED_S = 1.0  # the window of the power reading on Ampere and later
_INSTANT_S = 0.1
_POWER_ERROR = 0.10
_QUARTER_ERROR = 0.20
_GA100 = ("A100", "A800", "A30")  # products with this chip; A30 is compared as a whole word: there is an A300
_GH100 = ("H100", "H200", "H800", "H20", "GH200")


class Found(NamedTuple):
    """GPUs that can be read, what the recorder needs to read them, and what cannot be read beside them."""

    channels: tuple[Channel, ...]
    devices: tuple[dict[str, object], ...]
    losses: tuple[Unavailable, ...]
    folder: str  # where pynvml lies


def look() -> Found | Unavailable:
    """Open the driver's library, ask every GPU what it can tell, and close the library again."""
    try:
        import pynvml  # noqa: PLC0415 - where it is missing, that is the answer
    except ImportError:
        reason = f"the Python package nvidia-ml-py is not installed; {LOST}"
        return Unavailable(METER, reason, "pip install nvidia-ml-py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _why_closed(pynvml, error.value)
    try:
        return _ask(pynvml)
    except pynvml.NVMLError as error:
        return _why_closed(pynvml, error.value)
    finally:
        pynvml.nvmlShutdown()


def _ask(pynvml: ModuleType) -> Found | Unavailable:
    handles: dict[int, object] = {}
    losses: list[Unavailable] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handles[index] = pynvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as error:
            reason = f"gpu{index} does not answer: {error}; {LOST}"
            losses.append(Unavailable(METER, reason, f"nvidia-smi -i {index} shows its state"))
    channels: list[Channel] = []
    devices: list[dict[str, object]] = []
    for index, handle in handles.items():
        name = f"gpu{index}"
        try:
            device = str(pynvml.nvmlDeviceGetName(handle))
            uuid = str(pynvml.nvmlDeviceGetUUID(handle))
        except pynvml.NVMLError as error:
            reason = f"{name} does not answer: {error}; {LOST}"
            losses.append(Unavailable(METER, reason, f"nvidia-smi -i {index} shows its state"))
            continue
        energy = _answers(pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        if not energy and not _answers(pynvml, pynvml.nvmlDeviceGetPowerUsage, handle):
            losses.append(_why_silent(pynvml, handle, f"{name} ({device})"))
            continue
        channels.append(_channel(pynvml, handle, name, device, uuid, energy))
        devices.append({"channel": name, "uuid": uuid, "energy": energy})
        losses += _coverage(pynvml, handle, name, device)
    if channels:
        folder = str(pynvml.__file__).replace("\\", "/").rpartition("/")[0]
        return Found(tuple(channels), tuple(devices), tuple(losses), folder)
    if losses:
        return Unavailable(METER, "; ".join(loss.reason for loss in losses), losses[0].remedy)
    reason = f"the NVIDIA driver sees no GPU; {LOST}"
    return Unavailable(METER, reason, "nvidia-smi -L lists what the driver sees")


def _channel(pynvml: ModuleType, handle: object, name: str, device: str, uuid: str, energy: bool) -> Channel:
    if energy:
        what, period_s, error = "NVML total-energy counter", _COUNTER_PERIOD_S, _COUNTER_ERROR
        said = f"+-{error:.0%} as found by Yang et al. (2024)"
    else:
        what, period_s, error = _power_reading(pynvml, handle, device)
        said = f"this GPU keeps no energy counter; +-{error:.0%} assumed"
    return Channel(
        name=name,
        meter=METER,
        part=Part.GPU,
        origin=Origin.COUNTER if energy else Origin.SAMPLED,
        quantity=Quantity.ENERGY_J if energy else Quantity.POWER_W,
        period_s=period_s,
        relative_low=1 - error,
        relative_high=1 + error,
        device=device,
        source=f"{what} of {_which(pynvml, handle, name, uuid)}; {said}",
    )


def _power_reading(pynvml: ModuleType, handle: object, device: str) -> tuple[str, float, float]:
    """What the power reading of this GPU is: in words, its window or period in seconds, its error (a fraction)."""
    words = device.replace("-", " ").split()
    quarter = any(word in (*_GA100, *_GH100) for word in words)
    error = _QUARTER_ERROR if quarter else _POWER_ERROR
    try:
        architecture = int(pynvml.nvmlDeviceGetArchitecture(handle))
    except pynvml.NVMLError:
        architecture = None
    if architecture is None or architecture == pynvml.NVML_DEVICE_ARCH_UNKNOWN:
        return "NVML power reading (window unknown, at most a second)", _AVERAGED_S, error
    averaged = architecture >= pynvml.NVML_DEVICE_ARCH_AMPERE and not any(word in _GA100 for word in words)
    window = "averaged over a second" if averaged else "of the moment"
    seen = ", the sensor looks at a quarter of the time" if quarter else ""
    return f"NVML power reading ({window}{seen})", _AVERAGED_S if averaged else _INSTANT_S, error


def _which(pynvml: ModuleType, handle: object, name: str, uuid: str) -> str:
    """Which card that is: NVML counts in PCI order and knows nothing of CUDA_VISIBLE_DEVICES."""
    index = name.removeprefix("gpu")
    try:
        bus = pynvml.nvmlDeviceGetPciInfo(handle).busId
        place = f", PCI {bus.decode() if isinstance(bus, bytes) else bus}"
    except pynvml.NVMLError:
        place = ""
    return f"NVML device {index}{place}, {'-'.join(uuid.split('-')[:2])}"


def _coverage(pynvml: ModuleType, handle: object, name: str, device: str) -> list[Unavailable]:
    """What a reading covers beyond the GPU of the user, said as a loss: the part cannot be read alone."""
    losses: list[Unavailable] = []
    if _mig(pynvml, handle):
        reason = (
            f"{name} ({device}) is split by MIG: its reading covers the whole card, no instance has one of its own, "
            f"and work on the other instances is in the figure"
        )
        losses.append(Unavailable(METER, reason, "be alone on the card, or sudo nvidia-smi -mig 0 on the host"))
    if "GH200" in device:
        reason = (
            f"{name} ({device}): the GPU alone cannot be read, its counter covers the whole module with the Grace CPU "
            f"and its memory"
        )
        losses.append(Unavailable(METER, reason, f"add no CPU or memory channel of that module to {name}"))
    return losses


def _answers(pynvml: ModuleType, ask: Callable[[object], object], handle: object) -> bool:
    try:
        ask(handle)
    except pynvml.NVMLError:
        return False
    return True


def _mig(pynvml: ModuleType, handle: object) -> bool:
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0])
    except pynvml.NVMLError:
        return False  # a card without the feature says "not supported"


def _why_silent(pynvml: ModuleType, handle: object, what: str) -> Unavailable:
    """Why a GPU that answers has neither an energy counter nor a power reading."""
    try:
        vgpu = pynvml.nvmlDeviceGetVirtualizationMode(handle) == pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU
    except pynvml.NVMLError:
        vgpu = False
    if vgpu:
        reason, remedy = "is a vGPU: its host keeps energy and power to itself", "use a whole GPU (passthrough)"
    elif _mig(pynvml, handle):
        reason = "is a MIG slice, which has no energy counter and no power reading of its own"
        remedy = "use a whole GPU (sudo nvidia-smi -mig 0 on the host)"
    else:
        reason, remedy = "has neither an energy counter nor a power reading", "use a Volta or later data-centre GPU"
    return Unavailable(METER, f"{what} {reason}; {LOST}", remedy)


def _why_closed(pynvml: ModuleType, error: int) -> Unavailable:
    """Why the library did not open, and what helps."""
    known = {
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: NO_LIBRARY,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
            "the NVIDIA driver is installed but not loaded",
            "sudo modprobe nvidia; nvidia-smi shows whether that worked",
        ),
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
            "the NVIDIA library and the loaded driver have different versions (updated without a reboot)",
            "reboot, or sudo rmmod nvidia_uvm nvidia && sudo modprobe nvidia",
        ),
        pynvml.NVML_ERROR_NO_PERMISSION: (
            "this user may not talk to the NVIDIA driver",
            "ls -l /dev/nvidia* shows who may; join that group, or docker run --gpus all",
        ),
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: (
            "the NVIDIA driver is older than nvidia-ml-py expects",
            "pip install 'nvidia-ml-py<=VERSION-OF-THE-DRIVER' (nvidia-smi shows it), or update the driver",
        ),
    }
    reason, remedy = known.get(
        error, (f"NVML does not open: {pynvml.NVMLError(error)}", "nvidia-smi shows what the driver says")
    )
    return Unavailable(METER, f"{reason}; {LOST}", remedy)
