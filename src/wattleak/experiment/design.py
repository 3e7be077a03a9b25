"""From commands to a plan: which variants, in which order, with which seeds. Fixed before the first run.

Order: randomised complete blocks. Every block holds every variant once; with two variants the two orders are balanced
in every four blocks, so that neither is systematically first. The order, the training seeds and the padding of the
environment follow from one stored seed. The sequential order of published work (all of one variant, then all of the
next) can be asked for, and is never graded higher than observed.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from secrets import randbelow, token_hex
from typing import TYPE_CHECKING

from wattleak.documents import design_document, order_document
from wattleak.environment.redaction import redact_command, redact_environment
from wattleak.errors import UsageError
from wattleak.model import Design, Order, Plan, PlannedRun, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$", re.DOTALL)
_NAMED = re.compile(r"^([A-Za-z0-9][\w.+-]*)=(?=.*\S)(.*)$", re.DOTALL)
_BALANCE_OVER = 4  # blocks
_LARGEST_SEED = 2**31 - 1  # what every framework takes
_MOST_PADDING_B = 4096  # bytes of environment: one page, which moves the stack by any offset within it


def variants_from(
    commands: Sequence[str], named: Sequence[str], environments: Sequence[str], *, shell: bool
) -> tuple[Variant, ...]:
    """Variants from the command line: positional commands become A, B, C…; `named` are NAME=COMMAND.

    A command may start with NAME=VALUE words, as in a shell: they are the environment of that variant. More of it
    comes from `environments`, each VARIANT:NAME=VALUE. Raises UsageError.
    """
    written = [(chr(ord("A") + number), text) for number, text in enumerate(commands)]
    for text in named:
        match = _NAMED.match(text)
        if match is None:
            raise UsageError(f"--variant {text!r} has no name", "write --variant NAME='COMMAND'")
        written.append((match[1], match[2]))
    names = [name for name, _ in written]
    if len(set(names)) != len(names):
        raise UsageError(f"two variants have the same name: {', '.join(names)}", "give each --variant its own name")
    extra: dict[str, dict[str, str]] = {name: {} for name in names}
    for text in environments:
        name, _, assignment = text.partition(":")
        match = _ASSIGNMENT.match(assignment)
        if match is None or name not in extra:
            raise UsageError(
                f"--env {text!r} does not fit", f"write --env VARIANT:NAME=VALUE with VARIANT one of {', '.join(names)}"
            )
        extra[name][match[1]] = match[2]
    return tuple(_variant(name, text, extra[name], shell=shell) for name, text in written)


def _variant(name: str, text: str, extra: Mapping[str, str], *, shell: bool) -> Variant:
    if shell:
        return Variant(name, ("/bin/sh", "-c", text), dict(extra))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"cannot split the command of {name} into words: {error}", "check its quotes") from error
    env: dict[str, str] = {}
    while words and (match := _ASSIGNMENT.match(words[0])):
        env[match[1]] = match[2]
        words.pop(0)
    if not words:
        raise UsageError(f"the command of {name} is empty: {text!r}", "write the command that is to be run")
    return Variant(name, tuple(words), {**env, **extra})


def check_regex(regex: str | None) -> str | None:
    """The regex itself, if it can be used. Raises UsageError."""
    if regex is not None:
        try:
            re.compile(regex)
        except re.error as error:
            raise UsageError(
                f"--quality-regex {regex!r} is not a regular expression: {error}",
                "write it as Python does: 'acc=(?P<accuracy>[0-9.]+)'",
            ) from error
    return regex


def make_plan(design: Design, experiment: str | None = None) -> Plan:
    """Lay out every run. The same design gives the same order."""
    runs = tuple(lay_out(design))
    return Plan(
        experiment=experiment or token_hex(4),
        design=design,
        runs=runs,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        digest=plan_digest(design, runs),
    )


def plan_digest(design: Design, runs: tuple[PlannedRun, ...]) -> str:
    """SHA-256 of the redacted design and the order: results that do not match it were not planned."""
    document = {"design": design_document(redacted(design)), "order": order_document(runs)}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def redacted(design: Design) -> Design:
    """The design as it may be stored."""
    return replace(
        design,
        variants=tuple(map(_redacted_variant, design.variants)),
        template=None if design.template is None else _redacted_variant(design.template),
    )


def _redacted_variant(variant: Variant) -> Variant:
    return replace(variant, command=redact_command(variant.command), env=redact_environment(variant.env))


def draw_seed() -> int:
    """A seed for those who gave none; it is stored with the plan."""
    return randbelow(1_000_000)


def planned_session(plan: Plan, session: int) -> tuple[PlannedRun, ...]:
    """The runs of one planned session, its warm-ups first."""
    return tuple(run for run in plan.runs if run.session == session)


def with_session_added(plan: Plan) -> Plan:
    """The same plan with one session more, laid out as if it had been asked for at the start.

    The rule is fixed by the design and its seed, so an added session is as little a choice as a planned one; that it
    was added after results were seen is for the report to say.
    """
    design = replace(plan.design, sessions=plan.design.sessions + 1)
    runs = tuple(lay_out(design))
    return replace(plan, design=design, runs=runs, digest=plan_digest(design, runs))


def lay_out(design: Design) -> Iterable[PlannedRun]:
    """Every run in its order. A longer plan begins as the shorter one does: sessions draw from seeds of their own."""
    for session in range(design.sessions):
        # The first session draws as plans did before there were sessions, so that old plans keep their order.
        name = f"{design.seed}" if session == 0 else f"{design.seed} session {session}"
        order = random.Random(f"order {name}")  # noqa: S311 - reproducible, not secret
        seeds = random.Random(f"training {name}")  # noqa: S311
        paddings = random.Random(f"padding {name}")  # noqa: S311
        blocks = range(-design.warmups, design.blocks)
        numbers = {
            block: (block - session * design.warmups if block < 0 else block + session * design.blocks)
            for block in blocks
        }
        seed_of = {block: seeds.randint(0, _LARGEST_SEED) for block in blocks}
        for block, position, variant in _arranged(design, blocks, order):
            padding_b = paddings.randrange(_MOST_PADDING_B) if design.pad_environment else 0
            yield PlannedRun(numbers[block], position, variant, seed_of[block], session, padding_b)


def _arranged(design: Design, blocks: range, order: random.Random) -> Iterable[tuple[int, int, str]]:
    """(block, position, variant) of one session, in the order of the design."""
    names = [variant.name for variant in design.variants]
    if design.order is Order.SEQUENTIAL:
        yield from ((block, position, name) for position, name in enumerate(names) for block in blocks)
        return
    balanced: list[list[str]] = []
    for block in blocks:
        if block < 0 or len(names) != 2:
            shuffled = order.sample(names, len(names))
        else:
            if not balanced:
                balanced = [names, names[::-1]] * (_BALANCE_OVER // 2)
                order.shuffle(balanced)
            shuffled = balanced.pop()
        yield from ((block, position, name) for position, name in enumerate(shuffled))
