"""The CPU model: energy of a machine whose processor has no counter that we may read.

    energy = idle power x time + watts per busy CPU x busy CPU-seconds of the machine

Both powers are per vCPU: by cloud instance type where the firmware or the user names it (`instance_watts`), else by
micro-architecture, else a stated generic of the vendor's servers (`cpu_watts`). So two vCPUs of a 64-core socket are
billed as two vCPUs. The line between rest and full load is straight: real curves rise faster at first, by less than
the range that the channel states. Every busy thread counts the same, so one of many is never invisible.

The machine is what was given to us: in a container with a CPU limit below the host's number of CPUs, idle power is
that of the allowed CPUs and busy time is the container's own (see `allowance`), as for a small virtual machine. What
a process tree is billed does not depend on that: CPU-seconds x watts per busy CPU.

Busy is user, nice, system, irq and softirq of the first line of /proc/stat. Guests are inside user already; waiting
for I/O is idle; stolen time was somebody else's work.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.meters.cpu_watts import Curve
    from wattleak.meters.cpuinfo import Processor
    from wattleak.meters.instance_watts import Instance
    from wattleak.model import Channel, Unavailable

_CHANNEL = "cpu"
_STAT_FIELDS = [1, 2, 3, 6, 7]  # user nice system (idle iowait) irq softirq: proc_stat(5)
_MOST_VCPUS_PER_CPU = 2.0  # a vCPU is a hardware thread; with simultaneous multithreading off, a CPU is two of them


class CpuModelMeter:
    """One modelled channel, `cpu`.

    `idle_w` replaces the table's idle power of the whole machine; `instance_type` is the cloud's name of the machine,
    where the firmware does not say it; `host` is the folder in which /proc and /sys lie. `probe` raises UsageError
    for a stated instance type that no table knows or that does not fit this machine.
    """

    name = "cpu-model"

    def __init__(self, idle_w: float | None = None, host: str = "/", instance_type: str | None = None) -> None:
        self._stated_idle_w = idle_w
        self._stated_type = instance_type
        self._host = host
        self._spec: dict[str, object] = {}
        self._fd = -1
        self._idle_w = self._watts_per_busy_cpu = self._unit_s = 0.0
        self._fields: list[int] = []

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel with its idle power and its watts per busy CPU; unavailable without /proc/stat or a table."""
        from wattleak.meters.allowance import cpu_allowance  # noqa: PLC0415 - the recorder reads without it
        from wattleak.meters.cpuinfo import read_processor  # noqa: PLC0415 - as above
        from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Unavailable  # noqa: PLC0415 - as above

        stat = os.path.join(self._host, "proc/stat")  # noqa: PTH118 - pathlib is not for the recorder
        lost = "without it no CPU energy is given, only CPU-seconds"
        cpus = _count_cpus(stat)
        if not cpus:
            return Unavailable(self.name, f"{stat} cannot be read; {lost}", "run on Linux with /proc mounted")
        processor = read_processor(self._host)
        found = self._curve(processor, cpus)
        if found is None:
            reason = f"no published watts per CPU are known for this kind of processor; {lost}"
            return Unavailable(self.name, reason, "use a meter that measures: --meters names the ones to try")
        curve, vcpus_per_cpu = found
        allowance = cpu_allowance(cpus, self._host)
        share = cpus if allowance is None else allowance.cpus
        low, high = curve.relative_low, curve.relative_high
        idle_w = share * vcpus_per_cpu * curve.idle_w if self._stated_idle_w is None else self._stated_idle_w
        busy_w = vcpus_per_cpu * (curve.full_w - curve.idle_w)
        tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._spec = {"path": stat, "fields": _STAT_FIELDS, "unit_s": tick_s}
        source = curve.source
        if allowance is not None:
            fields: list[object] = [allowance.usage_field]
            self._spec = {"path": allowance.usage_path, "fields": fields, "unit_s": allowance.usage_unit_s}
            source += f"; the machine is this container, which may use {allowance.cpus:g} of {cpus} CPUs"
        self._spec |= {"idle_w": idle_w, "watts_per_busy_cpu": busy_w}
        return (
            Channel(
                name=_CHANNEL,
                meter=self.name,
                part=Part.CPU,
                origin=Origin.MODELLED,
                quantity=Quantity.ENERGY_J,
                period_s=tick_s,
                relative_low=low,
                relative_high=high,
                idle_w=Estimate(idle_w, idle_w * low, idle_w * high, Origin.MODELLED),
                device=processor.name,
                source=source,
                watts_per_busy_cpu=Estimate(busy_w, busy_w * low, busy_w * high, Origin.MODELLED),
            ),
        )

    def _curve(self, processor: Processor, cpus: int) -> tuple[Curve, float] | None:
        """The curve of one vCPU, and how many vCPUs a CPU of this machine is."""
        from wattleak.errors import UsageError  # noqa: PLC0415 - the recorder reads without it
        from wattleak.meters.cpu_watts import curve_for  # noqa: PLC0415 - as above
        from wattleak.meters.cpuinfo import instance_type  # noqa: PLC0415 - as above

        stated = self._stated_type
        name = stated or instance_type(self._host)
        instance = _instance(name) if name else None
        if instance is None and stated is not None:
            raise UsageError(
                f"no table knows the instance type {stated!r}", "leave --instance-type out: the CPU itself is asked"
            )
        if instance is not None and cpus <= instance.vcpus:
            return instance.curve, min(_MOST_VCPUS_PER_CPU, instance.vcpus / cpus)
        if instance is not None and stated is not None:
            raise UsageError(
                f"{instance.name} has {instance.vcpus:g} vCPUs, and this machine has {cpus} CPUs",
                "state the type of this machine, or leave --instance-type out",
            )
        curve = curve_for(processor)
        return None if curve is None else (curve, 1.0)

    def spec(self) -> dict[str, object]:
        """Path of the file that counts busy time, which words of it, seconds per unit, and the two powers in watts."""
        return dict(self._spec)

    def open(self, spec: dict[str, object]) -> None:
        self.close()
        self._unit_s = float(spec["unit_s"])  # type: ignore[arg-type]  # plain data, written by spec()
        self._fields = [int(field) for field in spec["fields"]]  # type: ignore[attr-defined]  # as above
        self._idle_w = float(spec["idle_w"])  # type: ignore[arg-type]  # as above
        self._watts_per_busy_cpu = float(spec["watts_per_busy_cpu"])  # type: ignore[arg-type]  # as above
        try:
            self._fd = os.open(str(spec["path"]), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1  # the channel is absent, as one that fails later

    def read(self) -> dict[str, float]:
        """Joules since boot, by the model; empty when busy time cannot be read now."""
        if self._fd < 0:
            return {}
        try:
            words = os.pread(self._fd, 512, 0).split(b"\n", 1)[0].split()
            busy = sum([int(words[field]) for field in self._fields])
        except (OSError, ValueError, IndexError):
            return {}
        return {_CHANNEL: self._idle_w * time.monotonic() + self._watts_per_busy_cpu * busy * self._unit_s}

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the CPU."""
        return {}

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _instance(name: str) -> Instance | None:
    from wattleak.meters.instance_watts import instance_named  # noqa: PLC0415 - most machines do not say

    return instance_named(name)


def _count_cpus(stat: str) -> int:
    """CPUs that are online: the lines `cpu0`, `cpu1`, ... of /proc/stat; 0 when it cannot be read."""
    try:
        with open(stat, "rb") as file:  # noqa: PTH123 - pathlib is not for the recorder
            return sum(line.startswith(b"cpu") and line[3:4].isdigit() for line in file)
    except OSError:
        return 0
