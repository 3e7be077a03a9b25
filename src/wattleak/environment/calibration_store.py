"""Where the wall calibration of a machine is kept: one JSON file in the user's state folder for each kind of machine.

The file is named after a digest of the hardware, so that a home folder shared by several machines keeps them apart;
machines that are alike in every fact of the digest share one calibration.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.documents import calibration_document, calibration_from_document
from wattleak.errors import OwnFailure

if TYPE_CHECKING:
    from collections.abc import Collection

    from wattleak.model import Calibration

VERSION = 1
_AGAIN = "wattleak doctor --calibrate idle=WATTS,load=WATTS makes a new one"
_GIB = 1 << 30


def hardware(host: str = "/") -> str:
    """Digest of what the wall power depends on and what does not move by itself: board, processor, CPUs, memory."""
    import platform  # noqa: PLC0415 - with hashlib 6 ms, for machines that have a calibration
    from hashlib import sha256  # noqa: PLC0415

    base = Path(host)
    names = ("sys_vendor", "product_name", "board_vendor", "board_name")
    facts = [f"{name}={_line(base / 'sys/class/dmi/id' / name)}" for name in names]
    facts += [f"cpu={_cpu(base)}", f"cpus={_cpus(base)}", f"memory_gib={_memory_gib(base)}", platform.machine()]
    return sha256("\n".join(facts).encode()).hexdigest()[:16]


def folder() -> Path:
    """$XDG_STATE_HOME/wattleak/calibrations, by default below ~/.local/state (XDG Base Directory Specification)."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    # The specification: a path that is not absolute is ignored.
    state = Path(stated) if stated.startswith("/") else Path.home() / ".local/state"
    return state / "wattleak" / "calibrations"


def save_calibration(calibration: Calibration) -> Path:
    """Write it whole or not at all, in the place of an earlier one. Raises OwnFailure when the disk does not let us."""
    import tempfile  # noqa: PLC0415 - 5 ms, for the few who save one

    target = folder() / f"{calibration.machine}.json"
    text = json.dumps({"version": VERSION, **calibration_document(calibration)}, indent=1) + "\n"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=".", suffix=".tmp", delete=False
        ) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise OwnFailure(
            f"cannot keep the calibration in {target}: {error.strerror}", "XDG_STATE_HOME=DIR names another folder"
        ) from error
    return target


def read_calibration(channels: Collection[str]) -> tuple[Calibration | None, str | None]:
    """The calibration of this machine for these channels, or in words why the one that is kept cannot be used.

    Neither, when none was made.
    """
    if not folder().is_dir():
        return None, None
    machine = hardware()
    path = folder() / f"{machine}.json"
    try:
        calibration = _load(path)
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as error:
        return None, f"the wall calibration {path} cannot be used: {error}; {_AGAIN}"
    if calibration.machine != machine:
        return None, f"the wall calibration {path} belongs to another machine; {_AGAIN}"
    missing = [name for name in calibration.channels if name not in channels]
    if missing:
        made = ", ".join(calibration.channels)
        return None, f"the wall calibration was made with {made}, and {', '.join(missing)} is not read; {_AGAIN}"
    return calibration, None


def _load(path: Path) -> Calibration:
    """Raises OSError when the file cannot be read, and ValueError in words when it holds no calibration of ours."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["version"]
        if version == VERSION:
            return calibration_from_document(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is not one that wattleak wrote") from error
    raise ValueError(f"it is of version {version}, and this wattleak reads {VERSION}")


def _cpu(base: Path) -> str:
    try:
        text = (base / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform  # noqa: PLC0415 - as above

        return platform.processor()
    fields = ("vendor_id", "cpu family", "model", "model name", "CPU implementer", "CPU part")
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return " ".join(value.strip() for name, _, value in lines if name.strip() in fields)


def _cpus(base: Path) -> int:
    try:
        lines = (base / "proc/stat").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return os.cpu_count() or 1
    return sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)


def _memory_gib(base: Path) -> int:
    """To the nearest GiB: what the kernel keeps for itself moves a little from one kernel to the next."""
    try:
        text = (base / "proc/meminfo").read_text(encoding="ascii", errors="replace")
        return round(int(text.split("MemTotal:", 1)[1].split(None, 1)[0]) * 1024 / _GIB)
    except (OSError, ValueError, IndexError):
        return 0


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
