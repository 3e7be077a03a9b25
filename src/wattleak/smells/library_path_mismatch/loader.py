"""Failed look-ups and time of the loader, where the user asked for its own debug statistics (--loader-trace)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.signals import Signals

MANY_FAILED = 500.0  # `import tensorflow` has 262 without any search path (smell.py)


def slow_loads(signals: Signals) -> Iterator[Evidence]:
    """Yield the imports that look for libraries in too many places."""
    for fact in signals.of("loader"):
        failed, found, module = fact.number("failed"), fact.number("found"), fact.text("module")
        if failed is None or found is None or module is None or failed <= MANY_FAILED:
            continue
        cycles = fact.number("cycles")
        spent = f"; {cycles / 1e6:.1f} million cycles in the loader at the start" if cycles is not None else ""
        entries = fact.number("search_entries")
        why = f", LD_LIBRARY_PATH has {entries:.0f} folders" if entries else ""
        yield Evidence(
            code="ENV001",
            path=None,
            line=None,
            counter="failed look-ups of libraries",
            value=failed,
            unit="look-ups",
            threshold=MANY_FAILED,
            message=f"`import {module}` tries {failed:.0f} files that are not there to find {found:.0f} "
            f"libraries{why}{spent}",
        )
