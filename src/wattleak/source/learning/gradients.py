"""Whether PyTorch records gradients where a node runs."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.source.learning import classes
from wattleak.source.learning.asking import resolved, whole
from wattleak.source.learning.callers import callers
from wattleak.source.learning.frameworks import Framework, frameworks, learns
from wattleak.source.learning.memory import of_node
from wattleak.source.referents import Class, Expression, Function, Instance, Method, Referent, name_of
from wattleak.source.standing import enclosing_function, owner_class
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_OFF = frozenset(
    {
        *("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.grad_mode.no_grad"),
        *("torch.autograd.inference_mode", "torch.autograd.grad_mode.inference_mode"),
    }
)
_ON = frozenset({"torch.enable_grad", "torch.autograd.enable_grad", "torch.autograd.grad_mode.enable_grad"})
_SET = frozenset(
    {"torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch.autograd.grad_mode.set_grad_enabled"}
)
_WORDS = re.compile(r"no_grad|inference_mode|set_grad_enabled|enable_grad")
_HOOKS_WITHOUT = frozenset({"validation_step", "test_step", "predict_step"})
_HOOKS_WITH = frozenset({"training_step"})
_HOPS = 3  # callers followed


class _Unknown:
    """What is around may switch them, or not."""


_UNKNOWN = _Unknown()


def gradients_off(module: Module, node: ast.AST) -> bool | None:
    """Tell whether no gradients are recorded where `node` runs; None: not known.

    True under torch.no_grad(), inference_mode() and set_grad_enabled(False), as context, decorator or statement before
    it, in the hooks of Lightning that run without, and where that holds for all callers. None under contexts and
    decorators that may do so (of the project, or not known), in forward(), and where callers differ. A function that is
    given away (mp.spawn(main)) is taken to run as where it is given away, and one that nobody in the project calls as
    it stands; a method that nobody calls is not known.
    """
    return _off(module, node, _HOPS)


@of_node
def _off_kept(module: Module, node: ast.AST) -> bool | None:
    return _off_computed(module, node, _HOPS)


def _off(module: Module, node: ast.AST, hops: int) -> bool | None:
    if not learns(module) and module.project is None:
        return None
    whole(module)
    return _off_kept(module, _statement(module, node)) if hops == _HOPS else _off_computed(module, node, hops)


def _statement(module: Module, node: ast.AST) -> ast.AST:
    """Gradients are switched for whole statements (and in lambdas, wherever those are called)."""
    parents = module.scopes.parent_of
    here = node
    while here in parents and not isinstance(here, ast.stmt | ast.Lambda | ast.withitem | ast.arguments):
        here = parents[here]
    return here if isinstance(here, ast.stmt) else node


def _off_computed(module: Module, node: ast.AST, hops: int) -> bool | None:
    inside = _inside_function(module, node)
    if inside is not None:
        return None if isinstance(inside, _Unknown) else inside
    function = enclosing_function(module, node)
    if function is None:
        return False if Framework.TORCH in frameworks(module) else None
    decorated = _decorated(module, function)
    if decorated is not None:
        return None if isinstance(decorated, _Unknown) else decorated
    return _by_callers(module, function, hops)


def _inside_function(module: Module, node: ast.AST) -> bool | _Unknown | None:
    """What the blocks and statements of its own function say; None: nothing."""
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.With | ast.AsyncWith) and isinstance(child, ast.stmt) and child in parent.body:
            for item in reversed(parent.items):
                said = _of_switch(module, item.context_expr)
                if said is not None:
                    return said
        if isinstance(child, ast.stmt):
            said = _set_before(module, parent, child)
            if said is not None:
                return said
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            return None
        child = parent
    return None


def _set_before(module: Module, parent: ast.AST, child: ast.stmt) -> bool | _Unknown | None:
    """`torch.set_grad_enabled(False)` as a statement holds from there on."""
    if "set_grad_enabled" not in module.text:
        return None
    for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
        if not isinstance(block, list) or child not in block:
            continue
        for earlier in reversed(block[: block.index(child)]):
            match earlier:
                case ast.Expr(value=ast.Call() as call):
                    said = _of_switch(module, call) if _name(module, call.func) in _SET else None
                    if said is not None:
                        return said
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.With():
                    continue
                case _:
                    if any(
                        isinstance(inner, ast.Expr)
                        and isinstance(inner.value, ast.Call)
                        and _name(module, inner.value.func) in _SET
                        for inner in walk(earlier)
                    ):
                        return _UNKNOWN
    return None


def _of_switch(module: Module, expression: ast.expr) -> bool | _Unknown | None:
    """What a context manager or decorator does to gradients; None: nothing."""
    call = expression if isinstance(expression, ast.Call) else None
    function = call.func if call is not None else expression
    if isinstance(function, ast.IfExp):
        said = {_of_switch(module, each) for each in (function.body, function.orelse)}
        return _UNKNOWN if len(said) > 1 else _of_switch(module, function.body)
    known = resolved(module, function)
    if known is None:
        return _UNKNOWN if _may_switch(function) else None
    said_by = {_one(one, call) for one in known}
    if len(said_by) > 1:
        return _UNKNOWN
    return _one(next(iter(known)), call)


def _name(module: Module, function: ast.expr) -> str | None:
    known = resolved(module, function)
    return name_of(next(iter(known))) if known is not None and len(known) == 1 else None


def _one(one: Referent, call: ast.Call | None) -> bool | _Unknown | None:  # noqa: PLR0911 - one for each
    match one:
        case Instance(module=home, call=ast.Call() as made) if call is None:
            return _of_switch(home, made)
        case Function(module=home, node=node) | Class(module=home, node=node):
            return _UNKNOWN if _may_switch_inside(home, node) else None
        case Instance(of=Class(module=home, node=node)):
            return _UNKNOWN if _may_switch_inside(home, node) else None
        case Expression() | Method(owner=Expression()):
            return None
        case _:
            pass
    name = name_of(one)
    if name is None:
        return _UNKNOWN
    if name in _OFF:
        mode = call.args[0] if call is not None and call.args else None
        if mode is None:
            return True
        # inference_mode(False); and `torch.no_grad(function)`, which is a decorator by hand.
        return mode.value if isinstance(mode, ast.Constant) and isinstance(mode.value, bool) else _UNKNOWN
    if name in _ON:
        return False
    if name in _SET:
        given = [*(call.args if call else []), *(keyword.value for keyword in (call.keywords if call else []))]
        match given:
            case [ast.Constant(value=bool(enabled))]:
                return not enabled
            case _:
                return _UNKNOWN
    return None


def _may_switch_inside(home: Module, node: ast.expr | ast.stmt) -> bool:
    """Tell whether a function or class of the project speaks of gradients, or of a neighbour that does."""
    if not _WORDS.search(home.text):
        return False
    text = home.segment(node)
    if _WORDS.search(text):
        return True
    neighbours = (
        item.name
        for item in home.tree.body
        if isinstance(item, ast.FunctionDef | ast.ClassDef) and item is not node and _WORDS.search(home.segment(item))
    )
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in neighbours)


def _may_switch(function: ast.expr) -> bool:
    """Tell whether a name that is not known may stand for a switch: it is not a method of something harmless."""
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name not in _HARMLESS and not name.endswith(
                ("autocast", "lock", "timer", "Timer", "profile", "writer")
            )
        case _:
            return True


_HARMLESS = frozenset(
    {
        *("accumulate", "autocast", "no_sync", "join", "scope", "open", "timer", "profile", "record_function", "lock"),
        *("tqdm", "Progress", "progress", "span", "catch_warnings", "suppress", "main_process_first", "stopwatch"),
        *("setter", "getter", "command", "option", "route", "fixture", "parametrize", "register", "register_module"),
        *("local_main_process_first", "as_default", "device", "nullcontext", "name_scope", "register_model"),
    }
)


def _decorated(module: Module, function: ast.AST) -> bool | _Unknown | None:
    for decorator in getattr(function, "decorator_list", []):
        said = _of_switch(module, decorator)
        if said is not None:
            return said
    return None


def _by_callers(  # noqa: PLR0911 - one return for each that can say it
    module: Module, function: ast.AST, hops: int
) -> bool | None:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    owner = owner_class(module, function)
    if owner is not None:
        if classes.is_lightning_class(Class(module, owner)):
            if function.name in _HOOKS_WITHOUT:
                return True
            if function.name in _HOOKS_WITH:
                return False
        if function.name in {"forward", "call", "__call__"}:
            return None
    if hops <= 0:
        return None
    used = callers(module, function)
    if used.too_many:
        return None
    places = [*used.sites, *used.others]
    answers = {
        _given_away(where, node) or _off(where, node, hops - 1)
        for where, node in places
        if enclosing_function(where, node) is not function
    }
    if not answers:
        return False if owner is None else None
    if answers == {False, None}:
        return False  # at least where that caller runs it
    return answers.pop() if len(answers) == 1 else None


def _given_away(module: Module, node: ast.expr) -> bool | None:
    """`validate = torch.no_grad()(validate)`."""
    parent = module.scopes.parent_of.get(node)
    if not isinstance(parent, ast.Call) or parent.func is node:
        return None
    return _of_switch(module, parent.func) is True or None
