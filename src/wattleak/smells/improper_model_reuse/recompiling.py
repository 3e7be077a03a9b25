"""One model, made once, whose preparation is repeated: `compile` or `clear_session` in the loop that trains it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.improper_model_reuse.constancy import Rounds, is_constant, within
from wattleak.smells.improper_model_reuse.repeating import happens_each_time, wants_fresh
from wattleak.source import standing
from wattleak.source.learning import builds_model, is_model
from wattleak.source.referents import Function
from wattleak.source.resolving import qualified_name, referents
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.standing import Loop

_TRAINS_OR_ASKS = frozenset(
    {"fit", "fit_generator", "train_on_batch", "predict", "predict_on_batch", "evaluate", "test_on_batch"}
)
_RESETS = frozenset({"set_weights", "load_weights", "load_state_dict", "reset_states"})


@dataclass(frozen=True, slots=True)
class Repeated:
    """A call that is repeated for one model, and that model as it is written."""

    call: ast.Call
    loop: Loop
    model: str


def recompiled(module: Module) -> Iterator[Repeated]:
    """Yield every `model.compile(...)` in a loop around one model, with settings that do not vary."""
    if ".compile(" not in module.text or "keras" not in module.text:
        return
    for node in walk(module.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Attribute() as owner, attr="compile")):
                loops = standing.loops_around(module, node)
                if not loops or not isinstance(loops[0], ast.For | ast.While):
                    continue
                rounds = Rounds(module, loops[0])
                name = ast.unparse(owner)
                if (
                    name in _used_in(loops[0])
                    and not _is_made_in(module, owner, loops[0])
                    and not _is_changed_in(loops[0])
                    and all(is_constant(module, item, rounds) for item in _given(node))
                    and happens_each_time(module, node, rounds, frozenset({name}))
                    and not wants_fresh(rounds, module, node, trains=True)
                    and is_model(module, owner)
                ):
                    yield Repeated(node, loops[0], name)
            case _:
                pass


def cleared(module: Module) -> Iterator[Repeated]:
    """Yield every `clear_session()` in a loop that uses one model and builds none."""
    if "clear_session" not in module.text:
        return
    for node in walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id="clear_session") | ast.Attribute(attr="clear_session") as func):
                loops = standing.loops_around(module, node)
                if not loops or not isinstance(loops[0], ast.For | ast.While):
                    continue
                loop = loops[0]
                name = qualified_name(module, func)
                if name is None or "keras" not in name or _builds_inside(module, loop):
                    continue
                used = [
                    item for item in _owners(loop) if not _is_made_in(module, item, loop) and is_model(module, item)
                ]
                if used and happens_each_time(module, node, Rounds(module, loop), frozenset()):
                    yield Repeated(node, loop, ast.unparse(used[0]))
            case _:
                pass


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _owners(loop: Loop) -> list[ast.expr]:
    """Return what is trained or asked in a loop, through a method of Keras."""
    return [
        node.func.value
        for node in walk(loop)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _TRAINS_OR_ASKS
        and isinstance(node.func.value, ast.Name | ast.Attribute)
    ]


def _used_in(loop: Loop) -> frozenset[str]:
    return frozenset(ast.unparse(owner) for owner in _owners(loop))


def _is_made_in(module: Module, owner: ast.expr, loop: Loop) -> bool:
    """Tell whether the loop gives the name a value: then it may be another model in each round."""
    base = owner
    while isinstance(base, ast.Attribute):
        base = base.value
    if not isinstance(base, ast.Name):
        return True
    found = module.scopes.bindings(base.id, module.scopes.scope_of[base])
    if any(within(module, binding.node, loop) for binding in found):
        return True
    wanted = ast.unparse(owner)
    return isinstance(owner, ast.Attribute) and any(
        isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node) == wanted
        for node in walk(loop)
    )


def _is_changed_in(loop: Loop) -> bool:
    """Tell whether a loop freezes layers, adds some or puts weights back: then it has to compile again."""
    for node in walk(loop):
        match node:
            case ast.Attribute(attr="trainable" | "layers", ctx=ast.Store()):
                return True
            case ast.Call(func=ast.Attribute(attr=name)) if name in _RESETS or name in {"add", "pop", "clear_session"}:
                return True
            case ast.Call(func=ast.Name(id="setattr" | "set_trainable" | "freeze" | "unfreeze" | "make_trainable")):
                return True
            case _:
                pass
    return False


def _builds_inside(module: Module, loop: Loop) -> bool:
    """Tell whether a loop builds a model, or calls something that may."""
    for node in walk(loop):
        if not isinstance(node, ast.Call):
            continue
        known = referents(module, node.func)
        if known is None:
            if isinstance(node.func, ast.Name) or "model" in ast.unparse(node.func).rpartition(".")[2]:
                return True
            continue
        if builds_model(module, node):
            return True
        for referent in known:
            if isinstance(referent, Function) and any(
                isinstance(inner, ast.Call) and builds_model(referent.module, inner) for inner in walk(referent.node)
            ):
                return True
    return False
