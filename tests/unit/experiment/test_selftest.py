"""The calibration itself: a short form of it, and that it would notice a test that does not keep its level."""

from __future__ import annotations

import pytest

from wattleak.analysis import comparison
from wattleak.analysis.effect import Change, paired_change
from wattleak.experiment.noise_models import MODELS
from wattleak.experiment.selftest import Trial, plan_trials, run_trial

SEED = 20_261_121


def trial(name: str, blocks: int, effect: float = 0.0, experiments: int = 100, seed: int = SEED) -> Trial:
    (model,) = (model for model in MODELS if model.name == name)
    return run_trial(Trial(model, blocks, effect, seed, experiments, 0, 0, 0, 0, 0), jobs=1)


@pytest.mark.parametrize("name", [model.name for model in MODELS if model.sessions == 1])
def test_one_session_keeps_its_promises(name: str) -> None:
    assert trial(name, 8).is_within


def test_under_session_effects_only_the_grades_above_observed_are_claimed() -> None:
    found = trial("sessions", 6, experiments=40)
    assert found.excluded_zero > found.most_claims, "the interval over all blocks takes a day's whim for an effect"
    assert found.is_within


def test_a_true_change_is_found_in_the_promised_number_of_blocks() -> None:
    planned = [one for one in plan_trials(60, (8,), SEED) if one.effect >= 0.05]
    assert [one.effect for one in planned] == [0.05, 0.10]
    assert all(run_trial(one, jobs=1).is_within for one in planned)


def test_a_fixed_seed_gives_the_same_numbers_however_many_processes_share_the_work() -> None:
    alone = trial("spikes", 8, experiments=120)
    (model,) = (model for model in MODELS if model.name == "spikes")
    assert run_trial(Trial(model, 8, 0.0, SEED, 120, 0, 0, 0, 0, 0), jobs=2) == alone
    assert trial("spikes", 8, experiments=120, seed=2) != alone


def test_it_notices_an_interval_that_is_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    def overconfident(reference: list[float], candidate: list[float], _level: float, **_more: bool) -> Change:
        return paired_change(reference, candidate, 0.80)

    monkeypatch.setattr(comparison, "paired_change", overconfident)
    assert not trial("steady", 12).is_within
