"""What becomes of the things that a container or total holds: nothing, a number, or a loss."""

from __future__ import annotations

import ast
from enum import IntEnum
from typing import TYPE_CHECKING

from wattleak.source.calls import call_sites
from wattleak.source.names import dotted_name
from wattleak.source.referents import Function
from wattleak.source.resolving import referents
from wattleak.source.standing import enclosing_function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module

_LINKS = 12  # from one name to the next


class Reading(IntEnum):
    """What is done with what was kept, the worst that is known of it last."""

    NEVER = 0  # nobody reads it
    NUMBER = 1  # it is read for its numbers: printed, averaged, stored, compared, drawn
    UNKNOWN = 2
    FEEDS = 3  # backward() starts from it


_ENDS = frozenset({"item", "tolist", "numpy", "detach", "data_ptr", "cpu_numpy"})
_TELLS_NOTHING = frozenset({"clear", "append", "extend", "insert", "add", "appendleft", "remove", "reverse", "sort"})
_SHAPES = frozenset({"shape", "dtype", "device", "ndim", "maxlen", "requires_grad", "grad_fn", "size", "dim", "numel"})
_BACKWARD = frozenset({"backward", "manual_backward"})
_SAME = frozenset(
    {
        *(
            "copy",
            "items",
            "values",
            "keys",
            "get",
            "mean",
            "sum",
            "max",
            "min",
            "std",
            "var",
            "median",
            "cpu",
            "float",
        ),
        *("to", "double", "half", "div", "div_", "mul", "mul_", "add_", "sub", "sqrt", "exp", "log", "abs", "view"),
        *("squeeze", "unsqueeze", "reshape", "flatten", "contiguous", "clone", "argmax", "norm", "cuda", "clamp"),
        *("setdefault", "long", "int", "round", "index_select", "permute", "transpose", "t"),
    }
)
"""Methods of a tensor or container whose result is made of it."""

_READERS = frozenset(
    {
        *("print", "str", "repr", "format", "float", "int", "bool", "isinstance", "id", "type", "hash", "round", "any"),
        *("all", "range"),
    }
)
_GIVE_BACK = frozenset(
    {
        *("sum", "max", "min", "sorted", "list", "tuple", "enumerate", "zip", "reversed", "iter", "next", "abs", "set"),
        *("dict", "map", "filter"),
    }
)
_LOGGING = frozenset(
    {
        *("add_scalar", "add_scalars", "add_histogram", "set_postfix", "set_postfix_str", "set_description", "write"),
        *("info", "debug", "warning", "error", "critical", "log", "log_metric", "log_metrics", "log_dict", "format"),
        *("writerow", "writelines", "dump", "dumps", "savez", "save", "plot", "scatter", "hist", "echo", "secho"),
    }
)
"""Methods that show or write what they are given, whatever they belong to."""

_CONSUMERS = ("numpy.", "matplotlib.", "sklearn.", "pandas.", "scipy.", "seaborn.", "logging.", "json.", "wandb.")
_CONSUMING = frozenset({"torch.save", "statistics.mean", "statistics.fmean", "math.fsum"})


def worst(found: Iterable[Reading]) -> Reading:
    """Return the worst of several readings."""
    return max(found, default=Reading.NEVER)


def reading(module: Module, node: ast.expr, links: int = _LINKS, seen: set[ast.AST] | None = None) -> Reading:
    """Return what is done with the value of `node`, which is a container, one of its elements, or made of them."""
    seen = set() if seen is None else seen
    if links <= 0:
        return Reading.UNKNOWN
    if node in seen:
        return Reading.NEVER
    seen.add(node)
    return _by_parent(module, node, links - 1, seen)


def _by_parent(  # noqa: C901, PLR0911, PLR0912 - one branch for each kind of use
    module: Module, node: ast.expr, links: int, seen: set[ast.AST]
) -> Reading:
    parents = module.scopes.parent_of
    parent = parents.get(node)
    above = parents.get(parent) if parent is not None else None
    match parent:
        case ast.Expr() | ast.Delete():
            return Reading.NEVER
        case ast.Attribute(attr=name) if isinstance(above, ast.Call) and above.func is parent:
            return _method(module, above, name, links, seen)
        case ast.Attribute(attr=name):
            if name in _SHAPES:
                return Reading.NEVER
            return Reading.NUMBER if name == "data" else Reading.UNKNOWN
        case ast.Call():
            return _argument(module, parent, node, links, seen)
        case ast.keyword() | ast.Starred() if isinstance(above, ast.Call):
            return _argument(module, above, parent, links, seen)
        case ast.Subscript(value=value, ctx=ast.Load()) if value is node:
            return reading(module, parent, links, seen)
        case ast.Subscript(value=value) if value is node:
            return Reading.NEVER  # written to, or deleted
        case ast.Subscript() | ast.Compare() | ast.FormattedValue() | ast.Assert() | ast.If() | ast.While():
            return Reading.NUMBER
        case ast.UnaryOp(op=ast.Not()):
            return Reading.NUMBER
        case ast.BoolOp() | ast.IfExp() if isinstance(above, ast.If | ast.While | ast.Assert):
            return Reading.NUMBER
        case ast.IfExp(test=test) if test is node:
            return Reading.NUMBER
        case ast.BinOp() | ast.UnaryOp() | ast.IfExp() | ast.BoolOp() | ast.Starred() | ast.Slice():
            return reading(module, parent, links, seen)
        case ast.Tuple() | ast.List() | ast.Set() if isinstance(above, ast.Return) and isinstance(parent, ast.Tuple):
            return _returned(module, above, links, seen, parent.elts.index(node))
        case ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
            return reading(module, parent, links, seen)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return reading(module, parent, links, seen)
        case ast.comprehension(iter=iterable, target=target) if iterable is node:
            return _named(module, target, links, seen)
        case ast.comprehension():
            return Reading.NUMBER  # a condition
        case ast.For(iter=iterable, target=target) | ast.AsyncFor(iter=iterable, target=target) if iterable is node:
            return _named(module, target, links, seen)
        case ast.Assign(targets=targets):
            return worst(_named(module, target, links, seen) for target in targets)
        case ast.AnnAssign(target=target):
            return _named(module, target, links, seen)
        case ast.NamedExpr(target=target):
            return worst((_named(module, target, links, seen), reading(module, parent, links, seen)))
        case ast.AugAssign(target=target) if target is not node:
            return _named(module, target, links, seen)
        case ast.AugAssign():
            return Reading.NEVER  # another sum into the same
        case ast.Return():
            return _returned(module, parent, links, seen)
        case _:
            return Reading.UNKNOWN


