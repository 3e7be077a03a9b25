"""Keras: a PyDataset with fewer than two workers, whose batches are made in the process that trains."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Confidence
from wattleak.smells.loader_in_training_process import work
from wattleak.smells.loader_in_training_process.case import Case
from wattleak.smells.loader_in_training_process.fitting import fit_calls, is_exceptional, neighbours, on_gpu
from wattleak.smells.loader_in_training_process.rewriting import keras_fix
from wattleak.source import flow
from wattleak.source.arguments import argument, argument_values
from wattleak.source.calls import Site
from wattleak.source.learning.asking import resolved
from wattleak.source.learning.memory import of_module
from wattleak.source.loaders import is_same_node, origins
from wattleak.source.referents import Class
from wattleak.source.resolving import is_a
from wattleak.source.standing import enclosing_class
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Fix
    from wattleak.source.module import Module

PYDATASETS = frozenset(
    f"{home}utils.{name}"
    for home in ("keras.", "tensorflow.keras.", "tf_keras.", "keras.src.")
    for name in ("PyDataset", "Sequence", "data_utils.Sequence")
)

_WHY_UNSAFE = (
    "__getitem__ then runs in several threads at once, and random numbers that it draws from one stream come in "
    "another order; where it is Python code that holds the interpreter, use_multiprocessing=True is needed too"
)


def cases(module: Module) -> Iterator[Case]:
    """Yield every PyDataset without a second worker that feeds a fit on an accelerator."""
    names = _pydatasets(module)
    if not names:
        return
    for call in (node for node in walk(module.tree) if isinstance(node, ast.Call)):
        written = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if written not in names:
            continue
        owner = _owner(module, call)
        if owner is None or not _has_one_worker(owner, module, call):
            continue
        if flow.runs_never(module, call) or is_exceptional(module, call):
            continue
        found = work.of_class(owner, module, call)
        if found is None or found.weight is work.Weight.SLIGHT or not _is_fitted_on_accelerator(module, call):
            continue
        yield Case(
            call,
            f"{owner.node.name} has one worker: {found.what} for every sample in the process that trains, while the "
            "accelerator waits",
            Confidence.MEDIUM,
            _fix(owner, module, call),
        )


def _pydatasets(module: Module) -> frozenset[str]:
    """Return what the classes that inherit from PyDataset are called, in all scanned files and in what they import."""
    if "keras" not in module.text and "PyDataset" not in module.text:
        return frozenset()
    names: set[str] = set()
    for word in ("PyDataset", "Sequence"):
        for home in (module, *module.home.mentioning(word)):
            names |= _classes(home)
    return frozenset(names)


@of_module
def _classes(module: Module) -> frozenset[str]:
    if "PyDataset" not in module.text and "Sequence" not in module.text:
        return frozenset()
    return frozenset(
        node.name
        for node in walk(module.tree)
        if isinstance(node, ast.ClassDef) and is_a(Class(module, node), PYDATASETS) is True
    )


def _owner(module: Module, call: ast.Call) -> Class | None:
    known = resolved(module, call.func)
    owner = next(iter(known)) if known is not None and len(known) == 1 else None
    return owner if isinstance(owner, Class) and is_a(owner, PYDATASETS) is True else None


# -- how many workers ----------------------------------------------------------------------------------------------


def _has_one_worker(owner: Class, module: Module, call: ast.Call) -> bool:
    if "workers" in owner.module.scopes.stored_attributes or "workers" in module.scopes.stored_attributes:
        return False  # `batches.workers = 4`
    place = workers_place(owner, module, call)
    if place is None:
        return False
    number = argument_values(place.module, place.call, "workers", 0 if place.call is not call else None, default=1)
    many = argument_values(place.module, place.call, "use_multiprocessing", default=False)
    return number is not None and number <= {0, 1} and many is not None and True not in many


def workers_place(owner: Class, module: Module, call: ast.Call) -> Site | None:
    """Return the call that gives PyDataset.__init__ its arguments: that of the class, or super().__init__ inside it."""
    initial = next(
        (item for item in owner.node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None
    )
    if initial is None:
        return Site(module, call)
    found = [
        node
        for node in walk(initial)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and isinstance(node.func.value, ast.Call)
        and getattr(node.func.value.func, "id", "") == "super"
    ]
    if len(found) != 1:
        return None
    own = initial.args.kwarg.arg if initial.args.kwarg is not None else None
    splats = [keyword.value for keyword in found[0].keywords if keyword.arg is None]
    if not splats:
        return Site(owner.module, found[0])
    plain = len(found[0].keywords) == 1 and not found[0].args
    through = plain and isinstance(splats[0], ast.Name) and splats[0].id == own
    return Site(module, call) if through else None


# -- who trains on it ----------------------------------------------------------------------------------------------


def _is_fitted_on_accelerator(module: Module, call: ast.Call) -> bool:
    for home in neighbours(module):
        if any(is_same_node(site, Site(module, call)) for site in _fitted(home)):
            return on_gpu(module) or on_gpu(home)
    return False


@of_module
def _fitted(module: Module) -> list[Site]:
    """Return the calls that make what the fits of this module train on."""
    found = []
    for call in fit_calls(module):
        if any(keyword.arg in {"workers", "use_multiprocessing"} for keyword in call.keywords):
            continue  # Keras 2 took them here
        given = argument(module, call, "x", 0) or argument(module, call, "generator", 0)
        for located in given.values if given is not None else ():
            made = origins(located.module, located.node) or ()
            found += [Site(home, node) for home, node in made if isinstance(node, ast.Call)]
    return found


def _fix(owner: Class, module: Module, call: ast.Call) -> Fix | None:
    place = workers_place(owner, module, call)
    if place is None or place.module is not module:
        return None
    if place.call is not call and place.call.args:
        return None  # a number of workers by position
    return keras_fix(module, place.call, "workers", _WHY_UNSAFE)


def takes_workers(module: Module, call: ast.Call) -> bool:
    """Tell whether `call` gives a PyDataset the number of its workers: the class itself, or its super().__init__."""
    if _owner(module, call) is not None:
        return True
    around = enclosing_class(module, call)
    is_super = isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"
    return is_super and around is not None and is_a(Class(module, around), PYDATASETS) is True
