"""Whether an expression is a tensor that holds on to the graph it was computed by."""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning import catalogue, steps
from wattleak.source.learning.asking import resolved, whole
from wattleak.source.learning.callers import given_values
from wattleak.source.learning.frameworks import Framework, frameworks, learns
from wattleak.source.learning.gradients import gradients_off
from wattleak.source.learning.inference import passed_on, things
from wattleak.source.learning.reaching import increment, origin, reaching
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class, Function, Library, name_of
from wattleak.source.resolving import stores
from wattleak.source.standing import enclosing_class
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding

_DEPTH = 25


class Graph(Enum):
    """What an expression holds of a graph."""

    ATTACHED = "attached"
    DETACHED = "detached"
    NOT_A_TENSOR = "not a tensor"
    UNKNOWN = "unknown"


_PLAIN_METHODS = frozenset(
    {
        *("item", "tolist", "numpy", "size", "dim", "numel", "nelement", "element_size", "stride", "is_contiguous"),
        *("get_device", "data_ptr", "__len__", "backward", "storage", "type", "is_floating_point", "ndimension"),
    }
)
_CUTTING_METHODS = frozenset({"detach", "detach_"})
_WITHOUT_GRADIENT = frozenset(
    {
        *("argmax", "argmin", "argsort", "eq", "ne", "gt", "lt", "ge", "le", "bool", "long", "int", "byte", "short"),
        *("isnan", "isinf", "isfinite", "nonzero", "equal", "allclose", "logical_and", "logical_or", "logical_not"),
        *("new_zeros", "new_ones", "new_tensor", "new_full", "new_empty", "zeros_like", "ones_like", "rand_like"),
        *("randn_like", "empty_like", "full_like", "searchsorted", "bincount", "unique", "multinomial", "bernoulli"),
    }
)
_WITH_PLACES = frozenset({"max", "min", "topk", "sort", "median", "mode", "kthvalue", "cummax", "cummin"})
_MAKERS = frozenset(
    {
        *("tensor", "zeros", "ones", "rand", "randn", "arange", "linspace", "eye", "full", "empty", "from_numpy"),
        *("as_tensor", "randint", "randperm", "load", "LongTensor", "FloatTensor", "IntTensor", "BoolTensor", "Tensor"),
        *("normal", "tril_indices", "triu_indices", "logspace", "range"),
    }
)
_PLAIN_ATTRIBUTES = frozenset(
    {
        "shape",
        "dtype",
        "device",
        "ndim",
        "is_cuda",
        "requires_grad",
        "grad_fn",
        "layout",
        "itemsize",
        "nbytes",
        "is_leaf",
    }
)
_PLAIN_CALLS = frozenset(
    f"builtins.{name}"
    for name in (
        *("len", "float", "int", "str", "bool", "round", "range", "repr", "print", "type", "id", "isinstance"),
        *("hasattr", "format", "ord", "chr", "hash", "open", "divmod", "callable"),
    )
)
_LIBRARY_METHODS = frozenset({"evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch", "fit"})


def graph_of(module: Module, expression: ast.expr) -> Graph:
    """Return whether `expression` is a tensor with the graph of its computation behind it.

    ATTACHED: computed by a model or a loss, or from such a tensor, where gradients are recorded; or backward() is
    called on it. DETACHED: a tensor without a graph: detach(), made under no_grad, an argmax, the data of a loader,
    every tensor of TensorFlow, Keras and JAX (their graph lives on the tape). NOT_A_TENSOR: item(), float(), numpy(),
    len(), written values. UNKNOWN: everything else; a list or a dict of tensors too.
    """
    if not learns(module):
        return Graph.UNKNOWN
    whole(module)
    kept: dict[ast.AST, Graph] = module.__dict__.setdefault("_learning_graphs", {})
    if expression in kept:
        return kept[expression]
    cuts = module.home.cuts
    question = _Question()
    found = question.of(module, expression, _DEPTH) or Graph.UNKNOWN
    if found is Graph.UNKNOWN and _gets_differentiated(module, expression):
        found = _here(module, expression)
    if (module.home.cuts == cuts and not question.was_cut) or not (module.home.busy or module.home.steps is not None):
        kept[expression] = found
    return found


