"""The worked example of docs/explanation/worked-example-published-runs.md, against R 4.2.2.

The files are not part of this repository; they are looked for beside, or in, the folder of WATTLEAK_DATA_DIR.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattleak.cli.main import main


def _file(name: str) -> Path:
    folder = os.environ.get("WATTLEAK_DATA_DIR")
    if folder is None:
        pytest.skip("WATTLEAK_DATA_DIR is not set: the published runs are not here")
    for place in (Path(folder), Path(folder).parent):
        if (place / "hidden_ml_cost" / name).exists():
            return place / "hidden_ml_cost" / name
    pytest.skip(f"hidden_ml_cost/{name} is neither in WATTLEAK_DATA_DIR nor beside it")


def _document(capsys: pytest.CaptureFixture[str], name: str, *words: str) -> dict[str, Any]:
    assert main(["import", "--json", str(_file(name)), *words]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


# R, for metric m of data frame d with variants v[1] and v[2]: w <- wilcox.test(log(d[d$variant == v[2], m]),
#    log(d[d$variant == v[1], m]), conf.int=TRUE, exact=TRUE), then expm1(c(w$estimate, w$conf.int)).
# Energies have ties, for which R leaves the exact test, so there the order statistics themselves:
# with s <- sort(outer(log(after), log(before), "-")) and k <- qwilcox(.025, 10, 10): median(s), s[k], s[101-k].
@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [
        ("smell1_experiment.csv", "train_time_s", (0.07733956, 0.03550625, 0.16363071)),
        ("smell1_experiment.csv", "eval_time_s", (0.00125440, -0.01604009, 0.01621057)),
        ("smell1_experiment.csv", "cpu_peak_train_b", (-0.15019312, -0.26146550, 0.04891850)),
        ("smell1_experiment.csv", "train_energy_j", (-0.00807197, -0.11891892, 0.07027027)),
        ("smell2_experiment.csv", "train_time_s", (-0.00155393, -0.07421070, 0.07304747)),
        ("smell2_experiment.csv", "eval_time_s", (-0.07013198, -0.21209591, 0.03706848)),
        ("smell2_experiment.csv", "cpu_peak_train_b", (0.06283060, 0.06041244, 0.06621090)),
        ("smell2_experiment.csv", "train_energy_j", (0.00209570, -0.07565470, 0.07502468)),
    ],
)
def test_the_changes_agree_with_r(
    capsys: pytest.CaptureFixture[str], name: str, metric: str, expected: tuple[float, float, float]
) -> None:
    (pair,) = _document(capsys, name)["comparisons"]
    found = pair["metrics"][metric]
    assert (found["change"], found["low"], found["high"]) == pytest.approx(expected, abs=1e-7)


def test_the_first_smell_took_longer_and_its_energy_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "smell1_experiment.csv", "--primary", "train_time_s")
    (pair,) = document["comparisons"]
    assert (pair["verdict"], pair["grade"], document["order"]) == ("costs_more", "observed", "sequential")
    # R: the formula of Brunner and Munzel (2000) written out
    assert pair["metrics"]["train_time_s"]["p_value"] == pytest.approx(2.705183e-07, rel=1e-5)
    assert pair["quality"]["state"] == "identical"
    # R: cor.test(1:10, train_energy_kwh[1:10], method = "kendall")$estimate
    assert any("train_energy_j falls from run to run within base (Kendall tau = -0.94" in d for d in pair["doubts"])
    assert pair["metrics"]["train_energy_j"]["derived_from"] is None  # it is not a constant times the time
    assert _document(capsys, "smell1_experiment.csv")["comparisons"][0]["verdict"] == "not_enough_runs"


def test_the_second_smell_has_worse_accuracy_and_energy_that_is_time(capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "smell2_experiment.csv")
    (pair,) = document["comparisons"]
    assert document["variants"] == {"baseline": 10, "smell2": 10}
    assert pair["verdict"] == "not_enough_runs"
    assert pair["metrics"]["train_energy_j"]["derived_from"] == "train_time_s"
    # R: p <- train_energy_kwh * 3.6e6 / train_time_sec; c(median(p), sd(log(p)))   51.225084661 0.006041792
    assert any("train_time_s times 51.2 W within 0.6 %" in doubt for doubt in document["doubts"])
    quality = pair["quality"]
    # R: t.test of test_accuracy, rows 11 to 20 against rows 1 to 10
    assert (quality["difference"], quality["low"], quality["high"]) == pytest.approx(
        (-0.03248, -0.03690659, -0.02805341), abs=1e-8
    )
    assert quality["state"] == "worse"
    assert (
        _document(capsys, "smell2_experiment.csv", "--primary", "cpu_peak_train_b")["comparisons"][0]["verdict"]
        == "costs_more"
    )


def test_the_page_is_what_the_files_say(tmp_path: Path) -> None:
    folder = _file("smell1_experiment.csv").parent
    root = Path(__file__).resolve().parents[3]
    page = root / "docs" / "explanation" / "worked-example-published-runs.md"
    command = [
        sys.executable,
        str(root / "tools" / "make_published_runs_page.py"),
        str(folder),
        str(tmp_path / "page.md"),
    ]
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
