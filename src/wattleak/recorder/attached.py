"""A recorder beside a process that already runs and is not ours. It ends with us, whatever ends first."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure
from wattleak.recorder.configuration import attach_config
from wattleak.recorder.spawning import PATIENCE_S, configure, read_line, start_sidecar, stop_recorder, tell_meters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wattleak.meters.probe import Probed


@contextlib.contextmanager
def recorder_beside(folder: Path, probed: Probed, pid: int, *, run_id: str) -> Iterator[None]:
    """Read meters and tree of process `pid` into the journal in `folder` for as long as the block lasts.

    Raises OwnFailure when the recorder cannot start.
    """
    config = attach_config(folder, probed, run_id=run_id, name=None, pid=pid)
    config["ends_with_us"] = True  # in a measured block, the watched process itself is the other end of the line
    sidecar, control = start_sidecar(os.environ, attach=True)
    with control:
        sidecar.wait()  # the recorder is its child, and nobody's by now
        tell_meters(control, probed)
        configure(control, config)
        if not (read_line(control) or "").startswith("ready"):
            raise OwnFailure("the recorder ended before it was ready", "see what it printed above")
        try:
            yield
        finally:
            stop_recorder(control, PATIENCE_S)  # what it has written until now is there, whatever it could not do
