"""Writing a result page: what was run, on which machine, when, and the numbers."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from wattleak.environment.fingerprint import fingerprint

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"


def write(name: str, title: str, what: str, header: list[str], rows: list[list[str]], after: str = "") -> Path:
    """Write docs/results/NAME.md and show it."""
    facts = fingerprint()
    repeat = f"`.venv/bin/python -m benchmarks {name}`"
    if name in getattr(sys.modules["__main__"], "ALL", ()):  # benchmarks/__main__.py: what `make bench` runs
        repeat = f"`make bench` (this page: {repeat})"
    text = f"""# {title}

{what}

Machine: {facts["cpu"]}, {facts["cpus_allowed"]} CPUs allowed, hypervisor {facts["hypervisor"]}, {facts["system"]},
Python {platform.python_version()}. Date: {datetime.now(UTC):%Y-%m-%d}. Repeat: {repeat}.

| {" | ".join(header)} |
|{"---|" * len(header)}
"""
    text += "".join(f"| {' | '.join(row)} |\n" for row in rows)
    if after:
        text += f"\n{after}\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    print(text)
    return path
