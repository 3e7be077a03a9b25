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
from wattleak.executors.device_settings import clocks_by_hand
from wattleak.meters.gpu_clocks import GpuClocks, read_lock
from wattleak.meters.power_limit import PowerLimits

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed of one GPU and who changed it."""

    uuid: str
    device: str
    before_w: float | None  # power limit; None: it is left alone
    pid: int
    started: str  # clock ticks since boot: a process id is used again, the pair is not
    boot: str
    changed_at: str  # ISO 8601, UTC
    clocks_before: str | None = None  # MHz, MHz-MHz or "unlocked"; None: they are left alone
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


def begin(uuid: str, device: str, before_w: float | None, clocks_before: str | None = None) -> Path:
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
        clocks_before,
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
            f"somebody else has changed the power limit or the clocks of {device}", f"let it end, or see {path}"
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
    said = []
    if change.is_of_this_boot:  # neither setting outlives a reboot
        try:
            if change.before_w is not None:
                said.append(_put_back_limit(change.uuid, change.device, change.before_w))
        finally:  # one that is refused does not keep the other changed
            if change.clocks_before is not None:
                said.append(_put_back_clocks(change.uuid, change.device, change.clocks_before))
    path.unlink(missing_ok=True)
    return "; ".join(done for done in said if done) or None


def forget(path: Path) -> None:
    """Nothing was changed after all."""
    path.unlink(missing_ok=True)


def _put_back_limit(uuid: str, device: str, before_w: float) -> str | None:
    limits = PowerLimits()
    try:
        now_w = limits.of(uuid).now_w
        if abs(now_w - before_w) <= 0.5:
            return None
        limits.set(uuid, before_w)
    finally:
        limits.close()
    return f"the power limit of {device} is {before_w:g} W again; it was left at {now_w:g} W"


def _put_back_clocks(uuid: str, device: str, before: str) -> str:
    """Whether they were left changed is not to be seen: the driver does not say what they are locked to."""
    clocks = GpuClocks()
    lock = read_lock(before)
    try:
        clocks.set(uuid, lock)
    finally:
        clocks.close()
    state = "unlocked" if lock is None else f"locked to {lock} MHz"
    return f"the clocks of {device} are {state} again, as before a search that was killed"


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
            done = _cannot(change, error.message)
        said += [done] if done else []
    return said


def _cannot(change: Change, why: str) -> str:
    """What is still changed, and what to type."""
    was, remedies = [], []
    if change.before_w is not None:
        was.append(f"the power limit of {change.device} was {change.before_w:g} W")
        remedies.append(f"sudo nvidia-smi -i {change.uuid} -pl {change.before_w:g}")
    if change.clocks_before is not None:
        was.append(f"the clocks of {change.device} were {change.clocks_before}")
        remedies.append(clocks_by_hand(change.uuid, change.clocks_before))
    return f"{' and '.join(was)} before {change.changed_at} and cannot be put back: {why}; {'; '.join(remedies)}"


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
