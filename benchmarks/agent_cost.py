"""What the agent of `measure` costs the program that it is in: a training loop of 10,000 steps a minute, by `compare`.

Two variants of the same command, one of which has the agent's folder on PYTHONPATH, as `measure` puts it there. As many
blocks as 2 % take on a machine as noisy as this one: 20 minutes for each framework. $AGENT_COST_BLOCKS, $AGENT_COST_STEPS
and $AGENT_COST_ONLY ask for less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wattleak
from benchmarks import page
from benchmarks.loops import loop_change
from wattleak.analysis.verdict import decide
from wattleak.reports.words import VERDICTS

if TYPE_CHECKING:
    from wattleak.analysis.effect import Change

BLOCKS = int(os.environ.get("AGENT_COST_BLOCKS", "100"))
STEPS = int(os.environ.get("AGENT_COST_STEPS", "600"))
ONLY = os.environ.get("AGENT_COST_ONLY", "PyTorch,Keras").split(",")
BUDGET = 0.02
BOOTS = 60
AGENT = Path(wattleak.__file__).parent / "agent"

TORCH = """
import json, os, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0); torch.set_num_threads(1)
steps = int(sys.argv[1])
data = TensorDataset(torch.randn(8192, 512), torch.randint(0, 10, (8192,)))
model = torch.nn.Sequential(torch.nn.Linear(512, 384), torch.nn.ReLU(), torch.nn.Linear(384, 384), torch.nn.ReLU(),
                            torch.nn.Linear(384, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
loss_of = torch.nn.CrossEntropyLoss()
done, began, total = 0, time.monotonic(), 0.0
while done < steps:
    model.train()
    for images, labels in DataLoader(data, batch_size=160, shuffle=True):
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        done += 1
        if done == steps: break
    model.eval()
    with torch.no_grad():
        model(data.tensors[0][:512])
print("WATTLEAK", json.dumps({"loop_s": time.monotonic() - began, "steps": done}))
"""
KERAS = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy, tensorflow, keras
tensorflow.config.threading.set_intra_op_parallelism_threads(1)
tensorflow.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(0)
steps = int(sys.argv[1])
x, y = numpy.random.rand(9600, 512).astype("float32"), numpy.random.randint(0, 10, 9600)
model = keras.Sequential([keras.layers.Dense(384, activation="relu"), keras.layers.Dense(384, activation="relu"),
                          keras.layers.Dense(10)])
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
epochs = max(1, steps // 100)
began = time.monotonic()
model.fit(x, y, batch_size=96, epochs=epochs, verbose=0)
print("WATTLEAK", json.dumps({"loop_s": time.monotonic() - began, "steps": epochs * 100}))
"""


@dataclass(frozen=True)
class Found:
    pair: dict[str, Any]
    loop: Change  # of the seconds of the training loop, paired by block
    pace: float  # steps a minute, median of all runs
    noted_b: float


def compared(name: str, program: str) -> Found:
    """One experiment: without the agent against with it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / f"loop_{name}.py"
        script.write_text(program)
        signals = Path(folder) / "signals"
        signals.mkdir()
        command = f"{sys.executable} {script} {STEPS}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "wattleak", "compare", "--json", "--metric", "cpu_s"),
                *("--blocks", str(BLOCKS), "--smallest-effect", str(BUDGET), "--declare", "environment"),
                *("--env", f"B:PYTHONPATH={AGENT}", "--env", f"B:WATTLEAK_SIGNALS={signals}", command, command),
            ],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        noted = [path.stat().st_size for path in signals.glob("*.jsonl")]
    assert len(noted) >= BLOCKS, "the agent was not there"
    document: dict[str, Any] = json.loads(done.stdout)
    told = [run["quality"] for run in document["runs"] if run["quality"]]
    pace = statistics.median(60 * one["steps"] / one["loop_s"] for one in told)
    names = [variant["name"] for variant in document["design"]["variants"]]
    return Found(document, loop_change(document, *names), pace, statistics.median(noted))


def boot_ms() -> tuple[float, float]:
    """Start of an interpreter that does nothing, without the agent; and what it takes longer with it. Median, ms."""
    with tempfile.TemporaryDirectory() as folder:
        without = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        within = {**without, "PYTHONPATH": str(AGENT), "WATTLEAK_SIGNALS": folder}
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(BOOTS):
            for agent in (False, True):
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", ""], env=within if agent else without, check=True)
                taken[agent].append(1000 * (time.perf_counter() - began))
    differences = [b - a for a, b in zip(taken[False], taken[True], strict=True)]
    return statistics.median(taken[False]), statistics.median(differences)


def run() -> None:
    alone, more = boot_ms()
    programs = {name: program for name, program in (("PyTorch", TORCH), ("Keras", KERAS)) if name in ONLY}
    rows = [row(name, compared(name.lower(), program)) for name, program in programs.items()]
    page.write(
        "agent-cost",
        "What the agent costs the program that it is in",
        f"""The same training loop with the agent of `wattleak measure` inside and without it: {BLOCKS} blocks in random order, fresh
processes, one thread each, {STEPS} steps a run. The budget: the loop EQUAL within {BUDGET:.0%}, and at most 30 MiB of memory.
"Loop" is the wall time of the training loop alone; the other changes are those of the whole process, start-up included.
"Noted": what the agent wrote in one run.""",
        ["framework", "steps a minute", "loop", "verdict on the loop", "CPU time", "peak memory", "noted"],
        rows,
        after=f"An interpreter that does nothing starts in {alone:.1f} ms, and with the agent {more:.1f} ms later (median of "
        f"{BOOTS} pairs, wall time; budget 5 ms).",
    )


def row(name: str, found: Found) -> list[str]:
    metrics = found.pair["metrics"]
    memory = metrics["peak_memory_b"]
    more_mib = (memory["candidate"] - memory["reference"]) / (1 << 20)
    loop, cpu = found.loop, metrics["cpu_s"]
    return [
        name,
        f"{found.pace:,.0f}",
        changed(loop.change, loop.low, loop.high),
        VERDICTS[decide(loop, BUDGET)],
        changed(cpu["change"], cpu["low"], cpu["high"]),
        f"{changed(memory['change'], memory['low'], memory['high'])}, {more_mib:+.1f} MiB",
        f"{found.noted_b / 1024:.0f} KiB",
    ]


def changed(change: float | None, low: float | None, high: float | None) -> str:
    if change is None or low is None or high is None:
        return "-"
    return f"{change:+.2%} [{low:+.2%}, {high:+.2%}]"
