"""A program that trains with PyTorch hands on methods, builtins and its variables as if no agent were there.

Each program makes its first steps, since which the agent follows what is read, cleaned and kept, and prints what it
has of them; once without the agent and once with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wattleak
from wattleak.signals import read_signals

if TYPE_CHECKING:
    from wattleak.signals import Signals

AGENT = Path(wattleak.__file__).parent / "agent"
TRAINS = """
import gc, os, sys, torch
from gc import collect

NAMES = ("item", "tolist", "cpu", "to", "__repr__", "__format__", "__float__", "__bool__")
TABLE = {getattr(torch.Tensor, name): name for name in NAMES}  # before the agent begins
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def step():
    optimizer.zero_grad()
    loss = model(torch.ones(4, 4)).square().mean()
    loss.backward()
    optimizer.step()
    return loss

step()
"""


def printed_by_both(folder: Path, text: str) -> tuple[str, Signals]:
    """What the program prints, which is the same with the agent; and what this has noted."""
    program, signals = folder / "program.py", folder / "signals"
    program.write_text(TRAINS + text)
    signals.mkdir()
    given = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLEAK", "PYTHON", "COV"))}
    with_agent = {"PYTHONPATH": str(AGENT), "WATTLEAK_SIGNALS": str(signals)}
    without, within = (
        subprocess.run(
            [sys.executable, program], env={**given, **more}, capture_output=True, text=True, timeout=120, check=False
        )
        for more in ({}, with_agent)
    )
    assert (within.stdout, within.stderr, within.returncode) == (without.stdout, without.stderr, without.returncode)
    noted = read_signals(signals)
    assert [fact.text("error") for fact in noted.of("failure")] == []
    assert list(noted.of("steps"))
    return without.stdout, noted


OWN_TENSORS = """
class Mine(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        answered.append(TABLE.get(func))
        return super().__torch_function__(func, types, args, kwargs or {})

answered = []
mine = torch.ones(1).as_subclass(Mine)
print(mine.item(), mine.tolist(), mine.cpu(), mine.to("cpu"), repr(mine), format(mine), float(mine), bool(mine))
print(answered)
"""

ASKED_OF_OWN_TENSORS = """
class Told(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        asked.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})

class Mode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        asked.append(func.__name__)
        return func(*args, **(kwargs or {}))

asked = []
print(torch.ones(1).as_subclass(Told).item(), float(torch.ones(1).as_subclass(Told)), asked)
asked = []
with Mode():
    print(torch.ones(1).item(), torch.ones(1).tolist(), asked)
"""

LAZY = """
lazy = torch.nn.LazyLinear(3)
lazy.to("cpu"); lazy.cpu(); lazy.float()
print(lazy(torch.ones(2, 4)).shape, torch.nn.LazyLinear(2).weight)
"""

HANDED_ON = """
import inspect, pickle
print(torch.Tensor.item, type(torch.Tensor.__float__).__name__, inspect.signature(torch.Tensor.__format__))
print(pickle.loads(pickle.dumps(torch.Tensor.tolist)) is torch.Tensor.tolist)
print(torch.overrides.resolve_name(torch.Tensor.item), torch.ones(1).item.__name__)
print(list(map(torch.Tensor.item, [torch.ones(1)])))
print([torch.ones(1) > 0, f"{torch.ones(()):.2f}", [5, 6][torch.tensor(1)], int(torch.ones(1))])
"""

PATCHED = """
kept = torch.Tensor.item
torch.Tensor.item = lambda tensor: 7
torch.compile(model)  # the agent puts back what it has replaced, and nothing else
print(torch.ones(1).item())
torch.Tensor.item = kept
print(torch.ones(1).item())
"""


@pytest.mark.torch
@pytest.mark.parametrize(
    "text",
    [OWN_TENSORS, ASKED_OF_OWN_TENSORS, LAZY, HANDED_ON, PATCHED],
    ids=["tables of methods", "what is asked of tensors", "lazy modules", "methods handed on", "patched"],
)
def test_methods_of_tensors_are_what_they_were(tmp_path: Path, text: str) -> None:
    printed_by_both(tmp_path, text)


@pytest.mark.torch
def test_values_that_are_read_are_seen(tmp_path: Path) -> None:
    text = (
        "for _ in range(40):\n    a = step().item()\n    b = float(step().detach())\n    c = f'{step():.3f} {step()}'\n"
    )
    _, noted = printed_by_both(tmp_path, text)
    head = TRAINS.count("\n") + 1
    seen = {(fact.number("line"), fact.text("how")) for fact in noted.of("read") if (fact.number("reads") or 0) > 30}
    assert seen == {(head + 1, ".item()"), (head + 2, "float()"), (head + 3, "a formatted text")}


SPREAD = """
class Spread(torch.Tensor):  # as DTensor: reading it would be a collective operation
    @staticmethod
    def __new__(cls, part):
        return torch.Tensor._make_wrapper_subclass(cls, part.shape, dtype=part.dtype, requires_grad=part.requires_grad)

    def __init__(self, part):
        self.part = part

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        asked.append(str(func))
        own = lambda value: value.part if isinstance(value, Spread) else value
        result = func(*map(own, args), **(kwargs or {}))
        return Spread(result) if isinstance(result, torch.Tensor) else result

