"""Whether an expression has the same value in every round of a loop. What is not known counts as different."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.source import arguments, standing
from wattleak.source.referents import Function
from wattleak.source.resolving import qualified_names, referents
from wattleak.source.scopes import Kind
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.calls import Site
    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding
    from wattleak.source.standing import Loop

_NEW_EACH_TIME = (
    *("random.", "numpy.random.", "torch.rand", "torch.randint", "tensorflow.random.", "secrets.", "uuid.", "time."),
    *("datetime.", "builtins.next", "builtins.input"),
)
_TAKES = re.compile(
    r"^(pop\w*|next|choice|choices|sample|randint|random|rand|randn|uniform|shuffle|get_next|get_nowait|recv|read\w*|"
    r"suggest_\w+|Int|Float|Boolean|Choice|Fixed|time|perf_counter)$"
)
"""Methods that may give something else each time: of queues, generators, searches for parameters."""
_CHANGES = frozenset(
    {
        "append",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "clear",
        "update",
        "add",
        "discard",
        "setdefault",
        "sort",
    }
)
_BEFORE_ANY_LOOP = frozenset({"__init__", "__post_init__", "setup", "__new__"})
_DEPTH = 12


def within(module: Module, node: ast.AST, region: ast.AST) -> bool:
    """Tell whether `node` is `region` or stands inside it."""
    parents = module.scopes.parent_of
    here: ast.AST | None = node
    while here is not None:
        if here is region:
            return True
        here = parents.get(here)
    return False


@dataclass(frozen=True, slots=True)
class Rounds:
    """What repeats a piece of code: a loop around it or around the calls that lead to it, or callers of a handler.

    `loop` None: every call of the function around the code is a round.
    """

    module: Module
    loop: Loop | None
    through: tuple[Site, ...] = field(default=())

    def outward(self) -> Rounds:
        """Return the same rounds, seen from where the innermost function is called."""
        return Rounds(self.module, self.loop, self.through[:-1])

    @property
    def is_here(self) -> bool:
        """Whether the loop stands in the function of the code itself."""
        return self.loop is not None and not self.through


def is_constant(module: Module, expression: ast.expr, rounds: Rounds) -> bool:
    """Tell whether it is known that `expression` has the same value in every round."""
    return _Question(module, rounds, expression, _DEPTH, set()).answer()


@dataclass(slots=True)
class _Question:
    module: Module
    rounds: Rounds
    root: ast.expr
    depth: int
    seen: set[ast.AST]

    def answer(self) -> bool:
        if self.depth <= 0:
            return False
        return all(self._piece(node) for node in walk(self.root))

    def _piece(self, node: ast.AST) -> bool:
        match node:
            case ast.Await() | ast.Yield() | ast.YieldFrom():
                return False
            case ast.Name(ctx=ast.Load()):
                return self._name(node)
            case ast.Attribute(ctx=ast.Load()):
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case _:
                return True

    def _inside_loop(self, module: Module, node: ast.AST) -> bool:
        loop = self.rounds.loop
        return loop is not None and module is self.rounds.module and within(module, node, loop)

    def _name(self, node: ast.Name) -> bool:
        found = self.module.scopes.bindings(node.id, self.module.scopes.scope_of[node])
        return all(self._binding(binding) for binding in found) and not self._is_changed(node, found)

    def _binding(self, binding: Binding) -> bool:  # noqa: PLR0911 - one return for each way to get a value
        node = binding.node
        if node in self.seen or binding.kind in {Kind.IMPORT, Kind.CLASS}:
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return True  # what it depends on is looked at where it is called
        if within(self.module, node, self.root):
            return True  # a name of the expression's own: what it runs over is looked at with the rest
        if isinstance(node, ast.arg):
            return self._argument(node)
        here = standing.enclosing_function(self.module, self.root)
        home = standing.enclosing_function(self.module, node)
        repeated = self._inside_loop(self.module, node)
        if not self.rounds.is_here and home is here and here is not None:
            repeated = True  # a local name of a function that is called in each round
        if home is not here and home is not None and self._names_outside(binding):
            return False  # `global`: another function gives it a value, and nobody knows when
        if not repeated:
            return True
        if binding.kind is not Kind.VALUE or binding.value is None:
            return False
        self.seen.add(node)
        return _Question(self.module, self.rounds, binding.value, self.depth - 1, self.seen).answer()

    def _names_outside(self, binding: Binding) -> bool:
        name = getattr(binding.node, "id", None)
        scope = self.module.scopes.scope_of.get(binding.node)
        return scope is not None and name in scope.elsewhere

    def _argument(self, node: ast.arg) -> bool:
        function = self.module.scopes.scope_of[node].node
        if function is not standing.enclosing_function(self.module, self.root) or self.rounds.is_here:
            return True
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        method = standing.owner_class(self.module, function) is not None
        names = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
        if method and names[:1] == [node.arg]:
            return True
        if not self.rounds.through:
            return False
        site = self.rounds.through[-1]
        bound = 1 if method and "builtins.staticmethod" not in standing.decorators(self.module, function) else 0
        position = names.index(node.arg) - bound if node.arg in names else None
        given = arguments.argument(site.module, site.call, node.arg, position)
        if given is None:
            return False
        return all(
            _Question(value.module, self.rounds.outward(), value.node, self.depth - 1, self.seen).answer()
            for value in given.values
        )

    def _is_changed(self, node: ast.Name, found: list[Binding]) -> bool:
        """Tell whether something is put into what `node` names, in the loop: `sizes.append(n)`, `sizes[0] = n`."""
        loop = self.rounds.loop
        if loop is None or self.module is not self.rounds.module:
            return False
        for mention in self.module.mentions.get(node.id, ()):
            if not isinstance(mention, ast.Name) or not within(self.module, mention, loop):
                continue
            if self.module.scopes.bindings(mention.id, self.module.scopes.scope_of[mention]) is not found:
                continue
            parent = self.module.scopes.parent_of.get(mention)
            above = self.module.scopes.parent_of.get(parent) if parent is not None else None
            match parent, above:
                case ast.Attribute(attr=name), ast.Call(func=function) if function is parent and name in _CHANGES:
                    return True
                case ast.Subscript(ctx=ast.Store() | ast.Del()), _:
                    return True
                case _:
                    pass
        return False

    def _attribute(self, node: ast.Attribute) -> bool:
        return attribute_is_constant(self.module, node.attr, self.rounds)

    def _call(self, node: ast.Call) -> bool:
        last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if _TAKES.match(last):
            return False
        names = qualified_names(self.module, node.func) or ()
        if any(name.startswith(_NEW_EACH_TIME) for name in names):
            return False
        return all(
            function_is_constant(referent, self.rounds)
            for referent in referents(self.module, node.func) or ()
            if isinstance(referent, Function)
        )


def attribute_is_constant(module: Module, name: str, rounds: Rounds) -> bool:
    """Tell whether nothing in the file gives the attribute `name` another value between rounds."""
    if name not in module.scopes.stored_attributes:
        return True
    for node in module.mentions.get(name, ()):
        if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
            continue
        if rounds.loop is not None and module is rounds.module and within(module, node, rounds.loop):
            return False
        function = standing.enclosing_function(module, node)
        if function is None or getattr(function, "name", "") in _BEFORE_ANY_LOOP:
            continue
        if rounds.is_here and function is standing.enclosing_function(module, rounds.loop):  # type: ignore[arg-type]
            continue
        return False
    return True


def function_is_constant(function: Function, rounds: Rounds) -> bool:
    """Tell whether a function of the project gives the same for the same arguments, as far as its own text tells."""
    module = function.module
    for node in own_nodes(function.node):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Load()):
                if not attribute_is_constant(module, name, rounds):
                    return False
            case ast.Global():
                return False
            case ast.Call(func=called):
                if (qualified_names_of_random(module, called)) is True:
                    return False
            case ast.Name(ctx=ast.Load()) if not _global_is_constant(module, node, rounds):
                return False
            case _:
                pass
    return True


def qualified_names_of_random(module: Module, called: ast.expr) -> bool:
    """Tell whether a call draws a number by chance."""
    text = ast.unparse(called) if isinstance(called, ast.Attribute | ast.Name) else ""
    if "rand" not in text and "choice" not in text and "uuid" not in text:
        return False
    names = qualified_names(module, called) or ()
    return any(name.startswith(("random.", "numpy.random.", "secrets.", "uuid.")) for name in names)


def _global_is_constant(module: Module, node: ast.Name, rounds: Rounds) -> bool:
    found = module.scopes.bindings(node.id, module.scopes.scope_of[node])
    if not found or found is not module.scopes.module.bindings.get(node.id):
        return True
    values = [binding for binding in found if binding.kind is not Kind.IMPORT and binding.kind is not Kind.CLASS]
    inside = [
        binding
        for binding in values
        if rounds.loop is not None and module is rounds.module and within(module, binding.node, rounds.loop)
    ]
    return not inside and not any(
        node.id in module.scopes.scope_of[binding.node].elsewhere
        for binding in values
        if binding.node in module.scopes.scope_of
    )


def words_of(expressions: Iterable[ast.AST]) -> frozenset[str]:
    """Return the words that the names in `expressions` are made of: `n_foldIdx` gives n, fold, idx."""
    found: set[str] = set()
    for expression in expressions:
        for node in walk(expression):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            found.update(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
    return frozenset(found)
