"""A data loader is read to its end only to learn how many batches it has.

What it does

    Finds `len(list(loader))`, `len([b for b in loader])`, `sum(1 for _ in loader)`, loops that do nothing but add one,
    and `dataset.reduce(0, lambda n, _: n + 1)`, where it is known that a torch DataLoader or a tf.data pipeline is
    read.

    A loader over a data set that has a length is reported wherever it is counted. A stream (IterableDataset, a
    pipeline with filter or from_generator) can only be counted by reading it, so it is reported where that is done
    again and again: beside a loop of the same function over the same loader, or in every epoch. Tests, assertions and
    code that takes the time of the reading are left alone.

At run time

    `wattleak measure` reports a DataLoader that is read to its end after training from it has begun, without a step,
    with less than 10 microseconds on average between two batches, and whose first batch is gone afterwards: nothing was
    done with them. The time that making these batches took is the cost. Data sets of TensorFlow are not followed.

Why it costs

    Every batch is read, decoded, augmented and copied once more, and then thrown away: the whole data work of an
    epoch, for a number that the loader knows. `list` also keeps all batches in memory at once, the whole data set as
    the model sees it. Where the loader shuffles or augments, the extra reading moves on the random streams, so that
    the training is not the one that its seed says.

Example

    for images, labels in train_loader:
        total += step(images, labels)
    return total / len(list(train_loader))

Use instead

    return total / len(train_loader)

    For a tf.data pipeline `len(dataset)` or `dataset.cardinality()`. A stream has no length: count in the loop that
    reads it anyway, or count once and keep the number.

When it is fine

    - A stream is counted once, before the training: this is not reported.
    - The reading itself is the purpose: to fill a cache, to see that every sample can be decoded, to measure the time.

Evidence

    A virtual machine with 2 CPUs of an AMD EPYC, 21 November 2026, PyTorch 2.13.0, TensorFlow 2.21.0, Keras 3.15.1, one
    CPU, 1,000 images, one run each, many other programs running: CPU time of the whole program, not an experiment. With
    the second reading PyTorch took 11.5 CPU-seconds, without it 9.0; Keras took 10.3 and 9.8, most of it the start of
    TensorFlow. The two programs give the same first loss, number of steps and accuracy, to the last digit.
    `wattleak study data-read-to-count` measures it on your machine, as an experiment.

Fix safety

    Safe where one reading less changes nothing else: a tf.data pipeline without shuffle and map, a DataLoader in fixed
    order over tensors with a generator of its own. Else unsafe, and the fix says why: each reading of a DataLoader
    takes a number from PyTorch's random stream, so that what is random afterwards comes out differently (as it would
    have without the extra reading). For a stream the fix counts in the loop that reads it anyway; it is unsafe too.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Severity, Smell
from wattleak.smells.data_read_to_count import fixing
from wattleak.smells.data_read_to_count.counting import Counting, countings
from wattleak.smells.data_read_to_count.lengths import Length, length_of
from wattleak.smells.finding import finding_at
from wattleak.source import flow
from wattleak.source.calls import repetitions
from wattleak.source.edits import apply
from wattleak.source.learning import FileRole, LoopRole, epoch_loops, file_role, hot_loops, varies
from wattleak.source.loaders import read_by
from wattleak.source.module import Module
from wattleak.source.reading import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

SMELL = Smell(
    code="DAT006",
    name="data-read-to-count",
    summary="a data loader is read to its end to count its batches",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_LONGEST = 40  # characters of an expression in a message
_MAY_COUNT = re.compile(r"\blen\s*\(\s*(?:list|tuple|\[)|\bsum\s*\(\s*\[?\(?\s*1\b|\.reduce\(|\+=\s*1\b")
_TIMES = re.compile(r"\b(?:perf_counter|monotonic|process_time|timeit|time\.time|time\(\))")


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - the question that all rules are asked
    """Yield every place that reads a data loader to its end in order to count it."""
    if not _MAY_COUNT.search(module.text) or file_role(module) is not FileRole.PROGRAM:
        return
    for found in countings(module):
        judged = _judge(module, found)
        if judged is None:
            continue
        message, confidence, length = judged
        span = module.span(found.node)
        yield finding_at(
            SMELL,
            module.path,
            span,
            message,
            severity=Severity.WARNING,
            confidence=confidence,
            fix=fixing.fix(module, found, length),
        )


def _judge(module: Module, found: Counting) -> tuple[str, Confidence, Length] | None:
    """Return what is wrong, how sure that is, and what is known of the length; None: nothing, or nobody knows."""
    if flow.runs_never(module, found.node) or _is_checked_or_timed(module, found.node):
        return None
    length = length_of(module, found.counted)
    loader = _short(module, found.counted)
    reads = f"this reads every batch of {loader} to count them"
    if length is Length.KNOWN:
        return f"{reads}; len({loader}) knows how many there are", Confidence.HIGH, length
    if length is not Length.UNKNOWN:
        return None
    if any(fixing.loops_before(module, found)):
        return f"{reads}; the loop that has just read them could have counted", Confidence.HIGH, length
    if _in_every_epoch(module, found):
        return f"{reads}, in every epoch; count once and keep the number", Confidence.MEDIUM, length
    return None


def _short(module: Module, counted: ast.expr) -> str:
    text = " ".join(module.segment(counted).split())
    return text if len(text) <= _LONGEST else "it"


def _is_checked_or_timed(module: Module, node: ast.AST) -> bool:
    """Tell whether the reading is the purpose: it is asserted on, or the time is taken right before or after it."""
    parents = module.scopes.parent_of
    while node in parents and not isinstance(node, ast.stmt):
        node = parents[node]
    if isinstance(node, ast.Assert):
        return True
    around = parents.get(node)
    for block in (getattr(around, name, None) for name in ("body", "orelse", "finalbody")):
        if isinstance(block, list) and node in block:
            place = block.index(node)
            beside = block[max(0, place - 1) : place] + block[place + 1 : place + 2]
            return any(_TIMES.search(module.segment(statement)) for statement in beside)
    return False


def _in_every_epoch(module: Module, found: Counting) -> bool:
    """Tell whether the same loader is counted in every epoch of a training, in this function or around its callers."""
    for repeated in repetitions(module, found.node):
        if repeated.loop not in epoch_loops(repeated.module):
            continue
        if repeated.through or varies(module, found.counted, repeated.loop) is False:
            return True
    return False


# -- the inverse ---------------------------------------------------------------------------------------------------


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    Where the program asks a data loader for its length, it reads the loader instead. Where it does not ask, the loader
    of each training loop is counted after the loop.

    Raises:
        UsageError: no length of a data loader is asked for, and no training loop reads one by a name.
    """
    edits = tuple(
        Edit(*module.span(asked), f"list({module.segment(asked)})")
        for _, asked in fixing.asked_lengths(module)
        if length_of(module, asked) is not Length.NO_LOADER
    ) or tuple(_read_again(module))
    if not edits or not isinstance(parse(apply(module, edits), module.path), Module):
        raise UsageError(
            f"{module.path} has no data loader whose batches could be counted",
            "let its training loop read a DataLoader or a tf.data pipeline by its name",
        )
    return edits


def _read_again(module: Module) -> Iterator[Edit]:
    for hot in hot_loops(module):
        if hot.role is not LoopRole.TRAINING or not isinstance(hot.node, ast.For):
            continue
        read = read_by(module, hot.node.iter)
        plain = len(read) == 1 and isinstance(read[0], ast.Name | ast.Attribute)
        if plain and length_of(module, read[0]) in {Length.KNOWN, Length.UNKNOWN}:
            edit = fixing.read_again(module, hot.node, read[0])
            if edit is not None:
                yield edit
