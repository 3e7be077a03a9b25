"""Theil and Sen's slope, against slopes worked out by hand and by brute force."""

from __future__ import annotations

import random
import statistics
from itertools import combinations

import pytest

from wattleak.analysis.slope import FEWEST, slope


def test_a_straight_line_has_its_slope_and_no_width() -> None:
    times_s = [float(at) for at in range(10)]
    found = slope(times_s, [5.0 + 3.0 * at for at in times_s])

    assert found is not None
    assert found.per_s == pytest.approx(3.0)
    assert (found.interval.low, found.interval.high) == (pytest.approx(3.0), pytest.approx(3.0))
    assert (found.readings, found.duration_s) == (10, 9.0)


def test_it_is_the_median_of_all_pairs() -> None:
    draw = random.Random(7)
    times_s = sorted(draw.uniform(0, 100) for _ in range(40))
    values = [2.0 * at + draw.gauss(0, 10) for at in times_s]
    pairs = combinations(range(40), 2)
    by_hand = statistics.median((values[b] - values[a]) / (times_s[b] - times_s[a]) for a, b in pairs)

    found = slope(times_s, values)

    assert found is not None
    assert found.per_s == pytest.approx(by_hand)
    assert found.interval.low < 2.0 < found.interval.high


def test_one_reading_that_is_far_off_moves_nothing() -> None:
    times_s = [float(at) for at in range(20)]
    values = [4.0 * at for at in times_s]
    values[7] = 1e9

    found = slope(times_s, values)

    assert found is not None
    assert found.per_s == pytest.approx(4.0)


def test_what_does_not_move_has_an_interval_around_zero() -> None:
    draw = random.Random(3)
    found = slope([float(at) for at in range(50)], [100 + draw.choice((-1.0, 1.0)) for _ in range(50)])

    assert found is not None
    assert found.interval.low <= 0.0 <= found.interval.high


def test_too_few_readings_have_no_slope() -> None:
    times_s = [float(at) for at in range(FEWEST - 1)]

    assert slope(times_s, times_s) is None
    assert slope([1.0] * 20, [2.0] * 20) is None


def test_of_very_many_readings_some_are_taken() -> None:
    times_s = [float(at) for at in range(5000)]
    found = slope(times_s, [2.0 * at for at in times_s])

    assert found is not None
    assert found.per_s == pytest.approx(2.0)
    assert found.readings <= 400
