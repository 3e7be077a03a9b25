"""Which of the assignments of a name a use of it can see, inside one function, in the order of its statements."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.scopes import Kind

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MOST = 60  # bindings of one name: of more, all are taken


class Origin(NamedTuple):
    """Where a bound name gets its value: the piece at `path` of `value`, or of each element of it."""

    value: ast.expr
    path: tuple[int, ...] = ()
    each: bool = False
    entered: bool = False  # by `with value as name`


def origin(module: Module, binding: Binding) -> Origin | None:
    """Return where a binding gets its value; None: from a caller, an import, a definition, or it is not written out."""
    parents = module.scopes.parent_of
    node: ast.AST = binding.node
    path: list[int] = []
    while isinstance(parents.get(node), ast.Tuple | ast.List):
        above = parents[node]
        if not isinstance(above, ast.Tuple | ast.List) or any(isinstance(item, ast.Starred) for item in above.elts):
            return None
        path.insert(0, above.elts.index(node))  # type: ignore[arg-type]  # a child of it
        node = above
    match parents.get(node):
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
            return _written(value, tuple(path)) if value is not node else None
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value) if target is node:
            return Origin(value, tuple(path), each=True)
        case ast.comprehension(target=target, iter=value) if target is node:
            return Origin(value, tuple(path), each=True)
        case ast.withitem(context_expr=value, optional_vars=target) if target is node:
            return Origin(value, tuple(path), entered=True)
        case _:
            return None


def _written(value: ast.expr, path: tuple[int, ...]) -> Origin:
    """Follow `a, b = 1, 2` into what is written out."""
    while path and isinstance(value, ast.Tuple | ast.List) and path[0] < len(value.elts):
        if any(isinstance(item, ast.Starred) for item in value.elts):
            break
        value, path = value.elts[path[0]], path[1:]
    return Origin(value, path)


def increment(module: Module, binding: Binding) -> ast.AugAssign | None:
    """Return the `name += value` that a binding is."""
    parent = module.scopes.parent_of.get(binding.node)
    return parent if isinstance(parent, ast.AugAssign) and parent.target is binding.node else None


def reaching(module: Module, name: ast.Name) -> list[Binding]:
    """Return the bindings that `name` can have where it stands; all of them where it belongs to a scope outside."""
    scope = module.scopes.scope_of.get(name)
    if scope is None:
        return []
    found = module.scopes.bindings(name.id, scope)
    if not 1 < len(found) <= _MOST:
        return found
    home = scope
    while found is not home.bindings.get(name.id):
        if not isinstance(home.node, _COMPREHENSIONS) or home.parent is None:
            return found  # a name of the function or module around: it runs at any time
        home = home.parent
    return _Walk(module, found, home.node).back_from(name)


class _Walk:
    def __init__(self, module: Module, found: list[Binding], end: ast.AST) -> None:
        self.parents = module.scopes.parent_of
        self.found = found
        self.end = end
        self.above = [self._ancestors(binding.node) for binding in found]

    def _ancestors(self, node: ast.AST) -> frozenset[ast.AST]:
        above = {node}
        while node in self.parents and node is not self.end:
            node = self.parents[node]
            above.add(node)
        return frozenset(above)

    def inside(self, node: ast.AST) -> list[Binding]:
        return [binding for binding, above in zip(self.found, self.above, strict=True) if node in above]

    def back_from(self, name: ast.Name) -> list[Binding]:
        seen: list[Binding] = []
        child: ast.AST = name
        while child is not self.end and child in self.parents:
            parent = self.parents[child]
            if isinstance(child, ast.stmt):
                block = next((block for block in _blocks(parent) if child in block), None)
                if block is not None:
                    defined, certain = self.sequence(block[: block.index(child)])
                    seen += defined
                    if certain:
                        return _once(seen)
            certain = False
            match parent:
                case ast.For() | ast.AsyncFor() if child in parent.body:
                    targets = self.inside(parent.target)
                    seen += targets or self.inside(parent)
                    certain = bool(targets)
                case ast.While() if child is not parent.test or self.inside(parent):
                    seen += self.inside(parent)
                case ast.With() | ast.AsyncWith() if child in parent.body:
                    targets = [one for item in parent.items if item.optional_vars for one in self.inside(item)]
                    seen += targets
                    certain = bool(targets)
                case ast.Try():
                    seen += self.inside(parent) if child not in parent.body else []
                case ast.comprehension() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                    own = [binding for binding in self.inside(parent) if binding.kind is not Kind.VALUE]
                    seen += own
                case _:
                    pass
            if certain:
                return _once(seen)
            child = parent
        seen += [binding for binding in self.found if isinstance(binding.node, ast.arg)]
        return _once(seen) or self.found

    def sequence(self, block: list[ast.stmt]) -> tuple[list[Binding], bool]:
        """Return what a block may leave the name bound to, and whether it is certain to bind it (or never to end)."""
        seen: list[Binding] = []
        for statement in reversed(block):
            inside = self.inside(statement)
            if not inside:
                continue
            defined, certain = self.statement(statement, inside)
            seen += defined
            if certain:
                return seen, True
        return seen, False

    def statement(  # noqa: PLR0911 - one return for each kind
        self, statement: ast.stmt, inside: list[Binding]
    ) -> tuple[list[Binding], bool]:
        match statement:
            case ast.If(body=body, orelse=orelse):
                first, second = self.branch(body), self.branch(orelse)
                tests = [one for one in self.inside(statement.test) if one not in first[0] + second[0]]
                return [*first[0], *second[0], *tests], (first[1] and second[1]) or bool(tests)
            case ast.With(body=body) | ast.AsyncWith(body=body):
                defined, certain = self.sequence(body)
                if certain:
                    return defined, True
                targets = [one for item in statement.items for one in self.inside(item)]
                return [*defined, *targets], bool(targets)
            case ast.Try(body=body, handlers=handlers, finalbody=finalbody):
                last, ended = self.sequence(finalbody)
                if ended:
                    return last, True
                _, certain = self.sequence([*body, *statement.orelse])
                return inside, certain and all(self.branch(handler.body)[1] for handler in handlers)
            case ast.For() | ast.AsyncFor() | ast.While() | ast.Match():
                return inside, False
            case _:
                return inside, True

    def branch(self, block: list[ast.stmt]) -> tuple[list[Binding], bool]:
        if block and isinstance(block[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
            return [], True
        return self.sequence(block)


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in blocks if isinstance(block, list)]


def _once(found: list[Binding]) -> list[Binding]:
    return list(dict.fromkeys(found))
