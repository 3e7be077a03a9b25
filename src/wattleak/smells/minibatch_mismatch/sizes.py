"""How many rows a data set has at most, as far as the code spells it out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.smells.minibatch_mismatch.inputs import chain, dataset_root, is_dataset
from wattleak.source.arguments import argument_values
from wattleak.source.loaders import SPLITS, origins
from wattleak.source.resolving import qualified_name
from wattleak.source.values import Number, evaluate

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.referents import Referent

_DEPTH = 12

_KERAS_SETS = {
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000),
    "imdb": (25_000, 25_000),
    "reuters": (8_982, 2_246),
    "boston_housing": (404, 102),
    "california_housing": (16_512, 4_128),
}
"""Rows of the training and test part of what `keras.datasets.X.load_data()` gives by default (Keras 3.15)."""

_TORCHVISION_SETS = {
    "MNIST": (60_000, 10_000),
    "FashionMNIST": (60_000, 10_000),
    "KMNIST": (60_000, 10_000),
    "CIFAR10": (50_000, 10_000),
    "CIFAR100": (50_000, 10_000),
    "USPS": (7_291, 2_007),
}
"""Rows with train=True and with train=False, of sets whose images are all of one size and kept in memory (torchvision
0.28)."""

_SKLEARN_SETS = {
    "load_iris": 150,
    "load_digits": 1_797,
    "load_wine": 178,
    "load_breast_cancer": 569,
    "load_diabetes": 442,
    "fetch_california_housing": 20_640,
    "fetch_olivetti_faces": 400,
}
"""Rows of the sets of scikit-learn 1.7."""

_BY_SHAPE = frozenset(
    {
        *(f"numpy.{name}" for name in ("zeros", "ones", "empty", "full", "random.random", "random.random_sample")),
        *(f"torch.{name}" for name in ("zeros", "ones", "empty", "full", "rand", "randn")),
        *(f"tensorflow.{name}" for name in ("zeros", "ones", "random.normal", "random.uniform")),
        *("numpy.random.rand", "numpy.random.randn", "keras.random.normal", "keras.random.uniform"),
    }
)
"""The shape, or its first number, is the first argument."""
_BY_SIZE = {"numpy.random.randint": 2, "numpy.random.normal": 2, "numpy.random.uniform": 2, "torch.randint": 2}
"""The shape is the argument `size`, which is the third where it has no name."""

_SAME_ROWS = frozenset(
    {
        *("numpy.array", "numpy.asarray", "numpy.expand_dims", "numpy.float32", "torch.tensor", "torch.as_tensor"),
        *("torch.from_numpy", "torch.FloatTensor", "torch.LongTensor", "torch.Tensor", "tensorflow.constant"),
        *("tensorflow.convert_to_tensor", "tensorflow.cast", "tensorflow.expand_dims", "numpy.log", "numpy.log1p"),
        *("keras.utils.to_categorical", "tensorflow.keras.utils.to_categorical", "numpy.sqrt", "numpy.abs"),
        *("torch.utils.data.TensorDataset", "torch.utils.data.Subset"),
    }
)
"""What comes out has no more rows than the first argument."""
_SAME_ROWS_METHODS = frozenset(
    {"astype", "copy", "float", "double", "half", "long", "to", "cuda", "cpu", "numpy", "unsqueeze", "normalize"}
)


def most_rows(module: Module, expression: ast.expr, depth: int = _DEPTH) -> int | None:
    """Return a number of rows that `expression` does not exceed; None: it is not written.

    It is an array, a tensor, or a data set of PyTorch.
    """
    return _Rows().of(module, expression, depth)


def dataset_rows(referent: Referent) -> int | None:
    """Return how many rows at most go through a tf.data.Dataset in an epoch; None: not known."""
    root = dataset_root(referent)
    if root is None or not is_dataset(referent) or not root.call.args:
        return None
    least: list[int] = []
    for method, site in chain(referent):
        if method in {"repeat", "interleave", "flat_map", "concatenate", "unbatch", "apply", "window", "zip"}:
            return None
        if method == "take" and site.call.args:
            number = evaluate(site.module, site.call.args[0])
            if isinstance(number, Number) and number.value >= 0:
                least.append(int(number.value))
    if qualified_name(root.module, root.call.func) != "tensorflow.data.Dataset.from_tensor_slices":
        return None
    given = root.call.args[0]
    first = given.elts[0] if isinstance(given, ast.Tuple) and given.elts else given
    rows = most_rows(root.module, first)
    return min([rows, *least]) if rows is not None else None


def in_memory(module: Module, dataset: ast.expr, depth: int = _DEPTH) -> bool:
    """Tell whether a data set of PyTorch is known to hold rows of one size in memory."""
    made = origins(module, dataset) if depth > 0 else None
    return bool(made) and all(_is_in_memory(one.module, one.node, depth - 1) for one in made or ())


def _is_in_memory(module: Module, node: ast.expr, depth: int) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = qualified_name(module, node.func) or ""
    if name in {"torch.utils.data.TensorDataset", "torch.utils.data.dataset.TensorDataset"} or _torchvision(name):
        return True
    of_another = name in {*SPLITS, "torch.utils.data.Subset", "torch.utils.data.dataset.Subset"}
    return of_another and bool(node.args) and in_memory(module, node.args[0], depth)


def _torchvision(name: str) -> tuple[int, int] | None:
    home, _, last = name.rpartition(".")
    return _TORCHVISION_SETS.get(last) if home in {"torchvision.datasets", "torchvision.datasets.mnist"} else None


class _Rows:
    """One question. A name that is made from itself (`x = x / 255`) is what it is made from besides."""

    def __init__(self) -> None:
        self.visiting: set[ast.AST] = set()

    def of(self, module: Module, node: ast.expr, depth: int) -> int | None:  # noqa: PLR0911 - one for each kind
        if depth <= 0:
            return None
        match node:
            case ast.Name():
                return self._name(module, node, depth - 1)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                return self._slice(module, value, lower, upper, depth - 1)
            case ast.Subscript(value=value, slice=ast.Tuple(elts=[ast.Slice(lower=None, upper=None), *_])):
                return self.of(module, value, depth - 1)
            case ast.BinOp(left=left, right=right, op=ast.Div() | ast.Mult() | ast.Sub() | ast.Add()):
                found = [self.of(module, side, depth - 1) for side in (left, right)]
                written = [evaluate(module, side) is not None for side in (left, right)]
                return found[0] if written[1] else found[1] if written[0] else None
            case ast.List(elts=elements) if not any(isinstance(item, ast.Starred) for item in elements):
                return len(elements)
            case ast.Call():
                return self._call(module, node, depth - 1)
            case _:
                return None

    def _name(self, module: Module, name: ast.Name, depth: int) -> int | None:
        found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
        most: list[int] = []
        for binding in found:
            if binding.node in self.visiting:
                continue
            self.visiting.add(binding.node)
            try:
                if binding.value is not None and binding.kind.name == "VALUE":
                    rows = self.of(module, binding.value, depth)
                else:
                    rows = _unpacked(module, binding.node)
            finally:
                self.visiting.discard(binding.node)
            if rows is None:
                return None
            most.append(rows)
        return max(most, default=None)

    def _slice(
        self, module: Module, value: ast.expr, lower: ast.expr | None, upper: ast.expr | None, depth: int
    ) -> int | None:
        whole = self.of(module, value, depth)
        first = evaluate(module, lower) if lower is not None else Number(0)
        last = evaluate(module, upper) if upper is not None else None
        if not isinstance(first, Number) or first.value < 0:
            return whole
        if isinstance(last, Number) and last.value >= 0:
            rows = max(0, int(last.value - first.value))
            return rows if whole is None else min(rows, whole)
        return None if whole is None else max(0, whole - int(first.value))

    def _call(  # noqa: PLR0911 - one return for each kind of call
        self, module: Module, call: ast.Call, depth: int
    ) -> int | None:
        name = qualified_name(module, call.func) or ""
        if name in _BY_SHAPE and call.args:
            return _first_number(module, call.args[0])
        if name in _BY_SIZE:
            given = next((keyword.value for keyword in call.keywords if keyword.arg == "size"), None)
            place = _BY_SIZE[name]
            given = given or (call.args[place] if len(call.args) > place else None)
            return _first_number(module, given) if given is not None else None
        if name in _SAME_ROWS and call.args:
            return self.of(module, call.args[0], depth)
        images = _torchvision(name)
        if images is not None:
            part = argument_values(module, call, "train", 1, default=True)
            return images[0] if part == frozenset({True}) else images[1] if part == frozenset({False}) else max(images)
        if isinstance(call.func, ast.Attribute):
            if call.func.attr in _SAME_ROWS_METHODS:
                return self.of(module, call.func.value, depth)
            if call.func.attr in {"reshape", "view"} and call.args:
                return self._reshaped(module, call, depth)
        return None

    def _reshaped(self, module: Module, call: ast.Call, depth: int) -> int | None:
        assert isinstance(call.func, ast.Attribute)
        first = call.args[0].elts[0] if isinstance(call.args[0], ast.Tuple) and call.args[0].elts else call.args[0]
        number = evaluate(module, first)
        if isinstance(number, Number):
            return int(number.value) if number.value >= 0 else self.of(module, call.func.value, depth)
        own = module.segment(call.func.value)
        same = module.segment(first) in {f"len({own})", f"{own}.shape[0]", f"{own}.size(0)"}
        return self.of(module, call.func.value, depth) if same else None


def _first_number(module: Module, shape: ast.expr) -> int | None:
    first = shape.elts[0] if isinstance(shape, ast.Tuple | ast.List) and shape.elts else shape
    number = evaluate(module, first)
    return int(number.value) if isinstance(number, Number) and number.value > 0 else None


def _unpacked(module: Module, node: ast.AST) -> int | None:
    """`(x, y), (x_test, y_test) = keras.datasets.mnist.load_data()`: return the rows of one of these names."""
    parents = module.scopes.parent_of
    places: list[int] = []
    child, parent = node, parents.get(node)
    while isinstance(parent, ast.Tuple | ast.List) and isinstance(child, ast.expr):
        places.insert(0, parent.elts.index(child))
        child, parent = parent, parents.get(parent)
    if not isinstance(parent, ast.Assign) or not isinstance(parent.value, ast.Call) or child not in parent.targets:
        return None
    name = qualified_name(module, parent.value.func) or ""
    home, _, last = name.rpartition(".")
    sets, _, kind = home.rpartition(".")
    if last == "load_data" and sets in {"keras.datasets", "tensorflow.keras.datasets"} and kind in _KERAS_SETS:
        changed = parent.value.args or any(keyword.arg != "path" for keyword in parent.value.keywords)
        plain = not changed or kind in {"cifar100", "imdb"}  # label_mode, num_words: they change no number of rows
        return _KERAS_SETS[kind][places[0]] if plain and len(places) == 2 and places[0] < 2 else None
    if home == "sklearn.datasets" and last in _SKLEARN_SETS and len(places) == 1:
        return _SKLEARN_SETS[last]
    return None
