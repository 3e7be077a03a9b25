"""The machine once: parts of several recordings of one node, against sums done by hand."""

from __future__ import annotations

import pytest

from wattleak.analysis.counting import count, counted_by
from wattleak.analysis.energy import machine_energy
from wattleak.model import Channel, Counting, Origin, Part, Quantity, Sample, Trace

CPU = Channel("cpu0", "rapl", Part.CPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.9, 1.1)


def recording(start_s: int, end_s: int, *changes: Counting) -> Trace:
    """A machine of 50 W, read each second."""
    samples = tuple(Sample(float(t), {"cpu0": 50.0 * t}, 0.0, 0.0, 0, 0, 0, 1) for t in range(start_s, end_s + 1))
    return Trace((CPU,), samples, counting={"cpu0": changes} if changes else {})


def counted_j(trace: Trace) -> float:
    window = trace.samples[0].time_s, trace.samples[-1].time_s
    (item,) = count(trace, machine_energy(trace, *window), *window)
    part = item.energy_j if item.counted_j is None else item.counted_j
    assert part.low <= part.value <= part.high
    return part.value


def test_three_runs_that_follow_each_other_up_sum_to_the_time_of_all_of_them() -> None:
    """The first leads until it ends at 10 s; the second then, from the first one's last reading; the third never."""
    first = recording(0, 10)
    second = recording(4, 20, Counting(4.0, "first"), Counting(10.0, None))
    third = recording(6, 15, Counting(6.0, "first"), Counting(10.3, "second"))

    assert [counted_j(run) for run in (first, second, third)] == [500.0, pytest.approx(500.0), 0.0]
    assert counted_by(first) == ()
    assert counted_by(second) == ("first",)
    assert counted_by(third) == ("first", "second")


def test_a_leader_that_was_not_known_by_name_yet_is_not_listed() -> None:
    trace = recording(0, 10, Counting(0.0, ""), Counting(1.0, "first"))

    assert counted_by(trace) == ("first",)
    assert counted_j(trace) == 0.0
