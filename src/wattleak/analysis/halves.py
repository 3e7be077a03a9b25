"""What an order of runs without chance hides: the same program, held against itself earlier in the same sequence.

When all runs of one variant are made before the first of the next, whatever moves in between (a machine that warms up,
a neighbour who comes) looks the same as an effect. How much moved can be seen inside one variant: its first half and
its second half differ by nothing but time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import is_good
from wattleak.analysis.metrics import readings_alike
from wattleak.analysis.unpaired import unpaired_change

if TYPE_CHECKING:
    from wattleak.analysis.effect import Change
    from wattleak.model import Experiment

_FEWEST = 4  # runs: two in each half


@dataclass(frozen=True, slots=True)
class Halves:
    """The second half of a variant's runs against its first half; a change here is time alone."""

    variant: str
    metric: str
    runs: int
    change: Change


def halves(experiment: Experiment, variant: str, metric: str) -> Halves | None:
    """None with fewer than four runs, or where the metric was not read alike in all of them."""
    runs = [run for run in experiment.runs if run.variant == variant and run.block >= 0 and is_good(run)]
    runs.sort(key=lambda run: run.measurement.started_at)
    readings = readings_alike([run.measurement for run in runs], metric)
    if len(runs) < _FEWEST or isinstance(readings, str):
        return None
    values = [reading.value for reading in readings]
    middle = len(values) // 2
    change = unpaired_change(values[:middle], values[middle:], experiment.plan.design.level)
    return Halves(variant, metric, len(values), change)