asked = []
for _ in range(2):
    layer = torch.nn.Linear(4, 2)
    layer.weight = torch.nn.Parameter(Spread(torch.ones(2, 4)))
    layer.load_state_dict(layer.state_dict())
    layer.state_dict()
print(asked)
"""


@pytest.mark.torch
def test_weights_that_are_spread_over_processes_are_not_read(tmp_path: Path) -> None:
    said, _ = printed_by_both(tmp_path, SPREAD)
    assert "slice" not in said


COLLECTS = """
import cloudpickle, pickle, types
from unittest import mock

class Cleans:
    clean = gc.collect

def cleans():
    return gc.collect() >= 0

print(collect is gc.collect, pickle.loads(pickle.dumps(collect)) is collect)
print(cloudpickle.loads(cloudpickle.dumps(cleans))(), cloudpickle.loads(cloudpickle.dumps(gc)) is gc)
print(Cleans().clean(0) >= 0, gc.collect, repr(gc), isinstance(gc, types.ModuleType), gc.callbacks)
with mock.patch("gc.collect", return_value=-5):
    print(gc.collect())
try:
    gc.collect("young")
except TypeError as error:
    print(error)
for _ in range(20):
    step()
    gc.collect()
"""

INTERRUPTED = """
import signal

def late(*_):
    raise TimeoutError("too late")

signal.signal(signal.SIGALRM, late)
kept = [[number] for number in range(2_000_000)]
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    gc.collect()
except TimeoutError as error:
    print(error)
"""


@pytest.mark.torch
def test_the_collector_is_what_it_was_and_its_calls_are_seen(tmp_path: Path) -> None:
    _, noted = printed_by_both(tmp_path, COLLECTS)
    line = (TRAINS + COLLECTS).splitlines().index("    gc.collect()") + 1
    calls = {fact.number("line"): (fact.text("name"), fact.number("calls")) for fact in noted.of("cleaning")}
    assert calls[line] == ("gc.collect()", 20)


@pytest.mark.torch
def test_what_a_signal_raises_in_a_collection_reaches_the_program(tmp_path: Path) -> None:
    said, _ = printed_by_both(tmp_path, INTERRUPTED)
    assert said == "too late\n"


KEEPS = """
def train(rate):
    {begin}
    kept = []
    for number in range(80):
        kept.append(torch.zeros(200_000) + step().detach())  # memory rises, and the agent looks who keeps it
    return {end}

