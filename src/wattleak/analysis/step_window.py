"""Which steps of a recording count together: from the first mark to the last. Pure, standard library only.

What comes before the first mark is start-up (imports, compiling, filling caches), what comes after the last is the
end; neither is part of the price of a step. All that lies between them is, whatever it is: waiting for data, an
evaluation now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import StepRun


@dataclass(frozen=True, slots=True)
class CountedSteps:
    """Steps of one name, over all threads that marked them."""

    name: str
    writers: int
    steps: int  # that ended after the first mark
    samples: float | None
    start_s: float
    end_s: float


def counted_steps(runs: Sequence[StepRun]) -> CountedSteps | None:
    """The steps of the name that was marked most often; None for fewer than two marks of one thread.

    The first mark of a thread only opens the window. How many samples it said is not kept apart, so the samples of its
    stretch are cut down in proportion: exact where batches are alike, and wrong by less than one batch otherwise.
    """
    timed: dict[str, int] = {}
    for run in runs:
        timed[run.name] = timed.get(run.name, 0) + run.timed
    name = max(timed, key=lambda found: timed[found], default=None)
    if name is None or timed[name] == 0:
        return None
    own = [run for run in runs if run.name == name]
    samples = sum(run.samples * run.timed / run.count for run in own if run.count)
    return CountedSteps(
        name=name,
        writers=len({run.writer for run in own}),
        steps=timed[name],
        samples=samples or None,
        start_s=min(run.start_s for run in own),
        end_s=max(run.end_s for run in own),
    )
