"""What `project --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import envelope, range_document
from wattleak.footprint.quantities import shown_unit
from wattleak.footprint.terms import J_PER_KWH
from wattleak.reports.projection import projection_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.footprint.inputs import Input
    from wattleak.footprint.projected import Amounts, Effect, Projection


def projection_document(projections: Sequence[Projection]) -> dict[str, Any]:
    """What `project --json` prints."""
    return {**envelope("project"), "scenarios": [_scenario_document(item) for item in projections]}


def _scenario_document(projection: Projection) -> dict[str, Any]:
    scenario = projection.scenario
    return {
        "name": scenario.name,
        "title": scenario.title,
        "seed": projection.seed,
        "draws": projection.draws,
        "level": 0.95,
        "currency": scenario.currency or None,
        "days_per_year": projection.days_per_year,
        "inputs": [_input_document(item) for item in projection.inputs],
        "terms": [
            {"name": row.name, "how": row.how, "energy_kwh": range_document(row.kwh_per_day)} for row in projection.rows
        ],
        "day": amounts_document(projection.day),
        "year": amounts_document(projection.year),
        "places": [
            {
                "region": place.region,
                "share": place.share,
                "table": place.table or None,
                "intensity_g_per_kwh": place.intensity.value * J_PER_KWH,
                "carbon_kg": range_document(carbon),
            }
            for place, (_, carbon) in zip(scenario.places, projection.carbon_rows, strict=True)
        ],
        "water_terms": [{"name": name, "water_l": range_document(item)} for name, item in projection.water_rows],
        "uncertainty": [
            {
                "input": swing.input.key,
                "carbon_kg": {"low": swing.carbon_low_kg, "high": swing.carbon_high_kg},
                "energy_kwh": {"low": swing.energy_low_kwh, "high": swing.energy_high_kwh},
            }
            for swing in projection.swings
        ],
        "effects": [_effect_document(effect) for effect in projection.effects],
        "not_computed": list(scenario.not_asked),
        "training_against_inference": None
        if projection.balance is None
        else {
            "training_share": range_document(projection.balance.training_share),
            "break_even_days": range_document(projection.balance.break_even_days),
            "break_even_inferences": projection.balance.break_even_inferences,
        },
        "notes": projection_notes(projection),
    }


def _effect_document(effect: Effect) -> dict[str, Any]:
    return {
        "name": effect.name,
        "note": effect.note,
        "day": amounts_document(effect.day),
        "year": amounts_document(effect.year),
        "carbon_change": range_document(effect.relative),
    }


def amounts_document(amounts: Amounts) -> dict[str, Any]:
    """Energy, carbon, money and water of a time or a number of jobs."""
    return {
        "energy_kwh": range_document(amounts.energy_kwh),
        "carbon_kg": range_document(amounts.carbon_kg),
        "money": range_document(amounts.money),
        "water_l": range_document(amounts.water_l),
    }


def _input_document(item: Input) -> dict[str, Any]:
    symbol, size = shown_unit(item.dimension)
    return {
        "name": item.key,
        "value": item.value / size,
        "low": item.low / size,
        "high": item.high / size,
        "unit": symbol,
        "origin": item.origin.value,
        "source": item.source,
    }
