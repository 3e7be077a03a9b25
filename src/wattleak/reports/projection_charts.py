"""Charts of a projection as Vega-Lite specifications: what dominates, the terms, scenarios side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports import units
from wattleak.reports.charting import SCHEMA, Spec
from wattleak.reports.projection import input_text, moving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.footprint.projected import Projection

_ROW = 34
_ENDS = ("low end of its range", "high end of its range")


def tornado(projection: Projection) -> Spec:
    """The year's CO2e with one input at either end of its range, all others at their values; the widest on top."""
    middle = projection.year.carbon_kg.value * 1000
    swings = moving(projection)
    ends = [end * 1000 for swing in swings for end in (swing.carbon_low_kg, swing.carbon_high_kg)]
    symbol, size = units.fitting([middle, *ends], "g")
    rows: list[Spec] = [
        {
            "input": swing.input.key,
            "end": _ENDS[place],
            "from": middle / size,
            "to": end * 1000 / size,
            "is": input_text(swing.input),
        }
        for swing in swings
        for place, end in enumerate((swing.carbon_low_kg, swing.carbon_high_kg))
    ]
    y = {"field": "input", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False, "domain": False}}
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "title": f"CO2e of a year, {symbol}"}
    color = {"field": "end", "type": "nominal", "scale": {"domain": list(_ENDS)}, "legend": {"title": None}}
    tooltip = [{"field": "input"}, {"field": "end", "title": "at the"}, {"field": "to", "title": f"CO2e, {symbol}"}]
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.6}, "opacity": 0.85},
        "encoding": {
            "y": y,
            "x": {"field": "from", **x},
            "x2": {"field": "to"},
            "color": color,
            "tooltip": [*tooltip, {"field": "is", "title": "input"}],
        },
    }
    zero = {
        "data": {"values": [{"middle": middle / size}]},
        "mark": {"type": "rule", "style": "middle"},
        "encoding": {"x": {"field": "middle", **x}},
    }
    return {**_frame(rows, len(swings)), "layer": [bars, zero]}


def terms(projection: Projection) -> Spec:
    """Energy of a day, term by term, each bar beginning where the last one ended."""
    ends = [0.0]
    for row in projection.rows:
        ends.append(ends[-1] + row.kwh_per_day.value * 1000)
    symbol, size = units.fitting(ends, "Wh")
    rows: list[Spec] = [
        {
            "term": f"{row.name} ({row.kwh_per_day.origin.value})",
            "from": ends[place] / size,
            "to": ends[place + 1] / size,
            "adds": units.quantity(row.kwh_per_day.value * 1000, "Wh"),
            "kind": "takes away" if row.kwh_per_day.value < 0 else "adds",
        }
        for place, row in enumerate(projection.rows)
    ]
    y = {"field": "term", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False, "domain": False}}
    x = {"type": "quantitative", "scale": {"zero": True}, "title": f"energy of a day, {symbol}"}
    color = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["takes away", "adds"]},
        "legend": None,
    }
    return {
        **_frame(rows, len(rows)),
        "mark": {"type": "bar", "height": {"band": 0.6}, "opacity": 0.85},
        "encoding": {
            "y": y,
            "x": {"field": "from", **x},
            "x2": {"field": "to"},
            "color": color,
            "tooltip": [{"field": "term"}, {"field": "adds", "title": "energy"}],
        },
    }


def scenarios(projections: Sequence[Projection]) -> Spec:
    """CO2e of a year with its interval, one row for each scenario."""
    symbol, size = units.fitting([item.year.carbon_kg.high * 1000 for item in projections], "g")
    rows: list[Spec] = [
        {
            "scenario": item.scenario.title,
            "value": item.year.carbon_kg.value * 1000 / size,
            "low": item.year.carbon_kg.low * 1000 / size,
            "high": item.year.carbon_kg.high * 1000 / size,
        }
        for item in projections
    ]
    axis = {"ticks": False, "domain": False, "labelLimit": 480}
    y = {"field": "scenario", "type": "nominal", "sort": None, "title": None, "axis": axis}
    x = {"type": "quantitative", "scale": {"zero": True}, "title": f"CO2e of a year, {symbol}"}
    interval = {
        "mark": {"type": "rule", "style": "interval", "strokeWidth": 3},
        "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}},
    }
    point = {
        "mark": {"type": "point", "shape": "diamond", "filled": True, "style": "estimate", "size": 120},
        "encoding": {"y": y, "x": {"field": "value", **x}, "tooltip": [{"field": name} for name in rows[0]]},
    }
    return {**_frame(rows, len(rows)), "layer": [interval, point]}


def _frame(rows: list[Spec], count: int) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": _ROW * max(1, count),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
    }
