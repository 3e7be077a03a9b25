"""What a model is fed with: whether that is cut into batches already, and by which call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.arguments import argument, values
from wattleak.source.calls import Site
from wattleak.source.learning import Framework, frameworks, is_model
from wattleak.source.loaders import PYTORCH_LOADERS, is_same_node, makes_pytorch_loader, origins
from wattleak.source.referents import Function, Instance, Library, Method, name_of
from wattleak.source.resolving import is_a, qualified_name, qualified_names, referents
from wattleak.source.scopes import Kind
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.referents import Referent

_KERAS = ("keras.", "tensorflow.keras.", "tf_keras.")
_TAKE_BATCHES = frozenset({"fit", "evaluate", "predict"})

_SOURCES = tuple(
    f"{home}.{name}"
    for home in ("tensorflow.data", "tensorflow.compat.v1.data", "tensorflow.compat.v2.data")
    for name in (
        *("Dataset.from_tensor_slices", "Dataset.from_tensors", "Dataset.from_generator", "Dataset.range"),
        *("Dataset.zip", "Dataset.list_files", "TFRecordDataset", "TextLineDataset", "FixedLengthRecordDataset"),
        *("experimental.make_csv_dataset", "experimental.CsvDataset", "Dataset.sample_from_datasets"),
    )
)
_READY_MADE = frozenset(
    f"{home}.{name}"
    for home in ("keras.utils", "keras.preprocessing", "tensorflow.keras.utils", "tensorflow.keras.preprocessing")
    for name in (
        *("image_dataset_from_directory", "text_dataset_from_directory", "audio_dataset_from_directory"),
        "timeseries_dataset_from_array",
    )
)
_KEEP = frozenset(
    {
        *("batch", "padded_batch", "ragged_batch", "rebatch", "unbatch", "shuffle", "map", "prefetch", "cache"),
        *("repeat", "take", "skip", "filter", "with_options", "enumerate", "interleave", "flat_map", "concatenate"),
        *("shard", "apply", "ignore_errors", "snapshot", "zip", "choose_from_datasets", "window"),
    }
)
"""Methods of tf.data.Dataset that give a tf.data.Dataset (TensorFlow 2.21)."""
_CUT = frozenset({"batch", "padded_batch", "ragged_batch", "rebatch"})

_SEQUENCES = frozenset(
    {
        *("keras.utils.Sequence", "tensorflow.keras.utils.Sequence", "tf_keras.utils.Sequence"),
        *("keras.utils.PyDataset", "tensorflow.keras.utils.PyDataset"),
    }
)
_FLOWS = (
    "preprocessing.image.ImageDataGenerator.flow",
    "preprocessing.image.ImageDataGenerator.flow_from_directory",
    "preprocessing.image.ImageDataGenerator.flow_from_dataframe",
)


class Batched(NamedTuple):
    """Data that comes in batches: what it is, and the calls that cut it, where they are known."""

    kind: str
    cuts: tuple[Site, ...]


def keras_method(module: Module, call: ast.Call) -> str | None:
    """Return "fit", "evaluate" or "predict" when `call` is that method of a Keras model; None: not known to be."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _TAKE_BATCHES:
        return None
    names = qualified_names(module, call.func)
    if names is None:
        # Nobody in the project makes it, and what is done with it tells: compile(optimizer=...), fit, summary.
        spoken = frameworks(module) & {Framework.KERAS, Framework.TENSORFLOW}
        return call.func.attr if spoken and is_model(module, call.func.value) else None
    known = names and all(name.startswith(_KERAS) and name.endswith(f".{call.func.attr}") for name in names)
    return call.func.attr if known else None


def makes_loader(module: Module, call: ast.Call) -> bool:
    """Tell whether `call` makes a DataLoader of PyTorch; only calls that are named like one are looked at."""
    if "DataLoader" not in module.text or not (call.args or call.keywords):
        return False
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    named = {alias.asname or alias.name for node in module.froms for alias in node.names if alias.name == "DataLoader"}
    return last in {"DataLoader", *named} and makes_pytorch_loader(module, call)


def size_values(module: Module, call: ast.Call, position: int, default: object = None) -> frozenset[object] | None:
    """Return every batch size that a call may give, `default` where it gives none; None: it is not known.

    What a function is given by its callers, and what an object holds, is not known here: it mostly comes from a command
    line, and to find that out takes long.
    """
    given = argument(module, call, "batch_size", position)
    if given is None:
        return None
    found: set[object] = {default} if given.may_be_absent else set()
    for located in given.values:
        known = values(located.module, located.node) if _is_near(located.module, located.node) else None
        if known is None:
            return None
        found |= known
    return frozenset(found)


