"""How often a node runs in a loop, and whether an expression changes from one iteration to the next."""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning.asking import resolved
from wattleak.source.learning.reaching import increment, origin
from wattleak.source.referents import Class, Function, Library, Method, name_of
from wattleak.source.scopes import Kind
from wattleak.source.walking import children, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding
    from wattleak.source.standing import Loop


class Often(Enum):
    """How often a node runs in the iterations of a loop."""

    EACH_TIME = "each time"
    SOMETIMES = "sometimes"
    UNKNOWN = "unknown"


def how_often(module: Module, node: ast.AST, loop: ast.AST) -> Often:
    """Return how often `node`, which stands inside `loop`, runs in its iterations.

    EACH_TIME: nothing in the loop guards it. A test that only leaves the loop (break, return, raise) does not make it
    rarer. SOMETIMES: it runs under `i % k == 0`, `i == 0`, `i < n` and their like, on a counter of the loop. UNKNOWN:
    another condition decides, or `node` does not stand inside the loop.
    """
    parents = module.scopes.parent_of
    child = node
    answers: list[Often] = []
    while child is not loop:
        parent = parents.get(child)
        if parent is None or isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            return Often.UNKNOWN
        if parent is loop and not _is_repeated(loop, child):
            return Often.UNKNOWN
        answers += _guards(module, parent, child, loop)
        child = parent
    if Often.SOMETIMES in answers:
        return Often.SOMETIMES  # whatever else decides: it is rare
    return Often.UNKNOWN if answers else Often.EACH_TIME


def _is_repeated(loop: ast.AST, child: ast.AST) -> bool:
    if isinstance(loop, ast.For | ast.AsyncFor):
        return child in loop.body or child is loop.target
    if isinstance(loop, ast.While):
        return child in loop.body or child is loop.test
    return True  # of a comprehension, the element


def _guards(module: Module, parent: ast.AST, child: ast.AST, loop: ast.AST) -> list[Often]:
    found: list[Often] = []
    match parent:
        case ast.If(test=test, body=body) if child is not test:
            found.append(_chance(module, test, loop, holds=child in body))
        case ast.IfExp(test=test, body=value) if child is not test:
            found.append(_chance(module, test, loop, holds=child is value))
        case ast.BoolOp(op=op, values=values) if child is not values[0]:
            first = values[: values.index(child)]  # type: ignore[arg-type]  # a child of it
            found += [_chance(module, test, loop, holds=isinstance(op, ast.And)) for test in first]
        case ast.Match() if child is not parent.subject:
            found.append(Often.UNKNOWN)
        case ast.ExceptHandler():
            found.append(Often.UNKNOWN)
        case ast.comprehension():
            pass
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            tests = [test for generator in parent.generators for test in generator.ifs]
            if tests and child not in parent.generators:
                found.append(Often.UNKNOWN)
        case ast.For() | ast.While() if parent is not loop and isinstance(child, ast.stmt) and child in parent.orelse:
            found.append(Often.UNKNOWN)
        case _:
            pass
    if isinstance(child, ast.stmt):
        found += _skipped_before(module, parent, child, loop)
    return [answer for answer in found if answer is not Often.EACH_TIME]


def _skipped_before(module: Module, parent: ast.AST, child: ast.stmt, loop: ast.AST) -> list[Often]:
    """`if i % k: continue` before a statement of the same block."""
    found: list[Often] = []
    for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
        if not isinstance(block, list) or child not in block:
            continue
        for earlier in block[: block.index(child)]:
            for statement in walk(earlier):
                if not isinstance(statement, ast.If) or _innermost(module, statement, loop) is not loop:
                    continue
                for branch, holds in ((statement.body, False), (statement.orelse, True)):
                    if branch and isinstance(branch[-1], ast.Continue):
                        simple = statement is earlier
                        found.append(_chance(module, statement.test, loop, holds=holds) if simple else Often.UNKNOWN)
    return found


