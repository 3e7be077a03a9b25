"""Joules, grams and waits of tiny traces, against what a reader can work out by hand."""

from __future__ import annotations

from math import inf

import pytest

from wattleak.footprint.simulation.fleet import simulate
from wattleak.footprint.simulation.jobs import Job
from wattleak.footprint.simulation.place import Nodes, Site
from wattleak.footprint.simulation.policies import Kind, Options
from wattleak.footprint.simulation.profile import Profile, profile_of_region
from wattleak.model import Origin

G_PER_J = 1e-4  # 360 g/kWh
NODE = Nodes(count=1, cores=1, idle_w=100, active_w=300, startup_j=5000, startup_s=10, power_down_after_s=30)
THREE = [Job(0, 60, 1, 200, inf, 0), Job(30, 20, 1, 200, inf, 0), Job(200, 10, 1, 200, inf, 0)]


def site(nodes=NODE, hours=(360.0,), pue=1.0, name="home"):
    return Site(name, nodes, Profile(hours, "test", Origin.QUOTED), pue)


def play(kinds, sites, jobs, **options):
    return simulate(kinds, sites, Options(**options), iter([jobs]))


def test_three_jobs_on_one_node_that_starts_and_powers_down():
    # The node starts 0-10; jobs run 10-70 and 70-90; rest until 120; it starts 200-210; a job 210-220; rest until 250.
    (outcome,) = play([Kind.FIRST_COME], [site()], THREE)
    assert outcome.energy_j == pytest.approx(
        {"jobs": 200 * 90, "setup": 0, "base": 100 * 90, "idle": 100 * 60, "off": 0, "startup": 2 * 5000, "transfer": 0}
    )
    assert sum(outcome.carbon_g.values()) == pytest.approx(43_000 * G_PER_J)
    assert outcome.node_h == pytest.approx((10 + 60 + 20 + 30 + 10 + 10 + 30) / 3600)
    assert (outcome.starts, outcome.jobs, outcome.horizon_s) == (2, 3, pytest.approx(250))
    assert outcome.wait_mean_s == pytest.approx((10 + 40 + 10) / 3)
    assert outcome.wait_longest_s == pytest.approx(40)


def test_policies_are_billed_to_the_same_end():
    # Batches go at 100 (two jobs) and 300 (one): 110-170, 170-190, off at 220; 310-320, off at 350. Each rests 60 s.
    first, batched = play([Kind.FIRST_COME, Kind.BATCHED], [site()], THREE, window_s=100)
    assert first.horizon_s == batched.horizon_s == pytest.approx(350)
    assert sum(first.energy_j.values()) == pytest.approx(43_000)
    assert sum(batched.energy_j.values()) == pytest.approx(43_000)
    assert batched.wait_mean_s == pytest.approx((110 + 140 + 110) / 3)


def test_a_node_that_is_never_powered_down_idles_to_the_end():
    nodes = Nodes(count=2, cores=1, idle_w=50, active_w=50)
    (outcome,) = play([Kind.FIRST_COME], [site(nodes)], [Job(100, 100, 1, 10, inf, 0)])
    assert outcome.energy_j["base"] == pytest.approx(50 * 100)
    assert outcome.energy_j["idle"] == pytest.approx(50 * 100)
    assert outcome.energy_j["jobs"] == pytest.approx(10 * 100)


def test_nodes_that_are_off_draw_what_was_said():
    nodes = Nodes(count=3, cores=1, idle_w=50, active_w=50, startup_s=0, power_down_after_s=0, off_w=5)
    (outcome,) = play([Kind.FIRST_COME], [site(nodes)], [Job(0, 100, 1, 10, inf, 0)])
    assert outcome.energy_j["off"] == pytest.approx(5 * 2 * 100)


def test_jobs_of_one_launch_share_its_set_up():
    # Four jobs of 10 s with 5 s of set-up at their own 200 W: two launches of two, one after the other on one core.
    nodes = Nodes(count=1, cores=1, idle_w=100, active_w=300)
    jobs = [Job(0, 10, 1, 200, inf, 0)] * 4
    first, batched = play([Kind.FIRST_COME, Kind.BATCHED], [site(nodes)], jobs, setup_s=5, size=4, merge=2)
    assert first.energy_j["setup"] == pytest.approx(4 * 5 * 200)
    assert batched.energy_j["setup"] == pytest.approx(2 * 5 * 200)
    assert first.wait_mean_s == pytest.approx((5 + 20 + 35 + 50) / 4)
    assert batched.wait_mean_s == pytest.approx((5 + 15 + 30 + 40) / 4)


def test_a_batch_that_waits_for_a_number_goes_when_no_job_comes_any_more():
    (_, batched) = play([Kind.FIRST_COME, Kind.BATCHED], [site()], THREE, window_s=None, size=100)
    assert batched.jobs == 3


def test_a_batch_goes_before_a_deadline_is_missed():
    nodes = Nodes(count=1, cores=2, idle_w=100, active_w=300)
    jobs = [Job(0, 10, 1, 100, inf, 0), Job(5, 10, 1, 100, 45, 0)]
    (_, batched) = play([Kind.FIRST_COME, Kind.BATCHED], [site(nodes)], jobs, window_s=1000)
    assert (batched.with_deadline, batched.missed) == (1, 0)
    assert batched.wait_longest_s == pytest.approx(35)


