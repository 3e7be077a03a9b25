"""Where the joules went: phases of a scripted trace whose power is known at every moment."""

import pytest

from wattleak.analysis.phases import Noted, around_best, phases
from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Sample, Trace

WATTS_PER_CPU = 10.0
PER_CPU = Estimate(WATTS_PER_CPU, WATTS_PER_CPU, WATTS_PER_CPU, Origin.MODELLED)


def trace(busy, every_s=0.5):
    """CPU-seconds at a rate of `busy(t)` CPUs, on a machine whose model says 10 W for each."""
    channel = Channel(
        "cpu", "cpu-model", Part.CPU, Origin.MODELLED, Quantity.POWER_W, 0.1, 1.0, 1.0, watts_per_busy_cpu=PER_CPU
    )
    samples, cpu_s = [], 0.0
    for place in range(int(40 / every_s) + 1):
        samples.append(sample(place * every_s, cpu_s))
        cpu_s += busy(place * every_s) * every_s
    return Trace((channel,), tuple(samples), cpus=4)


def sample(time_s, cpu_s):
    return Sample(time_s, {"cpu": 20.0}, cpu_s, None, 1 << 20, None, None, 1)


# Start-up until 4 s on one CPU, training until 36 s on two, evaluation from 20 s to 24 s on four.
SCRIPT = trace(lambda t: 1 if t < 4 else 4 if 20 <= t < 24 else 2 if t < 36 else 0)
TRAINING = Noted("training", 32.0, ((4.0, 36.0),))


def by_name(found):
    return {phase.name: phase for phase in found}


def test_long_moments_are_read_from_the_trace():
    found = by_name(phases(SCRIPT, [TRAINING, Noted("evaluation", 4.0, ((20.0, 24.0),))], 0.0, 40.0))
    assert found["start-up"].energy_j.value == pytest.approx(4 * 1 * WATTS_PER_CPU)
    assert found["training"].energy_j.value == pytest.approx((28 * 2 + 4 * 4) * WATTS_PER_CPU)
    assert found["evaluation"].energy_j.value == pytest.approx(4 * 4 * WATTS_PER_CPU)
    assert found["evaluation"].share == pytest.approx(0.1)
    assert found["after the training"].duration_s == pytest.approx(4.0)
    whole = [phase.share for name, phase in found.items() if name != "evaluation"]
    assert sum(whole) == pytest.approx(1.0)
    assert all(phase.by_interval for phase in found.values())


def test_moments_between_two_samples_are_split_by_time_and_say_so():
    short = tuple((5.0 + 0.1 * place, 5.02 + 0.1 * place) for place in range(150))
    found = by_name(phases(SCRIPT, [TRAINING, Noted("data wait", 3.0, short)], 0.0, 40.0))["data wait"]
    assert not found.by_interval
    assert found.energy_j.origin is Origin.MODELLED
    assert found.energy_j.value == pytest.approx(72 * WATTS_PER_CPU * 3 / 32)
    assert found.energy_j.low == 0.0  # a waiting machine may have rested
    assert found.energy_j.high >= 2 * found.energy_j.value


def test_a_sum_without_moments_is_split_by_time():
    found = by_name(phases(SCRIPT, [TRAINING, Noted("synchronisation", 1.6)], 0.0, 40.0))["synchronisation"]
    assert (found.by_interval, found.duration_s) == (False, 1.6)
    assert found.energy_j.value == pytest.approx(72 * WATTS_PER_CPU * 1.6 / 32)


def test_an_evaluation_behind_the_last_step_is_part_of_what_came_after():
    tail = Noted("evaluation after the training", 2.0, ((37.0, 39.0),))
    found = phases(SCRIPT, [tail, TRAINING], 0.0, 40.0)
    assert [(phase.name, phase.inside) for phase in found[-2:]] == [
        ("after the training", None),
        ("evaluation after the training", "after the training"),
    ]


def test_absent_when_not_understood():
    assert phases(SCRIPT, [Noted("data wait", 3.0)], 0.0, 40.0) == ()
    assert phases(SCRIPT, [Noted("training", 3.0)], 0.0, 40.0) == ()  # when it was is not known
    names = [phase.name for phase in phases(SCRIPT, [TRAINING, Noted("evaluation", 0.0)], 0.0, 40.0)]
    assert names == ["start-up", "training", "after the training"]


def test_without_any_energy_the_time_is_told():
    blind = Trace((), SCRIPT.samples, cpus=4)
    found = by_name(phases(blind, [TRAINING], 0.0, 40.0))
    assert found["training"].duration_s == 32.0
    assert found["training"].energy_j is None


def test_what_lies_in_the_start_up_stands_behind_it_and_is_split_from_its_energy():
    compiling = Noted("compiling", 1.0, (), "start-up")
    found = phases(SCRIPT, [TRAINING, compiling], 0.0, 40.0)
    assert [phase.name for phase in found][:3] == ["start-up", "compiling", "training"]
    assert found[1].inside == "start-up"
    assert found[1].energy_j.value == pytest.approx(4 * 1 * WATTS_PER_CPU / 4)


def test_a_training_that_nobody_understood_is_told_around_its_best_report():
    found = around_best(SCRIPT, "accuracy", 24.0, 36.0, 0.0, 40.0)
    assert [phase.name for phase in found] == [
        "until the best accuracy was reported",
        "after the best accuracy",
        "after the last report",
    ]
    assert found[1].energy_j.value == pytest.approx(12 * 2 * WATTS_PER_CPU)
    assert sum(phase.duration_s for phase in found) == 40.0
    assert around_best(SCRIPT, "accuracy", 24.0, 24.0, 0.0, 40.0) == ()
    assert len(around_best(SCRIPT, "accuracy", 24.0, 40.0, 0.0, 40.0)) == 2
