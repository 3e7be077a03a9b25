"""What a store puts its value into: where that was made, whether it is bounded, and everything else done with it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.unreleased_tensor_references.stores import Store, Way, store_of
from wattleak.source.arguments import parameter_values
from wattleak.source.calls import Located, call_sites
from wattleak.source.names import dotted_name
from wattleak.source.referents import Class, Function
from wattleak.source.resolving import stores as attribute_stores
from wattleak.source.standing import enclosing_class, enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding

_MAKERS = frozenset(
    {
        *("builtins.list", "builtins.dict", "builtins.set", "collections.defaultdict", "collections.OrderedDict"),
        *("collections.deque", "collections.Counter"),
    }
)
_TAKES_OUT = frozenset({"pop", "popleft", "popitem", "clear", "remove"})
_BEGINS = frozenset({"__init__", "setup", "build", "__post_init__", "__setstate__"})
_HOPS = 2  # callers between a loop and the container that it is given


@dataclass(frozen=True, slots=True)
class Holder:
    """A container or total that lives longer than the loop.

    `is_seen_whole` tells that no other file of the project speaks of it, `is_local` that no other file can.
    """

    name: str  # as a message calls it
    mentions: tuple[Located, ...]  # what is done with it besides the stores
    makings: tuple[Located, ...]  # the expressions that it begins as
    is_seen_whole: bool
    is_local: bool


def holder_of(module: Module, store: Store, loop: ast.AST | None) -> Holder | None:
    """Return what `store` puts into, when it outlives `loop`; None: it does not, it is bounded, or nobody knows.

    `loop` None: the store stands in a function that runs once a step; then it has to outlive the function.
    """
    match store.holder:
        case ast.Name() as name:
            return _named(module, store, name, loop)
        case ast.Attribute(value=ast.Name(id="self")) as attribute:
            return _attribute(module, store, attribute, loop)
        case _:
            return None


# -- names ---------------------------------------------------------------------------------------------------------


def _named(module: Module, store: Store, name: ast.Name, loop: ast.AST | None) -> Holder | None:
    found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    is_global = found is module.scopes.module.bindings.get(name.id)
    if not found or (loop is None and not is_global):
        return None
    gathered = _gather(module, store, name.id, found, loop, _HOPS)
    if gathered is None or not gathered[1]:
        return None
    mentions, makings = gathered
    return Holder(
        module.segment(store.written),
        tuple(mentions),
        tuple(makings),
        is_seen_whole=not is_global or not _is_mentioned_elsewhere(module, name.id),
        is_local=not is_global and not any(isinstance(binding.node, ast.arg) for binding in found),
    )


def _gather(
    module: Module, store: Store, name: str, found: list[Binding], loop: ast.AST | None, hops: int
) -> tuple[list[Located], list[Located]] | None:
    """Return the other mentions of a name, and where it is made."""
    makings: list[Located] = []
    mentions: list[Located] = []
    for binding in found:
        statement = module.scopes.parent_of.get(binding.node)
        if isinstance(statement, ast.AugAssign) or (isinstance(statement, ast.stmt) and _adds(statement, name)):
            continue
        if loop is not None and _is_inside(module, binding.node, loop):
            return None  # it is made anew in each step
        if isinstance(binding.node, ast.arg):
            given = _given(module, store, binding.node, hops)
            if given is None:
                return None
            mentions += given[0]
            makings += given[1]
        elif binding.value is None or not _is_fresh(module, binding.value, store.way):
            return None
        else:
            makings.append(Located(module, binding.value))
    for node in module.mentions.get(name, ()):
        if not isinstance(node, ast.Name) or module.scopes.bindings(name, module.scopes.scope_of[node]) is not found:
            continue
        if _bounds(module, node) and (loop is None or _is_inside(module, node, loop)):
            return None
        if isinstance(node.ctx, ast.Load) and not _is_store(module, node):
            mentions.append(Located(module, node))
    return mentions, makings


def _given(module: Module, store: Store, parameter: ast.arg, hops: int) -> tuple[list[Located], list[Located]] | None:
    """Return what callers do with the container that they give, and where they make it."""
    function = module.scopes.scope_of[parameter].node
    if hops <= 0 or not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    given = parameter_values(Function(module, function), parameter.arg)
    if not given:
        return None
    mentions: list[Located] = []
    makings: list[Located] = []
    for where, value in given:
        if isinstance(value, ast.Name):
            found = where.scopes.bindings(value.id, where.scopes.scope_of[value])
            inner = _gather(where, store, value.id, found, None, hops - 1) if found else None
            if inner is None:
                return None
            # That it is given to this very function is no use of it: what is done there is looked at.
            arguments = {site.call for site in call_sites(Function(module, function)) or ()}
            mentions += [one for one in inner[0] if one.module.scopes.parent_of.get(one.node) not in arguments]
            makings += inner[1]
        elif _is_fresh(where, value, store.way):
            makings.append(Located(where, value))
        else:
            return None
    return mentions, makings


# -- attributes ----------------------------------------------------------------------------------------------------


def _attribute(module: Module, store: Store, attribute: ast.Attribute, loop: ast.AST | None) -> Holder | None:
    owner = enclosing_class(module, attribute)
    if owner is None:
        return None
    name = attribute.attr
    given = [value for value in attribute_stores(Class(module, owner)).get(name, []) if value is not None]
    given += [
        statement.value
        for statement in owner.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
    ]
    makings = [value for value in given if not _adds(module.scopes.parent_of[value], name)]
    if not makings or not all(_is_fresh(module, value, store.way) for value in makings):
        return None
    mentions: list[Located] = []
    for node in module.mentions.get(name, ()):
        if not isinstance(node, ast.Attribute) or _is_of_another(module, node, owner):
            continue
        if not isinstance(node.value, ast.Name) and not isinstance(node.ctx, ast.Load):
            return None
        if _ends(module, node, loop):
            return None
        if isinstance(node.ctx, ast.Load) and not _is_store(module, node):
            mentions.append(Located(module, node))
    return Holder(
        module.segment(store.written),
        tuple(mentions),
        tuple(Located(module, value) for value in makings),
        is_seen_whole=not _is_mentioned_elsewhere(module, name),
        is_local=False,
    )


def _ends(module: Module, node: ast.Attribute, loop: ast.AST | None) -> bool:
    """Tell whether a mention of the attribute may empty it before the loop ends."""
    empties = _bounds(module, node)
    if not isinstance(node.ctx, ast.Load):
        statement = module.scopes.parent_of.get(node)
        empties = not isinstance(statement, ast.AugAssign) and not (
            isinstance(statement, ast.stmt) and _adds(statement, node.attr)
        )
    if not empties:
        return False
    function = enclosing_function(module, node)
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name in _BEGINS:
        return False
    # In another method: whether that runs in each step is known only where the loop calls none of its own.
    return loop is None or _is_inside(module, node, loop) or _calls_own(function, loop)


def _calls_own(function: ast.AST | None, loop: ast.AST) -> bool:
    name = getattr(function, "name", None)
    return any(isinstance(node, ast.Attribute) and node.attr == name for node in walk(loop))


def _is_of_another(module: Module, node: ast.Attribute, owner: ast.ClassDef) -> bool:
    """Tell whether `self.name` stands in another class, which does not inherit from `owner`."""
    if not isinstance(node.value, ast.Name) or node.value.id not in {"self", "cls"}:
        return False
    other = enclosing_class(module, node)
    return other is not owner and not (
        other is not None and any(isinstance(base, ast.Name) and base.id == owner.name for base in other.bases)
    )


# -- both ----------------------------------------------------------------------------------------------------------


def _is_fresh(module: Module, value: ast.expr, way: Way) -> bool:
    """Tell whether an expression makes an unbounded container, or the beginning of a sum."""
    if way is Way.ADDED and not isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
        return not isinstance(value, ast.BinOp)
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp():
            return True
        case ast.BinOp(left=ast.List(), op=ast.Mult()) | ast.BinOp(right=ast.List(), op=ast.Mult()):
            return True
        case ast.Call(args=arguments, keywords=keywords):
            made = dotted_name(module, value.func)
            bounded = made == "collections.deque" and (len(arguments) > 1 or bool(keywords))
            return made in _MAKERS and not bounded
        case _:
            return False


def _adds(statement: ast.AST, name: str) -> bool:
    """Tell whether a statement is a store into `name`, and no making of it."""
    found = store_of(statement) if isinstance(statement, ast.stmt) else None
    held = found.holder if found is not None else None
    return (held.id if isinstance(held, ast.Name) else held.attr if held is not None else None) == name


def _is_store(module: Module, node: ast.expr) -> bool:
    """Tell whether `node` is the container of a store."""
    above: ast.AST | None = node
    while isinstance(above, ast.expr):
        above = module.scopes.parent_of.get(above)
    if not isinstance(above, ast.stmt):
        return False
    found = store_of(above)
    if found is None:
        return False
    return found.holder is node or (found.way is Way.ADDED and ast.dump(found.holder) == _stored(node))


def _stored(node: ast.expr) -> str:
    return ast.dump(node).replace("Load()", "Store()")


def _bounds(module: Module, node: ast.expr) -> bool:
    """Tell whether a mention takes something out: `.pop()`, `del c[0]`, `c[:] = ...`, `c = c[-10:]`."""
    parent = module.scopes.parent_of.get(node)
    match parent:
        case ast.Attribute(attr=method) if method in _TAKES_OUT:
            return isinstance(module.scopes.parent_of.get(parent), ast.Call)
        case ast.Subscript(ctx=ast.Del()):
            return True
        case ast.Subscript(ctx=ast.Store(), slice=ast.Slice()):
            return True
        case ast.Delete():
            return True
        case _:
            return False


def _is_inside(module: Module, node: ast.AST, loop: ast.AST) -> bool:
    parents = module.scopes.parent_of
    body: Iterable[ast.AST] = getattr(loop, "body", ())
    while node in parents:
        if parents[node] is loop:
            return node in body or node is getattr(loop, "target", None)
        node = parents[node]
    return False


def _is_mentioned_elsewhere(module: Module, name: str) -> bool:
    """Tell whether another file of the project speaks of `name` in a way that may mean this one."""
    for other in module.home.mentioning(name):
        if other is module or other.path.absolute() == module.path.absolute():
            continue
        if any(
            isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self")
            for node in other.mentions.get(name, ())
        ):
            return True
        if any(alias.name in {name, "*"} for node in other.froms for alias in node.names):
            return True
    return False
