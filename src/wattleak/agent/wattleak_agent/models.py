"""Models that were built alike at one place, and whose weights they were given: PyTorch's and Keras' hooks tell.

An instance that takes over exactly the weights that the one before it had ended with could have been that one. So could
one that was given the same weights as the one before, neither of them being trained. That is what is counted; that the
same is built several times says nothing (cross-validation, seeds, ensembles).
"""

from __future__ import annotations

import time
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent

    Site = tuple[str, int, str]

_MOST_GROUPS = 256
_monotonic = time.monotonic


class Built:
    """One instance."""

    __slots__ = ("build_s", "given", "group", "last_weights", "ref", "steps_at_load", "steps_at_look")

    def __init__(self, group: Group, ref: Any, build_s: float) -> None:
        self.group = group
        self.ref = ref
        self.build_s = build_s
        self.given: int | None = None  # weights that it was given
        self.last_weights: int | None = None  # that it had when it was last asked for them
        self.steps_at_load: int | None = None
        self.steps_at_look: int | None = None

    def look(self, weights: int | None, steps: int) -> None:
        """Its weights as they are after `steps` of training: somebody asks for them, or will not find it any more."""
        self.last_weights, self.steps_at_look = weights, steps


class Group:
    """Instances built alike at one place."""

    def __init__(self, number: int, site: Site | None, name: str) -> None:
        self.number = number
        self.site = site
        self.name = name
        self.built = 0
        self.build_s = 0.0
        self.taken_over = 0  # instances with the weights that the one before had ended with
        self.same = 0  # instances with the weights that the one before was given, neither trained
        self.load_s = 0.0  # for taking over weights, those reads included
        self.traces = 0
        self.trace_s = 0.0
        self.before: Built | None = None  # the instance that was given weights last
        self.latest: Built | None = None
        self.live: weakref.WeakSet[Any] = weakref.WeakSet()


class Models:
    """All groups of one framework."""

    def __init__(self, agent: Agent, framework: str) -> None:
        self._framework = framework
        self._groups: dict[Any, Group] = {}
        agent.at_flush(self._facts, reset=self._groups.clear)

    def built(self, model: Any, site: Site | None, sign: tuple[Any, ...], start_s: float, end_s: float) -> Built:
        """A model is done."""
        key = (site, sign)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.pop(next(iter(self._groups)))
            group = self._groups[key] = Group(len(self._groups), site, str(sign[0]))
        built = Built(group, weakref.ref(model), end_s - start_s)
        group.built += 1
        group.build_s += built.build_s
        group.live.add(model)
        group.before, group.latest = group.latest, built
        return built

    def loaded(self, built: Built, weights: int | None, load_s: float, steps: int) -> None:
        """It was given weights, and `steps` of training have been made so far, by whatever model."""
        group = built.group
        before = group.before if group.latest is built else None
        if built.given is None and before is not None and weights is not None:
            untrained = before.steps_at_load == steps
            if untrained and weights == before.given:
                group.same += 1
                group.load_s += load_s
            # Looked at after its last step, and not where it began: else each fold of a cross-validation would count.
            elif weights == before.last_weights != before.given and before.steps_at_look == steps and not untrained:
                group.taken_over += 1
                group.load_s += load_s
        if built.given is None:
            built.given, built.steps_at_load = weights, steps

    def _facts(self) -> list[dict[str, Any]]:
        facts = []
        for group in list(self._groups.values()):
            if group.built < 2:
                continue
            file, line, function = group.site or (None, None, None)
            facts.append(
                {
                    "k": "models",
                    "key": f"{self._framework}-{group.number}",
                    "framework": self._framework,
                    "name": group.name,
                    "file": file,
                    "line": line,
                    "function": function,
                    "built": group.built,
                    "build_s": group.build_s,
                    "taken_over": group.taken_over,
                    "same": group.same,
                    "load_s": group.load_s,
                    "traces": group.traces,
                    "trace_s": group.trace_s,
                    "live": len(group.live),
                }
            )
        return facts
