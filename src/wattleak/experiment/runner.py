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

from wattleak.errors import MeasurementError, UsageError
from wattleak.experiment.design import planned_session
from wattleak.experiment.race import Race
from wattleak.model import Experiment, Run, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wattleak.model import Executor, Plan, PlannedRun, RunSink, Session

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
    """Run what is missing of the first planned session that is not whole yet. `before` are the runs of earlier tries.

    Raises UsageError when that session would have to be another one than `session`, and MeasurementError when a block
    failed three times, or the very first warm-up failed: what was measured until then is in the store.
    """
    runs = list(before)
    variants = {variant.name: variant for variant in plan.design.variants}
    index = session_to_run(plan, runs, session)
    blocks = stretches(planned_session(plan, index))
    if not before:
        sink.save_plan(plan, environment)
    race = Race(plan, runs)
    for done, (number, whole) in enumerate(blocks):
        if race.is_decided:
            break
        block = [planned for planned in whole if planned.variant not in race.dropped]
        while not is_block_complete(runs, block):
            attempt = _next_attempt(runs, block)
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
                    dropped=race.dropped,
                )
                sink.save_run(run)
                runs.append(run)
                if watch is not None:
                    watch(Progress(run, done, len(blocks)))
                if failure is not None:
                    break  # the rest of a block that cannot count would be energy for nothing
        race.look(runs)
    complete = race.is_decided or all(
        is_session_complete(plan, runs, other, race.dropped) for other in range(plan.design.sessions)
    )
    sink.finish(plan.experiment, complete=complete)
    return Experiment(plan, tuple(runs), complete=complete, environment=dict(environment))


def stretches(planned: Sequence[PlannedRun]) -> list[tuple[int, list[PlannedRun]]]:
    """The run table cut where the block changes: what is run in one go, and again in one go if it breaks."""
    return [(number, list(runs)) for number, runs in groupby(planned, key=lambda run: run.block)]


def is_session_complete(plan: Plan, runs: Sequence[Run], index: int, dropped: Sequence[str] = ()) -> bool:
    """Whether every block of one planned session has been run whole, apart from variants that were dropped."""
    return all(
        is_block_complete(runs, [planned for planned in block if planned.variant not in dropped])
        for _, block in stretches(planned_session(plan, index))
    )


def session_to_run(plan: Plan, runs: Sequence[Run], session: Session) -> int:
    """Index of the first planned session that is not whole; the last one when all are.

    Raises UsageError when the present session has already given another one: sessions that are not apart in time or
    place would count the same day twice.
    """
    for index in range(plan.design.sessions):
        if is_session_complete(plan, runs, index):
            continue
        blocks = {run.block for run in planned_session(plan, index)}
        if any(run.session == session.id and run.block not in blocks for run in runs):
            raise UsageError(
                f"session {index + 1} of {plan.design.sessions} must be another one, and this is still the last one",
                "a session begins after a boot, on another node, or six hours after the last run: "
                f"then wattleak compare --resume {plan.experiment}",
            )
        return index
    return plan.design.sessions - 1


def is_block_complete(runs: Iterable[Run], block: Sequence[PlannedRun]) -> bool:
    """Whether one attempt of the block has a run that counts for every variant."""
    number = block[0].block
    wanted = {planned.variant for planned in block}
    by_attempt: dict[int, set[str]] = {}
    for run in runs:
        if run.block == number and run.failure is None:
            by_attempt.setdefault(run.attempt, set()).add(run.variant)
    return any(names >= wanted for names in by_attempt.values())


def _next_attempt(runs: Iterable[Run], block: Sequence[PlannedRun]) -> int:
    """Counted for the variants that are run together: in sequential order those of one block are far apart."""
    number, variants = block[0].block, {planned.variant for planned in block}
    return 1 + max((run.attempt for run in runs if run.block == number and run.variant in variants), default=0)


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
