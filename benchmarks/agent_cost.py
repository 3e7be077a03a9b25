"""What the agent of `measure` costs the program that it is in: a training loop of 10,000 steps a minute, by `compare`.

Two variants of the same command, one of which has the agent's folder on PYTHONPATH, as `measure` puts it there. After
each step both do the same fixed work, in which the agent has no part: how long the loop takes is set against it, since
the speed of a shared machine changes from run to run by more than is looked for. 20 minutes for each framework;
$AGENT_COST_BLOCKS, $AGENT_COST_STEPS and $AGENT_COST_ONLY ask for less.
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
from benchmarks.loops import loop_change, over_yardstick, typical
from wattleak.analysis.verdict import decide
from wattleak.reports.words import VERDICTS

if TYPE_CHECKING:
    from wattleak.analysis.effect import Change

BLOCKS = int(os.environ.get("AGENT_COST_BLOCKS", "60"))
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
weights = [torch.randn(size) / 20 for size in ((512, 384), (384, 384), (384, 10))]
momenta = [torch.zeros_like(weight) for weight in weights]
table, order = torch.randn(8192, 512), torch.randperm(8192).tolist()

def yardstick():  # a step of such a network by hand
    began = time.perf_counter()
    rows = torch.stack([table[index] for index in order[:160]])
    order.append(order.pop(0))
    first = torch.relu(rows @ weights[0])
    second = torch.relu(first @ weights[1])
    error = torch.softmax(second @ weights[2], 1).sub_(0.1).div_(160)
    lower = (error @ weights[2].t()).mul_(second > 0)
    lowest = (lower @ weights[1].t()).mul_(first > 0)
    for weight, momentum, given, errors in zip(weights, momenta, (rows, first, second), (lowest, lower, error)):
        weight.add_(momentum.mul_(0.9).add_(given.t() @ errors), alpha=-0.01)
    return time.perf_counter() - began

done, yardstick_s, began, total = 0, 0.0, time.perf_counter(), 0.0
while done < steps:
    model.train()
    for images, labels in DataLoader(data, batch_size=160, shuffle=True):
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        yardstick_s += yardstick()
        done += 1
        if done == steps: break
    model.eval()
    with torch.no_grad():
        model(data.tensors[0][:512])
loop_s = time.perf_counter() - began - yardstick_s
print("WATTLEAK", json.dumps({"loop_s": loop_s, "yardstick_s": yardstick_s, "steps": done}))
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

def build():
    model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(384, activation="relu"),
                              keras.layers.Dense(384, activation="relu"), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def typical(durations):  # a mean without the slowest twentieth: first steps of epochs, tracing, other people's bursts
    kept = sorted(durations)[:int(0.95 * len(durations))]
    return sum(kept) / len(kept)

class Yardstick(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        twin, make = build(), keras.Model.make_train_function
        while hasattr(make, "__wrapped__"):
            make = make.__wrapped__  # the agent has no part in this one
        make(twin)
        rows = tensorflow.data.Dataset.from_tensor_slices((x, y)).batch(96, drop_remainder=True)
        self.rows, self.step, self.took_s = iter(rows.repeat().prefetch(2)), twin.train_function, 0.0
        self.steps, self.took, self.ended = [], [], None
        self.step(self.rows)

    def on_train_batch_end(self, batch, logs=None):
        began = time.perf_counter()
        if self.ended is not None:
            self.steps.append(began - self.ended)
        self.step(self.rows)
        self.ended = time.perf_counter()
        self.took.append(self.ended - began)
        self.took_s += self.ended - began

model, yardstick, epochs = build(), Yardstick(), max(1, steps // 100)
began = time.perf_counter()
model.fit(x, y, batch_size=96, epochs=epochs, shuffle=False, verbose=0, callbacks=[yardstick])
loop_s = time.perf_counter() - began - yardstick.took_s
told = {"loop_s": loop_s, "yardstick_s": yardstick.took_s, "steps": epochs * 100}
print("WATTLEAK", json.dumps({**told, "typical": typical(yardstick.steps) / typical(yardstick.took)}))
"""


@dataclass(frozen=True)
class Found:
    pair: dict[str, Any]
    loop: Change  # of the seconds of the training loop over those of its yardstick, paired by block
    seconds: Change  # of the seconds alone
    step: Change | None  # of a step over the yardstick behind it, both without their slowest twentieth
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
    loop = loop_change(document, *names, over_yardstick)
    step = loop_change(document, *names, typical) if all("typical" in one for one in told) else None
    return Found(document, loop, loop_change(document, *names), step, pace, statistics.median(noted))


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
"Loop" is the wall time of the training loop alone, over that of the same fixed work which follows each of its steps in both
variants and in which the agent has no part; "its seconds" is the wall time as it was; "a step" is a step over the fixed work
behind it, both without their slowest twentieth: tracing, first steps of epochs, bursts of the machine. The other changes are those of the
whole process, start-up and fixed work included. "Noted": what the agent wrote in one run.""",
        [
            "framework",
            "steps a minute",
            "loop",
            "verdict on the loop",
            "its seconds",
            "a step",
            "verdict on a step",
            "CPU time",
            "peak memory",
            "noted",
        ],
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
        changed(found.seconds.change, found.seconds.low, found.seconds.high),
        "-" if found.step is None else changed(found.step.change, found.step.low, found.step.high),
        "-" if found.step is None else VERDICTS[decide(found.step, BUDGET)],
        changed(cpu["change"], cpu["low"], cpu["high"]),
        f"{changed(memory['change'], memory['low'], memory['high'])}, {more_mib:+.1f} MiB",
        f"{found.noted_b / 1024:.0f} KiB",
    ]


def changed(change: float | None, low: float | None, high: float | None) -> str:
    if change is None or low is None or high is None:
        return "-"
    return f"{change:+.2%} [{low:+.2%}, {high:+.2%}]"
