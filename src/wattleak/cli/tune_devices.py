"""`tune --power-limit` and `--gpu-clocks`: which GPU, and which levels it has. Reads; nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from wattleak.model import Factor


class _OfGpu(Protocol):
    @property
    def index(self) -> int: ...


_Gpu = TypeVar("_Gpu", bound=_OfGpu)


@dataclass(frozen=True, slots=True)
class SettingAsked:
    """A factor that is a setting of a GPU, and the environment that carries its level."""

    factor: Factor
    env: Mapping[str, str]


def device_settings(args: Namespace) -> list[SettingAsked]:
    """What --power-limit and --gpu-clocks ask for. Raises UsageError, also for options that would do nothing."""
    asked = []
    if args.power_limit is not None:
        asked.append(_power_limits(args))
    if args.gpu_clocks is not None:
        asked.append(_gpu_clocks(args))
    elif args.clocks_were is not None:
        raise UsageError("--clocks-were belongs to --gpu-clocks", "leave it out, or add --gpu-clocks")
    if args.gpu is not None and not asked:
        raise UsageError("--gpu belongs to --power-limit and --gpu-clocks", "leave it out, or add one of them")
    return asked


def _power_limits(args: Namespace) -> SettingAsked:
    from wattleak.executors.device_settings import LIMITED_GPU, WATTS
    from wattleak.experiment.levels import POWER_LIMIT, power_levels
    from wattleak.meters.power_limit import PowerLimits

    limits = PowerLimits()
    try:
        known = limits.all()
    finally:
        limits.close()
    gpu = _chosen(known, args, "--power-limit", "power limit")
    factor = power_levels(args.power_limit, gpu.now_w, gpu.low_w, gpu.high_w)
    return SettingAsked(factor, {WATTS: "{" + POWER_LIMIT + "}", LIMITED_GPU: gpu.uuid})


def _gpu_clocks(args: Namespace) -> SettingAsked:
    from wattleak.executors.device_settings import CLOCKED_GPU, CLOCKS, CLOCKS_BEFORE
    from wattleak.experiment.levels import GPU_CLOCKS, clock_levels
    from wattleak.meters.gpu_clocks import UNLOCKED, GpuClocks, read_lock

    before = None if args.clocks_were is None else read_lock(args.clocks_were)
    clocks = GpuClocks()
    try:
        known = clocks.all()
    finally:
        clocks.close()
    gpu = _chosen(known, args, "--gpu-clocks", "list of clocks")
    factor = clock_levels(args.gpu_clocks, before, gpu.supported_mhz)
    return SettingAsked(
        factor,
        {
            CLOCKS: "{" + GPU_CLOCKS + "}",
            CLOCKS_BEFORE: UNLOCKED if before is None else str(before),
            CLOCKED_GPU: gpu.uuid,
        },
    )


def _chosen(known: Sequence[_Gpu], args: Namespace, option: str, what: str) -> _Gpu:
    """The GPU that --gpu names, or the only one."""
    offered = ", ".join(str(item.index) for item in known)
    chosen = [item for item in known if args.gpu is None or str(item.index) == args.gpu]
    if len(chosen) != 1:
        why = f"no GPU here has a {what} that can be read" if not known else f"the GPUs are {offered}"
        raise UsageError(f"{option} is about one GPU: {why}", "--gpu INDEX says which")
    return chosen[0]
