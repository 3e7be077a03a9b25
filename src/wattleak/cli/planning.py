"""The plan of an experiment: a new one from the settings, a stored one that is gone on with, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

    from wattleak.cli.protocol import Around
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.meters.probe import Probed
    from wattleak.model import NoiseFloor, Order, Plan, Search, Stopping, Variant
    from wattleak.store.sqlite import SqliteStore


def new_plan(
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


def stored_plan(store: SqliteStore, variants: tuple[Variant, ...], args: Namespace) -> Plan:
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


def dry_run(store: SqliteStore, plan: Plan, probed: Probed, args: Namespace, planned: Mapping[str, object]) -> int:
    """Print the run table and what it will cost; refuse a plan that could never reach its level."""
    import json

    from wattleak.analysis.feasibility import too_few_blocks
    from wattleak.cli.protocol import hours
    from wattleak.documents import plan_document
    from wattleak.experiment.design import redacted
    from wattleak.experiment.expectation import expect
    from wattleak.reports.plan import render_plan

    design = plan.design
    too_few = too_few_blocks(design)
    if too_few and design.search is None:
        blocks, needed = too_few
        raise UsageError(
            f"{blocks} blocks can never reach a {design.level:.0%} interval for {len(design.variants)} variants",
            f"--blocks {-(-needed // design.sessions)} is the least",
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
