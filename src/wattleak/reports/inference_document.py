"""What requests cost at each setting, and break-even with the training, as the keys of a JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import estimate_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.break_even import BreakEven, Training
    from wattleak.analysis.plane import Mean
    from wattleak.analysis.serving_costs import ServingCost


def settings_document(costs: Sequence[ServingCost]) -> list[dict[str, Any]]:
    """The key `settings`: a row for each, in SI units, everything per request."""
    return [
        {
            "name": cost.setting.name,
            "batch": cost.setting.batch,
            "rate_per_s": cost.setting.rate_per_s,
            "runs": cost.runs,
            "requests": cost.requests,
            "mean_batch": cost.mean_batch,
            "cpu_per_request_s": _mean(cost.cpu_per_request_s),
            "energy_per_request_j": estimate_document(cost.energy_per_request_j),
            "waiting_cpu_per_request_s": cost.waiting_cpu_per_request_s,
            "waiting_energy_per_request_j": estimate_document(cost.waiting_energy_per_request_j),
            "rest_energy_per_request_j": estimate_document(cost.rest_energy_per_request_j),
            "latency_s": {f"p{percent}": _mean(value) for percent, value in cost.latency_s.items()},
            "latencies_per_run": cost.latencies,
            "throughput_per_s": cost.throughput_per_s,
            "capacity_per_s": cost.capacity_per_s,
            "load": cost.load,
            "saturated_runs": cost.saturated,
            "most_waiting": cost.most_waiting,
            "unanswered": cost.unanswered,
            "warm_up": None
            if cost.warm_up is None
            else {
                "duration_s": cost.warm_up.duration_s,
                "cpu_s": cost.warm_up.cpu_s,
                "energy_j": estimate_document(cost.warm_up.energy_j),
                "first_answer_s": cost.warm_up.first_answer_s,
            },
        }
        for cost in costs
    ]


def break_even_document(
    found: Sequence[tuple[ServingCost, BreakEven | str]], training: Training | None
) -> dict[str, Any]:
    """The key `break_even`: the training, and what each setting comes to beside it."""
    return {
        "training": None
        if training is None
        else {
            "what": training.what,
            "cpu_s": _mean(training.cpu_s),
            "energy_j": estimate_document(training.energy_j),
        },
        "settings": [_break_even(cost, one) for cost, one in found],
    }


def _break_even(cost: ServingCost, found: BreakEven | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"name": cost.setting.name, "why_none": found}
    total = found.total
    return {
        "name": cost.setting.name,
        "unit": found.unit,
        "per_request": _mean(found.per_request),
        "after_requests": _mean(found.requests),
        "total": None
        if total is None
        else {"requests": total.requests, "inference": _mean(total.inference), "share": _mean(total.share)},
        "note": found.note,
    }


def _mean(mean: Mean | None) -> dict[str, float | None] | None:
    return None if mean is None else {"value": mean.value, "low": mean.low, "high": mean.high}
