"""Running a plan: block after block, each run saved before the next begins, from wherever an earlier try stopped.

    plan ──> [block -1 (warm-up)] ──> [block 0] ──> [block 1] ──> …
               each: cool down, run every variant in the planned order, save each run at once

A block counts only whole. One that was interrupted, or in which a run failed, is run again from its first variant as
the next attempt; what it had is kept in the store and never counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from secrets import token_hex
from typing import TYPE_CHECKING

from wattleak.errors import MeasurementError
from wattleak.model import Experiment, Plan, PlannedRun, Run, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wattleak.model import Executor, RunSink, Session

_MOST_ATTEMPTS = 3  # of one block, before the experiment is stopped


@dataclass(frozen=True, slots=True)
class Progress:
    """What the runner tells whoever watches, after each run."""

    run: Run
    done: int  # blocks complete, warm-ups included
    blocks: int


def run_experiment(
    plan: Plan,
    executor: Executor,
    sink: RunSink,
    *,
    session: Session,
    environment: Mapping[str, str],
    before: Sequence[Run] = (),
    watch: Callable[[Progress], None] | None = None,
) -> Experiment:
    """Run what is missing of the plan. `before` are the runs of earlier tries.

    Raises MeasurementError when a block failed three times, or the very first warm-up failed: what was measured
    until then is in the store.
    """
    runs = list(before)
    variants = {variant.name: variant for variant in plan.design.variants}
    blocks = [(number, list(planned)) for number, planned in groupby(plan.runs, key=lambda run: run.block)]
    if not before:
        sink.save_plan(plan, environment)
    for done, (number, block) in enumerate(blocks):
        while not is_block_complete(runs, block):
            attempt = _next_attempt(runs, number)
            _give_up_if_hopeless(runs[len(before) :], number)
            for planned in block:
                _cool_down(plan, executor, first=not runs)
                measurement, failure = executor.run(
                    variants[planned.variant],
                    planned,
                    RunContext(plan.experiment, token_hex(4), plan.design.quality_regex, plan.design.timeout_s),
                )
                run = Run(
                    experiment=plan.experiment,
                    variant=planned.variant,
                    block=planned.block,
                    position=planned.position,
                    attempt=attempt,
                    seed=planned.seed,
                    session=session.id,
                    measurement=measurement,
                    failure=failure,
                )
                sink.save_run(run)
                runs.append(run)
                if watch is not None:
                    watch(Progress(run, done, len(blocks)))
                if failure is not None:
                    break  # the rest of a block that cannot count would be energy for nothing
    sink.finish(plan.experiment, complete=True)
    return Experiment(plan, tuple(runs), complete=True, environment=dict(environment))


def is_block_complete(runs: Iterable[Run], block: Sequence[PlannedRun]) -> bool:
    """Whether one attempt of the block has a run that counts for every variant."""
    number = block[0].block
    wanted = {planned.variant for planned in block}
    by_attempt: dict[int, set[str]] = {}
    for run in runs:
        if run.block == number and run.failure is None:
            by_attempt.setdefault(run.attempt, set()).add(run.variant)
    return any(names >= wanted for names in by_attempt.values())


def _next_attempt(runs: Iterable[Run], block: int) -> int:
    return 1 + max((run.attempt for run in runs if run.block == block), default=0)


def _cool_down(plan: Plan, executor: Executor, *, first: bool) -> None:
    if plan.design.cooldown_s > 0 and not first:
        executor.clock.sleep(plan.design.cooldown_s)


def _give_up_if_hopeless(runs: Sequence[Run], block: int) -> None:
    """Stop when a block keeps failing, or a variant has never worked in this try."""
    failed = [run for run in runs if run.block == block and run.failure is not None]
    never_worked = bool(failed) and not any(run.failure is None for run in runs if run.variant == failed[-1].variant)
    if len(failed) >= _MOST_ATTEMPTS or never_worked:
        last = failed[-1]
        times = "at once" if never_worked else f"{len(failed)} times in block {block}"
        raise MeasurementError(
            f"variant {last.variant} failed {times}: {last.failure}",
            f"see {last.measurement.journal.parent if last.measurement.journal else 'its run folder'}, "
            f"mend the command, and go on with: wattleak compare --resume {last.experiment}",
        )
