"""Traces and scenarios as users write them, and what they are told when something is wrong."""

from __future__ import annotations

import io
from math import inf
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.footprint.simulation.jobs import Job
from wattleak.footprint.simulation.place import NEVER, Nodes, Site
from wattleak.footprint.simulation.policies import Kind
from wattleak.footprint.simulation.profile import Profile, profile_of_file, profile_of_region
from wattleak.footprint.simulation.scenario import EXAMPLE, scenario_of
from wattleak.footprint.simulation.trace import read_trace
from wattleak.model import Origin

FLAT = Profile((360.0,), "test", Origin.QUOTED)
SITES = [Site("home", Nodes(4, 8, 100, 300), FLAT), Site("north", Nodes(4, 4, 100, 180), FLAT)]


def read(text):
    return [job for chunk in read_trace(io.StringIO(text), "jobs.csv", SITES) for job in chunk]


def test_csv_and_json_lines_say_the_same():
    expected = [
        Job(0, 60, 1, 25, inf, 0),  # (300 - 100) / 8 cores
        Job(10, 50, 4, 80, 160, 1),  # 4 x (180 - 100) / 4; 100 s of slack
        Job(10, 50, 2, 7, 300, 0),
        Job(20, 50, 1, 10, inf, 0),  # 500 J over 50 s
    ]
    table = (
        "job,arrival_s,length_s,cores,power_w,energy_j,slack_s,deadline_s,place\n"
        "a,0,60,,,,,,\n\nb,10,50,4,,,100,,north\nc,10,50,2,7,,,300,home\nd,20,50,1,,500,,,\n"
    )
    lines = (
        '{"arrival_s": 0, "length_s": 60}\n'
        '{"arrival_s": 10, "length_s": 50, "cores": 4, "slack_s": 100, "place": "north"}\n\n'
        '{"arrival_s": 10, "length_s": 50, "cores": 2, "power_w": 7, "deadline_s": 300}\n'
        '{"arrival_s": "20", "length_s": 50, "energy_j": 500}\n'
    )
    assert read(table) == expected
    assert read(lines) == expected


def test_times_may_be_dates():
    text = "arrival_s,length_s,deadline_s\n2026-03-01T08:30:00+02:00,60,2026-03-02T00:00Z\n2026-03-01 07:00,60,\n"
    assert [(job.arrival_s, job.deadline_s) for job in read(text)] == [(6.5 * 3600, 86_400), (7 * 3600, inf)]


def test_seconds_since_1970_are_taken_for_what_they_are():
    text = "arrival_s,length_s,deadline_s\n1772352000,60,1772355600\n1772352030,60,\n"  # 2026-03-01T08:00Z
    assert [(job.arrival_s, job.deadline_s) for job in read(text)] == [(28_800, 32_400), (28_830, inf)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column arrival_s and no column length_s"),
        ("arrival_s,length_s\n", "has no jobs"),
        ("arrival_s\n0\n", "no column length_s"),
        ("arrival_s,length_s\n5,1\n4,1\n", "line 3: this job arrived before the one above it"),
        ("arrival_s,length_s\n5,0\n", "line 2: no length_s above 0"),
        ("arrival_s,length_s\nx,1\n", "line 2: arrival_s 'x' is no number"),
        ("arrival_s,length_s\n1,nan\n", "line 2: length_s 'nan' is no number"),
        ("arrival_s,length_s\n2026-13-01T00:00,1\n", "is no time"),
        ("arrival_s,length_s\n1,2,3\n", "line 2: more cells than columns"),
        ("arrival_s,length_s,cores\n1,2,9\n", "line 2: 9 cores"),
        ("arrival_s,length_s,place\n1,2,south\n", "no place is called 'south'"),
        ("arrival_s,length_s,power_w,energy_j\n1,2,3,4\n", "both power_w and energy_j"),
        ("arrival_s,length_s,slack_s,deadline_s\n1,2,3,4\n", "both slack_s and deadline_s"),
        ('{"arrival_s": 1, "length_s": 2}\n{"arrival_s": 1,\n', "line 2: not JSON"),
        ('{"arrival_s": 1, "length_s": true}\n', "is no number"),
    ],
)
def test_a_line_that_cannot_be_is_named(text, said):
    with pytest.raises(UsageError) as caught:
        read(text)
    assert said in caught.value.message
    assert caught.value.remedy


