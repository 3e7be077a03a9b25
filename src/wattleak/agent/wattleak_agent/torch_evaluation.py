"""PyTorch: evaluations, and whether they record graphs that nobody asks.

eval() begins an evaluation and train() ends it. Its first forward pass says whether gradients are on. Only then are
the forward passes followed, by the public hooks for all modules, which are taken away again: they cost time.
"""

from __future__ import annotations

import time
import weakref

from .spent import Spent
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .agent import Agent
    from .steps import Site

_MOST_FOLLOWED = 64  # forward passes of one evaluation
_MOST_OTHERS = 500  # calls of modules that train, after which nobody waits any more
_MOST_SITES = 64
_monotonic = time.monotonic


class _Mark:
    """Lives as long as the node of a graph that it was put into."""

    __slots__ = ("__weakref__",)


class Evaluations:
    """Follows eval(), train() and what runs between them."""

    def __init__(self, agent: Agent, torch: Any) -> None:
        self._agent = agent
        self._torch = torch
        self._steps = steps_of(agent)
        self.off = False  # see give_up
        self.gradients = 0  # times that somebody computed some
        self.at_begin: list[Callable[[], object]] = []  # called when an evaluation begins
        self._handles: list[Any] = []
        self._spent = Spent("evaluation", "evaluation after the training")
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._began_s: float | None = None
        self._ended_s = 0.0
        self._top: Any = None
        self._marks: list[Any] = []
        self._dead = 0
        self._others = 0
        self._used = False
        self._site: Site | None = None
        self._sites: dict[Site | None, dict[str, Any]] = {}
        self._spent.clear()

    def switched(self, args: Any, kwargs: Any) -> None:
        """module.train(mode) or eval(): called for every module inside, too."""
        mode = args[1] if len(args) > 1 else kwargs.get("mode", True)
        if mode:
            if self._began_s is not None:
                self._end(_monotonic())
        elif self._began_s is None:
            self._begin()

    def _begin(self) -> None:
        for told in self.at_begin:
            told()
        self._began_s = _monotonic()
        self._top, self._marks, self._dead, self._others, self._used = None, [], 0, 0, False
        if not self.off:
            register = self._torch.nn.modules.module
            self._handles = [
                register.register_module_forward_pre_hook(self._agent.guard(self._called)),
                register.register_module_forward_hook(self._agent.guard(self._returned)),
            ]

    @property
    def began(self) -> bool:
        """Whether an evaluation has begun and not ended."""
        return self._began_s is not None

    @property
    def running(self) -> bool:
        """Whether an evaluation has begun in which nobody has asked for a gradient."""
        return self._began_s is not None and not self._used

    def give_up(self) -> None:
        """The program compiles: torch.compile warns of hooks for all modules, and compiles again for them."""
        self.off = True
        self._leave()

    def _leave(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _called(self, module: Any, _inputs: Any) -> None:
        """The first module that is called, of those that do not train, is the model."""
        if module.training:
            self._others += 1
            if self._others > _MOST_OTHERS:
                self._leave()
        elif self._top is None:
            if not self._torch.is_grad_enabled() or not any(item.requires_grad for item in module.parameters()):
                self._leave()
                return
            self._top = weakref.ref(module)
            self._site = self._agent._places.innermost(caller(1))

    def _returned(self, module: Any, _inputs: Any, output: Any) -> None:
        if self._top is None or self._top() is not module:
            return
        node = _node(output)
        if node is None:
            return
        mark = _Mark()
        node.metadata["wattleak"] = mark
        self._marks.append(weakref.ref(mark))
        self._dead += sum(item() is None for item in self._marks[-8:-1])
        self._marks = [item for item in self._marks if item() is not None]
        if self._dead >= _MOST_FOLLOWED or len(self._marks) >= _MOST_FOLLOWED:
            self._leave()

    def asked(self, _args: Any = None, _kwargs: Any = None) -> None:
        """Somebody computes gradients."""
        self.gradients += 1
        if self._began_s is not None:
            self._used = True
            if self._handles:
                self._leave()

    def _end(self, now_s: float) -> None:
        began_s, self._began_s = self._began_s, None
        self._leave()
        self._note(self._sites)
        if began_s is not None and self._steps.total and not self._used:
            self._spent.add(began_s, now_s)

    def _note(self, sites: dict[Site | None, dict[str, Any]]) -> None:
        """Count the graphs of this evaluation that are gone without anybody having asked them."""
        graphs = self._dead + sum(item() is None for item in self._marks)
        if not graphs or self._used:
            return
        fact = sites.get(self._site)
        if fact is None:
            if len(sites) >= _MOST_SITES:
                return
            file, line, function = self._site or (None, None, None)
            fact = sites[self._site] = {
                "k": "evaluation",
                "key": f"{file}:{line}",
                "framework": "torch",
                "file": file,
                "line": line,
                "function": function,
                "evaluations": 0,
                "graphs": 0,
            }
        fact["evaluations"] += 1
        fact["graphs"] += graphs

    def _facts(self) -> list[dict[str, Any]]:
        sites = {site: dict(fact) for site, fact in self._sites.items()}
        running = None
        if self._began_s is not None and not self._used:  # it may be the last thing that the program does
            self._note(sites)
            running = (self._began_s, _monotonic()) if self._steps.total else None
        return list(sites.values()) + self._spent.facts(self._steps.last_s, running)


def _node(output: Any) -> Any:
    """The node of the graph behind an output, or behind the first part of one that has a graph."""
    for _ in range(3):
        node = getattr(output, "grad_fn", None)
        if node is not None:
            return node
        if isinstance(output, (list, tuple)):
            output = output[0] if output else None
        elif isinstance(output, dict):
            output = next(iter(output.values()), None)
        else:
            return None
    return None
