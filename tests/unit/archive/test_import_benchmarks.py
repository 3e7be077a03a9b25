"""Files that hyperfine, pyperf, pytest-benchmark and CodeCarbon really wrote (tests/golden/import), against R."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).resolve().parents[2] / "golden" / "import"


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(*words: str) -> dict[str, Any]:
        assert main(["import", "--json", *words]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def test_hyperfine_agrees_with_r_and_stays_observed(document: Callable[..., dict[str, Any]]) -> None:
    found = document(str(FILES / "hyperfine.json"))
    assert (found["format"], found["origin"], found["order"], found["schema_version"]) == (
        "hyperfine",
        "quoted",
        "sequential",
        1,
    )
    (pair,) = found["comparisons"]
    metric = pair["metrics"]["duration_s"]
    # R: w <- wilcox.test(log(second), log(first), conf.int=TRUE, exact=TRUE); expm1(c(w$estimate, w$conf.int))
    assert (metric["change"], metric["low"], metric["high"]) == pytest.approx(
        (0.2625681114, 0.1246213833, 0.3934672665), abs=1e-9
    )
    # R, the formula of Brunner and Munzel (2000) written out: 2 * pt(-abs(W), df)
    assert metric["p_value"] == pytest.approx(5.579080e-05, rel=1e-5)
    assert (pair["verdict"], pair["grade"], metric["origin"]) == ("costs_more", "observed", "quoted")
    assert any("sequential order" in doubt for doubt in found["doubts"])
    assert any(
        "rises from run to run" in doubt for doubt in pair["doubts"]
    )  # R: cor.test(1:12, first, "kendall"), .003


def test_a_run_that_failed_does_not_count(document: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    results = json.loads((FILES / "hyperfine.json").read_text())
    results["results"][0]["exit_codes"][2] = 1
    results["results"][0]["times"][2] = 0.000001  # a crash is quick; it must not look like a saving
    (tmp_path / "h.json").write_text(json.dumps(results))
    found = document(str(tmp_path / "h.json"))
    assert found["comparisons"][0]["reference_runs"] == 11
    assert "exit code 1" in found["excluded"][0]
    assert min(run["values"]["duration_s"] for run in found["runs"]) > 0.1


def test_pyperf_values_of_one_process_are_one_run(document: Callable[..., dict[str, Any]]) -> None:
    found = document(str(FILES / "pyperf_before.json"), str(FILES / "pyperf_after.json"))
    assert found["variants"] == {"pyperf_before": 4, "pyperf_after": 4}  # 12 values each
    raw = json.loads((FILES / "pyperf_before.json").read_text())
    means = [statistics.fmean(run["values"]) for run in raw["benchmarks"][0]["runs"] if "values" in run]
    own = [run["values"]["duration_s"] for run in found["runs"] if run["variant"] == "pyperf_before"]
    assert own == pytest.approx(means)
    assert any("one run" in note for note in found["notes"])
    assert found["order"] == "sequential"  # pyperf keeps the time of each process


def test_rounds_of_pytest_benchmark_are_no_runs(document: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    found = document(str(FILES / "pytest_benchmark.json"))
    (pair,) = found["comparisons"]
    assert (pair["reference_runs"], pair["candidate_runs"], pair["verdict"]) == (1, 1, "not_enough_runs")
    assert pair["metrics"]["duration_s"]["low"] is None
    assert any("114 rounds inside one process count as one run" in note for note in found["notes"])
    words = []
    for number in range(8):
        shutil.copy(FILES / "pytest_benchmark.json", tmp_path / f"{number}.json")
        words.append(f"{'before' if number < 4 else 'after'}={tmp_path / f'{number}.json'}")
    several = document(*words)
    assert several["variants"] == {"before": 4, "after": 4}
    assert set(several["comparisons"][0]["metrics"]) == {"test_b_py_test_sum_s", "test_b_py_test_loop_s"}


def test_codecarbon_energy_that_is_time_in_another_unit_is_said(document: Callable[..., dict[str, Any]]) -> None:
    found = document(str(FILES / "codecarbon.csv"))
    (pair,) = found["comparisons"]
    assert (pair["reference"], pair["candidate"], pair["primary_metric"]) == ("small", "large", "energy_j")
    energies = [run["values"]["energy_j"] for run in found["runs"]]
    assert energies[0] == pytest.approx(1.83781186243777e-05 * 3.6e6)  # kWh, as the file has it
    assert pair["metrics"]["energy_j"]["derived_from"] == "duration_s"
    assert pair["metrics"]["carbon_g"]["derived_from"] == "energy_j"
    assert any("time in another unit" in doubt for doubt in found["doubts"])
    assert "gpu_energy_j" not in pair["metrics"]  # zero in every row of a machine without a GPU: absent, not zero
    assert any("gpu_energy is zero" in note for note in found["notes"])


def test_rows_of_one_run_of_codecarbon_count_once(document: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    lines = (FILES / "codecarbon.csv").read_text().splitlines()
    earlier = lines[1].replace("1.83781186243777e-05", "0.9e-05")
    (tmp_path / "e.csv").write_text("\n".join([lines[0], earlier, *lines[1:]]) + "\n")
    found = document(str(tmp_path / "e.csv"))
    assert found["variants"] == {"small": 3, "large": 3}
    assert found["runs"][0]["values"]["energy_j"] == pytest.approx(1.83781186243777e-05 * 3.6e6)


def test_the_order_of_the_variants_turns_the_sign_and_keeps_the_p(document: Callable[..., dict[str, Any]]) -> None:
    path = str(FILES / "hyperfine.json")
    forth = document(path)["comparisons"][0]
    back = document(path, "--reference", forth["candidate"])["comparisons"][0]
    one, other = forth["metrics"]["duration_s"], back["metrics"]["duration_s"]
    assert (1 + one["change"]) * (1 + other["change"]) == pytest.approx(1.0)
    assert one["p_value"] == pytest.approx(other["p_value"])
    assert (forth["verdict"], back["verdict"]) == ("costs_more", "saving")
