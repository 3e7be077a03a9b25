from __future__ import annotations

import pytest

from wattleak.analysis.effect import Change
from wattleak.analysis.verdict import decide, grade, weigh_quality
from wattleak.model import Grade, MetricComparison, Origin, QualityState, Verdict


def change(low, high):
    return Change(0.0, low, high, 0.0001, 8, 0.95)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.30, -0.10, "saving"),
        (-0.30, -0.021, "saving"),
        (-0.30, -0.019, "not_enough_runs"),  # less than nothing, but not surely more than the smallest effect
        (-0.30, 0.30, "not_enough_runs"),
        (-0.02, 0.02, "equal"),
        (0.001, 0.019, "equal"),  # surely not zero, and surely too small to matter
        (-0.021, 0.02, "not_enough_runs"),
        (0.021, 0.5, "costs_more"),
        (None, None, "not_enough_runs"),
    ],
)
def test_the_verdict_follows_from_the_interval_alone(low, high, verdict):
    assert decide(change(low, high), 0.02) == verdict


def test_no_comparison_is_not_enough_runs():
    assert decide(None, 0.02) is Verdict.NOT_ENOUGH_RUNS


@pytest.mark.parametrize("quality", list(QualityState))
@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_a_saving_with_a_worse_result_is_a_trade_off(verdict, quality):
    trade_off = verdict is Verdict.SAVING and quality is QualityState.WORSE
    assert weigh_quality(verdict, quality) is (Verdict.TRADE_OFF if trade_off else verdict)


def primary(origin=Origin.COUNTER, derived_from=None):
    return MetricComparison("cpu_s", 2.0, 1.0, -0.5, -0.6, -0.4, 0.001, 8, origin, derived_from)


def sessions(*means):
    return {f"s{i}": (mean - 0.01, mean + 0.01) for i, mean in enumerate(means)}


SIX = sessions(-0.1, -0.2, -0.1, -0.3, -0.1, -0.2)


@pytest.mark.parametrize(
    ("by_session", "expected"),
    [
        (sessions(-0.1), "observed"),
        (sessions(-0.1, -0.2), "observed"),
        (sessions(-0.10, -0.12, -0.10), "confirmed"),
        (sessions(0.10, 0.12, 0.10), "confirmed"),
        (sessions(-0.1, -0.2, -0.1), "observed"),  # R: t.test(c(-0.1, -0.2, -0.1))$p.value is 0.057
        (sessions(-0.1, -0.2, 0.1), "observed"),
        (sessions(-0.1, -0.2, 0.0), "observed"),
        (sessions(-0.1, -0.2, -0.1, -0.3, -0.1), "confirmed"),
        (SIX, "proved"),
        (sessions(-0.1, -0.2, -0.1, -0.3, -0.1, 0.2), "observed"),
        ({}, "observed"),
    ],
)
def test_sessions_make_the_grade(by_session, expected):
    assert grade(by_session, Verdict.SAVING, primary(), QualityState.IDENTICAL, 0.95) == expected


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (primary(), "proved"),
        (primary(Origin.SAMPLED), "proved"),
        (primary(Origin.MODELLED, "cpu_s"), "confirmed"),
        (primary(Origin.COUNTER, "energy_j"), "confirmed"),
        (primary(Origin.SIMULATED), "confirmed"),
        (None, "observed"),
    ],
)
def test_only_what_was_measured_is_proved(measured, expected):
    assert grade(SIX, Verdict.SAVING, measured, QualityState.IDENTICAL, 0.95) == expected


@pytest.mark.parametrize("quality", list(QualityState))
def test_unknown_quality_caps_the_grade(quality):
    capped = quality in {QualityState.UNDECIDED, QualityState.NOT_MEASURED}
    assert grade(SIX, Verdict.SAVING, primary(), quality, 0.95) is (Grade.OBSERVED if capped else Grade.PROVED)


@pytest.mark.parametrize("verdict", [Verdict.EQUAL, Verdict.NOT_ENOUGH_RUNS])
def test_a_verdict_without_direction_is_observed(verdict):
    assert grade(SIX, verdict, primary(), QualityState.IDENTICAL, 0.95) is Grade.OBSERVED


def test_more_candidates_need_more_sessions():
    """Six sessions reach p = 2/64; at the level 0.975 of two candidates that is not enough."""
    assert grade(SIX, Verdict.SAVING, primary(), QualityState.IDENTICAL, 0.975) is Grade.CONFIRMED
