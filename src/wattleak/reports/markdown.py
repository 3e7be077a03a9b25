"""Measurements and comparisons as GitHub Markdown, for pull requests and issues.

Names, commands and messages come from users and programs. Here they can neither break a table, nor become HTML, nor
notify a stranger.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wattleak.model import Verdict
from wattleak.reports import words
from wattleak.reports.comparison_story import tell_comparison
from wattleak.reports.measurement_story import tell_measurement
from wattleak.reports.story import Amount
from wattleak.reports.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import Comparison, Experiment, Measurement, Unavailable
    from wattleak.reports.observed import ObservedStory
    from wattleak.reports.story import ComparisonRow, ComparisonStory, Line, PairStory

_MARKS = {
    Verdict.SAVING: "🟢",
    Verdict.COSTS_MORE: "🔴",
    Verdict.EQUAL: "⚪",
    Verdict.NOT_ENOUGH_RUNS: "🟡",
    Verdict.TRADE_OFF: "🟣",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!]|(?<=[0-9])\.(?=\s)|^[-+>])")
_VISIBLE = Style()


def render_comparison(experiment: Experiment, comparison: Comparison) -> str:
    """An experiment and its answer. Ends with a line end."""
    story = tell_comparison(experiment, comparison)
    return render_story(story, f"experiment {code(story.identity)}") + _curve(experiment) + _effects(experiment)


def _effects(experiment: Experiment) -> str:
    """Main effects and interactions of a run table; nothing for other experiments."""
    if len(experiment.plan.design.factors) < 2:
        return ""
    from wattleak.reports.factorial import effect_table, effects_of, statements, what_it_is  # noqa: PLC0415 - see below

    found = effects_of(experiment)
    if found is None:
        return ""
    parts = ["**Main effects and interactions**", escape(what_it_is(found))]
    for effects in filter(None, (found.main, found.interactions)):
        head, *rows = effect_table(found, effects)
        parts.append(_table(head, rows, right=frozenset({1, 2})))
    parts.append(_list(map(escape, statements(found))))
    return "\n" + "\n\n".join(filter(None, parts)) + "\n"


def _curve(experiment: Experiment) -> str:
    """Every setting of a search and the one to use; nothing for other experiments."""
    if experiment.plan.design.search is None:
        return ""
    from wattleak.analysis.tuning import judge  # noqa: PLC0415 - scipy, which a single run does not need
    from wattleak.reports.tune import answer, curve_table  # noqa: PLC0415 - see above

    tuning = judge(experiment)
    headline, *rest = answer(experiment, tuning)
    head, *rows = curve_table(tuning)
    lines = [f"**{escape(headline)}**", *map(escape, rest), _table(head, rows, right=frozenset({1, 2, 3, 4, 6}))]
    return "\n" + "\n\n".join(lines) + "\n"


def render_story(story: ComparisonStory, aside: str) -> str:
    """A comparison as it was told; `aside` is Markdown and ends its line of facts. Ends with a line end."""
    parts = [f"### {escape(story.title)}", " · ".join([*map(escape, story.facts), aside])]
    if story.incomplete is not None:
        parts.append(f"**INCOMPLETE**: {escape(story.incomplete)}")
    if story.exploratory is not None:
        parts.append(f"**EXPLORATORY**: {escape(story.exploratory)}")
    if len(story.pairs) > 1:
        parts.append(_summary(story))
    parts += [part for pair in story.pairs for part in _pair(pair, named=len(story.pairs) > 1)]
    variants = enumerate(story.variants)
    parts.append(" · ".join(f"{words.role(place)} {escape(v.label)} {code(v.text)}" for place, v in variants))
    parts += _closing(story.doubts, story.lacking, story.notes, story.following)
    return "\n\n".join(part for part in parts if part) + "\n"


def render_measurement(measurement: Measurement) -> str:
    """One recorded stretch of work and what it cost. Ends with a line end."""
    story = tell_measurement(measurement)
    carbon = (story.carbon,) if story.carbon is not None else ()
    parts = [f"### {code(story.title)}", " · ".join(("run " + code(story.identity), *map(escape, story.facts)))]
    if story.incomplete is not None:
        parts.append(f"**INCOMPLETE**: {escape(story.incomplete)}")
    parts.append(_amounts("cost", (*story.costs, *carbon)))
    parts.append(_lines(story.carbon_lines))
    parts.append(_amounts("footprint, as stated", story.footprint))
    parts += [_amounts("energy of the machine", story.machine), _amounts("energy of this process tree", story.own)]
    if story.remark is not None:
        parts.append(f"**{escape(story.remark)}**")
    parts += [_amounts("quality", story.quality), _amounts("span", story.spans), _amounts("steps", story.steps)]
    parts += _observed(story.observed) if story.observed is not None else []
    parts.append(words.ONE_RUN)
    parts += _closing((), story.lacking, story.notes, story.following)
    return "\n\n".join(part for part in parts if part) + "\n"


def _observed(story: ObservedStory) -> list[str]:
    phases = tuple(Amount(item.name, item.energy, item.interval, item.note) for item in story.phases)
    places = (
        f"**{place.level.value}** {escape(place.code)} {escape(place.name)} {code(place.where) if place.where else ''}"
        + "".join(f"\n  - {escape(text)}" for text in place.text)
        for place in story.places
    )
    return [_amounts("where the joules went", phases), *(["Seen at run time:", _list(places)] if story.places else [])]


# -- escaping --------------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """`text` as it stands: no mark-up, no HTML, no mention of anybody, all on one line."""
    plain = _VISIBLE.text(text).replace("&", "&amp;").replace("<", "&lt;")
    marked = _SPECIAL.sub(r"\\\1", plain).replace(">", "&gt;")
    return marked.replace("@", "@<!-- -->").replace("://", ":<!-- -->//")


def code(text: str) -> str:
    """`text` as code, in a fence longer than any run of backticks inside. Not for tables, where a pipe ends a cell."""
    shown = _VISIBLE.text(text) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return fence + blank + shown + blank + fence


# -- parts -----------------------------------------------------------------------------------------------------------


def _summary(story: ComparisonStory) -> str:
    rows = []
    for pair in story.pairs:
        primary = next((row for row in pair.rows if row.primary), None)
        change, interval = (primary.change, primary.interval) if primary else ("", "")
        rows.append((pair.candidate, f"{change} {interval}".strip(), f"{pair.headline} ({pair.grade})"))
    return _table(("candidate", f"change, {story.pairs[0].level} interval", "verdict"), rows, right=frozenset({1}))


def _pair(pair: PairStory, *, named: bool) -> list[str]:
    parts = [f"#### {escape(pair.candidate)} against {escape(pair.reference)}"] if named else []
    parts.append(f"{_MARKS[pair.verdict]} **{escape(pair.headline)}** ({pair.grade}) {escape(pair.sentence)}")
    if pair.rows:
        head = ("", "reference", "candidate", "change", f"{pair.level} interval", "origin")
        parts.append(_table(head, map(_cells, pair.rows), right=frozenset({1, 2, 3, 4}), strong=_primary(pair)))
    if pair.remark is not None:
        parts.append(f"**{escape(pair.remark)}**")
    doubts = (f"doubt: {escape(doubt)}" for doubt in pair.doubts)
    lines = (f"{escape(line.label)}: {escape(line.text)}" for line in pair.lines)
    parts.append(_list([f"quality: {escape(pair.quality)}", *lines, *doubts]))
    return parts


def _cells(row: ComparisonRow) -> tuple[str, ...]:
    return (row.label, row.reference, row.candidate, row.change, row.interval, row.note)


def _primary(pair: PairStory) -> int | None:
    return next((place for place, row in enumerate(pair.rows) if row.primary), None)


def _amounts(heading: str, amounts: Sequence[Amount]) -> str:
    if not amounts:
        return ""
    rows = [(amount.label.strip(), amount.value, amount.interval, amount.note) for amount in amounts]
    return _table((heading, "value", "95 % range", "origin"), rows, right=frozenset({1, 2}))


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[int], strong: int | None = None
) -> str:
    lines = [
        _table_line(map(escape, head)),
        _table_line("--:" if column in right else ":--" for column in range(len(head))),
    ]
    for place, row in enumerate(rows):
        cells = [escape(cell) for cell in row]
        lines.append(_table_line(f"**{cell}**" if place == strong and cell else cell for cell in cells))
    return "\n".join(lines)


def _table_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _lines(lines: Sequence[Line]) -> str:
    return _list(f"{escape(line.label)}: {escape(line.text)}" for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _closing(
    doubts: Sequence[str], lacking: Sequence[Unavailable], notes: Sequence[str], following: Sequence[str]
) -> list[str]:
    items = [f"missing: {escape(item.meter)}: {escape(item.reason)}{_remedy(item)}" for item in lacking]
    items += [f"doubt: {escape(doubt)}" for doubt in doubts]
    items += [f"note: {escape(note)}" for note in notes]
    return [_list(items), "Next: " + ", ".join(map(code, following))]


def _remedy(item: Unavailable) -> str:
    return f" → {code(item.remedy)}" if item.remedy else ""
