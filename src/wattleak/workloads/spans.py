"""Spans in the programs of the studies, which run by themselves, too. Standard library only."""

from __future__ import annotations

import contextlib
import os

import wattleak


def span(name: str) -> contextlib.AbstractContextManager[object]:
    """A span of the recording, where there is one: a run without wattleak starts no recorder."""
    return wattleak.measure(name) if os.environ.get("WATTLEAK_RECORDER") else contextlib.nullcontext()
