"""`study models`, part by part: table of the models, verdict of each, Pareto front; as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import comparison_document, envelope
from wattleak.reports import units, words
from wattleak.reports.front import front_document, render_front
from wattleak.reports.model_table import models_document, render_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.model_costs import ModelCost
    from wattleak.analysis.pareto import Front
    from wattleak.model import Comparison, Experiment
    from wattleak.reports.style import Style

PUBLISHED = {
    "densenet121": (0.851, 0.972, 0.936, 1199.0, 82_300.0),
    "densenet169": (0.821, 0.970, 0.957, 1528.0, 104_900.0),
    "densenet201": (0.872, 0.976, 0.948, 2005.0, 137_700.0),
    "resnet18": (0.846, 0.967, 0.821, 297.0, 20_400.0),
    "resnet50": (0.837, 0.942, 0.976, 1233.0, 84_700.0),
    "inception_v3": (0.873, 0.945, 0.923, 546.0, 37_500.0),
}
"""Quoted: fine-tuned on PneumoniaMNIST on one Tesla T4. Accuracy, AUC, mean GPU utilisation, runtime s, energy J."""


def render_part(
    title: str,
    experiment: Experiment,
    comparison: Comparison,
    costs: Sequence[ModelCost],
    front: Front | str,
    *,
    style: Style,
) -> str:
    """One experiment of the study. Ends without a line end."""
    identity = experiment.plan.experiment
    lines = [
        style.paint(f"{title}: {words.count(len(costs), 'model')}", "strong")
        + style.paint(f"  experiment {identity}", "faint"),
        "",
        render_models(costs, style=style),
        "",
        *(f"  {style.text(line)}" for line in _verdicts(comparison)),
        "",
    ]
    if isinstance(front, str):
        lines.append(style.paint(f"no Pareto front: {front}", "warning"))
    else:
        lines.append(render_front(front, style=style))
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


def part_document(
    name: str, experiment: Experiment, comparison: Comparison, costs: Sequence[ModelCost], front: Front | str
) -> dict[str, Any]:
    """One experiment with every run, the row of each model, and the front."""
    return {
        "part": name,
        **comparison_document(experiment, comparison, "study"),
        "models": models_document(costs),
        "pareto": {"why_none": front} if isinstance(front, str) else front_document(front),
    }


def study_document(identity: str, parts: Sequence[dict[str, Any]], data: str, weights: str) -> dict[str, Any]:
    """What `study models --json` prints."""
    return {
        **envelope("study_models"),
        "study_id": identity,
        "data": data,
        "weights": weights,
        "parts": list(parts),
        "published": [
            {
                "name": name,
                "accuracy": accuracy,
                "auc": auc,
                "gpu_utilisation": use,
                "duration_s": duration_s,
                "energy_j": energy_j,
                "origin": "quoted",
                "device": "Tesla T4",
            }
            for name, (accuracy, auc, use, duration_s, energy_j) in PUBLISHED.items()
        ],
    }
