"""Sending the agent along with a command: two environment variables, and nothing that the user must change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.search_path import search_words
from wattleak.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGENT = Path(__file__).resolve().parents[1] / "agent"  # read by other interpreters than ours: a folder, no package
_SEARCH, _TARGET = "PYTHONPATH", "WATTLEAK_SIGNALS"


def agent_environment(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """What to add to `env` so that every Python of a command reports into the folder of its run, which is made ready.

    Raises OSError when the folder cannot be made.
    """
    target = folder.resolve() / SIGNALS
    target.mkdir(exist_ok=True)
    others = [word for word in search_words(env) if word != str(_AGENT)]
    return {_SEARCH: os.pathsep.join([str(_AGENT), *others]), _TARGET: str(target)}


def agent_off(env: Mapping[str, str]) -> dict[str, str]:
    """What to add to `env` so that a command does not inherit the agent of a program around wattleak."""
    return {_TARGET: ""} if env.get(_TARGET) else {}