def _innermost(module: Module, node: ast.AST, loop: ast.AST) -> ast.AST | None:
    parents = module.scopes.parent_of
    while node in parents:
        node = parents[node]
        if node is loop or isinstance(node, ast.For | ast.AsyncFor | ast.While):
            return node
    return None


def _chance(  # noqa: PLR0911 - one for each kind of test
    module: Module, test: ast.expr, loop: ast.AST, *, holds: bool
) -> Often:
    """Return how often a test holds (or, `holds=False`, does not) in the iterations of a loop."""
    match test:
        case ast.Constant(value=value):
            return Often.EACH_TIME if bool(value) is holds else Often.SOMETIMES
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _chance(module, operand, loop, holds=not holds)
        case ast.BoolOp(op=op, values=values):
            answers = [_chance(module, each, loop, holds=holds) for each in values]
            every = isinstance(op, ast.And) is holds  # all must be so, or one is enough
            if every:
                return Often.SOMETIMES if Often.SOMETIMES in answers else _worst(answers)
            return Often.SOMETIMES if set(answers) == {Often.SOMETIMES} else Often.UNKNOWN
        case ast.BinOp(op=ast.Mod(), left=left) if not holds and _counts(module, left, loop):
            return Often.SOMETIMES  # `if not i % k`
        case ast.NamedExpr(value=value):
            return _chance(module, value, loop, holds=holds)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(module, left, op, right, loop, holds=holds)
        case _:
            return Often.UNKNOWN


def _comparison(module: Module, left: ast.expr, op: ast.cmpop, right: ast.expr, loop: ast.AST, *, holds: bool) -> Often:
    equal = isinstance(op, ast.Eq | ast.Is | ast.In)
    different = isinstance(op, ast.NotEq | ast.IsNot | ast.NotIn)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mod) and _counts(module, one.left, loop):
            if (equal and holds) or (different and not holds):
                return Often.SOMETIMES
            return Often.UNKNOWN
        if _counts(module, one, loop) and not _counts(module, other, loop):
            if (equal and holds) or (different and not holds):
                return Often.SOMETIMES
            if not equal and not different and one is left:
                # `i < 5` is for the first few, `i >= 5` for all but those: `i > 0` runs nearly each time.
                few = isinstance(op, ast.Lt | ast.LtE) is holds
                return Often.SOMETIMES if few else Often.UNKNOWN
    return Often.UNKNOWN


def _worst(answers: list[Often]) -> Often:
    return Often.UNKNOWN if Often.UNKNOWN in answers else Often.EACH_TIME


def _counts(module: Module, expression: ast.expr, loop: ast.AST) -> bool:
    """Tell whether an expression is a counter of the loop, plain or shifted: `i`, `i + 1`, `step`, `self.step`."""
    match expression:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return _counts(module, left, loop) or _counts(module, right, loop)
        case ast.Name(id=name):
            return name in _counters(module, loop)
        case ast.Attribute(attr=name):
            return any(
                isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute) and node.target.attr == name
                for node in walk(loop)
            ) or name in {
                "global_step",
                "iter_num",
                "steps",
                "step",
                "iteration",
                "num_updates",
                "current_step",
                "iter",
            }
        case _:
            return False


def _counters(module: Module, loop: ast.AST) -> frozenset[str]:
    """Names that count the iterations: of range or enumerate, and those that grow by one number each time."""
    kept: dict[ast.AST, frozenset[str]] = module.__dict__.setdefault("_learning_counters", {})
    if loop not in kept:
        kept[loop] = frozenset(_counting(loop))
    return kept[loop]


