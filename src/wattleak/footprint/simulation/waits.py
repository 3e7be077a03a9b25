"""Waiting times of millions of jobs in a few kilobytes."""

from __future__ import annotations

from ddsketch import DDSketch

QUANTILE_ERROR = 0.005  # relative: a p99 of 100 s is right within half a second
_NOTHING_S = 1e-6  # sums of times lose so much; no job waits a microsecond


class Waits:
    """Mean and maximum are exact; quantiles are within `QUANTILE_ERROR`, relative.

    Source of the sketch: Masson, Rim, Lee, "DDSketch", VLDB 2019.
    """

    __slots__ = ("_sketch", "_sum", "count", "longest_s", "none")

    def __init__(self) -> None:
        self._sketch = DDSketch(QUANTILE_ERROR)
        self._sum = 0.0
        self.count = 0
        self.none = 0  # jobs that did not wait
        self.longest_s = 0.0

    def add(self, wait_s: float) -> None:
        self.count += 1
        if wait_s < _NOTHING_S:
            self.none += 1
            return
        self._sum += wait_s
        if wait_s > self.longest_s:  # noqa: PLR1730 - twice as fast as max(), a million times
            self.longest_s = wait_s
        self._sketch.add(wait_s)

    @property
    def mean_s(self) -> float:
        return self._sum / self.count if self.count else 0.0

    def quantile_s(self, part: float) -> float:
        """The wait that this part of the jobs does not exceed."""
        rank = part * (self.count - 1) - self.none
        waited = self.count - self.none
        if rank < 0 or waited == 0:
            return 0.0
        value = self._sketch.get_quantile_value(min(1.0, rank / max(1, waited - 1)))
        assert value is not None  # it is for an empty sketch only
        return value
