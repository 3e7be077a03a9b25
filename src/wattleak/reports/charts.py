"""Charts as Vega-Lite specifications: plain dicts that hold their data, and nothing about light or dark.

Colours come from `config`, given when a chart is drawn, so the same specification serves every theme. A variant is
told by its colour and by its shape; what does not count is told by its paleness and by a cross.
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from wattleak.model import Origin
from wattleak.reports import units, words
from wattleak.reports.figures import STATUSES, run_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.analysis.pareto import Front
    from wattleak.analysis.tuning import Tuning
    from wattleak.model import ChannelEnergy, Experiment, Measurement, PairComparison, SpanCost

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
MOST_SPANS = 400
"""A chart draws the longest spans up to this number; the table beside it sums up all of them."""

_HUES = ("reference", "candidate", "third", "fourth", "fifth", "sixth")
_SHAPES = ("circle", "diamond", "square", "triangle-up", "triangle-down", "triangle-right")
_ROW = 34  # pixels for one row of a chart with names on its side
_OPACITY = {"counted": 1.0, "warm-up": 0.4, "failed": 0.4, "not counted": 0.4}


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


# -- (a) how large is the change -------------------------------------------------------------------------------------


def estimation(pair: PairComparison) -> Spec:
    """The change of every metric with its interval, over the band of changes that count as equal."""
    rows: list[Spec] = [
        {
            "metric": words.title(metric.name),
            "change": 100 * metric.change,
            "low": None if metric.low is None else 100 * metric.low,
            "high": None if metric.high is None else 100 * metric.high,
            "deciding": metric.name == pair.primary_metric,
            "shown": " ".join(units.change_with_interval(metric.change, metric.low, metric.high)).strip(),
            "origin": words.origin_note(metric),
            "evidence": metric.derived_from is None,
        }
        for metric in (pair.metrics[name] for name in words.reading_order(list(pair.metrics), pair.primary_metric))
        if metric.change is not None and isfinite(metric.change)
    ]
    band = 100 * pair.smallest_effect
    lowest = min([-band, *(row["change"] for row in rows)])
    span = max([band, *(row["change"] for row in rows)]) - lowest
    for row in rows:  # labels near an edge reach inwards
        share = (row["change"] - lowest) / span
        row["align"] = "left" if share < 0.2 else "right" if share > 0.8 else "center"
    y = {"field": "metric", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False, "domain": False}}
    x = {"type": "quantitative", "scale": {"nice": True, "zero": True}, "title": "change, %"}
    size = {"condition": {"test": "datum.deciding", "value": 170}, "value": 70}
    stroke = {"condition": {"test": "datum.deciding", "value": 4}, "value": 1.5}
    pale = {"condition": {"test": "datum.evidence", "value": 1}, "value": 0.5}
    tooltip = [
        {"field": "metric", "title": "metric"},
        {"field": "shown", "title": "change"},
        {"field": "origin", "title": "origin"},
    ]
    return {
        **_head(rows, height=(_ROW + 8) * max(1, len(rows))),
        "layer": [
            {
                "data": {"values": [{"from": -band, "to": band}]},
                "mark": {"type": "rect", "style": "band"},
                "encoding": {"x": {"field": "from", **x}, "x2": {"field": "to"}},
            },
            {
                "data": {"values": [{"zero": 0}]},
                "mark": {"type": "rule", "style": "zero"},
                "encoding": {"x": {"field": "zero", **x}},
            },
            {
                "mark": {"type": "rule", "style": "interval"},
                "encoding": {
                    "y": y,
                    "x": {"field": "low", **x},
                    "x2": {"field": "high"},
                    "strokeWidth": stroke,
                    "opacity": pale,
                },
            },
            {
                "mark": {"type": "point", "shape": "diamond", "filled": True, "style": "estimate"},
                "encoding": {
                    "y": y,
                    "x": {"field": "change", **x},
                    "size": size,
                    "opacity": pale,
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "text", "style": "value", "dy": -15, "align": {"expr": "datum.align"}},
                "encoding": {
                    "y": y,
                    "x": {"field": "change", **x},
                    "text": {"field": "shown", "type": "nominal"},
                    "opacity": pale,
                },
            },
        ],
    }


# -- (b) what do the runs look like ----------------------------------------------------------------------------------


def paired_runs(experiment: Experiment, metric: str) -> Spec:
    """Every run that counts as a point on the line of its variant; runs of one block are joined."""
    names = [variant.name for variant in experiment.plan.design.variants]
    counted = [row for row in run_rows(experiment) if row.status == "counted" and metric in row.values]
    symbol, size = units.fitting([row.values[metric] for row in counted], words.unit(metric))
    runs = {name: sum(row.run.variant == name for row in counted) for name in names}
    labels = {name: f"{name}  (n = {runs[name]})" for name in names}
    rows = [
        {
            "variant": labels[row.run.variant],
            "place": names.index(row.run.variant),
            "block": row.run.block + 1,
            "value": row.values[metric] / size,
            "run": row.run.id,
        }
        for row in counted
    ]
    y = {
        "field": "variant",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(labels.values())},
        "title": None,
        "axis": {"ticks": False, "domain": False},
    }
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True, "padding": 12},
        "title": _with_unit(words.title(metric), symbol),
    }
    numbers = sorted({row.run.block + 1 for row in counted})
    # Each block has its own height, so that no point hides another.
    block = {"field": "block", "type": "ordinal", "scale": {"domain": numbers}}
    tooltip = [{"field": "variant"}, {"field": "block"}, {"field": "value", "format": ".4~g"}, {"field": "run"}]
    return {
        **_head(rows, height=(_ROW + 46) * len(names)),
        "layer": [
            {
                "mark": {"type": "line", "style": "link", "interpolate": "linear"},
                "encoding": {
                    "y": y,
                    "yOffset": block,
                    "x": x,
                    "detail": {"field": "block", "type": "ordinal"},
                    "order": {"field": "place", "type": "quantitative"},
                },
            },
            {
                "mark": {"type": "tick", "style": "middle", "thickness": 2.5, "height": 46},
                "encoding": {"y": y, "x": {**x, "aggregate": "median"}},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 0.85, "size": 60},
                "encoding": {
                    "y": y,
                    "yOffset": block,
                    "x": x,
                    "tooltip": tooltip,
                    **_variant_marks(list(labels.values()), legend=False),
                },
            },
        ],
    }


# -- (c) can it be trusted: drift, warm-up, failures -----------------------------------------------------------------


def run_order(experiment: Experiment, metric: str) -> Spec:
    """The metric of every run in the order in which the runs were made, those that do not count included."""
    names = [variant.name for variant in experiment.plan.design.variants]
    known = [row for row in run_rows(experiment) if metric in row.values]
    symbol, size = units.fitting([row.values[metric] for row in known], words.unit(metric))
    rows = [
        {
            "order": row.order,
            "value": row.values[metric] / size,
            "variant": row.run.variant,
            "status": row.status,
            "why": row.why_not or "counts",
            "block": "warm-up" if row.run.block < 0 else str(row.run.block + 1),
            "run": row.run.id,
        }
        for row in known
    ]
    x = {
        "field": "order",
        "type": "quantitative",
        "scale": {"zero": False, "nice": False, "padding": 14},
        "axis": {"tickMinStep": 1, "grid": False},
        "title": "runs in the order in which they were made",
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "title": _with_unit(words.title(metric), symbol),
    }
    present = [status for status in STATUSES if any(row["status"] == status for row in rows)]
    opacity = {
        "field": "status",
        "type": "ordinal",
        "scale": {"domain": present, "range": [_OPACITY[status] for status in present]},
        "legend": None,
    }
    tooltip = [{"field": name} for name in ("run", "variant", "block", "value", "why")]
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.4},
            "transform": [{"filter": "datum.status === 'counted'"}],
            "encoding": {"x": x, "y": y, "color": _variant_marks(names)["color"]},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90},
            "encoding": {"x": x, "y": y, "opacity": opacity, "tooltip": tooltip, **_variant_marks(names)},
        },
    ]
    if "failed" in present:
        layers.append(
            {
                "mark": {"type": "point", "style": "failed", "shape": _CROSS, "size": 260},
                "transform": [{"filter": "datum.status === 'failed'"}],
                "encoding": {"x": x, "y": y, "tooltip": tooltip},
            }
        )
    if borders := _session_borders(experiment):
        layers.insert(
            0,
            {
                "data": {"values": [{"order": border} for border in borders]},
                "mark": {"type": "rule", "style": "session"},
                "encoding": {"x": x},
            },
        )
    return {**_head(rows, height=260), "layer": layers}


_CROSS = "M-1,-1L1,1M-1,1L1,-1"


def _session_borders(experiment: Experiment) -> list[float]:
    """Half-way between the last run of one session and the first of the next."""
    rows = run_rows(experiment)
    return [after.order - 0.5 for before, after in pairwise(rows) if before.run.session != after.run.session]


# -- (d) one measurement ---------------------------------------------------------------------------------------------


def channels(measurement: Measurement) -> Spec:
    """Energy by channel with its range: of the machine, and the part of it that this process tree has used."""
    parts = [("machine", measurement.energy), ("this process tree", measurement.attributed)]
    ends = [item.energy_j.value for _, items in parts for item in items]
    symbol, size = units.fitting(ends, "J")
    rows = [_channel_row(item, whose, size) for whose, items in parts for item in items]
    labels = list(dict.fromkeys(row["channel"] for row in rows))
    whose = [name for name, items in parts if items]
    y = {
        "field": "channel",
        "type": "nominal",
        "sort": labels,
        "title": None,
        "axis": {"ticks": False, "domain": False},
    }
    offset = {"field": "whose", "type": "nominal", "sort": whose}
    x = {"field": "value", "type": "quantitative", "scale": {"zero": True}, "title": _with_unit("energy", symbol)}
    firm = {"condition": {"test": "datum.measured", "value": 0.95}, "value": 0.45}
    tooltip = [{"field": name} for name in ("channel", "whose", "shown")]
    color = {
        "field": "whose",
        "type": "nominal",
        "scale": {"domain": whose, "range": "ordinal"},
        "legend": {"title": None},
    }
    return {
        **_head(rows, height=26 * max(1, len(rows)) + 10),
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.7}},
                "encoding": {"y": y, "yOffset": offset, "x": x, "color": color, "opacity": firm, "tooltip": tooltip},
            },
            {
                "mark": {"type": "rule", "style": "interval", "strokeWidth": 1.5},
                "encoding": {"y": y, "yOffset": offset, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
        ],
    }


def _channel_row(item: ChannelEnergy, whose: str, size: float) -> Spec:
    energy = item.energy_j
    return {
        "channel": f"{item.channel.name} ({energy.origin.value})",
        "whose": whose,
        "value": energy.value / size,
        "low": _finite(energy.low / size),
        "high": _finite(energy.high / size),
        "shown": " ".join(units.with_range(energy, "J")),
        "measured": energy.origin in {Origin.COUNTER, Origin.SAMPLED},
    }


def spans(measurement: Measurement) -> Spec:
    """The spans as bars in time, one row for each name, the longest MOST_SPANS of them."""
    longest = sorted(measurement.spans, key=lambda span: -span.duration_s)[:MOST_SPANS]
    drawn: Sequence[SpanCost] = sorted(longest, key=lambda span: (span.start_s, span.depth))
    names = list(dict.fromkeys(_span_label(span) for span in drawn))
    rows = [
        {
            "span": _span_label(span),
            "start": span.start_s,
            "end": span.start_s + span.duration_s,
            "lasted": units.duration(span.duration_s),
            "cpu": units.duration(span.cpu_s),
        }
        for span in drawn
    ]
    y = {"field": "span", "type": "nominal", "sort": names, "title": None, "axis": {"ticks": False, "domain": False}}
    x = {"field": "start", "type": "quantitative", "scale": {"zero": True}, "title": "time since the start, s"}
    tooltip = [{"field": "span"}, {"field": "lasted"}, {"field": "cpu", "title": "CPU time"}]
    return {
        **_head(rows, height=28 * max(1, len(names))),
        "mark": {"type": "bar", "style": "span", "height": {"band": 0.6}, "opacity": 0.75, "cornerRadius": 1},
        "encoding": {"y": y, "x": x, "x2": {"field": "end"}, "tooltip": tooltip},
    }


def _span_label(span: SpanCost) -> str:
    return "\N{NO-BREAK SPACE}" * (3 * span.depth) + span.name


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
        "title": _with_unit(words.title(found.plane.cost), symbol),
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
        **_head(rows, height=320),
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
                "encoding": {"x": x, "y": y, "opacity": firm, "tooltip": tooltip, **_variant_marks(names)},
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
        "title": _with_unit(words.title(found.metric), symbol),
    }
    tooltip = [{"field": name} for name in ("setting", "cost", "low", "high", "blocks", "standing")]
    firm = {"condition": {"test": "datum.standing === 'chosen'", "value": 1}, "value": 0.45}
    return {
        **_head(rows, height=260),
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
    title = _with_unit(cost, symbol)
    x = {"field": "cost", "type": "quantitative", "scale": {"type": "log"}, "title": title}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False, "nice": True}, "title": "accuracy"}
    tooltip = [{"field": name} for name in ("variant", "epoch", "cost", "accuracy")]
    names = list(curves)
    marks = _variant_marks(names)
    return {
        **_head(rows, height=320),
        "layer": [
            {"mark": {"type": "line", "opacity": 0.5}, "encoding": {"x": x, "y": y, "color": marks["color"]}},
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {"x": x, "y": y, "tooltip": tooltip, **marks},
            },
        ],
    }


# -- shared ----------------------------------------------------------------------------------------------------------


def _head(rows: Iterable[Spec], *, height: int) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(rows)},
    }


def _variant_marks(names: list[str], *, legend: bool = True) -> Spec:
    """Colour and shape of each variant, in the order of the design; both say the same."""
    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(names))]
    shown = {"title": None, "symbolOpacity": 1} if legend else None
    return {
        "color": {"field": "variant", "type": "nominal", "scale": {"domain": names}, "legend": shown},
        "shape": {"field": "variant", "type": "nominal", "scale": {"domain": names, "range": shapes}, "legend": shown},
    }


def _with_unit(title: str, symbol: str) -> str:
    return f"{title}, {symbol}" if symbol else title


def _finite(value: float) -> float | None:
    """JSON knows no infinity; what has no bound is drawn without one."""
    return value if isfinite(value) else None
