"""A metric over weeks, as a chart of characters and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.analysis.trend import FEWEST
from wattleak.documents import envelope
from wattleak.reports import units, words
from wattleak.reports.style import pad, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.trend import SessionPoint, Trend
    from wattleak.reports.style import Style

_COLUMNS = 40  # of the chart
_MOST_SHOWN = 60  # sessions; older ones are counted


def render_trends(name: str, metric: str, found: Sequence[Trend], lacking: Sequence[str], *, style: Style) -> str:
    """One chart for each series: a line for each session, oldest first. Ends without a line end."""
    lines = [style.paint(f"{name}: {words.title(metric)} by session", "strong")]
    for trend in found:
        lines += ["", *_chart(trend, style)]
    lines += [style.paint(f"left out: {item}", "warning") for item in lacking]
    if not found:
        lines.append(style.text("no session has a reading of it"))
    return "\n".join(lines)


def trend_document(name: str, metric: str, found: Sequence[Trend], lacking: Sequence[str]) -> dict[str, Any]:
    """What `list --trend --json` prints. `change_points` null: too few sessions to look for any."""
    return {
        **envelope("trend"),
        "name": name,
        "metric": metric,
        "series": [
            {
                "name": trend.series,
                "origin": trend.origin.value,
                "sessions": [
                    {
                        "started_at": point.started_at,
                        "median": point.value,
                        "low": point.low,
                        "high": point.high,
                        "runs": list(point.ids),
                    }
                    for point in trend.points
                ],
                "change_points": None
                if trend.changes is None
                else [
                    {
                        "started_at": change.started_at,
                        "session": change.index,
                        "before": change.before,
                        "after": change.after,
                        "change": change.change,
                    }
                    for change in trend.changes
                ],
            }
            for trend in found
        ],
        "left_out": list(lacking),
    }


def _chart(trend: Trend, style: Style) -> list[str]:
    lines = [style.paint(f"{trend.series} ({trend.origin.value})", "faint")]
    changes = {change.index: change for change in trend.changes or ()}
    first = max(0, len(trend.points) - _MOST_SHOWN)
    if first:
        lines.append(style.paint(f"  {words.count(first, 'earlier session')} not shown", "faint"))
    shown = trend.points[first:]
    low, high = min(point.low for point in shown), max(point.high for point in shown)
    values = units.same_unit([point.value for point in shown], words.unit(trend.metric))
    column = max(width(style.text(value)) for value in values)
    for place, (point, value) in enumerate(zip(shown, values, strict=True), start=first):
        change = changes.get(place)
        if change is not None:
            before, after = units.same_unit((change.before, change.after), words.unit(trend.metric))
            said = f"change point: {units.percent(change.change)}, {before} → {after} between medians"
            lines.append("  " + style.paint(f"-- {said}", "bad" if change.change > 0 else "good"))
        moment = point.started_at[:16].replace("T", " ")
        runs = words.count(point.runs, "run")
        lines.append(
            f"  {moment}  {pad(style.text(value), column, right=True)}  "
            f"{style.text(_strip(point, low, high))}  {style.paint(runs, 'faint')}"
        )
    lines.append("  " + style.text(_summary(trend)))
    return lines


def _strip(point: SessionPoint, low: float, high: float) -> str:
    """The range of a session as dashes and its median as a mark, all sessions on one scale."""
    span = high - low

    def place(value: float) -> int:
        return round((value - low) / span * (_COLUMNS - 1)) if span else _COLUMNS // 2

    start, middle, end = place(point.low), place(point.value), place(point.high)
    return "".join("o" if column == middle else "-" if start <= column <= end else " " for column in range(_COLUMNS))


def _summary(trend: Trend) -> str:
    if trend.changes is None:
        count = words.count(len(trend.points), "session")
        return f"{count}: change points are looked for from {FEWEST} on, and where no reading is zero"
    if not trend.changes:
        return f"no change point in {len(trend.points)} sessions (one series in twenty without any would show one)"
    last = trend.changes[-1]
    return f"{words.count(len(trend.changes), 'change point')}, the last in the session of {last.started_at[:10]}"
