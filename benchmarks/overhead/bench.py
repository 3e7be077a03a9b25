"""The cost bench: import, start and stop, CPU of the tracker per hour, slow-down of a training loop.

    python -m benchmarks overhead [--quick] [--only import|start|idle|marks|beside|training]... [--blocks N] [--refresh]

Each part keeps its result in the cache folder; docs/results/overhead.md is written when all parts have been run in
full, by whatever run completes them.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.loops import loop_change
from benchmarks.overhead.results import show, write_page
from benchmarks.truth.stage import Stage, private_mounts

PROGRAM = Path(__file__).with_name("program.py")
SOURCE = PROGRAM.parents[2] / "src"
STATE = peers.CACHE / "overhead"
ENTRANCES = {
    "wattleak": "from wattleak import measure",
    "codecarbon": "from codecarbon import EmissionsTracker",
    "zeus": "from zeus.monitor import ZeusMonitor",
    "carbontracker": "from carbontracker.tracker import CarbonTracker",
}
"""What a user of each tool imports."""
OPEN_NVML = """
import time
start = time.perf_counter()
import pynvml
pynvml.nvmlInit()
pynvml.nvmlDeviceGetHandleByIndex(0)
print("RESULT", time.perf_counter() - start)
"""
MARKS = """
import os, time, wattleak
with wattleak.measure("marks"):
    wattleak.step()
    loops = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(20_000): wattleak.step()
        loops.append((time.perf_counter() - start) / 20_000)
        time.sleep(0.1)
