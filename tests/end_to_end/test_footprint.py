"""What a user who states a place, a price and a device sees, and finds again in the store and in the report."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

WORK = ("--no-probes", "--", sys.executable, "-c", "sum(range(3_000_000))")
STATED = ("--price", "0.25 EUR", "--embodied", "876 kg", "--device-life", "1", "--sci", "run")


def test_stated_terms_are_in_the_document_the_store_and_the_report(wattleak: CommandLine) -> None:
    done = wattleak("measure", "--json", "--intensity", "400", "--pue", "1.5", *STATED, *WORK)
    document = json.loads(done.stdout)
    energy_kwh = document["attributed_energy_j"]["value"] / 3.6e6
    terms = {item["name"]: item for item in document["footprint"]}

    assert document["carbon_g"]["value"] == pytest.approx(energy_kwh * 1.5 * 400)
    assert (document["carbon_g"]["year"], document["carbon_g"].get("table")) == (None, None)
    assert terms["electricity"]["value"] == pytest.approx(energy_kwh * 1.5 * 0.25)
    assert (terms["electricity"]["unit"], terms["electricity"]["origin"]) == ("EUR", "modelled")
    assert terms["embodied"]["value"] == pytest.approx(document["duration_s"] / 3600 * 100)
    assert terms["SCI"]["value"] == pytest.approx(document["carbon_g"]["value"] + terms["embodied"]["value"])
    assert "of a phone charge" in document["context"]

    again = json.loads(wattleak("report", document["run_id"], "--json").stdout)
    assert (again["footprint"], again["context"]) == (document["footprint"], document["context"])
    text = wattleak("report", document["run_id"], "--format", "text").stdout
    assert "footprint, as stated" in text
    assert "EUR" in text
    dearer = json.loads(wattleak("report", document["run_id"], "--json", "--price", "0.50 EUR").stdout)
    assert dearer["footprint"][0]["value"] == pytest.approx(2 * terms["electricity"]["value"])


def test_nothing_is_said_of_what_nobody_stated(wattleak: CommandLine) -> None:
    document = json.loads(wattleak("measure", "--json", "--region", "aws:eu-north-1", *WORK).stdout)
    assert "footprint" not in document
    assert document["carbon_g"]["region"] == "aws:eu-north-1"
    assert document["carbon_g"]["table"] == "ember-2026-06-30"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--region", "Germny"), "DE"),
        (("--region", "LI"), "Liechtenstein"),
        (("--price", "0.3"), "currency"),
        (("--sci", "run"), "--embodied"),
        (("--provider", "nobody"), "uk-carbon-intensity"),
        (("--intensity", "0.35 kg/kWh"), "g/kWh"),
        (("--intensity-table", "none.csv", "--region", "DE"), "none.csv"),
        (("--device-share", "2", "--embodied", "1 kg", "--device-life", "1"), "share"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused_before_anything_runs(
    wattleak: CommandLine, words: tuple[str, ...], says: str
) -> None:
    done = wattleak("measure", *words, "--", "touch", "ran")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert not (wattleak.folder / "ran").exists()


def test_an_experiment_says_what_it_cost_itself(wattleak: CommandLine) -> None:
    program = f"{sys.executable} -c 'sum(range(1_000_000))'"
    done = wattleak("compare", program, program, "--runs", "2", "--warmups", "0", "--json")
    document = json.loads(done.stdout)
    runs = document["runs"]
    cost = document["own_cost"]
    assert cost["runs"] == len(runs) == 4
    assert cost["cpu_s"] == pytest.approx(sum(run["cpu_s"] for run in runs))
    assert cost["energy_j"][0]["value"] == pytest.approx(sum(run["attributed_energy_j"]["value"] for run in runs))
    priced = wattleak("report", document["experiment_id"], "--price", "1 EUR")
    assert (priced.returncode, "wattleak project" in priced.stderr) == (2, True)
    text = wattleak("report", document["experiment_id"], "--format", "text").stdout
    assert "this experiment itself cost" in " ".join(text.split())


def test_a_result_of_a_table_that_is_gone_is_still_verified_with_its_own_figure(wattleak: CommandLine) -> None:
    (wattleak.folder / "sites.csv").write_text("region,g_per_kwh,low,high\nBerlin,310,250,390\n")
    words = ("--region", "Berlin", "--intensity-table", "sites.csv")
    run = json.loads(wattleak("measure", "--json", *words, *WORK).stdout)
    (wattleak.folder / "sites.csv").unlink()
    wattleak("export", run["run_id"], "--output", "run.zip", "-q")
    checked = json.loads(wattleak("verify", "run.zip", "--json").stdout)

    assert run["carbon_g"]["intensity_g_per_kwh"] == 310
    assert checked["verified"], checked["findings"]
    assert any("sites.csv sha256:" in note and "as stored" in note for note in checked["notes"])
