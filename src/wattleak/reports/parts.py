"""The parts of a ready-made study, one experiment each: title, own table, verdict of each candidate; as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import comparison_document, envelope
from wattleak.reports import units, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.model import Comparison, Experiment
    from wattleak.reports.style import Style


def render_part(
    title: str,
    experiment: Experiment,
    comparison: Comparison,
    table: str,
    after: Sequence[str] = (),
    *,
    style: Style,
) -> str:
    """One experiment of a study: `table` is its own view, `after` follows the verdicts. Ends without a line end."""
    identity = experiment.plan.experiment
    lines = [
        style.paint(title, "strong") + style.paint(f"  experiment {identity}", "faint"),
        "",
        table,
        "",
        *(f"  {style.text(line)}" for line in _verdicts(comparison)),
    ]
    if after:
        lines += ["", *after]
    return "\n".join([*lines, "", f"Next: wattleak report {identity} --format text"])


def _verdicts(comparison: Comparison) -> Iterator[str]:
    yield f"against {comparison.pairs[0].reference}, by {words.title(comparison.pairs[0].primary_metric)}:"
    for pair in comparison.pairs:
        metric = pair.metrics.get(pair.primary_metric)
        change = ""
        if metric is not None and metric.change is not None:
            change = " ".join(units.change_with_interval(metric.change, metric.low, metric.high)).strip()
        quality = pair.quality.state.value.replace("_", " ")
        yield f"  {pair.candidate}: {words.headline(pair)} {change}; quality {quality} [{pair.grade.value}]"


def part_document(name: str, experiment: Experiment, comparison: Comparison, **more: object) -> dict[str, Any]:
    """One experiment with every run, and what is the study's own view of it."""
    return {"part": name, **comparison_document(experiment, comparison, "study"), **more}


def parts_document(study: str, identity: str, parts: Sequence[dict[str, Any]], **facts: object) -> dict[str, Any]:
    """What `study NAME --json` prints: kind `study_NAME`."""
    return {**envelope(f"study_{study}"), "study_id": identity, **facts, "parts": list(parts)}
