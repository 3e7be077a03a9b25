"""Latencies, load, cost per request and break-even against figures worked out by hand, NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wattleak.analysis.break_even import BreakEven, Training, break_even
from wattleak.analysis.plane import Mean
from wattleak.analysis.serving import Served, Setting, capacity_per_s, figures, load, percentile
from wattleak.analysis.serving_costs import Stretch, cpu_seconds, energy_of, serving_cost, waiting_energy
from wattleak.model import Channel, ChannelEnergy, Estimate, Origin, Part, Quantity


def served(latencies: list[float], **more: float) -> Served:
    known = {
        "requests": len(latencies),
        "batches": len(latencies),
        "duration_s": 10.0,
        "working_s": 4.0,
        "waiting_s": 6.0,
        "working_cpu_s": 3.0,
        "waiting_cpu_s": 1.0,
    }
    return Served(latencies_s=tuple(latencies), **{**known, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [100, 101, 137, 1000])
@pytest.mark.parametrize("percent", [50, 95, 99])
def test_a_percentile_is_a_latency_that_occurred_as_numpy_finds_it(count: int, percent: int) -> None:
    latencies = np.random.default_rng(count).lognormal(size=count)

    assert percentile(list(latencies), percent) == np.percentile(latencies, percent, method="inverted_cdf")


@pytest.mark.parametrize(("percent", "least"), [(50, 2), (95, 20), (99, 100)])
def test_no_percentile_that_the_slowest_request_alone_would_carry(percent: int, least: int) -> None:
    assert percentile([1.0] * (least - 1), percent) is None
    assert percentile([1.0] * least, percent) == 1.0


def test_figures_leave_out_what_nothing_carries() -> None:
    found = figures(served([0.01 * place for place in range(1, 51)]))

    assert found["latency_p50_s"] == pytest.approx(0.25)
    assert found["latency_p95_s"] == pytest.approx(0.48)
    assert "latency_p99_s" not in found
    assert "schedule_s" not in found


def test_latencies_of_some_are_not_percentiles_of_all() -> None:
    found = figures(served([1.0] * 200, schedule_s=5.0, unanswered=50))

    assert found["unanswered"] == 50
    assert not any(name.startswith("latency") and name != "latencies" for name in found)


def test_load_and_capacity() -> None:
    half = figures(served([0.1] * 40, schedule_s=8.0))
    assert load(half) == pytest.approx(0.5)
    assert capacity_per_s(half) == pytest.approx(10.0)
    # 40 of 60 answered in 4 s of work: all would have taken 6 s, and came within 5 s.
    assert load(figures(served([0.1] * 40, schedule_s=5.0, unanswered=20))) == pytest.approx(1.2)
    assert load(figures(served([0.1] * 40))) is None


def stretch(cpu_s: float, energy_j: float | None = None, requests: int = 100, **more: float) -> Stretch:
    energy = None if energy_j is None else Estimate(energy_j, energy_j / 2, energy_j * 2, Origin.MODELLED)
    reported = figures(served([0.01] * requests, **more))
    return Stretch(reported, cpu_s, energy, waiting_energy(energy, (), reported), None, None)


def test_cost_of_a_request_over_runs() -> None:
    runs = [stretch(2.0, 4.0), stretch(2.2, 4.4), stretch(1.8, 3.6)]

    cost = serving_cost(Setting(1), runs)

    logarithms = np.log([0.02, 0.022, 0.018])
    low, high = stats.t.interval(0.95, 2, loc=logarithms.mean(), scale=stats.sem(logarithms))
    assert cost.cpu_per_request_s.value == pytest.approx(np.exp(logarithms.mean()))
    assert (cost.cpu_per_request_s.low, cost.cpu_per_request_s.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert cost.energy_per_request_j == Estimate(0.04, 0.02, 0.08, Origin.MODELLED)
    # A quarter of the CPU time fell between requests.
    assert cost.waiting_energy_per_request_j == Estimate(0.01, 0.005, 0.02, Origin.MODELLED)
    assert cost.waiting_cpu_per_request_s == pytest.approx(0.01)
    assert cost.throughput_per_s == pytest.approx(10.0)
    assert cost.latencies == 100
    assert set(cost.latency_s) == {50, 95, 99}


def test_a_percentile_that_one_run_lacks_is_left_out_and_saturation_is_counted() -> None:
    runs = [stretch(1.0, schedule_s=3.0), stretch(1.0, requests=60, schedule_s=20.0)]

    cost = serving_cost(Setting(1, 20.0), runs)

    assert set(cost.latency_s) == {50, 95}
    assert cost.latencies == 60
    assert cost.saturated == 1
    assert cost.energy_per_request_j is None


def test_energy_that_a_held_device_drew_while_nobody_asked_is_waiting() -> None:
    gpu = Channel("gpu0", "nvml", Part.GPU, Origin.COUNTER, Quantity.ENERGY_J, 0.1, 0.95, 1.05)
    cpu = Channel("cpu0", "rapl", Part.CPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.97, 1.03)
    known = [
        ChannelEnergy(cpu, Estimate(40.0, 36.0, 44.0, Origin.COUNTER)),
        ChannelEnergy(
            gpu,
            Estimate(100.0, 95.0, 105.0, Origin.COUNTER),
            active_j=Estimate(30.0, 28.0, 32.0, Origin.COUNTER),
            waiting_j=Estimate(70.0, 66.0, 74.0, Origin.COUNTER),
        ),
    ]
    total = Estimate(140.0, 131.0, 149.0, Origin.COUNTER)

    found = waiting_energy(total, known, figures(served([0.1] * 10)))

    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((80.0, 75.0, 85.0))  # a quarter of 40, and 70
    silent = [known[0], ChannelEnergy(gpu, known[1].energy_j)]
    assert waiting_energy(total, silent, figures(served([0.1] * 10))) is None


def test_cpu_time_of_children_is_not_lost_and_ticks_are_no_children() -> None:
    reported = {"working_cpu_s": 0.070, "waiting_cpu_s": 0.003}
    assert cpu_seconds(reported, 0.08) == pytest.approx(0.073)
    assert cpu_seconds(reported, 2.5) == 2.5


def test_modelled_joules_follow_the_cpu_time_that_is_known_best() -> None:
    modelled = Estimate(8.0, 4.0, 16.0, Origin.MODELLED)
    found = energy_of(modelled, 0.06, 0.08, devices=False)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((6.0, 3.0, 12.0))
    counted = Estimate(8.0, 7.0, 9.0, Origin.COUNTER)
    assert energy_of(counted, 0.06, 0.08, devices=False) == counted
    for origin in (Origin.MODELLED, Origin.COUNTER):  # shorter than a tick: nothing was shared out
        assert energy_of(Estimate(0.0, 0.0, 0.0, origin), 0.004, 0.0, devices=False) is None
    assert energy_of(modelled, 0.06, 0.08, devices=True) == modelled  # a modelled chip does not follow CPU time


# -- break-even ------------------------------------------------------------------------------------------------------


def test_modelled_energies_are_set_against_each_other_in_cpu_seconds() -> None:
    """The model's factor of two is the same on both sides: it has no place in their ratio."""
    cost = serving_cost(Setting(1), [stretch(2.0, 4.0), stretch(2.0, 4.0)])
    training = Training("run", Mean(3600.0, 3600.0, 3600.0), Estimate(7200.0, 3600.0, 14_400.0, Origin.MODELLED))

    found = break_even(cost, training, 540_000)

    assert isinstance(found, BreakEven)
    assert found.unit == "s"
    assert found.requests is not None
    assert (found.requests.value, found.requests.low, found.requests.high) == pytest.approx((180_000,) * 3)
    assert found.total is not None
    assert found.total.inference.value == pytest.approx(10_800)
    assert found.total.share is not None
    assert found.total.share.value == pytest.approx(0.75)


