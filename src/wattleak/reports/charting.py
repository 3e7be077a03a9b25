"""What every chart is made of: colours, marks of variants, heads of Vega-Lite specifications.

Specifications are plain dicts that hold their data, and nothing about light or dark. Colours come from `config`, given
when a chart is drawn, so the same specification serves every theme. A variant is told by its colour and by its shape.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LIGHT = {
    "paper": "#fdfcf9",
    "ink": "#1f1d1a",
    "muted": "#69645b",
    "rule": "#ddd8cd",
    "band": "#ece7da",
    "reference": "#2E7D6B",
    "candidate": "#B4462E",
    "third": "#3B66A8",
    "fourth": "#8A6A12",
    "fifth": "#7A4B94",
    "sixth": "#5D6670",
}
"""Green-teal for the reference and rust for what may cost more: told apart with every common colour blindness."""
DARK = {
    "paper": "#171614",
    "ink": "#ece8e0",
    "muted": "#a59f93",
    "rule": "#3a3732",
    "band": "#2c2a25",
    "reference": "#5FB7A1",
    "candidate": "#E58468",
    "third": "#86AEE8",
    "fourth": "#D8B25A",
    "fifth": "#C79BE0",
    "sixth": "#AEB6BF",
}

_HUES = ("reference", "candidate", "third", "fourth", "fifth", "sixth")
_SHAPES = ("circle", "diamond", "square", "triangle-up", "triangle-down", "triangle-right")
ROW = 34  # pixels for one row of a chart with names on its side
OPACITY = {"counted": 1.0, "warm-up": 0.4, "failed": 0.4, "not counted": 0.4}


def config(colours: Mapping[str, str]) -> Spec:
    """Vega-Lite configuration in these colours: those of LIGHT or DARK, or names of CSS variables."""
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
    text = {"labelColor": colours["muted"], "titleColor": colours["ink"], "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleFontWeight": "normal",
            "domainColor": colours["rule"],
            "gridColor": colours["rule"],
            "gridOpacity": 0.55,
            "tickColor": colours["rule"],
            "labelLimit": 260,
            "titlePadding": 10,
        },
        "axisY": {"labelColor": colours["ink"]},
        "axisQuantitative": {"tickCount": 8},
        "legend": {
            **text,
            "titleFontWeight": "normal",
            "labelColor": colours["ink"],
            "orient": "top",
            "symbolSize": 90,
        },
        "range": {
            "category": [colours[hue] for hue in _HUES],
            "ordinal": [colours["sixth"], colours["reference"]],  # the machine, and what is ours of it
        },
        "style": {
            "band": {"color": colours["band"]},
            "zero": {"color": colours["muted"], "strokeDash": [2, 3]},
            "link": {"color": colours["muted"], "opacity": 0.35, "strokeWidth": 1},
            "middle": {"color": colours["ink"], "strokeWidth": 2},
            "interval": {"color": colours["ink"]},
            "estimate": {"color": colours["ink"]},
            "value": {"color": colours["ink"], "fontSize": 12},
            "failed": {"color": colours["ink"], "strokeWidth": 2},
            "session": {"color": colours["muted"], "strokeDash": [6, 4]},
            "machine": {"color": colours["sixth"]},
            "span": {"color": colours["reference"]},
        },
    }


def head(rows: Iterable[Spec], *, height: int) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(rows)},
    }


def variant_marks(names: list[str], *, legend: bool = True) -> Spec:
    """Colour and shape of each variant, in the order of the design; both say the same."""
    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(names))]
    shown = {"title": None, "symbolOpacity": 1} if legend else None
    return {
        "color": {"field": "variant", "type": "nominal", "scale": {"domain": names}, "legend": shown},
        "shape": {"field": "variant", "type": "nominal", "scale": {"domain": names, "range": shapes}, "legend": shown},
    }


def with_unit(title: str, symbol: str) -> str:
    return f"{title}, {symbol}" if symbol else title


def finite(value: float) -> float | None:
    """JSON knows no infinity; what has no bound is drawn without one."""
    return value if isfinite(value) else None
