"""What the reference program says about the machine: it did the same work each time, so what moved is not the user's.

Rules (methodology P10): a run of it that lies farther from the median than 2 % and than three standard deviations
(1.4826 x the median absolute deviation) is doubted; so is a trend over time by Kendall's test at 0.01 that makes up
more than 1 % from the first run to the last (the line of Theil and Sen). The blocks cancel most of what moves slowly;
the doubt says how far to trust absolute values, and that the machine was not alone or not at rest.
"""

from __future__ import annotations

import statistics
from datetime import datetime
from typing import TYPE_CHECKING

from scipy.stats import kendalltau, theilslopes

from wattleak.analysis.blocks import is_good
from wattleak.analysis.metrics import readings_alike
from wattleak.model import CONTROL, ControlCheck, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Experiment, Measurement

_LEAST_MOVE = 0.02
_DEVIATIONS = 3.0
_TO_SIGMA = 1.4826  # of a normal distribution: standard deviation over median absolute deviation
_FEWEST = 3  # runs that can tell anything
_FEWEST_FOR_A_TREND = 6  # Kendall's test of 5 cannot go below p = 0.017
_TREND_P = 0.01
_TREND = 0.01  # of the median, from the first run to the last
_FIRM = frozenset({Origin.COUNTER, Origin.SAMPLED, Origin.SIMULATED})


def check_control(experiment: Experiment) -> ControlCheck | None:
    """Judge the runs of the reference program; None when there are none that count."""
    runs = [run for run in experiment.runs if run.variant == CONTROL]
    good = sorted((run.measurement for run in runs if is_good(run)), key=lambda found: found.started_at)
    if not good:
        return None
    metric, values = _values(good, experiment.plan.design.metric)
    middle = statistics.median(values)
    spread = _TO_SIGMA * statistics.median([abs(value - middle) for value in values]) / middle
    largest = max((value / middle - 1.0 for value in values), key=abs)
    tolerated = max(_LEAST_MOVE, _DEVIATIONS * spread)
    tau, p, drift = _trend(good, values, middle)
    doubts = []
    if len(runs) > len(good):
        doubts.append(f"{len(runs) - len(good)} of {len(runs)} runs of the reference program failed")
    if len(values) < _FEWEST:
        doubts.append(f"the reference program ran {len(values)} times: too few to say whether the machine held still")
    elif abs(largest) > tolerated:
        doubts.append(
            f"the machine did not hold still: {metric} of the reference program, the same work each time, was "
            f"{100 * largest:+.1f} % off its median once (tolerated {100 * tolerated:.1f} %)"
        )
    if p is not None and drift is not None and p < _TREND_P and abs(drift) > _TREND:
        doubts.append(
            f"the machine drifted: {metric} of the reference program changed by {100 * drift:+.1f} % over the session "
            f"(Kendall tau = {tau:+.2f}, p = {p:.1g})"
        )
    return ControlCheck(metric, len(values), middle, spread, largest, tolerated, tau, p, drift, tuple(doubts))


def _values(runs: Sequence[Measurement], primary: str) -> tuple[str, list[float]]:
    """The primary metric of whole runs, where it is measured alike in all of them; CPU time otherwise."""
    whole = primary.replace("_per_step_", "_").replace("_per_sample_", "_")
    for name in (whole, "cpu_s"):
        readings = readings_alike(runs, name)
        if not isinstance(readings, str) and all(
            reading.origin in _FIRM and reading.derived_from is None and reading.value > 0 for reading in readings
        ):
            return name, [reading.value for reading in readings]
    return "duration_s", [run.duration_s for run in runs]


def _trend(
    runs: Sequence[Measurement], values: Sequence[float], middle: float
) -> tuple[float | None, float | None, float | None]:
    """Kendall's tau with its p-value, and the change from the first run to the last as a fraction of the median."""
    if len(values) < _FEWEST_FOR_A_TREND or len(set(values)) < 2:
        return None, None, None
    times_s = [datetime.fromisoformat(run.started_at).timestamp() for run in runs]
    if len(set(times_s)) < 2:
        return None, None, None
    test = kendalltau(times_s, values)
    slope = float(theilslopes(values, times_s)[0])
    return float(test.statistic), float(test.pvalue), slope * (times_s[-1] - times_s[0]) / middle
