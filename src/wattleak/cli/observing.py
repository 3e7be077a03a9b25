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
    from wattleak.recorder.launch import Ended, Recording
    from wattleak.recorder.portable_launch import PortableRecording

_ON = "wattleak: run-time probes are on: an agent in every Python of this command (--no-probes turns it off)"
_LARGEST_B = 1 << 20  # of a script that is scanned beside


def begin(folder: Path, args: Namespace) -> Mapping[str, str]:
    """What to add to the environment of the command, and the line that says so."""
    from wattleak.observation.agent import agent_environment, agent_off

    if args.no_probes:
        return agent_off(os.environ)
    if not args.quiet:
        print(_ON, file=sys.stderr, flush=True)
    return agent_environment(folder, os.environ)


def watched(recording: Recording | PortableRecording, folder: Path, args: Namespace) -> Ended:
    """Wait for the end of a recording, and look at its processes from outside now and then."""
    look = None
    if not args.no_probes:
        from wattleak.environment.outside.observer import observer
        from wattleak.signals import SIGNALS

        look = observer(recording.pid, journal=folder / SIGNALS)
    while True:
        ended = recording.wait(None if look is None else look.wait_s)
        if ended is not None:
            if look is not None and args.loader_trace:
                look.trace_loader()
            return ended
        if look is not None:
            look.look()


def observed(folder: Path, command: Sequence[str], shown: Sequence[str]) -> Observations:
    """What was seen. `shown` is the command with its secrets hidden: what is stored of it."""
    from wattleak.observation.observe import observe

    return observe(folder, shown, *_suspected(command))


def _suspected(command: Sequence[str]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """What a scan of the script finds, and what it would show to auditors alone. Nothing is imported; what the script
    itself imports is not looked at.
    """
    from wattleak.environment.interpreter import shell_words
    from wattleak.observation.program import script_of

    script = script_of(shell_words(command))
    if script is None or script.stat().st_size > _LARGEST_B:
        return (), ()
    from wattleak.scanner.scan import scan

    found = scan(script)
    return found.findings, found.hidden