def _counting(loop: ast.AST) -> set[str]:
    found: set[str] = set()
    if isinstance(loop, ast.For | ast.AsyncFor):
        target = loop.target
        if isinstance(target, ast.Name) and _gives(loop.iter, {"range", "trange", "count", "arange"}):
            found.add(target.id)
        elif (
            isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name) and _gives(loop.iter, {"enumerate"})
        ):
            found.add(target.elts[0].id)
    for node in walk(loop):
        match node:
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add()) if not isinstance(node.value, ast.Call):
                if isinstance(node.value, ast.Constant) or "step" in name or "iter" in name:
                    found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(left=left, op=op)) if not isinstance(
                op, ast.Mod
            ):
                # `step = epoch * len(loader) + i`, `count = count + 1`
                if any(isinstance(inner, ast.Name) and inner.id in found | {name} for inner in walk(node.value)):
                    found.add(name) if not isinstance(left, ast.Call) else None
            case _:
                pass
    return found


def _gives(iterable: ast.expr, names: set[str]) -> bool:
    """Tell whether a loop runs over range(...) or enumerate(...), inside tqdm too."""
    for node in walk(iterable):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in names:
                return True
    return False


# -- what changes ----------------------------------------------------------------------------------------------------

_CHANGING = frozenset(
    {
        *("append", "add", "update", "extend", "insert", "pop", "remove", "clear", "set_epoch", "step", "popleft"),
        *("appendleft", "setdefault", "push", "put", "write", "shuffle", "fill_", "copy_", "zero_", "add_", "mul_"),
        *("load_state_dict", "reset", "sort", "reverse", "popitem", "sub_", "div_", "normal_", "uniform_"),
    }
)
_UNSTEADY = frozenset(
    {
        *("next", "pop", "popleft", "get_batch", "sample", "shuffle", "random", "randn", "rand", "randint", "randperm"),
        *("choice", "choices", "time", "perf_counter", "now", "normal", "uniform", "read", "readline", "input"),
        *("rand_like", "randn_like", "randint_like", "monotonic", "multinomial", "bernoulli", "permutation", "uuid4"),
        *("item", "get_lr", "get_last_lr", "random_split", "normal_", "recv", "get", "process_time", "urandom"),
    }
)
_STEADY_HOMES = ("torch.", "numpy.", "builtins.", "tensorflow.", "keras.", "torchvision.", "os.path.", "math.", "jax.")
_STEADY_OTHER = ("pathlib.", "functools.", "itertools.", "collections.", "transformers.", "timm.", "copy.", "sklearn.")


def varies(module: Module, expression: ast.expr, loop: Loop) -> bool | None:  # the loop of the same function
    """Tell whether `expression` may have another value in the next iteration of `loop`.

    True: it depends on the loop variable, or on something that the body assigns, appends to or draws, also through
    other names. A name that the body assigns from what never changes (`size = 32`) does not vary. None: not known, as
    for the result of a function of the project, or an expression that does not stand inside the loop.
    """
    if not _stands_in(module, expression, loop):
        return False if isinstance(expression, ast.Constant) else None
    return _Dependence(module, loop).of(expression)


def _stands_in(module: Module, node: ast.AST, loop: ast.AST) -> bool:
    parents = module.scopes.parent_of
    while node in parents:
        node = parents[node]
        if node is loop:
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return False
    return False


