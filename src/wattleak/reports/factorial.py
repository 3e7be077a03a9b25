"""Main effects and interactions of a run table as people read them: text, Markdown, a part of the page, JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.analysis.factorial import Factorial, factorial, is_factorial
from wattleak.documents import quality_document
from wattleak.model import QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.markup import Html, join, table, tag
from wattleak.reports.text import ROLES
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.effect import Change
    from wattleak.analysis.factorial import Effect
    from wattleak.model import Experiment
    from wattleak.reports.style import Style

_TOGETHER = {
    Verdict.SAVING: "CHEAPER TOGETHER",
    Verdict.COSTS_MORE: "DEARER TOGETHER",
    Verdict.EQUAL: "INDEPENDENT",
    Verdict.NOT_ENOUGH_RUNS: words.VERDICTS[Verdict.NOT_ENOUGH_RUNS],
}
_INTERACTIONS = {
    Verdict.SAVING: "cheaper_together",
    Verdict.COSTS_MORE: "dearer_together",
    Verdict.EQUAL: "independent",
    Verdict.NOT_ENOUGH_RUNS: "not_enough_runs",
}
_SHOWN = (Verdict.SAVING, Verdict.COSTS_MORE)
_WALL = "duration_s"
_RIGHT = (1, 2, 3)


def effects_of(experiment: Experiment) -> Factorial | None:
    """The effects of an experiment that asks for them and can tell them; None for every other."""
    if not is_factorial(experiment.plan.design):
        return None
    found = factorial(experiment)
    return None if isinstance(found, str) else found


# -- words -----------------------------------------------------------------------------------------------------------


def what_it_is(found: Factorial) -> str:
    """One line: of what, averaged over what, and how sure."""
    return (
        f"{words.title(found.metric)} over {words.count(found.blocks, 'block')} of {found.variants} combinations; a "
        "main effect is the mean over the levels of the other factors; an interaction is what two moves cost together "
        f"beside the product of each; all of them hold together at {100 * found.level:g} % (Holm), smallest effect "
        f"±{units.margin(found.smallest_effect)}"
    )


def verdict_of(effect: Effect) -> str:
    """The verdict in capitals and, when more runs are needed, how many."""
    word = (_TOGETHER if effect.is_interaction else words.VERDICTS)[effect.verdict]
    if effect.further_blocks is None:
        return word
    return f"{word} (about {words.count(effect.further_blocks, 'more block')})"


def statements(found: Factorial) -> Iterator[str]:
    """What the table does not say: where a move depends on another, and what cannot be told apart."""
    for effect in found.interactions:
        if effect.verdict in _SHOWN and effect.without is not None and effect.with_ is not None:
            move, other = effect.steps
            yield (
                f"{move} changes {words.noun(found.metric)} by {_ranged(effect.without)} where {other.factor} is "
                f"{other.base}, and by {_ranged(effect.with_)} where it is {other.level}"
            )
    mixed = {effect.name: [alias for alias in effect.aliases if _is_low(alias)] for effect in found.effects}
    named = [
        " = ".join([" x ".join(step.factor for step in effect.steps), *mixed[effect.name]])
        for effect in found.effects
        if mixed[effect.name]
    ]
    if named:
        yield (
            f"these combinations cannot tell apart: {'; '.join(named)}. Such a figure holds both, and is the first "
            "one's alone where the other is nothing"
        )
    if any(not _is_low(alias) for effect in found.effects for alias in effect.aliases):
        yield "figures hold effects of three and more factors as well, which are taken for nothing"
    if found.untold:
        yield f"not to be told from these combinations: {', '.join(found.untold)}"


def _is_low(alias: str) -> bool:
    """Whether it is a main effect or an interaction of two: what may well be there."""
    return alias.count(" x ") < 2


def _ranged(change: Change) -> str:
    shown = [] if change.change is None else units.change_with_interval(change.change, change.low, change.high)
    return " ".join(shown).strip()


# -- rows ------------------------------------------------------------------------------------------------------------


def effect_table(found: Factorial, effects: Sequence[Effect]) -> list[tuple[str, ...]]:
    """Head and rows as text. Wall time stands beside where it does not decide; quality where it was measured."""
    wall = found.metric != _WALL and all(_WALL in effect.metrics for effect in effects)
    quality = any(effect.quality.state is not QualityState.NOT_MEASURED for effect in effects)
    interactions = any(effect.is_interaction for effect in effects)
    head = (
        "interaction" if interactions else "main effect",
        words.title(found.metric),
        "[interval]",
        *(("wall time",) if wall else ()),
        *(("quality",) if quality else ()),
        "verdict",
    )
    rows = []
    for effect in effects:
        change = effect.metrics[found.metric].change
        shown = ("", "")
        if change.change is not None:
            shown = units.change_with_interval(change.change, change.low, change.high)
        beside = (_ranged(effect.metrics[_WALL].change),) if wall else ()
        judged = (words.quality_move(effect.quality),) if quality else ()
        rows.append((effect.name, *shown, *beside, *judged, verdict_of(effect)))
    return [head, *rows]


# -- text, Markdown, page ----------------------------------------------------------------------------------------------


def render_effects(found: Factorial, *, style: Style) -> str:
    """For the terminal. Ends without a line end."""
    lines = [style.paint("Main effects and interactions", "strong"), *wrapped(what_it_is(found), style, role="faint")]
    for effects in (found.main, found.interactions):
        if effects:
            head, *rows = effect_table(found, effects)
            roles = [ROLES[effect.verdict] for effect in effects]
            lines += ["", *columns(rows, style, head=head, right=_RIGHT, roles=roles)]
    told = list(statements(found))
    if told:
        lines.append("")
    for text in told:
        first, *rest = wrapped(text, style)
        lines += [first, *(f"  {line}" for line in rest)]
    return "\n".join(lines)


def effects_section(found: Factorial) -> Html:
    """The part of the page that shows them."""
    parts = [tag("p", what_it_is(found) + ".")]
    for effects in (found.main, found.interactions):
        if effects:
            head, *rows = effect_table(found, effects)
            parts.append(table(head, rows, numbers=_RIGHT, label=head[0]))
    said = [tag("li", line) for line in statements(found)]
    return join([*parts, tag("ul", *said)] if said else parts, "\n")


# -- JSON ------------------------------------------------------------------------------------------------------------


def effects_key(experiment: Experiment) -> dict[str, Any]:
    """What the document of a comparison has besides: `effects`, where there are some."""
    found = effects_of(experiment)
    return {} if found is None else {"effects": effects_document(found)}


def effects_document(found: Factorial) -> dict[str, Any]:
    """Every effect with its interval, in fractions."""
    return {
        "primary_metric": found.metric,
        "smallest_effect": found.smallest_effect,
        "level": found.level,
        "blocks": found.blocks,
        "variants": found.variants,
        "main": [_document(effect) for effect in found.main],
        "interactions": [_document(effect) for effect in found.interactions],
        "not_told": list(found.untold),
    }


def _document(effect: Effect) -> dict[str, Any]:
    document: dict[str, Any] = {
        "steps": [{"factor": step.factor, "from": step.base, "to": step.level} for step in effect.steps],
        "aliases": list(effect.aliases),
        "metrics": {
            name: {
                **_change(item.change),
                "p_value": item.change.p_value,
                "blocks": item.change.blocks,
                "origin": item.origin.value,
                "derived_from": item.derived_from,
            }
            for name, item in effect.metrics.items()
        },
        "level": effect.level,
        "grade": effect.grade.value,
        "further_blocks": effect.further_blocks,
    }
    if not effect.is_interaction:
        return {**document, "verdict": effect.verdict.value, "quality": quality_document(effect.quality)}
    sides = {"without": effect.without, "with": effect.with_}
    return {
        **document,
        "interaction": _INTERACTIONS[effect.verdict],
        **{name: None if side is None else _change(side) for name, side in sides.items()},
    }


def _change(change: Change) -> dict[str, float | None]:
    return {name: value for name, value in asdict(change).items() if name in {"change", "low", "high"}}
