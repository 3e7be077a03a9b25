"""`batch_size` given to Keras together with data that comes in batches of its own: Keras does not look at it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Fix, Severity
from wattleak.smells.minibatch_mismatch.inputs import batched, keras_method
from wattleak.smells.minibatch_mismatch.rewriting import can_stand_at, replaced, without
from wattleak.smells.minibatch_mismatch.suspicion import Suspicion
from wattleak.source.arguments import argument, values
from wattleak.source.edits import still_parses
from wattleak.source.resolving import qualified_name
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.smells.minibatch_mismatch.inputs import Batched
    from wattleak.source.calls import Located, Site
    from wattleak.source.module import Module

_POSITION = {"fit": 2, "evaluate": 2, "predict": 1}


def ignored(module: Module) -> Iterator[Suspicion]:
    """Yield every batch size that Keras does not look at."""
    said = any(word in module.text for word in ("batch_size", "keras", "tensorflow"))
    if not said or not any(f".{name}(" in module.text for name in _POSITION):
        return
    for call in walk(module.tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr not in _POSITION or not _may_give_size(call):
            continue
        data = _data(module, call)
        method = keras_method(module, call) if data else None
        given = argument(module, call, "batch_size", _POSITION[method]) if method else None
        if method is None or data is None or given is None or given.may_be_absent or not given.values:
            continue
        sizes = [values(located.module, located.node) for located in given.values]
        if any(size is not None and None in size for size in sizes):
            continue  # batch_size=None asks for nothing
        yield _suspicion(module, call, method, data, given.values)


def _may_give_size(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    if not any(keyword.arg in {"batch_size", None} for keyword in call.keywords):
        return len(call.args) > _POSITION[call.func.attr]
    # With labels beside them these are arrays.
    labels = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "y")]
    return call.func.attr == "predict" or all(isinstance(each, ast.Constant) for each in labels)


def _data(module: Module, call: ast.Call) -> Batched | None:
    """Return what the data of a call are, where every possibility comes in batches of the same kind."""
    given = argument(module, call, "x", 0)
    if given is None or given.may_be_absent or not given.values:
        return None
    found = [batched(located.module, located.node) for located in given.values]
    kinds = {data.kind for data in found if data is not None}
    if None in found or len(kinds) != 1:
        return None
    cuts = dict.fromkeys(site for data in found if data is not None for site in data.cuts)
    first = found[0]
    assert first is not None
    return first._replace(cuts=tuple(cuts))


def _suspicion(module: Module, call: ast.Call, method: str, data: Batched, given: tuple[Located, ...]) -> Suspicion:
    own = next((keyword.value for keyword in call.keywords if keyword.arg == "batch_size"), None)
    size = size_of_cut(data.cuts[0]) if len(data.cuts) == 1 else None
    first = given[0]
    asked = f"batch_size={first.module.segment(first.node)}" if len(given) == 1 else "batch_size"
    what = module.segment(call.args[0]) if call.args else "the data"
    shown = what if len(what) <= 40 and "\n" not in what else "its input"
    cut = f"cut into batches of {_written(size)} already" if size else "which comes in batches of its own"
    same = size is not None and len(given) == 1 and _is_same(first, size)
    return Suspicion(
        node=own if own is not None else call,
        message=f"{method} does not look at {asked}: {shown} is {data.kind}, {cut} (Keras 2 raises an error)",
        severity=Severity.INFO if same or method != "fit" else Severity.WARNING,
        fix=_fix(module, call, own, data, same=same),
    )


def size_of_cut(site: Site) -> Located | None:
    """Return the size that `batch(n)` or `DataLoader(..., batch_size=n)` gives; None: none is written, or several."""
    is_method = isinstance(site.call.func, ast.Attribute) and site.call.func.attr.endswith("batch")
    given = argument(site.module, site.call, "batch_size", 0 if is_method else 1)
    if given is None or given.may_be_absent or len(given.values) != 1:
        return None
    return given.values[0]


def _written(size: Located) -> str:
    known = values(size.module, size.node)
    if known is not None and len(known) == 1:
        return str(next(iter(known)))
    return " ".join(size.module.segment(size.node).split())[:40]


def _is_same(asked: Located, size: Located) -> bool:
    one, other = values(asked.module, asked.node), values(size.module, size.node)
    if one is not None and other is not None:
        return one == other and len(one) == 1
    if asked.module is not size.module:
        name = qualified_name(asked.module, asked.node)
        return name is not None and name == qualified_name(size.module, size.node)
    return ast.dump(asked.node) == ast.dump(size.node)


def _fix(module: Module, call: ast.Call, own: ast.expr | None, data: Batched, *, same: bool) -> Fix | None:
    removal = without(module, call, "batch_size")
    if removal is None or own is None:
        return None
    moved = None if same or len(data.cuts) != 1 else _moved(module, own, data.cuts[0])
    if moved is not None and still_parses(module, (moved, removal)):
        return Fix(
            title=f"cut the data into batches of {module.segment(own)}",
            safe=False,
            edits=(moved, removal),
            why_unsafe="another batch size means another number of updates, so the accuracy can change",
        )
    if not still_parses(module, (removal,)):
        return None
    return Fix(title="remove the batch_size that Keras does not look at", safe=True, edits=(removal,))


def _moved(module: Module, own: ast.expr, cut: Site) -> Edit | None:
    size = size_of_cut(cut)
    if size is None or cut.module is not module or size.module is not module:
        return None
    written = [*cut.call.args, *(keyword.value for keyword in cut.call.keywords)]
    if not any(size.node is argument_ for argument_ in written) or not can_stand_at(module, own, size.node):
        return None
    return replaced(module, size.node, module.segment(own))
