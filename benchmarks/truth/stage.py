"""The stage on which each tool is shown the same scripted machine: emulator, stand-in NVML, private mounts."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from benchmarks import peers
from benchmarks.truth.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).with_name("clients")
_MEMORY = Path("/dev/shm")


class Stage:
    """One emulator with a tree for each signal. `with Stage() as stage: ...`; `report` is there after the end."""

    def __init__(self, wrap_j: float | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wattleak-truth-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self.trees = self.folder / "trees"
        self.trees.mkdir()
        self.zero_s = 0.0
        self.report: dict[str, Any] = {}
        self._wrap_j = wrap_j

    def __enter__(self) -> Self:
        self._stand_in()
        words = [sys.executable, "-m", "benchmarks.truth.emulator", str(self.trees)]
        if self._wrap_j:
            words.append(f"wrap={self._wrap_j}")
        words += [str(number) for number in range(len(SIGNALS))]
        self._emulator = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._emulator.stdout is not None
        self.zero_s = float(json.loads(self._emulator.stdout.readline())["zero"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        answer, _ = self._emulator.communicate("end\n")
        self.report = json.loads(answer) if answer.strip() else {}
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stand_in(self) -> None:
        """The stand-in libnvidia-ml.so.1, compiled, and the nvidia-smi whose presence some tools take for a GPU."""
        library = self.folder / "lib"
        library.mkdir()
        source = ROOT / "tests" / "unit" / "meters" / "fake_nvml.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library / "libnvidia-ml.so.1", source], check=True)
        program = library / "nvidia-smi"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)

    def late(self, time_s: float) -> bool:
        """Was the emulator itself very late at this moment? Then the moment says nothing about who read it."""
        return any(start_s <= time_s <= end_s for start_s, end_s in self.report.get("very_late", ()))

    def environment(self, number: int) -> dict[str, str]:
        """What a program on this stage is started with: its own runtime folder, for its machine is its own."""
        mark = token_hex(4)
        own = self.folder / mark
        own.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
        return kept | {
            "FAKE_NVML": str(self.trees / str(number) / "nvml.state"),
            "LD_LIBRARY_PATH": str(self.folder / "lib"),
            "PATH": f"{self.folder / 'lib'}:{os.environ['PATH']}",
            "TRUTH_SYSFS": str(self.trees / str(number) / "class"),
            "WATTLEAK_TRUTH_CLIENT": mark,
            "WATTLEAK_STORE": str(own / "store"),
            "XDG_RUNTIME_DIR": str(own),
            "TMPDIR": str(own),
            "HOME": str(own),
        }


def private_mounts() -> str | None:
    """None when programs can be given a /sys/class of their own here, else why not."""
    if shutil.which("unshare") is None:
        return "there is no `unshare` program here"
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--", "sh", "-c", "mount --bind /sys/class /sys/class"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"a private mount is refused ({done.stderr.strip()}): root is needed"


class Client:
    """One tool on one signal, with the windows that it is asked to measure: (seconds before, seconds)."""

    def __init__(self, tool: str, number: int, windows: Sequence[tuple[float, float]], private: bool) -> None:
        self.tool, self.number, self.windows, self._private = tool, number, list(windows), private
        self.failure: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._read = b""

    def start(self, stage: Stage) -> None:
        asked = json.dumps({"windows": self.windows, "stalled": SIGNALS[self.number].stalled})
        words = [peers.python_of(self.tool), str(CLIENTS / f"{self.tool}_client.py"), asked]
        environment = stage.environment(self.number)
        if self._private:
            # No network either: what a tool asks the network for is no part of its joules.
            mount = 'mount --bind "$TRUTH_SYSFS" /sys/class && exec "$@"'
            words = ["unshare", "--mount", "--net", "--", "sh", "-c", mount, "sh", *words]
        else:
            environment["WATTLEAK_POWERCAP"] = f"{environment['TRUTH_SYSFS']}/powercap"
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the client
        self._process = subprocess.Popen(
            words,
            env=environment,
            cwd=environment["HOME"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,
        )

    def wait_ready(self, timeout_s: float = 60.0) -> bool:
        return self._wait_for("ready", timeout_s) is not None

    def go(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        """Its figures in the order of the windows; [] with `failure` set when it gave none."""
        patience_s = 60.0 + 3 * sum(wait_s + length_s for wait_s, length_s in self.windows)
        line = self._wait_for("[", patience_s)
        self._end()
        if line is None:
            return []
        found: list[dict[str, Any]] = json.loads(line)
        return found

    def _wait_for(self, start: str, timeout_s: float) -> str | None:
        """The next line of output that starts so; other lines are the tool's own talk."""
        process = self._process
        if process is None or process.stdout is None or self.failure:
            return None
        until_s = time.monotonic() + timeout_s
        while self.failure is None:
            while b"\n" in self._read:
                line, _, self._read = self._read.partition(b"\n")
                if line.startswith(start.encode()):
                    return line.decode()
            if not select.select([process.stdout], [], [], max(0.0, until_s - time.monotonic()))[0]:
                self.failure = f"no answer within {timeout_s:.0f} s"
            elif piece := os.read(process.stdout.fileno(), 65536):
                self._read += piece
            else:
                self.failure = self._last_words()
        self._end()
        return None

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().splitlines() if line.strip()]
        return lines[-1] if lines else "it ended without a word"

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(1 if self.failure else 10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
