"""The CPU model: energy of a machine whose processor has no counter that we may read.

    energy = idle power x time + watts per busy CPU x busy CPU-seconds of the machine

Both powers are per vCPU, from a table by micro-architecture (see `cpu_watts`), so that two vCPUs of a 64-core socket
are billed as two vCPUs. The line between rest and full load is straight: real curves rise faster at first, by less
than the range that the channel states. Every busy thread counts the same, so one of many is never invisible.

Busy is user, nice, system, irq and softirq of the first line of /proc/stat. Guests are inside user already; waiting
for I/O is idle; stolen time was somebody else's work.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Channel, Unavailable

_CHANNEL = "cpu"


class CpuModelMeter:
    """One modelled channel, `cpu`.

    `idle_w` replaces the table's idle power of the whole machine; `host` is the folder in which /proc lies.
    """

    name = "cpu-model"

    def __init__(self, idle_w: float | None = None, host: str = "/") -> None:
        self._stated_idle_w = idle_w
        self._host = host
        self._spec: dict[str, object] = {}
        self._fd = -1
        self._idle_w = self._watts_per_busy_cpu = self._tick_s = 0.0

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel with its idle power and its watts per busy CPU; unavailable without /proc/stat or a table."""
        from wattleak.meters.cpu_watts import curve_for  # noqa: PLC0415 - the recorder reads without the table
        from wattleak.meters.cpuinfo import read_processor  # noqa: PLC0415 - as above
        from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Unavailable  # noqa: PLC0415 - as above

        stat = os.path.join(self._host, "proc/stat")  # noqa: PTH118 - pathlib is not for the recorder
        lost = "without it no CPU energy is given, only CPU-seconds"
        cpus = _count_cpus(stat)
        if not cpus:
            return Unavailable(self.name, f"{stat} cannot be read; {lost}", "run on Linux with /proc mounted")
        processor = read_processor(self._host)
        curve = curve_for(processor)
        if curve is None:
            reason = f"no published watts per CPU are known for this kind of processor; {lost}"
            return Unavailable(self.name, reason, "use a meter that measures: --meters names the ones to try")
        low, high = curve.relative_low, curve.relative_high
        idle_w = cpus * curve.idle_w if self._stated_idle_w is None else self._stated_idle_w
        busy_w = curve.full_w - curve.idle_w
        self._spec = {
            "stat": stat,
            "tick_s": 1.0 / os.sysconf("SC_CLK_TCK"),
            "idle_w": idle_w,
            "watts_per_busy_cpu": busy_w,
        }
        return (
            Channel(
                name=_CHANNEL,
                meter=self.name,
                part=Part.CPU,
                origin=Origin.MODELLED,
                quantity=Quantity.ENERGY_J,
                period_s=1.0 / os.sysconf("SC_CLK_TCK"),
                relative_low=low,
                relative_high=high,
                idle_w=Estimate(idle_w, idle_w * low, idle_w * high, Origin.MODELLED),
                device=processor.name,
                source=curve.source,
                watts_per_busy_cpu=Estimate(busy_w, busy_w * low, busy_w * high, Origin.MODELLED),
            ),
        )

    def spec(self) -> dict[str, object]:
        """Path of the stat file, seconds per tick, idle watts of the machine, watts per busy CPU."""
        return dict(self._spec)

    def open(self, spec: dict[str, object]) -> None:
        self.close()
        self._tick_s = float(spec["tick_s"])  # type: ignore[arg-type]  # plain data, written by spec()
        self._idle_w = float(spec["idle_w"])  # type: ignore[arg-type]  # plain data, written by spec()
        self._watts_per_busy_cpu = float(spec["watts_per_busy_cpu"])  # type: ignore[arg-type]  # as above
        try:
            self._fd = os.open(str(spec["stat"]), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1  # the channel is absent, as one that fails later

    def read(self) -> dict[str, float]:
        """Joules since boot, by the model; empty when /proc/stat cannot be read now."""
        if self._fd < 0:
            return {}
        try:
            words = os.pread(self._fd, 512, 0).split(b"\n", 1)[0].split()
            # cpu user nice system idle iowait irq softirq steal guest guest_nice (proc_stat(5))
            ticks = int(words[1]) + int(words[2]) + int(words[3]) + int(words[6]) + int(words[7])
        except (OSError, ValueError, IndexError):
            return {}
        return {_CHANNEL: self._idle_w * time.monotonic() + self._watts_per_busy_cpu * ticks * self._tick_s}

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the CPU."""
        return {}

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _count_cpus(stat: str) -> int:
    """CPUs that are online: the lines `cpu0`, `cpu1`, ... of /proc/stat; 0 when it cannot be read."""
    try:
        with open(stat, "rb") as file:  # noqa: PTH123 - pathlib is not for the recorder
            return sum(line.startswith(b"cpu") and line[3:4].isdigit() for line in file)
    except OSError:
        return 0
