"""Experiments and measurements written by hand. Nothing here is computed by wattleak's own analysis."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from wattleak.analysis.pareto import Advice, Front, Placed, Plane, Standing, Step
from wattleak.analysis.plane import Mean, Slope
from wattleak.model import (
    Carbon,
    Channel,
    ChannelEnergy,
    Comparison,
    Design,
    Direction,
    Estimate,
    Experiment,
    Gap,
    Grade,
    Measurement,
    MetricComparison,
    Origin,
    PairComparison,
    Part,
    Plan,
    PlannedRun,
    QualityComparison,
    QualityState,
    QualityTarget,
    Quantity,
    Run,
    SpanCost,
    Unavailable,
    Variant,
    Verdict,
)

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
RAPL_GONE = Unavailable(
    "rapl",
    "/sys/class/powercap/intel-rapl:0/energy_uj is readable by root only",
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj",
)
GPU = Channel(
    "gpu0", "nvml", Part.GPU, Origin.COUNTER, Quantity.ENERGY_J, 0.1, 0.95, 1.05,
    device="NVIDIA A10G", source="NVML total energy consumption, NVIDIA 2025",
)  # fmt: skip
CPU = Channel(
    "cpu0", "rapl", Part.CPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.97, 1.03,
    wrap_j=262143.3, idle_w=Estimate(18.0, 16.0, 20.0, Origin.COUNTER),
    device="Intel Xeon (Ice Lake)", source="Intel SDM vol. 3B, 2025",
)  # fmt: skip
MODEL = Channel(
    "cpu", "cpu-model", Part.CPU, Origin.MODELLED, Quantity.POWER_W, 1.0, 0.5, 2.0,
    idle_w=Estimate(1.1, 0.6, 2.2, Origin.MODELLED),
    device="AMD EPYC (Milan)", source="Cloud Carbon Footprint coefficients, 2025",
)  # fmt: skip


def carbon(energy: Estimate) -> Carbon:
    """World average: 473 g/kWh with an honest range."""
    return Carbon(
        value_g=energy.value * 473 / 3.6e6,
        low_g=energy.low * 40 / 3.6e6,
        high_g=energy.high * 790 / 3.6e6,
        intensity_g_per_kwh=473.0,
        intensity_low=40.0,
        intensity_high=790.0,
        source="Ember, Yearly electricity data",
        year=2024,
        region="world",
        pue=1.0,
        origin=energy.origin,
        note="no region given: world average; range: 5th to 95th percentile of the countries (--region DE narrows it)",
    )


def modelled_measurement(
    identity: str = "7f3a91c2", cpu_s: float = 118.2, duration_s: float = 61.2, started: datetime = START
) -> Measurement:
    """A machine without counters: the energy is modelled from CPU time."""
    energy = Estimate(cpu_s * 3.4, cpu_s * 1.7, cpu_s * 6.8, Origin.MODELLED)
    return Measurement(
        id=identity,
        command=("python", "train.py", "--epochs", "2"),
        started_at=started.isoformat(timespec="seconds"),
        complete=True,
        incomplete_reason=None,
        exit_code=0,
        signal=None,
        duration_s=duration_s,
        cpu_s=cpu_s,
        user_s=cpu_s * 0.97,
        system_s=cpu_s * 0.03,
        peak_memory_b=412 * 2**20,
        read_b=0,
        written_b=3 * 2**20,
        processes=1,
        energy=(ChannelEnergy(MODEL, Estimate(energy.value * 1.2, energy.low, energy.high * 1.3, Origin.MODELLED)),),
        attributed=(ChannelEnergy(MODEL, energy),),
        attributed_energy_j=energy,
        idle_energy_j=None,
        carbon_g=carbon(energy),
        unavailable=(RAPL_GONE, Unavailable("nvml", "no NVIDIA driver is loaded", "")),
        notes=("data: Fashion-MNIST subset shipped with wattleak",),
        quality={"accuracy": 0.871},
    )


def counted_measurement() -> Measurement:
    """A machine with counters on CPU and GPU, with spans, a gap and a modelled channel beside the measured ones."""
    gpu = Estimate(10910.0, 10360.0, 11460.0, Origin.COUNTER)
    cpu = Estimate(2510.0, 2430.0, 2590.0, Origin.COUNTER)
    own = Estimate(12104.0, 11400.0, 12800.0, Origin.COUNTER)
    dram = MODEL._replace(name="dram0", meter="ram-model", part=Part.DRAM, device="4 DIMMs")
    spans = (
        SpanCost("train", 0.4, 58.0, 110.0, (), own),
        SpanCost("load data", 0.4, 6.1, 9.0, (ChannelEnergy(GPU, gpu),), own._replace(value=1100.0), depth=1),
        SpanCost("epoch", 6.5, 26.0, 50.0, (), own._replace(value=5600.0), depth=1),
        SpanCost("epoch", 32.5, 25.9, 51.0, (), own._replace(value=5400.0), depth=1, complete=False),
    )
    return replace(
        modelled_measurement(),
        energy=(
            ChannelEnergy(GPU, gpu),
            ChannelEnergy(CPU, cpu),
            ChannelEnergy(dram, Estimate(380.0, 190.0, 760.0, Origin.MODELLED)),
        ),
        attributed=(
            ChannelEnergy(GPU, gpu),
            ChannelEnergy(CPU, Estimate(1194.0, 1040.0, 1340.0, Origin.COUNTER)),
        ),
        attributed_energy_j=own,
        idle_energy_j=Estimate(1101.6, 980.0, 1220.0, Origin.COUNTER),
        carbon_g=carbon(own),
        unavailable=(),
        spans=spans,
        gaps=(Gap(10.0, 12.5, "gpu0"), Gap(20.0, 20.5, "gpu0")),
        notes=("dram0 is modelled and not in the attributed total, which is measured",),
    )


def killed_measurement() -> Measurement:
    """What is left of a run whose workload was killed."""
    return replace(
        modelled_measurement("dead0001"),
        complete=False,
        incomplete_reason="the workload was ended by signal 9",
        exit_code=None,
        signal=9,
        attributed=(),
        attributed_energy_j=None,
        carbon_g=None,
        energy=(),
        quality={},
    )


def experiment(
    names: tuple[str, ...] = ("good", "bad"),
    factors: tuple[float, ...] = (1.0, 4.74),
    *,
    blocks: int = 8,
    seed: int = 4187,
    title: str = "unnecessary-parallelism",
    complete: bool = True,
) -> Experiment:
    """Randomised blocks with one warm-up block, made with one fixed stream of random numbers."""
    chance = random.Random(f"example {seed}")
    design = Design(
        variants=tuple(
            Variant(
                name, ("python", f"{'good' if place == 0 else 'bad'}.py"), {} if place else {"OMP_NUM_THREADS": "2"}
            )
            for place, name in enumerate(names)
        ),
        blocks=blocks,
        seed=seed,
        metric="cpu_s",
        quality=QualityTarget("accuracy", Direction.MAX, 0.005),
        title=title,
    )
    planned: list[PlannedRun] = []
    runs: list[Run] = []
    now = START
    for block in range(-1, blocks):
        training_seed = chance.randrange(2**31)
        for position, name in enumerate(chance.sample(names, len(names))):
            planned.append(PlannedRun(block, position, name, training_seed))
            factor = factors[names.index(name)]
            cpu_s = 11.0 * factor * chance.gauss(1.0, 0.012) * (1.06 if block < 0 else 1.0)
            duration_s = (5.0 + cpu_s) / 2
            memory_b = int(412 * 2**20 * (1.04 if factor > 1 else 1.0) * chance.gauss(1.0, 0.002))
            measured = replace(
                modelled_measurement(f"{len(runs):08x}", cpu_s, duration_s, now), peak_memory_b=memory_b,
                command=design.variants[names.index(name)].command,
            )  # fmt: skip
            runs.append(Run("b91c20fe", name, block, position, 1, training_seed, "s1", measured))
            now += timedelta(seconds=round(duration_s) + 1)
    return Experiment(
        plan=Plan("b91c20fe", design, tuple(planned), START.isoformat(timespec="seconds"), "5d" * 32),
        runs=tuple(runs),
        complete=complete,
        environment={"node": "ada", "cpu": "AMD EPYC 7R13", "cpus": "2", "memory_b": "8210333696", "python": "3.11.9"},
    )


def compared(
    verdict: Verdict = Verdict.COSTS_MORE,
    change: tuple[float, float | None, float | None] = (3.74, 3.69, 3.79),
    *,
    names: tuple[str, str] = ("good", "bad"),
    quality: QualityComparison | None = None,
    **more: object,
) -> PairComparison:
    """One candidate against the reference where energy is modelled from CPU time."""
    value, low, high = change

    def row(name: str, reference: float, origin: Origin, derived_from: str | None = None, **own: object):
        figures = {"change": value, "low": low, "high": high, **own}
        return MetricComparison(
            name, reference, reference * (1 + figures["change"]), **figures,
            p_value=0.0078125, blocks=8, origin=origin, derived_from=derived_from,
        )  # fmt: skip

    return PairComparison(
        **{
            "reference": names[0],
            "candidate": names[1],
            "verdict": verdict,
            "grade": Grade.OBSERVED,
            "primary_metric": "cpu_s",
            "metrics": {
                "carbon_g": row("carbon_g", 0.0049, Origin.MODELLED, "attributed_energy_j"),
                "cpu_s": row("cpu_s", 11.0, Origin.COUNTER),
                "duration_s": row("duration_s", 8.0, Origin.COUNTER, change=2.57, low=2.53, high=2.61),
                "energy_j": row("energy_j", 37.4, Origin.MODELLED, "cpu_s"),
                "peak_memory_b": row("peak_memory_b", 4.32e8, Origin.SAMPLED, change=0.0401, low=0.0388, high=0.0413),
            },
            "quality": quality
            or QualityComparison(
                QualityState.IDENTICAL, "accuracy", Direction.MAX, 0.005, 0.871, 0.871, 0.0, 0.0, 0.0, 8
            ),
            "level": 0.95,
            "smallest_effect": 0.02,
            "further_blocks": None,
            **more,
        }
    )


def comparison(*pairs: PairComparison, doubts: tuple[str, ...] = ()) -> Comparison:
    return Comparison("b91c20fe", pairs or (compared(),), doubts)


def three_variants() -> tuple[Experiment, Comparison]:
    """A reference and two candidates, with a failed run, a superseded attempt and a verdict that is open."""
    names = ("threads-2", "threads-4", "threads-16")
    whole = experiment(names, (1.0, 0.98, 4.74), title="")
    broken = whole.runs[7]
    failed = replace(
        broken,
        measurement=replace(broken.measurement, id="feedf00d", exit_code=1, started_at=START.isoformat()),
        failure="exit code 1",
        attempt=1,
    )
    again = tuple(replace(run, attempt=2) if run.block == broken.block else run for run in whole.runs)
    pairs = (
        compared(
            Verdict.NOT_ENOUGH_RUNS, (-0.021, -0.034, -0.008), names=names[:2],
            level=0.975, further_blocks=6, doubts=("too few runs to say that accuracy is as good as before",),
        ),
        compared(names=(names[0], names[2]), level=0.975),
    )  # fmt: skip
    return (
        replace(whole, runs=(*again, failed)),
        comparison(*pairs, doubts=("failed runs do not count, nor do the blocks that they broke: threads-4 1",)),
    )


def front():
    """A Pareto front with a candidate of every standing."""
    plane = Plane("energy_j", QualityTarget("auc", Direction.MAX, 0.005), 0.02, origin=Origin.COUNTER)

    def placed(name, cost, quality, standing, by=(), unsure=(), *, points=True):
        about = Mean(cost, cost - 1.0, cost + 1.0), Mean(quality, quality - 0.002, quality + 0.002)
        return Placed(name, 6, *about, standing, by, unsure, points)

    return Front(
        plane,
        (
            placed("small", 20.5, 0.951, Standing.FRONT),
            placed("middle", 61.5, 0.971, Standing.FRONT),
            placed("wasteful", 92.3, 0.961, Standing.DOMINATED, ("middle",), points=False),
            replace(
                placed("unsure", 118.0, 0.95, Standing.UNDECIDED, (), ("small", "middle"), points=False),
                runs=1,
                cost=Mean(118.0, None, None),
                quality=Mean(0.95, None, None),
            ),
        ),
        (Step("small", "middle", Slope(41.0, 0.02, 2050.0, 1900.0, 2200.0, sure=True)),),
        Advice("middle", "middle", 0.0, 0.0, 1.0, 1.0, 1.0, shown=True),
        Advice("middle", "small", 0.02, 0.023, 1 / 3, 0.32, 0.35, shown=False),
        {"broken": "no run that counts has both energy_j above zero and auc"},
    )
