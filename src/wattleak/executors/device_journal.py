"""What was changed outside of a process, written down before it is changed, so that whoever comes next can put it back.

One file for each device in the user's state folder. Three may read it: who changed the device, when it is done; a
guard that lives as long as that process does (`device_guard`); and, if both were killed, the next `wattleak tune` or
`wattleak doctor`. Putting back twice does no harm.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from wattleak.errors import OwnFailure, UsageError, WattleakError
from wattleak.meters.power_limit import PowerLimits

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One changed power limit and who changed it."""

    uuid: str
    device: str
    before_w: float
    pid: int
    started: str  # clock ticks since boot: a process id is used again, the pair is not
    boot: str
    changed_at: str  # ISO 8601, UTC
    version: int = _VERSION

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot == _boot()

    @property
    def owner_lives(self) -> bool:
        return self.is_of_this_boot and self.started != "" and self.started == _started(self.pid)


def folder() -> Path:
    """$XDG_STATE_HOME/wattleak/devices, by default below ~/.local/state."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    state = Path(stated) if stated.startswith("/") else Path.home() / ".local/state"
    return state / "wattleak" / "devices"


def begin(uuid: str, device: str, before_w: float) -> Path:
    """Write down what a device was, safely on the disk. Raises UsageError while somebody else has changed it."""
    path = folder() / f"{uuid}.json"
    change = Change(
        uuid,
        device,
        before_w,
        os.getpid(),
        _started(os.getpid()),
        _boot(),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # one at a time: who is second must not take 400 W for normal
            json.dump(asdict(change), file)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError as error:
        raise UsageError(
            f"somebody else has changed the power limit of {device}", f"let it end, or see {path}"
        ) from error
    except OSError as error:
        raise OwnFailure(
            f"cannot write {path}: {error.strerror}", "nothing was changed; make room, or rights"
        ) from error
    return path


def put_back(path: Path) -> str | None:
    """Put back what a file says and remove it; in words what was done, None when there was nothing to do.

    Raises WattleakError when the driver refuses: the file stays.
    """
    change = _read(path)
    if change is None:
        return None
    said = None
    if change.is_of_this_boot:  # a limit does not outlive a reboot
        limits = PowerLimits()
        try:
            now_w = limits.of(change.uuid).now_w
            if abs(now_w - change.before_w) > 0.5:
                limits.set(change.uuid, change.before_w)
                said = f"the power limit of {change.device} is {change.before_w:g} W again; it was left at {now_w:g} W"
        finally:
            limits.close()
    path.unlink(missing_ok=True)
    return said


def put_back_what_was_left() -> list[str]:
    """What killed processes left changed, put back; in words what was done or why it could not be."""
    said = []
    for path in sorted(folder().glob("*.json")) if folder().is_dir() else []:
        change = _read(path)
        if change is None or change.owner_lives:
            continue
        try:
            done = put_back(path)
        except WattleakError as error:
            done = (
                f"the power limit of {change.device} was {change.before_w:g} W before {change.changed_at} and cannot "
                f"be put back: {error.message}; sudo nvidia-smi -i {change.uuid} -pl {change.before_w:g}"
            )
        said += [done] if done else []
    return said


def _read(path: Path) -> Change | None:
    """None when it is gone; a file that is cut off was written before anything was changed."""
    try:
        return Change(**json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        return None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)); empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
