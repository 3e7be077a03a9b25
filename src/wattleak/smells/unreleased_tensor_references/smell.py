"""Unreleased tensor references: tensors of every step are kept after their last use.

What it does

    It finds a loop over batches that puts a tensor of each step into something that outlives the step (a list, a dict,
    an attribute, a module-level name, a running total) where the tensor drags its graph along, or where nothing ever
    reads what is kept.

Why it costs

    The step's memory is not given back, so memory grows with every step. How fast depends on what hangs on the tensor.
    With a graph that backward() has not run through, all saved activations of that step stay: megabytes a step. After
    backward() they are gone; what stays is the tensor and the nodes of its graph, kilobytes a step for a loss. Without
    a graph (under torch.no_grad(), and always in TensorFlow) only the tensor stays. A name that is merely assigned
    anew in each step holds one tensor and is no leak. Growing memory costs hardly any energy until there is no more of
    it; then a smaller batch, swapping, or a run that dies after hours and is started again is what it costs.

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
from wattleak.smells.unreleased_tensor_references import rewriting
from wattleak.smells.unreleased_tensor_references.holders import Holder, holder_of
from wattleak.smells.unreleased_tensor_references.readings import Reading, reading, worst
from wattleak.smells.unreleased_tensor_references.spending import Spent, spent
from wattleak.smells.unreleased_tensor_references.steps import Step, steps
from wattleak.smells.unreleased_tensor_references.stores import Way
from wattleak.smells.unreleased_tensor_references.tensors import Kept, is_output, kept
from wattleak.source.learning import FileRole, LoopRole, file_role, hot_loops, varies

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
        found = _judge(module, step)
        if found is not None:
            yield found


def _judge(module: Module, step: Step) -> Finding | None:
    store = step.store
    kinds = {value: kept(module, value, step) for value in store.values}
    heaviest = max(kinds.values(), default=Kept.NOTHING)
    if heaviest is Kept.NOTHING or (heaviest is not Kept.GRAPH and store.way is Way.ADDED):
        return None
    if store.key is not None and (step.loop is None or varies(module, store.key, step.loop) is not True):
        return None
    holder = holder_of(module, store, step.outermost)
    if holder is None:
        return None
    done = worst(reading(one.module, one.node) for one in holder.mentions)
    if not holder.is_seen_whole:
        done = max(done, Reading.UNKNOWN)
    heavy = [value for value, kind in kinds.items() if kind is heaviest]
    used_up = Spent.NO
    if heaviest is not Kept.GRAPH:
        if done is not Reading.NEVER:
            return None  # collected, and used
    else:
        if step.loop is not None:
            used_up = min(spent(module, value, step.loop) for value in heavy)
        if done is Reading.FEEDS or (done is Reading.UNKNOWN and used_up is not Spent.ROOT):
            return None
    severity = _severity(step, heaviest, used_up)
    span = module.span(store.statement)
    return Finding(
        code=SMELL.code,
        name=SMELL.name,
        path=module.path,
        line=span.line,
        column=span.column + 1,
        end_line=span.end_line,
        end_column=span.end_column + 1,
        message=_message(module, step, holder, heavy, heaviest, used_up, done),
        severity=severity,
        confidence=Confidence.HIGH if step.loop is not None and not step.is_rare else Confidence.MEDIUM,
        fix=_fix(module, step, holder, heavy, heaviest, used_up, done),
        persona=Persona.AUDITOR if file_role(module) is FileRole.TEST else Persona.DEFAULT,
    )


def _severity(step: Step, heaviest: Kept, used_up: Spent) -> Severity:
    if step.is_rare or heaviest is Kept.SMALL:
        return Severity.INFO
    if heaviest is not Kept.GRAPH or step.loop is None:
        return Severity.WARNING
    return Severity.WARNING if used_up else Severity.ERROR  # the saved activations of every step stay


def _message(
    module: Module, step: Step, holder: Holder, heavy: list[ast.expr], heaviest: Kept, used_up: Spent, done: Reading
) -> str:
    values = " and ".join(f"`{_shortened(module.segment(value))}`" for value in heavy)
    often = "of some steps" if step.is_rare else "of every step"
    if step.store.way is Way.ADDED:
        verb = f"`{holder.name}` adds up {values} {often}"
    else:
        verb = f"`{holder.name}` keeps {values} {often}"
    clauses = []
    if heaviest is Kept.GRAPH:
        if used_up is Spent.NO and step.loop is not None:
            clauses.append("with the graph and all activations saved for a backward() that never comes")
        elif step.loop is None:
            clauses.append("with its graph")
        else:
            clauses.append("with the nodes of its graph, which backward() has done with")
    if done is Reading.NEVER:
        clauses.append("and nothing reads it" if clauses else "which nothing reads")
    elif done is Reading.NUMBER:
        clauses.append("and only its numbers are read")
    return f"{verb}, {' '.join(clauses)}; memory grows with each step"


def _fix(
    module: Module, step: Step, holder: Holder, heavy: list[ast.expr], heaviest: Kept, used_up: Spent, done: Reading
) -> Fix | None:
    elsewhere = None if holder.is_local else "a file that was not scanned may read it"
    large = any(is_output(module, value) for value in heavy)
    drop = done is Reading.NEVER and step.store.way is Way.COLLECTED and (holder.is_local or large)
    if drop or heaviest is not Kept.GRAPH:
        edits = rewriting.not_kept(module, step.store, holder)
        title = "do not keep what nothing reads"
        why = elsewhere
    else:
        edits = rewriting.detached(module, heavy)
        title = "keep the values without their graph"
        free = used_up is Spent.ROOT or done is Reading.NUMBER or holder.is_local
        why = None if free else "a file that was not scanned may call backward() on it"
    if not edits or not rewriting.still_parses(module, edits):
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
                if edits is not None and rewriting.still_parses(module, edits):
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
