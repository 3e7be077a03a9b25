"""Which expressions of a training step are values on the device: what a model computed, and what is computed from it.

Two grades: SURE is a tensor of the device. LIKELY came out of a function that is not known and was given one, so that
only a method that tensors have (`item`, `cpu`, `numpy`) tells.
"""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from typing import TYPE_CHECKING

from wattleak.source.learning import is_model
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.referents import Function
from wattleak.source.scopes import Kind
from wattleak.source.walking import assignments, own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_HOPS = 2  # functions of the project between a step and the value that it gives back

_BRINGS_TO_HOST = frozenset({"item", "tolist", "numpy", "cpu", "size", "dim", "numel", "element_size", "data_ptr"})
_ABOUT = frozenset({"shape", "dtype", "device", "ndim", "requires_grad", "grad_fn", "name", "is_cuda", "layout"})
_HOST_FUNCTIONS = frozenset(
    {"float", "int", "bool", "len", "str", "repr", "print", "isinstance", "range", "type", "getattr", "hasattr", "id"}
)
_KEEPS = frozenset({"sum", "abs", "max", "min", "round", "pow", "zip", "list", "tuple", "enumerate", "next", "iter"})
_GRADIENT_TARGETS = frozenset({"gradient", "jacobian"})
_BACKWARD = frozenset({"backward", "manual_backward"})

_TENSOR_METHODS = frozenset(
    {
        *("detach", "sum", "mean", "max", "min", "abs", "sqrt", "square", "pow", "norm", "eq", "ne", "gt", "lt"),
        *("argmax", "argmin", "float", "double", "half", "long", "int", "view", "reshape", "squeeze", "unsqueeze"),
        *("flatten", "clone", "contiguous", "t", "transpose", "permute", "any", "all", "add", "mul", "div", "exp"),
        *("sigmoid", "softmax", "log_softmax", "topk", "std", "var", "prod", "type", "expand", "expand_as", "log"),
        *("ge", "le"),
    }
)
"""Methods whose result is a tensor of the same device."""


_PLACES = frozenset({"to", "cuda", "next", "iter", "zip"})
_MODEL = re.compile(r"(^|_)(model|net|network|encoder|decoder|classifier|backbone|forward)s?\d*$", re.IGNORECASE)
"""How a model is called that the function was given."""


class Grade(IntEnum):
    """How sure it is that a value is on the device."""

    NO = 0
    LIKELY = 1
    SURE = 2


