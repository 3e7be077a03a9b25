"""AMD GPUs through AMD SMI (the Python package `amdsmi` of ROCm): channels `amdgpu0`, `amdgpu1`, ... in its order.

The energy accumulator where it is there and moves, else the power reading, which the recorder integrates. What the
figures are worth, with sources, is in `amd_smi_probe`; this module is what the recorder imports.
"""

from __future__ import annotations

import sys
import time

from wattleak.meters.namespace import all_here, in_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from wattleak.model import Channel, Unavailable

LOST = "without it the energy of AMD GPUs is not in any figure"
_MOST_W = 0xFFFF  # the library's word for "not there", in 16 bits; in 32 and 64 bits it is larger


class AmdSmiMeter:
    """Reads AMD GPUs. What cannot be read beside what can is in `losses`; `absent`: this machine has no AMD GPU.

    `host` is the folder in which /sys lies.
    """

    name = "amd-smi"
    common = True  # hardware counts: what one process reads, another would read too

    def __init__(self, host: str = "/") -> None:
        self._host = host
        self._folder = ""
        self._devices: list[dict[str, object]] = []
        self._amdsmi: ModuleType | None = None
        self._handles: dict[str, list[object]] = {}
        self._power: dict[str, str | None] = {}
        self._last_j: dict[str, float] = {}
        self._inside = False
        self._used_ns: dict[str, tuple[int, dict[int, int]]] = {}  # channel -> when, GPU time of each process
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel per GPU that can be read, its partitions together; the library is closed again."""
        from wattleak.meters.pci import AMD, has_gpu  # noqa: PLC0415 - the recorder reads without finding

        if not has_gpu(AMD, self._host):
            self.absent = True
            return self._none()
        from wattleak.meters.amd_smi_probe import Found, look  # noqa: PLC0415 - as above

        found = look()
        if not isinstance(found, Found):
            return found
        self._folder, self._devices = found.folder, [dict(device) for device in found.devices]
        self.losses = found.losses
        return found.channels

    def _none(self) -> Unavailable:
        from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

        there = "nothing to type if there is no AMD GPU; else lspci -d 1002: shows what the machine sees"
        return Unavailable(self.name, f"there is no AMD GPU in this machine; {LOST}", there)

    def spec(self) -> dict[str, object]:
        """The folder of the package, and of each channel its PCI functions and what to read."""
        return {"folder": self._folder, "devices": [dict(device) for device in self._devices]}

    def open(self, spec: dict[str, object]) -> None:
        """Load AMD's library. What fails leaves its channels absent."""
        self.close()
        try:
            amdsmi = import_quietly(str(spec["folder"]))
            amdsmi.amdsmi_init()
        except Exception:  # noqa: BLE001 - whatever a library raises that is there no more; the workload must go on
            return
        self._amdsmi = amdsmi
        self._inside = in_container()
        by_address: dict[str, object] = {}
        try:
            for handle in amdsmi.amdsmi_get_processor_handles():
                by_address[str(amdsmi.amdsmi_get_gpu_device_bdf(handle))] = handle
        except amdsmi.AmdSmiException:
            pass  # those that were found before it can be read
        devices: list[dict[str, Any]] = spec["devices"]  # type: ignore[assignment]  # plain data from spec()
        for device in devices:
            handles = [by_address[address] for address in device["functions"] if address in by_address]
            if handles:
                self._handles[device["channel"]] = handles
                self._power[device["channel"]] = device["power"]

    def read(self) -> dict[str, float]:
        """Joules since the driver was loaded, or watts now.

        An accumulator that falls (ROCm/amdsmi issue 115) is left out until it is above its highest again.
        """
        amdsmi, raw = self._amdsmi, {}
        if amdsmi is None:
            return {}
        for channel, handles in self._handles.items():
            key = self._power[channel]
            value = accumulated_j(amdsmi, handles[0]) if key is None else power_w(amdsmi, handles[0], key)
            if value is None or (key is None and value < self._last_j.get(channel, 0.0)):
                continue
            self._last_j[channel] = raw[channel] = value
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Processes that use each GPU; a GPU that does not tell is left out."""
        return {
            channel: frozenset(seen)
            for channel, handles in self._handles.items()
            if (seen := self._gpu_time_ns(handles)) is not None
        }

    def use(self) -> dict[str, tuple[float | None, dict[int, float] | None]]:
        """How busy each GPU was, and with whom, since the last call; a GPU that says neither is left out.

        Busy is the activity of the graphics and compute engine as the card gives it. By process id: time on that
        engine since the last call over the time that passed. Drivers that do not book compute work by process show
        no time for anybody; then nobody's share is known.
        """
        found: dict[str, tuple[float | None, dict[int, float] | None]] = {}
        for channel, handles in self._handles.items():
            busy = self._activity(handles)
            shares = self._shares(channel, handles)
            if shares is not None and busy and not any(shares.values()):
                shares = None
            if busy is not None or shares is not None:
                found[channel] = (busy, shares)
        return found

    def _activity(self, handles: list[object]) -> float | None:
        amdsmi, percents = self._amdsmi, []
        if amdsmi is None:
            return None
        for handle in handles:
            try:
                percent = amdsmi.amdsmi_get_gpu_activity(handle)["gfx_activity"]
            except amdsmi.AmdSmiException:
                continue
            if isinstance(percent, int) and 0 <= percent <= 100:
                percents.append(percent)
        return sum(percents) / len(percents) / 100 if percents else None

    def _shares(self, channel: str, handles: list[object]) -> dict[int, float] | None:
        seen = self._gpu_time_ns(handles)
        now_ns = time.monotonic_ns()
        before = self._used_ns.pop(channel, None)
        if seen is None:
            return None
        self._used_ns[channel] = (now_ns, seen)
        if before is None or now_ns <= before[0]:
            return None
        passed_ns = now_ns - before[0]
        return {pid: min(1.0, max(0, used - before[1].get(pid, 0)) / passed_ns) for pid, used in seen.items()}

    def _gpu_time_ns(self, handles: list[object]) -> dict[int, int] | None:
        """Nanoseconds that each process has used the engine of a GPU, all partitions together.

        None when the driver does not tell, and when it names processes that this container cannot see: then the
        numbers are those that they have outside, and nobody here can say which of them are ours.
        """
        amdsmi, told = self._amdsmi, False
        seen: dict[int, int] = {}
        if amdsmi is None:
            return None
        for handle in handles:
            try:
                processes = amdsmi.amdsmi_get_gpu_process_list(handle)
            except amdsmi.AmdSmiException:
                continue
            told = True
            for process in processes:
                pid = int(process["pid"])
                seen[pid] = seen.get(pid, 0) + int(process["engine_usage"]["gfx"])
        if not told or (self._inside and not all_here(seen)):
            return None
        return seen

    def close(self) -> None:
        if self._amdsmi is not None:
            try:  # noqa: SIM105 - contextlib costs the recorder more than three lines
                self._amdsmi.amdsmi_shut_down()
            except self._amdsmi.AmdSmiException:
                pass  # the driver went away first: there is nothing left to close
            self._amdsmi, self._handles, self._power, self._used_ns = None, {}, {}, {}


def import_quietly(folder: str) -> ModuleType:
    """Import `amdsmi` from a folder. It prints when its library is missing, and standard output is the workload's."""
    if folder not in sys.path:
        sys.path.append(folder)
    stdout, sys.stdout = sys.stdout, None
    try:
        return __import__("amdsmi")
    finally:
        sys.stdout = stdout


def accumulated_j(amdsmi: ModuleType, handle: object) -> float | None:
    """Joules of the energy accumulator; None when there is none."""
    try:
        said = amdsmi.amdsmi_get_energy_count(handle)
    except amdsmi.AmdSmiException:
        return None
    steps = said.get("energy_accumulator", said.get("power"))  # ROCm 6.0 called it power
    return None if steps is None else float(steps * said["counter_resolution"] / 1e6)


def power_w(amdsmi: ModuleType, handle: object, key: str) -> float | None:
    """Watts that the library gives under a name; None when it gives none. A GPU that is there takes more than zero."""
    try:
        value = amdsmi.amdsmi_get_power_info(handle).get(key)
    except amdsmi.AmdSmiException:
        return None
    return float(value) if isinstance(value, int) and 0 < value < _MOST_W else None
