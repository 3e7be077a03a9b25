"""What many tests need: the command line as a user has it, in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

# A busy machine is slow; that says nothing of the code.
settings.register_profile("wattleak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wattleak")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background of a script is born deaf to Ctrl-C, and so would be what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class CommandLine:
    """Runs `wattleak` in a folder; `document` parses what --json printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")},
            "NO_COLOR": "1",
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(folder / "state"),  # no calibration of this machine plays in
        }

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "wattleak"]

    def __call__(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        env = {**self.env, **more.pop("env", {})}
        return subprocess.run(
            [*self.command, *words],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            **more,
        )

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        env = {**self.env, **more.pop("env", {})}
        process = subprocess.Popen(
            [*self.command, *words],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )
        self.started.append(process)
        return process

    def end_all(self) -> None:
        """Leave nothing running, whatever a test killed or failed to kill."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def document(self, *words: str, code: int | None = 0, **more: Any) -> dict[str, Any]:
        done = self(*words, "--json", **more) if "--" not in words else self(words[0], "--json", *words[1:], **more)
        assert code is None or done.returncode == code, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture
def wattleak(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line.end_all()


def pytest_report_header() -> str:
    return f"CPUs allowed: {len(os.sched_getaffinity(0))}"
