"""A projection as text: terms to be added up by hand, totals, what dominates, what changes would do."""

from __future__ import annotations

import textwrap
from math import floor, log10
from typing import TYPE_CHECKING

from wattleak.footprint.context import of_a_year
from wattleak.footprint.places import WORLD
from wattleak.footprint.quantities import shown_unit
from wattleak.footprint.terms import J_PER_KWH
from wattleak.reports import units
from wattleak.reports.columns import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wattleak.footprint.inputs import Input
    from wattleak.footprint.projected import Projection, Swing
    from wattleak.model import Estimate
    from wattleak.reports.style import Style

MOST_SWINGS = 8
_COLUMNS = 110
_S_PER_DAY = 86_400.0
_SUM_DIGITS = 6  # of the total: rows are written with its decimals, so that they add up as they are shown


def render_projections(projections: Sequence[Projection], *, style: Style) -> str:
    """One block for each scenario, and a table of all of them. Ends without a line end."""
    several = len(projections) > 1
    common = common_notes(projections) if several else []
    blocks = ["\n".join(_lined_up(side_by_side(projections), style))] if several else []
    blocks += ["\n".join(_scenario(projection, style, common, alone=not several)) for projection in projections]
    if common:
        blocks.append("\n".join(_noted(common, style)))
    return "\n\n".join(blocks)


def _scenario(projection: Projection, style: Style, common: Sequence[str], *, alone: bool) -> list[str]:
    scenario = projection.scenario
    aside = f"scenario {scenario.name}, seed {projection.seed}, {projection.draws:,} draws"
    lines = [style.paint(scenario.title, "strong") + "   " + style.paint(aside, "faint")]
    lines += ["", *_lined_up(term_rows(projection), style, last="strong")]
    lines += ["", *_lined_up(total_rows(projection), style)]
    if len(projection.carbon_rows) > 1 or len(projection.water_rows) > 1:
        lines += ["", *_lined_up(part_rows(projection), style)]
    if moving(projection):
        lines += ["", *_lined_up(swing_rows(projection), style)]
    lines += ["", *_lined_up(effect_rows(projection), style)]
    missing = projection.scenario.not_asked if alone else ()
    asides = [*effect_notes(projection), *([f"not computed: {'; '.join(missing)}"] if missing else [])]
    lines += [line for note in asides for line in _wrapped(note, style, "  ", "    ")]
    if (balance := balance_sentence(projection)) is not None:
        lines += ["", *_wrapped(balance, style, "  ", "  ")]
    notes = _noted([note for note in projection_notes(projection) if note not in common], style)
    return [*lines, "", *notes] if notes else lines


def _noted(notes: Sequence[str], style: Style) -> list[str]:
    return [line for note in notes for line in _wrapped(note, style, "  note  ", "        ")]


