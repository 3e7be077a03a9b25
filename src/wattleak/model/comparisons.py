"""The answers of experiments: verdicts, grades, intervals by metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model.experiments import Direction
    from wattleak.model.numbers import Origin


class Verdict(StrEnum):
    """Seen from the candidate; the reference is the first variant."""

    SAVING = "saving"
    COSTS_MORE = "costs_more"
    EQUAL = "equal"  # the whole interval is inside +/- smallest effect
    NOT_ENOUGH_RUNS = "not_enough_runs"
    TRADE_OFF = "trade_off"  # it saves, and the result is worse


class Grade(StrEnum):
    """How far a verdict may be generalised: over runs of one session, or over sessions."""

    OBSERVED = "observed"
    CONFIRMED = "confirmed"
    PROVED = "proved"


class QualityState(StrEnum):
    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """Unitless sizes of an effect, to stand beside the change. None: not defined for this kind of data."""

    rank_biserial: float | None = None  # paired: -1 the candidate is lower in every block, +1 higher
    superiority: float | None = None  # share of pairs in which the candidate is higher, ties counting half
    wilcoxon_p: float | None = None  # paired: two-sided signed-rank test
    a12: float | None = None  # unpaired: probability that a candidate is higher than a reference
    a12_low: float | None = None
    a12_high: float | None = None
    cliffs_delta: float | None = None  # unpaired: 2 a12 - 1


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of reference and candidate. `change` is a fraction: candidate over reference, minus one."""

    name: str
    reference: float  # median over the runs that count
    candidate: float
    change: float | None  # Hodges-Lehmann estimate; None: no complete block, or a zero in the data
    low: float | None  # None: too few blocks for an interval at the level
    high: float | None
    p_value: float | None  # exact sign-flip randomisation test, two-sided
    blocks: int  # complete pairs
    origin: Origin
    derived_from: str | None = None  # this metric is a function of that one and adds no evidence
    sizes: EffectSizes | None = None


@dataclass(frozen=True, slots=True)
class QualityComparison:
    """Did the result stay as good? `difference` is candidate minus reference in the unit of the metric."""

    state: QualityState
    metric: str | None = None
    direction: Direction | None = None
    margin: float | None = None
    reference: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    blocks: int = 0
    outputs: tuple[str, ...] = ()  # hashes of results that every run of both reported
    outputs_differ: int = 0  # blocks in which one of them differs


@dataclass(frozen=True, slots=True)
class PairComparison:
    """One candidate against the reference."""

    reference: str
    candidate: str
    verdict: Verdict
    grade: Grade
    primary_metric: str
    metrics: Mapping[str, MetricComparison]
    quality: QualityComparison
    level: float  # of the intervals, adjusted for the number of candidates
    smallest_effect: float
    further_blocks: int | None  # how many more blocks would decide; None: decided, or not to be told
    doubts: tuple[str, ...] = ()
    minimal_detectable: float | None = None  # smallest increase that so many blocks show with 80 % power, a fraction


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """What the runs of the reference program say about the machine. Fractions are of their median."""

    metric: str
    runs: int
    median: float
    spread: float  # 1.4826 x median absolute deviation: one standard deviation, were they normal
    largest: float  # deviation of the run that is farthest from the median
    tolerated: float  # a larger deviation is doubted
    tau: float | None  # Kendall's, against time; None: too few runs, or all alike
    p_value: float | None
    drift: float | None  # change from the first run to the last along Theil and Sen's line
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer of `wattleak compare`: one PairComparison for each candidate."""

    experiment: str
    pairs: tuple[PairComparison, ...]
    doubts: tuple[str, ...] = ()
    omnibus_p: float | None = None  # Friedman test: do any of three or more variants differ in the primary metric?
    control: ControlCheck | None = None  # None: the reference program was not run
