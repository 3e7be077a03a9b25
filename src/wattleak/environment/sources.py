"""Every meter that wattleak has, asked one by one: what it reads here or why it cannot, and how long it takes to open.

`meters.probe` picks the meters of a run. This is the wider question of `wattleak doctor`: also those that nobody asked
for, and those that stand back because a better one is there.
"""

from __future__ import annotations

import marshal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import WattleakError
from wattleak.meters import BUILTIN, ENTRY_POINTS
from wattleak.meters.probe import Probed, probe_meters
from wattleak.model import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Channel, Meter

_ROOT = str(Path(__file__).resolve().parents[2])
_TIMEOUT_S = 60.0  # a GPU that the driver has to set up first takes seconds
# What the recorder does with a meter, in a process like the recorder's. The clock starts when Python is ready.
_OPEN = f"""
import sys, time
sys.path.insert(0, {_ROOT!r})
import marshal
reference, spec, path = marshal.loads(sys.stdin.buffer.read())
sys.path += path
started = time.perf_counter()
from wattleak.meters import load
meter = load(reference)()
meter.open(spec)
readings = len(meter.read())
ended = time.perf_counter()
meter.close()
print(ended - started, readings)
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One meter on this machine."""

    meter: str
    channels: tuple[Channel, ...]  # empty: see `unavailable`
    unavailable: Unavailable | None
    losses: tuple[Unavailable, ...]  # parts that a usable meter cannot read here
    used: bool  # whether a run reads it
    probe_s: float  # to find out, in the process of the command line
    open_s: float | None  # until the recorder has its first reading; None: nothing to open, or it did not answer
    absent: bool = False  # the machine has no such part: nothing is lost


def survey(asked: Sequence[str] = ()) -> tuple[Source, ...]:
    """Ask all built-in meters, those that other packages register, and `asked` (`replay:FILE.json`).

    No meter is given an argument that the user did not give: one that needs an address or a file says so, and no
    network is touched. `used` is false everywhere: see `in_use`.
    """
    arguments = {name.partition(":")[0]: name for name in asked}
    names = dict.fromkeys([name for name, _ in BUILTIN] + [point.name for point in entry_points(group=ENTRY_POINTS)])
    return tuple(_look(name, arguments.get(name, name)) for name in names)


def in_use(sources: Sequence[Source], chosen: Probed) -> tuple[Source, ...]:
    """The same, with what a run would use marked, and its channels as that run sees them (stated idle power)."""
    of_run = {channel.name: channel for channel in chosen.channels}
    meters = {channel.meter for channel in chosen.channels}
    return tuple(
        replace(source, used=True, channels=tuple(of_run.get(own.name, own) for own in source.channels))
        if source.meter in meters
        else source
        for source in sources
    )


def _look(name: str, asked: str) -> Source:
    started_s = time.perf_counter()
    try:
        found = probe_meters([asked])
    except WattleakError as failure:
        found = Probed((), (), (Unavailable(name, failure.message, failure.remedy),))
    except Exception as failure:  # noqa: BLE001 - a package of somebody else's may fail in any way
        reason = f"its code failed: {type(failure).__name__}: {failure}"
        found = Probed((), (), (Unavailable(name, reason, f"leave {name} out, or update the package that brings it"),))
    probe_s = time.perf_counter() - started_s
    if not found.meters:
        nothing = Unavailable(name, "it found nothing to read", f"leave {name} out")
        why = next(iter((*found.unavailable, *found.absent)), nothing)
        if why.remedy.startswith(f"{name}:"):  # a selection, as `plug:http://...`: said as it is typed
            why = why._replace(remedy=f"--meters {why.remedy}")
        absent = why in found.absent
        return Source(name, (), why, (), used=False, probe_s=probe_s, open_s=None, absent=absent)
    ((reference, meter),) = found.meters
    return Source(
        meter=name,
        channels=found.channels,
        unavailable=None,
        losses=found.unavailable,
        used=False,
        probe_s=probe_s,
        open_s=opening_time_s(reference, meter, found.search_path),
    )


def opening_time_s(reference: str, meter: Meter, search_path: Sequence[str] = ()) -> float | None:
    """Seconds that a recorder needs for a probed meter, from importing it to its first reading; None if it got none."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _OPEN],
        input=marshal.dumps((reference, meter.spec(), list(search_path))),
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    words = done.stdout.split()
    return float(words[0]) if done.returncode == 0 and len(words) == 2 and int(words[1]) else None
