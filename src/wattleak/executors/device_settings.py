"""Settings of a GPU that the runs of a search differ in: its power limit, and what its clocks are locked to.

A variant carries them in its environment, which the program may read. Each setting knows how to ask for leave without
changing anything, how to set a level, and how to see after a run that the level held.
"""

from __future__ import annotations

import shlex
import statistics
from typing import TYPE_CHECKING, Protocol

from wattleak.meters.gpu_clocks import GpuClocks, read_lock
from wattleak.meters.power_limit import PowerLimits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Variant

WATTS = "WATTLEAK_POWER_LIMIT_W"
LIMITED_GPU = "WATTLEAK_POWER_LIMIT_GPU"
CLOCKS = "WATTLEAK_GPU_CLOCKS_MHZ"
CLOCKS_BEFORE = "WATTLEAK_GPU_CLOCKS_BEFORE"
CLOCKED_GPU = "WATTLEAK_GPU_CLOCKS_GPU"
"""Environment of a variant that runs under a setting: its level (watts; MHz, MHz-MHz or `unlocked`), the UUID of the
GPU, and what its clocks were by the user's word."""

_SAME_W = 0.5
_SAME_MHZ = 30  # clocks move in steps of 7.5 or 15 MHz


class DeviceSetting(Protocol):
    """One setting of one GPU, held open while runs may change it."""

    variable: str

    def ask(self) -> None:
        """Raises UsageError when the driver does not let us set it. Changes nothing."""
        ...

    def set(self, level: str) -> None: ...

    def deviation(self, level: str) -> str | None:
        """After a run at this level: what shows that another one held, in words."""
        ...

    def close(self) -> None: ...


class PowerLimitSetting:
    """The power limit, in watts."""

    variable = WATTS

    def __init__(self, uuid: str) -> None:
        """Raises WattleakError when the GPU does not say its limit."""
        self._limits = PowerLimits()
        self._uuid = uuid
        try:
            now = self._limits.of(uuid)
        except BaseException:
            self.close()
            raise
        self.before_w, self.device = now.now_w, now.name

    def ask(self) -> None:
        self._limits.set(self._uuid, self.before_w)  # it is that already

    def set(self, level: str) -> None:
        self._limits.set(self._uuid, float(level))

    def deviation(self, level: str) -> str | None:
        now_w = self._limits.of(self._uuid).now_w
        if abs(now_w - float(level)) <= _SAME_W:
            return None
        return f"somebody set the power limit to {now_w:g} W while the run asked for {level} W"

    def close(self) -> None:
        self._limits.close()


class ClockSetting:
    """What the clocks are locked to, in MHz. The driver does not say it, so only what they were seen to be can tell."""

    variable = CLOCKS

    def __init__(self, uuid: str, before: str) -> None:
        """`before`: what they are locked to now. Raises WattleakError when the GPU does not say its clocks."""
        self._clocks = GpuClocks()
        self._uuid = uuid
        self._since_us = 0
        self.before = before
        try:
            self.device = self._clocks.of(uuid).name
        except BaseException:
            self.close()
            raise

    def ask(self) -> None:
        self._clocks.set(self._uuid, read_lock(self.before))  # they are that already

    def set(self, level: str) -> None:
        self._clocks.set(self._uuid, read_lock(level))
        self._since_us, _ = self._clocks.seen(self._uuid, self._since_us)

    def deviation(self, level: str) -> str | None:
        """A clock below the lock is the GPU's own doing (heat, power); one above it, somebody else's.

        The median decides: samples of the moment in which the lock took hold may be higher.
        """
        self._since_us, seen = self._clocks.seen(self._uuid, self._since_us)
        lock = read_lock(level)
        if lock is None or not seen:
            return None
        middle = statistics.median(seen)
        if middle <= lock.high_mhz + _SAME_MHZ:
            return None
        return f"the GPU's clock was {middle:g} MHz while the run asked for {level} MHz: somebody unlocked it"

    def close(self) -> None:
        self._clocks.close()


def changed_gpus(variants: Sequence[Variant]) -> set[str]:
    """UUIDs of the GPUs that these variants want set."""
    return {variant.env[name] for variant in variants for name in (LIMITED_GPU, CLOCKED_GPU) if name in variant.env}


def by_hand(variant: Variant) -> tuple[str, ...]:
    """What to type for the settings of a variant: nobody but a search sets them."""
    said = []
    if WATTS in variant.env:
        said.append(f"sudo nvidia-smi -i {shlex.quote(variant.env[LIMITED_GPU])} -pl {variant.env[WATTS]}")
    if CLOCKS in variant.env:
        said.append(clocks_by_hand(variant.env[CLOCKED_GPU], variant.env[CLOCKS]))
    return tuple(said)


def clocks_by_hand(uuid: str, level: str) -> str:
    """What to type to lock or unlock the clocks of a GPU."""
    lock = read_lock(level)
    options = "-rgc" if lock is None else f"-lgc {lock.low_mhz},{lock.high_mhz}"
    return f"sudo nvidia-smi -i {shlex.quote(uuid)} {options}"


def without_settings(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without what only a search understands."""
    own = {WATTS, LIMITED_GPU, CLOCKS, CLOCKS_BEFORE, CLOCKED_GPU}
    return {name: value for name, value in env.items() if name not in own}
