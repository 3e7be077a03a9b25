"""Running a plan: block after block, each run saved before the next begins, from wherever an earlier try stopped.

    plan ──> [block -1 (warm-up)] ──> [block 0] ──> [block 1] ──> …
               each: cool down, run every variant in the planned order, save each run at once

A block counts only whole. One that was interrupted, or in which a run failed, is run again from its first variant as
the next attempt; what it had is kept in the store and never counted.

Outside the blocks stand the runs of the reference program (experiment.control), where the plan asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from secrets import token_hex
from typing import TYPE_CHECKING

from wattleak.errors import MeasurementError, UsageError
from wattleak.experiment.control import ControlClock, control_run, control_variant
from wattleak.experiment.design import planned_session
from wattleak.experiment.gate import Rest
from wattleak.experiment.interruption import told_between_runs
from wattleak.experiment.race import race_of
from wattleak.model import CONTROL, Experiment, Run, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wattleak.experiment.gate import Gate
    from wattleak.experiment.leftovers import LeftoverRead, Leftovers
    from wattleak.model import Design, Executor, Measurement, Plan, PlannedRun, RunSink, Session

_MOST_ATTEMPTS = 3  # of one block, before the experiment is stopped
_MOST_NAMED = 3  # files
_READ = "read "  # begins the failure of a run that read what another had left


@dataclass(frozen=True, slots=True)
class Progress:
    """What the runner tells whoever watches, after each run."""

    run: Run
    done: int  # blocks complete, warm-ups included
    blocks: int


class _Maker:
    """Makes one run after the other, with all that belongs to a run: rest, failure, saving, telling."""

    def __init__(
        self,
        plan: Plan,
        executor: Executor,
        sink: RunSink,
        session: Session,
        runs: list[Run],
        gate: Gate | None,
        leftovers: Leftovers | None,
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._sink = sink
        self._session = session
        self._gate = gate
        self._leftovers = leftovers
        self._variants = {variant.name: variant for variant in (*plan.design.variants, control_variant())}
        self._begun = False
        self.runs = runs

    def make(self, planned: PlannedRun, attempt: int, dropped: tuple[str, ...] = ()) -> Run:
        """Make it, save it, and raise MeasurementError if it was no run of its own but went on from another."""
        design = self._plan.design
        rest = self._rest()
        if self._leftovers is not None:
            self._leftovers.before_run()
        short = None if planned.variant == CONTROL else design.short
        context = RunContext(self._plan.experiment, token_hex(4), design.quality_regex, design.timeout_s, short)
        measurement, failure = self._executor.run(self._variants[planned.variant], planned, context)
        reads = self._reads(planned, measurement)
        failure = failure or _not_its_own(reads) or _no_quality(design, planned, measurement)
        run = Run(
            experiment=self._plan.experiment,
            variant=planned.variant,
            block=planned.block,
            position=planned.position,
            attempt=attempt,
            seed=planned.seed,
            session=self._session.id,
            measurement=measurement,
            failure=failure,
            dropped=dropped,
            rest_s=None if rest is None else rest.waited_s,
            hot=None if rest is None else rest.hot,
        )
        self._sink.save_run(run)
        self.runs.append(run)
        return run

    def stop_if_it_went_on_from_another(self, run: Run) -> None:
        """Raises MeasurementError: a resumed checkpoint is not a run, and it would be read again and again."""
        if run.failure is not None and run.failure.startswith(_READ):
            raise MeasurementError(
                f"variant {run.variant} {run.failure}: a run that goes on from another one costs less than it shows",
                "write into $WATTLEAK_RUN_DIR, or remove the file; a cache that every run may find is named by "
                "--shared PATTERN in a new experiment. If something else read it: "
                f"wattleak {_verb(self._plan)} --resume {run.experiment}",
            )

    def _rest(self) -> Rest | None:
        """Cool down. None: nothing was asked for, or this is the first run of all."""
        first, self._begun = not self._begun, True
        if self._gate is not None:
            if first:
                self._gate.begin()
                return Rest(0.0, None)
            return self._gate.wait(self.runs[-1].measurement.duration_s)
        if self._plan.design.cooldown_s > 0 and self.runs:
            self._executor.clock.sleep(self._plan.design.cooldown_s)
        return None

    def _reads(self, planned: PlannedRun, measurement: Measurement) -> tuple[LeftoverRead, ...]:
        if self._leftovers is None:
            return ()
        where = "a warm-up" if planned.block < 0 else f"block {planned.block + 1}"
        own = None if measurement.journal is None else measurement.journal.parent / "work"
        return self._leftovers.after_run(f"{planned.variant} in {where} (run {measurement.id})", own)


def run_experiment(
    plan: Plan,
    executor: Executor,
    sink: RunSink,
    *,
    session: Session,
    environment: Mapping[str, str],
    before: Sequence[Run] = (),
    watch: Callable[[Progress], None] | None = None,
    gate: Gate | None = None,
    leftovers: Leftovers | None = None,
) -> Experiment:
    """Run what is missing of the first planned session that is not whole yet. `before` are the runs of earlier tries.

    `gate` holds each run back until the machine is at rest; `leftovers` watches for files that runs leave for each
    other. Raises UsageError when that session would have to be another one than `session`, and MeasurementError when a
    block failed three times, the very first warm-up failed, or a run read what an earlier one left: what was measured
    until then is in the store. Raises Interrupted when this process is asked to end.
    """
    runs = list(before)
    index = session_to_run(plan, runs, session)
    blocks = stretches(planned_session(plan, index))
    if not before:
        sink.save_plan(plan, environment)
    race = race_of(plan, runs)
    maker = _Maker(plan, executor, sink, session, runs, gate, leftovers)
    control = ControlClock(plan.design.control_every)

    def tell(run: Run, done: int) -> None:
        if watch is not None:
            watch(Progress(run, done, len(blocks)))

    def run_control(block: int, done: int) -> None:
        planned = control_run(block, index)
        tell(maker.make(planned, _next_attempt(runs, [planned])), done)
        control.ran()

    with told_between_runs(plan.experiment):
        for done, (number, whole) in enumerate(blocks):
            if race.is_decided:
                break
            out = race.out_of(number, runs)
            block = [planned for planned in whole if planned.variant not in out]
            if block and not is_block_complete(runs, block) and control.is_due():
                run_control(number, done)
            broken = False
            while block and (broken or not is_block_complete(runs, block)):
                attempt = _next_attempt(runs, block)
                _give_up_if_hopeless(_of(block, runs[len(before) :]), number, _verb(plan))
                broken = False
                for planned in block:
                    run = maker.make(planned, attempt, out)
                    tell(run, done)
                    maker.stop_if_it_went_on_from_another(run)
                    if run.failure is not None:
                        broken = True
                        break  # the rest of a block that cannot count would be energy for nothing
                else:
                    control.block_done()
                out = race.out_of(number, runs)  # a setting that never works may be out of a search by now
                block = [planned for planned in whole if planned.variant not in out]
            race.look(runs)
        if control.is_due_at_end():
            run_control(blocks[-1][0], len(blocks))
    complete = race.is_decided or all(
        is_session_complete(plan, runs, other, race.dropped) for other in range(plan.design.sessions)
    )
    sink.finish(plan.experiment, complete=complete)
    notes = () if leftovers is None else leftovers.notes
    return Experiment(plan, tuple(runs), complete=complete, environment=dict(environment), notes=notes)


def _of(block: Sequence[PlannedRun], runs: Sequence[Run]) -> list[Run]:
    variants = {planned.variant for planned in block}
    return [run for run in runs if run.variant in variants]


def stretches(planned: Sequence[PlannedRun]) -> list[tuple[int, list[PlannedRun]]]:
    """The run table cut where the block changes: what is run in one go, and again in one go if it breaks."""
    return [(number, list(runs)) for number, runs in groupby(planned, key=lambda run: run.block)]


def is_session_complete(plan: Plan, runs: Sequence[Run], index: int, dropped: Sequence[str] = ()) -> bool:
    """Whether every block of one planned session has been run whole, apart from variants that were dropped."""
    made: dict[int, list[Run]] = {}
    for run in runs:
        made.setdefault(run.block, []).append(run)
    return all(
        is_block_complete(made.get(number, ()), [planned for planned in block if planned.variant not in dropped])
        for number, block in stretches(planned_session(plan, index))
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


def _no_quality(design: Design, planned: PlannedRun, measurement: Measurement) -> str | None:
    """Why a run that was asked how good its result is did not say so; None when it did, or nobody asked."""
    if design.short is not None or planned.variant == CONTROL:
        return None
    if design.quality is not None and design.quality.metric not in measurement.quality:
        return f"no quality: {design.quality.metric} was not reported"
    if design.quality is None and design.quality_regex is not None and not measurement.quality:
        return f"no quality: nothing that it printed matches {design.quality_regex!r}"
    return None


def _verb(plan: Plan) -> str:
    return "compare" if plan.design.search is None else "tune"


def _not_its_own(reads: Sequence[LeftoverRead]) -> str | None:
    if not reads:
        return None
    names = ", ".join(read.path for read in reads[:_MOST_NAMED])
    return f"{_READ}{names}, left by {reads[0].left_by}"


def _give_up_if_hopeless(runs: Sequence[Run], block: int, verb: str) -> None:
    """Stop when a block keeps failing, or a variant has never worked in this try."""
    failed = [run for run in runs if run.block == block and run.failure is not None and run.variant != CONTROL]
    never_worked = bool(failed) and not any(run.failure is None for run in runs if run.variant == failed[-1].variant)
    if len(failed) >= _MOST_ATTEMPTS or never_worked:
        last = failed[-1]
        times = "at once" if never_worked else f"{len(failed)} times in block {block}"
        raise MeasurementError(
            f"variant {last.variant} failed {times}: {last.failure}",
            f"see {last.measurement.journal.parent if last.measurement.journal else 'its run folder'}, "
            f"mend the command, and go on with: wattleak {verb} --resume {last.experiment}",
        )
