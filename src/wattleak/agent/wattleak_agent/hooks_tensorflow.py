"""TensorFlow: functions and their traces, steps of loops of one's own, and tapes that nobody asks.

steps, memory, holder    where a function traced with an optimizer in it is called (hooks_keras tells)
traced                   by the code of a function: calls, traces, and how long the calls took that traced
evaluation               by place: tapes that were gone before anybody asked them for a gradient
read                     tensorflow_reads
loader                   tensorflow_data
"""

from __future__ import annotations

import functools
import sys
import time
import weakref

from .spent import Prepared
from .steps import caller, steps_of
from .tensorflow_data import Pipelines
from .tensorflow_reads import ReadsOfTensorFlow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .steps import Site

_monotonic = time.monotonic
_TRACE_S = 2e-3  # a call that traced took longer than that; only then the traces are counted again
_MOST = 256
_PACKAGE = "tensorflow.python."

_functions: dict[int, Functions] = {}


def register(agent: Agent) -> None:
    functions_of(agent)
    agent.when_imported(_PACKAGE + "eager.polymorphic_function.polymorphic_function", functions_of(agent).install)
    agent.when_imported(_PACKAGE + "eager.backprop", Tapes(agent).install)
    agent.when_imported(_PACKAGE + "framework.ops", functions_of(agent).reads.install)
    functions_of(agent).pipelines.register()
    agent.when_imported(_PACKAGE + "framework.ops", lambda ops: steps_of(agent).sizes.append(_sizes(ops.EagerTensor)))


def functions_of(agent: Agent) -> Functions:
    """The one of this agent: Keras' hooks tell it which function trains."""
    found = _functions.get(id(agent))
    if found is None:
        found = _functions[id(agent)] = Functions(agent)
    return found


def is_eager() -> bool:
    """Whether operations run as they are written, and not into a graph."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is None or bool(tensorflow.executing_eagerly())


def _sizes(tensor: type) -> Any:
    def sizes(value: Any) -> tuple[int, int, bool] | None:
        if not isinstance(value, tensor):
            return None
        return id(value), int(value.shape.num_elements() or 0) * value.dtype.size, False  # type: ignore[attr-defined]

    return sizes


class Functions:
    """Follows the calls of tf.function objects, from outside of all of them."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._steps = steps_of(agent)
        self.fitting = 0  # fit makes its own steps
        self.reads = ReadsOfTensorFlow(agent)
        self.pipelines = Pipelines(agent, self, self.reads)
        self._running: Any = None  # the outermost function that runs
        self._depth = 0
        self._training: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # function -> optimizer
        self._traces: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._codes: dict[int, tuple[Any, dict[str, Any]]] = {}  # by id: its hash goes through all that it consists of
        self.prepared = Prepared("tracing")
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._codes.clear()
        self.prepared.clear()

    def install(self, module: Any) -> None:
        owner = module.Function
        plain = vars(owner).get("__call__")
        self._agent.around(owner, "__call__", self._called, self._returned)
        watched = vars(owner).get("__call__")
        if plain is None or watched is None:
            return

        @functools.wraps(plain)
        def called(function: Any, *args: Any, **kwargs: Any) -> Any:
            return (plain if self.fitting else watched)(function, *args, **kwargs)

        owner.__call__ = called

    def applied(self, optimizer: Any) -> None:
        """`optimizer` is being traced into whatever runs."""
        running = self._running() if self._running is not None else None
        if running is not None:
            self._training[running] = weakref.ref(optimizer)

    def _called(self, args: Any, _kwargs: Any) -> float:
        if not self.fitting and is_eager():
            self._running = weakref.ref(args[0])
        return _monotonic()

    def _returned(self, token: float, args: Any, _kwargs: Any, _result: Any) -> None:
        if self.fitting:
            return
        function, now_s = args[0], _monotonic()
        code = getattr(function.python_function, "__code__", None)
        known = self._codes.get(id(code))
        if known is None:
            if code is None or len(self._codes) >= _MOST:
                return
            known = self._codes[id(code)] = code, {"calls": 0, "traces": 0, "trace_s": 0.0}
        fact = known[1]
        fact["calls"] += 1
        if now_s - token > _TRACE_S or fact["calls"] <= 2:
            traces = int(function.experimental_get_tracing_count())
            before = self._traces.get(function, 0)
            if traces > before:
                self._traces[function] = traces
                fact["traces"] += traces - before
                fact["trace_s"] += now_s - token
                self.prepared.add(token, now_s)
        optimizer = self._training.get(function)
        if optimizer is not None and is_eager():
            owner = optimizer()
            if owner is not None:
                loop = self._steps.loop_of(owner, "tensorflow", "function", self._site)
                self.pipelines.stepped(loop)
                self._steps.step(loop, now_s)

    def _site(self) -> Site | None:
        return self._agent._places.innermost(caller(1))

    def _facts(self) -> list[dict[str, Any]]:
        facts = self.prepared.facts(self._steps.first_s, self._steps.last_s)
        for code, fact in list(self._codes.values()):
            if fact["traces"] < 2 or not self._agent._places.is_own_file(code.co_filename):
                continue
            file, line, function = self._agent._places.named(code, code.co_firstlineno)
            named = {"k": "traced", "key": f"{file}:{line}", "file": file, "line": line, "function": function}
            facts.append({**named, **fact})
        return facts


class Tapes:
    """Follows gradient tapes outside of functions."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._open: dict[int, tuple[Any, Site | None]] = {}
        self._sites: dict[Site | None, list[int]] = {}  # tapes that were asked, and that were not
        agent.at_flush(self._facts, reset=self._sites.clear)

    def install(self, module: Any) -> None:
        around = self._agent.around
        around(module.GradientTape, "__enter__", after=self._entered)
        for name in ("gradient", "jacobian", "batch_jacobian"):
            around(module.GradientTape, name, before=self._asked)

    def _entered(self, _token: Any, args: Any, _kwargs: Any, _result: Any) -> None:
        tape = args[0]
        if not is_eager() or id(tape) in self._open:
            return
        site = self._agent._places.innermost(caller(2))
        number = id(tape)
        self._open[number] = weakref.ref(tape, lambda _: self._gone(number)), site

    def _asked(self, args: Any, _kwargs: Any) -> None:
        found = self._open.pop(id(args[0]), None)
        if found is not None:
            self._count(found[1], 0)

    def _gone(self, number: int) -> None:
        found = self._open.pop(number, None)
        if found is not None:
            self._count(found[1], 1)

    def _count(self, site: Site | None, which: int) -> None:
        if site in self._sites or len(self._sites) < _MOST:
            self._sites.setdefault(site, [0, 0])[which] += 1

    def _facts(self) -> list[dict[str, Any]]:
        facts = []
        for site, (asked, gone) in list(self._sites.items()):
            if asked or not gone or site is None:
                continue
            file, line, function = site
            fact = {"k": "evaluation", "key": f"{file}:{line}", "framework": "tensorflow"}
            facts.append({**fact, "file": file, "line": line, "function": function, "graphs": gone})
        return facts
