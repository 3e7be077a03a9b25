"""`study frameworks` as text: what each framework costs, where it differs, what a further point of accuracy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.framework_courses import LARGEST_DIFFERENCE
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.frameworks_tables import (
    curve_table,
    inference_table,
    parts_table,
    price_table,
    target_line,
    target_table,
    training_table,
)
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.analysis.frameworks import Frameworks
    from wattleak.reports.style import Style

CURVE = "cost against accuracy, adding up over the epochs (start-up and first step apart)"
QUESTION = "is the last point exponentially dear?"


def render_frameworks(found: Frameworks, *, style: Style) -> str:
    """Training, inference, and where the difference lies. Ends without a line end."""
    lines = []
    for head, rows in (training_table(found), inference_table(found), parts_table(found)):
        if rows:
            lines += [*columns(rows, style, head=head, right=range(1, len(head))), ""]
    for sentence in warnings(found):
        lines += wrapped(sentence, style, role="warning")
    for sentence in explained(found):
        lines += wrapped(sentence, style, role="faint")
    return "\n".join(lines)


def render_price(found: Frameworks, *, style: Style) -> list[str]:
    """The curve of cost against accuracy, whether its last point is exponentially dear, and the cost to a target."""
    if not found.epochs:
        return []
    head, rows = curve_table(found)
    lines = [
        style.text(f"{CURVE}:"),
        *columns(rows, style, head=head, right=range(len(head))),
        "",
        style.text(QUESTION),
    ]
    head, rows = price_table(found)
    lines += columns(rows, style, head=head, right=(2, 3))
    if found.target is not None:
        head, rows = target_table(found)
        lines += ["", style.text(f"{target_line(found)}:"), *columns(rows, style, head=head, right=(1, 2))]
    return lines


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


def _largest(found: Frameworks) -> str:
    assert found.start is not None
    return units.number(found.start.largest, 2)
