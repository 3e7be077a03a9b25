"""Batches of one row, where the rows lie in memory and nothing speaks for it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Fix, Persona, Severity
from wattleak.smells.minibatch_mismatch.feeding import Feeds, feeds, updates
from wattleak.smells.minibatch_mismatch.inputs import (
    batched,
    dataset_root,
    is_dataset,
    keras_method,
    makes_loader,
    size_values,
)
from wattleak.smells.minibatch_mismatch.rewriting import can_stand_at, replaced, with_keyword
from wattleak.smells.minibatch_mismatch.sizes import in_memory, most_rows
from wattleak.smells.minibatch_mismatch.suspicion import Suspicion
from wattleak.source.arguments import argument, argument_values, values
from wattleak.source.calls import repetitions
from wattleak.source.edits import still_parses
from wattleak.source.learning import LoopRole, hot_loops
from wattleak.source.resolving import qualified_name, referents
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

ROWS = re.compile(r"randperm\(.*\)\.split\(")
_START = "64"  # rows: where a search for a good size can start
_ROW_BY_ROW = ("stateful", "gym", "replay", "perf_counter", "timeit", "latency", "benchmark")
"""Words of programs in which one row at a time may be what is wanted."""
_WHY = "another batch size means another number of updates, so the accuracy can change, and the learning rate may too"


def single(module: Module) -> Iterator[Suspicion]:
    """Yield every batch of one row."""
    words = any(word in module.text for word in ("DataLoader", ".batch(", "batch_size", ".split("))
    if not words or any(word in module.text for word in _ROW_BY_ROW):
        return
    for call in walk(module.tree):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Attribute) and call.func.attr == "batch":
            yield from _dataset(module, call)
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "fit":
            yield from _fit(module, call)
        elif makes_loader(module, call):
            yield from _loader(module, call)
    yield from _split_into_rows(module)


def _split_into_rows(module: Module) -> Iterator[Suspicion]:
    """`for rows in torch.randperm(n).split(1):`, around a training step."""
    if not ROWS.search(module.text):
        return
    for loop in hot_loops(module):
        if loop.role is not LoopRole.TRAINING or not isinstance(loop.node, ast.For):
            continue
        size = split_size(loop.node)
        if size is None or values(module, size) != frozenset({1}) or updates(module, loop.node) is not Feeds.UPDATE:
            continue
        yield Suspicion(
            size,
            "the rows are split into pieces of 1: every row is an update of its own, with all its overhead",
            Severity.WARNING,
            Confidence.MEDIUM,
            _replacing(module, size, _START),
        )


def split_size(loop: ast.For) -> ast.expr | None:
    """Return the size of the pieces that a loop runs over, in `torch.randperm(n).split(size)`; None: it does not."""
    match loop.iter:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="randperm")), attr="split"), args=[size]
        ):
            return size
        case _:
            return None


def _loader(module: Module, call: ast.Call) -> Iterator[Suspicion]:
    if size_values(module, call, 1, default=1) != frozenset({1}):
        return
    for name, position in (("batch_sampler", 4), ("collate_fn", 6)):
        if argument_values(module, call, name, position) != frozenset({None}):
            return
    dataset = argument(module, call, "dataset", 0)
    if dataset is None or len(dataset.values) != 1:
        return
    rows = dataset.values[0]
    known = in_memory(rows.module, rows.node)
    given = argument(module, call, "batch_size", 1)
    forgotten = given is not None and given.is_absent
    if not known and forgotten:
        return  # a data set of one's own may give whole batches: then a loader without batch_size is half right
    if known and most_rows(rows.module, rows.node) == 1:
        return
    use = feeds(module, call)
    if use is None or use is Feeds.UNKNOWN:
        return
    size = "batch_size is not given, and is 1 then" if forgotten else "batch_size is 1"
    node = _written(call, 1) or call
    if use is Feeds.EVALUATION:
        what = f"{size}: the model runs once for every row, though no gradient depends on the size of a batch here"
        severity = Severity.INFO
    elif use is Feeds.ACCUMULATION:
        what = f"{size}, and several batches are summed to one update: larger batches give the same update in one pass"
        severity = Severity.INFO
    else:
        what = f"{size}: every row is an update of its own, with all its overhead"
        severity = Severity.WARNING
    if known:
        yield Suspicion(node, what, severity, Confidence.MEDIUM, _loader_fix(module, call, node))
    else:
        yield Suspicion(node, what, Severity.INFO, Confidence.LOW, persona=Persona.AUDITOR)


def _dataset(module: Module, call: ast.Call) -> Iterator[Suspicion]:
    if size_values(module, call, 0) != frozenset({1}):
        return
    known = referents(module, call)
    if not known or not all(is_dataset(one) for one in known):
        return
    roots = [dataset_root(one) for one in known]
    slices = "tensorflow.data.Dataset.from_tensor_slices"
    if not all(root is not None and qualified_name(root.module, root.call.func) == slices for root in roots):
        return
    use = feeds(module, call)
    if use not in {Feeds.UPDATE, Feeds.ACCUMULATION}:
        return
    node = _written(call, 0) or call
    yield Suspicion(
        node,
        "the data set is cut into batches of 1: every row is a step of its own, with all its overhead",
        Severity.WARNING if use is Feeds.UPDATE else Severity.INFO,
        Confidence.MEDIUM,
        _replacing(module, node, _START) if node is not call else None,
    )


def _fit(module: Module, call: ast.Call) -> Iterator[Suspicion]:
    if size_values(module, call, 2) != frozenset({1}) or keras_method(module, call) != "fit":
        return
    data = argument(module, call, "x", 0)
    if data is None or not data.values or any(_is_no_set(one.module, one.node) for one in data.values):
        return
    if repetitions(module, call):
        return  # one row after the other, as it comes: reinforcement or online learning
    node = _written(call, 2)
    given = node or _in_dict(module, call)
    yield Suspicion(
        node or call.func,
        "batch_size is 1: every row is an update of its own, with all its overhead",
        Severity.WARNING,
        Confidence.MEDIUM,
        None if given is None else _replacing(module, given, _START),
    )


def _in_dict(module: Module, call: ast.Call) -> ast.expr | None:
    """Return the batch size of `fit(x, y, **settings)`, where the dict is written in the same file."""
    given = argument(module, call, "batch_size", 2)
    if given is None or len(given.values) != 1 or given.values[0].module is not module:
        return None
    return given.values[0].node


def _is_no_set(module: Module, data: ast.expr) -> bool:
    """Tell whether this comes in batches of its own, or is a single row."""
    if batched(module, data) is not None or isinstance(data, ast.List | ast.Tuple):
        return True
    return most_rows(module, data) == 1


def _written(call: ast.Call, position: int) -> ast.expr | None:
    """Return the batch size that is written in the call itself."""
    keyword = next((item.value for item in call.keywords if item.arg == "batch_size"), None)
    return keyword or (call.args[position] if len(call.args) > position else None)


def _loader_fix(module: Module, call: ast.Call, node: ast.expr) -> Fix | None:
    """Ask for the size that the program is told, or that another loader beside this one has; else for one to begin."""
    asked = _told(module, call) or _beside(module, call, node)
    size = asked or _START
    title = f"use {asked} as the batch size" if asked else f"begin with batches of {_START}"
    if node is not call:
        return _replacing(module, node, size, title)
    edit = with_keyword(module, call, "batch_size", size)
    if edit is None or not still_parses(module, (edit,)):
        return None
    return Fix(title, safe=False, edits=(edit,), why_unsafe=_WHY)


def _told(module: Module, call: ast.Call) -> str | None:
    """Return `arguments.batch`, where the command line has such an option and the function its values."""
    options = {
        str(word.value).lstrip("-").replace("-", "_")
        for made in walk(module.tree)
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr == "add_argument"
        for word in made.args
        if isinstance(word, ast.Constant) and str(word.value).startswith("--batch")
    } & {"batch", "batch_size", "batchsize"}
    if len(options) != 1:
        return None
    scope = module.scopes.scope_of[call]
    for name, found in scope.bindings.items():
        values_of = [binding.value for binding in found]
        parsed = all(
            isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "parse_args"
            for value in values_of
        )
        if parsed and all(getattr(binding.node, "lineno", call.lineno) < call.lineno for binding in found):
            return f"{name}.{next(iter(options))}"
    return None


def _beside(module: Module, call: ast.Call, node: ast.expr) -> str | None:
    """Return the size of another loader of the same function, where it means the same here."""
    for other in walk(module.tree):
        if not isinstance(other, ast.Call) or other is call or not makes_loader(module, other):
            continue
        theirs = _written(other, 1)
        if theirs is None or values(module, theirs) == frozenset({1}) or not can_stand_at(module, theirs, node):
            continue
        if module.scopes.scope_of[other] is module.scopes.scope_of[call]:
            return module.segment(theirs)
    return None


def _replacing(module: Module, node: ast.expr, size: str, title: str | None = None) -> Fix | None:
    if values(module, node) != frozenset({1}) or not isinstance(node, ast.Constant):
        return None  # a name: what else it is for is not known
    edits = (replaced(module, node, size),)
    return Fix(title or f"begin with batches of {size}", safe=False, edits=edits, why_unsafe=_WHY)
