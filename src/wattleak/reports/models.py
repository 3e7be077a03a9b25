"""`study models`, part by part: table of the models, verdict of each, Pareto front; as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.reports import words
from wattleak.reports.front import front_document, render_front
from wattleak.reports.model_table import models_document, render_models
from wattleak.reports.parts import part_document, parts_document, render_part

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def render_models_part(
    title: str,
    experiment: Experiment,
    comparison: Comparison,
    costs: Sequence[ModelCost],
    front: Front | str,
    *,
    style: Style,
) -> str:
    """One experiment of the study. Ends without a line end."""
    if isinstance(front, str):
        below = style.paint(f"no Pareto front: {front}", "warning")
    else:
        below = render_front(front, style=style)
    return render_part(
        f"{title}: {words.count(len(costs), 'model')}",
        experiment,
        comparison,
        render_models(costs, style=style),
        [below],
        style=style,
    )


def models_part_document(
    name: str, experiment: Experiment, comparison: Comparison, costs: Sequence[ModelCost], front: Front | str
) -> dict[str, Any]:
    """One experiment with every run, the row of each model, and the front."""
    return part_document(
        name,
        experiment,
        comparison,
        models=models_document(costs),
        pareto={"why_none": front} if isinstance(front, str) else front_document(front),
    )


def study_document(identity: str, parts: Sequence[dict[str, Any]], data: str, weights: str) -> dict[str, Any]:
    """What `study models --json` prints."""
    return parts_document(
        "models",
        identity,
        parts,
        data=data,
        weights=weights,
        published=[
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
    )