class DeviceValues:
    """The names of one function that stand for values on the device."""

    def __init__(self, module: Module, function: ast.AST, hops: int = _HOPS) -> None:
        self._module = module
        self._hops = hops
        self._called = {  # a module, whatever is assigned to it: `m = server.update(m).cuda()`, then `m(inputs)`
            node.func.id
            for node in own_nodes(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        self._grades: dict[str, Grade] = dict.fromkeys(_differentiated(function), Grade.SURE)
        self._given: dict[ast.Call, Grade | None] = {}  # what functions of the project give back
        self.host: set[str] = set()  # names that get a number of the host somewhere too
        written = list(assignments(own_nodes(function)))
        for name, grade in _fed(written, set(self._grades)):
            self._grades[name] = max(grade, self._grades.get(name, Grade.NO))
        while True:
            before = dict(self._grades)
            for target, value in written:
                grade = self.grade(value)
                for name in _targets(target):
                    if grade > self._grades.get(name, Grade.NO):
                        self._grades[name] = grade
            if self._grades == before:
                break
        for target, value in written:
            if self._leaves_the_device(value):
                self.host.update(_targets(target))

    def grade(self, node: ast.expr) -> Grade:  # noqa: C901, PLR0911, PLR0912 - one for each kind
        """Return how sure it is that the value of an expression is on the device."""
        match node:
            case ast.Name(id=name):
                return Grade.NO if name in self._called else self._grades.get(name, Grade.NO)
            case ast.Attribute(attr=name, value=value):
                return Grade.NO if name in _ABOUT else self.grade(value)
            case ast.Subscript(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
                return self.grade(value)
            case ast.BinOp(left=ast.Constant(value=str())):
                return Grade.NO  # text
            case ast.BinOp(left=left, right=right):
                return max(self.grade(left), self.grade(right))
            case ast.UnaryOp(operand=operand):
                return Grade.NO if isinstance(node.op, ast.Not) else self.grade(operand)
            case ast.Compare(left=left, comparators=others, ops=operators):
                if any(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in operators):
                    return Grade.NO
                return max(map(self.grade, (left, *others)))
            case ast.IfExp(body=body, orelse=orelse):
                return min(self.grade(body), self.grade(orelse))
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return max(map(self.grade, elements), default=Grade.NO)
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
                return max(self.grade(element), *(self.grade(each.iter) for each in node.generators))
            case ast.Call():
                return self._of_call(node)
            case _:
                return Grade.NO

    def _of_call(self, call: ast.Call) -> Grade:  # noqa: PLR0911 - one for each kind
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        arguments = max(map(self.grade, given), default=Grade.NO)
        match call.func:
            case ast.Name(id=name) if name in _HOST_FUNCTIONS:
                return Grade.NO
            case ast.Name(id=name) if name in _KEEPS:
                return arguments
            case ast.Attribute(attr=name) if name in _BRINGS_TO_HOST or (name == "to" and goes_to_cpu(call)):
                return Grade.NO
            case ast.Attribute(attr="cuda"):
                return Grade.SURE
            case ast.Attribute(attr=name, value=owner) if self.grade(owner) > Grade.NO:
                return self.grade(owner) if name in _TENSOR_METHODS else Grade.LIKELY
            case _:
                pass
        if is_model(self._module, call.func):
            return Grade.SURE
        if call not in self._given:
            self._given[call] = self._given_back(call)
        given_back = self._given[call]
        if given_back is not None:
            return given_back
        if arguments is Grade.NO:
            return Grade.NO
        name = resolved_name(self._module, call.func) or ""
        return arguments if name.startswith(("torch.", "tensorflow.", "keras.")) else Grade.LIKELY

    def _given_back(self, call: ast.Call) -> Grade | None:
        """Return the grade of what a function of the project returns; None: it is not one, or nothing is known."""
        if self._hops <= 0 or not self._may_be_of_the_project(call.func):
            return None
        grades = []
        for referent in resolved(self._module, call.func) or ():
            if not isinstance(referent, Function) or isinstance(referent.node, ast.Lambda):
                return None
            inner = _values_of(referent.module, referent.node, self._hops - 1)
            returned = [
                node.value
                for node in own_nodes(referent.node)
                if isinstance(node, ast.Return) and node.value is not None
            ]
            if not returned:
                return None
            grades += [_of_result(inner, value) for value in returned]
        return min(grades) if grades and max(grades) is not Grade.NO else None

    def _may_be_of_the_project(self, function: ast.expr) -> bool:
        """Tell whether a called name is an import, a function of this file or a method of this class."""
        root = function
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id == "self":
            return isinstance(root, ast.Name)
        scopes = self._module.scopes
        found = scopes.bindings(root.id, scopes.scope_of[root])
        return any(binding.kind is Kind.IMPORT or isinstance(binding.node, ast.FunctionDef) for binding in found)

    def _leaves_the_device(self, value: ast.expr) -> bool:
        match value:
            case ast.Call(func=ast.Attribute(attr=name)) if name in _BRINGS_TO_HOST:
                return True
            case ast.Call(func=ast.Name(id=name)) if name in _HOST_FUNCTIONS:
                return True
            case _:
                return False


def _of_result(values: DeviceValues, returned: ast.expr) -> Grade:
    if isinstance(returned, ast.Tuple):  # which of them is meant is not followed
        return min((values.grade(each) for each in returned.elts), default=Grade.NO)
    return Grade.NO if isinstance(returned, ast.Name) and returned.id in values.host else values.grade(returned)


def _values_of(module: Module, function: ast.AST, hops: int) -> DeviceValues:
    kept: dict[tuple[ast.AST, int], DeviceValues] = module.__dict__.setdefault("_device_values", {})
    if (function, hops) not in kept:
        kept[function, hops] = DeviceValues(module, function, hops)
    return kept[function, hops]


def goes_to_cpu(call: ast.Call) -> bool:
    """`x.to("cpu")`, and it waits for it."""
    match call.args:
        case [ast.Constant(value="cpu"), *_]:
            pass
        case [ast.Call(args=[ast.Constant(value="cpu")], func=ast.Attribute(attr="device")), *_]:
            pass
        case _:
            return False
    return not any(keyword.arg == "non_blocking" for keyword in call.keywords)


def _differentiated(function: ast.AST) -> Iterator[str]:
    """Yield the names of what is differentiated: nothing but a value of the device that carries a graph can be."""
    for node in walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=owner), args=arguments) if name in _BACKWARD:
                asked: list[ast.expr] = list(arguments) or [owner]
            case ast.Call(func=ast.Attribute(attr=name), args=[target, *_]) if name in _GRADIENT_TARGETS:
                asked = [target]
            case _:
                continue
        for expression in asked:
            yield from _operands(expression)


def _fed(assignments: list[tuple[ast.expr, ast.expr]], differentiated: set[str]) -> Iterator[tuple[str, Grade]]:
    """`output = model(x)` and then `loss = criterion(output, y)`: yield output, which the loss is computed from."""
    makers = {name: value for target, value in assignments for name in _targets(target) if isinstance(value, ast.Call)}
    for target, value in assignments:
        if not differentiated & set(_targets(target)):
            continue
        given = [node for call in walk(value) if isinstance(call, ast.Call) for node in call.args]
        for node in given:
            maker = makers.get(node.id) if isinstance(node, ast.Name) and node.id not in differentiated else None
            if maker is None or not isinstance(maker.func, ast.Name | ast.Attribute) or not isinstance(node, ast.Name):
                continue
            called = maker.func.attr if isinstance(maker.func, ast.Attribute) else maker.func.id
            if called in _BRINGS_TO_HOST | _HOST_FUNCTIONS | _PLACES:
                continue
            yield node.id, Grade.SURE if _MODEL.search(called) else Grade.LIKELY


def _operands(node: ast.expr) -> Iterator[str]:
    """`scaler.scale(loss / 4)`: yield loss."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=ast.Name(id=name)) if name not in {"self", "cls"}:
            yield name  # `outputs.loss`
        case ast.BinOp(op=ast.Div() | ast.FloorDiv(), left=left):
            yield from _operands(left)
        case ast.BinOp(left=left, right=right) if isinstance(node.op, ast.Add | ast.Sub):
            yield from _operands(left)
            yield from _operands(right)
        case ast.Call(func=ast.Attribute(attr="scale"), args=[inner]):
            yield from _operands(inner)
        case ast.Call(func=ast.Attribute(attr="mean" | "sum", value=owner), args=[]):
            yield from _operands(owner)
        case _:
            return


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(value=value):
            yield from _targets(value)
        case _:
            return
