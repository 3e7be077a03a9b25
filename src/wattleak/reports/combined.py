"""The conclusion matrix: improvement, change of quality, saving, saving at fleet scale; as text, page and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.analysis.conclusions import ONE
from wattleak.documents import estimate_document, quality_document
from wattleak.model import QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.html import section
from wattleak.reports.markup import Html, table, tag
from wattleak.reports.projection_document import amounts_document
from wattleak.reports.text import ROLES
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.conclusions import Conclusion
    from wattleak.footprint.savings import Saving, Savings
    from wattleak.reports.style import Style

_NONE = "-"
_TITLE = "Conclusions"


# -- rows ------------------------------------------------------------------------------------------------------------


def matrix(lines: Sequence[Conclusion], metric: str) -> list[tuple[str, ...]]:
    """Head and rows: what is done, what it changes, what it does to the quality, and the verdict of both."""
    head = ("measure", words.title(metric), "[interval]", "quality", "verdict")
    return [head, *(_row(line, metric) for line in lines)]


def fleet_table(lines: Sequence[Conclusion], savings: Savings | str) -> list[tuple[str, ...]]:
    """Head and rows: joules of a run, and what a fleet of them comes to. Nothing where no energy is known.

    The verdict stands here, too: joules that cost quality must not be taken for a saving.
    """
    if isinstance(savings, str):
        return []
    money = any(one.fleet.money is not None for one in savings.by_name.values())
    head = ("energy and CO2e", "a run", "[95 %]", savings.of, "[95 %]", "CO2e", "[95 %]")
    rows = []
    for line in lines:
        found = savings.by_name.get(line.label)
        cells = [_NONE, "", _NONE, "", _NONE, ""] if found is None else _amounts(found)
        cost = [] if not money else _money(found, savings.currency)
        rows.append((_short(line), *cells, *cost, words.VERDICTS[line.verdict]))
    more = ("money", "[95 %]") if money else ()
    return [(*head, *more, "verdict"), *rows]


def _short(line: Conclusion) -> str:
    """What a line is of; which measures are in it is said below."""
    return line.name if line.what == ONE else line.what


def _row(line: Conclusion, metric: str) -> tuple[str, ...]:
    change = line.changes.get(metric)
    shown = ("", "")
    if change is not None and change.change is not None:
        shown = units.change_with_interval(change.change, change.low, change.high)
    return (_short(line), *shown, words.quality_move(line.quality), verdict(line))


def verdict(line: Conclusion) -> str:
    """In capitals; with how many more blocks it takes, and how far it may be generalised."""
    word = words.VERDICTS[line.verdict]
    if line.further_blocks is not None:
        word += f" (about {words.count(line.further_blocks, 'more block')})"
    return f"{word} [{line.grade.value}]"


def _amounts(found: Saving) -> list[str]:
    cells: list[str] = []
    for estimate, factor, unit in (
        (found.run_j, 1.0, "J"),
        (found.fleet.energy_kwh, 1000.0, "Wh"),
        (found.fleet.carbon_kg, 1000.0, "g"),
    ):
        cells += units.interval_in_unit(estimate.value * factor, estimate.low * factor, estimate.high * factor, unit)
    return cells


def _money(found: Saving | None, currency: str) -> list[str]:
    if found is None or found.fleet.money is None:
        return [_NONE, ""]
    money = found.fleet.money
    return list(units.interval_in_unit(money.value, money.low, money.high, currency))


# -- words -----------------------------------------------------------------------------------------------------------


def statements(lines: Sequence[Conclusion], savings: Savings | str, metric: str) -> Iterator[str]:
    """What must be known to read the matrix, and what it advises."""
    for line in lines:
        if line.what != ONE:
            yield line.label
    trades = [line.name for line in lines if line.verdict is Verdict.TRADE_OFF and line.what == ONE]
    if trades:
        yield f"TRADE-OFF: {'; '.join(trades)} saves and makes the result worse: it is no saving"
    unsure = [
        line.name
        for line in lines
        if line.verdict is Verdict.SAVING and line.quality.state in {QualityState.UNDECIDED, QualityState.NOT_MEASURED}
    ]
    if unsure:
        yield f"the quality of {'; '.join(unsure)} is not shown to be kept: the saving stands under that condition"
    for line in lines:
        if line.depends_on:
            yield (
                f"{line.name} depends on {' and '.join(line.depends_on)} (the interactions say how): alone, on the "
                "reference, it may do more or less than its main effect"
            )
    yield (
        f"a single measure is its main effect, the mean over the settings of the others; change of "
        f"{words.noun(metric)}, negative is less"
    )
    if isinstance(savings, str):
        yield f"no saving in joules: {savings}"
        return
    origins = sorted({one.run_j.origin.value for one in savings.by_name.values()})
    building = "with the building (PUE)" if savings.has_building else "without the building (no PUE is stated)"
    yield (
        f"energy: {', '.join(origins)}, the change times what a run of the reference uses, after minus before; CO2e of "
        f"{', '.join(savings.places)}, {building}; the range holds that of the change and that of the meter"
    )


# -- text, page, JSON ------------------------------------------------------------------------------------------------


def render_conclusions(lines: Sequence[Conclusion], savings: Savings | str, metric: str, *, style: Style) -> str:
    """For the terminal. Ends without a line end."""
    head, *rows = matrix(lines, metric)
    roles = [ROLES[line.verdict] for line in lines]
    text = [style.paint(_TITLE, "strong"), *columns(rows, style, head=head, right=(1, 2), roles=roles)]
    fleet = fleet_table(lines, savings)
    if fleet:
        first, *others = fleet
        text += ["", *columns(others, style, head=first, right=range(1, len(first) - 1), roles=roles)]
    text.append("")
    for said in statements(lines, savings, metric):
        begin, *rest = wrapped(said, style)
        text += [begin, *(f"  {line}" for line in rest)]
    return "\n".join(text)


def conclusions_section(lines: Sequence[Conclusion], savings: Savings | str, metric: str) -> Html:
    """The part of the page that shows them."""
    head, *rows = matrix(lines, metric)
    parts = [table(head, rows, numbers=(1, 2), label=_TITLE)]
    fleet = fleet_table(lines, savings)
    if fleet:
        first, *others = fleet
        parts.append(table(first, others, numbers=range(1, len(first) - 1), label=first[0]))
    said = (tag("li", text) for text in statements(lines, savings, metric))
    return section("conclusions", _TITLE, *parts, tag("ul", *said))


def conclusions_document(lines: Sequence[Conclusion], savings: Savings | str, metric: str) -> dict[str, Any]:
    """The key `conclusions` of the study: fractions, joules, kWh, kg."""
    return {
        "primary_metric": metric,
        "per": None if isinstance(savings, str) else savings.of,
        "places": [] if isinstance(savings, str) else list(savings.places),
        "why_no_saving": savings if isinstance(savings, str) else None,
        "measures": [_document(line, savings, metric) for line in lines],
    }


def _document(line: Conclusion, savings: Savings | str, metric: str) -> dict[str, Any]:
    change = line.changes.get(metric)
    found = None if isinstance(savings, str) else savings.by_name.get(line.label)
    return {
        "name": line.name,
        "what": line.what,
        "change": None if change is None else change.change,
        "low": None if change is None else change.low,
        "high": None if change is None else change.high,
        "level": line.level,
        "verdict": line.verdict.value,
        "grade": line.grade.value,
        "further_blocks": line.further_blocks,
        "quality": quality_document(line.quality),
        "depends_on": list(line.depends_on),
        "saving_j": estimate_document(None if found is None else found.run_j),
        "fleet": None if found is None else amounts_document(found.fleet),
    }
