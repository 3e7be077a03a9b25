"""Checks of the machine before an experiment: a small function each, asked in the order of this table.

A check reads files below an injected root and answers with a state, a finding and a remedy. What cannot be looked at
is "not known", never "ok". Its name is stable; `wattleak explain NAME` prints the docstring of its function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.environment.checks import gpu, memory, processor, sharing, system
from wattleak.environment.checks.check import Check, CheckResult, State
from wattleak.environment.checks.host import Host, this_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CHECKS", "Check", "CheckResult", "Host", "State", "find_check", "run_checks", "this_machine"]

CHECKS: tuple[Check, ...] = (
    Check("cpu-governor", "CPU governor", processor.cpu_governor),
    Check("cpu-turbo", "turbo", processor.cpu_turbo),
    Check("cpu-frequency", "clock range", processor.cpu_frequency),
    Check("smt", "two threads a core", processor.smt),
    Check("virtual-machine", "virtual machine", processor.virtual_machine),
    Check("steal-time", "time stolen by the host", processor.steal_time),
    Check("thermal-throttle", "slowed down by heat", processor.thermal_throttle),
    Check("temperature", "temperatures", processor.temperature),
    Check("clock-source", "clock source", processor.clock_source),
    Check("clock-sync", "clock synchronised", system.clock_sync),
    Check("other-load", "work of others now", sharing.other_load),
    Check("cpu-affinity", "CPUs that are ours", sharing.cpu_affinity),
    Check("thread-settings", "threads of libraries", sharing.thread_settings),
    Check("cpu-quota", "CPU quota", sharing.cpu_quota_of_group),
    Check("cpu-throttling", "stopped by the quota", sharing.cpu_throttling),
    Check("memory-pressure", "memory left", memory.memory_pressure),
    Check("memory-limit", "memory limit", memory.memory_limit_of_group),
    Check("swap", "swap", memory.swap),
    Check("power-supply", "power supply", system.power_supply),
    Check("container", "container", sharing.container),
    Check("batch-system", "batch system", sharing.batch_system),
    Check("process-visibility", "processes can be read", sharing.process_visibility),
    Check("perf-events", "performance counters", system.perf_events),
    Check("resource-limits", "limits of the shell", system.resource_limits),
    Check("store-writable", "room for the store", system.store_writable),
    Check("store-filesystem", "file system of the store", system.store_filesystem),
    Check("python-environment", "Python", system.python_environment),
    Check("shipped-tables", "tables of wattleak", system.shipped_tables),
    Check("nvidia-persistence", "GPU persistence mode", gpu.nvidia_persistence),
    Check("gpu-sharing", "GPU used by others", gpu.gpu_sharing),
    Check("gpu-clock", "GPU held back", gpu.gpu_clock),
)
"""Every check, in the order in which they are asked."""


def run_checks(host: Host, checks: Sequence[Check] = CHECKS) -> tuple[CheckResult, ...]:
    """Ask every check about a machine."""
    results = []
    for check in checks:
        outcome = check.look(host)
        results.append(CheckResult(check.name, check.test, outcome.state, outcome.finding, outcome.remedy))
    return tuple(results)


def find_check(name: str) -> Check | None:
    """The check of that name, in any case; None when there is none."""
    return next((check for check in CHECKS if check.name == name.strip().lower()), None)
