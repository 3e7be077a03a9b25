"""Libraries that a program has really loaded, paths that it set in vain, accelerators that it leaves alone.

Read from outside (/proc/PID/maps, the environment that the process began with, the metadata of its packages), but for
paths that a program sets for itself: those the agent notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Evidence
from wattleak.signals.outside.facts import libraries_in
from wattleak.smells.library_path_mismatch.loaded import claims, unused_device
from wattleak.smells.library_path_mismatch.loader import slow_loads
from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.signals import Signals
    from wattleak.signals.outside.libraries import LoadedLibraries
    from wattleak.smells.library_path_mismatch.loaded import Claim

_CODE = "ENV001"
_READ_AT_START = "LD_LIBRARY_PATH"


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield what was seen of libraries, paths and devices. What all processes of a tree share is said once."""
    processes = libraries_in(signals)
    said: set[tuple[str, str]] = set()
    for libraries in processes:
        for claim in claims(libraries):
            if (claim.counter, claim.message) not in said:
                said.add((claim.counter, claim.message))
                yield _evidence(claim, libraries)
    unused = unused_device(processes)
    if unused is not None:
        yield _evidence(unused[1], unused[0], cost_s=unused[0].cpu_s)
    yield from slow_loads(signals)
    yield from _in_vain(signals)


def _evidence(claim: Claim, libraries: LoadedLibraries, *, cost_s: float | None = None) -> Evidence:
    return Evidence(
        code=_CODE,
        path=None,
        line=None,
        counter=claim.counter,
        value=claim.value,
        unit=claim.unit,
        threshold=claim.threshold,
        message=claim.message,
        cost_s=cost_s,
        pid=libraries.pid,
    )


def _in_vain(signals: Signals) -> Iterator[Evidence]:
    """A library path that a program set for itself: the loader had read it when the process began.

    A program that has started others may have set it for them.
    """
    for fact in signals.of("environment"):
        now, born = fact.text("now"), fact.text("born")
        if fact.text("name") != _READ_AT_START or not now or now == born or fact.number("children") != 0:
            continue
        added = [entry for entry in now.split(":") if entry and entry not in (born or "").split(":")]
        if not added:
            continue
        yield evidence_at(
            fact,
            _CODE,
            "folders that the loader never heard of",
            len(added),
            f"{_READ_AT_START} was set inside the program to {':'.join(added)}: the loader read it when the "
            f"process began, and no other process was started that would get it",
            threshold=0.0,
            unit="folders",
        )
