"""Energy of a sample: that of the training over the rows of its steps, by hand."""

import pytest

from wattleak.model import Estimate, Origin, Phase
from wattleak.observation.per_sample import per_sample
from wattleak.signals import Fact, Process, Signals

RANK0, RANK1, LATER = Process("1-a", 1), Process("2-b", 2), Process("3-c", 3)
PHASES = (Phase("training", 20.0, 0.8, Estimate(500.0, 250.0, 1000.0, Origin.MODELLED), by_interval=True),)


def steps(process, count, rows, *, known=None, what="fit", first_s=5.0, last_s=25.0):
    values = {"what": what, "steps": count, "rows": rows, "rows_steps": count if known is None else known}
    return Fact("steps", process, 1.0, "0", {**values, "first_s": first_s, "last_s": last_s})


def found(*facts, phases=PHASES):
    return per_sample(Signals((RANK0, RANK1, LATER), facts), RANK0, phases)


def test_joules_and_seconds_with_the_range_of_the_training():
    cost = found(steps(RANK0, 100, 5000))
    assert (cost.samples, cost.steps, cost.pid) == (5000, 100, 1)
    assert cost.energy_j == Estimate(0.1, 0.05, 0.2, Origin.MODELLED)
    assert cost.duration_s == pytest.approx(0.004)


def test_the_first_step_of_an_optimizer_ends_where_the_training_is_seen_to_begin():
    assert found(steps(RANK0, 101, 5050, what="optimizer")).samples == 5000


def test_ranks_share_the_energy_and_what_ran_at_another_time_does_not():
    cost = found(steps(RANK0, 100, 5000), steps(RANK1, 100, 5000), steps(LATER, 100, 5000, first_s=30.0, last_s=50.0))
    assert (cost.samples, cost.energy_j.value) == (10_000, 0.05)


def test_two_optimizers_that_take_turns_on_the_same_rows():
    assert found(steps(RANK0, 100, 5000), steps(RANK0, 100, 0, known=0)).samples == 5000


def test_rows_or_energy_that_are_not_known_make_no_figure():
    assert found(steps(RANK0, 100, 800, known=16)) is None
    assert found(steps(RANK0, 100, 5000), steps(RANK1, 100, 0, known=0)) is None
    blind = (Phase("training", 20.0, 0.8, None, by_interval=False),)
    assert found(steps(RANK0, 100, 5000), phases=blind) is None
    assert found(steps(RANK0, 100, 5000), phases=()) is None
