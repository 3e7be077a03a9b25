"""Waiting times against queueing theory, and conservation laws on random fleets."""

from __future__ import annotations

import heapq
from dataclasses import replace
from math import exp, factorial, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wattleak.footprint.simulation.fleet import Fleet, end_of_bill, simulate
from wattleak.footprint.simulation.generator import Lengths, Workload, draw_jobs
from wattleak.footprint.simulation.jobs import Job
from wattleak.footprint.simulation.place import NEVER, Nodes, Site
from wattleak.footprint.simulation.policies import Kind, Options
from wattleak.footprint.simulation.profile import Profile
from wattleak.footprint.simulation.waits import QUANTILE_ERROR, Waits
from wattleak.model import Origin

FLAT = Profile((360.0,), "test", Origin.QUOTED)
STREAMS = 20


def erlang_c(servers, load):
    """Probability that a job has to wait (Erlang 1917; Gross et al., Fundamentals of Queueing Theory, eq. 2.33)."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize(("nodes", "cores", "utilisation"), [(1, 1, 0.5), (4, 1, 0.7), (1, 4, 0.7)])
def test_waiting_times_are_those_of_queueing_theory(nodes, cores, utilisation):
    mean_length = 100.0
    servers = nodes * cores
    rate = utilisation * servers / mean_length
    sites = [Site("home", Nodes(nodes, cores, 100, 200), FLAT)]
    workload = Workload(rate * 86_400, 2500 / (rate * 86_400), mean_length, Lengths.EXPONENTIAL)
    outcomes = [
        simulate([Kind.FIRST_COME], sites, Options(), draw_jobs(workload, sites, seed))[0] for seed in range(STREAMS)
    ]
    waits = erlang_c(servers, utilisation * servers)
    drain = servers / mean_length - rate  # P(wait > t) = waits x exp(-drain t)
    mean = stats.ttest_1samp([outcome.wait_mean_s for outcome in outcomes], waits / drain)
    assert mean.pvalue > 0.01, (mean, waits / drain)
    over = log(waits / 0.05) / drain
    p95 = stats.ttest_1samp([outcome.wait_p95_s for outcome in outcomes], over)
    assert p95.pvalue > 0.001, (p95, over, exp(-drain * over))


jobs_lists = st.lists(
    st.tuples(
        st.floats(0, 5000),
        st.floats(1, 4000),
        st.integers(1, 4),
        st.floats(0, 300),
        st.one_of(st.just(inf), st.floats(0, 20_000)),
    ),
    min_size=1,
    max_size=25,
)
fleets = st.builds(
    Nodes,
    count=st.integers(1, 5),
    cores=st.integers(4, 6),
    idle_w=st.floats(0, 100),
    active_w=st.floats(100, 300),
    startup_j=st.floats(0, 1e5),
    startup_s=st.sampled_from([0.0, 30.0, 600.0]),
    power_down_after_s=st.sampled_from([0.0, 60.0, 900.0, NEVER]),
    off_w=st.sampled_from([0.0, 5.0]),
)
HOURS = (500.0, 200.0, 100.0, 50.0, 300.0)


@settings(max_examples=60)
@given(jobs_lists, fleets, fleets, st.sampled_from([0.0, 20.0]), st.integers(1, 3))
def test_no_policy_loses_a_job_a_joule_or_a_node_second(rows, home, north, setup_s, merge):
    jobs = sorted(Job(a, n, c, w, a + n + slack, 0) for a, n, c, w, slack in rows)
    sites = [
        Site("home", home, Profile(HOURS, "test", Origin.QUOTED)),
        Site("north", north, Profile((80.0,), "test", Origin.QUOTED), 1.5),
    ]
    options = Options(setup_s=setup_s, window_s=600, merge=merge, transfer_j=100, transfer_s=5)
    begin = jobs[0].arrival_s
    fleets = [Fleet(kind, sites, options, begin) for kind in Kind]
    for fleet in fleets:
        fleet.feed(jobs)
    end = end_of_bill((fleet.drain() for fleet in fleets), sites)
    for fleet in fleets:
        outcome = fleet.outcome(end)
        assert outcome.jobs == len(jobs)
        assert outcome.energy_j["jobs"] == pytest.approx(sum(job.energy_j for job in jobs))
        assert outcome.with_deadline == sum(job.deadline_s < inf for job in jobs)
        assert outcome.energy_j["transfer"] == pytest.approx(100 * outcome.moved)
        for place, site in zip(fleet._places, sites, strict=True):
            bill = place.bill
            spent = bill.working_s + bill.idle_s + bill.off_s + bill.starting_s
            assert spent == pytest.approx(site.nodes.count * (end - begin))
        assert min(outcome.energy_j.values()) >= 0
        assert outcome.facility_energy_j >= sum(outcome.energy_j.values()) * (1 - 1e-9)
        low, high = min(HOURS) / 3.6e6, max(HOURS) / 3.6e6
        grams = sum(outcome.carbon_g.values())
        assert low * outcome.facility_energy_j * (1 - 1e-9) <= grams <= high * outcome.facility_energy_j * (1 + 1e-9)


@settings(max_examples=60)
@given(jobs_lists, st.integers(1, 4))
def test_waits_are_those_of_a_queue_worked_out_by_hand(rows, servers):
    """Kiefer and Wolfowitz: who comes next begins when the first server is free."""
    jobs = sorted(Job(a, n, 1, w, inf, 0) for a, n, _, w, _ in rows)
    free = [0.0] * servers
    waited = []
    for job in jobs:
        begin = max(job.arrival_s, heapq.heappop(free))
        waited.append(begin - job.arrival_s)
        heapq.heappush(free, begin + job.length_s)
    for nodes in (Nodes(servers, 1, 0, 0), Nodes(1, servers, 0, 0)):
        (outcome,) = simulate([Kind.FIRST_COME], [Site("home", nodes, FLAT)], Options(), iter([jobs]))
        assert outcome.wait_mean_s == pytest.approx(np.mean(waited), abs=1e-6)
        assert outcome.wait_longest_s == pytest.approx(max(waited), abs=1e-5)


def test_chunks_of_a_stream_do_not_matter():
    sites = [Site("home", Nodes(3, 2, 100, 200, 1000, 60, 120), FLAT)]
    jobs = [job for chunk in draw_jobs(Workload(5000, 0.2, 60, cores=((1, 1.0), (2, 1.0))), sites, 7) for job in chunk]
    whole = simulate(list(Kind), sites, Options(window_s=300), iter([jobs]))
    pieces = simulate(list(Kind), sites, Options(window_s=300), iter([jobs[i : i + 1] for i in range(len(jobs))]))
    assert whole == pieces


def test_drawn_jobs_come_as_stated():
    sites = [Site("home", Nodes(1, 4, 100, 200), FLAT), Site("north", Nodes(1, 4, 100, 200), FLAT)]
    by_hour = (0.0,) * 6 + (1.0,) * 6 + (3.0,) * 6 + (0.0,) * 6
    workload = Workload(
        2000, 10, 300, sigma=0.8, by_hour=by_hour, cores=((1, 1.0), (4, 3.0)), slack_s=60, flexible=0.25, shares=(3, 1)
    )
    jobs = [job for chunk in draw_jobs(workload, sites, 3) for job in chunk]
    assert stats.poisson.interval(0.999, 20_000)[0] <= len(jobs) <= stats.poisson.interval(0.999, 20_000)[1]
    assert [job.arrival_s for job in jobs] == sorted(job.arrival_s for job in jobs)
    hours = np.bincount([int(job.arrival_s // 3600 % 24) for job in jobs], minlength=24)
    assert hours[:6].sum() == hours[18:].sum() == 0
    assert hours[12:18].sum() / hours[6:12].sum() == pytest.approx(3, rel=0.05)
    lengths = np.array([job.length_s for job in jobs])
    assert lengths.mean() == pytest.approx(300, rel=0.03)
    assert np.log(lengths).std() == pytest.approx(0.8, rel=0.03)
    for part, of in ((0.75, [job.cores == 4 for job in jobs]), (0.25, [job.deadline_s < inf for job in jobs]),
                     (0.25, [job.home == 1 for job in jobs])):  # fmt: skip
        assert np.mean(of) == pytest.approx(part, abs=0.015)
    assert jobs == [job for chunk in draw_jobs(workload, sites, 3) for job in chunk]
    assert jobs != [job for chunk in draw_jobs(workload, sites, 4) for job in chunk]
    assert draw_jobs(replace(workload, jobs_per_day=1e6), sites, 3).__next__()[0].cores in (1, 4)


def test_quantiles_of_waits_are_as_near_as_promised():
    values = np.random.default_rng(1).lognormal(3, 1.5, 20_000)
    values[:9000] = 0.0
    waits = Waits()
    for value in values:
        waits.add(float(value))
    assert waits.mean_s == pytest.approx(values.mean())
    for part in (0.5, 0.95, 0.99):
        assert waits.quantile_s(part) == pytest.approx(np.quantile(values, part), rel=2 * QUANTILE_ERROR)
    assert waits.quantile_s(0.3) == 0.0


def test_memory_does_not_grow_with_the_trace():
    import tracemalloc

    sites = [Site("home", Nodes(4, 4, 100, 200, 1000, 60, 120), FLAT)]
    peaks = []
    for days in (0.5, 1.5):
        tracemalloc.start()
        jobs = draw_jobs(Workload(1500, days, 400), sites, 1)
        simulate(list(Kind), sites, Options(), jobs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks
