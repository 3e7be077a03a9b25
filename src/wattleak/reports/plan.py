"""A plan as text, for `--dry-run`."""

from __future__ import annotations

import shlex
from itertools import groupby
from typing import TYPE_CHECKING

from wattleak.experiment.design import redacted
from wattleak.reports import units

if TYPE_CHECKING:
    from wattleak.experiment.expectation import Expectation
    from wattleak.experiment.short_plan import DeviceHours
    from wattleak.model import Plan


def render_plan(plan: Plan, expectation: Expectation, hours: DeviceHours | None = None) -> str:
    """The variants, the order of every block, and what it will cost as far as that is known."""
    design = redacted(plan.design)
    size = (
        f"{len(design.variants)} variants x {design.blocks} blocks + {design.warmups} warm-up = {len(plan.runs)} runs"
    )
    if design.search is not None and design.stopping is not None:
        size = (
            f"{len(design.variants)} settings race over {design.stopping.looks[-1]} blocks at most (looks after "
            f"{', '.join(map(str, design.stopping.looks))}) + {design.warmups} warm-up, then "
            f"{design.search.confirmations} fresh blocks of winner and reference: {expectation.runs} runs at most"
        )
    choices = f"seed {design.seed}, primary metric {design.metric}, smallest effect {design.smallest_effect:.1%}"
    if design.smallest_effect_reason:
        choices += f" ({design.smallest_effect_reason})"
    lines = [f"{size}, {choices}", ""]
    for variant in design.variants:
        env = " ".join(f"{name}={shlex.quote(value)}" for name, value in variant.env.items())
        lines.append(f"  {variant.name:<10} {env + ' ' if env else ''}{shlex.join(variant.command)}")
    lines += ["", "order"]
    for block, runs in groupby(plan.runs, key=lambda run: run.block):
        if design.search is not None and block >= design.blocks - design.search.confirmations:
            lines.append("  then       winner and reference")
            break
        label = "warm-up" if block < 0 else f"block {block + 1}"
        lines.append(f"  {label:<10} {'  '.join(run.variant for run in runs)}")
    lines.append("")
    if expectation.duration_s is None:
        lines.append(
            f"expected duration and energy: not known, no complete run of {', '.join(expectation.unknown)} is stored "
            "(wattleak measure -- COMMAND makes one)"
        )
    else:
        energy = (
            "not known" if expectation.energy_j is None else f"about {units.energy(expectation.energy_j)} (attributed)"
        )
        about = "about" if design.search is None else "at most about"
        lines.append(f"expected duration: {about} {units.duration(expectation.duration_s)}; energy: {energy}")
    if hours is not None:
        lines += [
            f"short plan: {_hours(hours.short_h, hours.devices)}",
            f"full plan:  {_hours(hours.full_h, hours.devices, '--full-steps N or --full-duration TIME says it')}",
        ]
    return "\n".join(lines)


def _hours(hours: float | None, devices: int, remedy: str = "a stored run of each command says it") -> str:
    """Device-hours: hours of this machine, or of its GPUs together."""
    what = "device-hours (this machine)" if devices == 1 else f"device-hours ({devices} GPUs)"
    return f"{what} not known; {remedy}" if hours is None else f"{units.number(hours)} {what}"
