"""A simulated fleet: policies side by side, as a table and as a document."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from wattleak.documents import envelope
from wattleak.footprint.simulation.summary import LEVEL
from wattleak.model import Origin
from wattleak.reports import units
from wattleak.reports.columns import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.footprint.simulation.place import Site
    from wattleak.footprint.simulation.scenario import Scenario
    from wattleak.footprint.simulation.summary import Figure, PolicySummary
    from wattleak.reports.style import Style

_COLUMNS = 110
_NO_RANGE = {"low": None, "high": None}  # the user stated a number and no range
_COMPONENTS = {
    "jobs": "jobs, above idle",
    "setup": "their set-ups",
    "base": "idle power of nodes at work",
    "idle": "nodes on without a job",
    "off": "nodes that are off",
    "startup": "node starts",
    "transfer": "moving jobs",
}
_CHANGED = (
    ("energy_j", "energy"),
    ("facility_energy_j", "energy with PUE"),
    ("carbon_g", "CO2e"),
    ("node_h", "node hours"),
)
_WAITED = (("wait_mean_s", "mean wait"), ("wait_p95_s", "wait p95"), ("wait_p99_s", "wait p99"))
NO_INTERVAL = "one stream of jobs: no interval, for what another one would bring is not known from it"


def render_simulation(scenario: Scenario, seeds: Sequence[int], found: Sequence[PolicySummary], *, style: Style) -> str:
    """What each policy costs and what it changes. Ends without a line end."""
    first = found[0].figures
    streams = f"{len(seeds)} streams of jobs (seeds {seeds[0]} to {seeds[-1]})" if len(seeds) > 1 else "one stream"
    lines = [
        style.paint(scenario.title or "a simulated fleet", "strong"),
        style.text(
            f"  {first['jobs'].value:,.0f} jobs over {units.duration(first['horizon_s'].value)}, "
            f"{streams}, the same for all policies; all numbers simulated"
        ),
        "",
        *_lined_up(_rows(found), style),
        "",
        *_changes(found, style),
        "",
    ]
    for site in scenario.sites:
        lines += [style.text(line) for line in _filled(f"{site.name}: {_site(site)}", "  ", "    ")]
    said = notes(scenario, seeds, found)
    lines += [style.paint(line, "warning") for note in said for line in _filled(note, "  note  ", "        ")]
    return "\n".join(lines).rstrip()


def notes(scenario: Scenario, seeds: Sequence[int], found: Sequence[PolicySummary]) -> list[str]:
    """What a reader must know before using the numbers."""
    said = []
    if len(seeds) == 1 or scenario.trace is not None:
        said.append(NO_INTERVAL)
    policies = {each.policy.value: each for each in found}
    if "shifted-in-time" in policies:
        if all(site.profile.is_flat for site in scenario.sites):
            said.append("all hours are equally green: shifting in time has nothing to gain (give hours or a swing)")
        elif not policies["shifted-in-time"].figures["with_deadline"].value:
            said.append("no job has a deadline or slack: shifting in time may not move any")
    if "shifted-in-place" in policies and len(scenario.sites) == 1:
        said.append("there is one place: shifting in place has nowhere to go")
    if any(site.profile.spread for site in scenario.sites):
        said.append("CO2e intervals are over streams of jobs; the range of the intensities comes on top, alike for all")
    return said


def simulation_document(scenario: Scenario, seeds: Sequence[int], found: Sequence[PolicySummary]) -> dict[str, Any]:
    """What `simulate --json` prints."""
    return {
        **envelope("simulation"),
        "origin": Origin.SIMULATED.value,
        "title": scenario.title or None,
        "seeds": list(seeds),
        "level": LEVEL if len(seeds) > 1 else None,
        "places": [_place(site) for site in scenario.sites],
        "policies": [
            {
                "policy": each.policy.value,
                **_figures(each.figures),
                "energy_parts_j": _figures(each.energy_j),
                "carbon_parts_g": _figures(each.carbon_g),
                "changes": _figures(each.changes),
                "differences": _figures(each.differences),
            }
            for each in found
        ],
        "notes": notes(scenario, seeds, found),
    }


def _figures(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        name: {"value": each.value, "low": each.low, "high": each.high, "origin": Origin.SIMULATED.value}
        for name, each in figures.items()
    }


def _place(site: Site) -> dict[str, Any]:
    nodes, profile = site.nodes, site.profile
    stated = {name: getattr(nodes, name) for name in ("idle_w", "active_w", "off_w", "startup_j")}
    low, high = profile.spread or (None, None)
    return {
        "name": site.name,
        "pue": site.pue,
        "nodes": nodes.count,
        "cores": nodes.cores,
        **{name: {"value": value, **_NO_RANGE, "origin": Origin.CONSTANT.value} for name, value in stated.items()},
        "startup_s": nodes.startup_s,
        "off_after_s": None if nodes.power_down_after_s == float("inf") else nodes.power_down_after_s,
        "intensity": {
            "mean_g_per_kwh": profile.mean,
            "low_g_per_kwh": None if low is None else low * profile.mean,
            "high_g_per_kwh": None if high is None else high * profile.mean,
            "greenest_hour_g_per_kwh": min(profile.g_per_kwh),
            "dirtiest_hour_g_per_kwh": max(profile.g_per_kwh),
            "hours": len(profile.g_per_kwh),
            "origin": profile.origin.value,
            "source": profile.source,
            "table": profile.table or None,
        },
    }


def _rows(found: Sequence[PolicySummary]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", *(each.policy.value for each in found))]

    def add(label: str, name: str, unit: str) -> None:
        values = [each.figures[name].value for each in found]
        rows.append((label, *units.same_unit(values, unit)))

    add("energy of the nodes", "energy_j", "J")
    size = [each.figures["energy_j"].value for each in found]
    for name, label in _COMPONENTS.items():
        parts = [each.energy_j[name].value for each in found]
        if any(parts):
            symbol, scale = units.fitting(size, "J")
            rows.append((f"  {label}", *(f"{units.number(part / scale)} {symbol}" for part in parts)))
    add("CO2e, PUE included", "carbon_g", "g")
    rows.append(("mean wait", *(units.duration(each.figures["wait_mean_s"].value) for each in found)))
    for name, label in (("wait_p50_s", "p50"), ("wait_p95_s", "p95"), ("wait_p99_s", "p99")):
        rows.append((f"  {label}", *(units.duration(each.figures[name].value) for each in found)))
    if any(each.figures["with_deadline"].value for each in found):
        rows.append(("missed deadlines", *(_missed(each) for each in found)))
    rows.append(("node hours", *(units.number(each.figures["node_h"].value) for each in found)))
    if any(each.figures["starts"].value for each in found):
        rows.append(("node starts", *(units.number(each.figures["starts"].value) for each in found)))
    for name, label in (("held", "jobs held back"), ("moved", "jobs moved")):
        if any(each.figures[name].value for each in found):
            rows.append((label, *(units.number(each.figures[name].value) for each in found)))
    return rows


def _missed(summary: PolicySummary) -> str:
    missed, all_of = summary.figures["missed"].value, summary.figures["with_deadline"].value
    return f"{units.plain(100 * missed / all_of)} %" if all_of else "none"


def _changes(found: Sequence[PolicySummary], style: Style) -> list[str]:
    others = found[1:]
    if not others:
        return []
    lines = [style.paint("against first-come, paired by stream [95 % interval]", "faint")]
    rows: list[tuple[str, ...]] = [("", *(each.policy.value for each in others))]
    for name, label in _CHANGED:
        if name == "facility_energy_j" and all(
            each.changes.get(name) == each.changes.get("energy_j") for each in others
        ):
            continue
        rows.append((label, *(_change(each.changes.get(name)) for each in others)))
    for name, label in _WAITED:
        rows.append((label, *(_longer(each.differences[name]) for each in others)))
    return lines + _lined_up(rows, style)


def _change(figure: Figure | None) -> str:
    if figure is None:
        return ""
    change, interval = units.change_with_interval(figure.value, figure.low, figure.high)
    return f"{change} {interval}".strip()


def _longer(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return _signed(figure.value, "s")
    symbol, size = units.fitting((figure.value, figure.low, figure.high), "s")
    difference, interval = units.difference(figure.value / size, figure.low / size, figure.high / size)
    return f"{difference} {symbol} {interval}"


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "") + units.quantity(value, unit)


def _site(site: Site) -> str:
    nodes = site.nodes
    downs = (
        "always on"
        if nodes.power_down_after_s == float("inf")
        else f"off after {units.duration(nodes.power_down_after_s)} of rest, a start takes "
        f"{units.duration(nodes.startup_s)} and {units.energy(nodes.startup_j)}"
    )
    return (
        f"{nodes.count} nodes of {nodes.cores} cores, {units.power(nodes.idle_w)} idle to "
        f"{units.power(nodes.active_w)}, {downs}; PUE {site.pue:g}; {site.profile.source} ({site.profile.origin.value})"
    )


def _filled(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=first, subsequent_indent=then)


def _lined_up(rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    """A head and rows: what it is stands left, the figures right."""
    return columns(rows[1:], style, head=rows[0], right=range(1, len(rows[0])))
