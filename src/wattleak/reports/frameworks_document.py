"""`study frameworks` as the keys of a JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.analysis.framework_courses import LARGEST_DIFFERENCE
from wattleak.documents import estimate_document, range_document

if TYPE_CHECKING:
    from wattleak.analysis.framework_costs import FrameworkCost, PartChange
    from wattleak.analysis.frameworks import Frameworks
    from wattleak.analysis.plane import Mean
    from wattleak.analysis.price_of_accuracy import Price, ToTarget
    from wattleak.analysis.stretches import Stretch


def frameworks_document(found: Frameworks) -> dict[str, Any]:
    """Costs in SI units; `cost_unit` says what decides: J, or s of CPU time."""
    return {
        "cost_unit": "J" if found.energy else "s",
        "began_alike": None
        if found.start is None
        else {
            "blocks": found.start.blocks,
            "largest_relative_difference": found.start.largest,
            "tolerance": LARGEST_DIFFERENCE,
            "alike": found.start.alike,
        },
        "mixed_devices": found.mixed_devices,
        "frameworks": [_framework(cost) for cost in found.costs],
        "changes_by_part": [_change(one) for one in found.changes],
        "curve": {
            name: [
                {
                    "epoch": epoch.epoch,
                    "cpu_s": epoch.cpu_s,
                    "energy_j": estimate_document(epoch.energy_j),
                    "accuracy": _mean(epoch.accuracy),
                }
                for epoch in epochs
            ]
            for name, epochs in found.epochs.items()
        },
        "last_point": {name: _price(price) for name, price in found.price.items()},
        "target": {
            "accuracy": found.target,
            "stated": found.target_stated,
            "candidates": {name: _target(one) for name, one in found.to_target.items()},
        },
    }


def _framework(cost: FrameworkCost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "runs": cost.runs,
        "accelerated": cost.accelerated,
        "accuracy": _mean(cost.accuracy),
        "auc": cost.auc,
        "start_up": _stretch(cost.start_up),
        "first_step": _stretch(cost.first_step),
        "training": _stretch(cost.training),
        "per_inference": {**(_stretch(cost.inference) or {}), "carbon_g": range_document(cost.carbon_per_inference_g)},
        "per_accuracy_point": {
            "cpu_s": cost.cpu_per_point_s,
            "energy_j": estimate_document(cost.energy_per_point_j),
        },
    }


def _stretch(part: Stretch | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"duration_s": part.duration_s, "cpu_s": part.cpu_s, "energy_j": estimate_document(part.energy_j)}


def _change(one: PartChange) -> dict[str, Any]:
    change = one.change
    return {
        "candidate": one.candidate,
        "part": one.part,
        "change": change.change,
        "low": change.low,
        "high": change.high,
        "level": change.level,
        "blocks": change.blocks,
    }


def _price(price: Price) -> dict[str, Any]:
    return {
        "answer": price.answer.value,
        "why_none": price.why or None,
        "runs": price.runs,
        "factor_per_point": _mean(price.factor),
        "log_misfit_constant_over_exponential": _mean(price.over_constant),
        "log_misfit_power_over_exponential": _mean(price.over_power),
        "last_point_over_mean_before": _mean(price.last_point),
    }


def _target(one: ToTarget) -> dict[str, Any]:
    return {
        "runs": one.runs,
        "reached": one.reached,
        "within_first_epoch": one.within_first,
        "training": _mean(one.cost),
        "with_start_up_and_first_step": _mean(one.whole),
    }


def _mean(mean: Mean | None) -> dict[str, float | None] | None:
    return None if mean is None else {"value": mean.value, "low": mean.low, "high": mean.high}
