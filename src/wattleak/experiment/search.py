"""The search of `wattleak tune`: settings race block after block, then the winner meets the reference alone.

    block 0 … last look     every setting that is still in the race, in random order; at each look some leave
    the blocks after it     the chosen setting and the reference, fresh; the rest of the race is left out

Who is out is replayed from the runs (analysis.racing) and from nothing else, so a resumed search goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.race_costs import never_worked
from wattleak.analysis.tuning import judge
from wattleak.errors import MeasurementError, UsageError
from wattleak.model import Experiment, Search, Stopping, StoppingRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.tuning import Tuning
    from wattleak.model import Plan, Run

BLOCKS = 12  # of the race, at most
CONFIRMATIONS = 6  # the exact interval at 95 % needs six
_FIRST_LOOK = 3  # blocks; with two, a t interval at these levels leaves nothing out
_GROWTH = 1.45  # each look has about half as many blocks again as the one before


def stopping(blocks: int, rule: StoppingRule = StoppingRule.POCOCK) -> Stopping:
    """Looks after 3, 4, 6, 9, 13 ... blocks, the last one after all of them. Raises UsageError for fewer than 3."""
    if blocks < _FIRST_LOOK:
        raise UsageError(
            f"{blocks} blocks are too few for a race", f"--blocks {_FIRST_LOOK} is the least, {BLOCKS} usual"
        )
    looks = [_FIRST_LOOK]
    while looks[-1] < blocks:
        looks.append(min(blocks, round(looks[-1] * _GROWTH)))
    return Stopping(rule, tuple(looks))


def check_search(number: int, *, metric_by_rule: bool = True, level: float = 0.95) -> Search:
    """A search with so many fresh blocks for its claim. Raises UsageError for a number that can never give one."""
    from wattleak.analysis.feasibility import blocks_needed  # noqa: PLC0415 - used once

    fewest = blocks_needed(level, 1)
    if number != 0 and number < fewest:
        raise UsageError(
            f"{number} fresh blocks can never say what is saved", f"--confirm {fewest} is the least; 0: make no claim"
        )
    return Search(number, metric_by_rule)


class SearchRace:
    """The stop rule of a search, as `experiment.race.Race` is that of other experiments."""

    def __init__(self, plan: Plan, runs: Sequence[Run]) -> None:
        self._plan = plan
        self._names = tuple(variant.name for variant in plan.design.variants)
        self._tuning = self._judge(runs)

    @property
    def is_decided(self) -> bool:
        return self._tuning.finished

    @property
    def dropped(self) -> tuple[str, ...]:
        """Settings that are out of the race."""
        racing = {"chosen", "racing", "not_told_apart", "quality_undecided"}
        return tuple(item.name for item in self._tuning.settings if item.standing.value not in racing)

    def out_of(self, block: int, runs: Sequence[Run]) -> tuple[str, ...]:
        """Settings that are not run in a block. All of them: the block is left out."""
        stopping_at = self._plan.design.stopping
        assert stopping_at is not None
        chosen = self._tuning.chosen
        if block >= stopping_at.looks[-1]:
            if chosen is None or chosen == self._tuning.reference:
                return self._names
            return tuple(name for name in self._names if name not in {chosen, self._tuning.reference})
        if chosen is not None:
            return self._names
        failed = never_worked(Experiment(self._plan, tuple(runs), complete=False))
        return tuple(name for name in self._names if name in self.dropped or name in failed)

    def look(self, runs: Sequence[Run]) -> None:
        """Judge again where it may say something new. Raises MeasurementError when costs cannot be compared."""
        experiment = Experiment(self._plan, tuple(runs), complete=False)
        if self._reached(experiment) != self._at:
            self._tuning = self._judge(runs)

    def _reached(self, experiment: Experiment) -> tuple[int, bool, bool]:
        """Looks that are due, whether there are enough fresh blocks, and one from which costs can be read at all."""
        design = self._plan.design
        assert design.stopping is not None
        assert design.search is not None
        numbers = [block.number for block in counting_blocks(experiment)]
        racing = sum(number < design.stopping.looks[-1] for number in numbers)
        due = sum(look <= racing for look in design.stopping.looks)
        return due, len(numbers) - racing >= design.search.confirmations, bool(numbers)

    def _judge(self, runs: Sequence[Run]) -> Tuning:
        experiment = Experiment(self._plan, tuple(runs), complete=False)
        self._at = self._reached(experiment)
        tuning = judge(experiment)
        if tuning.problem is not None:
            remedy = "wattleak doctor says what can be read here; --metric cpu_s is always there"
            if "samples" in tuning.problem:
                remedy = "wattleak.step(samples=len(batch)) in the loop of the program says it"
            raise MeasurementError(tuning.problem, remedy)
        return tuning
