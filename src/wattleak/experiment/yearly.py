"""What a proved saving comes to in a year of runs.

    saved energy = runs per year x attributed energy of one run of the reference x (-change)

Its range are the products of the ends of two ranges: that of the energy of one run (how well the source is known; a
model of CPU time is off by the same factor for both variants) and that of the change (what chance may have done). Right
when both err together, wider than needed when they err independently, as for carbon (footprint.intensity). Energy is
that of the process tree, without idle power, which goes on whether the program runs or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.errors import UsageError
from wattleak.footprint.intensity import carbon
from wattleak.model import Estimate, Verdict

if TYPE_CHECKING:
    from wattleak.model import Carbon, Experiment, Measurement, PairComparison

J_PER_KWH = 3.6e6
_RUN, _STEP = "attributed_energy_j", "attributed_energy_per_step_j"


@dataclass(frozen=True, slots=True)
class Yearly:
    """Saved in a year: joules, and what they emit."""

    candidate: str
    runs_per_year: float
    full_steps: int | None  # of a whole run, where the experiment ran parts of it
    metric: str  # that it is computed from
    energy_j: Estimate
    carbon_g: Carbon
    level: float  # of the interval of the change


def runs_per_year(text: str | None) -> float | None:
    """The number that --runs-per-year gives. Raises UsageError."""
    if text is None:
        return None
    try:
        number = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"--runs-per-year {text} is no number of runs", "--runs-per-year 365")
    return number


def yearly_saving(
    experiment: Experiment,
    pair: PairComparison,
    runs: float,
    *,
    region: str | None = None,
    pue: float | None = None,
    full_steps: int | None = None,
) -> Yearly | str:
    """The saving of one candidate, or in words why there is none to be told.

    Raises:
        UsageError: the region or the PUE is unknown.
    """
    if pair.verdict is not Verdict.SAVING:
        return "the verdict is not SAVING"
    short = experiment.plan.design.short is not None
    if short and full_steps is None:
        return "the runs were ended early: --full-steps N says how many steps a whole one has"
    if short and "_per_sample_" in pair.primary_metric:
        return "the variants do different work in a step, so that steps cannot be multiplied"
    name = _STEP if short else _RUN
    compared = pair.metrics.get(name)
    if compared is None or compared.change is None or compared.low is None or compared.high is None:
        return "no energy was attributed to the program in every run that counts"
    if compared.high >= 0:
        return "the energy attributed to the program is not shown to fall"
    factor = runs * ((full_steps or 1) if short else 1)
    base_j = compared.reference * factor
    known = [
        energy
        for block in counting_blocks(experiment)
        if pair.candidate in block.runs
        and (energy := _attributed(block.runs[pair.reference].measurement, short=short)) is not None
        and energy.value > 0
    ]
    low_j = base_j * median(energy.low / energy.value for energy in known)
    high_j = base_j * median(energy.high / energy.value for energy in known)
    saved = Estimate(base_j * -compared.change, low_j * -compared.high, high_j * -compared.low, compared.origin)
    return Yearly(
        candidate=pair.candidate,
        runs_per_year=runs,
        full_steps=full_steps if short else None,
        metric=name,
        energy_j=saved,
        carbon_g=carbon(saved, region, pue),
        level=pair.level,
    )


def _attributed(measurement: Measurement, *, short: bool) -> Estimate | None:
    if not short:
        return measurement.attributed_energy_j
    return None if measurement.window is None else measurement.window.attributed_energy_j
