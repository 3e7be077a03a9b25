"""What the same job costs on each device: measured here, on another machine before, or stated by somebody. Pure.

Only devices of one experiment are held against each other. What was measured on another machine, or stands in a table,
differs in more than the device (software, day, cooling, who else was there), and no randomisation can take that out: it
is shown beside the others and gets no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.model_costs import ModelCost
    from wattleak.model import Variant

HERE = "here"
TITLE = "WATTLEAK_DEVICE"
"""Environment of a variant: what its device is called by its maker. For whoever reads the experiment later."""

_OF_THE_DEVICE = "--device"


@dataclass(frozen=True, slots=True)
class DeviceCost:
    """One device with the job that ran on it. None: not measured, or not stated."""

    name: str  # "cpu-2", "cuda-0"; of a table what it says
    title: str  # what its maker calls it
    source: str  # HERE, or whose runs or table it is
    runs: int | None
    samples_per_s: float | None
    energy_per_sample_j: Estimate | None
    carbon_per_sample_g: Estimate | None
    accuracy: float | None = None
    auc: float | None = None
    cpu_use: float | None = None  # of all CPUs of the machine, by time
    device_use: Mapping[str, float] = field(default_factory=dict)  # channel -> share of the time
    flops_s: float | None = None  # achieved in training
    job: str = ""  # the words of the program besides the device; empty: nobody says
    ranged: bool = True  # False: a figure without a range, because its source states none
    why_no_verdict: str = ""  # empty: it is part of this experiment


def measured(
    costs: Sequence[ModelCost], variants: Mapping[str, Variant], source: str = HERE, why_no_verdict: str = ""
) -> tuple[DeviceCost, ...]:
    """What was measured by an experiment, of each of its variants."""
    return tuple(
        DeviceCost(
            name=cost.name,
            title=cost.shape.title,
            source=source,
            runs=cost.runs,
            samples_per_s=None if not cost.duration_per_sample_s else 1 / cost.duration_per_sample_s,
            energy_per_sample_j=cost.energy_per_sample_j,
            carbon_per_sample_g=_carbon(cost),
            accuracy=cost.quality.get("accuracy"),
            auc=cost.quality.get("auc"),
            cpu_use=cost.cpu_weighted,
            device_use=dict(cost.device_weighted),
            flops_s=cost.achieved_flops_s if cost.shape.training_flops else None,
            job=job_of(variants[cost.name]),
            why_no_verdict=why_no_verdict,
        )
        for cost in costs
    )


def stated(
    name: str,
    source: str,
    why_no_verdict: str,
    figures: Mapping[str, float],
    job: str = "",
    place: Estimate | None = None,
) -> DeviceCost:
    """What somebody states: `energy_per_sample_j`, or `power_w` and `samples_per_s`, whose ratio it is.

    Also read of `figures`: the range `power_low_w` to `power_high_w`, accuracy, auc and utilisation. `place`: grams of
    CO2e per joule where this study runs, for the emissions.
    """
    speed = figures.get("samples_per_s")
    low = value = high = figures.get("energy_per_sample_j")
    if value is None and speed and "power_w" in figures:
        value = figures["power_w"] / speed
        low, high = (figures.get(end, figures["power_w"]) / speed for end in ("power_low_w", "power_high_w"))
    energy = None if value is None or low is None or high is None else Estimate(value, low, high, Origin.QUOTED)
    return DeviceCost(
        name=name,
        title=name,
        source=source,
        runs=None,
        samples_per_s=speed,
        energy_per_sample_j=energy,
        carbon_per_sample_g=None if energy is None or place is None else _product(energy, place),
        accuracy=figures.get("accuracy"),
        auc=figures.get("auc"),
        device_use={"device": figures["utilisation"]} if "utilisation" in figures else {},
        job=job,
        ranged=energy is not None and energy.low < energy.high,
        why_no_verdict=why_no_verdict,
    )


def grams_per_joule(costs: Sequence[ModelCost]) -> Estimate | None:
    """What a joule comes to in CO2e where these runs were made; None: unknown.

    Its range is that of the carbon intensity alone: energy and emissions of a run share the range of the energy.
    """
    for cost in costs:
        grams, energy = cost.carbon_g, cost.energy_j
        if grams is not None and energy is not None and min(energy.low, energy.value, energy.high) > 0:
            return Estimate(grams.value / energy.value, grams.low / energy.low, grams.high / energy.high, Origin.QUOTED)
    return None


def job_of(variant: Variant) -> str:
    """The words of a variant's program besides the device: of two jobs that are the same, they are the same.

    Of an option that stands there twice the last counts, as in the program.
    """
    words = list(variant.command)
    if words and words[0].rpartition("/")[2].startswith("python"):  # another machine has another one
        del words[0]
    options: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            options[name] = [value] if equals else []
        elif name:
            options[name].append(word)
    program = next((word.rpartition("/")[2] for word in words if not word.startswith("-")), "")
    told = [" ".join([name, *values]) for name, values in sorted(options.items()) if name != _OF_THE_DEVICE]
    return " ".join([program, *told])


def different_job(entry: DeviceCost, job: str) -> str | None:
    """In words how an entry's job differs from that of the experiment; None: it does not."""
    if not entry.job:
        return "what the job was is not said"
    if entry.job == job:
        return None
    theirs, ours = _options(entry.job), _options(job)
    differing = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    shown = ", ".join(f"{name} {theirs.get(name) or 'not given'}" for name in differing)
    return f"another job: {shown or entry.job}"


def _options(job: str) -> dict[str, str]:
    program, *options = job.split(" --")
    return {"program": program} | {
        "--" + name: value for name, _, value in (option.partition(" ") for option in options)
    }


def _carbon(cost: ModelCost) -> Estimate | None:
    place = grams_per_joule([cost])
    return None if place is None or cost.energy_per_sample_j is None else _product(cost.energy_per_sample_j, place)


def _product(energy: Estimate, place: Estimate) -> Estimate:
    return Estimate(energy.value * place.value, energy.low * place.low, energy.high * place.high, energy.origin)
