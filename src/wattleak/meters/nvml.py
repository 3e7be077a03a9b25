"""NVIDIA GPUs through NVML (the `pynvml` module of nvidia-ml-py): channels `gpu0`, `gpu1`, ... by NVML index.

The total-energy counter where the card has one (Volta and later, millijoules since the driver was loaded), else the
power reading, which the recorder integrates.

Facts: the counter moves about every 100 ms (ML.ENERGY's blog on thermally stable profiling; the PETSc manual says 20 to
100 ms). NVIDIA states +-5 % for the power reading of Fermi and Kepler and nothing for later cards or for the counter
(NVML reference, nvmlDeviceGetPowerUsage); Yang et al. (SC 2024, arXiv:2312.02741, 70 cards) found errors proportional
to power, about +-5 %, which is used for the counter. The power reading of A100 and H100 looks at only
a quarter of the time (same source) and that of other cards since Ampere is an average over a second: +-10 %, an
assumption, for energy integrated from it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from wattleak.model import Channel, Unavailable

_PERIOD_S = 0.1
_COUNTER_ERROR = 0.05
_POWER_ERROR = 0.10
_LOST = "without it the energy of NVIDIA GPUs is not in any figure"


class NvmlMeter:
    """Reads NVIDIA GPUs. GPUs that have neither counter nor power reading, beside some that do, are in `losses`."""

    name = "nvml"

    def __init__(self) -> None:
        self._folder = ""
        self._devices: list[dict[str, object]] = []
        self._nvml: ModuleType | None = None
        self._handles: dict[str, tuple[object, bool]] = {}
        self._used_us: dict[str, int] = {}  # newest time stamp seen in the driver's list of who used a GPU
        self.losses: tuple[Unavailable, ...] = ()

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel per GPU that can be read; the library is closed again when this returns."""
        from wattleak.model import Unavailable  # noqa: PLC0415 - not for the recorder

        try:
            import pynvml  # noqa: PLC0415 - 40 ms, and not visible to the recorder until its folder is known
        except ImportError:
            reason = f"the Python package nvidia-ml-py is not installed; {_LOST}"
            return Unavailable(self.name, reason, "pip install nvidia-ml-py")
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return _why_closed(pynvml, error.value)
        try:
            return self._look(pynvml)
        except pynvml.NVMLError as error:
            return _why_closed(pynvml, error.value)
        finally:
            pynvml.nvmlShutdown()

    def _look(self, pynvml: ModuleType) -> tuple[Channel, ...] | Unavailable:
        from wattleak.model import Unavailable  # noqa: PLC0415 - not for the recorder

        channels: list[Channel] = []
        losses: list[Unavailable] = []
        count = pynvml.nvmlDeviceGetCount()
        for index in range(count):
            channel = f"gpu{index}"
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                device = pynvml.nvmlDeviceGetName(handle)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
            except pynvml.NVMLError as error:
                reason = f"{channel} does not answer: {error}; {_LOST}"
                losses.append(Unavailable(self.name, reason, f"nvidia-smi -i {index} shows its state"))
                continue
            energy = _answers(pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
            if not energy and not _answers(pynvml, pynvml.nvmlDeviceGetPowerUsage, handle):
                losses.append(_why_silent(pynvml, handle, f"{channel} ({device})"))
                continue
            channels.append(_channel(channel, device, energy, _mig(pynvml, handle)))
            self._devices.append({"channel": channel, "uuid": uuid, "energy": energy})
        self._folder = str(pynvml.__file__).replace("\\", "/").rpartition("/")[0]
        if channels:
            self.losses = tuple(losses)
            return tuple(channels)
        if losses:
            return Unavailable(self.name, "; ".join(loss.reason for loss in losses), losses[0].remedy)
        reason = f"the NVIDIA driver sees no GPU; {_LOST}"
        return Unavailable(self.name, reason, "nvidia-smi -L lists what the driver sees")

    def spec(self) -> dict[str, object]:
        """The folder of pynvml (the recorder runs without site-packages) and the UUID of each device."""
        return {"folder": self._folder, "devices": [dict(device) for device in self._devices]}

    def open(self, spec: dict[str, object]) -> None:
        """Load the driver's library. What fails leaves its channels absent."""
        self.close()
        if spec["folder"] not in sys.path:
            sys.path.append(str(spec["folder"]))
        import pynvml  # noqa: PLC0415 - only where there is a GPU to read

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return
        self._nvml = pynvml
        devices: list[dict[str, object]] = spec["devices"]  # type: ignore[assignment]  # plain data from spec()
        for device in devices:
            try:
                handle = pynvml.nvmlDeviceGetHandleByUUID(device["uuid"])
            except pynvml.NVMLError:
                continue
            self._handles[str(device["channel"])] = (handle, bool(device["energy"]))

    def read(self) -> dict[str, float]:
        """Joules since the driver was loaded, or watts now (NVML counts in thousandths of both)."""
        nvml, raw = self._nvml, {}
        if nvml is None:
            return {}
        for channel, (handle, energy) in self._handles.items():
            ask = nvml.nvmlDeviceGetTotalEnergyConsumption if energy else nvml.nvmlDeviceGetPowerUsage
            try:
                raw[channel] = ask(handle) / 1000
            except nvml.NVMLError:
                continue
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Processes with a compute context on each GPU; a GPU that does not tell (a vGPU) is left out."""
        nvml, found = self._nvml, {}
        if nvml is None:
            return {}
        for channel, (handle, _energy) in self._handles.items():
            try:
                processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            except nvml.NVMLError:
                continue
            found[channel] = frozenset(int(process.pid) for process in processes)
        return found

    def use(self) -> dict[str, tuple[float | None, dict[int, float] | None]]:
        """How busy each GPU was, and with whom, since the last call; a GPU that says neither is left out.

        Busy is the fraction of the driver's last sample period (1/6 s to 1 s) in which a kernel ran, however small
        (NVML reference, nvmlUtilization_t). By process id: the share of that time in which its kernels ran, where
        several samples came since the last call their mean. The first call tells of the time before it.
        """
        nvml, found = self._nvml, {}
        if nvml is None:
            return {}
        for channel, (handle, _energy) in self._handles.items():
            try:
                busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            except nvml.NVMLError:
                busy = None  # MIG is on, or a vGPU
            shares = self._shares(channel, handle)
            if shares == {} and busy:
                shares = None  # it worked, and the driver does not name for whom
            if busy is not None or shares is not None:
                found[channel] = (busy, shares)
        return found

    def _shares(self, channel: str, handle: object) -> dict[int, float] | None:
        nvml = self._nvml
        if nvml is None:
            return None
        since_us = self._used_us.get(channel, 0)
        try:
            samples = nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        except nvml.NVMLError as error:
            # No sample since then: NVML says "not found", and pynvml raises "success" for an empty list.
            return {} if error.value in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_SUCCESS) else None
        seen: dict[int, list[int]] = {}
        for sample in samples:
            if sample.timeStamp > since_us and sample.pid and sample.smUtil <= 100:  # the driver pads its list
                seen.setdefault(int(sample.pid), []).append(int(sample.smUtil))
                self._used_us[channel] = max(self._used_us.get(channel, 0), int(sample.timeStamp))
        return {pid: sum(percents) / len(percents) / 100 for pid, percents in seen.items()}

    def close(self) -> None:
        if self._nvml is not None:
            try:  # noqa: SIM105 - contextlib costs the recorder more than three lines
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                pass  # the driver went away first: there is nothing left to close
            self._nvml, self._handles, self._used_us = None, {}, {}


def _channel(name: str, device: str, energy: bool, mig: bool) -> Channel:
    from wattleak.model import Channel, Origin, Part, Quantity  # noqa: PLC0415 - only the probe builds channels

    error = _COUNTER_ERROR if energy else _POWER_ERROR
    what = "NVML total-energy counter" if energy else "NVML power reading (this GPU keeps no energy counter)"
    return Channel(
        name=name,
        meter=NvmlMeter.name,
        part=Part.GPU,
        origin=Origin.COUNTER if energy else Origin.SAMPLED,
        quantity=Quantity.ENERGY_J if energy else Quantity.POWER_W,
        period_s=_PERIOD_S,
        relative_low=1 - error,
        relative_high=1 + error,
        device=device,
        source=what + ("; MIG is on: it covers the whole GPU, all instances together" if mig else ""),
    )


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
    from wattleak.model import Unavailable  # noqa: PLC0415 - only the probe explains

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
    return Unavailable(NvmlMeter.name, f"{what} {reason}; {_LOST}", remedy)


def _why_closed(pynvml: ModuleType, error: int) -> Unavailable:
    """Why the library did not open, and what helps."""
    from wattleak.model import Unavailable  # noqa: PLC0415 - only the probe explains

    known = {
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
            "there is no NVIDIA driver here (libnvidia-ml.so.1 is not found)",
            "nothing to type if there is no NVIDIA GPU; else install the driver, or docker run --gpus all",
        ),
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
    return Unavailable(NvmlMeter.name, f"{reason}; {_LOST}", remedy)
