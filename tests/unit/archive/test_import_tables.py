"""Tables of runs with named columns: units, order, what is missing, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.archive.units import split_column, unit_named
from wattleak.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).resolve().parents[2] / "golden" / "import"
ALTERNATING = "variant,kwh_used,seconds,when\n" + "".join(
    f"{'ab'[n % 2]},{0.001 * (1 + n % 2) + 0.00001 * n:.6f},{10 + n},2026-11-21 09:{n:02d}:00\n" for n in range(12)
)


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(text: str, *words: str) -> dict[str, Any]:
        path = tmp_path / "runs.csv"
        path.write_text(text)
        assert main(["import", "--json", str(path), *words]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def test_units_become_si(document: Callable[..., dict[str, Any]]) -> None:
    found = document(ALTERNATING, "--metric", "energy=kwh_used:kWh", "--metric", "time=seconds:ms")
    assert found["runs"][0]["values"] == pytest.approx({"energy_j": 3600.0, "time_s": 0.010})
    assert found["comparisons"][0]["primary_metric"] == "energy_j"
    assert found["comparisons"][0]["metrics"]["energy_j"]["change"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("column", "name", "symbol"),
    [
        ("train_energy_kwh", "train_energy", "kWh"),
        ("peak_mb", "peak", "MB"),
        ("power.draw [W]", "power.draw", "W"),
        ("time (ms)", "time", "ms"),
        ("emissions_kg", "emissions", "kg"),
        ("batch", "batch", None),
        ("energy_mj", "energy_mj", None),  # millijoules or megajoules: not guessed
    ],
)
def test_a_unit_is_recognised_by_the_end_of_a_name(column: str, name: str, symbol: str | None) -> None:
    plain, unit = split_column(column)
    assert (plain, unit and unit.symbol) == (name, symbol)


def test_prefixes_are_not_confused() -> None:
    sizes = {name: unit_named(name) for name in ("mJ", "MJ", "mWh", "MWh", "MB", "MiB")}
    assert [unit.size for unit in sizes.values() if unit] == [1e-3, 1e6, 3.6, 3.6e9, 1e6, 1048576.0]


def test_order_comes_from_the_column_that_says_it(document: Callable[..., dict[str, Any]]) -> None:
    assert document(ALTERNATING, "--metric", "e=kwh_used:kWh")["order"] == "mixed"
    head, *rows = ALTERNATING.splitlines()
    sorted_rows = "\n".join([head, *sorted(rows)]) + "\n"
    assert document(sorted_rows, "--metric", "e=kwh_used:kWh")["order"] == "sequential"
    by_time = document(sorted_rows, "--metric", "e=kwh_used:kWh", "--order-column", "when")
    assert by_time["order"] == "mixed"
    assert [run["variant"] for run in by_time["runs"]] == ["a", "b"] * 6


def test_what_was_not_recorded_is_absent(document: Callable[..., dict[str, Any]]) -> None:
    holes = ALTERNATING.replace(",10,", ",NA,").replace(",13,", ",,")
    found = document(holes, "--metric", "time=seconds:s")
    assert [len(run["values"]) for run in found["runs"]].count(0) == 2
    (pair,) = found["comparisons"]
    assert pair["metrics"]["time_s"]["blocks"] == 5
    assert any("5 of 6 runs of a" in doubt for doubt in pair["doubts"])


def test_an_outlier_counts_and_is_named(document: Callable[..., dict[str, Any]]) -> None:
    rows = [f"a,{v}" for v in (10.0, 10.1, 9.9, 10.05, 9.95)] + [f"b,{v}" for v in (10.0, 10.1, 9.9, 10.05, 99.0)]
    found = document("variant,time_s\n" + "\n".join(rows) + "\n")
    (pair,) = found["comparisons"]
    assert pair["candidate_runs"] == 5
    assert any("runs.csv:11 is 9.85 times the median" in doubt and "It counts" in doubt for doubt in pair["doubts"])


def test_a_meter_with_noise_of_its_own_is_not_taken_for_time(document: Callable[..., dict[str, Any]]) -> None:
    # 20 W at all times, read with an error that the clock does not have.
    noise = (0.4, -0.3, 0.1, -0.5, 0.2, 0.5, -0.1)
    metered = [f"{v},{m + n / 50},{20 * (m + e)}" for v, m in (("a", 50), ("b", 60)) for n, e in enumerate(noise)]
    booked = [f"{v},{m + n / 10},{20 * (m + n / 10)}" for v, m in (("a", 50), ("b", 60)) for n, _ in enumerate(noise)]
    for rows, follows in ((metered, None), (booked, "time_s")):
        (pair,) = document("variant,time_s,energy_j\n" + "\n".join(rows) + "\n")["comparisons"]
        assert pair["metrics"]["energy_j"]["derived_from"] == follows


def test_three_variants_share_the_level(document: Callable[..., dict[str, Any]]) -> None:
    rows = [f"{v},{m + n / 10}" for v, m in (("a", 10), ("b", 20), ("c", 5)) for n in range(4)]
    found = document("variant,time_s\n" + "\n".join(rows) + "\n")
    assert [pair["level"] for pair in found["comparisons"]] == [0.975, 0.975]
    # 4 against 4: the most extreme of 70 orders has p = 2/70 = 0.029, which 5 % allows and 2.5 % does not.
    assert {pair["verdict"] for pair in found["comparisons"]} == {"not_enough_runs"}
    assert any("5 of each are the least" in doubt for doubt in found["comparisons"][0]["doubts"])


def test_rounded_figures_are_never_called_equal(document: Callable[..., dict[str, Any]]) -> None:
    rows = [f"{variant},0.000001,{0.01 * (1 + n % 3):.2f}" for variant in "ab" for n in range(8)]
    found = document("variant,eval_kwh,time_s\n" + "\n".join(rows) + "\n")
    (pair,) = found["comparisons"]
    assert pair["primary_metric"] == "eval_j"
    assert (pair["verdict"], pair["metrics"]["eval_j"]["low"]) == ("not_enough_runs", None)
    assert any("in every run: rounded, or never measured" in doubt for doubt in pair["doubts"])
    assert any("time_s was written in steps of 50 % of its median" in doubt for doubt in pair["doubts"])


def test_worse_quality_makes_a_saving_a_trade_off(document: Callable[..., dict[str, Any]]) -> None:
    rows = [f"a,{20 + n / 10},0.9{n}" for n in range(6)] + [f"b,{10 + n / 10},0.8{n}" for n in range(6)]
    found = document("variant,time_s,accuracy\n" + "\n".join(rows) + "\n")
    (pair,) = found["comparisons"]
    assert (pair["verdict"], pair["quality"]["state"]) == ("trade_off", "worse")


def test_a_run_table_of_experiment_runner(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--json", str(FILES / "run_table.csv")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["order"], found["variants"]) == (
        "experiment-runner",
        "mixed",
        {"small": 4, "large": 4},
    )
    assert found["excluded"] == ["run_table.csv:10: run_8_repetition_4 is TODO"]
    quality = found["comparisons"][0]["quality"]
    # R: t.test(c(.92, .92, .93, .92), c(.91, .91, .91, .92))$conf.int
    assert (quality["difference"], quality["low"], quality["high"]) == pytest.approx(
        (0.01, 0.0013488602, 0.0186511398), abs=1e-9
    )


def test_the_text_says_quoted_and_not_stored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(FILES / "run_table.csv")]) == 0
    text = capsys.readouterr().out
    assert "Every number is quoted" in text
    assert "not stored" in text
    assert "[observed]" in text
    assert main(["import", "--markdown", str(FILES / "run_table.csv")]) == 0
    assert "| energy" in capsys.readouterr().out.replace("**", "")


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (None, (), "there is no file"),
        (b"", (), "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", (), "binary"),
        (b"just some words\nwithout a table\n", (), "in no format that is known here: csv, codecarbon"),
        (b'{"results": [', (), "begins like JSON and is none"),
        (b'{"answer": 42}', (), "in no format that is known"),
        (b"variant,time_s\na,1\nb,2\n", ("--variant-column", "varaint"), "did you mean variant"),
        (b"variant,time_s\na,1\nb,2\n", ("--metric", "t=tiem_s"), "did you mean time_s"),
        (b"variant,time_s\na,1\nb,2\n", ("--metric", "t=time_s:parsec"), "there is no unit 'parsec'"),
        (b"variant,energy\na,1 kWh\nb,400 Wh\n", ("--metric", "e=energy"), "the unit is Wh, above it is kWh"),
        (b"variant,time_s\na,1\na,2\n", (), "nothing to compare"),
        (b"variant,time_s\na,1\n,2\n", (), "no variant stands in"),
        (b"variant,time_s\n", (), "no rows"),
        (b'variant;time_s\na;"1,5"\nb;2\n', (), "is no number"),
        (b"variant,time_s\na,1,5\nb,2\n", (), "has 3 cells, the header 2"),
        (b"variant,time_s,time_s\na,1,2\n", (), "two columns are called time_s"),
        (b"variant,thing\na,1\nb,2\n", (), "no column ends in a unit"),
        (b"variant,time_s\na,1\nb,2\n", ("--reference", "c"), "there is no variant 'c'"),
        (b"variant,time_s\na,1\nb,2\n", ("--period", "3"), "--period does nothing here"),
        (b"variant,time_s\na,1\nb,2\n", ("--format", "xml"), "there is no format 'xml'"),
        (b"variant,time_s\na,1\nb,2\n", ("--format", "pyperf"), "it looks like csv"),
        (b"variant,time_s\n" + b"a,1\nb,2\n" * 60_000, (), "more than 100,000 rows"),
        (b"variant,time_s\n" + b"a,1\nb,2\n" * 2_500, (), "these are samples, not runs"),
    ],
)
def test_bad_input_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, words: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "in.txt"
    if content is not None:
        path = tmp_path / ("in.csv" if b"variant" in content else "in.txt")
        path.write_bytes(content)
    assert main(["import", str(path), *words]) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[0] or said in error[1]
    assert len(error) == 2  # what is wrong, and what to type
