"""RAPL through Linux perf: the same counters as `rapl`, for machines where the powercap files are closed.

The kernel's `power` PMU counts package, memory and platform energy for `perf_event_open`. One event is opened for each
CPU that the PMU names in `cpumask` (one for each die); the kernel accumulates in 64 bits, so nothing wraps here, and
counts from the moment of opening. The parts `energy-cores` and `energy-gpu` are inside the package and left out.

Who may: root, CAP_PERFMON, or everybody where kernel.perf_event_paranoid is 0 or less (perf_event_open(2)). The
system call needs ctypes, which costs the recorder's start up to 10 ms in attach mode; otherwise it is loaded anyway.
Accuracy and update period are those of `rapl`: they are the same counters.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.meters.perf_events import Event
    from wattleak.model import Channel, Unavailable

_ROOT = "/sys/bus/event_source/devices/power"
_CALL = {"x86_64": 298, "i686": 336, "aarch64": 241}  # number of perf_event_open (arch/*/entry/syscalls)
_ATTR_SIZE = 64  # PERF_ATTR_SIZE_VER0: type, size, config and what may stay zero
_CLOSE_ON_EXEC = 8  # PERF_FLAG_FD_CLOEXEC


class PerfRaplMeter:
    """Counts energy events of the `power` PMU.

    `root` is the PMU's folder (default: $WATTLEAK_PERF_POWER, else /sys/bus/event_source/devices/power), `host` where
    /proc and /sys of the machine are. Counters that `read_already` names (powercap may give some) are left out.
    """

    name = "perf-rapl"
    common = False  # each process counts from its own opening

    def __init__(self, root: str | None = None, host: str = "/", read_already: Sequence[Channel] = ()) -> None:
        self._root = root or os.environ.get("WATTLEAK_PERF_POWER") or _ROOT
        self._host = host
        self._read_already = {channel.name for channel in read_already}
        self._events: list[Event] = []
        self._open: dict[str, tuple[int, float]] = {}
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Channels of the events that can be opened; each is opened and closed again."""
        from wattleak.meters.rapl_reasons import why_no_event  # noqa: PLC0415 - the recorder does not look

        if not os.path.exists(self._root):  # noqa: PTH110 - pathlib is not for the recorder
            self.absent = True
            return why_no_event(self._root, (), {}, self._host)
        from wattleak.meters import perf_events  # noqa: PLC0415 - as above
        from wattleak.meters.cpuinfo import read_processor  # noqa: PLC0415 - as above
        from wattleak.meters.rapl import rapl_channel  # noqa: PLC0415 - as above

        events = [
            event
            for event in perf_events.find_events(self._root, self._host)
            if event.channel not in self._read_already
        ]
        failures: dict[str, int] = {}
        for event in events:
            fd = open_event(event.type, event.config, event.cpu)
            if fd < 0:
                failures[event.channel] = -fd
            else:
                os.close(fd)
        self._events = [event for event in events if event.channel not in failures]
        if not self._events:
            self.absent = not events
            return why_no_event(self._root, events, failures, self._host)
        if failures:
            self.losses = (why_no_event(self._root, events, failures, self._host),)
        processor = read_processor(self._host)
        inside = frozenset(event.channel for event in self._events if event.kind != "psys")
        return tuple(
            rapl_channel(
                event.channel,
                self.name,
                event.kind,
                processor,
                inside=inside,
                wrap_j=None,
                where=f"perf event power/{event.event}/ on CPU {event.cpu}",
            )
            for event in self._events
        )

    def spec(self) -> dict[str, object]:
        """Type, configuration, CPU and joules per count of each channel's event."""
        return {
            "events": [
                {"channel": e.channel, "type": e.type, "config": e.config, "cpu": e.cpu, "scale_j": e.scale_j}
                for e in self._events
            ]
        }

    def open(self, spec: dict[str, object]) -> None:
        """Start to count. An event that cannot be opened leaves its channel absent."""
        self.close()
        events: list[dict[str, object]] = spec["events"]  # type: ignore[assignment]  # plain data, written by spec()
        for event in events:
            fd = open_event(int(event["type"]), int(event["config"]), int(event["cpu"]))  # type: ignore[call-overload]  # as above
            if fd >= 0:
                self._open[str(event["channel"])] = (fd, float(event["scale_j"]))  # type: ignore[arg-type]  # as above

    def read(self) -> dict[str, float]:
        """Joules since `open`."""
        raw: dict[str, float] = {}
        for channel, (fd, scale_j) in self._open.items():
            try:
                count = os.read(fd, 8)
            except OSError:
                continue
            if len(count) == 8:  # an event whose CPU went offline reads as end of file
                raw[channel] = int.from_bytes(count, "little") * scale_j
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the CPU."""
        return {}

    def close(self) -> None:
        for fd, _scale_j in self._open.values():
            os.close(fd)
        self._open = {}


def open_event(kind: int, config: int, cpu: int) -> int:
    """Open a counting event for all that runs on a CPU: its file descriptor, or minus the error number."""
    import ctypes  # noqa: PLC0415 - milliseconds that only this meter has to spend

    number = _CALL.get(os.uname().machine)
    if number is None:
        return -38  # ENOSYS: no RAPL on such a machine either
    attributes = kind.to_bytes(4, "little") + _ATTR_SIZE.to_bytes(4, "little") + config.to_bytes(8, "little")
    block = ctypes.create_string_buffer(attributes, _ATTR_SIZE)
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    long = ctypes.c_long
    # perf_event_open(attr, pid=-1: everybody, cpu, group_fd=-1: alone, flags)
    fd = int(call(long(number), block, long(-1), long(cpu), long(-1), long(_CLOSE_ON_EXEC)))
    return fd if fd >= 0 else -ctypes.get_errno()