def test_the_example_is_a_scenario():
    scenario = scenario_of(EXAMPLE, "example", folder=Path())
    assert scenario.policies == tuple(Kind)
    assert scenario.workload.expected_jobs == 12_000
    assert scenario.workload.cores == ((1, 0.7), (4, 0.3))
    assert (scenario.sites[0].nodes.power_down_after_s, scenario.sites[1].pue) == (600, 1.1)
    assert (scenario.options.merge, scenario.options.size, scenario.options.transfer_s) == (4, None, 20)


PLACE = '[[place]]\nname = "a"\nnodes = 2\nidle_w = 50\nactive_w = 90\n'
JOBS = "[jobs]\nper_day = 10\nlength_s = 60\n"


def test_what_is_left_out_is_none_not_a_guess():
    scenario = scenario_of(JOBS + PLACE, "f", folder=Path())
    nodes = scenario.sites[0].nodes
    assert (nodes.power_down_after_s, nodes.startup_j, nodes.off_w, scenario.sites[0].pue) == (NEVER, 0, 0, 1)
    assert scenario.sites[0].profile.is_flat
    assert scenario.options.transfer_j == scenario.options.setup_s == 0


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("", "no [[place]]", "--example"),
        (PLACE, "no [jobs]", "trace"),
        (JOBS + PLACE + "idel_w = 4\n", "unknown key 'idel_w' of place 1", "idle_w"),
        (JOBS + PLACE + "swing = 2\n", "swing 2", "0 to 1"),
        (JOBS + PLACE + "pue = 0.9\n", "'pue' of place 1", "1.0 or more"),
        (JOBS + PLACE + 'region = "DX"\n', "DX", "DE"),
        (JOBS + PLACE + 'region = "DE"\ng_per_kwh = [1]\n', "region is given too", "one of"),
        (JOBS + PLACE + "g_per_kwh = []\n", "no hours", "24"),
        (JOBS + PLACE.replace("90", "40"), "less than idle_w", "all cores"),
        (JOBS + PLACE.replace("nodes = 2", "nodes = 0"), "'nodes' of place 1: 0", "at least 1"),
        (JOBS + PLACE.replace("idle_w = 50", ""), "'idle_w' of place 1: missing", "--example"),
        (JOBS + PLACE + PLACE, "same name", "apart"),
        (JOBS + PLACE + "power_down_after_s = 1e9\n", "more than 30 days", "leave it out"),
        (JOBS + "by_hour = [1, 2]\n" + PLACE, "2 values", "24"),
        (JOBS + "cores = 4\n" + PLACE, "wider than a node", "one node"),
        (JOBS + 'trace = "x"\n' + PLACE, "a trace and per_day, length_s", "not both"),
        ('policies = ["batch"]\n' + JOBS + PLACE, "'batch'", "batched"),
        ("seeds = 0\n" + JOBS + PLACE, "'seeds'", "at least 1"),
        (JOBS.replace("60", "-1") + PLACE, "-1 is no number", "plain"),
        (JOBS.replace("60", "inf") + PLACE, "inf", "plain"),
        ("[jobs", "not TOML", "--example"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_with_a_remedy(text, said, remedy):
    with pytest.raises(UsageError) as caught:
        scenario_of(text, "f", folder=Path())
    assert said in caught.value.message
    assert remedy in caught.value.remedy


def test_hours_of_a_table_that_others_use_too(tmp_path):
    path = tmp_path / "sites.csv"
    rows = "".join(f"Berlin,{hour},{300 + hour}\n" for hour in range(24))
    path.write_text(f"region,hour,g_per_kwh\n{rows}", encoding="utf-8")
    profile = profile_of_region(f"table:{path}::Berlin")
    assert profile.g_per_kwh == pytest.approx([300 + hour for hour in range(24)])
    assert profile.table.startswith("sites.csv sha256:")
    with pytest.raises(UsageError, match="hours of its own"):
        profile_of_region(f"table:{path}::Berlin", 0.3)


def test_hours_of_a_file(tmp_path):
    path = tmp_path / "hours.csv"
    path.write_text("hour,g_per_kwh\n0,100\n1,300\n", encoding="utf-8")
    assert profile_of_file(path).g_per_kwh == (100, 300)
    path.write_text("100\n300\n", encoding="utf-8")
    assert profile_of_file(path).g_per_kwh == (100, 300)
    for wrong, said in (("a,b\n1,2\n", "no column"), ("1\nx\n", "row 2"), ("", "no hours"), ("-1\n", "no g/kWh")):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(UsageError, match=said):
            profile_of_file(path)