class _Question:
    """One question. None: nothing but itself, as for the `total` of `total += loss`."""

    def __init__(self) -> None:
        self.known: dict[object, Graph | None] = {}
        self.was_cut = False

    def of(self, module: Module, node: ast.expr, depth: int, path: tuple[int, ...] = ()) -> Graph | None:
        if depth <= 0:
            self.was_cut = True
            return Graph.UNKNOWN
        key = (node, path)
        if key not in self.known:
            self.known[key] = None
            self.known[key] = self._compute(module, node, depth - 1, path)
        return self.known[key]

    def _compute(  # noqa: C901, PLR0911, PLR0912 - one for each kind
        self, module: Module, node: ast.expr, depth: int, path: tuple[int, ...]
    ) -> Graph | None:
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Lambda():
                return Graph.NOT_A_TENSOR if not path else Graph.UNKNOWN
            case ast.Name():
                return self._name(module, node, depth, path)
            case ast.Attribute():
                return self._attribute(module, node, depth)
            case ast.Call():
                return self._call(module, node, depth, path)
            case ast.BinOp(left=left, right=right):
                return self._computed(module, node, [self.of(module, each, depth) for each in (left, right)])
            case ast.UnaryOp(op=ast.Not()):
                return Graph.NOT_A_TENSOR
            case ast.UnaryOp(operand=operand):
                return self.of(module, operand, depth)
            case ast.Compare(left=left, comparators=others):
                return _compared([self.of(module, each, depth) for each in (left, *others)])
            case ast.IfExp(body=body, orelse=orelse):
                return _either([self.of(module, each, depth, path) for each in (body, orelse)])
            case ast.NamedExpr(value=value):
                return self.of(module, value, depth, path)
            case ast.Subscript(value=value, slice=key):
                number = key.value if isinstance(key, ast.Constant) and isinstance(key.value, int) else None
                if number is not None and number >= 0 and isinstance(value, ast.Call):
                    return self.of(module, value, depth, (number, *path))
                return self.of(module, value, depth)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if path:
                plain = not any(isinstance(item, ast.Starred) for item in elements)
                return (
                    self.of(module, elements[path[0]], depth, path[1:])
                    if plain and path[0] < len(elements)
                    else Graph.UNKNOWN
                )
            case _:
                return Graph.UNKNOWN

    def _computed(self, module: Module, node: ast.expr, parts: list[Graph | None]) -> Graph | None:
        """Return what is computed from parts, where it is computed."""
        known = [part for part in parts if part is not None]
        if not known:
            return None
        if Graph.ATTACHED in known:
            return _here(module, node)
        if Graph.UNKNOWN in known:
            is_loose = Graph.DETACHED in known and gradients_off(module, node) is True
            return Graph.DETACHED if is_loose else Graph.UNKNOWN
        return Graph.DETACHED if Graph.DETACHED in known else Graph.NOT_A_TENSOR

    # -- names ---------------------------------------------------------------------------------------------------

    def _name(self, module: Module, node: ast.Name, depth: int, path: tuple[int, ...]) -> Graph | None:
        found = reaching(module, node)
        if not found:
            return Graph.UNKNOWN
        answers: list[Graph | None] = []
        starts: list[Graph | None] = []
        for binding in found:
            said = self._binding(module, binding, depth, path)
            if said is Graph.UNKNOWN and not path and _is_differentiated(module, node, binding):
                said = _here(module, node)
            is_number = isinstance(binding.value, ast.Constant | ast.UnaryOp)
            (starts if is_number else answers).append(said)
        if starts and any(increment(module, binding) is not None for binding in found):
            # `total = 0; total += loss`
            return _either([*answers, *([Graph.NOT_A_TENSOR] if not any(answers) else [])])
        return _either([*answers, *starts])

    def _binding(  # noqa: PLR0911 - one return for each kind
        self, module: Module, binding: Binding, depth: int, path: tuple[int, ...]
    ) -> Graph | None:
        if isinstance(binding.node, ast.arg):
            return self._parameter(module, binding.node, depth, path)
        added = increment(module, binding)
        if added is not None and isinstance(added.target, ast.Name):
            before = self._before(module, added.target, depth)
            return self._computed(module, added.value, [before, self.of(module, added.value, depth)])
        source = origin(module, binding)
        if source is None or source.entered:
            return Graph.UNKNOWN
        if source.each:
            looped = passed_on(module, source.value)
            if things(module, looped) == frozenset({Thing.LOADER}):
                is_count = looped is not source.value and source.path[:1] == (0,) and len(source.path) == 1
                return Graph.NOT_A_TENSOR if is_count and _counts(source.value) else Graph.DETACHED
            match looped:
                case ast.Call(func=ast.Name(id="range" | "trange")):
                    return Graph.NOT_A_TENSOR
                case _:
                    return Graph.UNKNOWN
        return self.of(module, source.value, depth, (*source.path, *path))

    def _before(self, module: Module, target: ast.Name, depth: int) -> Graph | None:
        """Return what a name is before something is added to it."""
        key = (target, "before")
        if key not in self.known:
            self.known[key] = None
            self.known[key] = self._name(module, target, depth - 1, ()) if depth > 1 else Graph.UNKNOWN
        return self.known[key]

    def _parameter(self, module: Module, parameter: ast.arg, depth: int, path: tuple[int, ...]) -> Graph | None:
        node = module.scopes.scope_of[parameter].node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or depth <= 5:
            return Graph.UNKNOWN
        given = given_values(module, node, parameter.arg)
        if not given:
            return Graph.UNKNOWN
        return _either([self.of(where, value, depth - 5, path) for where, value in given])

    # -- attributes and calls ------------------------------------------------------------------------------------

    def _attribute(self, module: Module, node: ast.Attribute, depth: int) -> Graph | None:
        if node.attr in _PLAIN_ATTRIBUTES:
            return Graph.NOT_A_TENSOR
        if node.attr == "grad":
            return Graph.DETACHED
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return self._of_self(module, node, depth)
        base = self.of(module, node.value, depth)
        if node.attr == "data":
            return Graph.DETACHED if base in {Graph.ATTACHED, Graph.DETACHED} else Graph.UNKNOWN
        return base if base in {Graph.ATTACHED, Graph.DETACHED} else Graph.UNKNOWN

    def _of_self(self, module: Module, node: ast.Attribute, depth: int) -> Graph | None:
        owner = enclosing_class(module, node)
        stored = stores(Class(module, owner)).get(node.attr, []) if owner is not None else []
        if not stored:
            return Graph.UNKNOWN
        return _either([Graph.UNKNOWN if value is None else self.of(module, value, depth) for value in stored])

    def _call(  # noqa: C901, PLR0911, PLR0912 - one for each kind of call
        self, module: Module, call: ast.Call, depth: int, path: tuple[int, ...]
    ) -> Graph | None:
        function = call.func
        last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute):
            if last in _CUTTING_METHODS:
                return Graph.DETACHED
            if last in {"item", "tolist", "numpy", "backward"}:
                return Graph.NOT_A_TENSOR
        kinds = things(module, function) if _may_be_instance(function) else None
        if kinds and kinds <= {Thing.MODEL, Thing.LAYER}:
            return Graph.UNKNOWN if _is_frozen(module, function) else _here(module, call)
        if kinds == frozenset({Thing.LOSS}):
            return self._computed(module, call, self._given(module, call, depth))
        known = resolved(module, function)
        names = {name_of(one) or "" for one in known or ()}
        name = next(iter(names)) if len(names) == 1 else ""
        if known and all(isinstance(one, Function) for one in known):
            if isinstance(function, ast.Attribute) and last in _PLAIN_METHODS:
                return Graph.UNKNOWN
            return _either([self._returned(one, depth, path) for one in known if isinstance(one, Function)])
        if name in _PLAIN_CALLS or name.startswith(("numpy.", "time.", "math.", "os.", "sklearn.", "random.")):
            return Graph.NOT_A_TENSOR
        if name == "builtins.sum" and call.args:
            return self._computed(module, call, [self._elements(module, call.args[0], depth)])
        if name in {"builtins.abs", "builtins.max", "builtins.min"}:
            return self._computed(module, call, self._given(module, call, depth))
        if (
            all(isinstance(one, Library) for one in known or ())
            and name.startswith("torch.")
            and (last[:1].islower() or last in _MAKERS)
        ):
            return self._by_torch(module, call, name, last, depth, path)
        if known is None and catalogue.says_loss(last):
            given = self._given(module, call, depth)
            if Graph.ATTACHED in given:  # whatever it is: it computes a loss of it
                return self._computed(module, call, given)
        if isinstance(function, ast.Attribute):
            return self._by_method(module, call, function, depth, path)
        return Graph.UNKNOWN

    def _by_torch(
        self, module: Module, call: ast.Call, name: str, last: str, depth: int, path: tuple[int, ...]
    ) -> Graph | None:
        if any(keyword.arg == "requires_grad" for keyword in call.keywords):
            return Graph.UNKNOWN
        if name.startswith(("torch.cuda.", "torch.backends.", "torch.distributed.", "torch.utils.", "torch.optim.")):
            return Graph.UNKNOWN
        if last in _MAKERS or last in _WITHOUT_GRADIENT or (last in _WITH_PLACES and path[:1] == (1,)):
            return Graph.DETACHED
        return self._computed(module, call, self._given(module, call, depth))

    def _by_method(  # noqa: PLR0911 - one return for each kind
        self, module: Module, call: ast.Call, function: ast.Attribute, depth: int, path: tuple[int, ...]
    ) -> Graph | None:
        last = function.attr
        if last in _LIBRARY_METHODS and things(module, function.value) == frozenset({Thing.MODEL}):
            return Graph.NOT_A_TENSOR
        if last == "forward" and things(module, function.value) == frozenset({Thing.MODEL}):
            return Graph.UNKNOWN if _is_frozen(module, function.value) else _here(module, call)
        base = self.of(module, function.value, depth)
        if base not in {Graph.ATTACHED, Graph.DETACHED}:
            return Graph.NOT_A_TENSOR if last in _PLAIN_METHODS and base is Graph.NOT_A_TENSOR else Graph.UNKNOWN
        if last in _PLAIN_METHODS:
            return Graph.NOT_A_TENSOR
        if last in _WITHOUT_GRADIENT or (last in _WITH_PLACES and path[:1] == (1,)):
            return Graph.DETACHED
        if last in {"to", "cpu", "cuda", "float", "double", "half", "view", "reshape", "squeeze", "unsqueeze"}:
            return base
        parts = [base, *(self.of(module, item, depth) for item in call.args if not isinstance(item, ast.Starred))]
        known: list[Graph | None] = [part for part in parts if part is not Graph.UNKNOWN]
        return self._computed(module, call, known)

    def _given(self, module: Module, call: ast.Call, depth: int) -> list[Graph | None]:
        found: list[Graph | None] = []
        for item in [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg is not None)]:
            if isinstance(item, ast.Starred):
                found.append(Graph.UNKNOWN)
            elif isinstance(item, ast.List | ast.Tuple):
                found += [self.of(module, each, depth) for each in item.elts]
            elif isinstance(item, ast.Name) and self._is_list(module, item):
                found.append(self._elements(module, item, depth))
            else:
                found.append(self.of(module, item, depth))
        return found

    def _is_list(self, module: Module, name: ast.Name) -> bool:
        return any(isinstance(binding.value, ast.List | ast.ListComp) for binding in reaching(module, name))

    def _elements(self, module: Module, container: ast.expr, depth: int) -> Graph | None:
        """Return what the elements of a list are: of those written out, and of what is appended to it."""
        match container:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return _either([self.of(module, each, depth) for each in elements])
            case ast.ListComp(elt=each) | ast.GeneratorExp(elt=each):
                return self.of(module, each, depth)
            case ast.Name(id=name) if depth > 0:
                scope = module.scopes.scope_of[container]
                found = module.scopes.bindings(name, scope)
                answers: list[Graph | None] = []
                for binding in found:
                    if not isinstance(binding.value, ast.List | ast.ListComp):
                        return Graph.UNKNOWN
                    if not isinstance(binding.value, ast.List) or binding.value.elts:
                        answers.append(self._elements(module, binding.value, depth - 1))
                for node in module.mentions.get(name, ()):
                    parent = module.scopes.parent_of.get(node)
                    above = module.scopes.parent_of.get(parent) if parent is not None else None
                    match parent, above:
                        case ast.Attribute(attr="append"), ast.Call(args=[given]) if (
                            module.scopes.bindings(name, module.scopes.scope_of[node]) is found
                        ):
                            answers.append(self.of(module, given, depth - 1))
                        case _:
                            pass
                return _either(answers) if answers else Graph.UNKNOWN
            case _:
                return Graph.UNKNOWN

    def _returned(self, function: Function, depth: int, path: tuple[int, ...]) -> Graph | None:
        node, home = function.node, function.module
        if isinstance(node, ast.Lambda):
            return self.of(home, node.body, depth, path)
        own = list(own_nodes(node))
        if any(isinstance(item, ast.Yield | ast.YieldFrom) for item in own) or isinstance(node, ast.AsyncFunctionDef):
            return Graph.UNKNOWN
        values = [item.value for item in own if isinstance(item, ast.Return)]
        answers = [
            self.of(home, value, depth - 2, path) if value is not None else Graph.NOT_A_TENSOR for value in values
        ]
        return _either(answers) if answers else Graph.NOT_A_TENSOR


