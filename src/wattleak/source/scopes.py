"""Which names a module binds, where, and to what: the table behind every "this name is that thing".

The tree is walked with an explicit stack, because code that nobody wrote by hand nests deeper than Python recurses.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.walking import children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Kind(Enum):
    """What is known about the right-hand side of a binding."""

    IMPORT = "import"  # `target` is the dotted name
    VALUE = "value"  # `value` is the expression
    EACH = "each"  # a loop variable; `value` is what is looped over
    CLASS = "class"  # `node` is the class
    UNKNOWN = "unknown"  # arguments, exceptions, files, pieces of a tuple that is not written out


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One place where a name gets a value."""

    kind: Kind
    node: ast.AST
    target: str | None = None
    value: ast.expr | None = None


@dataclass(eq=False, slots=True)
class Scope:
    """A module, a class body, a function or a comprehension."""

    node: ast.AST
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, bool] = field(default_factory=dict)  # name -> True for `global`, False for `nonlocal`

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)

    def visible(self) -> Iterator[Scope]:
        """Return this scope and those around it that a name can be found in (class bodies hide from inner scopes)."""
        yield self
        outer = self.parent
        while outer is not None:
            if not outer.is_class:
                yield outer
            outer = outer.parent

    @property
    def module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(frozen=True, slots=True, eq=False)
class Scopes:
    """The binding table of one module."""

    module: Scope
    scope_of: Mapping[ast.AST, Scope]  # every node -> the scope that it is evaluated in
    parent_of: Mapping[ast.AST, ast.AST]
    stored_attributes: frozenset[str]  # names x of every `anything.x = ...`, which may replace what we know of x
    last_star_line: int  # line of the last `from m import *`; 0: none

    def bindings(self, name: str, scope: Scope) -> list[Binding]:
        """Return all bindings that `name` may have in `scope`; empty when only a builtin can be meant."""
        if scope.elsewhere.get(name) is True:
            scope = scope.module
        for candidate in scope.visible():
            if name in candidate.bindings and name not in candidate.elsewhere:
                return candidate.bindings[name]
        return []


def build(tree: ast.Module) -> Scopes:
    """Return the binding table of `tree`."""
    return _Builder(tree).build()


class _Builder:
    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(tree, None)
        self.scope_of: dict[ast.AST, Scope] = {tree: self.module}
        self.parent_of: dict[ast.AST, ast.AST] = {}
        self.found: list[tuple[Scope, str, Binding]] = []
        self.stored: set[str] = set()
        self.last_star_line = 0

    def build(self) -> Scopes:
        stack: list[tuple[ast.AST, Scope]] = [(child, self.module) for child in self._children(self.module.node)]
        while stack:
            node, scope = stack.pop()
            self.scope_of[node] = scope
            inner = self._enter(node, scope)
            outside = _evaluated_outside(node)
            stack.extend((child, scope if child in outside else inner) for child in self._children(node))
        # Only now are all `global` and `nonlocal` statements known: they hold for the whole scope, wherever they stand.
        for scope, name, binding in self.found:
            _home(scope, name).bindings.setdefault(name, []).append(binding)
        return Scopes(self.module, self.scope_of, self.parent_of, frozenset(self.stored), self.last_star_line)

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        for child in children(node):
            self.parent_of[child] = node
            yield child

    def _bind(self, scope: Scope, name: str, binding: Binding) -> None:
        self.found.append((scope, name, binding))

    def _enter(self, node: ast.AST, scope: Scope) -> Scope:
        """Record what `node` binds and return the scope of its children."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._bind(scope, node.name, Binding(Kind.UNKNOWN, node))
                return Scope(node, scope)
            case ast.ClassDef():
                self._bind(scope, node.name, Binding(Kind.CLASS, node))
                return Scope(node, scope)
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return Scope(node, scope)
            case ast.Import() | ast.ImportFrom():
                self._imports(node, scope)
            case ast.Global() | ast.Nonlocal():
                scope.elsewhere.update(dict.fromkeys(node.names, isinstance(node, ast.Global)))
            case ast.Name(ctx=ast.Store() | ast.Del()):
                self._bind(self._storing_scope(node, scope), node.id, self._stored_value(node))
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                self.stored.add(node.attr)
            case ast.arg():
                self._bind(scope, node.arg, Binding(Kind.UNKNOWN, node))
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                self._bind(scope, name, Binding(Kind.UNKNOWN, node))
            case _:
                pass
        return scope

    def _storing_scope(self, name: ast.Name, scope: Scope) -> Scope:
        """Return where a stored name lands: a walrus inside a comprehension writes to the scope around it."""
        if isinstance(self.parent_of[name], ast.NamedExpr):
            while isinstance(scope.node, _COMPREHENSIONS) and scope.parent is not None:
                scope = scope.parent
        return scope

    def _imports(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                # `import a.b` binds a; `import a.b as c` binds c to a.b.
                first = alias.name.partition(".")[0]
                self._bind(
                    scope, alias.asname or first, Binding(Kind.IMPORT, node, alias.name if alias.asname else first)
                )
            elif alias.name == "*":
                self.last_star_line = max(self.last_star_line, node.lineno)
            else:
                origin = "." * node.level + (node.module or "")
                dotted = f"{origin}.{alias.name}" if node.module else origin + alias.name
                self._bind(scope, alias.asname or alias.name, Binding(Kind.IMPORT, node, dotted))

    def _stored_value(self, name: ast.Name) -> Binding:
        """Return what a name in storing position gets: its own expression where the statement spells it out."""
        parent = self.parent_of[name]
        match parent:
            case ast.Assign() if name in parent.targets:
                return Binding(Kind.VALUE, name, value=parent.value)
            case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
                return Binding(Kind.VALUE, name, value=value)
            case ast.For(target=target, iter=iterable) if target is name:
                return Binding(Kind.EACH, name, value=iterable)
            case ast.Tuple() | ast.List():
                statement = self.parent_of[parent]
                if isinstance(statement, ast.Assign) and parent in statement.targets:
                    piece = _matching_piece(parent, name, statement.value)
                    if piece is not None:
                        return Binding(Kind.VALUE, name, value=piece)
            case _:
                pass
        return Binding(Kind.UNKNOWN, name)


def _matching_piece(targets: ast.Tuple | ast.List, name: ast.Name, value: ast.expr) -> ast.expr | None:
    """`a, b = 1, 2`: return the 2 for b."""
    if not isinstance(value, ast.Tuple | ast.List) or len(value.elts) != len(targets.elts):
        return None
    if any(isinstance(element, ast.Starred) for element in (*targets.elts, *value.elts)):
        return None
    return value.elts[targets.elts.index(name)]


def _evaluated_outside(node: ast.AST) -> frozenset[ast.AST]:
    """Return those children of a function or class that belong to the scope around it: decorators, bases, defaults."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return frozenset((*node.decorator_list, *((node.returns,) if node.returns else ())))
        case ast.ClassDef():
            return frozenset((*node.decorator_list, *node.bases, *node.keywords))
        case _:
            return frozenset()


def _home(scope: Scope, name: str) -> Scope:
    """Return the scope that an assignment to `name` in `scope` really writes to."""
    where = scope.elsewhere.get(name)
    if where is None:
        return scope
    if where:
        return scope.module
    outer = scope.parent
    while outer is not None and outer.parent is not None:
        if isinstance(outer.node, _FUNCTIONS) and name not in outer.elsewhere:
            return outer
        outer = outer.parent
    return scope
