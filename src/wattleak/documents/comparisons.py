"""What `compare --json` and `study --json` print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from wattleak.documents.head import envelope
from wattleak.documents.own_cost import own_cost_document
from wattleak.documents.plans import design_document, order_document, run_document
from wattleak.model import CONTROL

if TYPE_CHECKING:
    from wattleak.documents.head import Document
    from wattleak.model import Comparison, Experiment, MetricComparison, PairComparison, QualityComparison


def _metric_document(metric: MetricComparison) -> Document:
    return {
        "reference": metric.reference,
        "candidate": metric.candidate,
        "change": metric.change,
        "low": metric.low,
        "high": metric.high,
        "p_value": metric.p_value,
        "blocks": metric.blocks,
        "origin": metric.origin.value,
        "derived_from": metric.derived_from,
        "effect_sizes": None
        if metric.sizes is None
        else {name: value for name, value in asdict(metric.sizes).items() if value is not None},
    }


def quality_document(quality: QualityComparison) -> Document:
    return {
        "metric": quality.metric,
        "state": quality.state.value,
        "difference": quality.difference,
        "low": quality.low,
        "high": quality.high,
        "margin": quality.margin,
        "direction": None if quality.direction is None else quality.direction.value,
        "reference": quality.reference,
        "candidate": quality.candidate,
        "blocks": quality.blocks,
        **({"outputs": list(quality.outputs), "outputs_differ": quality.outputs_differ} if quality.outputs else {}),
    }


def pair_document(pair: PairComparison) -> Document:
    return {
        "reference": pair.reference,
        "candidate": pair.candidate,
        "verdict": pair.verdict.value,
        "grade": pair.grade.value,
        "primary_metric": pair.primary_metric,
        "metrics": {name: _metric_document(metric) for name, metric in pair.metrics.items()},
        "quality": quality_document(pair.quality),
        "level": pair.level,
        "smallest_effect": pair.smallest_effect,
        "further_blocks": pair.further_blocks,
        "minimal_detectable_change": pair.minimal_detectable,
        "doubts": list(pair.doubts),
    }


def _differences_document(experiment: Experiment) -> list[Document]:
    """What was made different on purpose, for each candidate."""
    return [
        {"candidate": item.candidate, "summary": list(item.summary), "diff": item.diff}
        for item in experiment.differences
    ]


def comparison_document(experiment: Experiment, comparison: Comparison, kind: str = "compare") -> Document:
    """What `compare --json` and `study --json` print. The keys of the first candidate stand at the top as well."""
    design = experiment.plan.design
    pairs = [pair_document(pair) for pair in comparison.pairs]
    planned = [run for run in experiment.runs if run.variant != CONTROL]
    return {
        **envelope(kind),
        **pairs[0],
        "experiment_id": experiment.plan.experiment,
        "complete": experiment.complete,
        "exploratory": bool(experiment.exploratory),
        "exploratory_reasons": list(experiment.exploratory),
        **({"difference": _differences_document(experiment)} if experiment.differences else {}),
        "design": {
            **design_document(design),
            "order": order_document(experiment.plan.runs),
            "digest": experiment.plan.digest,
            "created_at": experiment.plan.created_at,
        },
        "comparisons": pairs,
        "omnibus_p_value": comparison.omnibus_p,
        "runs": [run_document(run) for run in planned if run.block >= 0],
        "warmup_runs": [run_document(run) for run in planned if run.block < 0],
        "control_runs": [run_document(run) for run in experiment.runs if run.variant == CONTROL],
        "control": None if comparison.control is None else asdict(comparison.control),
        "failed_runs": [
            {
                "run_id": run.id,
                "variant": run.variant,
                "block": run.block,
                "attempt": run.attempt,
                "failure": run.failure,
            }
            for run in experiment.runs
            if run.failure is not None
        ],
        "doubts": list(comparison.doubts) + [doubt for pair in comparison.pairs for doubt in pair.doubts],
        "environment": dict(experiment.environment),
        "notes": list(experiment.notes),
        "own_cost": own_cost_document(experiment),
    }
