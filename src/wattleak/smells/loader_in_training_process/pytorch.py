"""PyTorch: a DataLoader without workers whose samples are made in the process that trains."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Confidence
from wattleak.smells.loader_in_training_process import work
from wattleak.smells.loader_in_training_process.case import Case
from wattleak.smells.loader_in_training_process.fitting import fit_calls, is_exceptional, neighbours
from wattleak.smells.loader_in_training_process.rewriting import workers_fix
from wattleak.source import flow
from wattleak.source.arguments import argument, argument_values
from wattleak.source.calls import Site
from wattleak.source.learning import LoopRole, hot_loops, on_accelerator
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.learning.memory import of_module
from wattleak.source.loaders import is_same_node, knows_length, makes_pytorch_loader, pytorch_loaders, read_by
from wattleak.source.referents import Class, Function
from wattleak.source.resolving import is_a
from wattleak.source.standing import enclosing_class, enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

WORKERS_POSITION = 5  # DataLoader(dataset, batch_size, shuffle, sampler, batch_sampler, num_workers)

_LIGHTNING = tuple(
    f"{home}.{name}"
    for home in ("lightning", "lightning.pytorch", "pytorch_lightning")
    for name in ("LightningModule", "LightningDataModule")
)


def cases(module: Module) -> Iterator[Case]:
    """Yield every DataLoader without workers that feeds a training on an accelerator."""
    if "DataLoader" not in module.text:
        return
    for call in (node for node in walk(module.tree) if isinstance(node, ast.Call)):
        if not _may_be(call, "DataLoader") or not makes_pytorch_loader(module, call):
            continue
        workers = argument_values(module, call, "num_workers", WORKERS_POSITION, default=0)
        if workers is None or any(number != 0 for number in workers):
            continue
        if flow.runs_never(module, call) or is_exceptional(module, call):
            continue
        found = _work(module, call)
        if found is None or not _trains_on_accelerator(module, call):
            continue
        zero = _written_zero(module, call)
        if zero is not None and "#" in _rest_of_line(module, zero):
            continue  # whoever writes why has a reason
        written = "num_workers=0" if zero is not None else "no num_workers"
        yield Case(
            call,
            f"{module.segment(call.func)} has {written}: {found.what} for every sample in the process that trains, "
            "while the accelerator waits",
            Confidence.HIGH if found.weight is work.Weight.READS and zero is None else Confidence.MEDIUM,
            workers_fix(module, call, zero),
        )


def _may_be(call: ast.Call, name: str) -> bool:
    """A cheap look before names are resolved; who renames DataLoader is missed by it only in an import."""
    written = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return written == name or "oader" in written or written == "DL"


def _work(module: Module, call: ast.Call) -> work.Work | None:
    dataset = argument(module, call, "dataset", 0)
    if dataset is None or dataset.may_be_absent or not dataset.values:
        return None
    found = [work.of_dataset(located.module, located.node) for located in dataset.values]
    if all(found):
        return found[0]
    if not all(knows_length(located.module, located.node) for located in dataset.values):
        return None  # a stream gives every worker all of its samples
    return _collating(module, call)


def _collating(module: Module, call: ast.Call) -> work.Work | None:
    """Return the work of the loader's own collate_fn."""
    given = argument(module, call, "collate_fn", 6)
    if given is None or given.may_be_absent or len(given.values) != 1:
        return None
    known = resolved(*given.values[0])
    functions = [one for one in known or () if isinstance(one, Function)]
    return work.of_function(functions[0]) if known is not None and len(functions) == len(known) == 1 else None


def _written_zero(module: Module, call: ast.Call) -> ast.expr | None:
    given = argument(module, call, "num_workers", WORKERS_POSITION)
    return given.values[0].node if given is not None and given.values and given.values[0].module is module else None


def _rest_of_line(module: Module, node: ast.expr) -> str:
    span = module.span(node)
    return module.lines[span.end_line - 1][span.end_column :]


# -- who reads from it ---------------------------------------------------------------------------------------------


def _trains_on_accelerator(module: Module, call: ast.Call) -> bool:
    return any(on_accelerator(home) for home in dict.fromkeys(_trained_in(module, call)))


def _trained_in(module: Module, call: ast.Call) -> Iterator[Module]:
    """Yield the modules whose training reads from the loader that `call` makes, that of the loader first."""
    if is_lightning_hook(module, call):
        yield module
    for home in neighbours(module):
        if any(is_same_node(site, Site(module, call)) for site in _training_loaders(home)):
            yield module
            yield home


def is_lightning_hook(module: Module, call: ast.Call) -> bool:
    """Tell whether Lightning trains on what this call makes: `def train_dataloader(self): return DataLoader(...)`."""
    function = enclosing_function(module, call)
    owner = enclosing_class(module, call)
    return (
        owner is not None
        and getattr(function, "name", "") == "train_dataloader"
        and is_a(Class(module, owner), _LIGHTNING) is True
    )


@of_module
def _training_loaders(module: Module) -> list[Site]:
    """Return the DataLoader calls whose batches a training loop, or `fit`, of this module reads."""
    return list(_find_training_loaders(module))


def _find_training_loaders(module: Module) -> Iterator[Site]:
    for loop in hot_loops(module):
        if loop.role is LoopRole.TRAINING and isinstance(loop.node, ast.For):
            for read in read_by(module, loop.node.iter):
                yield from pytorch_loaders(module, read) or ()
    for call in fit_calls(module):
        name = resolved_name(module, call.func) or ""
        # Trainer.fit(model, train_dataloaders) of Lightning; fit(x) of Keras and of those who take after it.
        given = argument(module, call, "train_dataloaders", 1) if name.endswith("Trainer.fit") else None
        given = given or argument(module, call, "x", 0)
        for located in given.values if given is not None else ():
            yield from pytorch_loaders(located.module, located.node) or ()
