"""Planned looks: published boundaries, and false alarms counted in simulated experiments drawn by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from wattleak.analysis.effect import paired_change
from wattleak.analysis.sequential import check_looks, default_looks, look_level, look_levels
from wattleak.errors import UsageError
from wattleak.model import Stopping, StoppingRule

LOOKS = (10, 20, 30, 40)


@pytest.mark.parametrize(
    ("rule", "looks", "constant"),
    [
        # Jennison and Turnbull, Group Sequential Methods (2000), tables 2.1 and 2.3, alpha = 0.05
        (StoppingRule.POCOCK, 2, 2.178),
        (StoppingRule.POCOCK, 3, 2.289),
        (StoppingRule.POCOCK, 4, 2.361),
        (StoppingRule.POCOCK, 5, 2.413),
        (StoppingRule.POCOCK, 10, 2.555),
        (StoppingRule.OBRIEN_FLEMING, 2, 1.977),
        (StoppingRule.OBRIEN_FLEMING, 3, 2.004),
        (StoppingRule.OBRIEN_FLEMING, 4, 2.024),
        (StoppingRule.OBRIEN_FLEMING, 5, 2.040),
        (StoppingRule.OBRIEN_FLEMING, 10, 2.087),
    ],
)
def test_boundaries_are_the_published_ones(rule: StoppingRule, looks: int, constant: float) -> None:
    levels = look_levels(Stopping(rule, tuple(range(1, looks + 1))), 0.95)
    z = [float(norm.ppf((1 + level) / 2)) for level in levels]
    assert z[-1] == pytest.approx(constant, abs=6e-4)
    if rule is StoppingRule.OBRIEN_FLEMING:
        assert z == pytest.approx([z[-1] * (looks / look) ** 0.5 for look in range(1, looks + 1)])


def test_the_level_is_that_of_the_last_look_that_was_reached() -> None:
    stopping = Stopping(StoppingRule.OBRIEN_FLEMING, LOOKS)
    levels = look_levels(stopping, 0.95)
    assert [look_level(stopping, 0.95, blocks) for blocks in (3, 10, 19, 20, 40, 41)] == [
        levels[0],
        levels[0],
        levels[0],
        levels[1],
        levels[3],
        levels[3],
    ]
    assert look_level(None, 0.95, 7) == 0.95


@pytest.mark.parametrize("wrong", [(), (10,), (20, 10, 40), (10, 10, 40), (1, 40), (10, 50)])
def test_looks_that_do_not_fit_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        check_looks(wrong, 40)


def test_default_looks_wait_until_a_verdict_is_possible() -> None:
    assert default_looks(40, 7) == (10, 20, 30, 40)
    assert default_looks(12, 7) == (9, 12)
    assert default_looks(6, 7) == (6,)


def first_crossing(differences: np.ndarray, levels: tuple[float, ...]) -> int | None:
    """After how many blocks the interval first excludes zero at a look."""
    for look, level in zip(LOOKS, levels, strict=True):
        change = paired_change(np.ones(look), np.exp(differences[:look]), level)
        if change.low is not None and change.high is not None and not change.low <= 0.0 <= change.high:
            return look
    return None


@pytest.mark.parametrize("rule", list(StoppingRule))
def test_four_looks_keep_the_error_of_one_and_large_effects_stop_early(rule: StoppingRule) -> None:
    """400 experiments each. Binomial(400, 0.05): 99 % of the time at most 31; looking unadjusted gives some 50."""
    rng = np.random.default_rng(20_261_121)
    levels = look_levels(Stopping(rule, LOOKS), 0.95)
    noise = rng.standard_normal((400, LOOKS[-1]))
    assert sum(first_crossing(row, levels) is not None for row in noise) <= 31
    unadjusted = sum(first_crossing(row, (0.95,) * 4) is not None for row in noise)
    assert unadjusted > 31, "what the adjustment is for"
    ends = [first_crossing(row + 0.8, levels) or LOOKS[-1] for row in noise[:150]]
    # methodology of the plan: at least 40 % fewer runs at a standardised effect of 0.8 (Pocock; O'Brien-Fleming 38 %)
    assert np.mean(ends) <= (0.6 if rule is StoppingRule.POCOCK else 0.65) * LOOKS[-1]
