"""What a call gives for a parameter, and what a parameter is given by all calls of the project."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.source.calls import Located, call_sites, mentions_read
from wattleak.source.referents import Class, Expression, Function, Instance, Partial
from wattleak.source.resolving import qualified_name, referents
from wattleak.source.standing import decorators, owner_class
from wattleak.source.values import Number, Text, evaluate
from wattleak.source.walking import default_of

if TYPE_CHECKING:
    from wattleak.source.module import Module


@dataclass(frozen=True, slots=True)
class Argument:
    """What a call gives for a parameter: any of `values`; nothing, when that is possible, is `may_be_absent`."""

    values: tuple[Located, ...]
    may_be_absent: bool = False

    @property
    def is_absent(self) -> bool:
        """Whether it is certain that nothing is given, so that the default holds."""
        return not self.values and self.may_be_absent


_ABSENT = Argument((), may_be_absent=True)


def argument(module: Module, call: ast.Call, name: str, position: int | None = None) -> Argument | None:
    """Return what `call` gives for the parameter `name`, the one at `position` (from 0) where that can be positional.

    Keywords are followed through `**` of dicts that are written out, `dict(...)`, `|`, `.update(...)`, `d[k] = v` and
    `**kwargs` of the function around the call; and through `functools.partial`. None: it is not known.
    """
    if position is not None:
        before = call.args[: position + 1]
        if any(isinstance(item, ast.Starred) for item in before):
            return None
        if len(before) > position:
            return Argument((Located(module, before[position]),))
    found: Argument = _partial_argument(module, call, name, position)
    for keyword in call.keywords:
        if keyword.arg == name:
            return Argument((Located(module, keyword.value),))
        if keyword.arg is None:
            splat = _entry(module, keyword.value, name, 12)
            if splat is None:
                return None
            found = _over(found, splat)
    return found


def _partial_argument(module: Module, call: ast.Call, name: str, position: int | None) -> Argument:
    known = referents(module, call.func)
    partial = next(iter(known)) if known is not None and len(known) == 1 else None
    if not isinstance(partial, Partial):
        return _ABSENT
    given = ast.Call(func=partial.call.args[0], args=partial.call.args[1:], keywords=partial.call.keywords)
    return argument(partial.module, given, name, position) or _ABSENT


def _over(below: Argument, above: Argument) -> Argument:
    """Return what is left when `above` replaces `below` wherever it gives something."""
    if not above.may_be_absent:
        return above
    return Argument((*below.values, *above.values), may_be_absent=below.may_be_absent)


def _either(*found: Argument | None) -> Argument | None:
    values: list[Located] = []
    absent = False
    for each in found:
        if each is None:
            return None
        values += each.values
        absent |= each.may_be_absent
    return Argument(tuple(values), absent)


def _entry(  # noqa: C901, PLR0911, PLR0912 - one branch for each way to write a mapping
    module: Module, mapping: ast.expr, name: str, depth: int
) -> Argument | None:
    """Return what a mapping holds under `name`."""
    if depth <= 0:
        return None
    match mapping:
        case ast.Dict(keys=keys, values=values):
            found = _ABSENT
            for key, value in zip(keys, values, strict=True):
                if key is None:
                    inner = _entry(module, value, name, depth - 1)
                    if inner is None:
                        return None
                    found = _over(found, inner)
                    continue
                match evaluate(module, key):
                    case Text(value=text):
                        found = Argument((Located(module, value),)) if text == name else found
                    case _:
                        return None
            return found
        case ast.Call(args=arguments, keywords=keywords) if qualified_name(module, mapping.func) == "builtins.dict":
            found = _ABSENT
            for item in arguments:
                inner = _entry(module, item, name, depth - 1)
                if inner is None:
                    return None
                found = _over(found, inner)
            for keyword in keywords:
                if keyword.arg == name:
                    found = Argument((Located(module, keyword.value),))
                elif keyword.arg is None:
                    inner = _entry(module, keyword.value, name, depth - 1)
                    if inner is None:
                        return None
                    found = _over(found, inner)
            return found
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            first, second = _entry(module, left, name, depth - 1), _entry(module, right, name, depth - 1)
            return None if first is None or second is None else _over(first, second)
        case ast.IfExp(body=body, orelse=orelse):
            return _either(_entry(module, body, name, depth - 1), _entry(module, orelse, name, depth - 1))
        case ast.Name():
            return _named_entry(module, mapping, name, depth - 1)
        case ast.Call() | ast.Attribute() | ast.Subscript():
            return _resolved_entry(module, mapping, name, depth - 1)
        case _:
            return None


def _resolved_entry(module: Module, mapping: ast.expr, name: str, depth: int) -> Argument | None:
    known = referents(module, mapping)
    if known is None:
        return None
    found = []
    for referent in known:
        match referent:
            case Expression(module=home, node=ast.Dict() as node):
                found.append(_kept_entry(home, node, name, depth))
            case Instance(module=home, call=ast.Call() as call):
                found.append(_entry(home, call, name, depth) if call is not mapping else None)
            case _:
                return None
    return _either(*found)


def _kept_entry(home: Module, node: ast.Dict, name: str, depth: int) -> Argument | None:
    """Return the entry of a dict, through the name that holds it where there is one: it may have been changed."""
    parent = home.scopes.parent_of.get(node)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return _named_entry(home, parent.targets[0], name, depth)
    return _entry(home, node, name, depth)


def _named_entry(module: Module, mapping: ast.Name, name: str, depth: int) -> Argument | None:
    """Return the entry of a dict that has a name: what it was made of, and what was put in and taken out later."""
    scope = module.scopes.scope_of[mapping]
    found = module.scopes.bindings(mapping.id, scope)
    made: list[Argument | None] = []
    for binding in found:
        if isinstance(binding.node, ast.arg):
            made.append(_forwarded(module, binding.node, name))
        elif binding.value is not None and binding.kind.name == "VALUE":
            made.append(_entry(module, binding.value, name, depth))
        elif binding.kind.name == "IMPORT":
            made.append(_resolved_entry(module, mapping, name, depth))
        else:
            return None
    entry = _either(*made) if made else None
    for node in mentions_read(module, mapping.id) if entry is not None else ():
        if not isinstance(node, ast.Name):
            continue
        if module.scopes.bindings(node.id, module.scopes.scope_of[node]) is not found:
            continue
        changed = _changed(module, node, name, entry, depth) if entry is not None else None
        if changed is None:
            return None
        entry = changed
    return entry


def _changed(  # noqa: PLR0911 - one return for each kind of use
    module: Module, node: ast.Name, name: str, entry: Argument, depth: int
) -> Argument | None:
    """Return what a use of a dict makes of its entry. Whether it runs is not asked: both are possible then."""
    parents = module.scopes.parent_of
    parent = parents[node]
    above = parents.get(parent)
    match parent, above:
        case ast.Attribute(attr="update"), ast.Call(args=arguments, keywords=keywords):
            given = ast.Call(func=ast.Name("dict", ast.Load()), args=arguments, keywords=keywords)
            inner = _updated(module, given, name, depth)
            return None if inner is None else _either(entry, _over(entry, inner)) if inner.values else entry
        case ast.Attribute(attr="setdefault"), ast.Call(args=[key, value]):
            return _set(module, key, value, name, entry)
        case ast.Attribute(attr="pop" | "clear" | "popitem"), _:
            return Argument(entry.values, may_be_absent=True)
        case ast.Attribute(attr="get" | "items" | "keys" | "values" | "copy"), _:
            return entry
        case ast.Subscript(ctx=ast.Store(), slice=key), ast.Assign(value=value):
            return _set(module, key, value, name, entry)
        case ast.Subscript(ctx=ast.Del()), _:
            return Argument(entry.values, may_be_absent=True)
        case ast.Subscript(ctx=ast.Load()), _:
            return entry
        case ast.keyword(arg=None), _:
            return entry
        case ast.Dict(), _:
            return entry
        case ((ast.BinOp(op=ast.BitOr()) | ast.Compare() | ast.FormattedValue()), _):
            return entry
        case ast.Call(func=function), _ if node is not function:
            read_only = {"builtins.print", "builtins.len", "builtins.dict", "builtins.str", "builtins.sorted"}
            updates = isinstance(function, ast.Attribute) and function.attr in {"update", "info", "debug", "log"}
            return entry if updates or qualified_name(module, function) in read_only else None
        case _:
            return None  # it is given away, and whoever has it may change it


def _updated(module: Module, given: ast.Call, name: str, depth: int) -> Argument | None:
    found = _ABSENT
    for item in given.args:
        inner = _entry(module, item, name, depth - 1)
        if inner is None:
            return None
        found = _over(found, inner)
    for keyword in given.keywords:
        if keyword.arg == name:
            found = Argument((Located(module, keyword.value),))
        elif keyword.arg is None:
            return None
    return found


def _set(module: Module, key: ast.expr, value: ast.expr, name: str, entry: Argument) -> Argument | None:
    match evaluate(module, key):
        case Text(value=text):
            return Argument((*entry.values, Located(module, value)), entry.may_be_absent) if text == name else entry
        case _:
            return None


def _forwarded(module: Module, parameter: ast.arg, name: str) -> Argument | None:
    """`def build(**kwargs): return Loader(**kwargs)`: return what the callers give."""
    function = module.scopes.scope_of[parameter].node
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.args.kwarg is not parameter:
        return None
    own = {item.arg for item in (*function.args.args, *function.args.kwonlyargs)}
    sites = None if name in own else call_sites(Function(module, function))
    return _either(*(argument(site.module, site.call, name) for site in sites)) if sites else None


def values(module: Module, expression: ast.expr) -> frozenset[object] | None:
    """Return every value that `expression` may have (numbers, texts, True, False, None, CpuMultiple), or None."""
    known = referents(module, expression)
    if known is None:
        return None
    found: set[object] = set()
    for referent in known:
        match referent:
            case Expression(node=ast.Constant(value=bool() | None as value)):
                found.add(value)
            case Expression(module=home, node=node) | Instance(module=home, call=ast.Call() as node):
                worth = evaluate(home, node)
                if worth is None:
                    return None
                found.add(worth.value if isinstance(worth, Number | Text) else worth)
            case _:
                return None
    return frozenset(found)


def argument_values(
    module: Module, call: ast.Call, name: str, position: int | None = None, *, default: object = None
) -> frozenset[object] | None:
    """Return every value that a call may give for a parameter, `default` where it may give none. None: not known."""
    given = argument(module, call, name, position)
    if given is None:
        return None
    found: set[object] = {default} if given.may_be_absent else set()
    for located in given.values:
        inner = values(located.module, located.node)
        if inner is None:
            return None
        found |= inner
    return frozenset(found)


def parameter_values(function: Function, name: str) -> list[Located] | None:
    """Return every expression that callers in the project give for a parameter, its default included where they do not.

    None: somebody gives one that is not known, or nobody in the project calls the function.
    """
    node = function.node
    if isinstance(node, ast.Lambda):
        return None
    positional = [*node.args.posonlyargs, *node.args.args]
    names = [item.arg for item in positional]
    if name not in names and name not in {item.arg for item in node.args.kwonlyargs}:
        return None
    owner = owner_class(function.module, node)
    asked: Function | Class = function
    if owner is not None and node.name == "__init__":
        asked = Class(function.module, owner)
    sites = call_sites(asked)
    if not sites:
        return None
    bound = 1 if owner is not None and "builtins.staticmethod" not in decorators(function.module, node) else 0
    position = names.index(name) - bound if name in names else None
    found: list[Located] = []
    for site in sites:
        given = argument(site.module, site.call, name, position)
        if given is None:
            return None
        found += given.values
        if given.may_be_absent:
            default = default_of(node, name)
            if default is None:
                return None
            found.append(Located(function.module, default))
    return found
