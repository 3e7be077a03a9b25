"""The calibration that does not read every meter back comes out as the one that does."""

from __future__ import annotations

import pytest

from wattleak.experiment.noise_models import MODELS
from wattleak.experiment.selftest import Trial, run_trial


@pytest.mark.parametrize("model", [model for model in MODELS if model.sessions == 1], ids=lambda model: model.name)
def test_both_ways_count_the_same(model) -> None:
    trial = Trial(model, 8, 0.0, 5, 60, 0, 0, 0, 0, 0)

    assert run_trial(trial, 1, spared=True) == run_trial(trial, 1)
