"""Which names hold tensors with a graph, inside one function that runs a model."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.walking import assignments, children, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LEAVE_THE_GRAPH = frozenset(
    {
        *("item", "tolist", "detach", "numpy", "argmax", "argmin", "size", "dim", "numel", "eq", "ne", "gt", "lt"),
        *("ge", "le", "long", "int", "bool", "nonzero", "isnan", "isfinite", "any", "all", "format", "keys", "argsort"),
    }
)
"""Methods and functions whose result has no graph: numbers, positions, comparisons."""

_HOST_FUNCTIONS = frozenset(
    {"float", "int", "bool", "len", "str", "print", "round", "isinstance", "range", "enumerate", "type", "repr"}
)

_NO_GRAPH = frozenset({"shape", "dtype", "device", "data", "grad_fn", "requires_grad", "ndim", "indices"})

_TWO_RESULTS = frozenset({"max", "min", "topk", "sort", "mode", "median", "kthvalue", "cummax", "cummin"})
"""With a dimension they give values and positions; only the values have a graph."""


class Attached:
    """The names of one function that can hold a graph, given what runs the model."""

    def __init__(self, function: ast.AST, is_run: Callable[[ast.Call], bool]) -> None:
        self._is_run = is_run
        self.names: set[str] = set()
        self.outside: set[str] = set()  # attributes and elements of what the function did not make, as they are written
        written = list(assignments(walk(function), loops=True))
        while True:
            before = len(self.names) + len(self.outside)
            for target, value in written:
                self._assign(target, value)
            for call in walk(function):
                match call:
                    case ast.Call(
                        func=ast.Attribute(attr="append" | "add" | "extend" | "insert" | "update", value=owner)
                    ) if any(self.holds(argument) for argument in (*call.args, *(k.value for k in call.keywords))):
                        self._into(owner)
                    case _:
                        pass
            if len(self.names) + len(self.outside) == before:
                return

    def holds(self, node: ast.expr) -> bool:
        """Tell whether the value of an expression can have a graph."""
        match node:
            case ast.Name(id=name):
                return name in self.names
            case ast.Compare() | ast.JoinedStr() | ast.Constant() | ast.Lambda():
                return False
            case ast.Subscript(value=ast.Call(func=ast.Attribute(attr=name)), slice=ast.Constant(value=1)) if (
                name in _TWO_RESULTS
            ):
                return False
            case ast.Attribute(attr=name, value=value):
                return name not in _NO_GRAPH and self.holds(value)
            case ast.Call():
                return self._of_call(node)
            case _:
                return any(self.holds(child) for child in _expressions(node))

    def _of_call(self, call: ast.Call) -> bool:
        if self._is_run(call):
            return True
        match call.func:
            case ast.Name(id=name) if name in _HOST_FUNCTIONS:
                return False
            case ast.Attribute(attr=name) if name in _LEAVE_THE_GRAPH:
                return False
            case ast.Attribute(value=owner) if self.holds(owner):
                return True
            case _:
                return any(self.holds(argument) for argument in (*call.args, *(k.value for k in call.keywords)))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ast.Tuple(elts=[first, _]), ast.Call(func=ast.Attribute(attr=name)) if name in _TWO_RESULTS:
                self._assign(first, value)
            case ((ast.Tuple() | ast.List()), (ast.Tuple() | ast.List())) if len(target.elts) == len(value.elts):
                for piece, given in zip(target.elts, value.elts, strict=True):
                    self._assign(piece, given)
            case _ if self.holds(value):
                self._into(target)
            case _:
                pass

    def _into(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.names.add(name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._into(element)
            case ast.Starred(value=value):
                self._into(value)
            case ast.Subscript(value=value):
                self._into(value)
            case ast.Attribute():
                self.outside.add(ast.unparse(target))
            case _:
                pass


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    for child in children(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.comprehension):
            yield child.iter
