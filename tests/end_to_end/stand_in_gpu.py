"""A GPU whose settings may be changed, for tests on machines without one: the stand-in driver library."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import CommandLine

SOURCE = Path(__file__).parents[1] / "unit" / "meters" / "fake_nvml.c"
SHORT = ("--blocks", "3", "--confirm", "0", "--warmups", "0", "--metric", "duration_s", "--meters", "cpu-model")
"""A search over settings that costs little: three blocks, by wall time."""
NEEDS_DRIVER = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the stand-in library"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the loader of Linux (LD_LIBRARY_PATH)"),
]


def compile_driver(folder: Path) -> Path:
    """Return the folder for LD_LIBRARY_PATH."""
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
    return folder


def with_gpu(command_line: CommandLine, library: Path, state: str, program: str) -> CommandLine:
    """The command line on a machine with the stand-in's GPU in this state, and `program` as program.py."""
    (command_line.folder / "state").write_text(state)
    command_line.env |= {
        "LD_LIBRARY_PATH": str(library),
        "FAKE_NVML": str(command_line.folder / "state"),  # where XDG_STATE_HOME is otherwise
        "XDG_STATE_HOME": str(command_line.folder / "home"),
    }
    (command_line.folder / "program.py").write_text(program)
    return command_line


def journals(gpu: CommandLine) -> list[Path]:
    return list((gpu.folder / "home").glob("wattleak/devices/*.json"))


def left_by_the_dead(gpu: CommandLine, **before: object) -> None:
    """What a search wrote down that was killed together with its guard."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    change = {
        "uuid": "GPU-stand-in-0",
        "device": "NVIDIA Stand-in 0",
        **before,
        "pid": dead.pid,
        "started": "1",
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "changed_at": "2026-11-21T09:00:00+00:00",
    }
    folder = gpu.folder / "home" / "wattleak" / "devices"
    folder.mkdir(parents=True)
    (folder / "GPU-stand-in-0.json").write_text(json.dumps(change))


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.05)
