"""Time as the meters see it: the machine's, and one that tests and simulations script."""

from __future__ import annotations

import time


class MonotonicClock:
    """`CLOCK_MONOTONIC`: seconds since some start, never set back."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


class FakeClock:
    """A clock that stands still until somebody sleeps on it."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Advance at once. Raises ValueError for a negative duration, as `time.sleep` does."""
        if duration_s < 0:
            raise ValueError("sleep length must be non-negative")
        self._now_s += duration_s
