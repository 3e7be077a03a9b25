"""Compare commands by a controlled experiment: randomised blocks, fresh processes, an interval and a verdict.

    wattleak compare 'python train.py' 'python train.py --workers 4'
    wattleak compare --variant good='python train.py' --variant bad='OMP_NUM_THREADS=64 python train.py'

The first variant is the reference; change is candidate over reference minus one. Programs report quality with
wattleak.report_metric, in the file $WATTLEAK_METRICS, as a line WATTLEAK {"accuracy": 0.91}, or through
--quality-regex. They get $WATTLEAK_SEED (shared inside a block) and a folder of their own, $WATTLEAK_RUN_DIR.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wattleak.analysis.pareto import Front
    from wattleak.cli.protocol import Around
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.meters.probe import Probed
    from wattleak.model import Comparison, Design, Experiment, NoiseFloor, Order, Plan, Search, Stopping, Variant
    from wattleak.store.sqlite import SqliteStore

SUMMARY = "compare commands by a controlled experiment"

_MEETS = {
    "saving": {"saving"},
    "equal": {"equal"},
    "not-worse": {"saving", "equal"},
    "costs-more": {"costs_more"},
}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help="a command, quoted as one word; the first is the reference"
    )
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=COMMAND", help="a command with a name")
    parser.add_argument(
        "--env", action="append", default=[], metavar="VARIANT:NAME=VALUE", help="environment of one variant"
    )
    parser.add_argument("--shell", action="store_true", help="hand each command to /bin/sh as one string")
    parser.add_argument(
        "-F",
        "--factor",
        action="append",
        default=[],
        metavar="NAME=LEVEL,LEVEL",
        help="a run table: every combination of levels is a variant; {NAME} stands in the one command, after --",
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="NAME=LEVEL,...", help="combinations that are left out"
    )
    parser.add_argument(
        "--fraction", choices=("half",), help="a regular half of the combinations; the report says what it cannot tell"
    )
    parser.add_argument(
        "--reference", metavar="NAME=LEVEL,...", help="the combination that the others are held against"
    )
    parser.add_argument(
        "--aa", action="store_true", help="run one command against itself, and keep this machine's noise floor"
    )
    parser.add_argument("--file", metavar="FILE", help="a TOML file that says what these options say")
    parser.add_argument("--title", metavar="TEXT", help="what to call the experiment")
    parser.add_argument(
        "--pareto",
        action="store_true",
        help="which are worth their price: Pareto front of cost and --quality, in words",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE_OR_ID",
        help="the same of runs that are there already: a CSV file with a row for each run, or a stored experiment",
    )
    parser.add_argument("--resume", metavar="ID", help="go on with an experiment that was interrupted")
    options.add_against(parser)
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.cli.against import run_against
    from wattleak.cli.experiment_file import apply_file
    from wattleak.cli.settings import Settings

    apply_file(args)
    settings = Settings.resolve(args)
    if args.source:
        from wattleak.cli.pareto import run_from

        return run_from(args, settings)
    if args.against:
        return run_against(args, settings)
    conclude = None
    if args.pareto:
        from wattleak.cli.pareto import with_front

        conclude = with_front(args, settings, "compare")
    treatments = _treatments(args)
    if args.aa:
        treatments = _against_itself(treatments)
    if args.resume is None and len(treatments.variants) < 2:
        raise UsageError(
            "an experiment needs two commands or more", "wattleak compare 'python a.py' 'python b.py', each in quotes"
        )
    return experiment(treatments, settings, args, title=args.title or "", kind="compare", conclude=conclude)


def _against_itself(treatments: Treatments) -> Treatments:
    """The one command twice: whatever differs between the two is noise."""
    from dataclasses import replace

    if len(treatments.variants) != 1:
        raise UsageError("--aa runs one command against itself", "wattleak compare --aa 'python train.py'")
    (variant,) = treatments.variants
    return replace(treatments, variants=(replace(variant, name="A"), replace(variant, name="A-again")))


def _treatments(args: Namespace) -> Treatments:
    """From commands, or from one command and the levels of its factors."""
    from shlex import join

    from wattleak.experiment.design import variants_from
    from wattleak.experiment.factors import Treatments, outside_half, parse_combination, parse_factor, run_table

    if not args.factor:
        if args.exclude or args.reference or args.fraction:
            raise UsageError(
                "--exclude, --fraction and --reference belong to a run table", "name its factors: -F batch=32,64"
            )
        return Treatments(variants_from(args.commands, args.variant, args.env, shell=args.shell))
    if args.variant or not args.commands:
        raise UsageError(
            "a run table has one command", "wattleak compare -F batch=32,64 -- python train.py --batch {batch}"
        )
    factors = [parse_factor(text) for text in args.factor]
    text = args.commands[0] if len(args.commands) == 1 else join(args.commands)
    (template,) = variants_from((), [f"all={text}"], [_for_all(env) for env in args.env], shell=args.shell)
    return run_table(
        template,
        factors,
        exclude=[
            *(parse_combination(text, factors) for text in args.exclude),
            *(outside_half(factors) if args.fraction else ()),
        ],
        reference=parse_combination(args.reference, factors) if args.reference else None,
    )


def _for_all(env: str) -> str:
    if not env.startswith("*:"):
        raise UsageError(
            f"--env {env!r} does not fit a run table", "write --env '*:NAME=VALUE'; {FACTOR} stands for its level"
        )
    return "all" + env[1:]


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
    """The main path of `compare`, of every study, and of verbs that conclude in their own way.

    `prepare` makes what the variants run in, once the plan stands and before it is looked at; a dry run does without.
    `planned` is what the document of a dry run has besides the plan. `search` makes the variants race each other.
    """
    from functools import partial

    from wattleak.analysis.comparison import compare
    from wattleak.cli.against import conclusion
    from wattleak.cli.declared import declared
    from wattleak.cli.measure import check_region
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
            _resumed(store, treatments.variants, args)
            if args.resume
            else _planned(
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
            return _dry_run(store, plan, probed, args, planned or {})
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


def tell(
    finished: Experiment,
    comparison: Comparison,
    settings: Settings,
    args: Namespace,
    kind: str,
    *,
    front: Front | None = None,
) -> int:
    """Print the answer, write the report that is asked for, and choose the exit code."""
    _print(finished, comparison, args, kind)
    return end(finished, comparison, settings, args, front=front)


def end(
    finished: Experiment,
    comparison: Comparison,
    settings: Settings,
    args: Namespace,
    *,
    required: Comparison | None = None,
    front: Front | None = None,
) -> int:
    """Write the report that is asked for, and choose the exit code: by `required`, where --require is about less."""
    if args.report:
        write_report(finished, comparison, settings, args, front)
    return _exit_code(required or comparison, args.require)


def _planned(
    treatments: Treatments,
    settings: Settings,
    probed: Probed,
    title: str,
    order: Order,
    around: Around,
    *,
    eliminate: bool,
    declared: tuple[str, ...],
    noise_floor: Callable[[str], NoiseFloor | None],
    search: tuple[Search, Stopping] | None = None,
) -> Plan:
    from wattleak.analysis.quality import parse_quality
    from wattleak.cli.protocol import primary_metric
    from wattleak.experiment.design import check_regex, draw_seed, make_plan
    from wattleak.experiment.noise_floor import smallest_effect
    from wattleak.experiment.short_plan import with_steps
    from wattleak.model import Design

    primary = primary_metric(settings, probed, around)
    effect, reason = smallest_effect(settings.smallest_effect, noise_floor(primary))
    return make_plan(
        Design(
            variants=tuple(with_steps(variant, around.short) for variant in treatments.variants),
            blocks=settings.blocks,
            seed=draw_seed() if settings.seed is None else settings.seed,
            metric=primary,
            smallest_effect=effect,
            smallest_effect_reason=reason,
            warmups=settings.warmups,
            cooldown_s=around.cooldown_s,
            quality=parse_quality(settings.quality) if settings.quality and not around.short else None,
            quality_regex=None if around.short else check_regex(settings.quality_regex),
            timeout_s=settings.timeout,
            title=title,
            factors=treatments.factors,
            template=treatments.template,
            order=order,
            sessions=settings.sessions,
            stopping=search[1] if search else _stopping(settings, len(treatments.variants) - 1),
            eliminate=eliminate,
            pad_environment=True,
            against=treatments.against,
            declared=declared,
            short=around.short,
            control_every=around.control_every,
            gated=around.gated,
            shared=around.shared,
            search=search[0] if search else None,
        )
    )


def _stopping(settings: Settings, candidates: int) -> Stopping | None:
    """The stop rule that is asked for, with its looks."""
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.analysis.sequential import check_looks, default_looks
    from wattleak.model import Stopping, StoppingRule

    if settings.stop is None:
        if settings.looks is not None:
            raise UsageError("--looks says when, and nothing says how to judge", "--stop pocock, or obrien-fleming")
        return None
    blocks = settings.blocks * settings.sessions
    fewest = blocks_needed(0.98, max(candidates, 1))  # a look that the exact test cannot pass would be for nothing
    looks = settings.looks or default_looks(blocks, fewest)
    return Stopping(StoppingRule(settings.stop), check_looks(looks, blocks))


def _resumed(store: SqliteStore, variants: tuple[Variant, ...], args: Namespace) -> Plan:
    """The stored plan; with the commands of this command line where the stored ones have their secrets hidden."""
    from dataclasses import replace

    from wattleak.environment.redaction import is_redacted
    from wattleak.experiment.design import plan_digest, with_session_added
    from wattleak.experiment.short_plan import with_steps

    kind, found = store.find(args.resume)
    if kind != "experiment":
        raise UsageError(f"{found} is a single run", "give the id of an experiment: wattleak list")
    plan = store.experiment(found).plan
    if variants:
        variants = tuple(with_steps(variant, plan.design.short) for variant in variants)
        plan = replace(plan, design=replace(plan.design, variants=variants))
        if plan_digest(plan.design, plan.runs) != plan.digest:
            raise UsageError(
                f"these are not the commands of experiment {found}", "give the same commands again, or none"
            )
    hidden = [
        variant.name for variant in plan.design.variants if is_redacted((*variant.command, *variant.env.values()))
    ]
    if hidden:
        raise UsageError(
            f"the stored command of {', '.join(hidden)} has a secret hidden and cannot be run",
            f"give all commands again: wattleak compare --resume {found} 'COMMAND' 'COMMAND'",
        )
    if args.add_session:
        plan = with_session_added(plan)
        store.extend_plan(plan)
    return plan


def _refuse_what_cannot_start(design: Design) -> None:
    from wattleak.recorder.launch import check_program

    for variant in design.variants:
        if variant.commit is None:  # what an older commit has is seen when its worktree is there
            check_program(variant.command[0], variant.env)


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
    from wattleak.analysis.feasibility import blocks_needed
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
    needed = blocks_needed(design.level, max(1, len(design.variants) - 1))
    if design.blocks < needed:
        print(f"  {design.blocks} blocks can never give a verdict: it takes {needed}", file=sys.stderr)


def _dry_run(store: SqliteStore, plan: Plan, probed: Probed, args: Namespace, planned: Mapping[str, object]) -> int:
    """Print the run table and what it will cost; refuse a plan that could never reach its level."""
    import json

    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.protocol import hours
    from wattleak.documents import plan_document
    from wattleak.experiment.design import redacted
    from wattleak.experiment.expectation import expect
    from wattleak.reports.plan import render_plan

    design = plan.design
    needed = blocks_needed(design.level, max(1, len(design.variants) - 1))
    if design.blocks < needed and design.search is None:
        raise UsageError(
            f"{design.blocks} blocks can never reach a {design.level:.0%} interval for {len(design.variants)} variants",
            f"--blocks {needed} is the least",
        )
    expectation = expect(plan, [stored.document for stored in store.runs()])
    occupied = hours(args, plan, probed, store)
    if args.json:
        from dataclasses import replace

        document = plan_document(replace(plan, design=redacted(design)))
        print(
            json.dumps(
                {
                    **document,
                    "kind": "dry_run",
                    "expected": {**expectation.document(), **(occupied.document() if occupied else {})},
                    **planned,
                }
            )
        )
    elif not args.quiet:
        print(render_plan(plan, expectation, occupied))
    return ExitCode.DONE


def _print(finished: Experiment, comparison: Comparison, args: Namespace, kind: str) -> None:
    import json

    from wattleak.documents import comparison_document

    if args.json:
        from wattleak.reports.factorial import effects_key

        print(json.dumps({**comparison_document(finished, comparison, kind), **effects_key(finished)}))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.text import render_comparison

        print(render_comparison(finished, comparison, style=style_for(sys.stdout, args)))


def write_report(
    finished: Experiment, comparison: Comparison, settings: Settings, args: Namespace, front: Front | None
) -> None:
    from wattleak.cli.report import write
    from wattleak.reports.html import render_html

    path = settings.store / "reports" / f"{finished.plan.experiment}.html"
    write(path, render_html(finished, comparison, front=front))
    if not args.quiet:
        print(f"Wrote {path}", file=sys.stderr if args.json else sys.stdout)


def _exit_code(comparison: Comparison, require: str | None) -> int:
    if require is None:
        return ExitCode.DONE
    return meets(require, [pair.verdict.value for pair in comparison.pairs])


def meets(require: str, verdicts: Sequence[str]) -> int:
    """The exit code of --require for these verdicts."""
    if all(verdict in _MEETS[require] for verdict in verdicts):
        return ExitCode.DONE
    decided = [verdict for verdict in verdicts if verdict != "not_enough_runs"]
    if all(verdict in _MEETS[require] for verdict in decided):
        return ExitCode.NOT_ENOUGH_RUNS
    return ExitCode.FINDINGS