def _here(module: Module, node: ast.AST) -> Graph:
    """Return what a computation with parameters gives where it stands."""
    spoken = frameworks(module)
    if spoken and Framework.TORCH not in spoken:
        return Graph.DETACHED if {Framework.KERAS, Framework.TENSORFLOW, Framework.JAX} & spoken else Graph.UNKNOWN
    match gradients_off(module, node):
        case True:
            return Graph.DETACHED
        case False:
            return Graph.ATTACHED
        case None:
            return Graph.UNKNOWN


def _may_be_instance(function: ast.expr) -> bool:
    return isinstance(function, ast.Name | ast.Attribute | ast.Subscript)


def _is_frozen(module: Module, function: ast.expr) -> bool:
    """Tell whether the parameters of a model may be frozen: `requires_grad_(False)`, `requires_grad = False`."""
    if "requires_grad" not in module.text:
        return False
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    for node in module.mentions.get(name, ()):
        parent = module.scopes.parent_of.get(node)
        if isinstance(parent, ast.Attribute) and parent.attr in {"requires_grad_", "parameters", "named_parameters"}:
            statement: ast.AST = parent
            while statement in module.scopes.parent_of and not isinstance(statement, ast.stmt):
                statement = module.scopes.parent_of[statement]
            if any(
                isinstance(inner, ast.Attribute) and inner.attr.startswith("requires_grad") for inner in walk(statement)
            ):
                return True
    return False


