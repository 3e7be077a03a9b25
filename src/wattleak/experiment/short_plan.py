"""Short plans: trainings that last hours, compared by the price of their steps.

    wattleak compare --steps 200 'python train.py' 'python train.py --compile'
    wattleak compare --for 120s 'python train.py' 'python train.py --compile'
    wattleak compare --steps 200 'python train.py --max-steps {steps}' '...'

Each run is ended by the plan after so many steps, or so many seconds, or ends itself because `{steps}` in its command
became the number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from wattleak.analysis.metrics import choose_primary, metric, per_name
from wattleak.errors import UsageError
from wattleak.experiment.design import redacted
from wattleak.model import Part, ShortPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Channel, Plan, Variant

_PLACE = "{steps}"
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d)?\s*")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_END_S = 1.0  # what it takes a program to end when told to: an assumption


@dataclass(frozen=True, slots=True)
class DeviceHours:
    """What a plan occupies: hours of this machine, times its accelerators where it has some. None: not known."""

    devices: int
    full_h: float | None
    short_h: float | None

    def document(self) -> dict[str, Any]:
        return {"devices": self.devices, "full_device_hours": self.full_h, "short_device_hours": self.short_h}


def short_plan(steps: object, duration: object, *, metric_by_rule: bool = True) -> ShortPlan | None:
    """From --steps and --for; None when neither is given. Raises UsageError."""
    if steps is not None and duration is not None:
        raise UsageError("--steps and --for both say when a run ends", "give one of them")
    if steps is not None:
        return ShortPlan(steps=count_of_steps(steps, "--steps"), metric_by_rule=metric_by_rule)
    if duration is not None:
        return ShortPlan(duration_s=seconds_of(duration, "--for"), metric_by_rule=metric_by_rule)
    return None


def count_of_steps(value: object, option: str) -> int:
    """A whole number from 1. Raises UsageError."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"{option} {value} is no number of steps", f"write {option} 200")
    return number


def seconds_of(value: object, option: str) -> float:
    """Seconds of `120`, `120s`, `2m`, `1.5h`. Raises UsageError."""
    match = _DURATION.fullmatch(str(value))
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"{option} {value} is no duration", f"write {option} 120s, 5m or 1.5h")
    return seconds


def primary_per_step(name: str | None, channels: Sequence[Channel]) -> str:
    """The primary metric of a short plan. Raises UsageError for one that runs ended early cannot give."""
    if name is None:
        return per_name(choose_primary(channels), "step")
    known = metric(name)
    if "_per_" not in name and not name.startswith("start_up_") and name != "peak_memory_b":
        raise UsageError(
            f"--metric {name} is a total of whole runs, and a short plan ends them early",
            f"--metric {per_name(name, 'step') if name in _TOTALS else 'cpu_per_step_s'}, or no --metric",
        )
    return known.name


_TOTALS = ("energy_j", "gpu_energy_j", "attributed_energy_j", "cpu_s", "duration_s")


def with_steps(variant: Variant, short: ShortPlan | None) -> Variant:
    """The variant with the number of steps in place of `{steps}`; as it is where no short plan is asked for."""
    if short is None:
        return variant
    if short.steps is None:
        if any(_PLACE in word for word in (*variant.command, *variant.env.values())):
            raise UsageError("{steps} stands in a command, and nothing says how many", "--steps 200")
        return variant
    number = str(short.steps)
    return replace(
        variant,
        command=tuple(word.replace(_PLACE, number) for word in variant.command),
        env={name: value.replace(_PLACE, number) for name, value in variant.env.items()},
    )


def expected_run_s(short: ShortPlan, alike: Sequence[Mapping[str, Any]]) -> float | None:
    """How long one run of a short plan takes, by stored runs of the same command; None when they cannot tell."""
    if short.duration_s is not None:
        return short.duration_s + _END_S
    windows = [document["step_window"] for document in alike if document.get("step_window")]
    if not windows or short.steps is None:
        return None
    lasting_s = [
        float(window["start_up_s"] + short.steps * window["duration_s"] * window["writers"] / window["steps"])
        for window in windows
    ]
    return _END_S + median(lasting_s)


def device_hours(
    plan: Plan,
    channels: Sequence[Channel],
    stored: Sequence[Mapping[str, Any]],
    *,
    full_steps: int | None = None,
    full_duration_s: float | None = None,
) -> DeviceHours:
    """What the full plan and the short one occupy: all blocks and warm-ups, rests apart.

    The full run of a variant lasts as long as is said, or as its stored full runs did; or so many steps as are said, at
    the pace of its stored runs.
    """
    design = redacted(plan.design)
    devices = max(1, sum(channel.part is Part.GPU for channel in channels))
    full_s: float | None = 0.0
    short_s: float | None = 0.0
    for variant in design.variants:
        alike = [document for document in stored if is_run_of(variant, document)]
        planned = sum(run.variant == variant.name for run in plan.runs)
        one_full_s = full_duration_s or _full_run_s(alike, full_steps)
        one_short_s = None if design.short is None else expected_run_s(design.short, alike)
        full_s = None if one_full_s is None or full_s is None else full_s + planned * one_full_s
        short_s = None if one_short_s is None or short_s is None else short_s + planned * one_short_s
    return DeviceHours(devices, _hours(full_s, devices), _hours(short_s, devices))


def _full_run_s(alike: Sequence[Mapping[str, Any]], full_steps: int | None) -> float | None:
    if full_steps is not None:
        return expected_run_s(ShortPlan(steps=full_steps), alike)
    whole = [float(document["duration_s"]) for document in alike if document.get("planned_end") is None]
    return median(whole) if whole else None


def _hours(seconds: float | None, devices: int) -> float | None:
    return None if seconds is None else devices * seconds / 3600.0


def is_run_of(variant: Variant, document: Mapping[str, Any]) -> bool:
    """The same command, and no environment of its own that a stored run could have lacked."""
    if not document["complete"] or list(variant.command) != document["command"]:
        return False
    return not variant.env or document.get("variant") == variant.name
