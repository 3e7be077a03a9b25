"""CPU-seconds of a window between readings: the range holds whatever the readings leave open."""

from __future__ import annotations

import pytest

from wattleak.analysis.cpu_time import cpu_in
from wattleak.model import Sample, Trace


def trace(rate: float = 2.0, *, seconds: int = 10, processes: int = 1, cpus: int = 64) -> Trace:
    samples = tuple(Sample(float(t), {}, rate * t, None, 0, 0, 0, processes) for t in range(seconds + 1))
    return Trace((), samples, cpus=cpus)


def test_a_window_between_readings_is_known_to_the_ticks_at_its_ends() -> None:
    found = cpu_in(trace(), [(2.0, 7.0)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((10.0, 9.98, 10.02))


def test_all_work_of_a_step_may_lie_in_the_piece_of_it_that_is_asked_for() -> None:
    """2 CPU-seconds in each second: a quarter of one is 0.5 in a straight line, and may be none or all."""
    found = cpu_in(trace(), [(2.0, 2.25)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.0, 2.02))


def test_no_window_holds_more_than_the_machine_can_do() -> None:
    found = cpu_in(trace(cpus=2), [(2.0, 2.25)])
    assert found is not None
    assert found.high == pytest.approx(2 * 0.25 + 0.02)


def test_each_process_is_cut_to_ticks_by_itself() -> None:
    """Eight loader workers with less than a tick each: 0 is read, and up to two ticks of each may have been."""
    found = cpu_in(trace(0.0, processes=8), [(2.0, 3.0)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.0, 0.0, 0.16))


def test_what_no_reading_covers_may_have_gone_on_as_before() -> None:
    """The recorder was killed at 10 s; the program closed its span at 60 s."""
    found = cpu_in(trace(), [(8.0, 60.0)])
    assert found is not None
    assert (found.value, found.low) == pytest.approx((4.0, 3.98))
    assert found.high == pytest.approx(4.02 + 50 * 2.0)
    assert cpu_in(trace(), [(20.0, 60.0)]) is None  # nothing of it was read


def test_a_recording_of_half_a_second_went_on_at_its_own_rate() -> None:
    samples = tuple(Sample(0.1 * t, {}, 0.2 * t, None, 0, 0, 0, 1) for t in range(6))
    found = cpu_in(Trace((), samples, cpus=64), [(0.0, 10.5)])
    assert found is not None
    assert found.high == pytest.approx(1.02 + 10.0 * 2.0)


def test_windows_add_up() -> None:
    found = cpu_in(trace(), [(1.0, 2.0), (4.0, 6.0)])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((6.0, 5.96, 6.04))
