"""Do the results match the plan that was written before the first run? Where they do not, they are exploratory.

A question that is fixed beforehand can be answered by its data; a question that was changed after the data were seen
cannot (Nosek et al. 2018, "The preregistration revolution"). What is held together: plan.json, the plan in the store,
and the runs with their variants, commands, seeds and order.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from wattleak.documents import design_document
from wattleak.experiment.design import plan_digest, redacted
from wattleak.experiment.differences import difference_from_document
from wattleak.model import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wattleak.model import Experiment, Plan, Run

_MOST = 5  # of one kind that are told one by one


def deviations(plan: Plan, written: Plan | str, runs: Sequence[Run]) -> tuple[str, ...]:
    """In what the runs are not what was planned, in sentences; empty: they are.

    Args:
        plan: As the store has it, with sessions that were added.
        written: plan.json as it is found now, or in words why it cannot be read.
        runs: All of the experiment. Those of the reference program stand outside the plan.
    """
    own = [run for run in runs if run.variant != CONTROL]
    return (
        *([f"plan.json {written}"] if isinstance(written, str) else _plans(plan, written)),
        *_few(_cells(plan, own)),
        *_few(_order(plan, own)),
    )


def as_found(experiment: Experiment, records: Sequence[Mapping[str, Any]], written: Plan | str) -> Experiment:
    """An experiment with what is known of it besides its runs: the declared difference, and whether the plan was kept.

    `records` are the documents of provenance, one for each start; `written` as in `deviations`.
    """
    plan = replace(experiment.plan, design=redacted(experiment.plan.design))
    accepted = [f"declared on resuming: {what}" for record in records for what in record["accepted"]]
    return replace(
        experiment,
        notes=(*experiment.notes, *accepted),
        differences=tuple(map(difference_from_document, records[0]["differences"])) if records else (),
        exploratory=deviations(plan, written, experiment.runs),
    )


def _plans(plan: Plan, written: Plan) -> Iterator[str]:
    if plan_digest(written.design, written.runs) != written.digest:
        yield "plan.json was changed after it was written: its digest is that of another plan"
    if plan_digest(plan.design, plan.runs) != plan.digest:
        yield "the stored plan was changed: its digest is that of another plan"
    shorter = replace(plan.design, sessions=written.design.sessions)
    begins = tuple(run for run in plan.runs if run.session < written.design.sessions)
    if design_document(shorter) != design_document(written.design) or begins != written.runs:
        yield "the stored plan is not that of plan.json"


def _cells(plan: Plan, runs: Sequence[Run]) -> Iterator[str]:
    planned = {(run.block, run.variant): run for run in plan.runs}
    commands = {variant.name: variant.command for variant in plan.design.variants}
    for run in runs:
        cell = planned.get((run.block, run.variant))
        if cell is None:
            yield f"run {run.id} ({run.variant}, block {run.block}) is in no plan"
            continue
        if (run.seed, run.position) != (cell.seed, cell.position):
            yield (
                f"run {run.id} has seed {run.seed} and place {run.position}, planned were {cell.seed} and "
                f"{cell.position}"
            )
        # A short plan fills in the number of steps, which only the run knows.
        if plan.design.short is None and run.measurement.command != commands[run.variant]:
            yield f"run {run.id} ran another command than {run.variant}"


def _order(plan: Plan, runs: Sequence[Run]) -> Iterator[str]:
    """Within a session each run comes later in the plan than the one before, but for a block that is run again."""
    places = {(run.block, run.variant): place for place, run in enumerate(plan.runs)}
    known = [run for run in runs if (run.block, run.variant) in places]
    by_session = sorted(known, key=lambda run: run.session)
    for _, group in groupby(by_session, key=lambda run: run.session):
        in_time = sorted(group, key=lambda run: run.measurement.started_at)  # sorted() keeps ties as they were saved
        for before, run in pairwise(in_time):
            again = run.block == before.block and run.attempt > before.attempt
            if not again and places[run.block, run.variant] <= places[before.block, before.variant]:
                yield f"run {run.id} came after {before.id}, and was planned before it"


def _few(sentences: Iterator[str]) -> Iterator[str]:
    told = list(sentences)
    yield from told[:_MOST]
    if len(told) > _MOST:
        yield f"and {len(told) - _MOST} more runs are not as planned"
