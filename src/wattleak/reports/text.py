"""Measurements and comparisons for the terminal: tables that line up, then the answer in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import EvidenceLevel, Verdict
from wattleak.reports import words
from wattleak.reports.columns import columns
from wattleak.reports.comparison_story import tell_comparison
from wattleak.reports.measurement_story import tell_measurement
from wattleak.reports.story import Amount
from wattleak.reports.style import Style, pad, width
from wattleak.reports.wrapping import COLUMNS, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import Comparison, Experiment, Measurement, Unavailable
    from wattleak.reports.observed import ObservedStory
    from wattleak.reports.story import ComparisonRow, ComparisonStory, PairStory

__all__ = ["Style", "render_comparison", "render_measurement", "render_story"]

ROLES = {
    Verdict.SAVING: "good",
    Verdict.COSTS_MORE: "bad",
    Verdict.EQUAL: "same",
    Verdict.NOT_ENOUGH_RUNS: "unsure",
    Verdict.TRADE_OFF: "mixed",
}
_LEVELS = {EvidenceLevel.MEASURED: "bad", EvidenceLevel.SEEN: "warning", EvidenceLevel.SUSPECTED: "faint"}
_LABEL = 12  # columns of a label in front of a statement
_ABOUT_RIGHT = frozenset({1, 2, 3, 4})  # columns of numbers stand right


def render_comparison(experiment: Experiment, comparison: Comparison, *, style: Style) -> str:
    """An experiment and its answer. Ends without a line end."""
    if experiment.plan.design.search is not None:
        from wattleak.analysis.tuning import judge  # noqa: PLC0415 - a search has more to tell
        from wattleak.reports.tune import render_tuning  # noqa: PLC0415 - it builds on this module

        return render_tuning(experiment, judge(experiment), style=style)
    story = tell_comparison(experiment, comparison)
    return render_story(story, f"experiment {story.identity}", _effects(experiment, style), style=style)


def _effects(experiment: Experiment, style: Style) -> list[str]:
    """Main effects and interactions of a run table; nothing for other experiments."""
    if len(experiment.plan.design.factors) < 2:
        return []
    from wattleak.reports.factorial import effects_of, render_effects  # noqa: PLC0415 - it builds on this module

    found = effects_of(experiment)
    return [] if found is None else ["", render_effects(found, style=style)]


def render_story(story: ComparisonStory, aside: str, above: Sequence[str] = (), *, style: Style) -> str:
    """A comparison as it was told, with `aside` at the right of its title and lines `above` the pairs.

    Ends without a line end.
    """
    lines = [
        _heading(story.title, aside, style),
        style.paint("  " + " · ".join(story.facts), "faint"),
        *_incomplete(story.incomplete, style),
        *_exploratory(story.exploratory, style),
        "",
        *_variants(story, style),
    ]
    if len(story.pairs) > 1:
        lines += ["", *_summary(story, style)]
    lines += above
    for pair in story.pairs:
        lines += ["", *_pair(pair, style, named=len(story.pairs) > 1)]
    lines += _closing(story.doubts, story.lacking, story.notes, story.following, style)
    return "\n".join(lines)


def render_measurement(measurement: Measurement, *, style: Style) -> str:
    """One recorded stretch of work and what it cost. Ends without a line end."""
    story = tell_measurement(measurement)
    sections = [
        ("", story.costs),
        ("energy of the machine", story.machine),
        ("energy of this process tree", story.own),
        ("", (story.carbon,) if story.carbon is not None else ()),
    ]
    footprint = [("footprint, as stated", story.footprint)]
    rest = [("quality", story.quality), ("spans", story.spans), ("steps", story.steps)]
    lines = [
        _heading(story.title, " · ".join((f"run {story.identity}", *story.facts)), style),
        *_incomplete(story.incomplete, style),
    ]
    lines += _sections(sections, style)
    lines += [line for item in story.carbon_lines for line in _labelled(item.label, item.text, style, indent=14)]
    lines += _sections(footprint, style)
    if story.remark is not None:
        lines += ["", *wrapped(story.remark, style, "  ", role="warning")]
    lines += _sections(rest, style)
    lines += _observed(story.observed, style) if story.observed is not None else []
    lines += ["", "  " + style.text(words.ONE_RUN)]
    lines += _closing((), story.lacking, story.notes, story.following, style)
    return "\n".join(lines)


def _observed(story: ObservedStory, style: Style) -> list[str]:
    """Where the joules went, and what was seen."""
    phases = [Amount(item.name, item.energy, item.interval, item.note) for item in story.phases]
    lines = _sections([("where the joules went", phases)], style)
    if story.places:
        seen = any(place.level is not EvidenceLevel.SUSPECTED for place in story.places)
        lines += ["", f"  {style.paint('seen at run time' if seen else 'suspected by a scan', 'faint')}"]
    for place in story.places:
        head = f"{place.level.value:9}  {place.code} {place.name}  {place.where}".rstrip()
        lines.append("  " + style.paint(style.text(head), _LEVELS[place.level]))
        lines += [line for text in place.text for line in wrapped(text, style, "             ")]
    return lines


# -- parts of a comparison -------------------------------------------------------------------------------------------


def _variants(story: ComparisonStory, style: Style) -> list[str]:
    names = max(width(style.text(variant.label)) for variant in story.variants)
    lines = []
    for place, variant in enumerate(story.variants):
        name = pad(style.text(variant.label), names)
        lines.append(f"  {words.role(place)}  {name}  {style.paint(variant.text, 'faint')}")
    return lines


def _summary(story: ComparisonStory, style: Style) -> list[str]:
    """One line for each candidate, before the tables of each."""
    head = ("candidate", "change", f"[{story.pairs[0].level} interval]", "verdict")
    body = []
    for pair in story.pairs:
        primary = next((row for row in pair.rows if row.primary), None)
        change, interval = (primary.change, primary.interval) if primary else ("", "")
        body.append((pair.candidate, change, interval, f"{pair.headline} [{pair.grade}]"))
    return columns(body, style, head=head, right={1, 2}, roles=[ROLES[pair.verdict] for pair in story.pairs])


def _pair(pair: PairStory, style: Style, *, named: bool) -> list[str]:
    lines = [style.paint(f"{pair.candidate} against {pair.reference}", "strong")] if named else []
    if pair.rows:
        head = ("", "reference", "candidate", "change", f"[{pair.level} interval]", "origin")
        lines += columns(map(_cells, pair.rows), style, head=head, right=_ABOUT_RIGHT)
        lines.append("")
    headline = style.paint(pair.headline, ROLES[pair.verdict])
    lines += [f"{headline}  [{style.text(pair.grade)}]", *wrapped(pair.sentence, style, "  ")]
    if pair.remark is not None:
        lines += wrapped(pair.remark, style, "  ", role="warning")
    quality = "warning" if pair.quality_is_a_warning else None
    lines += _labelled("quality", pair.quality, style, role=quality)
    for item in pair.lines:
        lines += _labelled(item.label, item.text, style)
    return lines + _listed("doubt", pair.doubts, style)


def _cells(row: ComparisonRow) -> tuple[str, ...]:
    label = f"▸ {row.label}" if row.primary else f"  {row.label}"
    return (label, row.reference, row.candidate, row.change, row.interval, row.note)


# -- shared parts ----------------------------------------------------------------------------------------------------


def _heading(title: str, aside: str, style: Style) -> str:
    blanks = " " * max(2, COLUMNS - width(style.text(title)) - width(style.text(aside)))
    return style.paint(title, "strong") + blanks + style.paint(aside, "faint")


def _incomplete(reason: str | None, style: Style) -> list[str]:
    return [] if reason is None else [style.paint(f"  INCOMPLETE: {reason}", "warning")]


def _exploratory(reason: str | None, style: Style) -> list[str]:
    return [] if reason is None else wrapped(f"EXPLORATORY: {reason}", style, "  ", role="warning")


def _sections(sections: Iterable[tuple[str, Sequence[Amount]]], style: Style) -> list[str]:
    """Blocks of amounts whose columns line up with one another."""
    filled = [(heading, amounts) for heading, amounts in sections if amounts]
    cells = [(a.label, a.value, a.interval, a.note) for _, amounts in filled for a in amounts]
    table = iter(columns(cells, style, right={1}))
    lines = []
    for heading, amounts in filled:
        lines += ["", f"  {style.paint(heading, 'faint')}"] if heading else [""]
        lines += [next(table) for _ in amounts]
    return lines


def _labelled(label: str, text: str, style: Style, *, indent: int = 2, role: str | None = None) -> list[str]:
    first = " " * indent + pad(style.text(label), _LABEL - 2)
    return wrapped(text, style, " " * width(first), first=first, role=role)


def _listed(label: str, items: Iterable[str], style: Style) -> list[str]:
    return [line for item in items for line in _labelled(label, item, style, role="warning")]


def _closing(
    doubts: Sequence[str],
    lacking: Sequence[Unavailable],
    notes: Sequence[str],
    following: Sequence[str],
    style: Style,
) -> list[str]:
    """What holds for the whole: what could not be measured and how it could, notes, doubts, what to type next."""
    lines: list[str] = []
    for item in lacking:
        lines += _labelled("missing", f"{item.meter}: {item.reason}", style, role="warning")
        lines += _labelled("", f"→ {item.remedy}", style) if item.remedy else []
    lines += _listed("doubt", doubts, style)
    for note in notes:
        lines += _labelled("note", note, style)
    if lines:
        lines.insert(0, "")
    # Commands are not wrapped: they are there to be copied.
    return [*lines, "", *(f"{'Next:' if place == 0 else '     '} {style.text(c)}" for place, c in enumerate(following))]