print(train(1))
"""


@pytest.mark.torch
@pytest.mark.parametrize(
    ("begin", "end"),
    [("settings = locals()", "sorted(settings)"), ("exec('extra = rate + 1')", "eval('extra')")],
    ids=["locals", "exec"],
)
def test_variables_that_a_program_keeps_are_not_brought_up_to_date(tmp_path: Path, begin: str, end: str) -> None:
    printed_by_both(tmp_path, KEEPS.format(begin=begin, end=end))


@pytest.mark.torch
def test_who_keeps_tensors_is_seen(tmp_path: Path) -> None:
    _, noted = printed_by_both(tmp_path, KEEPS.format(begin="settings = vars(model)", end="model.eval().training"))
    assert {fact.text("name") for fact in noted.of("holder")} == {"kept"}


REMEMBERS = """
import sys, time, tracemalloc
from wattleak_agent.sklearn_refits import Refits

class Estimator:
    def get_params(self, deep):
        return {"words": self.words}

refits = Refits(None)
refits._began_s = time.monotonic() - float(sys.argv[1])
estimator, site = Estimator(), ("train.py", 1, "main")
fitted = lambda: refits.fitted(estimator, (), {}, 1.0, site)
tracemalloc.start()
"""


def traced(tmp_path: Path, since_s: float, text: str) -> list[int]:
    words = [sys.executable, "-c", REMEMBERS + text, str(since_s)]
    done = subprocess.run(words, env={"PYTHONPATH": str(AGENT)}, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_fits_are_remembered_in_little_memory(tmp_path: Path) -> None:
    text = """
for number in [*range(100), 3]:
    estimator.words = [f"{number} {place}".ljust(900) for place in range(100)]
    fitted()
(fact,) = refits.facts()
estimator.words = None
print(tracemalloc.get_traced_memory()[0], fact["looked_at"], fact["again"])
"""
    held_b, looked_at, again = traced(tmp_path, 1e6, text)
    assert (looked_at, again) == (101, 1)
    assert held_b < 1_000_000  # of 9 MB


def test_many_short_values_take_of_the_time_for_looking(tmp_path: Path) -> None:
    text = """
word = "x" * 900
estimator.words = [[word] * 200 for _ in range(200)]
tracemalloc.reset_peak() if hasattr(tracemalloc, "reset_peak") else None
fitted()
print(tracemalloc.get_traced_memory()[1])
"""
    (peak_b,) = traced(tmp_path, 1.0, text)
    assert peak_b < 20_000_000  # of 36 MB of text; there is time for 5


ROWS = """
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.randn(100, 4))

def train(epochs, accumulate=1, others=0, most=10**9):
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for _ in range(1 + others)]
    batches = 0
    for _ in range(epochs):
        for rows, in DataLoader(data, batch_size=8):
            model(rows).square().mean().backward()
            batches += 1
            if batches % accumulate == 0:
                for optimizer in optimizers:
                    optimizer.step()
            if batches == most:
                return optimizers
        model.eval()
        with torch.no_grad():
            [model(rows) for rows, in DataLoader(data, batch_size=50)]
        model.train()
    return optimizers

kept = [train(8), train(8, accumulate=2), train(8, accumulate=13), train(8, others=1), train(8, most=50)]
"""


@pytest.mark.torch
def test_rows_are_counted_to_the_last_though_most_batches_are_only_counted(tmp_path: Path) -> None:
    """100 rows in 13 batches, the last of 4; evaluations read the same rows, and are none of a step."""
    _, signals = printed_by_both(tmp_path, ROWS)
    facts = sorted(signals.of("steps"), key=lambda fact: fact.number("first_s") or 0.0)
    counted = [[fact.number(name) for name in ("steps", "rows", "rows_steps")] for fact in facts[1:]]

    assert counted == [
        [104, 800, 104],
        [52, 800, 52],  # two batches a step
        [8, 800, 8],  # one step an epoch
        [104, 800, 104],  # two take turns: the first has the rows,
        [104, 0, 0],  # and the second has none
        [50, 3 * 100 + 11 * 8, 50],  # left in the middle of an epoch
    ]
