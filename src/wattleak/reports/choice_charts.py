"""Charts to choose by: what each candidate costs and how good it is, what each setting costs, the price of accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports import units, words
from wattleak.reports.charting import Spec, head, variant_marks, with_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.pareto import Front
    from wattleak.analysis.tuning import Tuning

# -- (e) what a candidate costs and how good it is -------------------------------------------------------------------

_LOG_ABOVE = 8.0  # ratio of the dearest to the cheapest from which a logarithmic axis shows more


def front(found: Front) -> Spec:
    """Cost against quality: a box for the two-dimensional interval of each candidate, a line along the front."""
    ends = [end for placed in found.candidates for end in (placed.cost.value, placed.cost.low, placed.cost.high) if end]
    symbol, size = units.fitting(ends, words.unit(found.plane.cost))
    steps = {name for step in found.steps for name in (step.cheaper, step.dearer)}
    rows = [
        {
            "variant": placed.name,
            "cost": placed.cost.value / size,
            "cost_low": None if placed.cost.low is None else placed.cost.low / size,
            "cost_high": None if placed.cost.high is None else placed.cost.high / size,
            "quality": placed.quality.value,
            "quality_low": placed.quality.low,
            "quality_high": placed.quality.high,
            "standing": placed.standing.value,
            "line": placed.name in steps,
        }
        for placed in found.candidates
    ]
    logarithmic = max(ends) > _LOG_ABOVE * min(ends)
    x = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log"} if logarithmic else {"zero": False, "nice": True, "padding": 24},
        "title": with_unit(words.title(found.plane.cost), symbol),
    }
    y = {
        "field": "quality",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "title": found.plane.quality.metric,
    }
    firm = {"condition": {"test": "datum.standing === 'dominated'", "value": 0.4}, "value": 1}
    names = [placed.name for placed in found.candidates]
    tooltip = [{"field": name} for name in ("variant", "cost", "quality", "standing")]
    return {
        **head(rows, height=320),
        "layer": [
            {
                "mark": {"type": "rect", "style": "band", "opacity": 0.6},
                "transform": [{"filter": "isValid(datum.cost_low)"}],
                "encoding": {
                    "x": {**x, "field": "cost_low"},
                    "x2": {"field": "cost_high"},
                    "y": {**y, "field": "quality_low"},
                    "y2": {"field": "quality_high"},
                },
            },
            {
                "mark": {"type": "line", "style": "link"},
                "transform": [{"filter": "datum.line"}],
                "encoding": {"x": x, "y": y, "order": {"field": "cost", "type": "quantitative"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110},
                "encoding": {"x": x, "y": y, "opacity": firm, "tooltip": tooltip, **variant_marks(names)},
            },
            {
                "mark": {"type": "text", "style": "value", "dy": -14},
                "encoding": {"x": x, "y": y, "text": {"field": "variant", "type": "nominal"}, "opacity": firm},
            },
        ],
    }


# -- the curve of a search -------------------------------------------------------------------------------------------


def curve(found: Tuning) -> Spec:
    """What each setting costs, in the order of the design, with its interval; the setting to use stands out."""
    known = [item for item in found.settings if item.cost is not None]
    ends = [end for item in known for end in (item.cost, item.cost_low, item.cost_high) if end]
    symbol, size = units.fitting(ends, words.unit(found.metric))
    rows = [
        {
            "setting": item.name,
            "cost": None if item.cost is None else item.cost / size,
            "low": None if item.cost_low is None else item.cost_low / size,
            "high": None if item.cost_high is None else item.cost_high / size,
            "standing": item.standing.value,
            "blocks": item.blocks,
        }
        for item in known
    ]
    x = {"field": "setting", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    y = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log"} if max(ends) > _LOG_ABOVE * min(ends) else {"zero": True, "nice": True},
        "title": with_unit(words.title(found.metric), symbol),
    }
    tooltip = [{"field": name} for name in ("setting", "cost", "low", "high", "blocks", "standing")]
    firm = {"condition": {"test": "datum.standing === 'chosen'", "value": 1}, "value": 0.45}
    return {
        **head(rows, height=260),
        "layer": [
            {"mark": {"type": "line", "style": "link"}, "encoding": {"x": x, "y": y}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "transform": [{"filter": "isValid(datum.low)"}],
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "opacity": firm},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110},
                "encoding": {"x": x, "y": y, "opacity": firm, "tooltip": tooltip},
            },
        ],
    }


# -- what a training had cost when it was how good ---------------------------------------------------------------------


def accuracy_curves(curves: Mapping[str, Sequence[tuple[float, float]]], cost: str, unit: str) -> Spec:
    """Accuracy against the cost so far, on a logarithmic scale, a line for each variant: (cost in SI, accuracy) each.

    An exponential price of accuracy is a straight line there.
    """
    symbol, size = units.fitting([paid for points in curves.values() for paid, _ in points], unit)
    rows = [
        {"variant": name, "epoch": epoch, "cost": paid / size, "accuracy": accuracy}
        for name, points in curves.items()
        for epoch, (paid, accuracy) in enumerate(points, 1)
    ]
    title = with_unit(cost, symbol)
    x = {"field": "cost", "type": "quantitative", "scale": {"type": "log"}, "title": title}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False, "nice": True}, "title": "accuracy"}
    tooltip = [{"field": name} for name in ("variant", "epoch", "cost", "accuracy")]
    names = list(curves)
    marks = variant_marks(names)
    return {
        **head(rows, height=320),
        "layer": [
            {"mark": {"type": "line", "opacity": 0.5}, "encoding": {"x": x, "y": y, "color": marks["color"]}},
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {"x": x, "y": y, "tooltip": tooltip, **marks},
            },
        ],
    }
