"""What a training cost: --training (stored runs), --training-j or --training-cpu-s (stated)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from wattleak.analysis.break_even import Training
    from wattleak.cli.settings import Settings
    from wattleak.model import Measurement


def training_cost(args: Namespace, settings: Settings) -> Training | None:
    """What the training cost: stored runs, or as stated. Raises UsageError."""
    from wattleak.analysis.break_even import Training
    from wattleak.analysis.plane import Mean
    from wattleak.footprint.inputs import amount, ratio
    from wattleak.model import Estimate, Origin

    stated = [name for name in ("training", "training_j", "training_cpu_s") if getattr(args, name) is not None]
    if args.training is not None:
        if len(stated) > 1:
            raise UsageError("--training names stored runs, and its cost is stated too", "give one of them")
        return _stored_training(args.training, settings)
    if not stated:
        return None
    cpu_s = energy_j = None
    if args.training_j is not None:
        text = f"{args.training_j} J" if _is_number(args.training_j) else args.training_j
        found = amount("--training-j", text, example="5400, '5.4 MJ', '1..2 kWh'")
        energy_j = Estimate(found.value, found.low, found.high, Origin.QUOTED)
    if args.training_cpu_s is not None:
        found = ratio("--training-cpu-s", args.training_cpu_s, example="3600, or 3000..4200")
        cpu_s = Mean(found.value, found.low, found.high)
    if min(known.value for known in (cpu_s, energy_j) if known is not None) <= 0:
        raise UsageError("a training that cost nothing is no training", "--training-j '5.4 MJ'")
    return Training("stated", cpu_s, energy_j)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _stored_training(reference: str, settings: Settings) -> Training:
    from wattleak.analysis.archived import good_measurements
    from wattleak.analysis.break_even import training_of
    from wattleak.store.sqlite import SqliteStore

    identity, _, variant = reference.partition(":")
    runs: tuple[Measurement, ...]
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, found = store.find(identity)
        if kind == "run":
            runs, what = (store.measurement(found),), f"run {found}"
        else:
            experiment = store.experiment(found)
            names = [one.name for one in experiment.plan.design.variants]
            if variant not in names:
                raise UsageError(
                    f"--training {reference}: experiment {found} has the variants {', '.join(names)}",
                    f"--training {found}:{names[0]}",
                )
            runs, what = good_measurements(experiment, variant), f"{variant} of experiment {found}"
    whole = tuple(run for run in runs if run.complete and run.planned_end is None and not run.exit_code)
    if not whole:
        raise UsageError(
            f"--training {reference}: no run of it went to its end, and well", "name a training that did: wattleak list"
        )
    return training_of(f"{what}, 1 run" if len(whole) == 1 else f"{what}, {len(whole)} runs", whole)