def test_the_ends_take_both_sides_at_their_worst() -> None:
    cost = serving_cost(Setting(1), [stretch(2.0, 4.0)])  # 0.04 J [0.02, 0.08] a request
    training = Training("stated", None, Estimate(1000.0, 800.0, 1200.0, Origin.CONSTANT))

    found = break_even(cost, training, 25_000)

    assert isinstance(found, BreakEven)
    assert found.unit == "J"
    assert found.requests is not None
    assert (found.requests.value, found.requests.low, found.requests.high) == pytest.approx((25_000, 10_000, 60_000))
    assert found.total is not None
    assert found.total.share is not None
    share = found.total.share
    # 25,000 requests: 1,000 J [500, 2,000] beside 1,000 J [800, 1,200].
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 500 / 1700, 2000 / 2800))
    assert "constant" in found.note
    assert "modelled" in found.note


def test_one_run_has_no_range_and_units_that_differ_have_no_break_even() -> None:
    alone = serving_cost(Setting(1), [stretch(2.0)])
    by_cpu = break_even(alone, Training("stated", Mean(60.0, 60.0, 60.0), None))
    assert isinstance(by_cpu, BreakEven)
    assert by_cpu.requests == Mean(pytest.approx(3000.0), None, None)
    assert by_cpu.total is None

    assert isinstance(break_even(alone, Training("stated", None, Estimate(1.0, 1.0, 1.0, Origin.CONSTANT))), str)
