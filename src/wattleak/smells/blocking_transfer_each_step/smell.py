"""Every training step waits for the device because it reads a value from it.

What it does

    Finds training loops that fetch a value from the accelerator in every step: loss.item(), .cpu(), .numpy(),
    .tolist(), .to("cpu"), float(loss), int(...), bool(...), print(loss), a loss in an f-string or in a progress bar,
    and conditions on such values. One finding is made for each loop, at the first of them: what stands after it in the
    same step has little left to wait for.

    It fires only where the code shows that an accelerator may be used, or leaves the choice of the device to callers
    that are not there; for values that a model computed; and for what runs in every step: `if step % 100 == 0:` or any
    other condition keeps it silent. So does a step that has to know the value before it can go on: a check for NaN, a
    loop that ends by its loss, an environment that waits for its action. With GradScaler or LBFGS, which read a value
    in each step themselves, the finding shows with --persona auditor only.

Why it costs

    An accelerator works through a queue that the host fills ahead of it. Reading a value empties the queue: the host
    waits until everything before it is computed, and then the device waits until the host has sent new work. It draws
    power meanwhile. How much that is depends on how much longer the host needs to send a step than the device needs to
    run it: a lot for small models and fast devices, nothing where the device is the bottleneck anyway. So the line is
    common, and a note until a counter confirms it. On a CPU nothing is queued, and reading a value costs nothing.

Example

    for images, labels in loader:
        loss = step(images.to(device), labels.to(device))
        total += loss.item()

Use instead

    for images, labels in loader:
        loss = step(images.to(device), labels.to(device))
        total += loss.detach()
    print(float(total))

    or read it every hundredth step. detach() keeps the sum from holding the graph of every step; in TensorFlow the sum
    needs no detach().

When it is fine

    - The model is so large that the device is busy all the time: `nvidia-smi dmon` shows it.
    - The value decides what the step does next.
    - Something else waits in each step anyway: a gradient scaler, a transfer of the predictions that is needed.

Evidence

    The programs of the study (PyTorch 2.13.0 on one thread, Keras 3.15.1 on TensorFlow 2.21.0 on two; a virtual machine
    with 2 CPUs of an AMD EPYC and no accelerator, busy otherwise; 21 November 2026; one run each, not an experiment)
    took 36.3 CPU-seconds without and 35.6 with the transfer in PyTorch, 12.5 and 13.6 in Keras. Accuracy, loss of the
    first step and number of steps were the same to the last digit. The mechanism says that on a CPU, where nothing is
    queued, the effect should be EQUAL. Nothing was run on an accelerator. `wattleak study blocking-transfer-each-step`
    measures it on your machine, as an experiment.

Fix safety

    Unsafe. A fix is offered where all that the step reads is only added up: the sum stays on the device and becomes a
    number where it is read after the loop. It is then kept in the precision of the tensor, float32 as a rule, where
    Python adds in float64; its last digits differ. What is trained does not change.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Fix, Persona, Severity, Smell
from wattleak.smells.blocking_transfer_each_step.accumulators import kept_on_device
from wattleak.smells.blocking_transfer_each_step.injecting import candidates
from wattleak.smells.blocking_transfer_each_step.transfers import Step, Transfer, waiting_steps
from wattleak.smells.finding import finding_at
from wattleak.source import flow
from wattleak.source.edits import apply
from wattleak.source.learning import FileRole, file_role
from wattleak.source.module import Module
from wattleak.source.reading import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

SMELL = Smell(
    code="SYN001",
    name="blocking-transfer-each-step",
    summary="every training step waits for the device because it reads a value from it",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_FRAMEWORKS = ("torch", "tensorflow", "keras", "backward", "GradientTape")


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - the seam is the same for every rule
    """Yield every training step that reads a value from the device each time, at the first that it reads."""
    if not any(word in module.text for word in _FRAMEWORKS):
        return
    for step in waiting_steps(module):
        first = step.transfers[0]
        if flow.runs_never(module, first.node):
            continue
        span = module.span(first.node)
        hidden = step.waits_anyway or file_role(module) is FileRole.TEST
        yield finding_at(
            SMELL,
            module.path,
            span,
            _message(module, step),
            severity=Severity.INFO,
            confidence=Confidence.MEDIUM,
            fix=_fix(module, step),
            persona=Persona.AUDITOR if hidden else Persona.DEFAULT,
        )


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    A sum that is kept on the device is made of numbers; where there is none, the loss is read after the backward pass.

    Raises:
        UsageError: the program has no training loop, or runs on the CPU only.
    """
    before = _count(module)
    for edits in candidates(module):
        after = parse(apply(module, edits), module.path)
        if isinstance(after, Module) and _count(after) > before:
            return edits
    if before:
        raise UsageError(
            f"{module.path} reads a value from the device in every training step already",
            "measure what it costs with `wattleak prove`, or use a program that does not",
        )
    raise UsageError(
        f"{module.path} has no training loop on an accelerator in which a value could be read in every step",
        "use a program with a training loop of its own that chooses a device, "
        'as in torch.device("cuda" if torch.cuda.is_available() else "cpu")',
    )


def _count(module: Module) -> int:
    return sum(1 for _ in detect(module, cpus=1))


def _message(module: Module, step: Step) -> str:
    first, others = step.transfers[0], step.transfers[1:]
    says = f"{_written(first)} waits in every training step until the device has computed {_short(first.value)}"
    lines = sorted({module.span(other.node).line for other in others} - {module.span(first.node).line})
    if not lines or module.notebook is not None:
        return says
    also = ", ".join(map(str, lines))
    return f"{says}; so {'does line' if len(lines) == 1 else 'do lines'} {also}"


def _written(transfer: Transfer) -> str:
    match transfer.node:
        case ast.JoinedStr() | ast.BinOp():
            return "this text"
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp():
            return "this condition"
        case ast.Call(func=ast.Attribute(attr=name), args=[]):
            return f".{name}()"
        case ast.Call(func=function):
            return f"{_short(function)}()"
        case node:
            return _short(node)


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _fix(module: Module, step: Step) -> Fix | None:
    edits = kept_on_device(module, step)
    if edits is None or not isinstance(parse(apply(module, edits), module.path), Module):
        return None
    return Fix(
        title="add up on the device and read the sum once",
        safe=False,
        edits=edits,
        why_unsafe="the sum is kept in the precision of the tensor, so its last digits can differ",
    )
