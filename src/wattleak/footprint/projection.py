"""From the energy of one piece of work to a day and a year of a fleet, term by term.

    work        = sum over streams of (times a day x energy of one)
    repeats     = work x f / (1 - f) x c       f: share of attempts that fail, c: part of a run that a failed one used
    tried       = work + repeats
    terms       = tried x o                    o: overhead of the scheduler
                + tried x (1/e - 1)            e: batch efficiency
                + tried x s x d                s: share of the energy that is storage or network, d: its change
                + tried x t                    t: what thermal throttling adds
    computers   = tried + terms
    idle        = computers x (1 - u)/u x i    u: utilisation, i: power at rest over power at work
    building    = (computers + idle) x (PUE - 1)
    a day       = computers + idle + building
    a year      = a day x 365 x g/ln(1 + g)    g: growth per year, running on through the year

Terms stand beside each other, all of `tried`: their order does not matter and a reader can add them up. Carbon, money
and water follow the energy of the same day or year:

    carbon = energy x sum over places of (share x intensity) x hours       hours: mean intensity of the hours worked
    money  = energy x price x hours                                        over the mean of the day
    water  = (computers + idle) x WUE, and energy x litres per kWh of the power station, two terms apart

The same code computes the point values and the Monte Carlo draws: an input is asked for by `draw`, which answers with
its value or with an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wattleak.footprint.quantities import DAYS_PER_YEAR, Quantity, of, total
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from wattleak.footprint.inputs import Input
    from wattleak.footprint.scenario import Scenario, Stream

    Draw = Callable[[Input], Quantity]


@dataclass(frozen=True, slots=True)
class Row:
    """One named term of a day's energy."""

    name: str
    energy: Quantity  # J/day
    how: str  # the formula with its numbers' names
    origin: Origin


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A day and a year, in point values or in draws."""

    rows: tuple[Row, ...]
    streams: tuple[tuple[str, Quantity, Quantity], ...]  # kind of count, J/day of all of it, J of one
    energy_day: Quantity
    year: Quantity  # days that count in a year
    carbon_day: Quantity
    carbon_rows: tuple[tuple[str, Quantity], ...]
    money_day: Quantity | None
    water_day: tuple[tuple[str, Quantity], ...]  # named terms

    def per_year(self, day: Quantity) -> Quantity:
        """What a daily amount comes to in the year."""
        return day * self.year


def evaluate(scenario: Scenario, draw: Draw, energy_change: Input | None = None) -> Evaluation:
    """All terms. With `energy_change` (a fraction, as -0.05) everything is scaled by one plus it.

    Raises:
        DimensionMismatch: an input is not of the dimension that its place has.
    """
    worked = [(stream, _energy_of(stream, draw)) for stream in scenario.streams]
    rows = [
        Row(stream.name, energy, _how(stream), _weakest(stream.work.energy, stream.work.meter, stream.per_day))
        for stream, (energy, _) in worked
    ]
    work = total([row.energy for row in rows])
    extra = _repeats(scenario, draw, work)
    tried = total([work, *(row.energy for row in extra)])
    extra += _terms(scenario, draw, tried)
    computers = total([work, *(row.energy for row in extra)])
    rows += extra
    rows += _idle(scenario, draw, computers)
    running = total([row.energy for row in rows])
    rows += _building(scenario, draw, running)
    if energy_change is not None:
        factor = draw(energy_change) + 1.0
        rows = [Row(row.name, row.energy * factor, row.how, row.origin) for row in rows]
        running = running * factor
        worked = [(stream, (day * factor, one * factor)) for stream, (day, one) in worked]
    energy = total([row.energy for row in rows])
    carbon_rows = tuple(
        (place.region, energy * place.share * draw(place.intensity) * _by_hour(scenario, "intensity"))
        for place in scenario.places
    )
    return Evaluation(
        rows=tuple(rows),
        streams=tuple((stream.counted, day, one) for stream, (day, one) in worked),
        energy_day=energy,
        year=_year(scenario, draw),
        carbon_day=total([carbon for _, carbon in carbon_rows]),
        carbon_rows=carbon_rows,
        money_day=None if scenario.price is None else energy * draw(scenario.price) * _by_hour(scenario, "price"),
        water_day=_water(scenario, draw, running, energy),
    )


# -- terms -----------------------------------------------------------------------------------------------------------


def _energy_of(stream: Stream, draw: Draw) -> tuple[Quantity, Quantity]:
    """Of a day, and of one piece of work."""
    one = draw(stream.work.energy) / stream.work.divided_by
    if stream.work.meter is not None:
        one = one * draw(stream.work.meter)
    each = of(1.0, stream.counted)
    return draw(stream.per_day) * stream.share * (one / each), one


def _how(stream: Stream) -> str:
    part = f" x {stream.share:.0%} of them" if stream.share != 1.0 else ""
    return f"{stream.counted}s a day{part} x energy of one"


def _repeats(scenario: Scenario, draw: Draw, work: Quantity) -> list[Row]:
    rate = scenario.failure_rate
    if rate is None:
        return []
    failed = draw(rate)
    again = failed / (-failed + 1.0)
    if scenario.failed_cost is not None:
        again = again * draw(scenario.failed_cost)
    how = "work x f/(1-f)" + (" x what a failed attempt uses" if scenario.failed_cost is not None else "")
    return [Row("failures and retries", work * again, how, _weakest(rate, scenario.failed_cost))]


def _terms(scenario: Scenario, draw: Draw, tried: Quantity) -> list[Row]:
    rows = []
    if (overhead := scenario.scheduler_overhead) is not None:
        rows.append(Row("scheduler overhead", tried * draw(overhead), "tried x overhead", overhead.origin))
    if (efficiency := scenario.batch_efficiency) is not None:
        lost = Quantity(1.0) / draw(efficiency) - 1.0
        rows.append(Row("batch efficiency", tried * lost, "tried x (1/efficiency - 1)", efficiency.origin))
    for part in scenario.parts:
        changed = tried * draw(part.share) * draw(part.change)
        rows.append(
            Row(part.name, changed, f"tried x share x change of {part.what}", _weakest(part.share, part.change))
        )
    if (throttling := scenario.throttling) is not None:
        rows.append(Row("thermal throttling", tried * draw(throttling), "tried x increase", throttling.origin))
    return rows


def _idle(scenario: Scenario, draw: Draw, computers: Quantity) -> list[Row]:
    used, resting = scenario.utilisation, scenario.idle_share
    if used is None or resting is None:
        return []
    busy = draw(used)
    idle = computers * ((-busy + 1.0) / busy) * draw(resting)
    return [Row("idle machines", idle, "computers x (1-u)/u x idle share", _weakest(used, resting))]


def _building(scenario: Scenario, draw: Draw, running: Quantity) -> list[Row]:
    if scenario.pue is None:
        return []
    return [
        Row(
            "building (PUE)",
            running * (draw(scenario.pue) - 1.0),
            "computers and idle x (PUE - 1)",
            scenario.pue.origin,
        )
    ]


def _water(scenario: Scenario, draw: Draw, running: Quantity, energy: Quantity) -> tuple[tuple[str, Quantity], ...]:
    terms = []
    if scenario.wue is not None:
        terms.append(("water on site", running * draw(scenario.wue)))
    if scenario.grid_water is not None:
        terms.append(("water at the power station", energy * draw(scenario.grid_water)))
    return tuple(terms)


def _year(scenario: Scenario, draw: Draw) -> Quantity:
    """Days of today's size in the first year: 365, times the mean of (1+g)^t over it."""
    if scenario.growth is None:
        return of(DAYS_PER_YEAR, "day")
    growth = draw(scenario.growth).base
    steady = np.abs(growth) < 1e-9
    safe = np.where(steady, 1.0, growth)
    mean = np.where(steady, 1.0 + np.asarray(growth) / 2, safe / np.log1p(safe))
    return of(float(mean) if mean.ndim == 0 else mean, "day") * DAYS_PER_YEAR


def _by_hour(scenario: Scenario, what: str) -> float:
    if scenario.hours is None:
        return 1.0
    return scenario.hours.factor(scenario.hours.intensity if what == "intensity" else scenario.hours.price)


def _weakest(*inputs: Input | None) -> Origin:
    """A product is no firmer than its weakest part; Origin lists them from the firmest down.

    A count or a rate that the user states is the question, not a reading, and weakens nothing.
    """
    known = [item.origin for item in inputs if item is not None and item.origin is not Origin.CONSTANT]
    return max(known, key=list(Origin).index) if known else Origin.CONSTANT
