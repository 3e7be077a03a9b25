"""What providers answered, kept in the user's cache folder, so that the runs of an experiment ask once.

$XDG_CACHE_HOME/wattleak/intensity (default ~/.cache/wattleak/intensity). Asked is for whole half hours. An answer about
the last day is asked again after 15 minutes, as estimates are replaced by outcomes; an older one is kept for 30 days.
It holds no token. What failed is not asked again for five minutes. A cache that cannot be read or written is left
alone: the provider is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import astuple
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.footprint.providers import ProviderFailure, Stretch

if TYPE_CHECKING:
    from wattleak.footprint.providers import Provider

_SLOT_S = 1800.0
_RECENT_S = 86_400.0
_KEPT_RECENT_S, _KEPT_S = 900.0, 30 * 86_400.0
_LONGEST_S = 366 * 86_400.0
_NOT_AGAIN_S = 300.0  # after a failure
_failures: dict[tuple[str, str, str], tuple[float, str]] = {}  # when it failed and why; gone with the process


def cache_folder() -> Path:
    """Where answers are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "wattleak" / "intensity"


def remembered(provider: Provider, zone: str, start_s: float, end_s: float) -> tuple[tuple[Stretch, ...], str]:
    """What the provider publishes for the time, and when it was asked (ISO 8601). Raises ProviderFailure."""
    if end_s - start_s > _LONGEST_S:
        raise ProviderFailure("more than a year is not asked for")
    first_s, last_s = start_s // _SLOT_S * _SLOT_S, -(-end_s // _SLOT_S) * _SLOT_S
    key = sha256(f"{provider.name}\n{zone}\n{first_s}\n{last_s}\n{_address(provider)}".encode()).hexdigest()[:24]
    path = cache_folder() / f"{provider.name}-{key}.json"
    now_s = time.time()
    kept_s = _KEPT_RECENT_S if now_s - end_s < _RECENT_S else _KEPT_S
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        document = json.loads(path.read_text(encoding="utf-8"))
        if 0 <= now_s - document["asked_s"] < kept_s:
            return _checked(Stretch(*row) for row in document["stretches"]), _iso(document["asked_s"])
    found = _asked(provider, zone, first_s, last_s)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"asked_s": now_s, "stretches": [astuple(one) for one in found]}), encoding="utf-8")
        part.replace(path)
    return found, _iso(now_s)


def _asked(provider: Provider, zone: str, first_s: float, last_s: float) -> tuple[Stretch, ...]:
    """Ask, unless it failed a moment ago: the runs of an experiment do not wait for it one by one."""
    which = (provider.name, zone, _address(provider))
    failed_s, why = _failures.get(which, (float("-inf"), ""))
    if time.monotonic() - failed_s < _NOT_AGAIN_S:
        raise ProviderFailure(why)
    try:
        return _checked(provider.stretches(zone, first_s, last_s))
    except ProviderFailure as failure:
        _failures[which] = (time.monotonic(), str(failure))
        raise


def _checked(stretches: object) -> tuple[Stretch, ...]:
    """Numbers that can be, in order. Raises ProviderFailure."""
    try:
        found = tuple(sorted(stretches, key=lambda one: one.start_s))  # type: ignore[call-overload]  # as answered
        sound = all(
            isfinite(one.start_s) and one.start_s < one.end_s and 0 <= one.low <= one.value <= one.high < 5000
            for one in found
        )
    except (TypeError, AttributeError) as error:
        raise ProviderFailure("its answer is not what it documents") from error
    if not sound:
        raise ProviderFailure("its answer holds figures that cannot be")
    return found


def _address(provider: Provider) -> str:
    return str(getattr(provider, "url", ""))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