def _wrapped(text: str, style: Style, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        style.text(text), _COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


# -- tables, head first ----------------------------------------------------------------------------------------------


def side_by_side(projections: Sequence[Projection]) -> list[tuple[str, ...]]:
    """One row for each scenario: a day and a year."""
    head = ("scenario", "a day", "[95 %]", "a year", "[95 %]", "CO2e a year", "[95 %]", "money a year", "[95 %]")
    rows = [
        (
            item.scenario.title,
            *_kwh(item.day.energy_kwh),
            *_kwh(item.year.energy_kwh),
            *_kg(item.year.carbon_kg),
            *(("", "") if item.year.money is None else _money(item.year.money, item.scenario.currency)),
        )
        for item in projections
    ]
    return [head, *rows] if any(row[-2] for row in rows) else [row[:-2] for row in (head, *rows)]


def term_rows(projection: Projection) -> list[tuple[str, ...]]:
    """Named terms in kWh a day, and their sum."""
    whole = projection.day.energy_kwh
    write = _fixed(whole.value)
    rows = [
        (row.name, write(row.kwh_per_day.value), _ends(row.kwh_per_day, write), row.kwh_per_day.origin.value, row.how)
        for row in projection.rows
    ]
    total = ("a day", write(whole.value), _ends(whole, write), whole.origin.value, "the sum")
    return [("", "kWh a day", "[95 %]", "origin", "how"), *rows, total]


def total_rows(projection: Projection) -> list[tuple[str, ...]]:
    """Energy, carbon, money and water of a day and of a year."""
    day, year, currency = projection.day, projection.year, projection.scenario.currency
    rows: list[tuple[str, ...]] = [
        ("energy", *_kwh(day.energy_kwh), *_kwh(year.energy_kwh)),
        ("CO2e", *_kg(day.carbon_kg), *_kg(year.carbon_kg)),
    ]
    if day.money is not None and year.money is not None:
        rows.append(("money", *_money(day.money, currency), *_money(year.money, currency)))
    if day.water_l is not None and year.water_l is not None:
        rows.append(("water", *_litres(day.water_l), *_litres(year.water_l)))
    return [("", "a day", "[95 %]", "a year", "[95 %]"), *rows]


def part_rows(projection: Projection) -> list[tuple[str, ...]]:
    """CO2e by place, water by where it is used."""
    shares = {place.region: place.share for place in projection.scenario.places}
    rows = [(f"CO2e in {name} ({shares[name]:.0%})", *_kg(item)) for name, item in projection.carbon_rows]
    rows += [(name, *_litres(item)) for name, item in projection.water_rows]
    return [("of it", "a day", "[95 %]"), *rows]


def swing_rows(projection: Projection) -> list[tuple[str, ...]]:
    """The year's CO2e with one input at the ends of its range, the widest first."""
    rows = [
        (swing.input.key, *_swing_ends(swing), input_text(swing.input), swing.input.origin.value)
        for swing in moving(projection)
    ]
    return [("what the interval comes from", "year's CO2e low", "high", "input", "origin"), *rows]


def moving(projection: Projection) -> list[Swing]:
    """The inputs that move the CO2e at all, the widest first, the first of them. (A price moves money alone.)"""
    return [swing for swing in projection.swings if swing.width > 1e-9 * abs(swing.carbon_high_kg)][:MOST_SWINGS]


def _swing_ends(swing: Swing) -> tuple[str, str]:
    low, high = sorted((swing.carbon_low_kg, swing.carbon_high_kg))
    shown = units.same_unit((low * 1000, high * 1000), "g")
    return shown[0], shown[1]


def effect_rows(projection: Projection) -> list[tuple[str, ...]]:
    """What changes would do to the energy and CO2e of a day, and to CO2e and money of a year."""
    currency = projection.scenario.currency
    rows = [
        (
            effect.name,
            *_kwh(effect.day.energy_kwh),
            *_kg(effect.day.carbon_kg),
            *_kg(effect.year.carbon_kg),
            *(("", "") if effect.year.money is None else _money(effect.year.money, currency)),
        )
        for effect in projection.effects
    ]
    head = ("what it would change", "a day", "[95 %]", "CO2e a day", "[95 %]", "CO2e a year", "[95 %]")
    return [(*head, "money a year", "[95 %]"), *rows]


def effect_notes(projection: Projection) -> list[str]:
    """What stands behind an effect."""
    return [f"{effect.name}: {effect.note}" for effect in projection.effects if effect.note]


def balance_sentence(projection: Projection) -> str | None:
    """Training against inference, in words."""
    balance = projection.balance
    if balance is None:
        return None
    until = balance.break_even_days
    ends = [units.duration(days * _S_PER_DAY) for days in (until.value, until.low, until.high)]
    spread = "" if _exact(until) else f" [{ends[1]}, {ends[2]}]"
    return (
        f"Training is {_percent(balance.training_share.value)} of the energy of training and inference. After {ends[0]}"
        f"{spread}, or {units.number(balance.break_even_inferences)} inferences, inference has used as much as one "
        "training."
    )


def common_notes(projections: Sequence[Projection]) -> list[str]:
    """Notes that hold for all scenarios, to be said once."""
    first, *others = [projection_notes(projection) for projection in projections]
    return [note for note in first if all(note in other for other in others)]


def projection_notes(projection: Projection) -> list[str]:
    """What a reader has to know of the numbers."""
    scenario = projection.scenario
    notes = list(scenario.notes)
    if scenario.pue_note:
        notes.append(scenario.pue_note)
    if scenario.growth is not None:
        notes.append(f"with growth the year counts {projection.days_per_year:.1f} days of today's size")
    if any(place.table and place.region != WORLD for place in scenario.places):
        notes.append(
            "the range of a place's intensity is that of single hours; work that is spread evenly over the year meets "
            "their mean, and its range is narrower"
        )
    notes += [place.source for place in scenario.places if place.region == WORLD and place.source]
    year = projection.year
    return [*notes, of_a_year(year.energy_kwh.value * J_PER_KWH, year.carbon_kg.value * 1000.0)]


def input_text(item: Input) -> str:
    """An input as a user would write it: 15.0 [12.0, 18.0] Wh."""
    symbol, size = shown_unit(item.dimension)
    numbers = [_count(end / size) for end in (item.value, item.low, item.high)]
    spread = "" if item.is_exact else f" [{numbers[1]}, {numbers[2]}]"
    return f"{numbers[0]}{spread} {symbol}".strip()


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 and value == int(value) else units.number(value)


# -- cells -----------------------------------------------------------------------------------------------------------


def _kwh(item: Estimate) -> tuple[str, str]:
    return _scaled(item, 1000.0, "Wh")


def _kg(item: Estimate) -> tuple[str, str]:
    return _scaled(item, 1000.0, "g")


def _litres(item: Estimate) -> tuple[str, str]:
    return _scaled(item, 1.0, "L")


def _scaled(item: Estimate, factor: float, unit: str) -> tuple[str, str]:
    value, interval = units.interval_in_unit(item.value * factor, item.low * factor, item.high * factor, unit)
    return value, "" if _exact(item) else interval


def _money(item: Estimate, currency: str) -> tuple[str, str]:
    largest = max(abs(item.low), abs(item.value), abs(item.high))

    def write(value: float) -> str:
        if largest < 1000 or not value:
            return units.number(value)
        return f"{float(f'{value:.3g}'):,.0f}".replace("-", units.MINUS)

    return f"{write(item.value)} {currency}", "" if _exact(item) else f"[{write(item.low)}, {write(item.high)}]"


def _fixed(largest: float) -> Callable[[float], str]:
    """A writer with the decimals of the total. What is not zero never reads as zero."""
    decimals = max(0, _SUM_DIGITS - 1 - floor(log10(abs(largest)))) if largest else 0

    def write(value: float) -> str:
        if value and not round(value, decimals):
            return units.number(value)
        return f"{value:,.{decimals}f}".replace("-", units.MINUS)

    return write


def _ends(item: Estimate, write: Callable[[float], str]) -> str:
    return "" if _exact(item) else f"[{write(item.low)}, {write(item.high)}]"


def _exact(item: Estimate) -> bool:
    """No input of it has a range; rounding of the draws is none."""
    return item.high - item.low <= 1e-9 * abs(item.value)


def _percent(share: float) -> str:
    return f"{units.number(100 * share)} %"


def _lined_up(rows: Sequence[Sequence[str]], style: Style, *, last: str | None = None) -> list[str]:
    """A head and rows whose columns line up; numbers and intervals stand right."""
    count = max(len(row) for row in rows)
    filled = [[*row, *[""] * (count - len(row))] for row in rows]
    used = [place for place in range(count) if place == 0 or any(row[place] for row in filled[1:])]
    head, *body = [[row[place] for place in used] for row in filled]
    right = {place for place, title in enumerate(head) if place > 0 and title not in {"origin", "how", "input"}}
    lines = columns(body, style, head=head, right=right)
    if last is not None:
        lines[-1] = style.paint(lines[-1], last)
    return lines
