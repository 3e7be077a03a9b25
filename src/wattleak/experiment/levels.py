"""Levels that make sense on this machine for the factors that everybody asks about.

A preset is a factor of `wattleak tune` whose levels are not written out: `--threads` instead of `-F threads=1,2,4`. It
also knows where its level goes when the command has no {placeholder}: threads have environment variables that numerical
libraries read at their start; batch size, loader workers, precision and compile mode have none, so those need a place
in the command.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, cpu_quota
from wattleak.environment.compiler import lacking_compiler
from wattleak.environment.cpus import allowed_cpus
from wattleak.errors import UsageError
from wattleak.experiment.factors import make_factor
from wattleak.meters.gpu_clocks import UNLOCKED, Lock, read_lock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Factor

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # OpenMP: PyTorch, scikit-learn, LightGBM, XGBoost
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",  # TensorFlow; its inter-op pool is left alone
)
PRESETS = ("threads", "batch", "workers", "precision", "compile")
POWER_LIMIT = "power_limit"  # in watts
GPU_CLOCKS = "gpu_clocks"  # in MHz: 1410, 1200-1410, unlocked
_BATCHES = ("16", "32", "64", "128", "256")
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """What the levels depend on."""

    cpus: int  # that the machine shows: what libraries take by themselves
    allowed: int  # that this process may use: affinity, and the quota of its control groups rounded up
    gpu: bool  # an NVIDIA device file is there
    lacking_compiler: str | None = None  # that torch.compile calls; None: it is there

    @classmethod
    def here(cls) -> Machine:
        shown = os.cpu_count() or 1
        affinity = allowed_cpus() or shown
        quota = cpu_quota(control_groups())
        granted = affinity if quota is None or math.isinf(quota) else max(1, math.ceil(quota))
        return cls(shown, min(affinity, granted), Path("/dev/nvidia0").exists(), lacking_compiler())


def preset(name: str, written: str | None, machine: Machine) -> Factor:
    """The factor of `--NAME` (levels of this machine) or `--NAME 1,2,4` (the user's). Raises UsageError."""
    if written:
        return make_factor(
            name, [level.strip() for level in written.split(",") if level.strip()], f"--{name} {written}"
        )
    if name == "compile" and machine.lacking_compiler is not None:
        raise UsageError(
            f"--compile: torch.compile needs a C++ compiler, and there is no {machine.lacking_compiler} here",
            "apt-get install g++ (or set CXX to the one there is); --compile none,default says the levels all the same",
        )
    levels = _LEVELS[name](machine)
    if len(levels) < 2:
        raise UsageError(
            f"--{name}: this process may use {machine.allowed} CPU, which leaves one level",
            f"say which to try: --{name} 1,2",
        )
    return make_factor(name, levels, f"--{name}")


def places(name: str, command: tuple[str, ...], env: Mapping[str, str], is_preset: bool) -> dict[str, str]:
    """The environment that carries a factor which stands nowhere in the command: {variable: "{name}"}.

    A name in capitals is a variable itself. Empty: it stands in the command, or nobody knows where it goes.
    """
    mark = "{" + name + "}"
    if any(mark in word for word in (*command, *env.values())):
        return {}
    if is_preset and name == "threads":
        return dict.fromkeys(THREAD_VARIABLES, mark)
    return {name: mark} if name.isupper() else {}


def power_levels(written: str, now_w: float, low_w: float, high_w: float) -> Factor:
    """Watts to try: what the limit is now, as the reference, then the user's, or 90, 80, 70 and 60 % of it.

    Raises UsageError for what is no number of watts, or outside of what the GPU allows.
    """
    if written:
        texts = [text.strip() for text in written.split(",") if text.strip()]
        try:
            asked = [float(text) for text in texts]
        except ValueError:
            raise UsageError(f"--power-limit {written} is no list of watts", "--power-limit 300,400") from None
    else:
        asked = [float(10 * round(now_w * part / 10)) for part in (0.9, 0.8, 0.7, 0.6)]
        asked = [watts for watts in asked if low_w <= watts < now_w]
    outside = [watts for watts in asked if not low_w <= watts <= high_w]
    if outside:
        raise UsageError(
            f"this GPU has no power limit of {outside[0]:g} W", f"from {low_w:g} to {high_w:g} W is what it allows"
        )
    watts = dict.fromkeys([now_w, *asked])
    if len(watts) < 2:
        raise UsageError("there is no other power limit to try", f"--power-limit {low_w:g},{high_w:g}")
    return make_factor(POWER_LIMIT, [f"{level:g}" for level in watts], f"--power-limit {written}")


def clock_levels(written: str, before: Lock | None, supported_mhz: Sequence[int]) -> Factor:
    """Clocks to lock to: what they are now, as the reference, then the user's, or 90, 80, 70 and 60 % of the highest.

    Raises UsageError for what is no clock, or one that the GPU does not have.
    """
    highest = supported_mhz[0]
    if written:
        asked = [read_lock(text.strip()) for text in written.split(",") if text.strip()]
    else:
        near = [min(supported_mhz, key=lambda clock: abs(clock - part * highest)) for part in (0.9, 0.8, 0.7, 0.6)]
        asked = [Lock(clock, clock) for clock in near]
    for lock in asked:
        if lock is None:
            continue
        for clock in (lock.low_mhz, lock.high_mhz):
            if clock not in supported_mhz:
                nearest = min(supported_mhz, key=lambda other: abs(other - clock))
                raise UsageError(
                    f"this GPU has no clock of {clock} MHz: from {supported_mhz[-1]} to {highest} MHz in steps",
                    f"{nearest} is the nearest; nvidia-smi -q -d SUPPORTED_CLOCKS shows all",
                )
    levels = dict.fromkeys(UNLOCKED if lock is None else str(lock) for lock in (before, *asked))
    if len(levels) < 2:
        raise UsageError("there are no other clocks to try", f"--gpu-clocks {supported_mhz[-1]},{highest}")
    return make_factor(GPU_CLOCKS, list(levels), f"--gpu-clocks {written}")


def _threads(machine: Machine) -> list[str]:
    """What libraries take by themselves comes first, as the reference; then the powers of two that find a CPU."""
    sensible = {2**power for power in range(machine.allowed.bit_length())} | {machine.allowed}
    own = machine.cpus
    return [str(own), *(str(level) for level in sorted(sensible) if level != own)]


def _batches(_machine: Machine) -> list[str]:
    return list(_BATCHES)


def _workers(machine: Machine) -> list[str]:
    """0 is the default of a DataLoader, and the reference."""
    most = min(machine.allowed, _MOST_WORKERS)
    return [str(level) for level in sorted({0, *(2**power for power in range(most.bit_length())), most})]


def _precisions(machine: Machine) -> list[str]:
    return ["float32", "bfloat16", *(["float16"] if machine.gpu else [])]


def _compile_modes(machine: Machine) -> list[str]:
    """Modes of torch.compile. What reduce-overhead adds, CUDA graphs, there is on a GPU alone."""
    return ["none", "default", *(["reduce-overhead"] if machine.gpu else [])]


_LEVELS = {
    "threads": _threads,
    "batch": _batches,
    "workers": _workers,
    "precision": _precisions,
    "compile": _compile_modes,
}
