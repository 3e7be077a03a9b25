"""The same model is built again and again, where one instance would do.

What it does

    Finds a model that is built again in every round of a loop, or at every call of a function that a loop, apply(),
    map() or a web request repeats, with arguments that do not vary, and that is thrown away at the end of the round:

    - it is only asked (predict, evaluate, a forward pass), with the same weights each time: load_model() or
      from_pretrained() for every batch, a builder followed by load_weights();
    - it is trained, and its weights go from one instance to the next through a file or a variable;
    - it is trained for a single step, or in a loop over epochs, and what it has learnt is lost.

    Also: compile() of one model in a loop, with settings that do not vary; clear_session() in a loop around one model
    (a note); a model that is replaced or deleted before anything has used it (a note).

    What builds a model is known by what the name stands for, never by how it is called: constructors of torch.nn.Module
    and keras.Model and their subclasses, builders of the project, also in other files, load_model, from_pretrained,
    torchvision, timm, keras.applications. out = model(x) is a forward pass, not a construction.

At run time

    `wattleak measure` counts, at each place, the models that are built alike (classes, shapes, plain settings) and
    compares weights when they are loaded. It reports a place where more than one instance began with the very weights
    that the one before had ended with, or with the very weights that the one before was given, neither being trained.
    That several are built says nothing: cross-validation, seeds, searches and ensembles do that. Given are the number
    of instances, the time for building, for reading and loading weights and for tracing (Keras: what the first step of
    an instance took more than its later ones), and how many instances are still alive. Keras also: compile() of one
    model more than once after it was trained, with the settings that it had and without its weights being put back;
    a tf.function traced more than 4 times, in more than half of its calls.

    scikit-learn: fits with equal parameters on equal data, two or more at a place that repeat one which was made before
    (told by checksums; what has chance in it counts only where all that was learnt is equal as well). The same folds
    scored once for each metric are such fits. JAX: two or more programs at a place that XLA compiled although it had
    compiled the very same, as jax.jit() in a loop makes them; more than 8 programs of one function at a place, where
    compiling takes more than half of the time and has not ended long ago, as lengths make them that grow without end.

    Not seen: models that lose what they have learnt (their last loss may be all that was wanted), models that come
    from unpickling, torch.compile().

Why it costs

    Keras: every instance of a model gets train, test and predict functions of its own, and TensorFlow traces each of
    them on its first use. This is Python and graph building, on one CPU thread, while an accelerator waits; its cost is
    the same for an epoch of a minute and for one of a second. The traced functions are native memory that is given back
    late or never, so that memory grows with every instance; compile() in a loop costs the same.

    PyTorch: an instance costs the drawing of its initial weights, one allocation for each of them, and the copy to the
    device. That is little for a small model in every epoch, and much for a large one in every batch. What
    torch.compile() makes belongs to one instance, so that a compiled model is compiled again. A checkpoint that is read
    in every round is read, unpickled and copied each time.

    clear_session() does not make up for it, and around one model it only adds work.

Example

    for batch in batches:
        model = build_model()
        model.load_weights("last.weights.h5")
        scores.append(model.predict(batch))

Use instead

    model = build_model()
    model.load_weights("last.weights.h5")
    for batch in batches:
        scores.append(model.predict(batch))

    In a web service or a function for apply(), build the model at the top of the file, or in a function with
    functools.lru_cache(1). Independent runs that need fresh weights can put the first ones back with
    set_weights(first) and a new compile(), or run in a process of their own.

When it is fine

    - Cross-validation, seeds, searches, ablations: every round is meant to have a model of its own. These are not
      reported, nor is a loop whose models are kept (appended, returned, yielded, stored) or whose settings vary.
    - Layers and blocks that are put together in a loop, in __init__ or in a builder.
    - Tests, and benchmarks that time the construction.

Evidence

    The two programs of the study train the same CNN with a checkpoint after every epoch; the bad one builds the model
    again at the start of each. First loss, number of steps and accuracy are equal to the last digit in both
    frameworks. `wattleak study improper-model-reuse` measures the pair on your machine, as an experiment.

    What one more instance costs, in CPU time of the process (medians of 7 rounds; a virtual machine with 2 CPUs of an
    AMD EPYC, no GPU, 21 November 2026, not an experiment: the machine was busy, so wall times are left out):

    Keras 3.15.1 on TensorFlow 2.21.0: 95 ms to build and compile, 57 ms to load the checkpoint, 1,344 ms to trace the
    train function again, and 175 ms more where evaluate() is traced too; 16 steps of training took 1,160 ms. Memory
    grew by 3.5 MB for each instance, and by 0.5 MB a round with one instance. So nine tenths of it are re-tracing, and
    it weighs the less, the longer an epoch is. One whole run of each program, at another load of the machine, took 17.6
    and 19.4 CPU-seconds: 0.6 for each of the 3 further instances, so the figures above are high by what a busy machine
    adds; their proportions are what can be read from them.

    PyTorch 2.13.0, one thread: 1.5 ms to build the model and its optimizer, 7.3 ms to load the checkpoint; 16 steps
    took 990 ms. Memory stayed flat. Without torch.compile(), which was not tried, there is nothing to trace: for a
    model of this size that is built once in an epoch it costs next to nothing.

Fix safety

    Unsafe: it is never applied unasked. The fix moves the construction in front of the loop, together with what sets
    the model up (compile, load_weights, its optimizer), where that is all that has to change; otherwise the finding
    comes without one. Numbers can change: a model is initialised once instead of in every round, which takes fewer
    random numbers from the stream that shuffling and dropout draw from; a model that lost what it had learnt in every
    round now keeps it; an optimizer that was made anew keeps its state.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Finding, Fix, Persona, Severity, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.improper_model_reuse import hoisting, injecting, overwriting, recompiling
from wattleak.smells.improper_model_reuse.making import SPEAKS
from wattleak.smells.improper_model_reuse.rebuilding import Rebuild, describe, rebuilt
from wattleak.source import flow
from wattleak.source.learning import FileRole, Framework, file_role, frameworks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.source.module import Module

SMELL = Smell(
    code="MOD001",
    name="improper-model-reuse",
    summary="the same model is built again in a loop",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_COSTS = {
    Framework.KERAS: "Keras traces the functions of every new instance again, and that memory comes back late or never",
    Framework.TORCH: "every instance draws its weights and copies them to the device again",
}


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - the same on every machine
    """Yield every model that is built, compiled or cleared again where one instance would do."""
    if not SPEAKS.search(module.text) or file_role(module) is FileRole.TEST:
        return
    for rebuild in rebuilt(module):
        if not flow.runs_never(module, rebuild.call):
            yield _of_rebuild(module, rebuild)
    for repeated in recompiling.recompiled(module):
        message = (
            f"{repeated.model}.compile() is repeated in every round of the loop in line {repeated.loop.lineno}, with "
            f"the same settings: it drops the traced functions and the state of the optimizer; compile once, before it"
        )
        yield _finding(module, repeated.call, message, Severity.WARNING, Confidence.MEDIUM)
    for repeated in recompiling.cleared(module):
        message = (
            f"clear_session() in every round of the loop in line {repeated.loop.lineno}, which uses the one model "
            f"{repeated.model} and builds none: it frees nothing of that, and only adds work"
        )
        yield _finding(module, repeated.call, message, Severity.INFO, Confidence.MEDIUM)
    for statement, end in overwriting.unused(module):
        name = ast.unparse(statement.targets[0])
        what = "deleted" if isinstance(end, ast.Delete) else "replaced"
        message = (
            f"the model {name} is {what} in line {end.lineno} before anything has used it: building it costs time "
            f"and moves the random numbers that follow"
        )
        yield _finding(module, statement.value, message, Severity.INFO, Confidence.MEDIUM)


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    Where a model is built and given its checkpoint right before the loop over epochs that writes it, these lines are
    moved into the loop. Elsewhere the loop over epochs builds model and optimizer again at its start and gives them the
    weights and the state that they had, without taking from the random numbers that the program draws. The first loss,
    the number of steps and the result are those of the clean program.

    Raises:
        UsageError: the program has no loop over epochs in the function that builds its model, or more hangs on the
            model than can be carried over.
    """
    return injecting.injected(module)


