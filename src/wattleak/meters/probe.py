"""Asking every meter what it can read on this machine. Runs in the process of the command line, never the recorder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import OwnFailure, UsageError
from wattleak.meters import BUILTIN, ENTRY_POINTS, load
from wattleak.meters.rules import containment, made_good, selected, steps_back
from wattleak.model import Estimate, Origin, Unavailable
from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Channel, Meter

_QUOTED_IDLE_ERROR = 0.10  # an idle power that a user states was read off a display somewhere: an assumption
_AWARE = ("perf-rapl", "hwmon", "accelerator-model")  # they leave out what another meter reads already


class Probed(NamedTuple):
    """What can be read here.

    `meters` pairs each usable meter with the `module:Class` under which the recorder makes its twin; `search_path`
    holds folders that the recorder must append to `sys.path` to import those that are not ours. `absent` says why
    meters that nobody asked for do not apply here (no such part in this machine): no figure lacks anything by it.
    """

    meters: tuple[tuple[str, Meter], ...]
    channels: tuple[Channel, ...]
    unavailable: tuple[Unavailable, ...]
    search_path: tuple[str, ...] = ()
    absent: tuple[Unavailable, ...] = ()


def probe_meters(
    selection: Sequence[str] | None = None,
    *,
    idle_power_w: Mapping[str, float] | None = None,
    instance_type: str | None = None,
) -> Probed:
    """Probe the named meters, or all that `rules.RULES` tries unasked.

    Names: the built-in meters, `replay:FILE.json`, `plug:URL`, `accelerator-model:tpu-v4x4`, and what other packages
    register under the entry-point group `wattleak.meters`. Which meters step back for others, and which channels
    contain which, is in `meters.rules`. `idle_power_w` states the idle power of channels by name (origin `quoted`,
    +-10 % assumed); `instance_type` is the cloud's name of this machine, for the CPU model. Raises UsageError for an
    unknown name, an unknown channel or instance type, or a wrong script.
    """
    idle = dict(idle_power_w or {})
    found: list[tuple[str, Meter]] = []
    channels: list[Channel] = []
    unavailable: list[Unavailable] = []
    absent: list[Unavailable] = []
    search_path: list[str] = []
    for name in selected(selection):
        if steps_back(name, channels):
            continue
        reference, meter = _make(name, idle, channels, instance_type)
        try:
            answer = meter.probe()
        except OwnFailure as failure:  # its table is missing: the meter is, too
            answer = Unavailable(name, failure.message, failure.remedy)
        if isinstance(answer, Unavailable):
            # Optional for outsiders, like `losses`: the machine has no such part.
            unasked = selection is None and getattr(meter, "absent", False)
            (absent if unasked else unavailable).append(answer)
            continue
        taken = {channel.name for channel in channels} & {channel.name for channel in answer}
        if taken:
            reason = f"another meter already reads a channel called {min(taken)!r}"
            unavailable.append(Unavailable(name, reason, "select one of the two"))
            continue
        found.append((reference, meter))
        channels += answer
        unavailable += getattr(meter, "losses", ())  # parts that a usable meter cannot read; optional for outsiders
        search_path += _folder(meter)
    _check_idle(idle, channels)
    inside = containment(channels)
    replaced = made_good(meter.name for _, meter in found)
    return Probed(
        tuple(found),
        tuple(_finish(channel, inside[channel.name], idle) for channel in channels),
        tuple(item for item in unavailable if item.meter not in replaced),
        tuple(dict.fromkeys(search_path)),
        tuple(absent),
    )


def _make(
    name: str, idle_power_w: Mapping[str, float], found: Sequence[Channel], instance_type: str | None
) -> tuple[str, Meter]:
    kind, _, argument = name.partition(":")
    builtin = dict(BUILTIN)
    # Each is imported when its turn comes: most are not asked for, and a measured block waits for all of this.
    if kind == "replay":
        from wattleak.meters.replay import ReplayMeter  # noqa: PLC0415 - see above

        if not argument:
            raise UsageError("the replay meter needs a script", "replay:FILE.json")
        return builtin[kind], ReplayMeter.from_file(argument)
    if name == "cpu-model":
        from wattleak.meters.cpu_model import CpuModelMeter  # noqa: PLC0415 - see above

        return builtin[name], CpuModelMeter(idle_power_w.get("cpu"), instance_type=instance_type)
    if argument and kind in ("plug", "accelerator-model"):
        stated: Any = load(builtin[kind])
        return builtin[kind], stated.from_argument(argument)
    if name in _AWARE:
        aware: Any = load(builtin[name])
        return builtin[name], aware(read_already=found)
    if name in builtin:
        return builtin[name], load(builtin[name])()
    from difflib import get_close_matches  # noqa: PLC0415 - 5 ms, for a meter that is not ours only
    from importlib.metadata import entry_points  # noqa: PLC0415 - 20 ms, as above

    outsiders = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in outsiders:
        known = [*builtin, *outsiders]
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? known: " if near else "known: "
        raise UsageError(f"no meter is called {name!r}", hint + ", ".join(known))
    reference = outsiders[name].value
    try:
        return reference, load(reference)()
    except (ImportError, AttributeError) as error:
        remedy = f"pip check, or leave {name} out"
        raise UsageError(f"the meter {name!r} ({reference}) cannot be loaded: {error}", remedy) from error


def _folder(meter: Meter) -> list[str]:
    """Where the recorder finds a meter that is not ours."""
    module = type(meter).__module__
    if module.partition(".")[0] == "wattleak":
        return []
    top = __import__(module.partition(".")[0])
    if top.__file__ is None:  # a namespace package: its parent folders are on its own path
        return [str(Path(folder).parent) for folder in top.__path__]
    path = Path(top.__file__)
    return [str(path.parent.parent if path.name == "__init__.py" else path.parent)]


def _check_idle(idle_power_w: Mapping[str, float], channels: Sequence[Channel]) -> None:
    names = [channel.name for channel in channels]
    for name, watts in idle_power_w.items():
        if name not in names:
            readable = f"channels that can be read here: {', '.join(names)}" if names else "no channel can be read here"
            raise UsageError(f"idle power is stated for {name!r}, which is no channel", readable)
        if not 0 <= watts < float("inf"):
            raise UsageError(f"the idle power of {name!r} is {watts} W", "state watts, zero or more")


def _finish(channel: Channel, inside: frozenset[str], idle_power_w: Mapping[str, float]) -> Channel:
    """The channel with what is known only here: what it contains, and the idle power stated by the user."""
    if channel.name in idle_power_w:
        watts = idle_power_w[channel.name]
        spread = watts * _QUOTED_IDLE_ERROR
        channel = channel._replace(idle_w=Estimate(watts, watts - spread, watts + spread, Origin.QUOTED))
    return channel._replace(contains=inside)
