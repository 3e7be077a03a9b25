"""A Pareto front as people read it: table, marginal cost, recommendation in words; as JSON, as a part of the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.analysis.pareto import Standing
from wattleak.analysis.quality import default_target
from wattleak.documents import envelope
from wattleak.model import Direction
from wattleak.reports import choice_charts, units, words
from wattleak.reports.columns import columns
from wattleak.reports.markup import Html, figure, join, table, tag
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.pareto import Advice, Front, Placed, Plane, Step
    from wattleak.analysis.plane import Mean
    from wattleak.reports.style import Style

_POINT = 0.01  # of an accuracy or an area under a curve


# -- words -----------------------------------------------------------------------------------------------------------


def what_it_is(front: Front) -> str:
    """One line: what is laid against what, from how many runs, and how sure the intervals are."""
    plane = front.plane
    runs = sorted({placed.runs for placed in front.candidates})
    each = words.count(runs[0], "run") if len(runs) == 1 else f"{runs[0]} to {runs[-1]} runs"
    better = "more" if plane.quality.direction is Direction.MAX else "less"
    return (
        f"{words.title(plane.cost)} against {plane.quality.metric} ({better} is better); {each} of each; "
        f"a difference counts above {units.margin(plane.smallest_effect)} of the cost and "
        f"{_quality_amount(plane, plane.quality.margin)}; intervals of both dimensions hold together at "
        f"{100 * plane.level:g} %, those that decide for all pairs together"
    )


def standing(placed: Placed) -> str:
    """Where a candidate stands."""
    if placed.standing is Standing.DOMINATED:
        return "dominated by " + ", ".join(placed.dominated_by)
    if placed.standing is Standing.FRONT:
        return "on the front"
    return "undecided; by its means " + ("on the front" if placed.on_points else "dominated")


def marginal(step: Step, plane: Plane) -> str:
    """What the next point costs on the way to a dearer neighbour."""
    scale, unit = (_POINT, "point") if _in_points(plane) else (1.0, f"unit of {plane.quality.metric}")
    slope, si = step.slope, words.unit(plane.cost)
    gain = _quality_amount(plane, slope.more_quality)
    more = f"{step.cheaper} → {step.dearer}: {_signed(slope.more_cost, si)} for {gain}"
    price, ends = _priced(slope.value * scale, slope.low, slope.high, scale, si)
    why = "the gain in quality is not sure" if slope.sure is False else "one run of a model gives none"
    sure = f" {ends}" if ends else f" (no interval: {why})"
    return f"{more}, {price} for each further {unit}{sure}"


def recommendation(front: Front) -> str:
    """Which one to take, in words."""
    plane, advice, cheapest = front.plane, front.advice, front.cheapest
    margin = _quality_amount(plane, plane.quality.margin)
    if advice.choice != advice.best:
        share = _share(advice)
        if advice.shown:
            text = f"{advice.choice} is within {margin} of the best ({advice.best}) and costs {share} of it."
        else:
            text = (
                f"{advice.choice} looks like the one to take: by its mean it is {_quality_amount(plane, advice.gap)} "
                f"behind the best ({advice.best}) and costs {share} of it, but {_not_shown(advice, plane, margin)}."
            )
        return text
    text = f"{advice.best} has the best {plane.quality.metric}, and no cheaper one comes within {margin} of it."
    if cheapest.choice != cheapest.best:
        behind = _quality_amount(plane, cheapest.gap)
        text += f" The cheapest, {cheapest.choice}, is {behind} behind and costs {_share(cheapest)} of it."
    return text


def dominated(front: Front) -> str:
    """The candidates that nobody should take, or that there are none."""
    names = [placed.name for placed in front.candidates if placed.standing is Standing.DOMINATED]
    if names:
        return "dominated: " + ", ".join(names)
    unsure = [placed.name for placed in front.candidates if placed.standing is Standing.UNDECIDED]
    if not unsure:
        return "dominated: none"
    seem = [item.name for item in front.candidates if item.name in unsure and not item.on_points]
    means = f"by their means alone: {', '.join(seem)}; " if seem else ""
    return f"dominated: none is shown to be; {means}what is undecided takes more runs"


def _not_shown(advice: Advice, plane: Plane, margin: str) -> str:
    if advice.gap_high is None:
        return "so few runs give no interval that shows it"
    return f"the interval allows {_quality_amount(plane, advice.gap_high)}, and {margin} is tolerated"


def _share(advice: Advice) -> str:
    shown = f"{units.plain(100 * advice.share)} %"
    if advice.share_low is None or advice.share_high is None:
        return shown
    return f"{shown} [{units.plain(100 * advice.share_low)}, {units.plain(100 * advice.share_high)}]"


def _in_points(plane: Plane) -> bool:
    """Whether the figure is a share, such as accuracy or AUC, which people count in points of a hundred."""
    known = default_target([plane.quality.metric])
    return known is not None and known.direction is Direction.MAX


def _quality_amount(plane: Plane, value: float) -> str:
    if _in_points(plane):
        shown = units.plain(value / _POINT)
        return f"{shown} {'point' if shown == '1' else 'points'}"
    return f"{units.plain(value)} of {plane.quality.metric}"


def _signed(value: float, unit: str) -> str:
    shown = units.quantity(value, unit)
    return f"+{shown}" if value > 0 else shown


def _priced(value: float, low: float | None, high: float | None, scale: float, unit: str) -> tuple[str, str]:
    if low is None or high is None:
        return units.quantity(value, unit), ""
    return units.interval_in_unit(value, low * scale, high * scale, unit)


# -- text ------------------------------------------------------------------------------------------------------------


def render_front(front: Front, *, style: Style) -> str:
    """Table, steps and recommendation for the terminal. Ends without a line end."""
    head, *rows = front_table(front)
    lines = [
        style.paint("Pareto front", "strong"),
        *wrapped(what_it_is(front), style, role="faint"),
        "",
        *columns(rows, style, head=head, right={1, 2, 3, 4}),
        "",
    ]
    for text in _statements(front):
        first, *rest = wrapped(text, style)
        lines += [first, *(f"  {line}" for line in rest)]  # what goes on stands a little further in
    return "\n".join([*lines, "", *wrapped(recommendation(front), style, "", role="strong")])


def _statements(front: Front) -> Iterator[str]:
    for step in front.steps:
        yield marginal(step, front.plane)
    yield dominated(front)
    for name, why in front.left_out.items():
        yield f"not placed: {name}: {why}"
    if front.plane.derived_from is not None:
        yield f"the cost is modelled from {front.plane.derived_from}: it says no more than that figure does"


def front_table(front: Front) -> list[tuple[str, ...]]:
    """Head and rows as text, by rising cost."""
    plane = front.plane
    ends = f"{100 * plane.level:g} % range"
    head = ("candidate", words.title(plane.cost), ends, plane.quality.metric, ends, "standing")
    quality = _figures([placed.quality for placed in front.candidates])
    rows = []
    for placed, (shown, quality_ends) in zip(front.candidates, quality, strict=True):
        cost, cost_ends = _cost(placed.cost, words.unit(plane.cost))
        rows.append((placed.name, cost, cost_ends, shown, quality_ends, standing(placed)))
    return [head, *rows]


def _cost(mean: Mean, unit: str) -> tuple[str, str]:
    if mean.low is None or mean.high is None:
        return units.quantity(mean.value, unit), "one run"
    return units.interval_in_unit(mean.value, mean.low, mean.high, unit)


def _figures(means: Sequence[Mean]) -> list[tuple[str, str]]:
    values = units.figures([mean.value for mean in means])
    shown = []
    for mean, value in zip(means, values, strict=True):
        if mean.low is None or mean.high is None:
            shown.append((value, "one run"))
        else:
            low, high = units.figures((mean.low, mean.high))
            shown.append((value, f"[{low}, {high}]"))
    return shown


# -- JSON ------------------------------------------------------------------------------------------------------------


def front_document(front: Front) -> dict[str, Any]:
    """The key `pareto` of a comparison, and what `compare --from FILE --json` prints."""
    plane = front.plane
    return {
        "cost_metric": plane.cost,
        "origin": None if plane.origin is None else plane.origin.value,
        "derived_from": plane.derived_from,
        "quality_metric": plane.quality.metric,
        "direction": plane.quality.direction.value,
        "margin": plane.quality.margin,
        "smallest_effect": plane.smallest_effect,
        "level": plane.level,
        "paired": plane.paired,
        "candidates": [
            {
                **asdict(placed),
                "standing": placed.standing.value,
                "dominated_by": list(placed.dominated_by),
                "undecided_with": list(placed.undecided_with),
            }
            for placed in front.candidates
        ],
        "steps": [
            {
                "cheaper": step.cheaper,
                "dearer": step.dearer,
                "more_cost": step.slope.more_cost,
                "more_quality": step.slope.more_quality,
                "cost_per_quality": step.slope.value,
                "low": step.slope.low,
                "high": step.slope.high,
            }
            for step in front.steps
        ],
        "advice": asdict(front.advice),
        "cheapest": asdict(front.cheapest),
        "recommendation": recommendation(front),
        "left_out": dict(front.left_out),
    }


def front_alone_document(front: Front, source: str) -> dict[str, Any]:
    """What `compare --from FILE --json` prints: a front and where its runs are from."""
    return {**envelope("pareto"), "source": source, **front_document(front)}


# -- HTML ------------------------------------------------------------------------------------------------------------


def front_section(front: Front) -> Html:
    """The part of the page that shows it."""
    caption = (
        f"{words.title(front.plane.cost)} and {front.plane.quality.metric} of each candidate. "
        "Boxes are the two-dimensional intervals; the line joins neighbours on the front."
    )
    head, *rows = front_table(front)
    return join(
        [
            tag("p", recommendation(front), class_="lead"),
            figure("pareto", choice_charts.front(front), caption, table(head, rows, numbers=(1, 2, 3, 4))),
            tag("ul", *(tag("li", line) for line in _statements(front))),
            tag("p", what_it_is(front) + "."),
        ],
        "\n",
    )
