"""What `compare` found of the training loop alone: its programs report `loop_s` as a figure of quality."""

from __future__ import annotations

from typing import Any

from wattleak.analysis.effect import Change, paired_change


def loop_change(document: dict[str, Any], reference: str, candidate: str) -> Change:
    """The change of the seconds of the training loop, paired by block; runs that failed do not count."""
    before, after = (
        {
            run["block"]: run["quality"]["loop_s"]
            for run in document["runs"]
            if run["variant"] == name and run["quality"] and not run["failure"]
        }
        for name in (reference, candidate)
    )
    both = sorted(before.keys() & after.keys())
    return paired_change([before[block] for block in both], [after[block] for block in both], 0.95)