print("RESULT", sorted(loops)[3])
"""
IDLE_S = 60.0
TRAINING_STEPS, QUICK_STEPS = 150, 30
BLOCKS_BESIDE = 8
Result = dict[str, Any]


def run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead")
    parser.add_argument("--quick", action="store_true", help="few repeats, no page: to see that it works")
    parser.add_argument("--only", action="append", choices=tuple(PARTS), help="run this part; may be repeated")
    parser.add_argument(
        "--blocks", type=int, default=60, help="blocks of the training experiment of wattleak alone (60)"
    )
    parser.add_argument("--refresh", action="store_true", help="install the newest releases of the peers anew")
    asked = parser.parse_args(arguments)
    versions = peers.prepare(asked.refresh)
    tools = peers.usable(versions)
    compileall.compile_dir(str(SOURCE), quiet=1)  # as pip does with what it installs: the peers have theirs
    print(", ".join(f"{peers.title(tool)} {version}" for tool, version in versions.items()), flush=True)
    for part in asked.only or PARTS:
        started_s = time.monotonic()
        print(f"-- {part}", flush=True)
        result = PARTS[part](tools, asked.quick, asked.blocks)
        result |= {"versions": versions, "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
        print(show(part, result), f"({time.monotonic() - started_s:.0f} s)", flush=True)
        if not asked.quick:
            STATE.mkdir(parents=True, exist_ok=True)
            (STATE / f"{part}.json").write_text(json.dumps(result), encoding="utf-8")
    kept = {part: STATE / f"{part}.json" for part in PARTS}
    missing = [part for part, path in kept.items() if not path.exists()]
    if asked.quick:
        print("no page: that needs a full run")
    elif missing:
        print(f"no page yet: parts that were not run in full: {', '.join(missing)}")
    else:
        write_page({part: json.loads(path.read_text(encoding="utf-8")) for part, path in kept.items()})


# -- the parts ---------------------------------------------------------------------------------------------------------


def imports(tools: list[str], quick: bool, _blocks: int) -> Result:
    """Wall seconds of fresh processes, each import beside a bare start of the same interpreter, in turn."""
    taken: dict[str, list[float]] = {tool: [] for tool in tools}
    for _ in range(3 if quick else 15):
        for tool in random.sample(tools, len(tools)):
            bare, with_import = (_wall([peers.python_of(tool), "-c", code]) for code in ("pass", ENTRANCES[tool]))
            taken[tool].append(with_import - bare)
    return {"seconds": taken}


def start(tools: list[str], quick: bool, _blocks: int) -> Result:
    """Import and construct, start, stop: each in a fresh process, once."""
    taken: dict[str, list[list[float]]] = {tool: [] for tool in tools}
    with _machine() as machine:
        for _ in range(2 if quick else 10):
            for tool in random.sample(tools, len(tools)):
                taken[tool].append(json.loads(_result(machine.command(tool, "start"), machine.environment())))
        nvml = [float(_result([sys.executable, "-c", OPEN_NVML], machine.environment(gpu=True))) for _ in range(10)]
    return {"seconds": taken, "nvml_s": nvml, "emulated": machine.private}


def idle(tools: list[str], quick: bool, _blocks: int) -> Result:
    """CPU time of everything that a tracker runs, while the program under it sleeps; all tools side by side."""
    length_s = 10.0 if quick else IDLE_S
    used: dict[str, float] = {}
    with _machine() as machine:
        running = {}
        for tool in tools:
            environment = machine.environment()
            process = subprocess.Popen(
                machine.command(tool, "idle", str(length_s)),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert process.stdout is not None
            while not (process.stdout.readline() or "STARTED").startswith("STARTED"):
                pass
            time.sleep(1)  # until what it started has settled
            running[tool] = (process, environment["BENCH_MARK"], _cpu_s(environment["BENCH_MARK"]), time.monotonic())
        for tool, (process, mark, before_s, since_s) in running.items():
            assert process.stdout is not None
            while not (process.stdout.readline() or "ENDS").startswith("ENDS"):
                pass
            used[tool] = (_cpu_s(mark) - before_s) / (time.monotonic() - since_s)
            process.communicate("end\n")
    return {"share": used, "seconds": length_s, "emulated": machine.private}


def marks(_tools: list[str], _quick: bool, _blocks: int) -> Result:
    with _machine() as machine:
        return {"mark_s": float(_result([sys.executable, "-c", MARKS], machine.environment()))}


def beside(tools: list[str], quick: bool, _blocks: int) -> Result:
    """`wattleak compare` of one training without and with each tracker, in few blocks; the first variant has none."""
    document = _compared(tools, QUICK_STEPS if quick else TRAINING_STEPS, 5 if quick else BLOCKS_BESIDE)
    return {"document": document, "loop": {tool: _loop(document, tool) for tool in tools}}


def training(_tools: list[str], quick: bool, blocks: int) -> Result:
    """The same with wattleak alone, in so many blocks that two per cent can be told."""
    steps = QUICK_STEPS if quick else TRAINING_STEPS
    document = _compared(["wattleak"], steps, 5 if quick else blocks)
    taken = [run["quality"]["loop_s"] for run in document["runs"] if run["variant"] == "none" and run["quality"]]
    step_s = statistics.median(taken) / steps
    return {"document": document, "steps": steps, "step_s": step_s, "loop": _loop(document, "wattleak")}


def _compared(tools: list[str], steps: int, blocks: int) -> Result:
    folder = tempfile.mkdtemp()
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    words = ["compare", "--json", "-q", "--store", folder, "--seed", "7", "--metric", "cpu_s", "--warmups", "1"]
    words += ["--blocks", str(blocks), "--declare", "packages"]  # each tool has its own environment
    for tool in ("none", *tools):
        python = peers.python_of("wattleak" if tool == "none" else tool)
        words += ["--variant", f"{tool}={python} {PROGRAM} {tool} train {steps}"]
    environment = _plain() | {"BENCH_PATH": os.pathsep.join((str(SOURCE), ours)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "wattleak", *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.strip():
        raise SystemExit(f"wattleak compare failed: {done.stderr.strip()}")
    document: Result = json.loads(done.stdout)
    return document


def _loop(document: Result, tool: str) -> Result:
    found = loop_change(document, "none", tool)
    return {"change": found.change, "low": found.low, "high": found.high, "blocks": found.blocks}


PARTS = {"import": imports, "start": start, "idle": idle, "marks": marks, "beside": beside, "training": training}


# -- how programs are run ----------------------------------------------------------------------------------------------


class _Machine:
    """Where trackers run: with an emulated RAPL counter to read where that is possible, else with what is here."""

    def __init__(self, stage: Stage | None) -> None:
        self._stage = stage
        self.private = stage is not None

    def command(self, tool: str, *words: str) -> list[str]:
        command = [peers.python_of(tool), str(PROGRAM), tool, *words]
        if self._stage is None:
            return command
        mount = 'mount --bind "$TRUTH_SYSFS" /sys/class && exec "$@"'
        return ["unshare", "--mount", "--net", "--", "sh", "-c", mount, "sh", *command]

    def environment(self, gpu: bool = False) -> dict[str, str]:
        folder = tempfile.mkdtemp(prefix="bench-")
        found = _plain() if self._stage is None else self._stage.environment(0)
        if not gpu:
            found.pop("LD_LIBRARY_PATH", None)
            found["PATH"] = os.environ["PATH"]
        return found | {"BENCH_MARK": Path(folder).name, "WATTLEAK_STORE": folder}


class _machine(ExitStack):  # noqa: N801 - it is used as a verb
    """`with _machine() as machine`."""

    def __enter__(self) -> _Machine:  # type: ignore[override]
        super().__enter__()
        return _Machine(None if private_mounts() else self.enter_context(Stage()))


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}


def _wall(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def _result(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return line.removeprefix("RESULT")
    raise SystemExit(f"{command[-3:]} gave no result: {done.stderr.strip()[-500:]}")


def _cpu_s(mark: str) -> float:
    """CPU-seconds so far of all living processes that carry the mark (a tracker's helpers inherit it)."""
    total_s = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"BENCH_MARK={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    total_s += time.clock_gettime(~int(entry.name) << 3 | 2)  # its CPU clock: clock_getcpuclockid(3)
            except OSError:
                continue
    return total_s
