"""What `compare` and the studies do around each run, as the user asked for it: short plans, the reference program, the
gate, files that runs leave behind, and a line for every run that cannot count.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from wattleak.cli.settings import Settings
    from wattleak.experiment.gate import Gate
    from wattleak.experiment.leftovers import Leftovers
    from wattleak.experiment.runner import Progress
    from wattleak.experiment.short_plan import DeviceHours
    from wattleak.meters.probe import Probed
    from wattleak.model import Clock, Plan, ShortPlan
    from wattleak.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Around:
    """The part of a design that says what happens around its runs."""

    short: ShortPlan | None
    control_every: int
    gated: bool
    cooldown_s: float
    shared: tuple[str, ...]


def configure(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("short plans")
    group.add_argument("--steps", metavar="N", help="end each run after N steps (wattleak.step()); compare per step")
    group.add_argument("--for", metavar="TIME", help="end each run after this time (120s, 5m); compare per step")
    group.add_argument(
        "--full-steps", metavar="N", help="with --dry-run: steps of a full training, for its device-hours"
    )
    group.add_argument(
        "--full-duration", metavar="TIME", help="with --dry-run: duration of a full training, for its device-hours"
    )
    group = parser.add_argument_group("around each run")
    group.add_argument(
        "--control",
        action="store_true",
        help="run a reference program at the start, every 10 blocks and at the end: does the machine drift?",
    )
    group.add_argument("--control-every", metavar="N", help="the same every N blocks")
    group.add_argument(
        "--shared",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files that runs may leave for later runs (caches); anything else that is read stops the experiment",
    )


def read_around(args: Namespace, settings: Settings) -> Around:
    """From the command line. Raises UsageError."""
    from wattleak.experiment.control import EVERY
    from wattleak.experiment.short_plan import short_plan

    short = short_plan(args.steps, getattr(args, "for"), metric_by_rule=settings.metric is None)
    if short is not None and (args.quality or args.quality_regex):
        raise UsageError("a run that is ended early has no result whose quality counts", "leave --quality out")
    every = EVERY if args.control else 0
    if args.control_every is not None:
        try:
            every = int(args.control_every)
        except ValueError:
            every = 0
        if every < 1:
            raise UsageError(f"--control-every {args.control_every} is no number of blocks", "--control-every 10")
    return Around(short, every, settings.cooldown is None, settings.cooldown or 0.0, tuple(args.shared))


def primary_metric(settings: Settings, probed: Probed, around: Around) -> str:
    """The metric that decides: the user's, or what the channels allow; per step in a short plan."""
    from wattleak.analysis.metrics import choose_primary, metric
    from wattleak.experiment.short_plan import primary_per_step

    if around.short is not None:
        return primary_per_step(settings.metric, probed.channels)
    return metric(settings.metric).name if settings.metric else choose_primary(probed.channels)


def hours(args: Namespace, plan: Plan, probed: Probed, store: SqliteStore) -> DeviceHours | None:
    """What full plan and short plan occupy; None for a plan of full runs."""
    from wattleak.experiment.short_plan import count_of_steps, device_hours, seconds_of

    if plan.design.short is None:
        return None
    return device_hours(
        plan,
        probed.channels,
        [stored.document for stored in store.runs()],
        full_steps=None if args.full_steps is None else count_of_steps(args.full_steps, "--full-steps"),
        full_duration_s=None if args.full_duration is None else seconds_of(args.full_duration, "--full-duration"),
    )


@contextmanager
def gate_for(plan: Plan, probed: Probed, clock: Clock) -> Iterator[Gate | None]:
    """The gate that the plan asks for, reading what this machine has."""
    if not plan.design.gated:
        yield None
        return
    from wattleak.environment.sensors import Thermometers, gpu_temperatures
    from wattleak.experiment.gate import Gate, MeasuredPower

    power = MeasuredPower(probed, clock)
    try:
        yield Gate(clock, Thermometers(gpus=gpu_temperatures), power if power.channels else None)
    finally:
        power.close()


@contextmanager
def leftovers_for(
    plan: Plan, settings: Settings, *, resumed: bool, inputs: frozenset[str] = frozenset()
) -> Iterator[Leftovers]:
    """Watches the working folder for files that runs leave for each other."""
    from datetime import datetime
    from pathlib import Path

    from wattleak.experiment.copies import place_of
    from wattleak.experiment.leftovers import Leftovers

    since_s = datetime.fromisoformat(plan.created_at).timestamp() if resumed else None
    copies = [place_of(Path(item.folder), settings.store) for item in plan.design.variants if item.folder]
    leftovers = Leftovers(
        Path.cwd(), store=settings.store, shared=plan.design.shared, since_s=since_s, inputs=inputs, copies=copies
    )
    try:
        yield leftovers
    finally:
        leftovers.close()


def telling_failures(watch: Callable[[Progress], None] | None, *, quiet: bool) -> Callable[[Progress], None]:
    """A line on standard error for each run that cannot count, beside what `watch` shows."""
    from wattleak.reports.words import failed_run

    def tell(progress: Progress) -> None:
        if progress.run.failure is not None and not quiet:
            print(f"wattleak: {failed_run(progress.run)}", file=sys.stderr)
        if watch is not None:
            watch(progress)

    return tell
