"""Who calls a function, and which loops repeat a piece of code, across functions and files."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.referents import Class, Function, Partial, Referent
from wattleak.source.resolving import referents
from wattleak.source.standing import Loop, enclosing_function, loops_around, owner_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.project import Project

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
            mentions = mentions_read(module, word)
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


def mentions_read(module: Module, word: str) -> list[ast.Name | ast.Attribute]:
    """Where a word is read, as a name or an attribute."""
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
