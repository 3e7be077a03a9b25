"""The page of one projection or of several side by side: totals, terms, what dominates, what would change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports import projection_charts as charts
from wattleak.reports.html import bullets, head_of, page, section
from wattleak.reports.markup import Html, figure, join, table, tag
from wattleak.reports.projection import (
    balance_sentence,
    effect_notes,
    effect_rows,
    input_text,
    moving,
    part_rows,
    projection_notes,
    side_by_side,
    swing_rows,
    term_rows,
    total_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.footprint.projected import Projection

_LEFT = frozenset({"", "origin", "how", "input", "scenario", "of it", "what it would change"})


def render_projection_html(projections: Sequence[Projection]) -> str:
    """One self-contained page. The same input gives the same bytes."""
    first = projections[0]
    several = len(projections) > 1
    title = f"{len(projections)} scenarios" if several else first.scenario.title
    names = ", ".join(item.scenario.name for item in projections)
    facts = (f"seed {first.seed}", f"{first.draws:,} draws", "intervals of 95 %")
    body = [head_of("projection", "" if several else first.scenario.name, title, facts, None)]
    if several:
        chart = figure(
            "scenarios",
            charts.scenarios(projections),
            "CO2e of a year with its interval.",
            _table(side_by_side(projections)),
        )
        body.append(section("side-by-side", "Side by side", chart))
    for place, projection in enumerate(projections, start=1):
        heading = projection.scenario.title if several else "What it comes to"
        body.append(section(f"scenario-{place}", heading, *_parts(projection, place, alone=not several)))
    return page(f"projection: {names}", body)


def _parts(projection: Projection, place: int, *, alone: bool) -> Iterable[Html]:
    yield _table(total_rows(projection))
    if len(projection.carbon_rows) > 1 or len(projection.water_rows) > 1:
        yield _table(part_rows(projection))
    yield tag("h3", "Term by term")
    if len(projection.rows) > 1:
        caption = "Energy of a day; every bar begins where the one above it ends."
        yield figure(f"terms-{place}", charts.terms(projection), caption, _table(term_rows(projection)))
    else:
        yield _table(term_rows(projection))
    if moving(projection):
        yield tag("h3", "What the interval comes from")
        caption = "CO2e of a year with one input at either end of its range and all others at their values."
        yield figure(f"tornado-{place}", charts.tornado(projection), caption, _table(swing_rows(projection)))
    yield tag("h3", "What would change it")
    yield _table(effect_rows(projection))
    missing = projection.scenario.not_asked if alone else ()
    yield bullets("notes on the changes", [*effect_notes(projection), *(f"not computed: {item}" for item in missing)])
    if (balance := balance_sentence(projection)) is not None:
        yield tag("h3", "Training against inference")
        yield tag("p", balance)
    yield tag("h3", "Inputs")
    rows = [(item.key, input_text(item), item.origin.value, item.source) for item in projection.inputs]
    yield table(("input", "value [95 % range]", "origin", "source"), rows, numbers=(1,))
    yield bullets("notes", projection_notes(projection))


def _table(rows: Sequence[Sequence[str]]) -> Html:
    """A head and its rows, columns that are empty left out."""
    head, *body = rows
    used = [place for place in range(len(head)) if place == 0 or any(row[place] for row in body)]
    numbers = [index for index, place in enumerate(used) if place and head[place] not in _LEFT]
    return join(
        [table([head[place] for place in used], [[row[place] for place in used] for row in body], numbers=numbers)]
    )
