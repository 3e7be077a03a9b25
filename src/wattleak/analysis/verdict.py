"""What may be said: the verdict from the interval alone, and how far it may be generalised."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Protocol

from scipy.special import stdtrit

from wattleak.analysis.effect import sign_flip_p
from wattleak.model import Grade, Order, Origin, QualityState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Experiment

CONFIRMING_SESSIONS = 3
PROVING_SESSIONS = 6  # fewer cannot bring the exact test over sessions to 0.05


class Founded(Protocol):
    """A figure with its origin: `model.MetricComparison`, `metrics.Reading`."""

    @property
    def origin(self) -> Origin: ...

    @property
    def derived_from(self) -> str | None: ...


class Ranged(Protocol):
    """A relative change with its interval: `effect.Change`, `model.MetricComparison`."""

    @property
    def low(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


def decide(change: Ranged | None, smallest_effect: float) -> Verdict:
    """Judge an interval against +/- smallest_effect; both are fractions. A p-value is never asked.

    Wholly below: saving. Wholly above: costs more. Wholly inside: equal. Anything else, and no interval: not enough
    runs.
    """
    if change is None or change.low is None or change.high is None:
        return Verdict.NOT_ENOUGH_RUNS
    if change.high < -smallest_effect:
        return Verdict.SAVING
    if change.low > smallest_effect:
        return Verdict.COSTS_MORE
    if -smallest_effect <= change.low and change.high <= smallest_effect:
        return Verdict.EQUAL
    return Verdict.NOT_ENOUGH_RUNS


def weigh_quality(verdict: Verdict, quality: QualityState) -> Verdict:
    """A saving that makes the result worse is a trade-off."""
    return Verdict.TRADE_OFF if verdict is Verdict.SAVING and quality is QualityState.WORSE else verdict


def carries_a_claim(experiment: Experiment) -> bool:
    """Beyond what was seen: only chance in the order does, and a question that was fixed before the answer."""
    return experiment.plan.design.order is Order.RANDOM and not experiment.exploratory


def grade(
    sessions: Mapping[str, Sequence[float]],
    verdict: Verdict,
    primary: Founded | None,
    quality: QualityState,
    level: float,
) -> Grade:
    """Say how far a verdict may be generalised.

    - confirmed: at least 3 sessions, the mean change of every one has the same sign, and Student's interval of the mean
      of those means, at the level, leaves out zero. The same sign alone happens to one unchanged program in four, and
      the interval over all blocks takes the whim of a day for an effect (docs/decisions/0010).
    - proved: at least 6 sessions, the exact sign-flip test over their means reaches 1 - level, and the primary metric
      was measured (not modelled, not simulated, not a function of another).
    - observed: everything else. So is every verdict without a direction (equal, not enough runs), and every verdict
      whose quality is undecided or was not measured.

    Args:
        sessions: the log ratios of the primary metric by session.
        verdict: of the primary metric.
        primary: where the primary metric came from.
        quality: of the result.
        level: of the interval, already adjusted.
    """
    directed = verdict in {Verdict.SAVING, Verdict.COSTS_MORE, Verdict.TRADE_OFF}
    if not directed or primary is None or quality in {QualityState.UNDECIDED, QualityState.NOT_MEASURED}:
        return Grade.OBSERVED
    means = [statistics.fmean(differences) for differences in sessions.values() if differences]
    measured = primary.origin in {Origin.COUNTER, Origin.SAMPLED} and primary.derived_from is None
    error = (1.0 - level) * (1.0 + 1e-9)  # 1 - 0.95 is not 0.05
    if measured and len(means) >= PROVING_SESSIONS and sign_flip_p(means) <= error:
        return Grade.PROVED
    if len(means) >= CONFIRMING_SESSIONS and (max(means) < 0.0 or min(means) > 0.0) and _sure(means, level):
        return Grade.CONFIRMED
    return Grade.OBSERVED


def _sure(means: Sequence[float], level: float) -> bool:
    """Whether Student's interval of the mean of the session means leaves out zero."""
    n = len(means)
    error = statistics.stdev(means) / n**0.5
    return bool(abs(statistics.fmean(means)) > float(stdtrit(n - 1, 1.0 - (1.0 - level) / 2.0)) * error)