def _is_near(module: Module, node: ast.expr) -> bool:
    base = node.value if isinstance(node, ast.Attribute) else node
    if not isinstance(base, ast.Name):
        return not any(isinstance(inner, ast.Attribute | ast.Name | ast.Call) for inner in walk(base))
    found = module.scopes.bindings(base.id, module.scopes.scope_of[base])
    if isinstance(node, ast.Attribute):
        return bool(found) and all(binding.kind in {Kind.IMPORT, Kind.CLASS} for binding in found)
    return all(not isinstance(binding.node, ast.arg) for binding in found)


def batched(module: Module, expression: ast.expr) -> Batched | None:
    """Return what is known about data that comes in batches of its own; None: it may be something else."""
    if _is_generator(module, expression):
        return Batched("a generator", ())
    made = origins(module, expression)
    if not made:
        return _named_generator(module, expression)
    kinds: set[str | None] = set()
    cuts: list[Site] = []
    for home, node in made:
        if _is_generator(home, node):
            kinds.add("a generator")
            continue
        for referent in referents(home, node) or ():
            kinds.add(_kind(referent))
            cuts += [site for site in _cuts(referent) if not any(is_same_node(site, one) for one in cuts)]
    kind = kinds.pop() if len(kinds) == 1 else None
    return None if kind is None else Batched(kind, tuple(cuts))


def dataset_root(referent: Referent) -> Site | None:
    """Return the call at the beginning of a chain of tf.data: `from_tensor_slices(...)`."""
    here: Referent = referent
    while isinstance(here, Instance):
        if isinstance(here.of, Library):
            return Site(here.module, here.call) if here.call is not None else None
        if not isinstance(here.of, Method):
            return None
        here = here.of.owner
    return None


def chain(referent: Referent) -> Iterator[tuple[str, Site]]:
    """Yield the methods of a chain of tf.data with their calls, last first."""
    here: Referent = referent
    while isinstance(here, Instance) and isinstance(here.of, Method):
        if here.call is not None:
            yield here.of.name, Site(here.module, here.call)
        here = here.of.owner


def is_dataset(referent: Referent) -> bool:
    """Tell whether this is known to be a tf.data.Dataset."""
    root = dataset_root(referent)
    if root is None:
        return False
    name = qualified_name(root.module, root.call.func)
    return name in {*_SOURCES, *_READY_MADE} and all(method in _KEEP for method, _ in chain(referent))


def is_loader(referent: Referent) -> bool:
    """Tell whether this is known to be a DataLoader of PyTorch."""
    return isinstance(referent, Instance) and is_a(referent, PYTORCH_LOADERS) is True


def _kind(referent: Referent) -> str | None:
    if is_loader(referent):
        return "a DataLoader"
    if is_dataset(referent):
        return "a tf.data.Dataset"
    if isinstance(referent, Instance) and is_a(referent, _SEQUENCES) is True:
        return "a Sequence"
    name = name_of(referent)
    if name is not None and name.endswith(_FLOWS):
        return "an iterator over batches"
    return None


def _cuts(referent: Referent) -> Iterator[Site]:
    if is_loader(referent) and isinstance(referent, Instance) and referent.call is not None:
        yield Site(referent.module, referent.call)
        return
    for method, site in chain(referent):
        if method in _CUT:
            yield site
            return
        if method == "unbatch":
            return


def _named_generator(module: Module, expression: ast.expr) -> Batched | None:
    """`rows = read()` where `read` yields."""
    if not isinstance(expression, ast.Name):
        return None
    found = module.scopes.bindings(expression.id, module.scopes.scope_of[expression])
    made = [binding.value for binding in found]
    if made and all(value is not None and _is_generator(module, value) for value in made):
        return Batched("a generator", ())
    return None


def _is_generator(module: Module, expression: ast.expr) -> bool:
    if isinstance(expression, ast.GeneratorExp):
        return True
    known = referents(module, expression.func) if isinstance(expression, ast.Call) else None
    return bool(known) and all(isinstance(one, Function) and _yields(one) for one in known or ())


def _yields(function: Function) -> bool:
    if isinstance(function.node, ast.Lambda | ast.AsyncFunctionDef) or function.node.decorator_list:
        return False
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(function.node))
