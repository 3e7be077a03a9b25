"""What a run comes to besides joules: money, water, embodied emissions and score, as far as a user states them.

Nothing is assumed. What was stated and cannot be computed for this run is absent, and a note says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.embodied import Device, embodied_kg
from wattleak.footprint.equivalents import equivalents
from wattleak.footprint.price import cost, price
from wattleak.footprint.sci import sci
from wattleak.footprint.terms import figure
from wattleak.footprint.water import grid_water, water, wue
from wattleak.model import Estimate, Term

if TYPE_CHECKING:
    from wattleak.footprint.terms import Rate
    from wattleak.model import Measurement

_OF_THE_RUN = ("run", "step", "sample")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a user states of a place and a device. A field of None was not stated."""

    price: Rate | None = None
    wue: Rate | None = None
    grid_water: Rate | None = None
    device: Device | None = None
    device_share: float = 1.0
    sci: tuple[float, str] | None = None  # functional units of the run and their name; 0 of one: the run says how many
    equivalents: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.equivalents and all(
            part is None for part in (self.price, self.wue, self.grid_water, self.device, self.sci)
        )


def stated(
    *,
    price_per_kwh: str | None = None,
    wue_l_per_kwh: str | None = None,
    grid_water_l_per_kwh: str | None = None,
    embodied: str | None = None,
    device_life_years: float | None = None,
    utilisation: float | None = None,
    device_share: float | None = None,
    per: str | None = None,
    with_equivalents: bool = False,
) -> Stated:
    """Read what was stated. Raises UsageError for what cannot be, or belongs to something that was not stated."""
    device = None
    if embodied is not None:
        if device_life_years is None:
            raise UsageError("embodied emissions are shared out over a life, and none is stated", "--device-life 4")
        device = Device(embodied_kg(embodied), device_life_years, 1.0 if utilisation is None else utilisation)
    else:
        for value, name in (
            (device_life_years, "--device-life"),
            (utilisation, "--utilisation"),
            (device_share, "--device-share"),
            (per, "--sci"),
        ):
            if value is not None:
                raise UsageError(
                    f"{name} belongs to the embodied emissions of a device, and none are stated",
                    "--embodied '1200 kg' --device-life 4",
                )
    return Stated(
        price=None if price_per_kwh is None else price(price_per_kwh),
        wue=None if wue_l_per_kwh is None else wue(wue_l_per_kwh),
        grid_water=None if grid_water_l_per_kwh is None else grid_water(grid_water_l_per_kwh),
        device=device,
        device_share=1.0 if device_share is None else device_share,
        sci=None if per is None else functional_unit(per),
        equivalents=with_equivalents,
    )


def functional_unit(text: str) -> tuple[float, str]:
    """`1000 prediction`, or what the run itself counts: `run`, `step`, `sample` (then 0). Raises UsageError."""
    name = text.strip().lower()
    if name in _OF_THE_RUN:
        return (1.0 if name == "run" else 0.0), name
    amount, unit = figure(text, "SCI", "--sci '1000 prediction', or --sci run, step or sample")
    if not unit or amount.low != amount.high or amount.value <= 0:
        raise UsageError(
            f"SCI: {text!r} is no number of functional units with their name",
            "--sci '1000 prediction', or --sci run, step or sample",
        )
    return amount.value, unit


def account(measurement: Measurement, asked: Stated) -> tuple[tuple[Term, ...], tuple[str, ...]]:
    """The terms of a run, and why a stated one is absent."""
    terms: list[Term] = []
    notes: list[str] = []
    energy, carbon = measurement.attributed_energy_j, measurement.carbon_g
    factor = 1.0 if carbon is None else carbon.pue  # that of the result: one run has one building
    if energy is not None:
        if asked.price is not None:
            terms.append(cost(energy, asked.price, factor))
        terms += water(energy, asked.wue, asked.grid_water, factor)
    elif any(part is not None for part in (asked.price, asked.wue, asked.grid_water)):
        notes.append("no energy is known, so no money and no water can be computed")
    embodied = None
    if asked.device is not None:
        embodied = asked.device.term(measurement.duration_s, asked.device_share)
        terms.append(embodied)
    if asked.sci is not None and embodied is not None:
        units, name = _units(measurement, *asked.sci)
        if carbon is None:
            notes.append("no SCI score: no energy is known")
        elif not units:
            notes.append(f"no SCI score: the run marked no {name}s")
        else:
            score = sci(carbon, embodied, units, name)
            terms += [
                Term(f"SCI {part.name}" if part is not score.score else "SCI", part.unit, part.amount, part.source)
                for part in (score.operational, score.embodied, score.score)
            ]
    if asked.equivalents:
        if carbon is None:
            notes.append("no equivalents: no energy is known")
        else:
            terms += equivalents(Estimate(carbon.value_g, carbon.low_g, carbon.high_g, carbon.origin))
    return tuple(terms), tuple(notes)


def _units(measurement: Measurement, units: float, name: str) -> tuple[float, str]:
    """How many functional units a run did; those that it marked most often where it is to say itself."""
    if units:
        return units, name
    most = max(measurement.steps, key=lambda steps: steps.count, default=None)
    if most is None:
        return 0.0, name
    return float((most.samples or 0) if name == "sample" else most.count), name
