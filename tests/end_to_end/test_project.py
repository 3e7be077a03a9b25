"""`wattleak project` as a user types it: stored runs, an experiment, scenario files, pages, errors."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

import pytest

from wattleak.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

BUSY = "import time; t = time.process_time()\nwhile time.process_time() - t < {}: pass"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A store with two runs of one name."""
    from tests.conftest import CommandLine

    wattleak = CommandLine(tmp_path_factory.mktemp("project"))
    (wattleak.folder / "short.py").write_text(BUSY.format(0.02))
    (wattleak.folder / "long.py").write_text(BUSY.format(0.2))
    for _ in range(2):
        wattleak("measure", "--name", "short", "--no-probes", "--", sys.executable, "short.py")
    return wattleak


def test_stored_runs_are_multiplied_by_the_number_of_jobs(measured: CommandLine) -> None:
    """Mean of the attributed joules x jobs / 3.6e6, with the range of the model beside that of the runs."""
    runs = [run for run in measured.document("list")["runs"] if run["name"] == "short" and not run["experiment_id"]]
    joules = statistics.fmean(run["attributed_energy_j"]["value"] for run in runs)
    one = measured.document("project", "name:short", "--jobs-per-day", "1M", "--region", "DE")["scenarios"][0]
    energy = one["day"]["energy_kwh"]
    assert energy["value"] == pytest.approx(joules * 1e6 / 3.6e6)
    assert energy["low"] < energy["value"] < energy["high"]
    assert {item["input"] for item in one["uncertainty"]} >= {"energy of a job", "carbon intensity of DE"}
    single = measured.document("project", runs[0]["id"], "--jobs-per-day", "1")["scenarios"][0]
    assert any("one run stands for all" in note for note in single["notes"])


def test_an_experiment_gives_its_variants_and_the_change_between_them(measured: CommandLine) -> None:
    programs = (f"{sys.executable} short.py", f"{sys.executable} long.py")
    told = measured.document("compare", *programs, "--runs", "6", "--warmups", "0", "--smallest-effect", "5%")
    document = measured.document("project", told["experiment_id"], "--jobs-per-day", "1000")
    first, second = document["scenarios"]
    assert second["day"]["energy_kwh"]["value"] > first["day"]["energy_kwh"]["value"]
    change = next(item for item in first["effects"] if "in place of" in item["name"])
    compared = told["metrics"]["attributed_energy_j"]
    assert change["carbon_change"]["value"] == pytest.approx(compared["change"])
    assert change["carbon_change"]["low"] == pytest.approx(compared["low"], abs=0.03 * abs(compared["change"]))
    assert "COSTS MORE" in change["note"]


def test_stored_runs_stand_in_a_scenario_file_as_training(measured: CommandLine) -> None:
    (measured.folder / "mine.toml").write_text(
        '[a]\ntraining = "name:short"\ntrainings-per-week = 7\ninference = "1 J"\ninferences_per_day = "1k"\n'
        '[b]\nlike = "a"\ninferences_per_day = "2k"\n'
    )
    a, b = measured.document("project", "--scenario", "mine.toml", "--price", "0.5 EUR")["scenarios"]
    days = [item["training_against_inference"]["break_even_days"]["value"] for item in (a, b)]
    assert days[0] == pytest.approx(2 * days[1])
    assert a["year"]["money"]["value"] == pytest.approx(0.5 * a["year"]["energy_kwh"]["value"])
    assert a["currency"] == "EUR"


def test_the_shipped_scenarios_and_the_page(wattleak: CommandLine, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "lhc.html"
    done = wattleak("project", "--scenario", "lhc", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "15.0 MWh" in done.stdout
    assert "\N{MINUS SIGN}750 kWh" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert html.count('class="chart"') >= 5
    assert "LHC scale" in html
    assert "Content-Security-Policy" in html
    smells = wattleak.document("project", "--scenario", "smells")["scenarios"][0]
    assert any("taken out" in item["name"] for item in smells["effects"])
    assert not (wattleak.folder / ".wattleak").exists()  # nothing stored is read, so no store is made


def test_the_same_seed_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        assert main(["project", "--job", "15 Wh ± 20%", "--jobs-per-day", "1M", "--json", "--seed", seed]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--job", "15 Wh"), "how often is not stated"),
        ((), "nothing is stated to project"),
        (("--scenario", "lch"), "did you mean lhc"),
        (("--scenario", "lhc", "--only", "lhc-wrld"), "did you mean lhc-world"),
        (("--job", "15 Wh", "--jobs-per-day", "1", "--region", "Frnce"), "did you mean"),
        (("deadbeef", "--jobs-per-day", "1"), "wattleak list"),
        (("--job", "smell", "--jobs-per-day", "1"), "write it as 15 Wh"),
        (("--job", "1 Wh", "--jobs-per-day", "1", "--saving", "smell:BAT01"), "BAT001"),
    ],
)
def test_errors_are_one_line_with_a_way_out(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["project", *words]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert len(printed.err.strip().splitlines()) == 2
    assert printed.out == ""