def _gets_differentiated(module: Module, expression: ast.expr) -> bool:
    """Tell whether the name that gets the value of an expression is differentiated."""
    parent = module.scopes.parent_of.get(expression)
    match parent:
        case ast.Assign(targets=[ast.Name() as target], value=value) if value is expression:
            scope = module.scopes.scope_of[target]
            found = [one for one in module.scopes.bindings(target.id, scope) if one.node is target]
            return bool(found) and _is_differentiated(module, target, found[0])
        case _:
            return False


def _is_differentiated(module: Module, name: ast.Name, binding: Binding) -> bool:
    """Tell whether backward() is called on the name with this value."""
    if "backward" not in module.text:
        return False
    parents = module.scopes.parent_of
    for node in module.mentions.get(name.id, ()):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        parent = parents.get(node)
        above = parents.get(parent) if parent is not None else None
        match parent, above:
            case ast.Attribute(attr="backward"), ast.Call(args=[]):  # accelerator.backward(loss) has one
                pass
            case ast.Call(func=ast.Attribute(attr="backward" | "manual_backward" | "scale"), args=[first, *_]), _ if (
                first is node
            ):
                pass
            case _:
                continue
        if reaching(module, node) == [binding]:
            return True
    return False


def _counts(iterable: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Call) and steps.last_name(node.func) in {"enumerate", "tenumerate"}
        for node in walk(iterable)
    )


def _compared(parts: list[Graph | None]) -> Graph:
    if Graph.ATTACHED in parts or Graph.DETACHED in parts:
        return Graph.DETACHED
    return Graph.NOT_A_TENSOR if set(parts) == {Graph.NOT_A_TENSOR} else Graph.UNKNOWN


def _either(found: list[Graph | None]) -> Graph | None:
    known = {part for part in found if part is not None}
    if not known:
        return None
    return known.pop() if len(known) == 1 else Graph.UNKNOWN
