"""What every meter must do, built in or not: one check that a package with a meter of its own can call in its tests.

def test_my_meter():
    assert check_meter(MyMeter()) == ()
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.model import Channel, Quantity, Unavailable

if TYPE_CHECKING:
    from wattleak.model import Meter

FORBIDDEN = ("json", "re", "enum", "dataclasses", "typing", "inspect", "pathlib", "signal")
"""Modules that importing a meter must not import: the recorder pays for each on every run."""

_TIMEOUT_S = 60
_TWIN = """
import sys
paths, module, name, forbidden, spec = {paths!r}, {module!r}, {name!r}, {forbidden!r}, {spec!r}
sys.path[:0] = paths
before = set(sys.modules)
meter = getattr(__import__(module, fromlist=[name]), name)()
heavy = [name for name in forbidden if name in sys.modules and name not in before]
meter.open(spec)
first, second = meter.read(), meter.read()
held = {{channel: sorted(pids) for channel, pids in meter.holders().items()}}
used = {{channel: [busy, shares and list(shares.values())] for channel, (busy, shares) in meter.use().items()}} \
    if hasattr(meter, "use") else {{}}
import os
try:
    os.waitpid(-1, getattr(os, "WNOHANG", 0))
    children = True
except OSError:
    children = False
meter.close()
meter.close()
import json
print(json.dumps([heavy, first, second, held, used, children]))
"""


def check_meter(meter: Meter) -> tuple[str, ...]:
    """Probe a meter, make its twin as the recorder does (`python -I -S`, no arguments), read that; list what is wrong.

    An empty answer says that the meter conforms. `meter` is fresh, not yet probed; one that is unavailable here is
    only asked for a reason and a remedy.
    """
    answer = meter.probe()
    if isinstance(answer, Unavailable):
        said = [answer.meter == meter.name, bool(answer.reason.strip()), bool(answer.remedy.strip())]
        return () if all(said) else ("an unavailable meter gives its name, a reason and a remedy",)
    problems = [problem for channel in answer for problem in _check_channel(channel, meter.name)]
    losses = getattr(meter, "losses", ())
    if not all(isinstance(loss, Unavailable) and loss.reason.strip() and loss.remedy.strip() for loss in losses):
        problems.append("`losses` holds an Unavailable with a reason and a remedy for each part that cannot be read")
    names = [channel.name for channel in answer]
    if not names or len(set(names)) != len(names):
        problems.append("probe() gives channels, each with its own name, or Unavailable")
    if any(channel.contains - set(names) or channel.name in channel.contains for channel in answer):
        problems.append("`contains` names other channels of the same meter")
    spec = meter.spec()
    if not _is_plain(spec):
        return (*problems, "spec() is plain data: str, int, float, bool, None, list, dict with str keys")
    return (*problems, *_check_twin(meter, spec, {channel.name: channel for channel in answer}))


def _check_channel(channel: Channel, meter: str) -> list[str]:
    checks = {
        "names its meter": channel.meter == meter,
        "has a name": bool(channel.name),
        "says where it comes from (source)": bool(channel.source.strip()),
        "has an update period above zero": 0 < channel.period_s < math.inf,
        "has a range around its reading": 0 < channel.relative_low <= 1 <= channel.relative_high < math.inf,
        "wraps at a positive energy, and only an energy wraps": channel.wrap_j is None
        or (channel.wrap_j > 0 and channel.quantity is Quantity.ENERGY_J),
    }
    return [f"channel {channel.name!r} {rule}: it does not" for rule, kept in checks.items() if not kept]


def _check_twin(meter: Meter, spec: dict[str, object], channels: dict[str, Channel]) -> list[str]:
    kind = type(meter)
    program = _TWIN.format(
        paths=_import_roots(kind.__module__),
        module=kind.__module__,
        name=kind.__qualname__,
        forbidden=FORBIDDEN,
        spec=spec,
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        return [f"the recorder's twin (python -I -S, no arguments, open(spec)) fails: {last[0]}"]
    heavy, first, second, held, used, children = json.loads(done.stdout)
    problems = [f"importing {kind.__module__} imports {name}, which the recorder must not" for name in heavy]
    for raw in (first, second):
        problems += [f"read() gives {name!r}, which probe() did not" for name in raw if name not in channels]
        problems += [f"read() gives {value} for {name!r}" for name, value in raw.items() if not 0 <= value < math.inf]
    if not first:
        problems.append("read() gives nothing right after open(spec)")
    if children:
        problems.append("open(spec) leaves a child process: the recorder takes its children for the workload")
    for name, channel in channels.items():
        counts = channel.quantity is Quantity.ENERGY_J and channel.wrap_j is None
        if counts and name in first and name in second and second[name] < first[name]:
            problems.append(f"the energy of {name!r} falls without a wrap")
    problems += [f"holders() names {name!r}, which is no channel" for name in held if name not in channels]
    problems += [f"use() names {name!r}, which is no channel" for name in used if name not in channels]
    for name, (busy, shares) in used.items():
        fractions = [fraction for fraction in (busy, *(shares or ())) if fraction is not None]
        problems += [f"use() gives the fraction {value} for {name!r}" for value in fractions if not 0 <= value <= 1]
    return problems


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | int | float)


def _import_roots(module: str) -> list[str]:
    """The folders from which wattleak and the meter's own package are imported."""
    roots: list[str] = []
    for name in (__name__, module):
        top = sys.modules[name.partition(".")[0]].__file__
        if top is not None:
            path = Path(top)
            roots.append(str(path.parent.parent if path.name == "__init__.py" else path.parent))
    return list(dict.fromkeys(roots))