class _Dependence:
    def __init__(self, module: Module, loop: ast.AST) -> None:
        self.module = module
        self.loop = loop
        self.body = list(walk(loop))
        self.inside = frozenset(self.body)
        self.known: dict[object, bool | None] = {}

    def of(self, expression: ast.expr) -> bool | None:
        answers: list[bool | None] = []
        waiting: list[ast.AST] = [expression]
        while waiting:
            node = waiting.pop()
            match node:
                case ast.Name(ctx=ast.Load()):
                    answers.append(self.name(node))
                case ast.Attribute() if _chain(node) is not None:
                    answers.append(self.attribute(node))
                    waiting.append(node.value)
                    continue
                case ast.Call():
                    answers.append(self.call(node))
                case ast.Await() | ast.Yield() | ast.YieldFrom():
                    answers.append(True)
                case ast.Lambda():
                    answers.append(None)
                    continue
                case _:
                    pass
            waiting.extend(children(node))
        return _any(answers)

    def name(self, name: ast.Name) -> bool | None:
        scope = self.module.scopes.scope_of.get(name)
        found = self.module.scopes.bindings(name.id, scope) if scope is not None else []
        key = (name.id, id(found))
        if key in self.known:
            return self.known[key]
        self.known[key] = False  # by itself it does not change
        answers: list[bool | None] = []
        for binding in found:
            if binding.node not in self.inside:
                continue
            parent = self.module.scopes.parent_of.get(binding.node)
            source = origin(self.module, binding)
            if increment(self.module, binding) is not None or isinstance(parent, ast.Delete):
                answers.append(True)
            elif binding.kind in {Kind.IMPORT, Kind.CLASS} or isinstance(binding.node, ast.FunctionDef):
                answers.append(None if binding.kind is not Kind.IMPORT else False)
            elif source is None:
                answers.append(True)
            elif source.each:
                own = parent is self.loop or _is_target(self.loop, binding.node)
                in_comprehension = isinstance(_holder(self.module, binding.node), ast.comprehension)
                answers.append(True if own or not in_comprehension else self.of(source.value))
            elif _mentions(source.value, name.id):
                answers.append(True)  # `x = x + 1`
            else:
                answers.append(self.of(source.value))
        answers.append(self.changed(name.id, found))
        self.known[key] = _any(answers)
        return self.known[key]

    def changed(self, name: str, found: list[Binding]) -> bool:
        """`name.append(...)`, `name[i] = ...`, `random.shuffle(name)` in the loop."""
        parents = self.module.scopes.parent_of
        for node in self.module.mentions.get(name, ()):
            if node not in self.inside or not isinstance(node, ast.Name):
                continue
            own = self.module.scopes.bindings(name, self.module.scopes.scope_of[node])
            if own is not found and (own or found):
                continue
            parent = parents.get(node)
            above = parents.get(parent) if parent is not None else None
            match parent, above:
                case ast.Attribute(attr=method), ast.Call() if method in _CHANGING:
                    return True
                case ast.Subscript(ctx=ast.Store() | ast.Del()), _:
                    return True
                case ast.Attribute(ctx=ast.Store()), _:
                    return True
                case ast.Call(func=ast.Attribute(attr="shuffle")), _:
                    return True
                case _:
                    pass
        return False

    def attribute(self, node: ast.Attribute) -> bool:
        chain = _chain(node)
        return any(
            isinstance(other, ast.Attribute) and isinstance(other.ctx, ast.Store) and _chain(other) == chain
            for other in self.module.mentions.get(node.attr, ())
            if other in self.inside
        ) or any(
            isinstance(other, ast.Call)
            and isinstance(other.func, ast.Attribute)
            and other.func.attr in _CHANGING
            and _chain(other.func.value) == chain
            for other in self.body
        )

    def call(self, call: ast.Call) -> bool | None:  # noqa: PLR0911 - one return for each kind
        function = call.func
        last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
        if last is None:
            return None
        if last in _UNSTEADY and not (last == "get" and call.args):
            return True
        known = resolved(self.module, function)
        if known is None:
            return None
        for one in known:
            match one:
                case Function() | Class():
                    return None
                case Library() | Method():
                    name = name_of(one) or ""
                    if not name.startswith((*_STEADY_HOMES, *_STEADY_OTHER)):
                        return None
                case _:
                    return None
        return False


def _holder(module: Module, node: ast.AST) -> ast.AST | None:
    parents = module.scopes.parent_of
    node = parents.get(node, node)
    while isinstance(node, ast.Tuple | ast.List):
        node = parents[node]
    return node


def _is_target(loop: ast.AST, node: ast.AST) -> bool:
    target = getattr(loop, "target", None)
    return target is not None and any(inner is node for inner in walk(target))


def _mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in walk(value))


def _chain(node: ast.AST) -> tuple[str, ...] | None:
    """`self.a.b` -> ("self", "a", "b")."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _any(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False
