"""The reference program's runs, written by hand: what moved, what drifted, what is only noise."""

import numpy as np
import pytest
from scipy.stats import kendalltau
from written_experiments import run, table, with_runs

from wattleak.analysis.comparison import compare
from wattleak.analysis.control import check_control
from wattleak.documents import comparison_document
from wattleak.model import CONTROL


def plain():
    return table({"good": [1.0] * 6, "bad": [1.0] * 6}, blocks=6)


def with_control(values, failures=()):
    """A plain experiment, with the reference program beside it: CPU seconds of each of its runs, ten minutes apart."""
    return with_runs(
        plain(),
        *(
            run(CONTROL, number, cpu_s=value, failure="exit code 1" if number in failures else None)
            for number, value in enumerate(values)
        ),
    )


def test_a_machine_that_holds_still_gives_no_doubt():
    check = check_control(with_control([1.000, 1.004, 0.998, 1.001, 0.997, 1.002, 1.003, 0.999]))

    assert check is not None
    assert check.metric == "cpu_s"
    assert check.median == pytest.approx(1.0005)
    assert check.largest == pytest.approx(1.004 / 1.0005 - 1)
    assert check.tolerated == 0.02
    assert check.doubts == ()


def test_one_run_far_off_is_doubted_and_says_how_far():
    values = [1.0, 1.01, 0.99, 1.0, 1.25, 1.0, 1.01]
    check = check_control(with_control(values))
    spread = 1.4826 * np.median(np.abs(np.array(values) - 1.0))

    assert check.spread == pytest.approx(spread)
    assert check.tolerated == pytest.approx(3 * spread)
    assert any("+25.0 % off its median" in doubt for doubt in check.doubts)


def test_noise_that_is_usual_here_is_no_move_but_drift_is_found():
    """Rising by 2 % a run with 1 % of noise: Kendall's tau as scipy gives it, slope near 2 % x 9."""
    rng = np.random.default_rng(5)
    values = [1 + 0.02 * number + 0.01 * float(rng.standard_normal()) for number in range(10)]
    check = check_control(with_control(values))
    tau, p = kendalltau(range(10), values)

    assert (check.tau, check.p_value) == (pytest.approx(tau), pytest.approx(p))
    assert check.drift == pytest.approx(0.18 / 1.09, rel=0.15)
    assert any("the machine drifted" in doubt for doubt in check.doubts)


def test_a_trend_too_small_to_matter_is_no_doubt():
    check = check_control(with_control([1 + 0.0005 * number for number in range(10)]))

    assert check.p_value < 0.001
    assert check.doubts == ()


def test_few_runs_and_failed_ones_are_said():
    check = check_control(with_control([1.0, 1.0, 1.0, 1.0], failures={1, 2}))

    assert check.runs == 2
    assert any("2 of 4 runs of the reference program failed" in doubt for doubt in check.doubts)
    assert any("ran 2 times: too few" in doubt for doubt in check.doubts)


def test_it_takes_no_part_in_the_comparison_and_stands_apart_in_the_document():
    experiment = with_control([1.0, 5.0, 1.0])
    comparison = compare(experiment)
    document = comparison_document(experiment, comparison)

    assert comparison.pairs[0].metrics["cpu_s"].blocks == 6
    assert comparison.pairs[0].metrics["cpu_s"].change == 0.0
    assert len(document["runs"]) == 12
    assert len(document["control_runs"]) == 3
    assert document["control"]["runs"] == 3


def test_without_it_there_is_nothing_to_say():
    assert check_control(plain()) is None
