"""How a metric of one program moved over weeks, and when it changed for good.

The unit is a session: runs of one boot and day share its whims, and a change point among them would be one of the
machine. The points are found by PELT (Killick, Fearnhead and Eckley 2012; the library `ruptures`, Truong, Oudre and
Vayatis 2020) on the normal scores of the ranks of the sessions' medians, which no outlier can stretch. Its penalty is
not guessed: it is the 95 % point, over 499 shuffles with a fixed seed, of what the best split into two or three levels
gains for each split. A series without any change keeps its false alarms to one in twenty that way, whatever the
distribution of its values; sessions that depend on one another are not covered by it.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from wattleak.analysis.metrics import least_firm, metric, readings_alike
from wattleak.errors import UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from wattleak.model import Measurement, Origin

FEWEST = 8  # sessions: of four and four, one order in 35 is as extreme as a clean step, of fewer one in 10 or less
_LEAST_SEGMENT = 2  # sessions: one alone is a bad day, not a change
_SHUFFLES = 499
_ERROR = 0.05
_BREAK = timedelta(hours=6)  # design.md section 3: after that a new session begins


@dataclass(frozen=True, slots=True)
class DatedRun:
    """A complete run with what tells its session. `session` None: not stored, time and machine tell."""

    measurement: Measurement
    series: str  # runs of one series may be set against each other: one program on one machine
    session: str | None = None


@dataclass(frozen=True, slots=True)
class SessionPoint:
    """The runs of one session: their median and range, in the unit that ends the name of the metric."""

    started_at: str  # ISO 8601, UTC, of the first run
    value: float
    low: float
    high: float
    runs: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """From `started_at` on it is another level. `change` is a fraction, after over before, between medians."""

    started_at: str
    index: int  # of the first session that is after
    before: float
    after: float
    change: float


@dataclass(frozen=True, slots=True)
class Trend:
    """One series. `changes` None: too few sessions to look for any."""

    series: str
    metric: str
    origin: Origin
    points: tuple[SessionPoint, ...]
    changes: tuple[ChangePoint, ...] | None


def trends(runs: Iterable[DatedRun], metric_name: str) -> tuple[tuple[Trend, ...], tuple[str, ...]]:
    """One trend for each series that has readings, and in words what could not be used.

    Raises:
        UsageError: no such metric, or `ruptures` is wanted and not installed.
    """
    known = metric(metric_name)
    by_series: dict[str, list[DatedRun]] = {}
    for run in sorted(runs, key=lambda run: run.measurement.started_at):
        by_series.setdefault(run.series, []).append(run)
    found, lacking = [], []
    for series, members in by_series.items():
        having = [run for run in members if known.read(run.measurement) is not None]
        if len(having) < len(members):
            lacking.append(f"{series}: {len(members) - len(having)} of {len(members)} runs have no {metric_name}")
        if not having:
            continue
        readings = readings_alike([run.measurement for run in having], metric_name)
        if isinstance(readings, str):
            lacking.append(f"{series}: {readings}")
            continue
        values = dict(zip((run.measurement.id for run in having), (r.value for r in readings), strict=True))
        points = tuple(_point(session, values) for session in _sessions(having))
        origin = least_firm(reading.origin for reading in readings)
        found.append(Trend(series, metric_name, origin, points, _changes(points)))
    return tuple(found), tuple(lacking)


def _sessions(runs: Sequence[DatedRun]) -> list[list[DatedRun]]:
    """Cut where the session that is stored changes, or where nothing ran for six hours."""
    cut: list[list[DatedRun]] = []
    for run in runs:
        if cut and _same_session(cut[-1][-1], run):
            cut[-1].append(run)
        else:
            cut.append([run])
    return cut


def _same_session(before: DatedRun, after: DatedRun) -> bool:
    if before.session is not None and after.session is not None and before.session == after.session:
        return True
    rested = datetime.fromisoformat(after.measurement.started_at) - datetime.fromisoformat(
        before.measurement.started_at
    )
    return rested < _BREAK


def _point(runs: Sequence[DatedRun], values: dict[str, float]) -> SessionPoint:
    own = [values[run.measurement.id] for run in runs]
    return SessionPoint(
        runs[0].measurement.started_at,
        statistics.median(own),
        min(own),
        max(own),
        len(own),
        tuple(run.measurement.id for run in runs),
    )


def _changes(points: Sequence[SessionPoint]) -> tuple[ChangePoint, ...] | None:
    if len(points) < FEWEST or min(point.value for point in points) <= 0.0:
        return None
    edges = [0, *change_indices([point.value for point in points]), len(points)]
    medians = [statistics.median(point.value for point in points[start:end]) for start, end in pairwise(edges)]
    return tuple(
        ChangePoint(points[edge].started_at, edge, before, after, after / before - 1.0)
        for edge, before, after in zip(edges[1:-1], medians, medians[1:], strict=False)
    )


def change_indices(values: Sequence[float]) -> list[int]:
    """Indices at which a new level begins, in order; positive values in time order.

    Raises:
        UsageError: `ruptures` is not installed.
    """
    try:
        import ruptures  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("change points are found by ruptures, which is not installed", install("trend")) from error
    signal = ndtri(rankdata(values) / (len(values) + 1.0))
    if len(signal) < 2 * _LEAST_SEGMENT or float(np.ptp(signal)) == 0.0:
        return []
    search = ruptures.Pelt(model="l2", min_size=_LEAST_SEGMENT, jump=1).fit(signal)
    # PELT takes a split that gains exactly the penalty; a hair more keeps the error where it is promised.
    ends = search.predict(pen=_penalty(signal) * (1.0 + 1e-9))
    return [int(end) for end in ends[:-1]]


def _penalty(signal: NDArray[np.float64]) -> float:
    """What a split of the shuffled values gains at most in 95 % of the shuffles."""
    draw = np.random.default_rng(20_120_901)
    gains = np.sort([_best_gain(draw.permutation(signal)) for _ in range(_SHUFFLES)])
    return float(gains[math.ceil((1.0 - _ERROR) * (_SHUFFLES + 1)) - 1])


def _best_gain(signal: NDArray[np.float64]) -> float:
    """By how much the sum of squares falls at the best split, or by half as much as at the best two together.

    PELT takes one split for the penalty, or two for twice the penalty: a few outliers side by side need two.
    """
    n = len(signal)
    sums = np.concatenate(([0.0], np.cumsum(signal)))

    def explained(total: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
        return total**2 / count

    whole = sums[n] ** 2 / n
    first = np.arange(_LEAST_SEGMENT, n - _LEAST_SEGMENT + 1)
    one = explained(sums[first], first) + explained(sums[n] - sums[first], n - first) - whole
    start, end = np.triu_indices(n + 1, _LEAST_SEGMENT)
    inside = (start >= _LEAST_SEGMENT) & (end <= n - _LEAST_SEGMENT)
    start, end = start[inside], end[inside]
    best = float(one.max())
    if start.size:
        two = explained(sums[start], start) + explained(sums[end] - sums[start], end - start)
        two += explained(sums[n] - sums[end], n - end) - whole
        best = max(best, float(two.max()) / 2.0)
    return best
