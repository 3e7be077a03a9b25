"""`study frameworks` as text: what each framework costs, where it differs, what a further point of accuracy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.framework_courses import LARGEST_DIFFERENCE
from wattleak.analysis.price_of_accuracy import Answer
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.analysis.framework_costs import FrameworkCost, Stretch
    from wattleak.analysis.frameworks import Frameworks
    from wattleak.analysis.plane import Mean
    from wattleak.analysis.price_of_accuracy import Price, ToTarget
    from wattleak.model import Estimate
    from wattleak.reports.style import Style

_NOT_MEASURED = "-"

ANSWERS = {
    Answer.EXPONENTIAL: "yes, exponentially",
    Answer.POWER: "dearer each time, not exponentially",
    Answer.DEARER: "dearer each time; exponentially or by a power, undecided",
    Answer.CONSTANT: "no, every point costs the same",
    Answer.UNDECIDED: "undecided",
}
"""Is the last point exponentially dear?"""


def render_frameworks(found: Frameworks, *, style: Style) -> str:
    """Training, inference, and where the difference lies. Ends without a line end."""
    energy = any(cost.training.energy_j is not None for cost in found.costs)
    unit = "energy" if energy else "CPU"
    training = (
        "candidate",
        "accuracy",
        "start-up",
        "first step",
        "training",
        "time",
        f"training {unit}",
        f"{unit}/point",
    )
    inference = ("candidate", "CPU/inference", "time/inference", "energy/inference", "CO2e/inference")
    rows = [_training_row(cost, energy=energy) for cost in found.costs]
    lines = [
        *columns(rows, style, head=training, right=range(1, len(training))),
        "",
        *columns(map(_inference_row, found.costs), style, head=inference, right=range(1, len(inference))),
        "",
        *_parts(found, style),
    ]
    for sentence in warnings(found):
        lines += wrapped(sentence, style, role="warning")
    for sentence in explained(found):
        lines += wrapped(sentence, style, role="faint")
    return "\n".join(lines)


def render_price(found: Frameworks, *, style: Style) -> list[str]:
    """The curve of cost against accuracy, whether its last point is exponentially dear, and the cost to a target."""
    names = list(found.epochs)
    if not names:
        return []
    lines = ["cost against accuracy, adding up over the epochs (start-up and first step apart):"]
    rows = []
    for place, epoch in enumerate(found.epochs[names[0]]):
        costs = [_paid(found, name, place) for name in names]
        rows.append((str(epoch.epoch), _accuracy(epoch.accuracy), *costs))
    head = ("epoch", f"accuracy ({names[0]})", *names)
    lines += [*columns(rows, style, head=head, right=range(len(head))), "", "is the last point exponentially dear?"]
    price_head = ("candidate", "", "a point over the one before", "the last point over those before")
    prices = [_price_row(name, price) for name, price in found.price.items()]
    lines += columns(prices, style, head=price_head, right=(2, 3))
    if found.target is not None:
        lines += ["", f"to an accuracy of {units.plain(found.target)}{'' if found.target_stated else _CHOSEN}:"]
        reached = [_target_row(name, one, found) for name, one in found.to_target.items()]
        lines += columns(reached, style, head=("candidate", "training", "with start-up and first step"), right=(1, 2))
    return lines


_CHOSEN = " (the highest whole point that every run reached; --target for another)"


def warnings(found: Frameworks) -> Iterator[str]:
    """What stands against the comparison."""
    if found.start is None:
        yield "whether all began alike is not known: no block has two losses of the first step"
    elif not found.start.alike:
        yield (
            f"they did not begin alike: the loss of the first batch differs by {_largest(found)} of itself, "
            f"and {LARGEST_DIFFERENCE:g} is the most that rounding explains. The costs below are of different work"
        )
    if found.mixed_devices:
        on = ", ".join(cost.name for cost in found.costs if cost.accelerated)
        yield f"only {on} worked on an accelerator, the others on the CPU: this compares devices, not frameworks"


def explained(found: Frameworks) -> Iterator[str]:
    """What must be known to read the tables."""
    if found.start is not None and found.start.alike:
        yield (
            f"all began alike: in each of {words.count(found.start.blocks, 'block')} the loss of the first batch, "
            f"before any training, differs by at most {_largest(found)} of itself (tolerated: {LARGEST_DIFFERENCE:g})"
        )
    yield (
        "medians over the runs that count, accuracy: mean with its 95 % interval; start-up, first step and training "
        "are CPU time; start-up: to the first batch; first step: one batch, where frameworks compile; training: the "
        "epochs without it; point: of accuracy (training over 100 x accuracy)"
    )
    origins = sorted(
        {cost.training.energy_j.origin.value for cost in found.costs if cost.training.energy_j is not None}
    )
    if origins:
        yield f"energy, with its 95 % range, is of the process tree; origin: {', '.join(origins)}"


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


def _parts(found: Frameworks, style: Style) -> list[str]:
    """Where a candidate differs from the reference."""
    if not found.changes:
        return []
    parts = list(dict.fromkeys(one.part for one in found.changes))
    rows: dict[str, list[str]] = {}
    for one in found.changes:
        row = rows.setdefault(one.candidate, [one.candidate, *(_NOT_MEASURED for _ in parts)])
        change = one.change
        if change.change is not None:
            shown = units.change_with_interval(change.change, change.low, change.high)
            row[1 + parts.index(one.part)] = " ".join(shown).strip()
    head = (f"against {found.costs[0].name}, {'energy' if found.energy else 'CPU time'}", *parts)
    return [*columns(rows.values(), style, head=head, right=range(1, len(head))), ""]


def _paid(found: Frameworks, name: str, place: int) -> str:
    epochs = found.epochs[name]
    if place >= len(epochs):
        return _NOT_MEASURED
    joules = epochs[place].energy_j
    return units.energy(joules.value) if found.energy and joules is not None else units.duration(epochs[place].cpu_s)


def _price_row(name: str, price: Price) -> tuple[str, ...]:
    answer = f"{ANSWERS[price.answer]}{f': {price.why}' if price.why else ''}"
    return name, answer, _times(price.factor), _times(price.last_point)


def _target_row(name: str, one: ToTarget, found: Frameworks) -> tuple[str, ...]:
    if one.reached < one.runs:
        some = "not reached" if not one.reached else f"not reached in {one.runs - one.reached} of {one.runs} runs"
        return name, some, _NOT_MEASURED
    if one.within_first:
        where = "" if one.within_first == one.runs else f" in {one.within_first} of {one.runs} runs"
        return name, f"within the first epoch{where}", _NOT_MEASURED
    unit = "J" if found.energy else "s"
    return name, _mean(one.cost, unit), _mean(one.whole, unit)


# -- cells -----------------------------------------------------------------------------------------------------------


def _largest(found: Frameworks) -> str:
    assert found.start is not None
    return units.number(found.start.largest, 2)


def _cpu(part: Stretch | None) -> str:
    return _NOT_MEASURED if part is None else units.duration(part.cpu_s)


def _energy(estimate: Estimate | None) -> str:
    return _NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "J"))


def _carbon(estimate: Estimate | None) -> str:
    return _NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "g"))


def _accuracy(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return f"{mean.value:.3f}"
    return f"{mean.value:.3f} [{max(0.0, mean.low):.3f}, {min(1.0, mean.high):.3f}]"


def _times(mean: Mean | None) -> str:
    if mean is None:
        return _NOT_MEASURED
    if mean.low is None or mean.high is None:
        return f"x {units.number(mean.value)}"
    return f"x {' '.join(units.interval_in_unit(mean.value, mean.low, mean.high, ''))}"


def _mean(mean: Mean | None, unit: str) -> str:
    if mean is None:
        return _NOT_MEASURED
    if mean.low is None or mean.high is None:
        return units.quantity(mean.value, unit)
    return " ".join(units.interval_in_unit(mean.value, mean.low, mean.high, unit))
