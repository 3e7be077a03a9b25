"""The run-time probes of `measure`: sending the agent along, and asking afterwards what it saw."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wattleak.model import Finding, Observations

_ON = "wattleak: run-time probes are on: an agent in every Python of this command (--no-probes turns it off)"
_LARGEST_B = 1 << 20  # of a script that is scanned beside


def begin(folder: Path, args: Namespace) -> Mapping[str, str]:
    """What to add to the environment of the command, and the line that says so."""
    from wattleak.observation.agent import OFF, agent_environment

    if args.no_probes:
        return OFF
    if not args.quiet:
        print(_ON, file=sys.stderr, flush=True)
    return agent_environment(folder, os.environ)


def observed(folder: Path, command: Sequence[str], shown: Sequence[str]) -> Observations:
    """What was seen. `shown` is the command with its secrets hidden: what is stored of it."""
    from wattleak.observation.observe import observe

    return observe(folder, shown, _suspected(command))


def _suspected(command: Sequence[str]) -> tuple[Finding, ...]:
    """What a scan of the script finds. It is read, never imported; what it imports is not looked at."""
    from wattleak.environment.interpreter import shell_words
    from wattleak.observation.program import script_of

    script = script_of(shell_words(command))
    if script is None or script.stat().st_size > _LARGEST_B:
        return ()
    from wattleak.scanner.scan import scan

    return scan(script).findings
