"""What a change would do, as a scenario asks for it: a gain, another place, other hours, batching, other hardware."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.footprint import quoted, reading_terms
from wattleak.footprint.inputs import Input, fraction
from wattleak.footprint.reading_places import cleanest, hours_of_work, places, spans
from wattleak.footprint.scenario import Change, Scenario, Stream
from wattleak.footprint.scenario_table import known_keys, scenario_from
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wattleak.footprint.reading_terms import Resolve

    ResolveChange = Callable[[str], tuple[Change, ...]]  # reference as smell:CODE/FRAMEWORK -> what it would change

_GAIN = "5%"


def whole_scenario(
    name: str,
    table: Mapping[str, Any],
    resolve: Resolve | None = None,
    resolve_change: ResolveChange | None = None,
) -> Scenario:
    """A scenario with the changes that it asks for. Raises UsageError."""
    keys = known_keys(name, table)
    scenario = scenario_from(name, table, resolve)
    found: list[Change] = [_less(f"a gain of {keys.get('gain', _GAIN)}", fraction("gain", keys.get("gain", _GAIN)))]
    missing: list[str] = []
    savings = keys.get("saving", [])
    several = savings if isinstance(savings, (list, tuple)) else [savings]
    found += [change for value in several for change in _saving(value, resolve_change)]
    _ask(found, missing, "moving region", _moves(keys), "move-to SE")
    _ask(found, missing, "shifting hours", _shift(keys, scenario), "hours 8-18 and hourly-intensity with 24 numbers")
    _ask(found, missing, "batching", _batching(keys), "batching 20%, or quoted")
    _ask(found, missing, "other hardware", _hardware(keys, scenario, resolve), "hardware-to 'gpu:5.1 Wh'")
    return replace(scenario, changes=tuple(found), not_asked=tuple(missing))


def relative(name: str, change: Input, note: str = "") -> Change:
    """A change of all energy by a fraction, as -0.05."""
    return Change(name, note, energy=change)


def _less(name: str, saved: Input, note: str = "") -> Change:
    """A share saved of all energy."""
    change = replace(saved, value=-saved.value, low=-saved.high, high=-saved.low, least=-1.0, most=float("inf"))
    return relative(name, change, note)


def _ask(found: list[Change], missing: list[str], what: str, changes: list[Change], how: str) -> None:
    if changes:
        found += changes
    else:
        missing.append(f"{what}: state {how}")


def _saving(value: object, resolve: ResolveChange | None) -> tuple[Change, ...]:
    if isinstance(value, Change):
        return (value,)
    if isinstance(value, str) and value.strip().startswith("smell:"):
        if resolve is None:
            raise UsageError(
                f"saving: {value!r} names a study, and none can be read here", "state a share: 31% ± 4 points"
            )
        return resolve(value.strip())
    share = fraction("saving", value, least=-10.0, example="31% ± 4 points, or 27..35%")
    return (_less(f"a saving of {value}", share),)


def _moves(keys: Mapping[str, Any]) -> list[Change]:
    wanted = keys.get("move_to", [])
    texts = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    return [
        Change(
            f"moving to {text}",
            "" if "price" not in keys and "wue" not in keys else "price and water of the other place are taken as here",
            places=places(str(text)),
        )
        for text in texts
    ]


def _shift(keys: Mapping[str, Any], scenario: Scenario) -> list[Change]:
    hours = scenario.hours
    if hours is None or hours.intensity is None:
        if "shift_to" in keys:
            raise UsageError(
                "shift-to: what the grid emits by hour is not stated",
                "--hourly-intensity with 24 numbers from midnight",
            )
        return []
    if "shift_to" in keys:
        after = replace(hours, work=hours_of_work("shift_to", keys["shift_to"]))
    elif all(weight > 0 for weight in hours.work):
        return []
    else:
        after = cleanest(hours)
    return [
        Change(f"shifting hours to {spans(after.work)}", "the grid is taken to emit so much on every day", hours=after)
    ]


def _batching(keys: Mapping[str, Any]) -> list[Change]:
    if "batching" not in keys:
        return []
    if str(keys["batching"]).strip().lower() == reading_terms.QUOTED:
        share = -float(quoted.figures()["batching"])
        item = Input("batching", share, share, share, origin=Origin.QUOTED, source=quoted.source())
        return [_less(f"batching, {share:.0%} as quoted", item, "a claim to be tested, not a result")]
    return [_less(f"batching, {keys['batching']}", fraction("batching", keys["batching"], least=-10.0))]


def _hardware(keys: Mapping[str, Any], scenario: Scenario, resolve: Resolve | None) -> list[Change]:
    if "hardware_to" not in keys:
        return []
    kind, _, energy = str(keys["hardware_to"]).partition(":")
    jobs = [stream for stream in scenario.streams if stream.counted == "job"]
    if not jobs:
        raise UsageError("hardware-to: there are no jobs to move", "state --job or --hardware and --jobs-per-day")
    name = kind.strip().lower()
    if energy.strip():
        work = reading_terms.energy_on(name, energy.strip(), resolve)
    else:
        known = {stream.name.removeprefix("jobs on "): stream.work for stream in jobs}
        if name not in known:
            raise UsageError(
                f"hardware-to: the energy of a job on {kind!r} is not stated", f"--hardware-to '{name}:5.1 Wh'"
            )
        work = known[name]
    after = Stream(f"jobs on {name}", "job", work, jobs[0].per_day)
    return [Change(f"all jobs on {name}", jobs=(after,))]
