"""What a pipeline asks of a job: are its budgets kept, and does it cost more than before?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wattleak.analysis.budgets import BudgetState
from wattleak.model import Grade, QualityState, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.analysis.budgets import BudgetCheck
    from wattleak.model import PairComparison, QualityComparison


class Outcome(StrEnum):
    """From bad to good, as they decide the exit code: the first that any check has."""

    NOT_MET = "not_met"  # 1
    NOT_TRUSTWORTHY = "not_trustworthy"  # 3
    NOT_ENOUGH_RUNS = "not_enough_runs"  # 4
    MET = "met"  # 0


@dataclass(frozen=True, slots=True)
class Judged:
    """One thing that the gate looked at. A budget, a pair, a quality, or none: nothing was measured."""

    outcome: Outcome
    budget: BudgetCheck | None = None
    pair: PairComparison | None = None
    quality: QualityComparison | None = None
    why: str = ""  # beside what budget or pair say


_OF_BUDGET = {
    BudgetState.KEPT: Outcome.MET,
    BudgetState.EXCEEDED: Outcome.NOT_MET,
    BudgetState.NOT_ENOUGH_RUNS: Outcome.NOT_ENOUGH_RUNS,
    BudgetState.NOT_TRUSTWORTHY: Outcome.NOT_TRUSTWORTHY,
}
_OF_QUALITY = {
    QualityState.IDENTICAL: Outcome.MET,
    QualityState.EQUIVALENT: Outcome.MET,
    QualityState.BETTER: Outcome.MET,
    QualityState.WORSE: Outcome.NOT_MET,
    QualityState.UNDECIDED: Outcome.NOT_ENOUGH_RUNS,
    QualityState.NOT_MEASURED: Outcome.NOT_TRUSTWORTHY,
}
_RANK = {Grade.OBSERVED: 0, Grade.CONFIRMED: 1, Grade.PROVED: 2}


def judge_budget(check: BudgetCheck) -> Judged:
    return Judged(_OF_BUDGET[check.state], budget=check)


def judge_pair(pair: PairComparison, require_grade: Grade) -> Judged:
    """Judge one verdict. COSTS MORE of a lower grade than is required is not yet enough to say.

    No reading of the primary metric, or no run that counts, is not trustworthy. A trade-off costs less, and passes
    here; whether the result may be worse is for `judge_quality`.
    """
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None:
        why = next((doubt for doubt in pair.doubts if "cannot decide" in doubt), "no run that counts has it")
        return Judged(Outcome.NOT_TRUSTWORTHY, pair=pair, why=why)
    if pair.verdict is Verdict.COSTS_MORE:
        if _RANK[pair.grade] < _RANK[require_grade]:
            return Judged(
                Outcome.NOT_ENOUGH_RUNS,
                pair=pair,
                why=f"the gate asks for {require_grade.value}, and this is {pair.grade.value}: it takes more sessions",
            )
        return Judged(Outcome.NOT_MET, pair=pair)
    if pair.verdict is Verdict.NOT_ENOUGH_RUNS:
        return Judged(Outcome.NOT_ENOUGH_RUNS, pair=pair)
    worse = pair.quality.state is QualityState.WORSE
    return Judged(Outcome.MET, pair=pair, why="the result is worse: --quality decides about it" if worse else "")


def judge_quality(quality: QualityComparison) -> Judged:
    """Judge the result, where the user asked for it: worse beyond its margin fails, undecided does not pass."""
    return Judged(_OF_QUALITY[quality.state], quality=quality)


def overall(judged: Iterable[Judged]) -> Outcome:
    """What all of them say together; `Outcome` lists them from the worst. Nothing judged is not trustworthy."""
    outcomes: Sequence[Outcome] = [item.outcome for item in judged]
    return min(outcomes, key=list(Outcome).index, default=Outcome.NOT_TRUSTWORTHY)
