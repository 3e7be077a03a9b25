"""The data loader works in the process that trains, and the accelerator waits for it.

What it does

    PyTorch: finds a DataLoader whose num_workers is absent or 0, whatever way its arguments take (`**kwargs` too), that
    a training loop (or fit, or Lightning's train_dataloader) reads, in a program that uses an accelerator, and whose
    data set really works for each sample: it opens or decodes a file, or turns, resizes, filters or tokenises.
    Keras: finds a keras.utils.PyDataset (or Sequence) with fewer than two workers that works in the same way and that
    is given to fit, and a tf.data map that runs one element at a time, with nothing prefetched, because its function
    calls Python (tf.py_function) or draws from a random stream (tf.image.random_...). Where such a map only decodes or
    resizes, TensorFlow maps in parallel and prefetches by itself (since 2.12): that shows with --persona auditor only.
    A Python generator that works in the same way and is given to fit is reported too; nothing reads ahead of it.

    Nothing is reported where the number of workers, the data set, the device or the reader is not known.

At run time

    `wattleak measure` times how long a training waits for each batch of a DataLoader. It reports a loader without
    workers whose batches took more than 10 % of the time of a training on an accelerator (50 batches or more). On a CPU
    nothing waits, and nothing is reported; the time is shown as data wait. Data sets of TensorFlow are not timed.

Why it costs

    Without workers, reading the next batch and training on this one take turns. While the process reads, the
    accelerator waits, and an accelerator that waits still draws a good part of its power; the job lasts longer for the
    same work. Workers read ahead while it computes. They save no CPU time: the same samples are made, and handing them
    from one process to another costs a little more. On a machine without an accelerator, or where the CPUs are busy
    already, nothing is won but time, or nothing at all.

Example

    loader = DataLoader(ImageFolder("train", transform), batch_size=64, shuffle=True)
    for images, labels in loader:
        loss = criterion(model(images.cuda()), labels.cuda())

Use instead

    loader = DataLoader(ImageFolder("train", transform), batch_size=64, shuffle=True,
                        num_workers=min(4, len(os.sched_getaffinity(0))), persistent_workers=True)

    In Keras: AugmentedBatches(..., workers=4), and dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE). Which
    number is best depends on the machine: `wattleak tune` finds it.

When it is fine

    - The samples are in memory and ready: a TensorDataset, tensors that lie on the device already. Not reported.
    - The data set cannot be shared with other processes (an open HDF5 file or database, CUDA tensors), or the program
      must run on Windows or in a notebook without workers. A comment beside `num_workers=0` that says why is enough.
    - The training is short, the epoch shorter than starting the workers.

Evidence

    A virtual machine with 2 CPUs of an AMD EPYC and no accelerator, 21 November 2026, PyTorch 2.13.0, TensorFlow
    2.21.0, Keras 3.15.1; many other programs ran beside it, and none of this is an experiment. The two programs of the
    study give the same first loss, number of steps and accuracy, to the last digit, in both frameworks. On one CPU,
    with 1,000 images and one run each (PyTorch), both took 9.4 CPU-seconds: workers save no CPU time. That an
    accelerator waits less was not measured, as there was none.
    A tf.data map of 40 matrix inversions, whose reader pauses 0.2 s after every batch of 4, two rounds on the busy
    machine: the reader waited 5.1 and 6.6 s where the function is stateless, 8.0 and 9.8 s with TensorFlow's own
    optimizations off, 7.4 and 9.0 s where it draws a random number, and 5.6 and 7.4 s when that one got
    num_parallel_calls. Each took 1.1 to 1.2 CPU-seconds.
    `wattleak study loader-in-training-process` measures it on your machine, as an experiment.

Fix safety

    Unsafe: it is never applied unasked. A worker is another process: what the data set keeps open is not shared with
    it, and NumPy's or Python's own random numbers drawn while reading are others than before. Where Python starts
    processes anew (macOS, Windows, Linux from Python 3.14 on), the program needs `if __name__ == "__main__":`.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Persona, Severity, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.loader_in_training_process import generators, pydataset, pytorch, tfdata
from wattleak.smells.loader_in_training_process.rewriting import WORKERS, drop_keywords
from wattleak.source.edits import still_parses
from wattleak.source.learning import FileRole, file_role
from wattleak.source.loaders import makes_pytorch_loader
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

SMELL = Smell(
    code="DAT001",
    name="loader-in-training-process",
    summary="the data loader works in the process that trains, and the accelerator waits",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - the question that all rules are asked
    """Yield every loader that makes its samples in the process that trains on an accelerator."""
    if not any(word in module.text for word in ("DataLoader", "keras", "tensorflow")):
        return
    if file_role(module) is not FileRole.PROGRAM:
        return
    rules = (pytorch.cases, pydataset.cases, generators.cases, tfdata.cases)
    for case in chain.from_iterable(rule(module) for rule in rules):
        span = module.span(case.node)
        yield finding_at(
            SMELL,
            module.path,
            span,
            case.message,
            severity=Severity.WARNING,
            confidence=case.confidence,
            fix=case.fix,
            persona=Persona.AUDITOR if case.confidence is Confidence.LOW else Persona.DEFAULT,
        )


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    The workers of its DataLoaders, or of its PyDatasets, are taken away, or the parallel calls and the prefetch of its
    tf.data pipelines.

    Raises:
        UsageError: the program has no workers that could be taken away.
    """
    edits = tuple(dict.fromkeys(chain.from_iterable(_injected(module, call) for call in _calls(module))))
    if not edits or not still_parses(module, edits):
        raise UsageError(
            f"{module.path} has no data loader with workers that could be taken away",
            "give its DataLoader num_workers=2, its PyDataset workers=2, or its map num_parallel_calls",
        )
    return edits


def _calls(module: Module) -> Iterator[ast.Call]:
    yield from (node for node in walk(module.tree) if isinstance(node, ast.Call))


def _injected(module: Module, call: ast.Call) -> tuple[Edit, ...]:
    given = {keyword.arg for keyword in call.keywords}
    if "num_workers" in given and makes_pytorch_loader(module, call):
        return drop_keywords(module, call, WORKERS)
    if given & {"workers", "use_multiprocessing"} and pydataset.takes_workers(module, call):
        return drop_keywords(module, call, {"workers", "use_multiprocessing", "max_queue_size"})
    return tfdata.injected(module, call)
