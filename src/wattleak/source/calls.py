"""Questions about calls: what an argument can be, who calls a function, and whether that happens in a loop."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.referents import Class, Expression, Function, Instance, Partial, Referent
from wattleak.source.resolving import qualified_name, referents
from wattleak.source.values import CpuMultiple, Number, Text, evaluate
from wattleak.source.walking import default_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.project import Project

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MOST_MENTIONS = 300  # of a name; who calls something of so common a name is not known
_HOPS = 3  # calls between a loop and what runs in it


class Located(NamedTuple):
    """An expression, and the module in which it stands."""

    module: Module
    node: ast.expr


class Site(NamedTuple):
    """A call, and the module in which it stands."""

    module: Module
    call: ast.Call


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
    for node in _read(module, mapping.id) if entry is not None else ():
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


# -- where code stands ---------------------------------------------------------------------------------------------


def enclosing_function(module: Module, node: ast.AST) -> FunctionNode | None:
    """Return the innermost function around `node`, whose decorators and defaults are not inside it."""
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(child, ast.stmt) and child in parent.body:
                return parent
        elif isinstance(parent, ast.Lambda) and child is parent.body:
            return parent
        child = parent
    return None


def owner_class(module: Module, function: ast.AST) -> ast.ClassDef | None:
    """Return the class that a function is a method of."""
    parent = module.scopes.parent_of.get(function)
    while isinstance(parent, ast.If | ast.Try | ast.With):
        parent = module.scopes.parent_of.get(parent)
    return parent if isinstance(parent, ast.ClassDef) else None


def enclosing_class(module: Module, node: ast.AST) -> ast.ClassDef | None:
    """Return the class in whose body or methods `node` stands."""
    parents = module.scopes.parent_of
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.ClassDef):
            return node
    return None


def decorators(module: Module, node: ast.AST) -> list[str | None]:
    """Return the dotted names of the decorators of a function or class; None for one that is not known."""
    return [
        qualified_name(module, item.func if isinstance(item, ast.Call) else item)
        for item in getattr(node, "decorator_list", [])
    ]


def contexts(module: Module, node: ast.AST) -> list[str | None]:
    """Return the dotted names of the `with` blocks around `node`, up to the end of its function; None: not known."""
    parents = module.scopes.parent_of
    found: list[str | None] = []
    child = node
    while child in parents and not isinstance(
        child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
    ):
        parent = parents[child]
        if isinstance(parent, ast.With | ast.AsyncWith) and child in parent.body:
            for item in parent.items:
                context = item.context_expr
                found.append(qualified_name(module, context.func if isinstance(context, ast.Call) else context))
        child = parent
    return found


# -- loops ---------------------------------------------------------------------------------------------------------


def loops_around(module: Module, node: ast.AST) -> list[Loop]:
    """Return the loops and comprehensions that repeat `node`, innermost first, up to the end of its function.

    What is looped over, and the `else` of a loop, run once. The first iterable of a comprehension does too.
    """
    parents = module.scopes.parent_of
    found: list[Loop] = []
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            break
        if (isinstance(parent, _LOOPS) and child in parent.body) or (
            isinstance(parent, ast.While) and child is parent.test
        ):
            found.append(parent)
        elif isinstance(parent, _COMPREHENSIONS):
            first = parent.generators[0]
            if child is not first:
                found.append(parent)
        elif isinstance(parent, ast.comprehension) and child is not parent.iter:
            owner = parents[parent]
            if isinstance(owner, _COMPREHENSIONS) and owner.generators[0] is parent:
                found.append(owner)
        child = parent
    return found


@dataclass(frozen=True, slots=True)
class Repetition:
    """A loop that repeats a node: in its own function, or around the calls in `through` that lead to it."""

    module: Module
    loop: Loop
    through: tuple[Site, ...] = ()


def repetitions(module: Module, node: ast.AST, hops: int = _HOPS) -> list[Repetition]:
    """Return every loop that repeats `node`, across functions and files; empty: none is known."""
    return list(_repetitions(module, node, hops, (), set()))


def _repetitions(
    module: Module, node: ast.AST, hops: int, through: tuple[Site, ...], seen: set[ast.AST]
) -> Iterator[Repetition]:
    for loop in loops_around(module, node):
        yield Repetition(module, loop, through)
    function = enclosing_function(module, node)
    if function is None or hops <= 0 or function in seen:
        return
    seen.add(function)
    for site in call_sites(Function(module, function)) or ():
        yield from _repetitions(site.module, site.call, hops - 1, (site, *through), seen)


# -- callers -------------------------------------------------------------------------------------------------------


def call_sites(function: Function | Class) -> list[Site] | None:
    """Return every call of a function, or construction of a class, in the scanned files.

    None: the function is also given away (as a callback, in a container, to a decorator), so that there are others.
    """
    sites, escapes = references(function)
    return None if escapes else sites


def references(function: Function | Class) -> tuple[list[Site], list[Located]]:
    """Return the calls of a function or class, and the places where it is mentioned without being called."""
    project = function.module.home
    if isinstance(function.node, ast.Lambda):
        return [], [Located(function.module, function.node)]
    if function.node in project.busy:
        project.cuts += 1
        return [], [Located(function.module, ast.Name(function.node.name, ast.Load()))]
    key = (function.module.path, function.node.lineno, function.node.col_offset)
    if key in project.callers:
        return project.callers[key]
    cuts = project.cuts
    project.busy.add(function.node)
    try:
        found = _references(project, function, function.node.name)
    finally:
        project.busy.discard(function.node)
    if project.cuts == cuts:
        project.callers[key] = found
    return found


def _references(project: Project, function: Function | Class, name: str) -> tuple[list[Site], list[Located]]:
    is_method = owner_class(function.module, function.node) is not None
    sites: list[Site] = []
    escapes: list[Located] = []
    names, waiting, seen = {name}, [name], 0
    while waiting:
        word = waiting.pop()
        for module in project.mentioning(word):
            mentions = _read(module, word)
            seen += len(mentions)
            if seen > _MOST_MENTIONS:
                return [], [Located(module, mentions[0])]
            for node in mentions:
                known = referents(module, node)
                if known is None:
                    if is_method and isinstance(node, ast.Attribute):
                        # `something.fit(...)`: it may be ours.
                        escapes.append(Located(module, node))
                    continue
                if not any(_is_same(referent, function) for referent in known):
                    continue
                parent = module.scopes.parent_of[node]
                if isinstance(parent, ast.Call) and parent.func is node:
                    sites.append(Site(module, parent))
                elif isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
                    alias = parent.targets[0].id
                    if alias not in names:
                        names.add(alias)
                        waiting.append(alias)
                elif not (isinstance(function, Class) and isinstance(parent, ast.ClassDef | ast.Attribute)):
                    escapes.append(Located(module, node))
            fresh = set(_renamings(module, word)) - names
            names |= fresh
            waiting += fresh
    return sites, escapes


def _read(module: Module, word: str) -> list[ast.Name | ast.Attribute]:
    return [node for node in module.mentions.get(word, ()) if isinstance(node.ctx, ast.Load)]


def _renamings(module: Module, word: str) -> Iterator[str]:
    for node in module.froms:
        yield from (alias.asname for alias in node.names if alias.name == word and alias.asname)


def _is_same(referent: Referent, wanted: Function | Class) -> bool:
    match referent:
        case Function(node=node) | Class(node=node):
            return node is wanted.node or _same_place(referent, wanted)
        case Partial(of=of):
            return _is_same(of, wanted)
        case _:
            return False


def _same_place(one: Function | Class, other: Function | Class) -> bool:
    """A module that was parsed twice has two trees."""
    same_file = one.module.path.absolute() == other.module.path.absolute()
    return same_file and (one.node.lineno, one.node.col_offset) == (other.node.lineno, other.node.col_offset)


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


__all__ = [
    "Argument",
    "CpuMultiple",
    "Located",
    "Repetition",
    "Site",
    "argument",
    "argument_values",
    "call_sites",
    "contexts",
    "decorators",
    "enclosing_class",
    "enclosing_function",
    "loops_around",
    "owner_class",
    "parameter_values",
    "references",
    "repetitions",
    "values",
]
