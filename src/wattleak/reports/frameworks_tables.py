"""The tables of `study frameworks`: what each framework costs, where it differs, the price of a further point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.price_of_accuracy import Answer
from wattleak.reports import units
from wattleak.reports.means import NOT_MEASURED, mean_in_unit

if TYPE_CHECKING:
    from wattleak.analysis.framework_costs import FrameworkCost
    from wattleak.analysis.frameworks import Frameworks
    from wattleak.analysis.plane import Mean
    from wattleak.analysis.price_of_accuracy import Price, ToTarget
    from wattleak.analysis.stretches import Stretch
    from wattleak.model import Estimate


ANSWERS = {
    Answer.EXPONENTIAL: "yes, exponentially",
    Answer.POWER: "dearer each time, not exponentially",
    Answer.DEARER: "dearer each time; exponentially or by a power, undecided",
    Answer.CONSTANT: "no, every point costs the same",
    Answer.UNDECIDED: "undecided",
}
"""Is the last point exponentially dear?"""


Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows; all columns but the first hold numbers, unless said otherwise."""


def target_line(found: Frameworks) -> str:
    """Which accuracy, and who chose it."""
    assert found.target is not None
    chosen = "" if found.target_stated else " (the highest whole point that every run reached; --target for another)"
    return f"to an accuracy of {units.plain(found.target)}{chosen}"


def training_table(found: Frameworks) -> Table:
    """Cost of start-up, first step and epochs."""
    energy = any(cost.training.energy_j is not None for cost in found.costs)
    unit = "energy" if energy else "CPU"
    head = ("candidate", "accuracy", "start-up", "first step", "training", "time", f"training {unit}", f"{unit}/point")
    return head, [_training_row(cost, energy=energy) for cost in found.costs]


def inference_table(found: Frameworks) -> Table:
    """Cost of scoring one image."""
    head = ("candidate", "CPU/inference", "time/inference", "energy/inference", "CO2e/inference")
    return head, [_inference_row(cost) for cost in found.costs]


def parts_table(found: Frameworks) -> Table:
    """Where a candidate differs from the reference."""
    parts = list(dict.fromkeys(one.part for one in found.changes))
    rows: dict[str, list[str]] = {}
    for one in found.changes:
        row = rows.setdefault(one.candidate, [one.candidate, *(NOT_MEASURED for _ in parts)])
        change = one.change
        if change.change is not None:
            shown = units.change_with_interval(change.change, change.low, change.high)
            row[1 + parts.index(one.part)] = " ".join(shown).strip()
    reference = found.costs[0].name if found.costs else ""
    head = (f"against {reference}, {'energy' if found.energy else 'CPU time'}", *parts)
    return head, [tuple(row) for row in rows.values()]


def curve_table(found: Frameworks) -> Table:
    """A row for each epoch: the accuracy of the first candidate, and what each has cost up to there."""
    names = list(found.epochs)
    rows = [
        (str(epoch.epoch), _accuracy(epoch.accuracy), *(_paid(found, name, place) for name in names))
        for place, epoch in enumerate(found.epochs[names[0]])
    ]
    return ("epoch", f"accuracy ({names[0]})", *names), rows


def price_table(found: Frameworks) -> Table:
    """The answer to the question, in its second column, and the figures behind it."""
    head = ("candidate", "", "a point over the one before", "the last point over those before")
    return head, [_price_row(name, price) for name, price in found.price.items()]


def target_table(found: Frameworks) -> Table:
    """What each candidate took to the target."""
    head = ("candidate", "training", "with start-up and first step")
    return head, [_target_row(name, one, found) for name, one in found.to_target.items()]


# -- rows ------------------------------------------------------------------------------------------------------------


def _training_row(cost: FrameworkCost, *, energy: bool) -> tuple[str, ...]:
    spent, point = (
        (_energy(cost.training.energy_j), _energy(cost.energy_per_point_j))
        if energy
        else (units.duration(cost.training.cpu_s), units.duration(cost.cpu_per_point_s))
    )
    return (
        cost.name,
        _accuracy(cost.accuracy),
        _cpu(cost.start_up),
        _cpu(cost.first_step),
        _cpu(cost.training),
        units.duration(cost.training.duration_s),
        spent,
        point,
    )


def _inference_row(cost: FrameworkCost) -> tuple[str, ...]:
    return (
        cost.name,
        _cpu(cost.inference),
        units.duration(cost.inference.duration_s),
        _energy(cost.inference.energy_j),
        _carbon(cost.carbon_per_inference_g),
    )


def _paid(found: Frameworks, name: str, place: int) -> str:
    epochs = found.epochs[name]
    if place >= len(epochs):
        return NOT_MEASURED
    joules = epochs[place].energy_j
    return units.energy(joules.value) if found.energy and joules is not None else units.duration(epochs[place].cpu_s)


def _price_row(name: str, price: Price) -> tuple[str, ...]:
    answer = f"{ANSWERS[price.answer]}{f': {price.why}' if price.why else ''}"
    return name, answer, _times(price.factor), _times(price.last_point)


def _target_row(name: str, one: ToTarget, found: Frameworks) -> tuple[str, ...]:
    if one.reached < one.runs:
        some = "not reached" if not one.reached else f"not reached in {one.runs - one.reached} of {one.runs} runs"
        return name, some, NOT_MEASURED
    if one.within_first:
        where = "" if one.within_first == one.runs else f" in {one.within_first} of {one.runs} runs"
        return name, f"within the first epoch{where}", NOT_MEASURED
    unit = "J" if found.energy else "s"
    return name, mean_in_unit(one.cost, unit), mean_in_unit(one.whole, unit)


# -- cells -----------------------------------------------------------------------------------------------------------


def _cpu(part: Stretch | None) -> str:
    return NOT_MEASURED if part is None else units.duration(part.cpu_s)


def _energy(estimate: Estimate | None) -> str:
    return NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "J"))


def _carbon(estimate: Estimate | None) -> str:
    return NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "g"))


def _accuracy(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return f"{mean.value:.3f}"
    return f"{mean.value:.3f} [{max(0.0, mean.low):.3f}, {min(1.0, mean.high):.3f}]"


def _times(mean: Mean | None) -> str:
    if mean is None:
        return NOT_MEASURED
    if mean.low is None or mean.high is None:
        return f"x {units.number(mean.value)}"
    return f"x {' '.join(units.interval_in_unit(mean.value, mean.low, mean.high, ''))}"
