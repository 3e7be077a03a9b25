"""From an experiment, or from runs that somebody else measured, to candidates in the plane of cost and quality."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.metrics import least_firm, readings_alike
from wattleak.analysis.pareto import Front, Plane, pareto_front
from wattleak.analysis.plane import Candidate
from wattleak.analysis.quality import default_target
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Experiment, QualityTarget

_Runs = tuple[dict[int, float], dict[int, float]]


def front_of(experiment: Experiment, *, metric: str | None = None, quality: QualityTarget | None = None) -> Front | str:
    """The front of an experiment by its primary metric, or in words why there is none.

    Pure: the same experiment gives the same answer. `metric` and `quality` are what the user asks for instead of what
    the plan fixed.
    """
    design = experiment.plan.design
    if design.short is not None:
        return "a training that was ended early has no quality: a front needs full runs"
    blocks = counting_blocks(experiment)
    measurements = [run.measurement for block in blocks for run in block.runs.values()]
    if not measurements:
        return "no block is complete yet"
    reported = [measurement.quality.keys() for measurement in measurements]
    target = quality or design.quality or default_target(set[str]().union(*reported).intersection(*reported))
    if target is None:
        return "no run reported a figure of quality whose direction is known: say --quality NAME:max"
    name = metric or design.metric
    readings = readings_alike(measurements, name)
    if isinstance(readings, str):
        return readings
    each = iter(readings)
    runs: dict[str, _Runs] = {variant.name: ({}, {}) for variant in design.variants}
    for block in blocks:
        for variant, run in block.runs.items():
            cost = next(each).value
            figure = run.measurement.quality.get(target.metric)
            if figure is not None and isfinite(figure) and cost > 0:
                runs[variant][0][block.number] = cost
                runs[variant][1][block.number] = figure
    plane = Plane(
        name,
        target,
        design.smallest_effect,
        design.level,
        paired=True,
        origin=least_firm(reading.origin for reading in readings),
        derived_from=readings[0].derived_from,
    )
    return _placed(runs, plane)


def front_of_rows(
    rows: Sequence[tuple[str, float | None, float | None]], metric: str, quality: QualityTarget, smallest_effect: float
) -> Front | str:
    """The front of runs that were measured elsewhere: (candidate, cost, quality) of each, unpaired, `quoted`."""
    runs: dict[str, _Runs] = {name: ({}, {}) for name, _, _ in rows}
    for number, (name, cost, figure) in enumerate(rows):
        if cost is not None and figure is not None and cost > 0 and isfinite(cost) and isfinite(figure):
            runs[name][0][number] = cost
            runs[name][1][number] = figure
    return _placed(runs, Plane(metric, quality, smallest_effect, paired=False, origin=Origin.QUOTED))


def _placed(runs: Mapping[str, _Runs], plane: Plane) -> Front | str:
    candidates = [Candidate(name, cost, quality) for name, (cost, quality) in runs.items() if cost]
    lacking = {
        name: f"no run that counts has both {plane.cost} above zero and {plane.quality.metric}"
        for name, (cost, _) in runs.items()
        if not cost
    }
    if len(candidates) < 2:
        have = "one candidate has" if candidates else "no candidate has"
        return f"{have} both {plane.cost} above zero and {plane.quality.metric}; a front needs two"
    return pareto_front(candidates, plane, lacking)
