"""Checks of the processor: clock, threads of a core, heat, and who really runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wattleak.environment.checks.check import Outcome, info, not_known, ok, warning
from wattleak.environment.checks.reading import whole
from wattleak.meters.cpuinfo import hypervisor

if TYPE_CHECKING:
    from wattleak.environment.checks.host import Host

_CPUS = "sys/devices/system/cpu"
_GUEST_CLOCK = "the hypervisor sets the clock, and this guest cannot see it"
_GUEST_REMEDY = "nothing to type in a guest; randomised blocks (wattleak compare) keep its drift out of the comparison"
_STEAL = 0.01  # fraction: an assumption
_NEAR_CRITICAL_C = 10.0  # an assumption: processors begin to slow down within a few degrees of their limit
_HOTTEST_C = 150.0  # what shows more is no temperature


def cpu_governor(host: Host) -> Outcome:
    """The kernel's governor chooses the clock of each CPU. Under `powersave`, `ondemand` or `schedutil` it follows the
    load, so the same work takes another time and another power after a pause than in the middle of a busy hour.

    ok: `performance` on every CPU. warning: any other. not known: no cpufreq folder (most virtual machines).

    Remedy: `sudo cpupower frequency-set -g performance` for the time of an experiment. It raises idle power.
    Source: kernel documentation, admin-guide/pm/cpufreq; methodology of Ournani et al., ICPE 2020.
    """
    found = _of_each_cpu(host, "cpufreq/scaling_governor")
    if not found:
        return not_known(_GUEST_CLOCK if host.is_guest() else "the kernel shows no cpufreq governor")
    if found == {"performance"}:
        return ok("performance on every CPU")
    called = " and ".join(sorted(found))
    return warning(f"{called}: the clock follows the load", "sudo cpupower frequency-set -g performance")


def cpu_turbo(host: Host) -> Outcome:
    """Turbo lets a CPU run above its nominal clock while heat and power allow. How long that lasts depends on the
    weather in the room and on what ran before, which makes runs differ.

    ok: off. info: on (as nearly everywhere: blocks in random order keep it out of a comparison, at the price of noise).
    not known: the driver does not say.

    Remedy: for the quietest runs `echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo` (Intel) or
    `echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost` (others). It makes programs slower.
    Source: kernel documentation, admin-guide/pm/intel_pstate and admin-guide/pm/cpufreq.
    """
    no_turbo = host.number(f"{_CPUS}/intel_pstate/no_turbo")
    boost = host.number(f"{_CPUS}/cpufreq/boost")
    if no_turbo is None and boost is None:
        return not_known(_GUEST_CLOCK if host.is_guest() else "the driver does not say whether turbo is on")
    if no_turbo == 1 or (no_turbo is None and boost == 0):
        return ok("off")
    path, off = ("intel_pstate/no_turbo", 1) if no_turbo is not None else ("cpufreq/boost", 0)
    return info("on: the clock depends on heat and on what ran before", f"echo {off} | sudo tee /{_CPUS}/{path}")


def cpu_frequency(host: Host) -> Outcome:
    """The range in which the kernel may move the clock of a CPU, against what the processor can do.

    ok: the lowest and the highest allowed clock are the same (fixed). info: the clock may move. warning: it is kept
    below what the processor can do, so times from here do not hold for another machine. not known: no cpufreq folder.

    Remedy: `sudo cpupower frequency-set -d 2.0GHz -u 2.0GHz` fixes it; `-u` of the processor's own maximum opens it.
    Source: kernel documentation, admin-guide/pm/cpufreq.
    """
    low, high, able = (
        _numbers(host, f"cpufreq/{name}") for name in ("scaling_min_freq", "scaling_max_freq", "cpuinfo_max_freq")
    )
    if not low or not high:
        return not_known(_GUEST_CLOCK if host.is_guest() else "the kernel shows no clock limits")
    span = f"{min(low) / 1e6:.2f} to {max(high) / 1e6:.2f} GHz"  # cpufreq counts in kHz
    if able and max(high) < max(able):
        ghz = f"{max(able) / 1e6:.2f}GHz"
        return warning(f"kept to {span}, though it can run at {ghz}", f"sudo cpupower frequency-set -u {ghz}")
    if min(low) == max(high):
        return ok(f"fixed at {max(high) / 1e6:.2f} GHz")
    ghz = f"{min(low) / 1e6:.2f}GHz"
    return info(f"may move from {span}", f"sudo cpupower frequency-set -d {ghz} -u {ghz} fixes it, at its slowest")


def smt(host: Host) -> Outcome:
    """With simultaneous multithreading (Hyper-Threading) two CPUs are one core. A program that shares its core with
    another gets less done in a CPU-second, and the counter of the package cannot tell whose energy it was.

    ok: off, or not there. info: on. not known: the kernel does not say. A guest sees what its hypervisor tells it.

    Remedy: `echo off | sudo tee /sys/devices/system/cpu/smt/control` until the next boot.
    Source: kernel documentation, ABI/testing/sysfs-devices-system-cpu.
    """
    active = host.number(f"{_CPUS}/smt/active")
    if active is None:
        return not_known("the kernel does not say whether two CPUs share a core")
    if active == 0:
        return ok("off" + (", as far as this guest is told" if host.is_guest() else ""))
    return info("on: two CPUs share each core", f"echo off | sudo tee /{_CPUS}/smt/control")


def virtual_machine(host: Host) -> Outcome:
    """A virtual machine has no energy counters of the CPU in any public cloud, shares its socket with neighbours that
    it cannot see, and may be moved or slowed down by its host.

    ok: no hypervisor. info: a guest; CPU energy is modelled, and comparisons rest on CPU-seconds. not known: nothing
    says.

    Remedy: a bare-metal machine or instance. Nothing inside a guest brings the counters back.
    """
    guest = host.is_guest()
    if guest is None:
        return not_known("nothing says whether a hypervisor runs this machine")
    if not guest:
        return ok("no")
    called = hypervisor(str(host.root))
    name = f"yes ({called})" if called else "yes"
    remedy = "use a bare-metal machine or instance where joules must be counted"
    return info(f"{name}: neighbours on the same socket are not seen", remedy)


def steal_time(host: Host) -> Outcome:
    """Steal is time in which this guest wanted to run and its host let somebody else. It makes wall times longer and
    does not show in CPU-seconds.

    ok: at most 1 % of CPU time, now and since boot. warning: more. not known: /proc/stat cannot be read.
    The threshold of 1 % is an assumption.

    Remedy: another instance type (not a burstable one), a dedicated host, or another hour.
    Source: proc_stat(5).
    """
    if host.after is None or "steal" not in host.after.cpu_s:
        return not_known("/proc/stat cannot be read")
    total_s = sum(host.after.cpu_s.values())
    shares = [("since boot", host.after.cpu_s["steal"] / total_s if total_s > 0 else 0.0)]
    if host.before is not None and "steal" in host.before.cpu_s:
        window_s = total_s - sum(host.before.cpu_s.values())
        stolen_s = host.after.cpu_s["steal"] - host.before.cpu_s["steal"]
        if window_s > 0:
            shares.insert(0, ("now", stolen_s / window_s))
    said = ", ".join(f"{100 * share:.2g} % {when}" for when, share in shares)
    if max(share for _, share in shares) > _STEAL:
        return warning(
            f"{said}: the host gave our CPU time to others", "use a dedicated (not burstable) instance, or another hour"
        )
    return ok(said)


def thermal_throttle(host: Host) -> Outcome:
    """A processor that gets too hot slows itself down. Runs after that moment are slower, whatever they do.

    ok: no event since boot. info: events since boot, none now. warning: events in the second that doctor looked.
    not known: the kernel does not count them here (AMD, Arm, guests).

    Remedy: better cooling, a pause between runs (`--cooldown 60`), a lower power limit.
    Source: kernel documentation, thermal_throttle in ABI/testing/sysfs-devices-system-cpu.
    """
    after = None if host.after is None else host.after.cooled
    if after is None:
        return not_known("thermal events are not counted here")
    before = None if host.before is None else host.before.cooled
    if before is not None and after > before:
        return warning("the processor is being slowed down by heat right now", "let it cool down: --cooldown 60")
    if after > 0:
        return info(f"slowed down by heat since boot ({after} events), not now", "--cooldown 60 between runs")
    return ok("no event since boot")


def temperature(host: Host) -> Outcome:
    """Temperatures that the kernel shows (thermal zones, hwmon), against their own critical limits where they have
    one.

    ok: more than 10 degrees below every limit (an assumption). warning: nearer. not known: no sensor, as in most
    virtual machines; then only a fixed pause between runs helps (`--cooldown`).

    Source: kernel documentation, driver-api/thermal/sysfs-api and hwmon/sysfs-interface.
    """
    sensors = [*_zones(host), *_hwmon(host)]
    if not sensors:
        return not_known("no temperature sensor is shown", "--cooldown 60 lets a machine without sensors rest")
    name, celsius, _ = max(sensors, key=lambda sensor: sensor[1])
    hot = [sensor for sensor in sensors if sensor[2] is not None and sensor[1] > sensor[2] - _NEAR_CRITICAL_C]
    if hot:
        name, celsius, limit = hot[0]
        return warning(f"{name} is at {celsius:.0f} °C, its limit {limit:.0f} °C", "let it cool down: --cooldown 60")
    return ok(f"hottest: {name} at {celsius:.0f} °C")


def clock_source(host: Host) -> Outcome:
    """Where the kernel takes its time from. Reading `tsc`, `kvm-clock`, `hyperv_clocksource_tsc_page` or Arm's counter
    costs tens of nanoseconds; `hpet` and `acpi_pm` cost a microsecond and more at every look, in every program.

    ok: a fast one. warning: a slow one, which the kernel falls back to when it finds the TSC unstable. not known: the
    kernel does not say.

    Remedy: `dmesg | grep -i tsc` shows why the kernel left the TSC.
    Source: kernel documentation, admin-guide/kernel-parameters (clocksource), timers/timekeeping.
    """
    current = host.read("sys/devices/system/clocksource/clocksource0/current_clocksource")
    if not current:
        return not_known("the kernel does not name its clock source")
    if current in {"hpet", "acpi_pm", "refined-jiffies", "jiffies", "pit"}:
        return warning(f"{current}: slow to read in every program", "dmesg | grep -i tsc shows why the TSC is not used")
    return ok(current)


def _of_each_cpu(host: Host, path: str) -> set[str]:
    cpus = [name for name in host.names(_CPUS) or [] if re.fullmatch(r"cpu\d+", name)]
    return {text for cpu in cpus if (text := host.read(f"{_CPUS}/{cpu}/{path}"))}


def _numbers(host: Host, path: str) -> list[int]:
    return [number for text in _of_each_cpu(host, path) if (number := whole(text)) is not None]


def _zones(host: Host) -> list[tuple[str, float, float | None]]:
    """Name, degrees Celsius and critical limit of each thermal zone."""
    found = []
    base = "sys/class/thermal"
    for zone in host.names(base) or []:
        celsius = _celsius(host.number(f"{base}/{zone}/temp"))
        if not zone.startswith("thermal_zone") or celsius is None:
            continue
        limit = None
        for point in host.names(f"{base}/{zone}") or []:
            if point.endswith("_type") and host.read(f"{base}/{zone}/{point}") == "critical":
                limit = _celsius(host.number(f"{base}/{zone}/{point.replace('_type', '_temp')}"))
        found.append((host.read(f"{base}/{zone}/type") or zone, celsius, limit))
    return found


def _hwmon(host: Host) -> list[tuple[str, float, float | None]]:
    found = []
    base = "sys/class/hwmon"
    for chip in host.names(base) or []:
        for name in host.names(f"{base}/{chip}") or []:
            celsius = _celsius(host.number(f"{base}/{chip}/{name}"))
            if re.fullmatch(r"temp\d+_input", name) and celsius is not None:
                stem = name.removesuffix("_input")
                called = host.read(f"{base}/{chip}/{stem}_label") or host.read(f"{base}/{chip}/name") or chip
                found.append((called, celsius, _celsius(host.number(f"{base}/{chip}/{stem}_crit"))))
    return found


def _celsius(thousandths: int | None) -> float | None:
    """Sensors that are not connected show 0, a negative or an absurd number."""
    if thousandths is None or not 0 < thousandths / 1000 < _HOTTEST_C:
        return None
    return thousandths / 1000
