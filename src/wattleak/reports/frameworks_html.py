"""`study frameworks` on its page: what each framework costs, and what a further point of accuracy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports import choice_charts
from wattleak.reports.frameworks import CURVE, QUESTION, explained, warnings
from wattleak.reports.frameworks_tables import (
    curve_table,
    inference_table,
    parts_table,
    price_table,
    target_line,
    target_table,
    training_table,
)
from wattleak.reports.html import section
from wattleak.reports.markup import figure, table, tag

if TYPE_CHECKING:
    from wattleak.analysis.framework_costs import Epoch
    from wattleak.analysis.frameworks import Frameworks
    from wattleak.reports.frameworks_tables import Table
    from wattleak.reports.markup import Html


def frameworks_sections(found: Frameworks) -> list[Html]:
    """For the page of the experiment, before its verdicts."""
    costs = section(
        "frameworks",
        "What each framework costs",
        *(tag("p", line, class_="warning") for line in warnings(found)),
        *(_table(one, label) for one, label in (
            (training_table(found), "training"),
            (inference_table(found), "inference"),
            (parts_table(found), "difference by part"),
        ) if one[1]),
        *(tag("p", line) for line in explained(found)),
    )  # fmt: skip
    if not found.epochs:
        return [costs]
    head, rows = curve_table(found)
    curves = {
        name: [(_paid(epoch, energy=found.energy), epoch.accuracy.value) for epoch in epochs]
        for name, epochs in found.epochs.items()
    }
    unit = "J" if found.energy else "s"
    spec = choice_charts.accuracy_curves(curves, "energy" if found.energy else "CPU time", unit)
    price = section(
        "price-of-accuracy",
        "What a further point of accuracy costs",
        figure("accuracy-curve", spec, f"{CURVE}.", table(head, rows, numbers=range(len(head)))),
        tag("h3", _capital(QUESTION)),
        _table(price_table(found), "price of a further point", numbers=(2, 3)),
        *(
            ()
            if found.target is None
            else (tag("h3", _capital(target_line(found))), _table(target_table(found), "cost to the target"))
        ),
    )
    return [costs, price]


def _table(one: Table, label: str, numbers: tuple[int, ...] | None = None) -> Html:
    head, rows = one
    return table(head, rows, numbers=range(1, len(head)) if numbers is None else numbers, label=label)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _paid(epoch: Epoch, *, energy: bool) -> float:
    return epoch.energy_j.value if energy and epoch.energy_j is not None else epoch.cpu_s
