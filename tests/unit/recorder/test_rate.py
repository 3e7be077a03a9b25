"""How often the recorder reads: from what the sources are, unless the user says."""

from __future__ import annotations

import pytest

from wattleak.model import Channel, Origin, Part, Quantity
from wattleak.recorder.rate import choose_rate


def channel(
    name: str, period_s: float, *, power: bool = False, wrap_j: float | None = None, origin: Origin = Origin.COUNTER
) -> Channel:
    quantity = Quantity.POWER_W if power else Quantity.ENERGY_J
    return Channel(name, "test", Part.CPU, origin, quantity, period_s, 0.9, 1.1, wrap_j=wrap_j)


def test_counters_are_read_once_a_second_and_seldomer_in_a_long_run() -> None:
    rate = choose_rate([channel("cpu0", 0.001, wrap_j=262143.0)], None)

    assert rate.interval_s == 1.0
    assert rate.slowest_s == 10.0


@pytest.mark.parametrize(("period_s", "interval_s"), [(0.02, 0.1), (0.25, 0.25), (5.0, 1.0)])
def test_a_power_source_is_read_as_often_as_it_moves_within_reason(period_s: float, interval_s: float) -> None:
    assert choose_rate([channel("gpu0", period_s, power=True), channel("cpu0", 0.001)], None).interval_s == interval_s


def test_no_counter_can_wrap_unseen_at_a_kilowatt() -> None:
    """65,536 J are gone in 65 s at 1 kW; between two readings there is room for half of that."""
    rate = choose_rate([channel("cpu0", 0.001, wrap_j=65536.0)], 120.0)
    small = choose_rate([channel("cpu0", 0.001, wrap_j=4096.0)], None)

    assert rate.interval_s == rate.slowest_s == pytest.approx(32.8, abs=0.1)
    assert "cpu0 could wrap unseen" in rate.notes[0]
    assert small.slowest_s == pytest.approx(2.05, abs=0.01)


def test_the_user_has_the_last_word() -> None:
    rate = choose_rate([channel("gpu0", 0.1, power=True)], 0.003)

    assert (rate.interval_s, rate.slowest_s, rate.notes) == (0.003, 0.003, ())
