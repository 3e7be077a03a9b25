"""The answer as a small drawing: the change and its interval against the band that counts as equal.

SVG written here, not by a script: the most important figure of a page must not depend on anything.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from wattleak.reports import units, words
from wattleak.reports.markup import Html, safe, tag

if TYPE_CHECKING:
    from wattleak.model import PairComparison

_WIDTH, _HEIGHT = 640, 96
_LEFT, _RIGHT = 24, 616
_MIDDLE = 50
_CAPS = 24  # a narrower interval shows as a line behind the estimate; caps would only crowd it


def interval_strip(pair: PairComparison) -> Html:
    """The drawing, or nothing where there is no change to draw."""
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None or not isfinite(primary.change):
        return Html("")
    band = pair.smallest_effect
    ends = [end for end in (primary.low, primary.high) if end is not None and isfinite(end)]
    low, high = min(-band, primary.change, *ends), max(band, primary.change, *ends)
    margin = 0.06 * (high - low)

    def x(value: float) -> float:
        share = (value - low + margin) / (high - low + 2 * margin)
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    change, interval = units.change_with_interval(primary.change, primary.low, primary.high)
    said = f"{change} {interval}".strip()
    centre = x(primary.change)
    drawing = [
        _rectangle(x(-band), 22, x(band) - x(-band), 48, "band"),
        _line(_LEFT, _MIDDLE, _RIGHT, _MIDDLE, "axis"),
        _line(x(0), 22, x(0), 70, "zero"),
        _label(x(0), 88, f"no change, ±{units.margin(band)} counts as equal", "aside"),
    ]
    if len(ends) == 2:
        drawing.append(_line(x(ends[0]), _MIDDLE, x(ends[1]), _MIDDLE, "interval"))
        if x(ends[1]) - x(ends[0]) > _CAPS:
            drawing += [_line(x(end), _MIDDLE - 8, x(end), _MIDDLE + 8, "interval") for end in ends]
    drawing += [
        Html(f'<path class="estimate" d="M{centre} {_MIDDLE - 8}l7 8l-7 8l-7 -8z"/>'),
        _label(centre, 16, said, "said"),
    ]
    spoken = f"Change in {words.noun(pair.primary_metric)}: {said}; {units.margin(pair.level)} interval"
    return tag(
        "svg",
        tag("title", spoken),
        *drawing,
        class_="strip",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=spoken,
    )


def _label(x: float, y: float, text: str, kind: str) -> Html:
    """Text over its place; near an edge it ends or begins there, so that no font can push it out of the drawing."""
    anchor = "start" if x < _WIDTH / 4 else "end" if x > 3 * _WIDTH / 4 else "middle"
    place = {"start": max(2.0, x - 20), "end": min(_WIDTH - 2.0, x + 20), "middle": x}[anchor]
    return Html(f'<text class="{kind}" x="{place}" y="{y}" text-anchor="{anchor}">{safe(text)}</text>')


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return Html(f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> Html:
    return Html(f'<rect class="{kind}" x="{x}" y="{y}" width="{max(1.5, round(width, 1))}" height="{height}"/>')
