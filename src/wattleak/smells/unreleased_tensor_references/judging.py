"""Whether what a step keeps is kept for nothing, and what is known about it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.unreleased_tensor_references.holders import Holder, holder_of
from wattleak.smells.unreleased_tensor_references.readings import Reading, reading, worst
from wattleak.smells.unreleased_tensor_references.spending import Spent, spent
from wattleak.smells.unreleased_tensor_references.stores import Way
from wattleak.smells.unreleased_tensor_references.tensors import Kept, is_output, kept
from wattleak.source.learning import varies
from wattleak.source.standing import enclosing_function
from wattleak.source.walking import own_nodes

if TYPE_CHECKING:
    from wattleak.smells.unreleased_tensor_references.steps import Step
    from wattleak.source.module import Module


@dataclass(frozen=True, slots=True)
class Leak:
    """Tensors that a step keeps for nothing."""

    step: Step
    holder: Holder
    values: tuple[ast.expr, ...]  # the heaviest of what is kept
    kind: Kept
    used_up: Spent
    done: Reading  # what is done with it later

    @property
    def is_certain(self) -> bool:
        """Whether it is known that nothing can call backward() on what is kept."""
        return self.done <= Reading.NUMBER or self.used_up is Spent.ROOT


def leak_of(module: Module, step: Step) -> Leak | None:
    """Return what a store of a step leaks; None: nothing, or nobody knows."""
    store = step.store
    kinds = {value: kept(module, value, step) for value in store.values}
    kind = max(kinds.values(), default=Kept.NOTHING)
    if kind is Kept.NOTHING or (kind is not Kept.GRAPH and store.way is Way.ADDED):
        return None
    if store.key is not None and (step.loop is None or varies(module, store.key, step.loop) is not True):
        return None  # it replaces what was there
    holder = holder_of(module, store, step.outermost)
    if holder is None:
        return None
    done = worst(reading(one.module, one.node) for one in holder.mentions)
    if not holder.is_seen_whole:
        done = max(done, Reading.UNKNOWN)
    values = tuple(value for value, each in kinds.items() if each is kind)
    used_up = Spent.NO
    if kind is Kept.GRAPH and step.loop is not None:
        used_up = min(spent(module, value, step.loop) for value in values)
    leak = Leak(step, holder, values, kind, used_up, done)
    return leak if _is_one(module, leak) else None


def _is_one(module: Module, leak: Leak) -> bool:
    if leak.step.is_epoch:  # one loss an epoch weighs nothing
        return leak.done is Reading.NEVER and any(is_output(module, value) for value in leak.values)
    if leak.kind is not Kept.GRAPH:
        return leak.done is Reading.NEVER  # otherwise it is collected, and used
    if leak.done is Reading.FEEDS:
        return False
    return leak.is_certain or _only_evaluates(module, leak.step)


def _only_evaluates(module: Module, step: Step) -> bool:
    """Tell whether the function around the loop puts a model into evaluation mode: what follows is not trained on."""
    if step.loop is None or step.is_training:
        return False
    around = enclosing_function(module, step.loop) or module.tree
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "eval"
        and not node.args
        for node in own_nodes(around)
    )
