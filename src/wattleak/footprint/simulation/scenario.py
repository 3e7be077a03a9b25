"""A scenario: the places and their nodes, the jobs, the policies; read from a TOML file.

Every key is checked: an unknown one is an error with the nearest known name, for a misspelt watt that is silently left
out would be worse than none.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from wattleak.errors import UsageError
from wattleak.footprint.simulation.generator import Lengths, Workload
from wattleak.footprint.simulation.place import NEVER, Nodes, Site
from wattleak.footprint.simulation.policies import Kind, Options
from wattleak.footprint.simulation.profile import Profile, profile_of_file, profile_of_region
from wattleak.footprint.simulation.table import Table
from wattleak.model import Origin

EXAMPLE = """\
# wattleak simulate FILE. Times in seconds, hours of the day in UTC. The watts and joules are an example: put in yours.
title = "twenty nodes, a working day"
seeds = 10                       # random streams of jobs; each policy gets the same ones
policies = ["first-come", "batched", "shifted-in-time", "shifted-in-place"]

[jobs]                           # or: trace = "jobs.csv"
per_day = 4000
days = 3
length_s = 300                   # mean
lengths = "lognormal"            # or exponential, constant
sigma = 1.0                      # of the logarithm of a lognormal length
cores = { 1 = 0.7, 4 = 0.3 }     # cores of a job = its part of the jobs
slack_s = 21600                  # it may begin up to six hours late
flexible = 0.5                   # so many of the jobs have that slack; the others go at once
setup_s = 5                      # of each launch: imports, loading the model
by_hour = [1, 1, 1, 1, 1, 1, 2, 4, 8, 9, 9, 9, 8, 9, 9, 9, 8, 6, 4, 3, 2, 2, 1, 1]

[batched]
window_s = 900                   # a batch goes 15 minutes after its first job
merge = 4                        # jobs of one launch, one after the other; they share its set-up

[transfer]                       # of a job that is moved to another place
energy_j = 2000
seconds = 20

[[place]]                        # the first is home: jobs arrive there
name = "home"
region = "DE"                    # or g_per_kwh = [24 values], or profile = "hours.csv"
swing = 0.3                      # an assumed daily cosine of 30 % around the yearly average ...
greenest_hour = 12               # ... lowest at noon UTC
pue = 1.3
share = 1                        # part of the jobs that arrives here; without any: all of them at the first place
nodes = 20
cores = 8
idle_w = 90                      # of a node that is on
active_w = 280                   # all cores at work
startup_j = 20000
startup_s = 120
power_down_after_s = 600         # leave it out: nodes are always on

[[place]]
name = "north"
region = "SE"
pue = 1.1
nodes = 6
cores = 8
idle_w = 90
active_w = 280
startup_j = 20000
startup_s = 120
power_down_after_s = 600
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a simulation needs but its random numbers. Exactly one of `workload` and `trace` is set."""

    sites: tuple[Site, ...]
    options: Options
    policies: tuple[Kind, ...]
    workload: Workload | None
    trace: Path | None
    seeds: int
    title: str = ""


_LONGEST_REST_S = 30 * 86_400.0
_TOP = ("title", "seeds", "policies", "jobs", "batched", "transfer", "place")
_PLACE = (
    *("name", "region", "swing", "greenest_hour", "g_per_kwh", "profile", "pue", "share", "nodes", "cores"),
    *("idle_w", "active_w", "startup_j", "startup_s", "power_down_after_s", "off_w"),
)
_DRAWN = ("per_day", "days", "length_s", "lengths", "sigma", "cores", "power_w", "slack_s", "flexible", "by_hour")
_JOBS = (*_DRAWN, "trace", "setup_s")


def read_scenario(path: Path, *, trace: Path | None = None) -> Scenario:
    """The scenario in a file; `trace` replaces the jobs that it has. Raises UsageError that names the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read the scenario {path}: {reason}", "wattleak simulate --example > fleet.toml makes one"
        ) from error
    return scenario_of(text, str(path), folder=path.parent, trace=trace)


