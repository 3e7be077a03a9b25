"""A model is evaluated while gradients are recorded that nobody asks for.

What it does

    Finds PyTorch code that puts a model into evaluation mode with `eval()` and then runs it in a loop, itself or in a
    function that it gives the model to, while gradients are on; and TensorFlow code that runs a model in a loop under a
    tf.GradientTape that is asked for nothing, or whose gradients have nothing to do with that loop.

    A function of the name validate, evaluate, test or predict that runs a model in a loop counts without `eval()` too.

    It stays silent where gradients are off, or may be: under torch.no_grad, inference_mode or set_grad_enabled, around
    the code, in a decorator, or in anybody who calls it; under a decorator that is not known; in a class whose base may
    turn them off, as Lightning and the Trainer of transformers do; where numpy() would refuse a tensor with a graph. It
    stays silent where gradients may be wanted: where backward() or autograd.grad() is reached, where the model is given
    to something that is not known, in attacks, saliency maps, test-time adaptation. Keras' own evaluate() and predict()
    record nothing and are never reported.

At run time

    `wattleak measure` follows what is called between eval() and train(), where its first forward pass shows that
    gradients are on and parameters want them. It reports a place with more than 2 graphs that were recorded and gone
    again while nobody had called backward() or autograd.grad(). TensorFlow: tapes, outside of functions, more than 2 at
    a place none of whose tapes was ever asked. What this costs in memory or time is not counted. Programs that use
    torch.compile() are not followed: hooks would have them compiled again.

Why it costs

    `eval()` changes what dropout and batch normalisation do; it does not turn gradients off. With gradients on, every
    layer keeps its input until the result is gone, as if backward() were to come. The forward pass of a batch then
    takes the memory that training takes, several times what it needs, and the time to book-keep. Memory is what counts:
    evaluation batches could be many times as large. The time is small beside that of the arithmetic, and so is the
    energy; a tape adds a record of each operation.

Example

    def validate(model, loader):
        model.eval()
        for images, labels in loader:
            right += (model(images).argmax(1) == labels).sum().item()

Use instead

    @torch.no_grad()
    def validate(model, loader):
        model.eval()
        for images, labels in loader:
            right += (model(images).argmax(1) == labels).sum().item()

    or `with torch.no_grad():` around the loop. torch.inference_mode() does the same, and its tensors can never be used
    in training again. In TensorFlow leave the tape away, or record with `with tape.stop_recording():` around the loop.

When it is fine

    - The gradients are wanted: saliency, attacks, physics-informed networks, adaptation at test time.
    - Somebody turns gradients off whom a scan does not see: a caller outside of the scanned files.
    - No parameter of the model needs gradients.

Evidence

    The programs of the study (PyTorch 2.13.0 on one thread, Keras 3.15.1 on TensorFlow 2.21.0 on two; a virtual machine
    with 2 CPUs of an AMD EPYC that was busy otherwise; 21 November 2026; one run each, not an experiment). The largest
    resident memory was 605 MB with gradients on and 570 MB without in PyTorch, 1036 MB and 1010 MB in Keras. Accuracy,
    loss of the first step and number of steps were the same to the last digit. Time and CPU-seconds could not be told
    apart on a busy machine. The evaluation runs 1000 images at a time, the training 64. `wattleak study
    gradients-in-evaluation` measures it on your machine, as an experiment.

Fix safety

    Safe where only numbers leave the evaluation (item(), float(), argmax(), comparisons): they are the same numbers
    with gradients off. Unsafe where a tensor that may have a graph is returned or kept: somebody may differentiate it.
    Taking away a tape that nobody asks is safe. A function that is all evaluation gets a decorator; otherwise the
    loop is put into a `with` block.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Fix, Persona, Severity, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.gradients_in_evaluation.evaluations import evaluations
from wattleak.smells.gradients_in_evaluation.fixing import evaluation_fix, idle_tape_fix, recorded_fix
from wattleak.smells.gradients_in_evaluation.injecting import candidates
from wattleak.smells.gradients_in_evaluation.tapes import idle_tapes, recorded_evaluations
from wattleak.source import flow
from wattleak.source.edits import apply, still_parses
from wattleak.source.learning import FileRole, file_role
from wattleak.source.module import Module
from wattleak.source.reading import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

SMELL = Smell(
    code="AUT001",
    name="gradients-in-evaluation",
    summary="a model is evaluated while gradients are recorded that nobody asks for",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_UNUSED = "and nobody asks for gradients here"


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - the seam is the same for every rule
    """Yield every evaluation that runs a model in a loop with gradients on."""
    for node, message, fix, confidence in _found(module):
        if flow.runs_never(module, node):
            continue
        span = module.span(node)
        yield finding_at(
            SMELL,
            module.path,
            span,
            message,
            severity=Severity.WARNING,
            confidence=confidence,
            fix=fix,
            # A test runs a few batches, and what it costs is not what training costs.
            persona=Persona.AUDITOR if file_role(module) is FileRole.TEST else Persona.DEFAULT,
        )


def _found(module: Module) -> Iterator[tuple[ast.expr, str, Fix | None, Confidence]]:
    # PyTorch before 0.4 turned gradients off by the inputs, Variable(x, volatile=True), and later ones ignore that.
    written_for_old_torch = "volatile=True" in module.text
    for each in () if written_for_old_torch else evaluations(module):
        called = ast.unparse(each.run.func)
        says = f"{called}(...) keeps what a backward pass needs for each batch of this evaluation, {_UNUSED}"
        yield each.run, says, evaluation_fix(module, each), Confidence.HIGH if each.is_known else Confidence.MEDIUM
    if "GradientTape" in module.text:
        for tape in idle_tapes(module):
            says = "this tape records every operation of the block, and nobody asks it for gradients"
            yield tape.call, says, idle_tape_fix(module, tape), Confidence.HIGH
        for recorded in recorded_evaluations(module):
            says = f"{recorded.tape} records every batch of this evaluation, {_UNUSED}"
            yield recorded.run, says, recorded_fix(module, recorded), Confidence.MEDIUM


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    The first no_grad or inference_mode that keeps gradients off in an evaluation is taken away; in a TensorFlow program
    a forward pass with `training=False` is put under a tape.

    Raises:
        UsageError: the program has no such evaluation.
    """
    before = _count(module)
    for edits in candidates(module):
        after = parse(apply(module, edits), module.path) if still_parses(module, edits) else None
        if isinstance(after, Module) and _count(after) > before:
            return edits
    raise UsageError(
        f"{module.path} has no evaluation in which gradients are turned off",
        "use a program that evaluates a model in a loop after eval() and under torch.no_grad(), "
        "or in TensorFlow with training=False",
    )


def _count(module: Module) -> int:
    return sum(1 for _ in detect(module, cpus=1))
