"""The places of a program where one call is given a number of jobs, workers or threads of its own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.smells.unnecessary_parallelism.sites import SPINS, Site, library_name
from wattleak.source.arguments import argument
from wattleak.source.calls import Located
from wattleak.source.names import dotted_name
from wattleak.source.referents import Expression
from wattleak.source.resolving import referents
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_JOBS = "jobs that find no CPU wait for one another, and each takes memory"
_WORKERS = "each worker is a process with memory of its own, and PyTorch itself warns of more of them than CPUs"
_QUEUE = "workers that find no CPU wait for one another, and each takes memory"


class _Kind(NamedTuple):
    """How a family of libraries calls the number."""

    names: tuple[str, ...]
    noun: str
    cost: str
    spins: bool = False
    position: int | None = None


_LOADER = _Kind(("num_workers",), "workers", _WORKERS, position=5)
_FIT = _Kind(("workers",), "workers", _QUEUE)

_FAMILIES: tuple[tuple[str, _Kind], ...] = (
    ("sklearn.", _Kind(("n_jobs",), "jobs", _JOBS)),
    ("lightgbm.", _Kind(("n_jobs", "num_threads", "num_thread", "nthread", "nthreads"), "threads", SPINS, spins=True)),
    ("torch.utils.data.DataLoader", _LOADER),
    ("torch.utils.data.dataloader.DataLoader", _LOADER),
    ("torch_geometric.loader.", _Kind(("num_workers",), "workers", _WORKERS)),
)
"""Beginning of a dotted name -> its parameter. XGBoost (3.4) and CatBoost (1.2) cut their numbers down to the CPUs."""

_KERAS = ("keras.", "tensorflow.keras.", "tensorflow.compat.v1.keras.", "tf_keras.", "tensorflow.python.keras.")
_FITS = frozenset({"fit", "fit_generator", "evaluate", "evaluate_generator", "predict", "predict_generator"})
_TRAINERS = frozenset({"lightgbm.train", "lightgbm.cv"})  # a dict of parameters is first

_ROOTS = frozenset({"sklearn", "lightgbm"})
_CHANGES = frozenset({"update", "setdefault", "pop", "popitem", "clear"})

_NAMES = frozenset(name for _, kind in (*_FAMILIES, ("", _FIT)) for name in kind.names)
_WORDS = _NAMES | {"DataLoader"}  # which takes it by position too


def job_sites(module: Module) -> Iterator[Site]:
    """Yield every number of jobs that a call is given, in no particular order.

    A number that is given by way of a dict is at the place where the dict says it, if that is in this file; else at the
    call.
    """
    words = _WORDS if "**" not in module.text else _WORDS | _ROOTS  # of a dict, the words may be in another file
    if not any(word in module.text for word in words):
        return
    for call in walk(module.tree):
        if not isinstance(call, ast.Call) or not _may_be(module, call):
            continue
        name = library_name(module, call.func)
        kind = None if name is None else kind_of(name)
        if name is None or kind is None:
            continue
        for word in kind.names:
            located = number_of(module, call, name, word)
            if located is not None:
                is_here = located.node in module.scopes.scope_of
                node, number = (located.node, None) if is_here else (call.func, located)
                setter = f"{word} of {_short(name)}"
                yield Site(node, setter, kind.cost, noun=kind.noun, spins=kind.spins, number=number)


def kind_of(name: str) -> _Kind | None:
    """Return how what has that dotted name calls its number of jobs; None: it has none that is known."""
    if name.startswith(_KERAS) and name.rpartition(".")[2] in _FITS:
        return _FIT
    return next((kind for beginning, kind in _FAMILIES if name.startswith(beginning)), None)


def number_of(module: Module, call: ast.Call, name: str, word: str) -> Located | None:
    """Return the expression that a call gives for its number of jobs; None: none, several, or not known."""
    if name in _TRAINERS and call.args:
        return _entry(module, call.args[0], word)
    kind = kind_of(name)
    found = argument(module, call, word, kind.position if kind else None)
    if found is None or len(found.values) != 1 or found.may_be_absent:
        return None
    return found.values[0]


def _short(name: str) -> str:
    """`DataLoader`, `lightgbm.train`: functions and methods with what they belong to."""
    *_, owner, last = name.split(".")
    return last if last[:1].isupper() else f"{owner}.{last}"


def _entry(module: Module, parameters: ast.expr, word: str) -> Located | None:
    """Return what a dict of parameters says about `word`, if the dict is written out and never changed."""
    known = referents(module, parameters)
    match next(iter(known)) if known is not None and len(known) == 1 else None:
        case Expression(module=home, node=ast.Dict(keys=keys, values=values) as made) if None not in keys:
            if _is_changed(home, made):
                return None
            named = [value for key, value in zip(keys, values, strict=True) if key and _says(key, word)]
            return Located(home, named[-1]) if named else None
        case _:
            return None


def _says(key: ast.expr, word: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == word


def _is_changed(home: Module, made: ast.Dict) -> bool:
    """Tell whether something is put into a dict, or taken out of it, under the name that it is given."""
    parent = home.scopes.parent_of.get(made)
    if not isinstance(parent, ast.Assign | ast.AnnAssign):
        return False
    target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
    if not isinstance(target, ast.Name):
        return True
    for node in home.mentions.get(target.id, ()):
        above = home.scopes.parent_of.get(node)
        if isinstance(above, ast.Attribute) and above.attr in _CHANGES:
            return True
        if isinstance(above, ast.Subscript) and not isinstance(above.ctx, ast.Load):
            return True
    return False


def _may_be(module: Module, call: ast.Call) -> bool:
    """Tell whether the project should be asked about a call: that takes long."""
    if any(keyword.arg is None or keyword.arg in _NAMES for keyword in call.keywords):
        return True
    if len(call.args) > (_LOADER.position or 0):
        return (dotted_name(module, call.func) or "").endswith("DataLoader")
    return bool(call.args) and dotted_name(module, call.func) in _TRAINERS