def scenario_of(text: str, name: str, *, folder: Path, trace: Path | None = None) -> Scenario:
    """The scenario that a TOML text describes; file names in it are relative to `folder`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name} is not TOML: {error}", "see wattleak simulate --example") from error
    top = Table(name, "", content, _TOP)
    jobs = Table(name, "jobs", top.table("jobs"), _JOBS)
    places = [Table(name, f"place {number}", each, _PLACE) for number, each in enumerate(top.tables("place"), 1)]
    if not places:
        raise UsageError(f"{name} has no [[place]]", "wattleak simulate --example shows one")
    sites = tuple(_site(table, folder, index) for index, table in enumerate(places))
    if len({site.name for site in sites}) < len(sites):
        raise UsageError(f"{name}: two places have the same name", "name them apart")
    traced = jobs.values.get("trace")
    if trace is None and traced is not None:
        trace = Path("-") if traced == "-" else folder / jobs.text("trace")
    if traced is not None and (drawn := [key for key in _DRAWN if key in jobs.values]):
        raise UsageError(f"{name}: [jobs] has a trace and {', '.join(drawn)}", "jobs are read or drawn, not both")
    shares = tuple(table.number("share", 1.0 if index == 0 else 0.0) for index, table in enumerate(places))
    return Scenario(
        sites=sites,
        options=_options(name, top, jobs),
        policies=_policies(name, top),
        workload=None if trace is not None else _workload(name, jobs, sites, shares),
        trace=trace,
        seeds=1 if trace is not None else top.whole("seeds", 10, least=1),
        title=top.text("title", ""),
    )


def _site(table: Table, folder: Path, index: int) -> Site:
    profile = _profile(table, folder)
    pue = table.number("pue", 1.0)
    if pue < 1.0:
        raise table.error("pue", f"{pue:g} is below 1", "total energy over computing energy: 1.0 or more")
    nodes = Nodes(
        count=table.whole("nodes", None, least=1),
        cores=table.whole("cores", 1, least=1),
        idle_w=table.number("idle_w", None),
        active_w=table.number("active_w", None),
        startup_j=table.number("startup_j", 0.0),
        startup_s=table.number("startup_s", 0.0),
        power_down_after_s=table.number("power_down_after_s", NEVER),
        off_w=table.number("off_w", 0.0),
    )
    if _LONGEST_REST_S < nodes.power_down_after_s < NEVER:
        raise table.error("power_down_after_s", "more than 30 days", "leave it out: nodes are then always on")
    if nodes.active_w < nodes.idle_w:
        raise table.error("active_w", "less than idle_w", "watts of a node with all cores at work, idle power included")
    return Site(table.text("name", f"place {index + 1}"), nodes, profile, pue)


def _profile(table: Table, folder: Path) -> Profile:
    ways = [key for key in ("region", "g_per_kwh", "profile") if key in table.values]
    if len(ways) > 1:
        raise table.error(ways[1], f"{ways[0]} is given too", "one of region, g_per_kwh and profile")
    if ways and ways[0] != "region" and "swing" in table.values:
        raise table.error("swing", f"it has no part in {ways[0]}", "swing shapes the yearly average of a region")
    if ways == ["profile"]:
        return profile_of_file(folder / table.text("profile"))
    if ways == ["g_per_kwh"]:
        given = table.values["g_per_kwh"]
        values = given if isinstance(given, list) else [given]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise table.error("g_per_kwh", "not a list of numbers", "one value for each hour, as [320, 310, ...]")
        return Profile(values, f"the scenario ({len(values)} hours)", Origin.QUOTED)
    region = table.text("region") if ways else None
    return profile_of_region(region, table.number("swing", 0.0), table.number("greenest_hour", 13.0))


def _workload(name: str, jobs: Table, sites: tuple[Site, ...], shares: tuple[float, ...]) -> Workload:
    if not jobs.values:
        raise UsageError(f"{name} has no [jobs]", "give per_day, days and length_s, or trace = FILE, or --trace FILE")
    kinds = [kind.value for kind in Lengths]
    lengths = jobs.text("lengths", Lengths.LOGNORMAL.value)
    if lengths not in kinds:
        raise jobs.error("lengths", f"{lengths!r} is none of {', '.join(kinds)}", "choose one of them")
    by_hour = jobs.numbers("by_hour", (1.0,) * 24)
    if len(by_hour) != 24 or not sum(by_hour) > 0:
        raise jobs.error("by_hour", f"{len(by_hour)} values", "24 relative rates, not all 0")
    if not sum(shares) > 0:
        raise UsageError(f"{name}: no place has a share of the jobs", "give one place a share above 0")
    flexible = jobs.number("flexible", 1.0)
    if flexible > 1:
        raise jobs.error("flexible", f"{flexible:g} is no part", "0 to 1")
    cores = _cores(jobs)
    narrowest = min(site.nodes.cores for site, share in zip(sites, shares, strict=True) if share)
    if max(width for width, _ in cores) > narrowest:
        raise jobs.error("cores", f"wider than a node of {narrowest} cores", "a job runs on one node")
    return Workload(
        jobs_per_day=jobs.positive("per_day"),
        days=jobs.positive("days", 1.0),
        length_s=jobs.positive("length_s"),
        lengths=Lengths(lengths),
        sigma=jobs.number("sigma", 1.0),
        by_hour=by_hour,
        cores=cores,
        power_w=jobs.number("power_w", None) if "power_w" in jobs.values else None,
        slack_s=jobs.number("slack_s", 0.0),
        flexible=flexible,
        shares=shares,
    )


def _cores(jobs: Table) -> tuple[tuple[int, float], ...]:
    given = jobs.values.get("cores", 1)
    parts = given if isinstance(given, dict) else {given: 1.0}
    try:
        cores = tuple((int(str(width)), float(weight)) for width, weight in parts.items())
    except (TypeError, ValueError) as error:
        raise jobs.error("cores", f"{given!r} says no cores", "a number, or { 1 = 0.7, 4 = 0.3 }") from error
    if not cores or any(width < 1 or not weight >= 0 for width, weight in cores) or not sum(w for _, w in cores) > 0:
        raise jobs.error("cores", f"{given!r} says no cores", "1 or more cores, weights of 0 or more")
    return cores


def _options(name: str, top: Table, jobs: Table) -> Options:
    batched = Table(name, "batched", top.table("batched"), ("window_s", "size", "merge"))
    transfer = Table(name, "transfer", top.table("transfer"), ("energy_j", "seconds"))
    size = batched.whole("size", 0, least=1) if "size" in batched.values else None
    window = batched.positive("window_s", 900.0) if "window_s" in batched.values or size is None else None
    return Options(
        setup_s=jobs.number("setup_s", 0.0),
        window_s=window,
        size=size,
        merge=batched.whole("merge", 1, least=1),
        transfer_j=transfer.number("energy_j", 0.0),
        transfer_s=transfer.number("seconds", 0.0),
    )


def _policies(name: str, top: Table) -> tuple[Kind, ...]:
    given = top.values.get("policies", [kind.value for kind in Kind])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise UsageError(f"{name}: policies must be a list of names", f"of {', '.join(Kind)}")
    return policies_named(given)


def policies_named(names: list[str]) -> tuple[Kind, ...]:
    """The policies with these names, first-come always among them: the others are compared with it."""
    for each in names:
        if each not in list(Kind):
            near = get_close_matches(each, list(Kind), n=1)
            raise UsageError(
                f"no policy is called {each!r}", f"did you mean {near[0]}?" if near else f"known: {', '.join(Kind)}"
            )
    return tuple(kind for kind in Kind if kind is Kind.FIRST_COME or kind in names)
