"""The main path of `compare`, of every study, and of verbs that conclude in their own way: plan, run, answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli.ending import tell

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.meters.probe import Probed
    from wattleak.model import Comparison, Design, Experiment, Plan, Search, Stopping
    from wattleak.store.sqlite import SqliteStore


def experiment(
    treatments: Treatments,
    settings: Settings,
    args: Namespace,
    *,
    title: str,
    kind: str,
    conclude: Callable[[SqliteStore, Experiment], int] | None = None,
    prepare: Callable[[], None] | None = None,
    planned: Mapping[str, object] | None = None,
    search: tuple[Search, Stopping] | None = None,
) -> int:
    """Plan, run and conclude.

    `prepare` makes what the variants run in, once the plan stands and before it is looked at; a dry run does without.
    `planned` is what the document of a dry run has besides the plan. `search` makes the variants race each other.
    """
    from functools import partial

    from wattleak.analysis.comparison import compare
    from wattleak.cli.against import conclusion
    from wattleak.cli.declared import declared
    from wattleak.cli.measure import check_region
    from wattleak.cli.planning import dry_run, new_plan, stored_plan
    from wattleak.cli.protocol import read_around
    from wattleak.environment.fingerprint import digest, fingerprint
    from wattleak.executors.worktree import worktrees
    from wattleak.meters.probe import probe_meters
    from wattleak.model import Order
    from wattleak.store.sqlite import SqliteStore

    check_region(settings.region)
    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    facts = fingerprint(channel.name for channel in probed.channels)
    machine = digest(facts)
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        plan = (
            stored_plan(store, treatments.variants, args)
            if args.resume
            else new_plan(
                treatments,
                settings,
                probed,
                title,
                Order(args.order or Order.RANDOM),
                read_around(args, settings),
                eliminate=args.eliminate,
                declared=declared(args),
                noise_floor=partial(store.noise_floor, machine),
                search=search,
            )
        )
        if args.dry_run:
            return dry_run(store, plan, probed, args, planned or {})
        _refuse_what_cannot_start(plan.design)
        if prepare is not None:
            prepare()
        with worktrees(plan.design.variants, settings.store) as roots:
            finished = _execute(store, plan, probed, facts, settings, args, roots)
        if conclude is None and plan.design.search is not None:  # a search that is gone on with
            from wattleak.cli.tune import conclusion as end_of_search

            conclude = end_of_search(settings, args)
        if conclude is None and len(plan.design.variants) == 1:  # held against stored runs
            conclude = conclusion(settings, args)
        if conclude is not None:
            return conclude(store, finished)
        comparison = compare(finished)
        store.save_verdict(plan.experiment, comparison.pairs[0].verdict.value)
        if kind == "compare" and args.aa:
            _keep_noise_floor(store, comparison, machine, args)
    return tell(finished, comparison, settings, args, kind)


def _refuse_what_cannot_start(design: Design) -> None:
    from wattleak.recorder.launch import check_program

    for variant in design.variants:
        if variant.commit is None:  # what an older commit has is seen when its worktree is there
            check_program(variant.command[0], variant.env)


def _execute(
    store: SqliteStore,
    plan: Plan,
    probed: Probed,
    facts: Mapping[str, str],
    settings: Settings,
    args: Namespace,
    roots: Mapping[str, Path],
) -> Experiment:
    from dataclasses import replace

    from wattleak.cli.declared import hold_to_declared
    from wattleak.cli.protocol import gate_for, leftovers_for, telling_failures
    from wattleak.cli.terminal import experiment_progress
    from wattleak.environment.fingerprint import current_session
    from wattleak.executors.limited import limited
    from wattleak.executors.local import LocalExecutor, end_leftovers
    from wattleak.experiment.design import redacted
    from wattleak.experiment.runner import run_experiment
    from wattleak.experiment.watch import WatchedExecutor

    before = store.experiment(plan.experiment).runs if args.resume else ()
    if args.resume:
        end_leftovers(plan.experiment)
    made_of, allowed = hold_to_declared(store, plan, args, roots)
    session = current_session(facts, *store.last_session(plan.experiment))
    store.save_session(plan.experiment, session)
    _announce(plan, args)
    local = LocalExecutor(
        settings.store,
        probed,
        region=settings.region,
        pue=settings.pue,
        interval_s=settings.interval,
        roots=roots,
        probes=args.probes,
    )
    racing = plan.design.variants if plan.design.search is not None else ()  # only a search changes a device
    with (
        limited(racing, lambda said: print(f"wattleak: {said}", file=sys.stderr)) as under_limit,
        gate_for(plan, probed, local.clock) as gate,
        leftovers_for(plan, settings, resumed=bool(args.resume), inputs=made_of.paths) as leftovers,
        experiment_progress(len(plan.runs), quiet=args.quiet) as watch,
    ):
        executor = WatchedExecutor(under_limit(local), made_of, allowed)
        finished = run_experiment(
            plan,
            executor,
            store,
            session=session,
            environment=facts,
            before=before,
            watch=executor.then_stop(telling_failures(watch, quiet=args.quiet)),
            gate=gate,
            leftovers=leftovers,
        )
    finished = replace(finished, plan=replace(plan, design=redacted(plan.design)))  # what is shown is what is stored
    return store.as_found(finished)


def _announce(plan: Plan, args: Namespace) -> None:
    """Say what begins, on standard error; the id first, so that an interrupted experiment can be resumed."""
    if args.quiet:
        return
    from wattleak.analysis.feasibility import too_few_blocks
    from wattleak.reports.words import count, order_in_words

    design = plan.design
    sessions = f" x {design.sessions} sessions" if design.sessions > 1 else ""
    order = f"order {order_in_words(design)} (seed {design.seed})"
    print(
        f"experiment {plan.experiment}: {count(len(design.variants), 'variant')} x {count(design.blocks, 'block')}"
        f"{sessions}, {order}, {design.warmups} warm-up; primary metric {design.metric}",
        file=sys.stderr,
    )
    if design.search is not None:
        race = design.blocks - design.search.confirmations
        print(
            f"  a race of {race} blocks at most, then {count(design.search.confirmations, 'fresh block')} "
            "of its winner and the reference",
            file=sys.stderr,
        )
        return
    if too_few := too_few_blocks(design):
        blocks, needed = too_few
        print(f"  {blocks} blocks can never give a verdict: it takes {needed}", file=sys.stderr)


def _keep_noise_floor(store: SqliteStore, comparison: Comparison, machine: str, args: Namespace) -> None:
    """Store what identical programs differed by, and say it."""
    from wattleak.experiment.noise_floor import floor_of
    from wattleak.reports.units import margin

    floor = floor_of(comparison.pairs[0], machine, comparison.experiment)
    if floor is None:
        print("wattleak: too few blocks for a noise floor: nothing was stored", file=sys.stderr)
        return
    store.save_noise_floor(floor)
    if not args.quiet:
        print(
            f"noise floor of {floor.metric} on this machine: {margin(floor.floor)} ({floor.blocks} blocks of a program "
            "against itself); for 30 days no smaller effect is asked for here unless --smallest-effect says so",
            file=sys.stderr,
        )
