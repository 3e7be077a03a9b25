"""TensorFlow: pipelines (tf.data) that a program reads itself: the wait for batches, and which were for nothing.

    {"k": "loader", ...}     as PyTorch's loaders have it: readings, batches, rows, wait_s, idle, idle_s

What fit reads is not seen here: its step asks for the batch inside of the graph (see fit_waits).
"""

from __future__ import annotations

import time
import weakref

from .batches import Kept, rows_of
from .steps import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .hooks_tensorflow import Functions
    from .steps import Loop, Site
    from .tensorflow_reads import ReadsOfTensorFlow

_PACKAGE = "tensorflow.python.data.ops."
_FEWEST = 4  # batches of a reading that is judged
_NOTHING_S = 20e-6  # between two batches, on average, where nobody does anything with them; our own time is in it
_MOST_SITES = 256
_monotonic = time.monotonic


class Pipelines:
    """Follows the iterators of data sets, outside of fit and of graphs."""

    def __init__(self, agent: Agent, functions: Functions, reads: ReadsOfTensorFlow) -> None:
        self._agent = agent
        self._functions = functions
        self._reads = reads
        self._readings: weakref.WeakKeyDictionary[Any, _Reading] = weakref.WeakKeyDictionary()
        self._reading: _Reading | None = None  # that gave the last batch
        self._trained: weakref.WeakSet[Any] = weakref.WeakSet()  # data sets of training
        self._ended: list[_Reading] = []  # to be judged: their batches may still be held
        self._sites: dict[Site | None, dict[str, Any]] = {}
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._sites.clear()
        self._reading = None
        self._ended = []

    def register(self) -> None:
        around = self._agent.around
        self._agent.when_imported(
            _PACKAGE + "dataset_ops", lambda ops: around(ops.DatasetV2, "__iter__", after=self._begun)
        )
        self._agent.when_imported(
            _PACKAGE + "iterator_ops",
            lambda ops: around(ops.OwnedIterator, "__next__", self._ask, self._given, self._end),
        )

    def stepped(self, loop: Loop) -> None:
        """A step has ended: what was read for it is its own."""
        reading = self._reading
        if reading is None or not reading.rows:
            return
        loop.rows += reading.rows
        loop.rows_steps += 1
        loop.wait_s += reading.waited_s
        reading.rows, reading.waited_s = 0, 0.0
        reading.stepped = True
        dataset = reading.dataset()
        if dataset is not None:
            self._trained.add(dataset)

    def _begun(self, _token: Any, args: Any, _kwargs: Any, iterator: Any) -> None:
        self._judge()
        if self._functions.fitting or not _is_eager():
            return
        site = self._agent._places.innermost(caller(2))
        fact = self._sites.get(site)
        if fact is None:
            if len(self._sites) >= _MOST_SITES or site is None:
                return
            file, line, function = site
            fact = {"k": "loader", "key": f"{file}:{line}", "file": file, "line": line, "function": function}
            fact.update(readings=0, batches=0, rows=0, wait_s=0.0, idle=0, idle_s=0.0, device=None)
            self._sites[site] = fact
        fact["readings"] += 1
        self._readings[iterator] = _Reading(fact, weakref.ref(args[0]), self._reads.calls)

    def _ask(self, args: Any, _kwargs: Any) -> tuple[float, Any] | None:
        reading = self._readings.get(args[0])
        return None if reading is None else (_monotonic(), reading)

    def _given(self, token: tuple[float, Any] | None, _args: Any, _kwargs: Any, batch: Any) -> None:
        if token is None:
            return
        now_s = _monotonic()
        asked_s, reading = token
        rows = rows_of(batch) or 0
        fact = reading.fact
        fact["batches"] += 1
        fact["rows"] += rows
        fact["wait_s"] += now_s - asked_s
        if reading.batches:
            reading.between_s += asked_s - reading.last_s
        if not reading.stepped:
            reading.kept.given(batch)
        reading.batches += 1
        reading.wait_s += now_s - asked_s
        if reading is not self._reading:
            self._reading = reading
        reading.rows += rows
        reading.waited_s += now_s - asked_s
        reading.last_s = _monotonic()

    def _end(self, token: tuple[float, Any] | None) -> None:
        """The iterator raised: it is at its end, or broken."""
        if token is not None:
            token[1].kept.ended()
            token[1].trained = token[1].dataset() in self._trained
            self._ended.append(token[1])

    def _judge(self) -> None:
        """Which of the readings that have ended were for nothing? No time between batches, and nobody has them."""
        ended, self._ended = self._ended, []
        for reading in ended:
            idle = (
                reading.batches >= _FEWEST
                and not reading.stepped
                and reading.between_s <= _NOTHING_S * (reading.batches - 1)
                and reading.reads == self._reads.calls
                and reading.trained
                and reading.kept.for_nothing
            )
            if idle:
                reading.fact["idle"] += 1
                reading.fact["idle_s"] += reading.wait_s

    def _facts(self) -> list[dict[str, Any]]:
        self._judge()
        return [dict(fact) for fact in self._sites.values()]


class _Reading:
    """One way through a data set."""

    __slots__ = (
        *("batches", "between_s", "dataset", "fact", "kept", "last_s"),
        *("reads", "rows", "stepped", "trained", "wait_s", "waited_s"),
    )

    def __init__(self, fact: dict[str, Any], dataset: Any, reads: int) -> None:
        self.fact = fact
        self.dataset = dataset
        self.reads = reads  # values that had been read from tensors when it began
        self.batches = self.rows = 0  # rows: since the last step
        self.wait_s = self.waited_s = 0.0  # for all batches; since the last step
        self.between_s = self.last_s = 0.0
        self.stepped = self.trained = False  # steps were made with its batches; with an earlier reading's
        self.kept = Kept()


def _is_eager() -> bool:
    from .hooks_tensorflow import is_eager

    return is_eager()
