"""What `compare` found of the training loop alone: its programs report `loop_s` as a figure of quality.

A program may report `yardstick_s`, too: the time of the same fixed work after each of its steps. Its loop over its
yardstick leaves out how fast the machine was just then, which changes by several per cent from run to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.analysis.effect import Change, paired_change

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds(told: dict[str, float]) -> float:
    """Of the loop."""
    return told["loop_s"]


def over_yardstick(told: dict[str, float]) -> float:
    """Seconds of the loop over those of the fixed work inside of it."""
    return told["loop_s"] / told["yardstick_s"]


def typical(told: dict[str, float]) -> float:
    """A step over the fixed work behind it, both without their slowest twentieth."""
    return told["typical"]


def loop_change(
    document: dict[str, Any],
    reference: str,
    candidate: str,
    figure: Callable[[dict[str, float]], float] = seconds,
) -> Change:
    """The change of a figure of the training loop, paired by block; runs that failed do not count."""
    before, after = (
        {
            run["block"]: figure(run["quality"])
            for run in document["runs"]
            if run["variant"] == name and run["quality"] and not run["failure"]
        }
        for name in (reference, candidate)
    )
    both = sorted(before.keys() & after.keys())
    return paired_change([before[block] for block in both], [after[block] for block in both], 0.95)
