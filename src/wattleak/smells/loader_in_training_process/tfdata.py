"""TensorFlow: a tf.data map that works on one element at a time, and nothing prepares the next batch meanwhile.

TensorFlow itself maps several elements at a time, and prefetches, where the mapped function is stateless
(OptimizationOptions.map_parallelization and inject_prefetch, both on by default since TensorFlow 2.12). It cannot
where the function calls back into Python or draws from a random stream; of the others only an auditor is told.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Edit
from wattleak.smells.loader_in_training_process.case import Case
from wattleak.smells.loader_in_training_process.fitting import fit_calls, is_exceptional, neighbours, on_gpu
from wattleak.smells.loader_in_training_process.rewriting import drop_keywords, parallel_map_fix
from wattleak.source import flow
from wattleak.source.arguments import argument
from wattleak.source.calls import Site
from wattleak.source.learning import LoopRole, hot_loops
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.learning.memory import of_module
from wattleak.source.loaders import is_same_node, read_by
from wattleak.source.referents import Function, Instance, Method, Referent, name_of
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wattleak.source.module import Module

_PYTHON = frozenset({"tensorflow.py_function", "tensorflow.numpy_function", "tensorflow.compat.v1.py_func"})
_RANDOM = ("tensorflow.image.random_", "tensorflow.random.")
_NO_STATE = ("tensorflow.random.stateless_", "tensorflow.random.Generator", "tensorflow.random.experimental.")
_WORKING = (
    *("tensorflow.io.read_file", "tensorflow.io.decode_", "tensorflow.image.", "tensorflow.audio.decode_"),
    *("tensorflow.signal.", "tensorflow.io.parse_", "tensorflow.keras.preprocessing.", "tensorflow_io."),
)
_HOPS = 2

_WHY_UNSAFE = (
    "random numbers that the mapped function draws come in another order, and a Python function then runs in several "
    "threads at once"
)


def cases(module: Module) -> Iterator[Case]:
    """Yield every serial map with a stateful function in a pipeline that feeds a training on an accelerator."""
    if ".map(" not in module.text or "tensorflow" not in module.text:
        return
    for call in (node for node in walk(module.tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "map" or not call.args:
            continue
        parallel = argument(module, call, "num_parallel_calls", 1)
        if parallel is None or not parallel.is_absent or not _is_pipeline(module, call.func.value):
            continue
        if flow.runs_never(module, call) or is_exceptional(module, call):
            continue
        working = _search(module, call.args[0], _is_working, _HOPS)
        if working is None or not _trains_on_accelerator(module, call):
            continue
        stateful = _search(module, call.args[0], _is_stateful, _HOPS)
        reason = (
            f"{stateful} keeps TensorFlow from doing better by itself"
            if stateful is not None
            else f"{working} for each; TensorFlow before 2.12, or with its optimizations off, does no better by itself"
        )
        yield Case(
            call,
            f"map works on one element at a time and nothing is prefetched, so that the accelerator waits: {reason}",
            Confidence.LOW if stateful is None else Confidence.MEDIUM,
            parallel_map_fix(module, call, _WHY_UNSAFE),
        )


def _is_pipeline(module: Module, expression: ast.expr) -> bool:
    names = [name_of(one) or "" for one in resolved(module, expression) or ()]
    return bool(names) and all(name.startswith("tensorflow.data.") for name in names)


def _is_stateful(name: str) -> bool:
    return name in _PYTHON or (name.startswith(_RANDOM) and not name.startswith(_NO_STATE))


def _is_working(name: str) -> bool:
    return _is_stateful(name) or name.startswith(_WORKING)


def _search(module: Module, mapped: ast.expr, asked: Callable[[str], bool], hops: int) -> str | None:
    """Return the first call in a mapped function whose name is `asked` for; None: there is none, or nobody knows."""
    for referent in resolved(module, mapped) or ():
        if isinstance(referent, Function):
            found = _search_in(referent, asked, hops)
            if found is not None:
                return found
    return None


def _search_in(function: Function, asked: Callable[[str], bool], hops: int) -> str | None:
    home = function.module
    body = function.node.body if isinstance(function.node, ast.Lambda) else function.node
    nodes = [body, *own_nodes(body)] if isinstance(body, ast.expr) else list(own_nodes(body))
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        name = resolved_name(home, call.func)
        if name is None:
            continue
        if asked(name):
            return home.segment(call.func)
        inner = _search(home, call.func, asked, hops - 1) if hops else None
        if inner is not None:
            return inner
    return None


def _trains_on_accelerator(module: Module, call: ast.Call) -> bool:
    for home in neighbours(module):
        if any(is_same_node(site, Site(module, call)) for site in _maps_trained_on(home)):
            return on_gpu(module) or on_gpu(home)
    return False


@of_module
def _maps_trained_on(module: Module) -> list[Site]:
    """Return the map calls of the pipelines without prefetch that this module trains on."""
    read: list[ast.expr] = []
    for call in fit_calls(module):
        given = argument(module, call, "x", 0)
        read += [located.node for located in given.values if located.module is module] if given is not None else []
    for loop in hot_loops(module):
        if loop.role is LoopRole.TRAINING and isinstance(loop.node, ast.For):
            read += read_by(module, loop.node.iter)
    found: list[Site] = []
    for expression in read:
        known = resolved(module, expression)
        names = [name_of(referent) or "" for referent in known or ()]
        if names and all(name.startswith("tensorflow.data.") and ".prefetch" not in name for name in names):
            found += [site for referent in known or () for site in _maps(referent)]
    return found


def _maps(referent: Referent | None) -> Iterator[Site]:
    """Yield the map calls of a chain of methods, last first."""
    while isinstance(referent, Instance) and isinstance(referent.of, Method):
        if referent.of.name == "map" and referent.call is not None:
            yield Site(referent.module, referent.call)
        referent = referent.of.owner


def injected(module: Module, call: ast.Call) -> tuple[Edit, ...]:
    """Return the edits that make a pipeline work on one element at a time, and prefetch nothing."""
    if not isinstance(call.func, ast.Attribute) or not _is_pipeline(module, call.func.value):
        return ()
    if call.func.attr == "map":
        return drop_keywords(module, call, {"num_parallel_calls", "deterministic"})
    if call.func.attr == "prefetch":
        inner, whole = module.span(call.func.value), module.span(call)
        return (Edit(inner.end_line, inner.end_column, whole.end_line, whole.end_column, ""),)
    return ()
