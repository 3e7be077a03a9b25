"""`wattleak simulate` as a user meets it."""

from __future__ import annotations

import pytest
from tests.end_to_end.test_every_number_has_its_origin import bare_numbers, counted
from tests.end_to_end.test_no_network import filtered, needs_filter
from tests.end_to_end.test_no_network import run as run_in

from wattleak.cli.main import main

FLEET = """
seeds = 3
[jobs]
per_day = 3000
days = 0.5
length_s = 60
slack_s = 7200
[[place]]
name = "home"
region = "DE"
swing = 0.4
greenest_hour = 3
nodes = 3
cores = 2
idle_w = 100
active_w = 200
startup_j = 4000
startup_s = 30
power_down_after_s = 60
[[place]]
name = "north"
region = "SE"
nodes = 3
cores = 2
idle_w = 100
active_w = 200
"""


@pytest.fixture
def fleet(wattleak):
    (wattleak.folder / "fleet.toml").write_text(FLEET, encoding="utf-8")
    return wattleak


def test_the_document_adds_up_and_says_that_it_is_simulated(fleet):
    found = fleet.document("simulate", "fleet.toml")
    assert (found["kind"], found["origin"], found["seeds"]) == ("simulation", "simulated", [1, 2, 3])
    policies = {each["policy"]: each for each in found["policies"]}
    assert list(policies) == ["first-come", "batched", "shifted-in-time", "shifted-in-place"]
    for each in policies.values():
        assert sum(part["value"] for part in each["energy_parts_j"].values()) == pytest.approx(
            each["energy_j"]["value"]
        )
        assert sum(part["value"] for part in each["carbon_parts_g"].values()) == pytest.approx(
            each["carbon_g"]["value"]
        )
        assert each["jobs"] == policies["first-come"]["jobs"]
        assert each["energy_parts_j"]["jobs"]["value"] == pytest.approx(
            policies["first-come"]["energy_parts_j"]["jobs"]["value"]
        )
        for figure in (each["energy_j"], each["wait_p95_s"]):
            assert figure["origin"] == "simulated"
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert policies["first-come"]["changes"] == {}
    greener = policies["shifted-in-place"]["changes"]["carbon_g"]
    assert greener["high"] < -0.3  # a kWh in Sweden is a tenth of one in Germany
    assert policies["shifted-in-time"]["changes"]["carbon_g"]["high"] < 0
    assert policies["batched"]["differences"]["wait_mean_s"]["low"] > 60
    assert found["places"][0]["intensity"]["origin"] == "modelled"  # the table's average, our cosine
    assert "Ember" in found["places"][1]["intensity"]["source"]
    assert found == fleet.document("simulate", "fleet.toml", "--processes", "1")


def test_a_trace_comes_from_standard_input_and_has_no_interval(fleet):
    trace = "arrival_s,length_s\n" + "".join(f"{30 * job},45\n" for job in range(50))
    found = fleet.document("simulate", "fleet.toml", "--trace", "-", "--policy", "batched", input=trace)
    (fleet.folder / "jobs.csv").write_text(trace, encoding="utf-8")
    assert found == fleet.document("simulate", "fleet.toml", "--trace", "jobs.csv", "--policy", "batched")
    assert [each["policy"] for each in found["policies"]] == ["first-come", "batched"]
    first = found["policies"][0]
    assert first["jobs"]["value"] == 50
    assert first["energy_parts_j"]["jobs"]["value"] == pytest.approx(50 * 45 * (200 - 100) / 2)
    assert first["energy_j"]["low"] is None
    assert any("no interval" in note for note in found["notes"])


def test_no_number_of_energy_or_carbon_stands_without_origin_and_range(fleet):
    found = fleet.document("simulate", "fleet.toml", "--seeds", "2")
    assert counted(found) >= 8
    assert list(bare_numbers(found)) == []


@needs_filter
def test_it_asks_for_no_network(fleet):
    done = run_in(fleet, filtered(), "simulate", "fleet.toml", "--seeds", "2")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_sees_where_joules_go_and_what_changes(fleet):
    done = fleet("simulate", "fleet.toml", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    for words in (
        "all numbers simulated",
        "node starts",
        "nodes on without a job",
        "against first-come",
        "p99",
        "[95 %",
    ):
        assert words in done.stdout
    assert done.stderr == ""


def test_the_example_runs(wattleak):
    (wattleak.folder / "f.toml").write_text(
        wattleak("simulate", "--example").stdout.replace("days = 3", "days = 0.1"), encoding="utf-8"
    )
    done = wattleak("simulate", "f.toml", "--seeds", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "one stream of jobs: no interval" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no scenario was named"),
        (("nowhere.toml",), "cannot read the scenario nowhere.toml"),
        (("fleet.toml", "--trace", "nowhere.csv"), "cannot read the trace nowhere.csv"),
        (("fleet.toml", "--policy", "green"), "no policy is called 'green'"),
        (("fleet.toml", "--seeds", "0"), "--seeds '0'"),
        (("fleet.toml", "--trace", "x", "--seeds", "2"), "--seed and --seeds draw jobs"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.toml").write_text(FLEET, encoding="utf-8")
    assert main(["simulate", *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert "try: " in printed.err
    assert printed.out == ""
