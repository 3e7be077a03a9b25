"""NVIDIA GPUs through NVML (the `pynvml` module of nvidia-ml-py): channels `gpu0`, `gpu1`, ... by NVML index.

The total-energy counter where the card has one (Volta and later), else the power reading, which the recorder
integrates. What the figures are worth, with sources, is in `nvml_probe`; this module is what the recorder imports.

NVML counts GPUs in PCI order and does not apply CUDA_VISIBLE_DEVICES, so `gpu0` here may be another card than
`cuda:0`; the source of each channel gives its PCI address and the start of its UUID, which `nvidia-smi -L` shows too.
"""

from __future__ import annotations

import sys

from wattleak.meters.namespace import all_here, in_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from wattleak.model import Channel, Unavailable


LOST = "without it the energy of NVIDIA GPUs is not in any figure"
NO_LIBRARY = (
    "there is no NVIDIA driver here (libnvidia-ml.so.1 is not found)",
    "nothing to type if there is no NVIDIA GPU; else install the driver, or docker run --gpus all",
)


class NvmlMeter:
    """Reads NVIDIA GPUs. What cannot be read beside what can is in `losses`; `absent`: this machine has none.

    `host` is the folder in which /sys lies.
    """

    name = "nvml"
    common = True  # hardware counts: what one process reads, another would read too

    def __init__(self, host: str = "/") -> None:
        self._host = host
        self._folder = ""
        self._devices: list[dict[str, object]] = []
        self._nvml: ModuleType | None = None
        self._handles: dict[str, tuple[object, bool]] = {}
        self._busy_us: dict[str, int] = {}  # newest time stamp seen in the driver's list of how busy a GPU was
        self._used_us: dict[str, int] = {}  # the same in its list of who used it
        self._inside = False
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel per GPU that can be read; the library is closed again when this returns."""
        if is_library_missing():
            self.absent = self._is_absent()
            return self._none()
        from wattleak.meters.nvml_probe import Found, look  # noqa: PLC0415 - the recorder does not look

        answer = look()
        if not isinstance(answer, Found):
            self.absent = self._is_absent()
            return answer
        self._folder, self._devices = answer.folder, [dict(device) for device in answer.devices]
        self.losses = answer.losses
        return answer.channels

    def _is_absent(self) -> bool:
        """Has this machine no NVIDIA GPU? False where that cannot be known: no list of PCI devices, or WSL2."""
        from wattleak.meters.pci import NVIDIA, has_gpu  # noqa: PLC0415 - the recorder does not look

        return has_gpu(NVIDIA, self._host) is False

    def _none(self) -> Unavailable:
        from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

        return Unavailable(self.name, f"{NO_LIBRARY[0]}; {LOST}", NO_LIBRARY[1])

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
        self._inside = in_container()
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
        """Processes with a compute context on each GPU; a GPU that does not tell (a vGPU) is left out.

        So is one that names processes which this container cannot see: older drivers give the numbers that they have
        outside, and nobody here can say which of them are ours.
        """
        nvml, found = self._nvml, {}
        if nvml is None:
            return {}
        for channel, (handle, _energy) in self._handles.items():
            try:
                processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            except nvml.NVMLError:
                continue
            pids = frozenset(int(process.pid) for process in processes)
            if not self._strangers(pids):
                found[channel] = pids
        return found

    def use(self) -> dict[str, tuple[float | None, dict[int, float] | None]]:
        """How busy each GPU was, and with whom, since the last call; a GPU that says neither is left out.

        Busy is the fraction of time in which a kernel ran, however small (NVML reference, nvmlUtilization_t): the mean
        of the driver's samples since the last call, else the last of them, 1/6 s to 1 s long. By process id: the share
        of that time in which its kernels ran. The first call tells of the time before it.
        """
        nvml, found = self._nvml, {}
        if nvml is None:
            return {}
        for channel, (handle, _energy) in self._handles.items():
            busy = self._busy(nvml, channel, handle)
            shares = self._shares(nvml, channel, handle)
            if shares == {} and busy:
                shares = None  # it worked, and the driver does not name for whom
            if busy is not None or shares is not None:
                found[channel] = (busy, shares)
        return found

    def _busy(self, nvml: ModuleType, channel: str, handle: object) -> float | None:
        since_us = self._busy_us.get(channel, 0)
        try:
            _type, samples = nvml.nvmlDeviceGetSamples(handle, nvml.NVML_GPU_UTILIZATION_SAMPLES, since_us)
        except nvml.NVMLError:
            samples = ()  # it keeps none, or there is no new one
        fresh = [sample for sample in samples if sample.timeStamp > since_us and sample.sampleValue.uiVal <= 100]
        if fresh:
            self._busy_us[channel] = max(int(sample.timeStamp) for sample in fresh)
            if since_us:  # the first list reaches back into the time of others
                return float(sum(sample.sampleValue.uiVal for sample in fresh) / len(fresh) / 100)
        try:
            return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        except nvml.NVMLError:
            return None  # MIG is on, or a vGPU

    def _shares(self, nvml: ModuleType, channel: str, handle: object) -> dict[int, float] | None:
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
        if self._strangers(seen):
            return None
        return {pid: sum(percents) / len(percents) / 100 for pid, percents in seen.items()}

    def _strangers(self, pids: Iterable[int]) -> bool:
        """In a container: is there one among them that is no process of this container?"""
        return self._inside and not all_here(pids)

    def close(self) -> None:
        if self._nvml is not None:
            try:  # noqa: SIM105 - contextlib costs the recorder more than three lines
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                pass  # the driver went away first: there is nothing left to close
            self._nvml, self._handles, self._busy_us, self._used_us = None, {}, {}, {}


def is_library_missing() -> bool:
    """Whether the driver's library cannot be loaded, found out without pynvml, whose import takes 12 ms."""
    if not sys.platform.startswith("linux"):
        return False  # pynvml knows the places of other systems
    from _ctypes import dlopen  # noqa: PLC0415 - what ctypes.CDLL calls; a block waits 3 ms less for it

    try:
        dlopen("libnvidia-ml.so.1", 0)
    except OSError:
        return True
    return False
