"""What a recorder is told, and the folder into which it writes: the same for a command that it starts and for a
process that already runs.

Whoever opens a block waits for this, so nothing is imported here that only starting a command needs.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.documents import calibration_document, channel_document, unavailable_document
from wattleak.environment.allocation import read_allocation
from wattleak.environment.calibration_store import read_calibration
from wattleak.environment.cgroups import control_groups
from wattleak.environment.redaction import redact_command
from wattleak.errors import OwnFailure
from wattleak.model import Origin, Part
from wattleak.recorder.journal import JOURNAL, VERSION
from wattleak.recorder.node import board_path
from wattleak.recorder.rate import choose_rate, least_period_s
from wattleak.recorder.spawning import runtime_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.meters.probe import Probed

_UNMEASURED = (Origin.MODELLED, Origin.CONSTANT)  # figures of time and CPU-seconds, which every sample has anyway


def ensure_store(store: Path) -> None:
    """Make the folder of a store, kept out of version control. Raises OwnFailure with the remedy."""
    try:
        (store / "runs").mkdir(parents=True, exist_ok=True)
        ignore = store / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(store, error) from error


def new_run_folder(store: Path, run_id: str) -> Path:
    """Make the folder of one run. Raises OwnFailure with the remedy when the disk does not let us."""
    ensure_store(store)
    folder = store / "runs" / run_id
    try:
        folder.mkdir()
    except OSError as error:
        raise _unwritable(store, error) from error
    return folder


def _unwritable(store: Path, error: OSError) -> OwnFailure:
    return OwnFailure(
        f"cannot write to the store {store}: {error.strerror}",
        "choose another one: --store DIR or WATTLEAK_STORE=DIR",
    )


def attach_config(folder: Path, probed: Probed, *, run_id: str, name: str | None, pid: int) -> dict[str, Any]:
    """Configuration of a recorder that watches a process which already runs."""
    config = configuration(folder, probed, sys.argv, run_id=run_id, name=name, interval_s=None, mode="attach")
    return {**config, "pid": pid}


def configuration(
    folder: Path,
    probed: Probed,
    command: Sequence[str],
    *,
    run_id: str,
    name: str | None,
    interval_s: float | None,
    mode: str,
) -> dict[str, Any]:
    """What any recorder is told. `mode`: "spawn" or "attach"; secrets in `command` are hidden."""
    groups = control_groups()
    allocation = read_allocation(groups)
    rate = choose_rate(probed.channels, interval_s)
    return {
        "mode": mode,
        "journal": str(folder / JOURNAL),
        "interval_s": rate.interval_s,
        "slowest_s": rate.slowest_s,
        "most_of_a_core": rate.most_of_a_core,
        "every_s": [
            least_period_s(channel for channel in probed.channels if channel.meter == meter.name)
            for _, meter in probed.meters
        ],
        "modelled": [
            all(channel.origin in _UNMEASURED for channel in probed.channels if channel.meter == meter.name)
            for _, meter in probed.meters
        ],
        # The machine's own CPU time is the divisor of a counter that everybody shares; a model needs none.
        "share_host": allocation.hidden_stat is None
        and any(channel.part is not Part.GPU and channel.origin not in _UNMEASURED for channel in probed.channels),
        "boards": _boards(probed),
        "groups": [str(clock) for clock in groups.clocks()],
        "start": {
            "v": VERSION,
            "run": run_id,
            "name": name,
            "mode": mode,
            "command": list(redact_command(command)),
            "started_at": _now(),
            "channels": [channel_document(channel) for channel in probed.channels],
            "unavailable": [unavailable_document(item) for item in probed.unavailable],
            "cpus": os.cpu_count() or 1,
            "allocation": list(allocation.notes()),
            **_calibration(probed),
            "settings": {"interval_s": rate.interval_s, "slowest_s": rate.slowest_s, "notes": list(rate.notes)},
        },
    }


def _now() -> str:
    """ISO 8601 in UTC, to the millisecond. `datetime` would take 3 ms to import before a block begins."""
    now_ns = time.time_ns()
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ns // 1_000_000_000))
    return f"{second}.{now_ns // 1_000_000 % 1000:03}+00:00"


def _calibration(probed: Probed) -> dict[str, Any]:
    """The wall calibration that holds for this run, kept with it: read again later, it gives the same figures."""
    found, why_not = read_calibration([channel.name for channel in probed.channels])
    return {
        "calibration": None if found is None else calibration_document(found),
        "calibration_note": why_not,
    }


def _boards(probed: Probed) -> list[str | None]:
    """Where the recorders of this node meet, for each meter. A scripted meter plays a machine of its own."""
    if not hasattr(os, "pread"):  # Windows: no board can be read while it is written, so each recorder counts alone
        return [None] * len(probed.meters)
    boot_file = Path("/proc/sys/kernel/random/boot_id")
    boot = boot_file.read_text(encoding="utf-8").strip() if boot_file.exists() else socket.gethostname()
    folder = str(runtime_folder())
    scripted = {channel.meter for channel in probed.channels if channel.origin is Origin.SIMULATED}
    return [
        None if meter.name in scripted else board_path(folder, reference, meter.spec(), boot)
        for reference, meter in probed.meters
    ]
