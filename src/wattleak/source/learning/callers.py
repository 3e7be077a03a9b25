"""Who calls a function, from names, imports and classes alone."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.source.calls import Located, Site
from wattleak.source.learning.asking import resolved, whole
from wattleak.source.learning.classes import same_place
from wattleak.source.referents import Class, Function, Instance
from wattleak.source.resolving import bases
from wattleak.source.scopes import Kind
from wattleak.source.standing import enclosing_class, owner_class
from wattleak.source.walking import default_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.referents import Referent

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_MOST_MENTIONS = 300  # of a name; who calls something of so common a name is not known


@dataclass(slots=True)
class Callers:
    """The calls of a function, and the places where it is, or may be, used in another way."""

    sites: list[Site] = field(default_factory=list)
    others: list[Located] = field(default_factory=list)
    too_many: bool = False  # its name is so common that it was not looked for


def callers(module: Module, node: FunctionNode) -> Callers:
    """Return who uses a function or method in the scanned files; for `__init__`, who makes the class."""
    whole(module)
    kept: dict[object, Callers] = module.home.__dict__.setdefault("_learning_callers", {})
    key = (module.path, node.lineno, node.col_offset)
    if key not in kept:
        kept[key] = _search(module, node)
    return kept[key]


def given_values(module: Module, node: FunctionNode, name: str) -> list[Located] | None:
    """Return what callers give for a parameter, its default where they give none; None: not known, or no callers."""
    positional = [item.arg for item in (*node.args.posonlyargs, *node.args.args)]
    if name not in positional and name not in {item.arg for item in node.args.kwonlyargs}:
        return None
    used = callers(module, node)
    if used.too_many or used.others or not used.sites:
        return None
    static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in node.decorator_list)
    bound = 1 if owner_class(module, node) is not None and not static else 0
    position = positional.index(name) - bound if name in positional else None
    found: list[Located] = []
    for site in used.sites:
        given = _given(site.call, name, position)
        if given is None:
            return None
        if given is _ABSENT:
            default = default_of(node, name)
            if default is None:
                return None
            found.append(Located(module, default))
        else:
            found.append(Located(site.module, given))
    return found


_ABSENT = ast.Constant(value=None)


def _given(call: ast.Call, name: str, position: int | None) -> ast.expr | None:
    if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
        return None
    if position is not None and 0 <= position < len(call.args):
        return call.args[position]
    return next((item.value for item in call.keywords if item.arg == name), _ABSENT)


def _search(module: Module, node: FunctionNode) -> Callers:
    owner = owner_class(module, node)
    wanted: Function | Class = Function(module, node)
    name = node.name
    if owner is not None and node.name == "__init__":
        name = owner.name
        wanted, owner = Class(module, owner), None
    elif node.name.startswith("__") and node.name.endswith("__"):
        return Callers(too_many=True)  # operators call it
    found = Callers()
    seen = 0
    for other, mention in _mentions(module, name):
        seen += 1
        if seen > _MOST_MENTIONS:
            return Callers(too_many=True)
        is_it = _is_it(other, mention, wanted, owner)
        if is_it is False:
            continue
        parent = other.scopes.parent_of.get(mention)
        if isinstance(parent, ast.Call) and parent.func is mention and is_it:
            found.sites.append(Site(other, parent))
        elif not (isinstance(wanted, Class) and isinstance(parent, ast.ClassDef | ast.Attribute)):
            found.others.append(Located(other, mention))
    return found


def _mentions(module: Module, name: str) -> Iterator[tuple[Module, ast.Name | ast.Attribute]]:
    for other in module.home.mentioning(name):
        names = {name, *(alias.asname for node in other.froms for alias in node.names if alias.name == name)}
        for word in names - {None}:
            for mention in other.mentions.get(word or "", ()):
                if isinstance(mention.ctx, ast.Load):
                    yield other, mention


def _is_it(  # noqa: PLR0911 - one for each kind
    module: Module, mention: ast.Name | ast.Attribute, wanted: Function | Class, owner: ast.ClassDef | None
) -> bool | None:
    """Tell whether a mention is the function; None: it may be, as `something.run` of something that is not known."""
    if isinstance(mention, ast.Name):
        found = module.scopes.bindings(mention.id, module.scopes.scope_of[mention])
        if any(binding.node is wanted.node for binding in found):
            return True
        if any(binding.kind is Kind.IMPORT for binding in found) or (not found and module.scopes.last_star_line):
            return _is_among(resolved(module, mention), wanted)
        return False
    base = mention.value
    if owner is None:
        if not isinstance(base, ast.Name | ast.Attribute):
            return False
        return _is_among(resolved(module, mention), wanted) if _is_module(module, base) else False
    if isinstance(base, ast.Name) and base.id in {"self", "cls"}:
        inside = enclosing_class(module, mention)
        return inside is not None and _inherits(Class(module, inside), owner, wanted)
    if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super":
        return None
    made = resolved(module, base)
    if made is None:
        return None
    return any(
        (isinstance(one, Instance) and isinstance(one.of, Class) and _inherits(one.of, owner, wanted))
        or (isinstance(one, Class) and _inherits(one, owner, wanted))
        for one in made
    )


def _is_module(module: Module, base: ast.expr) -> bool:
    """Tell whether what stands before the dot is an import."""
    while isinstance(base, ast.Attribute):
        base = base.value
    if not isinstance(base, ast.Name):
        return False
    found = module.scopes.bindings(base.id, module.scopes.scope_of[base])
    return any(binding.kind is Kind.IMPORT for binding in found)


def _is_among(found: frozenset[Referent] | None, wanted: Function | Class) -> bool | None:
    if found is None:
        return None
    return any(isinstance(one, Function | Class) and same_place(one, wanted) for one in found)


def _inherits(inside: Class, owner: ast.ClassDef, wanted: Function | Class, depth: int = 6) -> bool:
    """Tell whether a class is, or inherits from, the class `owner` of the wanted method."""
    if same_place(inside, Class(wanted.module, owner)):
        return True
    if depth <= 0 or any(
        isinstance(item, ast.FunctionDef) and item.name == getattr(wanted.node, "name", None)
        for item in inside.node.body
    ):
        return False
    return any(isinstance(base, Class) and _inherits(base, owner, wanted, depth - 1) for base in bases(inside) or ())
