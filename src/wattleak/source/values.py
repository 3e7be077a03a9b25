"""What an expression is worth when nothing is run: a number, a text, or a multiple of the machine's CPUs.

Unknown is None, and None never becomes anything else: an argument, an environment variable, a name with two
assignments or a call of somebody's function makes everything built from it unknown.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.source.names import dotted_name, sole_binding
from wattleak.source.scopes import Kind
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from wattleak.source.module import Module

_DEPTH = 60
_LARGEST = 10**12  # thread numbers, sizes; keeps 9**9**9 from being computed
_LONGEST = 500  # characters

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

_CPU_COUNTS = frozenset(
    {
        "os.cpu_count",
        "os.process_cpu_count",
        "multiprocessing.cpu_count",
        "torch.multiprocessing.cpu_count",
        "joblib.cpu_count",
        "psutil.cpu_count",
    }
)
"""Calls that give the logical CPUs. With any argument (`logical=False`, physical cores only) they are unknown."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is written in the code."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Text:
    """A string that is written in the code."""

    value: str


@dataclass(frozen=True, slots=True)
class CpuMultiple:
    """`factor` times the number of CPUs, of the machine or of this process; `is_text` when it is that as a string."""

    factor: float
    is_text: bool = False


Value = Number | Text | CpuMultiple


def evaluate(module: Module, expression: ast.expr) -> Value | None:
    """Return what `expression` is worth whenever it runs, or None when that is not known."""
    return _Evaluation(module).value(expression, _DEPTH)


def texts(module: Module, expression: ast.expr) -> frozenset[str]:
    """Return the strings that `expression` takes one after the other: one, or those of a loop over written ones."""
    value = evaluate(module, expression)
    if isinstance(value, Text):
        return frozenset({value.value})
    if not isinstance(expression, ast.Name):
        return frozenset()
    binding = sole_binding(module, expression)
    if binding is None or binding.kind is not Kind.EACH:
        return frozenset()
    looped = binding.value
    if isinstance(looped, ast.Name):
        named = sole_binding(module, looped)
        looped = named.value if named is not None and named.kind is Kind.VALUE else None
    if not isinstance(looped, ast.Tuple | ast.List | ast.Set):
        return frozenset()
    found = [evaluate(module, element) for element in looped.elts]
    return frozenset(element.value for element in found if isinstance(element, Text))


