"""What followed the best report of a figure: which figure, which reports belong together, and what remains of it."""

import pytest

from wattleak.analysis.phases import Noted
from wattleak.observation.best import best_of, noted_best
from wattleak.signals import Fact, Process, Signals

TRAINER, OTHER = Process("1-a", 1), Process("2-b", 2)
TRAINING = Noted("training", 95.0, ((5.0, 100.0),))


def reported(name, values, *, loops=None, process=TRAINER, more=0):
    at = [10.0 * (place + 1) for place in range(len(values))]
    loops = [0] * len(values) if loops is None else loops
    return Fact(
        "reported", process, 1.0, name, {"name": name, "at": at, "values": values, "loops": loops, "more": more}
    )


def best(*facts, process=TRAINER):
    return best_of(Signals((TRAINER, OTHER), facts), process)


def test_more_accuracy_and_less_loss_are_better():
    assert best(reported("accuracy", [0.5, 0.9, 0.8, 0.85])) == ("accuracy", 20.0, 40.0, True)
    assert best(reported("val_loss", [0.9, 0.5, 0.4, 0.6])) == ("val_loss", 30.0, 40.0, True)


def test_of_equal_ones_the_first_is_enough():
    assert best(reported("accuracy", [0.5, 0.9, 0.9])) == ("accuracy", 20.0, 30.0, True)


def test_figures_whose_direction_nobody_knows_and_those_of_the_training_data_say_nothing():
    assert best(reported("steps", [1, 3, 2]), reported("train_accuracy", [0.5, 0.9, 0.8])) is None


def test_folds_are_no_epochs():
    assert best(reported("accuracy", [0.8, 0.9, 0.7, 0.85], loops=[0, 1, 2, 3])) is None
    # Two folds of three epochs: only within one of them are epochs set against each other.
    folds = reported("accuracy", [0.5, 0.7, 0.6, 0.4, 0.9, 0.8], loops=[0, 0, 0, 1, 1, 1])
    assert best(folds) == ("accuracy", 20.0, 30.0, True)


@pytest.mark.parametrize("values", [[0.9], [0.5, 0.6, 0.7], []])
def test_nothing_follows_a_single_report_or_one_that_is_the_last(values):
    assert best(reported("accuracy", values)) is None


def test_too_many_to_keep_is_not_known():
    assert best(reported("accuracy", [0.9, 0.5], more=1)) is None


def test_of_the_process_that_trained_or_else_of_the_one_that_reported_most():
    facts = reported("accuracy", [0.9, 0.8], process=OTHER), reported("accuracy", [0.9, 0.8, 0.7])
    assert best(*facts, process=OTHER) == ("accuracy", 10.0, 20.0, True)
    assert best(*facts, process=None) == ("accuracy", 10.0, 30.0, True)


def test_only_the_part_inside_the_training_counts_and_keras_knows_its_own():
    found = best(reported("accuracy", [0.5, 0.9, *[0.8] * 9]))
    assert noted_best(found, [TRAINING]) == Noted("after the best epoch (accuracy)", 80.0, ((20.0, 100.0),), "training")
    assert noted_best(found, [TRAINING, Noted("after the best epoch", 3.0)]) is None
    assert noted_best(found, [Noted("training", 10.0, ((5.0, 15.0),))]) is None
    assert noted_best(found, []) is None


def test_reports_that_may_be_of_several_models_are_no_epochs_but_still_have_a_best_one():
    found = best(reported("accuracy", [0.5, 0.9, 0.8], loops=[None] * 3))
    assert found == ("accuracy", 20.0, 30.0, False)
    assert noted_best(found, [TRAINING]) is None
