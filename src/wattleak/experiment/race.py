"""The stop rule at work: after which look an experiment is decided, and which variants are out of it.

Looks are the planned numbers of complete blocks and nothing else: a look that happens whenever somebody is curious
would find an effect in noise sooner or later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wattleak.model import Experiment, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Plan, Run


class StopRule(Protocol):
    """What the runner asks before and after each block."""

    @property
    def is_decided(self) -> bool: ...

    @property
    def dropped(self) -> tuple[str, ...]:
        """Variants that an earlier look had shown to cost more."""
        ...

    def out_of(self, block: int, runs: Sequence[Run]) -> tuple[str, ...]:
        """Variants that are not run in this block."""
        ...

    def look(self, runs: Sequence[Run]) -> None: ...


def race_of(plan: Plan, runs: Sequence[Run]) -> StopRule:
    """The stop rule of a plan: settings that race each other, or candidates against the reference."""
    if plan.design.search is None:
        return Race(plan, runs)
    from wattleak.experiment.search import SearchRace  # noqa: PLC0415 - scipy, which most experiments need last

    return SearchRace(plan, runs)


class Race:
    """What the looks so far have shown. Without a stopping rule nothing ever is decided early."""

    def __init__(self, plan: Plan, runs: Sequence[Run]) -> None:
        self._plan = plan
        self._looked = 0
        self.dropped: tuple[str, ...] = ()
        self.is_decided = False
        if runs:
            self._look_again(runs)

    def out_of(self, _block: int, _runs: Sequence[Run]) -> tuple[str, ...]:
        """The same in every block: who is dropped is dropped."""
        return self.dropped

    def look(self, runs: Sequence[Run]) -> None:
        """Judge, if the number of complete blocks has reached a planned look since the last one."""
        stopping = self._plan.design.stopping
        if stopping is None or self.is_decided:
            return
        from wattleak.analysis.blocks import counting_blocks  # noqa: PLC0415 - scipy, which most experiments need last
        from wattleak.analysis.comparison import compare  # noqa: PLC0415 - see above

        experiment = Experiment(self._plan, tuple(runs), complete=False)
        reached = sum(look <= len(counting_blocks(experiment)) for look in stopping.looks)
        if reached <= self._looked:
            return
        self._looked = reached
        pairs = compare(experiment).pairs
        racing = [pair for pair in pairs if pair.candidate not in self.dropped]
        self.is_decided = all(pair.verdict is not Verdict.NOT_ENOUGH_RUNS for pair in racing)
        if self._plan.design.eliminate and not self.is_decided:
            worse = [pair.candidate for pair in racing if pair.verdict is Verdict.COSTS_MORE]
            self.dropped = (*self.dropped, *worse)

    def _look_again(self, runs: Sequence[Run]) -> None:
        """After a resume: what was dropped stands with the runs, and the newest look is made again."""
        self.dropped = max((run.dropped for run in runs), key=len)
        self.look(runs)
