"""The projection of a scenario with its intervals: a day, a year, what dominates, what changes would do.

Values are those of the formulas at the values of the inputs, so that a reader can recompute them; intervals are
percentiles of seeded draws (`footprint.draws`). A range that comes from runs, from a meter and from a grid are three
inputs and are never merged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wattleak.footprint.draws import DRAWS, MonteCarlo, Point, spread
from wattleak.footprint.projected import Amounts, Balance, Effect, Projection, Swing, TermRow
from wattleak.footprint.projection import Evaluation, evaluate
from wattleak.footprint.quantities import Quantity
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from wattleak.footprint.inputs import Input
    from wattleak.footprint.scenario import Change, Scenario


def project(scenario: Scenario, seed: int, draws: int = DRAWS) -> Projection:
    """Compute everything. The same scenario and seed give the same numbers."""
    point = Point()
    exact = evaluate(scenario, point)
    drawn = evaluate(scenario, MonteCarlo(seed, draws))
    before = _Both(exact, drawn)
    origins = [row.origin for row in exact.rows]
    firm = [origin for origin in origins if origin is not Origin.CONSTANT]
    origin = max(firm, key=list(Origin).index) if firm else Origin.CONSTANT
    rows = tuple(
        TermRow(one.name, _estimate(one.energy, many.energy, "kWh/day", one.origin), one.how)
        for one, many in zip(exact.rows, drawn.rows, strict=True)
    )
    effects = [_effect(scenario, change, before, seed, draws, origin) for change in scenario.changes]
    return Projection(
        scenario=scenario,
        seed=seed,
        draws=draws,
        rows=rows,
        day=_day(before, scenario.currency, origin),
        year=_year(before, scenario.currency, origin),
        carbon_rows=tuple(
            (name, _estimate(one, many, "kg/day", origin))
            for (name, one), (_, many) in zip(exact.carbon_rows, drawn.carbon_rows, strict=True)
        ),
        water_rows=tuple(
            (name, _estimate(one, many, "L/day", origin))
            for (name, one), (_, many) in zip(exact.water_day, drawn.water_day, strict=True)
        ),
        days_per_year=float(exact.year.in_unit("day")),
        inputs=tuple(point.asked.values()),
        swings=_swings(scenario, point.asked),
        effects=tuple(effects),
        balance=_balance(before, origin),
    )


@dataclass(frozen=True, slots=True)
class _Both:
    """The same evaluation as point values and as draws."""

    exact: Evaluation
    drawn: Evaluation


# -- amounts ---------------------------------------------------------------------------------------------------------


def _estimate(exact: Quantity, drawn: Quantity, unit: str, origin: Origin) -> Estimate:
    return spread(float(exact.in_unit(unit)), drawn.in_unit(unit), origin)


def _day(both: _Both, currency: str, origin: Origin) -> Amounts:
    one, many = both.exact, both.drawn
    water = None
    if one.water_day:
        water = _estimate(_sum(one.water_day), _sum(many.water_day), "L/day", origin)
    return Amounts(
        _estimate(one.energy_day, many.energy_day, "kWh/day", origin),
        _estimate(one.carbon_day, many.carbon_day, "kg/day", origin),
        None
        if one.money_day is None or many.money_day is None
        else _estimate(one.money_day, many.money_day, f"{currency}/day", origin),
        water,
    )


def _year(both: _Both, currency: str, origin: Origin) -> Amounts:
    one, many = both.exact, both.drawn
    water = None
    if one.water_day:
        water = _estimate(one.per_year(_sum(one.water_day)), many.per_year(_sum(many.water_day)), "L", origin)
    return Amounts(
        _estimate(one.per_year(one.energy_day), many.per_year(many.energy_day), "kWh", origin),
        _estimate(one.per_year(one.carbon_day), many.per_year(many.carbon_day), "kg", origin),
        None
        if one.money_day is None or many.money_day is None
        else _estimate(one.per_year(one.money_day), many.per_year(many.money_day), currency, origin),
        water,
    )


def _sum(terms: tuple[tuple[str, Quantity], ...]) -> Quantity:
    added = terms[0][1]
    for _, term in terms[1:]:
        added = added + term
    return added


# -- what dominates --------------------------------------------------------------------------------------------------


def _swings(scenario: Scenario, asked: dict[str, Input]) -> tuple[Swing, ...]:
    swings = []
    for key, item in asked.items():
        if item.is_exact:
            continue
        ends = [evaluate(scenario, Point(key, high=high)) for high in (False, True)]
        carbon = [float(found.per_year(found.carbon_day).in_unit("kg")) for found in ends]
        energy = [float(found.per_year(found.energy_day).in_unit("kWh")) for found in ends]
        swings.append(Swing(item, carbon[0], carbon[1], energy[0], energy[1]))
    return tuple(sorted(swings, key=lambda swing: -swing.width))


# -- what changes would do -------------------------------------------------------------------------------------------


def _effect(scenario: Scenario, change: Change, before: _Both, seed: int, draws: int, origin: Origin) -> Effect:
    after = changed(scenario, change)
    both = _Both(
        evaluate(after, Point(), change.energy),
        evaluate(after, MonteCarlo(seed, draws), change.energy),
    )
    weakest = origin if change.energy is None else max((origin, change.energy.origin), key=list(Origin).index)
    if change.energy is not None and change.energy.origin is Origin.CONSTANT:
        weakest = origin
    difference = _Both(_minus(both.exact, before.exact), _minus(both.drawn, before.drawn))
    one, many = (
        _share(after.carbon_day, earlier.carbon_day)
        for after, earlier in ((both.exact, before.exact), (both.drawn, before.drawn))
    )
    return Effect(
        change.name,
        change.note,
        _day(difference, scenario.currency, weakest),
        _year(difference, scenario.currency, weakest),
        _estimate(one, many, "", weakest),
    )


def _share(after: Quantity, before: Quantity) -> Quantity:
    """Relative change, of the draws in which there was something to change; 0 where there is nothing in any."""
    later, earlier = np.broadcast_arrays(after.base, before.base)
    kept = earlier != 0.0
    if not kept.any():
        return Quantity(0.0)
    if later.ndim == 0:
        return Quantity(float(later / earlier) - 1.0)
    return Quantity(later[kept] / earlier[kept] - 1.0)


def changed(scenario: Scenario, change: Change) -> Scenario:
    """The scenario after a change of its places, hours or jobs."""
    after = scenario
    if change.places is not None:
        after = replace(after, places=change.places)
    if change.hours is not None:
        after = replace(after, hours=change.hours)
    if change.jobs is not None:
        others = tuple(stream for stream in scenario.streams if stream.counted != "job")
        after = replace(after, streams=(*change.jobs, *others))
    return after


def _minus(after: Evaluation, before: Evaluation) -> Evaluation:
    """Only what `_day` and `_year` read. Growth is the same on both sides."""
    return Evaluation(
        rows=(),
        streams=(),
        energy_day=after.energy_day - before.energy_day,
        year=after.year,
        carbon_day=after.carbon_day - before.carbon_day,
        carbon_rows=(),
        money_day=None if after.money_day is None or before.money_day is None else after.money_day - before.money_day,
        water_day=tuple(
            (name, one - other) for (name, one), (_, other) in zip(after.water_day, before.water_day, strict=True)
        ),
    )


# -- training against inference --------------------------------------------------------------------------------------


def _balance(both: _Both, origin: Origin) -> Balance | None:
    one, many = ({kind: (day, single) for kind, day, single in found.streams} for found in (both.exact, both.drawn))
    if not {"training", "inference"} <= one.keys() or float(one["inference"][0].in_unit("J/day")) == 0.0:
        return None
    shares, days = [], []
    for found in (one, many):
        training, inference = found["training"], found["inference"]
        shares.append(training[0] / (training[0] + inference[0]))
        days.append(training[1] / inference[0])
    per_day = float((one["inference"][0] / one["inference"][1]).in_unit("1/day"))
    point = float(days[0].in_unit("day"))
    return Balance(
        _estimate(shares[0], shares[1], "", origin),
        _estimate(days[0], days[1], "day", origin),
        point * per_day,
    )
