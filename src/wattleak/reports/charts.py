"""Charts of an experiment and of a measurement: how large the change is, every run, the channels, the spans.

Vega-Lite specifications as `charting` has them; what does not count is told by its paleness and by a cross.
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

from wattleak.model import Origin
from wattleak.reports import units, words
from wattleak.reports.charting import OPACITY, ROW, Spec, finite, head, variant_marks, with_unit
from wattleak.reports.figures import STATUSES, run_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import ChannelEnergy, Experiment, Measurement, PairComparison, SpanCost

MOST_SPANS = 400
"""A chart draws the longest spans up to this number; the table beside it sums up all of them."""

_NEAR_ZERO = 0.1  # of the largest value


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
        **head(rows, height=(ROW + 8) * max(1, len(rows))),
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
        "scale": {"nice": True, **_lower_end([row.values[metric] / size for row in counted])},
        "title": with_unit(words.title(metric), symbol),
    }
    numbers = sorted({row.run.block + 1 for row in counted})
    # Each block has its own height, so that no point hides another.
    block = {"field": "block", "type": "ordinal", "scale": {"domain": numbers}}
    tooltip = [{"field": "variant"}, {"field": "block"}, {"field": "value", "format": ".4~g"}, {"field": "run"}]
    return {
        **head(rows, height=(ROW + 46) * len(names)),
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
                    **variant_marks(list(labels.values()), legend=False),
                },
            },
        ],
    }


# -- (c) can it be trusted: drift, warm-up, failures -----------------------------------------------------------------


def _lower_end(values: Sequence[float]) -> Spec:
    """Room around the points, but no axis that goes below zero for what cannot be negative."""
    if not values or not 0 <= min(values) < _NEAR_ZERO * max(values):
        return {"zero": False, "padding": 12}
    return {"zero": True}


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
        "title": with_unit(words.title(metric), symbol),
    }
    present = [status for status in STATUSES if any(row["status"] == status for row in rows)]
    opacity = {
        "field": "status",
        "type": "ordinal",
        "scale": {"domain": present, "range": [OPACITY[status] for status in present]},
        "legend": None,
    }
    tooltip = [{"field": name} for name in ("run", "variant", "block", "value", "why")]
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.4},
            "transform": [{"filter": "datum.status === 'counted'"}],
            "encoding": {"x": x, "y": y, "color": variant_marks(names)["color"]},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90},
            "encoding": {"x": x, "y": y, "opacity": opacity, "tooltip": tooltip, **variant_marks(names)},
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
    return {**head(rows, height=260), "layer": layers}


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
    x = {"field": "value", "type": "quantitative", "scale": {"zero": True}, "title": with_unit("energy", symbol)}
    firm = {"condition": {"test": "datum.measured", "value": 0.95}, "value": 0.45}
    tooltip = [{"field": name} for name in ("channel", "whose", "shown")]
    color = {
        "field": "whose",
        "type": "nominal",
        "scale": {"domain": whose, "range": "ordinal"},
        "legend": {"title": None},
    }
    return {
        **head(rows, height=26 * max(1, len(rows)) + 10),
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
        "low": finite(energy.low / size),
        "high": finite(energy.high / size),
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
        **head(rows, height=28 * max(1, len(names))),
        "mark": {"type": "bar", "style": "span", "height": {"band": 0.6}, "opacity": 0.75, "cornerRadius": 1},
        "encoding": {"y": y, "x": x, "x2": {"field": "end"}, "tooltip": tooltip},
    }


def _span_label(span: SpanCost) -> str:
    return "\N{NO-BREAK SPACE}" * (3 * span.depth) + span.name
