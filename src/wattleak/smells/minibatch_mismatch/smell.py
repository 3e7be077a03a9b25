"""The batch size that the code asks for is not the one that it trains with, or is one that no data or device asks for.

What it does

    Finds batch sizes that are a mismatch whatever the device is:

    - batch_size given to fit, evaluate or predict of Keras together with a tf.data.Dataset, a generator, a Sequence or
      a DataLoader. These come in batches of their own, and Keras does not look at the argument (Keras 2 raises an
      error): who writes batch_size=64 may train with 4.
    - a batch of one row for training on rows that lie in memory: batch_size=1 written out, or forgotten, as a
      DataLoader then gives one row at a time.
    - a loop that takes the batches of a loader and cuts them again, with an update for each piece.
    - a batch that is larger than the data set, where both sizes are written: an epoch is a single update, and with
      drop_last none.

    Notes, not warnings: evaluation one row at a time, gradients summed over batches of one row, and an epoch of 16
    updates or fewer of a set of known size. A size that comes from an argument or a configuration file is not known,
    and is never reported. No size as such is too large or too small: what fits a device, no code tells.

At run time

    `wattleak measure` counts rows and times steps. It reports

    - Keras: fit was told a batch_size, and the rows of its steps (the metric of the loss counts them) differ from it by
      a factor of two or more;
    - PyTorch: at least 200 steps of 8 rows or fewer, as a DataLoader gives them, of which the update of the parameters
      takes more than 10 %: it does the same work whatever the number of rows;
    - predict() called 50 times or more at one place, with 4 rows or fewer on average;
    - CUDA: more than 92 % of the device's memory reserved, and an allocator that had to give its spare memory back
      and begin again at least once.

    What another size would cost it does not say: `wattleak tune` measures that.

Why it costs

    Every step has costs that do not depend on its size: the calls of the framework, the launch of kernels, the update
    of all parameters, the fetching of the batch. With few rows in a step they outweigh the work itself, and a device
    with many lanes stands idle in most of them. With too many rows the energy for each row does not fall any further,
    memory fills up, and there are fewer updates: the same accuracy needs more epochs, or is not reached.

Example

    train = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    model.fit(train, epochs=10, batch_size=64)      # trains with 4

    loader = DataLoader(TensorDataset(images, labels), shuffle=True)      # batch_size is 1 then

Use instead

    train = tf.data.Dataset.from_tensor_slices((images, labels)).batch(64)
    model.fit(train, epochs=10)

    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)

    Which size costs least at the same quality is measured, not known: double it until the time for each row falls no
    further, and look at the accuracy.

When it is fine

    - Rows of different lengths that cannot stand in one batch; examples that come one by one (online and reinforcement
      learning); recurrent networks that keep their state from row to row. What shows in the code is left alone.
    - Gradients of single rows are needed as such, as in differential privacy or meta-learning.
    - The latency of a single row is what is being measured.

Evidence

    The two programs of the study with --train-images 2000, on one CPU of a virtual machine (AMD EPYC, PyTorch 2.13.0,
    TensorFlow 2.21.0, Keras 3.15.1, 21 November 2026; seeds 0 and 1; the CPU was shared with other programs, so this is
    no controlled experiment). PyTorch, batches of 64 against a forgotten size: 32 and 2,000 updates, 7.6 and 7.2
    against 12.6 and 12.0 CPU-seconds, accuracy 0.594 and 0.625 against 0.778 and 0.763. Keras, 64 against 4, with
    batch_size=64 told to fit and not looked at: 32 and 500 updates, 11.1 and 10.5 against 12.2 and 11.4 CPU-seconds,
    accuracy 0.611 and 0.645 against 0.768 and 0.768. The start of the program is in these numbers.

    So small batches cost more for the same rows, and reach more in one epoch: whether they cost more for the same
    accuracy is another question, which more epochs answer. `wattleak study
    minibatch-mismatch` measures both on your machine, as an experiment.

Fix safety

    Safe: batch_size is removed where Keras does not look at it and where it says the same as the data set, or where
    nobody can tell which of the two was meant. Unsafe: everything that changes the size that is trained with (the data
    set is cut as fit was told; a forgotten or single size becomes that of the other loader, or 64 to begin with), as
    the number of updates changes with it, and the accuracy can.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import inspect
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Finding, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.minibatch_mismatch.ignored import ignored
from wattleak.smells.minibatch_mismatch.injecting import injected
from wattleak.smells.minibatch_mismatch.larger import larger
from wattleak.smells.minibatch_mismatch.pieces import pieces
from wattleak.smells.minibatch_mismatch.single import single
from wattleak.source import flow
from wattleak.source.learning import FileRole, file_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.source.module import Module

SMELL = Smell(
    code="BAT001",
    name="minibatch-mismatch",
    summary="a batch size that is ignored, contradicts another, or is one row",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - no size is judged by the machine
    """Yield every batch size that is a mismatch on any machine."""
    suspicions = chain(ignored(module), single(module), larger(module), pieces(module))
    seen: set[tuple[int, int]] = set()
    for found in suspicions:
        span = module.span(found.node)
        if span[:2] in seen or flow.runs_never(module, found.node) or file_role(module) is not FileRole.PROGRAM:
            continue
        seen.add(span[:2])
        yield finding_at(
            SMELL,
            module.path,
            span,
            found.message,
            severity=found.severity,
            confidence=found.confidence,
            fix=found.fix,
            persona=found.persona,
        )


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    Of Keras, a data set is cut into batches of 4 while fit is told the size that it had, and arrays are given row by
    row; of PyTorch, the loader of the training loses its batch size, which is 1 then.

    Raises:
        UsageError: the program has no batch size for training that is known to be one.
    """
    edits = next(injected(module), None)
    if edits is None:
        raise UsageError(
            f"{module.path} has no batch size for training that can be changed",
            "train with model.fit of Keras, or with a loop over a DataLoader, in this file",
        )
    return edits