def test_deadlines_that_pass_are_counted():
    jobs = [Job(0, 60, 1, 200, 70, 0), Job(30, 20, 1, 200, 89, 0)]  # done at 70 and 90
    (outcome,) = play([Kind.FIRST_COME], [site()], jobs)
    assert (outcome.with_deadline, outcome.missed) == (2, 1)


def test_a_job_with_slack_is_run_in_the_greenest_hour():
    nodes = Nodes(count=1, cores=1, idle_w=0, active_w=1000)
    hours = (500, 300, 100, 50, *[400] * 20)
    jobs = [Job(0, 1800, 1, 1000, 1800 + 2.5 * 3600, 0)]  # may begin until 2:30, so hour 2 is the greenest it can have
    first, shifted = play([Kind.FIRST_COME, Kind.SHIFTED_IN_TIME], [site(nodes, hours)], jobs)
    assert sum(first.carbon_g.values()) == pytest.approx(0.5 * 500)
    assert sum(shifted.carbon_g.values()) == pytest.approx(0.5 * 100)
    assert (shifted.wait_mean_s, shifted.held, shifted.missed) == (pytest.approx(7200), 1, 0)
    assert first.energy_j["jobs"] == shifted.energy_j["jobs"]


def test_a_long_job_is_judged_by_all_its_hours():
    nodes = Nodes(count=1, cores=1, idle_w=0, active_w=1000)
    hours = (300, 100, 900, 200, 150, *[800] * 19)
    jobs = [Job(0, 7200, 1, 1000, 7200 + 4 * 3600, 0)]  # pairs of hours: 200, 500, 550, 175, 475: hour 3
    (_, shifted) = play([Kind.FIRST_COME, Kind.SHIFTED_IN_TIME], [site(nodes, hours)], jobs)
    assert sum(shifted.carbon_g.values()) == pytest.approx(200 + 150)


def test_an_hour_that_is_booked_out_takes_no_more_jobs():
    nodes = Nodes(count=1, cores=1, idle_w=0, active_w=1000)
    hours = (500, 100, 200, *[400] * 21)
    jobs = [Job(0, 3600, 1, 1000, 20_000, 0)] * 2
    (_, shifted) = play([Kind.FIRST_COME, Kind.SHIFTED_IN_TIME], [site(nodes, hours)], jobs)
    assert sum(shifted.carbon_g.values()) == pytest.approx(100 + 200)


@pytest.mark.parametrize(("transfer_kwh", "moved"), [(0.8, 1), (0.9, 0)])
def test_a_job_moves_where_it_emits_less_its_transfer_included(transfer_kwh, moved):
    # 1 kWh at 400 g/kWh, or at 25 x PUE 2 = 50 plus the transfer at 400: worth it below 0.875 kWh.
    nodes = Nodes(count=1, cores=1, idle_w=0, active_w=1000)
    sites = [site(nodes, (400,)), site(nodes, (25,), 2.0, "north")]
    options = {"transfer_j": transfer_kwh * 3.6e6, "transfer_s": 60}
    (_, shifted) = play([Kind.FIRST_COME, Kind.SHIFTED_IN_PLACE], sites, [Job(0, 3600, 1, 1000, inf, 0)], **options)
    assert shifted.moved == moved
    assert sum(shifted.carbon_g.values()) == pytest.approx(50 + transfer_kwh * 400 if moved else 400)
    assert shifted.wait_mean_s == pytest.approx(60 * moved)
    assert shifted.facility_energy_j == pytest.approx((2 + transfer_kwh) * 3.6e6 if moved else 3.6e6)


def test_a_full_place_is_passed_over():
    nodes = Nodes(count=1, cores=1, idle_w=0, active_w=1000)
    sites = [site(nodes, (400,)), site(nodes, (40,), 1.0, "north")]
    (_, shifted) = play([Kind.FIRST_COME, Kind.SHIFTED_IN_PLACE], sites, [Job(0, 3600, 1, 1000, inf, 0)] * 2)
    assert (shifted.moved, shifted.wait_longest_s) == (1, 0)


def test_emissions_follow_the_hours_that_a_job_runs_through():
    profile = Profile((100, 200, 300), "test", Origin.QUOTED)  # repeats after three hours
    watt_hours = 1000 * (profile.emitted(4.5 * 3600) - profile.emitted(2.25 * 3600))
    assert watt_hours == pytest.approx(0.75 * 300 + 100 + 0.5 * 200)


def test_a_swing_keeps_the_yearly_average_and_is_lowest_when_it_was_said():
    profile = profile_of_region("DE", 0.3, 13)
    flat = profile_of_region("DE")
    assert profile.mean == pytest.approx(flat.mean)
    assert set(sorted(range(24), key=lambda hour: profile.g_per_kwh[hour])[:2]) == {12, 13}
    assert min(profile.g_per_kwh) == pytest.approx(0.7 * flat.mean, rel=0.01)