class _Evaluation:
    """One evaluation: remembers what was seen, so that chains of names cost no more than their length."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.known: dict[ast.AST, Value | None] = {}

    def value(self, node: ast.AST | None, depth: int) -> Value | None:
        if node is None or depth <= 0:
            return None
        if node not in self.known:
            self.known[node] = None  # a name that is defined by itself stays unknown
            self.known[node] = self._compute(node, depth - 1)
        return self.known[node]

    def _compute(self, node: ast.AST, depth: int) -> Value | None:  # noqa: PLR0911 - one return for each kind of node
        match node:
            case ast.Constant():
                return _written(node.value)
            case ast.Name():
                binding = sole_binding(self.module, node)
                return self.value(binding.value, depth) if binding and binding.kind is Kind.VALUE else None
            case ast.NamedExpr():
                return self.value(node.value, depth)
            case ast.Attribute():
                return self._class_constant(node, depth)
            case ast.UnaryOp(op=ast.USub()):
                return _arithmetic(ast.Mult(), Number(-1), self.value(node.operand, depth))
            case ast.BinOp():
                return _arithmetic(node.op, self.value(node.left, depth), self.value(node.right, depth))
            case ast.BoolOp(op=ast.Or(), values=[first, *_]):
                return self._first_true(first, depth)
            case ast.JoinedStr(values=pieces):
                return self._formatted(pieces, depth)
            case ast.Call():
                return self._call(node, depth)
            case _:
                return None

    def _first_true(self, first: ast.expr, depth: int) -> Value | None:
        """`os.cpu_count() or 1`: a known first operand that is true decides."""
        value = self.value(first, depth)
        match value:
            case Number(value=number) if number:
                return value
            case Text(value=text) if text:
                return value
            case CpuMultiple(factor=factor) if factor >= 1:
                return value
            case _:
                return None

    def _class_constant(self, node: ast.Attribute, depth: int) -> Value | None:
        """`Settings.THREADS`, for a plain class of this module whose THREADS is set once and never from outside."""
        if not isinstance(node.value, ast.Name) or node.attr in self.module.scopes.stored_attributes:
            return None
        binding = sole_binding(self.module, node.value)
        owner = binding.node if binding is not None and binding.kind is Kind.CLASS else None
        if not isinstance(owner, ast.ClassDef) or owner.bases or owner.keywords or owner.decorator_list:
            return None
        values = [
            statement.value
            for statement in owner.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
            if isinstance(target, ast.Name) and target.id == node.attr
        ]
        inside = [
            piece
            for piece in walk(owner)
            if isinstance(piece, ast.Name) and piece.id == node.attr and not isinstance(piece.ctx, ast.Load)
        ]
        return self.value(values[0], depth) if len(values) == 1 and len(inside) == 1 else None

    def _formatted(self, pieces: list[ast.expr], depth: int) -> Value | None:
        """f"{n}" is the text of n; anything else in the braces or around them only for written values."""
        parts: list[Value | None] = []
        for piece in pieces:
            if isinstance(piece, ast.FormattedValue):
                plain = piece.conversion in {-1, ord("s")} and piece.format_spec is None
                parts.append(_as_text(self.value(piece.value, depth)) if plain else None)
            else:
                parts.append(self.value(piece, depth))
        if len(parts) == 1:
            return parts[0]
        written = [part.value for part in parts if isinstance(part, Text)]
        text = "".join(written)
        return Text(text) if len(written) == len(parts) and len(text) <= _LONGEST else None

    def _call(self, node: ast.Call, depth: int) -> Value | None:  # noqa: PLR0911 - one return for each function known
        if is_process_cpus(self.module, node):
            return CpuMultiple(1)
        name = dotted_name(self.module, node.func)
        if name in _CPU_COUNTS:
            return None if node.args or node.keywords else CpuMultiple(1)
        if node.keywords or len(node.args) != 1:
            return None
        argument = self.value(node.args[0], depth)
        match name:
            case "builtins.int" | "builtins.round":
                return _as_integer(argument)
            case "builtins.str":
                return _as_text(argument)
            case "builtins.abs":
                return Number(abs(argument.value)) if isinstance(argument, Number) else None
            case _:
                return None


def is_process_cpus(module: Module, node: ast.Call) -> bool:
    """Tell whether `node` is the number of CPUs that a process may use, spelled with its affinity."""
    match node:
        case ast.Call(args=[ast.Call(func=inner)], keywords=[]) if dotted_name(module, node.func) == "builtins.len":
            if dotted_name(module, inner) == "os.sched_getaffinity":
                return True
            match inner:
                case ast.Attribute(value=ast.Call(func=maker, args=[]), attr="cpu_affinity"):
                    return dotted_name(module, maker) == "psutil.Process"
                case _:
                    return False
        case _:
            return False


def _written(constant: object) -> Value | None:
    match constant:
        case bool():
            return None
        case int() | float():
            return _number(constant)
        case str() if len(constant) <= _LONGEST:
            return Text(constant)
        case _:
            return None


def _number(value: float) -> Number | None:
    return Number(value) if abs(value) <= _LARGEST else None


def _as_integer(value: Value | None) -> Value | None:
    match value:
        case Number(value=number):
            return Number(int(number))
        case Text(value=text):
            return _parsed(text)
        case CpuMultiple():
            return replace(value, is_text=False)
        case None:
            return None


def _parsed(text: str) -> Number | None:
    try:
        return _number(int(text)) if len(text) <= 20 else None
    except ValueError:
        return None


def _as_text(value: Value | None) -> Value | None:
    match value:
        case Number(value=number):
            return Text(str(number))
        case CpuMultiple():
            return replace(value, is_text=True)
        case _:
            return value


def _arithmetic(op: ast.operator, left: Value | None, right: Value | None) -> Value | None:
    try:
        match left, right:
            case Number(value=a), Number(value=b):
                return _of_numbers(op, a, b)
            case Text(value=a), Text(value=b) if isinstance(op, ast.Add) and len(a) + len(b) <= _LONGEST:
                return Text(a + b)
            case CpuMultiple(factor=k, is_text=False), Number(value=b):
                return _scaled(op, k, b)
            case Number(value=a), CpuMultiple(factor=k, is_text=False) if isinstance(op, ast.Mult):
                return CpuMultiple(k * a)
            case _:
                return None
    except (ArithmeticError, ValueError):  # division by zero, overflow
        return None


def _scaled(op: ast.operator, factor: float, by: float) -> CpuMultiple | None:
    """`cpus * 4`, `cpus // 2`, `cpus << 1`; `cpus + 4` is no fixed multiple."""
    match op:
        case ast.Mult():
            return CpuMultiple(factor * by)
        case ast.Div() | ast.FloorDiv():
            return CpuMultiple(factor / by)
        case ast.LShift() if isinstance(by, int) and 0 <= by < 32:
            return CpuMultiple(factor * 2**by)
        case _:
            return None


def _of_numbers(op: ast.operator, left: float, right: float) -> Number | None:
    if type(op) in _OPERATORS:
        return _number(_OPERATORS[type(op)](left, right))
    if isinstance(op, ast.LShift) and isinstance(left, int) and isinstance(right, int) and 0 <= right < 40:
        return _number(left << right)
    if isinstance(op, ast.Pow) and isinstance(left, int) and isinstance(right, int) and 0 <= right < 40:
        return _number(left**right)
    return None
