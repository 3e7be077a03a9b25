"""Unreleased tensor references: tensors of every step are kept after their last use.

What it does

    It finds a loop over batches that puts a tensor of each step into something that outlives the step (a list, a dict,
    an attribute, a module-level name, a running total) where the tensor drags its graph along, or where nothing ever
    reads what is kept.

At run time

    `wattleak measure` samples at the steps of the training what the C library has handed out (mallinfo2; resident
    memory where another allocator is in use) and what PyTorch has allocated on a CUDA device, for 0.1 % of the time at
    most. Reported is a stretch of at least 50 steps, the first 8 left out, over which memory rises in each third,
    where the whole 95 % interval of its Theil-Sen slope lies above 1 % of the memory there is in 1,000 steps, or above
    64 KiB a step where a container is found that gained a tensor every other step or more and accounts for three
    tenths of the growth. Containers are looked for among the variables of the functions that run, of their modules and
    in the attributes of objects of the program's own classes. With the place come the name of the container, the number
    of tensors in it, whether graphs hang on them, and how long the memory lasts at this rate.

    Silent are deque(maxlen=...), objects that one takes things out of again (a data set, a buffer with sample()), and
    memory that stops growing. Not seen are loops without steps of an optimizer, evaluation among them.

Why it costs

    The step's memory is not given back, so memory grows with every step. How fast depends on what hangs on the tensor.
    With a graph that backward() has not run through, all saved activations of that step stay: megabytes a step. After
    backward() they are gone; what stays is the tensor and the nodes of its graph, kilobytes a step for a loss. Without
    a graph (under torch.no_grad(), and always in TensorFlow) only the tensor stays. A name that is merely assigned
    anew in each step holds one tensor and is no leak.

    Time and energy follow only where the growth is fast: memory that is never given back cannot be used again, and each
    fresh page has to be zeroed by the system. Slow growth costs nothing until memory runs out; then it is a smaller
    batch, or a run that dies after hours and is started again.

Example

    losses.append(loss)
    total += criterion(model(x), y)
    self.activations.append(hidden)

Use instead

    losses.append(loss.detach())
    total += criterion(model(x), y).detach()

    `.detach()` keeps the number without its graph and, unlike `.item()`, does not make the program wait for the GPU.
    Of what nobody reads, keep nothing; of activations, a statistic. Where only the last ones are wanted, a
    collections.deque(maxlen=...) forgets the others. `.numpy()` of a tensor on the CPU shares its memory and frees
    nothing; a row of a batch is a view that keeps the whole batch, `.clone()` of it does not.

When it is fine

    - backward() starts from what was kept: policy gradients, losses summed over an inner loop, truncated
      backpropagation through time.
    - Outputs are collected under torch.no_grad() and then joined, counted or written: they are the result.
    - The container is emptied in the step, or bounded.

    None of these is reported, nor is a container that goes where the rule cannot follow it.

Evidence

    Memory that a step of the study's network keeps (bytes handed out by malloc, 60 steps of 64 images of 28x28; PyTorch
    2.13.0, TensorFlow 2.21.0, Keras 3.15.1, a virtual machine with 2 CPUs of an AMD EPYC, 21 November 2026). PyTorch:
    a loss with a graph that no backward() ran through 13.3 MB, in a list or in a total; after backward() 12.5 kB, again
    in either; detached 0.4 kB; the activations of the last convolution after backward() 411 kB, of which 10 kB are
    nodes of the graph; a name assigned anew 0. TensorFlow: the same activations 402 kB, as NumPy arrays 402 kB, a loss
    0.7 kB.

    Time, on the same machine while other programs ran on it: an evaluation step took 20.3 ms of CPU time, 25.6 ms where
    its loss was kept with its graph (1,713 page faults a step, otherwise none), 20.2 ms where the loss was detached.
    In Keras neither activations nor losses that were kept changed the time of a step; an extra forward pass in order to
    have something to keep took 22 % more, kept or not: that is extra work, and another matter.
    The two programs of the study (seeds 0 and 1), peak memory: PyTorch 398 and 407 MB against 490 and 488 MB, for 26 MB
    of tensors, because what is kept lies between what is not; Keras 800 and 798 MB against 825 and 831 MB. CPU time:
    8.0 and 8.2 s against 8.6 and 8.3 s; 16.4 and 17.9 s against 16.9 and 16.4 s, nothing that two runs could show.
    Losses, steps and accuracy were the same to the last digit.
    `wattleak study unreleased-tensor-references` measures it on your machine, as an experiment.

Fix safety

    `.detach()` is safe where nothing can call backward() on what is kept: it has been called already, or all that is
    done with the values is known and needs their numbers only. Leaving out what nobody reads is safe for a name of a
    function; what it is computed from is still computed where that may do something besides. Both are unsafe elsewhere:
    files that were not scanned may read an attribute or a name of a module.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Fix, Persona, Severity, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.unreleased_tensor_references import rewriting
from wattleak.smells.unreleased_tensor_references.judging import Leak, leak_of
from wattleak.smells.unreleased_tensor_references.readings import Reading
from wattleak.smells.unreleased_tensor_references.spending import Spent
from wattleak.smells.unreleased_tensor_references.steps import steps
from wattleak.smells.unreleased_tensor_references.stores import Way
from wattleak.smells.unreleased_tensor_references.tensors import Kept, is_output, kept
from wattleak.source.edits import still_parses
from wattleak.source.learning import FileRole, LoopRole, file_role, hot_loops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

SMELL = Smell(
    code="REF001",
    name="unreleased-tensor-references",
    summary="tensors of every step are kept after their last use",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_FRAMEWORKS = ("torch", "keras", "tensorflow", "lightning", "transformers", "accelerate")
_STORES = (".append(", ".extend(", ".insert(", ".add(", "+=", "] =", "]=", " + ")


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - memory is the same on any machine
    """Yield every store that keeps the tensors of each step, with their graph or for nobody."""
    if not any(word in module.text for word in _FRAMEWORKS) or not any(word in module.text for word in _STORES):
        return
    for step in steps(module):
        leak = leak_of(module, step)
        if leak is None:
            continue
        sure = leak.is_certain and step.loop is not None and not step.is_rare
        span = module.span(step.store.statement)
        yield finding_at(
            SMELL,
            module.path,
            span,
            _message(module, leak),
            severity=_severity(leak),
            confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
            fix=_fix(module, leak),
            persona=Persona.AUDITOR if file_role(module) is FileRole.TEST else Persona.DEFAULT,
        )


def _severity(leak: Leak) -> Severity:
    if leak.step.is_rare or leak.step.is_epoch or leak.kind is Kept.SMALL:
        return Severity.INFO
    # Without backward(), the saved activations of every step stay.
    unspent = leak.kind is Kept.GRAPH and leak.used_up is Spent.NO and leak.step.loop is not None
    return Severity.ERROR if unspent else Severity.WARNING


def _message(module: Module, leak: Leak) -> str:
    unit = "epoch" if leak.step.is_epoch else "step"
    values = " and ".join(f"`{_shortened(module.segment(value))}`" for value in leak.values)
    verb = "adds up" if leak.step.store.way is Way.ADDED else "keeps"
    message = f"`{leak.holder.name}` {verb} {values} of {'some steps' if leak.step.is_rare else f'every {unit}'}"
    if leak.kind is Kept.GRAPH:
        if leak.step.loop is None:
            message += " with its graph"
        elif leak.used_up is Spent.NO:
            message += " with its graph and all activations saved in it, which no backward() frees"
        else:
            message += " with the nodes of its graph, which backward() has done with"
    if leak.done is Reading.NEVER:
        message += f", and nothing reads {leak.holder.name}"
    elif leak.done is Reading.NUMBER:
        message += ", and only the numbers are read"
    return f"{message}; memory grows with each {unit}"


def _fix(module: Module, leak: Leak) -> Fix | None:
    why = None
    unread = leak.done is Reading.NEVER and leak.step.store.way is Way.COLLECTED
    large = any(is_output(module, value) for value in leak.values)
    if leak.kind is not Kept.GRAPH or (unread and (leak.holder.is_local or large)):
        edits = rewriting.not_kept(module, leak.step.store, leak.holder)
        title = "do not keep what nothing reads"
        if not leak.holder.is_local:
            why = "a file that was not scanned may read it"
    else:
        edits = rewriting.detached(module, leak.values)
        title = "keep the values without their graph"
        known = leak.done is Reading.NUMBER or (leak.done is Reading.NEVER and leak.holder.is_local)
        if leak.used_up is not Spent.ROOT and not known:
            why = "code that was not scanned may call backward() on it"
    if not edits or not still_parses(module, edits):
        return None
    return Fix(title=title, safe=why is None, edits=edits, why_unsafe=why)


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    The first training loop (else the first other loop over batches) that gives a name to what a model computes keeps it
    in a list; where none has a name, the loss. Nothing is computed that was not computed before.

    Raises:
        UsageError: no loop over batches gives a name to a tensor that a model computed.
    """
    loops = sorted(hot_loops(module), key=lambda hot: (hot.role is not LoopRole.TRAINING, hot.node.lineno))
    for large in (True, False):
        for hot in loops:
            for name, value, path in _assigned(hot.node.body):
                wanted = is_output(module, value, path) if large else not path and kept(module, value) >= Kept.SMALL
                edits = rewriting.keeping(module, hot.node, name) if wanted else None
                if edits is not None and still_parses(module, edits):
                    return edits
    raise UsageError(
        f"{module.path} has no loop over batches in which a tensor that a model computed has a name",
        "write the step as a loop of its own, with backward() or a GradientTape: model.fit has no tensor to keep",
    )


def _assigned(block: list[ast.stmt]) -> Iterator[tuple[str, ast.expr, tuple[int, ...]]]:
    """Yield the names that every round of a loop assigns: with the value, and where in it the name's piece is."""
    for statement in block:
        match statement:
            case ast.With(body=body):
                yield from _assigned(body)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value, ()
            case ast.Assign(targets=[ast.Tuple(elts=elements)], value=value):
                for number, element in enumerate(elements):
                    if isinstance(element, ast.Name):
                        yield element.id, value, (number,)
            case _:
                pass


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else f"{plain[:37]}..."
