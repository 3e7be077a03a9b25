"""Experiments written by hand: the numbers of every run are the test's own, nothing of the product computes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from wattleak.model import (
    Channel,
    ChannelEnergy,
    Design,
    Estimate,
    Experiment,
    Measurement,
    Origin,
    Part,
    Plan,
    PlannedRun,
    Quantity,
    Run,
    Variant,
)

_START = datetime(2026, 11, 1, tzinfo=UTC)


def channel(name, part, origin=Origin.COUNTER, contains=()):
    return Channel(
        name=name,
        meter="written",
        part=part,
        origin=origin,
        quantity=Quantity.ENERGY_J,
        period_s=0.001,
        relative_low=0.95,
        relative_high=1.05,
        contains=frozenset(contains),
    )


def energy(name, part, value_j, origin=Origin.COUNTER, contains=()):
    estimate = Estimate(value_j, 0.95 * value_j, 1.05 * value_j, origin)
    return ChannelEnergy(channel(name, part, origin, contains), estimate)


def cpu(value_j, origin=Origin.COUNTER):
    return energy("cpu0", Part.CPU, value_j, origin)


def gpu(value_j, origin=Origin.COUNTER, name="gpu0"):
    return energy(name, Part.GPU, value_j, origin)


def modelled(value_j):
    return Estimate(value_j, value_j / 2, value_j * 2, Origin.MODELLED)


def measurement(run_id="run", *, minute=0, **figures):
    figures = {
        "command": ("train",),
        "complete": True,
        "incomplete_reason": None,
        "exit_code": 0,
        "signal": None,
        "duration_s": 10.0,
        "cpu_s": 20.0,
        "user_s": None,
        "system_s": None,
        "peak_memory_b": 100_000_000,
        "read_b": 0,
        "written_b": 4096,
        "processes": 1,
        "energy": (),
        "attributed": (),
        "attributed_energy_j": None,
        "idle_energy_j": None,
        "carbon_g": None,
    } | figures
    started_at = (_START + timedelta(minutes=minute)).isoformat()
    return Measurement(id=run_id, started_at=started_at, **figures)


def run(variant, block, *, position=0, attempt=1, session="s1", failure=None, **figures):
    run_id = f"{variant}-{block}-{attempt}"
    minute = 1000 * attempt + 10 * block + position + 500
    return Run(
        experiment="e1",
        variant=variant,
        block=block,
        position=position,
        attempt=attempt,
        seed=block,
        session=session,
        measurement=measurement(run_id, minute=minute, **figures),
        failure=failure,
    )


def experiment(runs, *, variants=("good", "bad"), blocks=8, **design):
    plan = Plan(
        experiment="e1",
        design=Design(
            variants=tuple(Variant(name, (name,)) for name in variants),
            blocks=blocks,
            seed=1,
            **({"metric": "cpu_s"} | design),
        ),
        runs=tuple(PlannedRun(r.block, r.position, r.variant, r.seed) for r in runs),
        created_at=_START.isoformat(),
        digest="0" * 64,
    )
    return Experiment(plan=plan, runs=tuple(runs), complete=True)


def table(values, *, figure="cpu_s", order_seed=0, sessions=1, quality=None, **design):
    """One run for each cell of {variant: [value of each block]}, in a random order inside each block."""
    variants = tuple(values)
    blocks = len(values[variants[0]])
    rng = np.random.default_rng(order_seed)
    runs = []
    for block in range(blocks):
        for position, which in enumerate(rng.permutation(len(variants))):
            name = variants[which]
            extra = {} if quality is None else {"quality": {k: v[name][block] for k, v in quality.items()}}
            figures = {figure: values[name][block]} | extra
            session = f"s{block * sessions // blocks}"
            runs.append(run(name, block, position=position, session=session, **figures))
    return experiment(runs, variants=variants, **({"blocks": blocks} | design))


def with_runs(given, *runs):
    return replace(given, runs=(*given.runs, *runs))
