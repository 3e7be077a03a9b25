"""The protocol of published work beside a randomised experiment: what a fixed order cannot tell apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.documents import pair_document
from wattleak.reports import units, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.halves import Halves
    from wattleak.model import Comparison, Experiment


def render_beside(
    comparison: Comparison,
    same_program: Sequence[Halves],
    randomised: tuple[Experiment, Comparison] | None,
    command: str,
) -> str:
    """Lines for the terminal; `command` makes the randomised experiment that is missing."""
    pair = comparison.pairs[0]
    lines = ["The order of these runs was not drawn: all of one program, then all of the other."]
    lines.append(f"  sequential  {_found(comparison)}")
    if randomised is None:
        lines.append(f"  randomised  not run yet: {command}")
    else:
        experiment, beside = randomised
        lines.append(f"  randomised  {_found(beside)}  (experiment {experiment.plan.experiment})")
    for item in same_program:
        change = item.change
        if change.change is None:
            continue
        shown = " ".join(units.change_with_interval(change.change, change.low, change.high)).strip()
        lines.append(
            f"  {item.variant} against itself, second half of its {item.runs} runs against the first: {shown}: "
            "this is time alone"
        )
    lines.append(
        f"  Whatever moved between the runs of {pair.reference} and those of {pair.candidate} is part of the "
        "sequential figure; it is never graded above observed."
    )
    return "\n".join(lines)


def beside_document(same_program: Sequence[Halves], randomised: tuple[Experiment, Comparison] | None) -> dict[str, Any]:
    """The key `beside` of a sequential study's document."""
    return {
        "same_program": [asdict(item) for item in same_program],
        "randomised": None
        if randomised is None
        else {"experiment_id": randomised[0].plan.experiment, **pair_document(randomised[1].pairs[0])},
    }


def _found(comparison: Comparison) -> str:
    pair = comparison.pairs[0]
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None:
        return words.headline(pair)
    shown = " ".join(units.change_with_interval(primary.change, primary.low, primary.high)).strip()
    return f"{words.noun(pair.primary_metric)} {shown}, {words.headline(pair)} [{pair.grade.value}]"
