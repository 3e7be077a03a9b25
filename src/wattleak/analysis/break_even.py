"""After how many requests inference has cost as much as the training, and the share of each in the total. Pure.

Both sides in one unit. Where the energy of both is modelled from CPU time it is CPU-seconds: the model's error is the
same on both sides and says nothing about their ratio. The ends of a range take both sides at their worst together;
those of runs hold at 97.5 % each, and so at 95 % together (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.estimates import middle
from wattleak.analysis.plane import Mean
from wattleak.analysis.serving_costs import mean
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.serving_costs import ServingCost
    from wattleak.model import Estimate, Measurement

_LEVEL = 0.975
_MEASURED = frozenset({Origin.COUNTER, Origin.SAMPLED})


@dataclass(frozen=True, slots=True)
class Training:
    """What the training cost, as far as it is known. The ends of a Mean are None where there is no range."""

    what: str  # in words: "run 1f2e3d4c", "stated"
    cpu_s: Mean | None
    energy_j: Estimate | None


@dataclass(frozen=True, slots=True)
class Total:
    """Inference alone, and its share of inference and training together, at some number of requests."""

    requests: float
    inference: Mean
    share: Mean | None  # None: nothing is known of a training


@dataclass(frozen=True, slots=True)
class BreakEven:
    """One setting against the training. `unit` is s (CPU-seconds) or J."""

    unit: str
    per_request: Mean
    training: Mean | None
    requests: Mean | None  # after so many inference has cost as much as the training
    total: Total | None
    note: str = ""


def training_of(what: str, runs: Sequence[Measurement]) -> Training:
    """From recorded runs of one training. One run is the training itself: its cost is what it cost."""
    cpu = [run.cpu_s for run in runs]
    found = mean(cpu, _LEVEL)
    if len(cpu) == 1:
        found = Mean(cpu[0], cpu[0], cpu[0])
    return Training(what, found, middle([run.attributed_energy_j for run in runs]))


def break_even(cost: ServingCost, training: Training | None, requests: float | None = None) -> BreakEven | str:
    """Set a setting against a training, or say in words why they have no unit in common.

    Args:
        cost: what a request costs.
        training: None: only the total of inference is worked out.
        requests: for the total and the share; None: neither.
    """
    unit = _unit(cost, training)
    if unit is None:
        return (
            "the training is known in one unit and the requests in another: "
            "no energy was attributed to these requests, and no CPU time to that training"
        )
    per_request = _per_request(cost, unit)
    if per_request.value <= 0:
        return "a request took less than can be measured here: more of them, or longer ones"
    spent = None if training is None else _spent(training, unit)
    return BreakEven(
        unit=unit,
        per_request=per_request,
        training=spent,
        requests=None if spent is None else _over(spent, per_request),
        total=None if requests is None else _total(requests, per_request, spent),
        note=_note(cost, training) if unit == "J" else "",
    )


def _unit(cost: ServingCost, training: Training | None) -> str | None:
    own = cost.energy_per_request_j
    theirs = None if training is None else training.energy_j
    if training is None:
        return "s" if own is None or own.origin is Origin.MODELLED else "J"
    both_modelled = own is not None and theirs is not None and {own.origin, theirs.origin} == {Origin.MODELLED}
    if own is not None and theirs is not None and not (both_modelled and training.cpu_s is not None):
        return "J"
    return None if training.cpu_s is None else "s"


def _per_request(cost: ServingCost, unit: str) -> Mean:
    if unit == "s":
        return mean(cost.cpu_per_request, _LEVEL)
    assert cost.energy_per_request_j is not None
    return _as_mean(cost.energy_per_request_j)


def _spent(training: Training, unit: str) -> Mean:
    found = training.cpu_s if unit == "s" else None if training.energy_j is None else _as_mean(training.energy_j)
    assert found is not None
    return found


def _as_mean(estimate: Estimate) -> Mean:
    return Mean(estimate.value, estimate.low, estimate.high)


def _over(top: Mean, bottom: Mean) -> Mean:
    """A quotient; its ends with both at their worst, None where one of them has no range, or may be nothing."""
    ranged = None not in {top.low, top.high, bottom.low, bottom.high} and bool(bottom.low)
    if not ranged:
        return Mean(top.value / bottom.value, None, None)
    assert top.low is not None
    assert top.high is not None
    assert bottom.low is not None
    assert bottom.high is not None
    return Mean(top.value / bottom.value, top.low / bottom.high, top.high / bottom.low)


def _total(requests: float, per_request: Mean, training: Mean | None) -> Total:
    low, high = (None if end is None else requests * end for end in (per_request.low, per_request.high))
    inference = Mean(requests * per_request.value, low, high)
    if training is None or inference.value <= 0:
        return Total(requests, inference, None)
    inverse = _over(training, inference)  # the share is 1 / (1 + training / inference): it falls where this rises
    ends = (None if end is None else 1 / (1 + end) for end in (inverse.high, inverse.low))
    return Total(requests, inference, Mean(1 / (1 + inverse.value), *ends))


def _note(cost: ServingCost, training: Training | None) -> str:
    own, theirs = cost.energy_per_request_j, None if training is None else training.energy_j
    if own is None or theirs is None or own.origin is theirs.origin or {own.origin, theirs.origin} <= _MEASURED:
        return ""
    return f"the energy of the training is {theirs.origin.value}, that of the requests {own.origin.value}"