def _of_rebuild(module: Module, rebuild: Rebuild) -> Finding:
    made = ast.unparse(rebuild.call.func)
    made = made if len(made) < 60 else "this"
    cost = next((text for framework, text in _COSTS.items() if framework in frameworks(module)), "")
    message = f"{made}() makes the same model again {describe(rebuild, module)}, {rebuild.why}" + (
        f"; {cost}" if cost else ""
    )
    auditor = rebuild.persona is Persona.AUDITOR
    severity = Severity.INFO if auditor else Severity.WARNING
    return _finding(module, rebuild.call, message, severity, rebuild.confidence, _fix(module, rebuild), rebuild.persona)


def _fix(module: Module, rebuild: Rebuild) -> Fix | None:
    loop = rebuild.rounds.loop
    if not rebuild.rounds.is_here or not isinstance(loop, ast.For | ast.While) or rebuild.persona is Persona.AUDITOR:
        return None
    edits = hoisting.hoist(module, rebuild.call, loop)
    if edits is None:
        return None
    return Fix(
        title="build the model once, before the loop",
        safe=False,
        edits=edits,
        why_unsafe="fewer random numbers are drawn, and what the model has learnt stays from one round to the next",
    )


def _finding(
    module: Module,
    node: ast.expr,
    message: str,
    severity: Severity,
    confidence: Confidence,
    fix: Fix | None = None,
    persona: Persona = Persona.DEFAULT,
) -> Finding:
    span = module.span(node)
    return finding_at(
        SMELL,
        module.path,
        span,
        message,
        severity=severity,
        confidence=confidence,
        fix=fix,
        persona=persona,
    )
