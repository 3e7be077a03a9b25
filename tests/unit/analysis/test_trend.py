from __future__ import annotations

import numpy as np
import pytest
from written_experiments import cpu, measurement

from wattleak.analysis.trend import DatedRun, change_indices, trends

DAY = 24 * 60


def daily(values, series="train", **more):
    return [
        DatedRun(measurement(f"r{day}", minute=day * DAY, cpu_s=value, **more), series)
        for day, value in enumerate(values)
    ]


class TestChangePoints:
    def test_a_step_is_found_where_it_was_made(self):
        noise = np.exp(np.random.default_rng(5).normal(0, 0.02, 30))
        noise[18:] *= 1.25

        assert change_indices(noise) == [18]

    def test_a_step_up_and_back_are_two(self):
        noise = np.exp(np.random.default_rng(6).normal(0, 0.02, 40))
        noise[12:26] *= 1.2

        assert change_indices(noise) == [12, 26]

    @pytest.mark.parametrize("shape", ["normal", "heavy tails"])
    def test_series_without_a_change_keep_the_promised_rate_of_false_alarms(self, shape):
        """5 % are promised; of 200 series more than 19 would be found once in a hundred such tests."""
        draw = np.random.default_rng(11)
        alarms = 0
        for _ in range(200):
            values = draw.normal(size=14) if shape == "normal" else draw.standard_t(2, size=14)
            alarms += bool(change_indices(np.exp(0.05 * values)))

        assert alarms <= 19

    def test_one_bad_day_is_no_change(self):
        values = [10.0, 10.1, 9.9, 10.05, 9.95, 30.0, 10.02, 9.98, 10.01, 10.03, 9.97, 10.04]

        assert change_indices(values) == []

    def test_equal_values_have_none(self):
        assert change_indices([3.0] * 12) == []


class TestSessions:
    def test_runs_of_one_day_are_one_point_and_count_once(self):
        """Twenty runs of a slow afternoon are one slow session, not twenty slow points."""
        runs = [
            DatedRun(measurement(f"r{day}-{n}", minute=day * DAY + n, cpu_s=10.0 + 0.1 * n), "train")
            for day in range(3)
            for n in range(5)
        ]

        ((trend,), lacking) = trends(runs, "cpu_s")

        assert [(p.value, p.low, p.high, p.runs) for p in trend.points] == [(pytest.approx(10.2), 10.0, 10.4, 5)] * 3
        assert trend.changes is None  # three sessions are too few to look
        assert lacking == ()

    def test_a_change_point_says_both_levels(self):
        values = [10.0, 10.2, 9.9, 10.1, 10.05, 9.95, 12.0, 12.2, 11.9, 12.1, 12.05, 11.95]

        ((trend,), _) = trends(daily(values), "cpu_s")
        (change,) = trend.changes

        assert change.index == 6
        assert change.before == pytest.approx(10.025)
        assert change.after == pytest.approx(12.025)
        assert change.change == pytest.approx(12.025 / 10.025 - 1)
        assert change.started_at == trend.points[6].started_at

    def test_series_are_never_mixed(self):
        """Two machines: together they would look like a change."""
        both = [*daily([10.0] * 10, "on a"), *daily([20.0] * 10, "on b")]

        found, _ = trends(both, "cpu_s")

        assert [trend.series for trend in found] == ["on a", "on b"]
        assert all(trend.changes == () for trend in found)

    def test_readings_of_different_meters_are_not_one_series(self):
        counted, none = daily([1.0], energy=(cpu(5.0),)), daily([1.0, 1.0])

        found, lacking = trends([*counted, none[1]], "energy_j")

        assert len(found) == 1
        assert lacking == ("train: 1 of 2 runs have no energy_j",)