def _method(module: Module, call: ast.Call, name: str, links: int, seen: set[ast.AST]) -> Reading:
    if name in _BACKWARD:
        return Reading.FEEDS
    if name in _ENDS:
        return Reading.NUMBER
    if name in _TELLS_NOTHING or name in _SHAPES:
        return Reading.NEVER
    return reading(module, call, links, seen) if name in _SAME else Reading.UNKNOWN


def _argument(  # noqa: PLR0911 - as above
    module: Module, call: ast.Call, given: ast.AST, links: int, seen: set[ast.AST]
) -> Reading:
    """Return what a call does with `given`, which is one of its arguments as written."""
    called = dotted_name(module, call.func)
    home, _, last = (called or "").rpartition(".")
    if called in {"torch.autograd.backward", "torch.autograd.grad"}:
        return Reading.FEEDS
    if home == "builtins":
        if last == "len":
            return Reading.NEVER
        if last in _READERS:
            return Reading.NUMBER
        return reading(module, call, links, seen) if last in _GIVE_BACK else Reading.UNKNOWN
    if called is not None and (called.startswith(_CONSUMERS) or called in _CONSUMING):
        return Reading.NUMBER
    if home in {"torch", "copy"}:
        return reading(module, call, links, seen)
    match call.func:
        case ast.Attribute(attr=name) if name in _BACKWARD:
            return Reading.FEEDS
        case ast.Attribute(attr=name) if name in _LOGGING:
            return Reading.NUMBER
        case ast.Attribute(attr="append" | "add" | "extend", value=ast.Name() as other):
            return _named(module, other, links, seen)  # kept once more, elsewhere
        case _:
            return _inside(module, call, given, links, seen)


def _inside(module: Module, call: ast.Call, given: ast.AST, links: int, seen: set[ast.AST]) -> Reading:
    """Return what a function of the project does with what it is given, and what becomes of its result."""
    known = referents(module, call.func)
    function = next(iter(known)) if known is not None and len(known) == 1 else None
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda) or function.node.decorator_list:
        return Reading.UNKNOWN
    parameters = [*function.node.args.posonlyargs, *function.node.args.args]
    if isinstance(given, ast.keyword):
        found = next((item for item in parameters if item.arg == given.arg), None)
    else:
        position = next((number for number, item in enumerate(call.args) if item is given), len(parameters))
        position += function.receiver is not None
        starred = any(isinstance(item, ast.Starred) for item in call.args)
        found = parameters[position] if position < len(parameters) and not starred else None
    if found is None:
        return Reading.UNKNOWN
    home = function.module.scopes.scope_of[found].bindings.get(found.arg)
    mentions = [
        node
        for node in function.module.mentions.get(found.arg, ())
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and function.module.scopes.bindings(node.id, function.module.scopes.scope_of[node]) is home
    ]
    return worst(reading(function.module, node, links, seen) for node in mentions)


def _named(module: Module, target: ast.expr, links: int, seen: set[ast.AST]) -> Reading:
    """Return what is done under the names that something gets."""
    match target:
        case ast.Name(id=name):
            home = module.scopes.bindings(name, module.scopes.scope_of[target])
            mentions = [
                node
                for node in module.mentions.get(name, ())
                if isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Load)
                and module.scopes.bindings(name, module.scopes.scope_of[node]) is home
            ]
            return worst(reading(module, node, links, seen) for node in mentions)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return worst(_named(module, element, links, seen) for element in elements)
        case ast.Starred(value=value):
            return _named(module, value, links, seen)
        case _:
            return Reading.UNKNOWN


def _returned(
    module: Module, statement: ast.Return, links: int, seen: set[ast.AST], position: int | None = None
) -> Reading:
    """Return what callers do with what is returned, at `position` of a tuple where it is a piece of one."""
    function = enclosing_function(module, statement)
    if function is None:
        return Reading.UNKNOWN
    sites = call_sites(Function(module, function))
    if not sites:
        return Reading.UNKNOWN
    return worst(_received(site.module, site.call, links, seen, position) for site in sites)


def _received(module: Module, call: ast.Call, links: int, seen: set[ast.AST], position: int | None) -> Reading:
    parent = module.scopes.parent_of.get(call)
    match parent:
        case ast.Assign(targets=[ast.Tuple(elts=elements)]) if position is not None:
            if position >= len(elements) or any(isinstance(element, ast.Starred) for element in elements):
                return Reading.UNKNOWN
            return _named(module, elements[position], links, seen)
        case _:
            return reading(module, call, links, seen)
