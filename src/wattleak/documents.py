"""The JSON documents: one place that says which keys the world may rely on.

Every document carries `schema_version` and `kind`. Units end the names of keys. Keys are added, never renamed. What
was not measured is null or absent, never zero. The same documents are what the store keeps, so each has a way back.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak import __version__
from wattleak.model import (
    CONTROL,
    SCHEMA_VERSION,
    Calibration,
    Carbon,
    Channel,
    ChannelEnergy,
    Comparison,
    Design,
    Direction,
    Estimate,
    Experiment,
    Factor,
    Gap,
    Measurement,
    MetricComparison,
    Order,
    Origin,
    PairComparison,
    Part,
    Plan,
    PlannedRun,
    QualityComparison,
    QualityTarget,
    Quantity,
    Run,
    ShortPlan,
    SpanCost,
    StepCost,
    StepWindow,
    Stopping,
    StoppingRule,
    StoredExperiment,
    StoredRun,
    Unavailable,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = dict[str, Any]


def envelope(kind: str) -> Document:
    """The head of every document."""
    return {"schema_version": SCHEMA_VERSION, "kind": kind, "wattleak_version": __version__}


# -- meters --------------------------------------------------------------------------------------------------------


def estimate_document(estimate: Estimate | None) -> Document | None:
    """{energy_j, low_j, high_j, origin}; `value` repeats energy_j so that every estimate can be read alike."""
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "energy_j": estimate.value,
        "low_j": estimate.low,
        "high_j": estimate.high,
        "origin": estimate.origin.value,
    }


def _estimate(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["energy_j"], document["low_j"], document["high_j"], Origin(document["origin"]))


def _watts_document(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    return {"power_w": estimate.value, "low_w": estimate.low, "high_w": estimate.high, "origin": estimate.origin.value}


def _watts(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["power_w"], document["low_w"], document["high_w"], Origin(document["origin"]))


def calibration_document(calibration: Calibration) -> Document:
    """What `doctor --calibrate` keeps; the way back is `calibration_from_document`."""
    slope = calibration.slope
    return {
        "machine": calibration.machine,
        "channels": list(calibration.channels),
        "slope": {"value": slope.value, "low": slope.low, "high": slope.high, "origin": slope.origin.value},
        "offset_w": _watts_document(calibration.offset_w),
        "residual_w": calibration.residual_w,
        "readings_w": [[power, wall] for power, wall in calibration.readings],
        "made_at": calibration.made_at,
    }


def calibration_from_document(document: Document) -> Calibration:
    """Raises KeyError, TypeError or ValueError for a document that `calibration_document` did not write."""
    slope, offset = document["slope"], document["offset_w"]
    residual = document["residual_w"]
    return Calibration(
        machine=str(document["machine"]),
        channels=tuple(map(str, document["channels"])),
        slope=Estimate(float(slope["value"]), float(slope["low"]), float(slope["high"]), Origin(slope["origin"])),
        offset_w=Estimate(
            float(offset["power_w"]), float(offset["low_w"]), float(offset["high_w"]), Origin(offset["origin"])
        ),
        residual_w=None if residual is None else float(residual),
        readings=tuple((float(power), float(wall)) for power, wall in document["readings_w"]),
        made_at=str(document["made_at"]),
    )


def channel_document(channel: Channel) -> Document:
    return {
        "name": channel.name,
        "meter": channel.meter,
        "part": channel.part.value,
        "origin": channel.origin.value,
        "quantity": channel.quantity.value,
        "period_s": channel.period_s,
        "relative_low": channel.relative_low,
        "relative_high": channel.relative_high,
        "wrap_j": channel.wrap_j,
        "contains": sorted(channel.contains),
        "idle": _watts_document(channel.idle_w),
        "per_busy_cpu": _watts_document(channel.watts_per_busy_cpu),
        "device": channel.device,
        "source": channel.source,
    }


def channel_from_document(document: Document) -> Channel:
    return Channel(
        name=document["name"],
        meter=document["meter"],
        part=Part(document["part"]),
        origin=Origin(document["origin"]),
        quantity=Quantity(document["quantity"]),
        period_s=document["period_s"],
        relative_low=document["relative_low"],
        relative_high=document["relative_high"],
        wrap_j=document["wrap_j"],
        contains=frozenset(document["contains"]),
        idle_w=_watts(document["idle"]),
        watts_per_busy_cpu=_watts(document["per_busy_cpu"]),
        device=document["device"],
        source=document["source"],
    )


def unavailable_document(unavailable: Unavailable) -> Document:
    return {"meter": unavailable.meter, "reason": unavailable.reason, "remedy": unavailable.remedy}


def unavailable_from_document(document: Document) -> Unavailable:
    return Unavailable(document["meter"], document["reason"], document["remedy"])


def _energy_document(item: ChannelEnergy) -> Document:
    return {
        "channel": item.channel.name,
        "origin": item.energy_j.origin.value,
        "energy_j": item.energy_j.value,
        "low_j": item.energy_j.low,
        "high_j": item.energy_j.high,
        **({} if item.resolution_j is None else {"resolution_j": item.resolution_j}),
        **{
            key: estimate_document(part)
            for key, part in (("active_j", item.active_j), ("waiting_j", item.waiting_j), ("counted_j", item.counted_j))
            if part is not None
        },
    }


def _energies(documents: list[Document], channels: dict[str, Channel]) -> tuple[ChannelEnergy, ...]:
    return tuple(
        ChannelEnergy(
            channels[item["channel"]],
            Estimate(item["energy_j"], item["low_j"], item["high_j"], Origin(item["origin"])),
            resolution_j=item.get("resolution_j"),
            active_j=_estimate(item.get("active_j")),
            waiting_j=_estimate(item.get("waiting_j")),
            counted_j=_estimate(item.get("counted_j")),
        )
        for item in documents
    )


def carbon_document(carbon: Carbon | None) -> Document | None:
    if carbon is None:
        return None
    return {
        "value": carbon.value_g,
        "low": carbon.low_g,
        "high": carbon.high_g,
        "intensity_g_per_kwh": carbon.intensity_g_per_kwh,
        "intensity_low": carbon.intensity_low,
        "intensity_high": carbon.intensity_high,
        "source": carbon.source,
        "year": carbon.year,
        "region": carbon.region,
        "pue": carbon.pue,
        "origin": carbon.origin.value,
        "note": carbon.note,
    }


def _carbon(document: Document | None) -> Carbon | None:
    if document is None:
        return None
    return Carbon(
        value_g=document["value"],
        low_g=document["low"],
        high_g=document["high"],
        intensity_g_per_kwh=document["intensity_g_per_kwh"],
        intensity_low=document["intensity_low"],
        intensity_high=document["intensity_high"],
        source=document["source"],
        year=document["year"],
        region=document["region"],
        pue=document["pue"],
        origin=Origin(document["origin"]),
        note=document["note"],
    )


# -- measure -------------------------------------------------------------------------------------------------------


def measurement_document(measurement: Measurement) -> Document:
    """What `wattleak measure --json` prints."""
    return {
        **envelope("measure"),
        "run_id": measurement.id,
        "name": measurement.name,
        "command": list(measurement.command),
        "started_at": measurement.started_at,
        "complete": measurement.complete,
        "incomplete_reason": measurement.incomplete_reason,
        "exit_code": measurement.exit_code,
        "signal": measurement.signal,
        "duration_s": measurement.duration_s,
        "cpu_s": measurement.cpu_s,
        "user_s": measurement.user_s,
        "system_s": measurement.system_s,
        "peak_memory_b": measurement.peak_memory_b,
        "read_b": measurement.read_b,
        "written_b": measurement.written_b,
        "processes": measurement.processes,
        "energy": [_energy_document(item) for item in measurement.energy],
        "attributed": [_energy_document(item) for item in measurement.attributed],
        "attributed_energy_j": estimate_document(measurement.attributed_energy_j),
        "idle_energy_j": estimate_document(measurement.idle_energy_j),
        "carbon_g": carbon_document(measurement.carbon_g),
        "quality": dict(measurement.quality),
        "spans": [
            {
                "name": span.name,
                "start_s": span.start_s,
                "duration_s": span.duration_s,
                "cpu_s": span.cpu_s,
                "energy": [_energy_document(item) for item in span.energy],
                "attributed_energy_j": estimate_document(span.attributed_energy_j),
                "depth": span.depth,
                "complete": span.complete,
            }
            for span in measurement.spans
        ],
        "steps": [_steps_document(item) for item in measurement.steps],
        "channels": [channel_document(channel) for channel in _channels_of(measurement)],
        "unavailable": [unavailable_document(item) for item in measurement.unavailable],
        "gaps": [
            {"start_s": gap.start_s, "end_s": gap.end_s, "channel": gap.channel, "why": gap.why}
            for gap in measurement.gaps
        ],
        "notes": list(measurement.notes),
        "journal": None if measurement.journal is None else str(measurement.journal),
        "machine_counted_by": list(measurement.machine_counted_by),
        **({"outputs": dict(measurement.outputs)} if measurement.outputs else {}),
        **({} if measurement.window is None else {"step_window": _window_document(measurement.window)}),
        **({} if measurement.planned_end is None else {"planned_end": measurement.planned_end}),
    }


def _window_document(window: StepWindow) -> Document:
    return {
        "name": window.name,
        "writers": window.writers,
        "steps": window.steps,
        "samples": window.samples,
        "duration_s": window.duration_s,
        "cpu_s": _seconds_document(window.cpu_s),
        "energy": [_energy_document(item) for item in window.energy],
        "attributed": [_energy_document(item) for item in window.attributed],
        "attributed_energy_j": estimate_document(window.attributed_energy_j),
        "start_up_s": window.start_up_s,
        "start_up_cpu_s": window.start_up_cpu_s,
        "start_up_energy_j": estimate_document(window.start_up_energy_j),
    }


def _window(document: Document | None, channels: dict[str, Channel]) -> StepWindow | None:
    if document is None:
        return None
    cpu = document["cpu_s"]
    return StepWindow(
        name=document["name"],
        writers=document["writers"],
        steps=document["steps"],
        samples=document["samples"],
        duration_s=document["duration_s"],
        cpu_s=Estimate(cpu["value"], cpu["low_s"], cpu["high_s"], Origin(cpu["origin"])),
        energy=_energies(document["energy"], channels),
        attributed=_energies(document["attributed"], channels),
        attributed_energy_j=_estimate(document["attributed_energy_j"]),
        start_up_s=document["start_up_s"],
        start_up_cpu_s=document["start_up_cpu_s"],
        start_up_energy_j=_estimate(document["start_up_energy_j"]),
    )


def _steps_document(steps: StepCost) -> Document:
    return {
        "name": steps.name,
        "count": steps.count,
        "writers": steps.writers,
        "duration_s": steps.duration_s,
        "steps_per_s": steps.steps_per_s,
        "median_s": steps.median_s,
        "p95_s": steps.p95_s,
        "samples": steps.samples,
        "energy_per_step_j": estimate_document(steps.energy_per_step_j),
        "cpu_per_step_s": _seconds_document(steps.cpu_per_step_s),
        "energy_per_sample_j": estimate_document(steps.energy_per_sample_j),
    }


def _steps(document: Document) -> StepCost:
    return StepCost(
        name=document["name"],
        count=document["count"],
        writers=document["writers"],
        duration_s=document["duration_s"],
        steps_per_s=document["steps_per_s"],
        median_s=document["median_s"],
        p95_s=document["p95_s"],
        samples=document["samples"],
        energy_per_step_j=_estimate(document["energy_per_step_j"]),
        cpu_per_step_s=_seconds(document["cpu_per_step_s"]),
        energy_per_sample_j=_estimate(document["energy_per_sample_j"]),
    )


def _seconds_document(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low_s": estimate.low, "high_s": estimate.high, "origin": estimate.origin.value}


def _seconds(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["value"], document["low_s"], document["high_s"], Origin(document["origin"]))


def measurement_from_document(document: Document) -> Measurement:
    channels = {item["name"]: channel_from_document(item) for item in document["channels"]}
    return Measurement(
        id=document["run_id"],
        name=document["name"],
        command=tuple(document["command"]),
        started_at=document["started_at"],
        complete=document["complete"],
        incomplete_reason=document["incomplete_reason"],
        exit_code=document["exit_code"],
        signal=document["signal"],
        duration_s=document["duration_s"],
        cpu_s=document["cpu_s"],
        user_s=document["user_s"],
        system_s=document["system_s"],
        peak_memory_b=document["peak_memory_b"],
        read_b=document["read_b"],
        written_b=document["written_b"],
        processes=document["processes"],
        energy=_energies(document["energy"], channels),
        attributed=_energies(document["attributed"], channels),
        attributed_energy_j=_estimate(document["attributed_energy_j"]),
        idle_energy_j=_estimate(document["idle_energy_j"]),
        carbon_g=_carbon(document["carbon_g"]),
        quality=document["quality"],
        spans=tuple(
            SpanCost(
                name=item["name"],
                start_s=item["start_s"],
                duration_s=item["duration_s"],
                cpu_s=item["cpu_s"],
                energy=_energies(item["energy"], channels),
                attributed_energy_j=_estimate(item["attributed_energy_j"]),
                depth=item["depth"],
                complete=item["complete"],
            )
            for item in document["spans"]
        ),
        unavailable=tuple(unavailable_from_document(item) for item in document["unavailable"]),
        gaps=tuple(
            Gap(item["start_s"], item["end_s"], item["channel"], item.get("why", "")) for item in document["gaps"]
        ),
        notes=tuple(document["notes"]),
        journal=None if document["journal"] is None else Path(document["journal"]),
        steps=tuple(_steps(item) for item in document.get("steps", ())),
        machine_counted_by=tuple(document.get("machine_counted_by", ())),
        outputs=document.get("outputs", {}),
        window=_window(document.get("step_window"), channels),
        planned_end=document.get("planned_end"),
    )


def _channels_of(measurement: Measurement) -> list[Channel]:
    found = {item.channel.name: item.channel for item in (*measurement.attributed, *measurement.energy)}
    return list(found.values())


# -- plans and runs ------------------------------------------------------------------------------------------------


def design_document(design: Design) -> Document:
    return {
        "title": design.title,
        "variants": [
            {
                "name": variant.name,
                "command": list(variant.command),
                "env": dict(variant.env),
                **({"levels": dict(variant.levels)} if variant.levels else {}),
                **({"commit": variant.commit} if variant.commit else {}),
                **({"linked": list(variant.linked)} if variant.linked else {}),
            }
            for variant in design.variants
        ],
        "blocks": design.blocks,
        "seed": design.seed,
        "metric": design.metric,
        "smallest_effect": design.smallest_effect,
        "level": design.level,
        "warmups": design.warmups,
        "cooldown_s": design.cooldown_s,
        "quality": None
        if design.quality is None
        else {
            "metric": design.quality.metric,
            "direction": design.quality.direction.value,
            "margin": design.quality.margin,
        },
        "quality_regex": design.quality_regex,
        "timeout_s": design.timeout_s,
        # Only what was asked for: the digest of a plan that was stored before these keys existed stays the same.
        **({"factors": {f.name: list(f.levels) for f in design.factors}} if design.factors else {}),
        **(
            {"template": {"command": list(design.template.command), "env": dict(design.template.env)}}
            if design.template
            else {}
        ),
        **({"run_order": design.order.value} if design.order is not Order.RANDOM else {}),
        **(
            {"stopping": {"rule": design.stopping.rule.value, "looks": list(design.stopping.looks)}}
            if design.stopping
            else {}
        ),
        **({"eliminate": True} if design.eliminate else {}),
        **({"smallest_effect_reason": design.smallest_effect_reason} if design.smallest_effect_reason else {}),
        **({"sessions": design.sessions} if design.sessions != 1 else {}),
        **({"pad_environment": True} if design.pad_environment else {}),
        **({"against": design.against} if design.against else {}),
        **({"declared": list(design.declared)} if design.declared else {}),
        **(
            {
                "short_plan": {
                    "steps": design.short.steps,
                    "duration_s": design.short.duration_s,
                    "metric_by_rule": design.short.metric_by_rule,
                }
            }
            if design.short
            else {}
        ),
        **({"control_every": design.control_every} if design.control_every else {}),
        **({"gated": True} if design.gated else {}),
        **({"shared": list(design.shared)} if design.shared else {}),
    }


def design_from_document(document: Document) -> Design:
    quality = document["quality"]
    return Design(
        title=document["title"],
        variants=tuple(
            Variant(
                item["name"],
                tuple(item["command"]),
                item["env"],
                item.get("levels", {}),
                item.get("commit"),
                tuple(item.get("linked", ())),
            )
            for item in document["variants"]
        ),
        blocks=document["blocks"],
        seed=document["seed"],
        metric=document["metric"],
        smallest_effect=document["smallest_effect"],
        smallest_effect_reason=document.get("smallest_effect_reason", ""),
        level=document["level"],
        warmups=document["warmups"],
        cooldown_s=document["cooldown_s"],
        quality=None
        if quality is None
        else QualityTarget(quality["metric"], Direction(quality["direction"]), quality["margin"]),
        quality_regex=document["quality_regex"],
        timeout_s=document["timeout_s"],
        factors=tuple(Factor(name, tuple(levels)) for name, levels in document.get("factors", {}).items()),
        template=Variant("all", tuple(document["template"]["command"]), document["template"]["env"])
        if "template" in document
        else None,
        order=Order(document.get("run_order", Order.RANDOM)),
        sessions=document.get("sessions", 1),
        stopping=Stopping(StoppingRule(document["stopping"]["rule"]), tuple(document["stopping"]["looks"]))
        if "stopping" in document
        else None,
        eliminate=document.get("eliminate", False),
        pad_environment=document.get("pad_environment", False),
        against=document.get("against", ""),
        declared=tuple(document.get("declared", ())),
        short=ShortPlan(**document["short_plan"]) if "short_plan" in document else None,
        control_every=document.get("control_every", 0),
        gated=document.get("gated", False),
        shared=tuple(document.get("shared", ())),
    )


def order_document(runs: tuple[PlannedRun, ...]) -> list[Document]:
    return [
        {
            "block": run.block,
            "position": run.position,
            "variant": run.variant,
            "seed": run.seed,
            **({"session": run.session} if run.session else {}),
            **({"padding_b": run.padding_b} if run.padding_b else {}),
        }
        for run in runs
    ]


def plan_document(plan: Plan) -> Document:
    """What stands in plan.json before the first run."""
    return {
        **envelope("plan"),
        "experiment_id": plan.experiment,
        "created_at": plan.created_at,
        "digest": plan.digest,
        "design": design_document(plan.design),
        "order": order_document(plan.runs),
    }


def plan_from_document(document: Document) -> Plan:
    return Plan(
        experiment=document["experiment_id"],
        design=design_from_document(document["design"]),
        runs=tuple(
            PlannedRun(
                item["block"],
                item["position"],
                item["variant"],
                item["seed"],
                item.get("session", 0),
                item.get("padding_b", 0),
            )
            for item in document["order"]
        ),
        created_at=document["created_at"],
        digest=document["digest"],
    )


def run_document(run: Run) -> Document:
    """One run of an experiment: the `measure` document and its place in the plan."""
    return {
        **measurement_document(run.measurement),
        "kind": "run",
        "experiment_id": run.experiment,
        "variant": run.variant,
        "block": run.block,
        "position": run.position,
        "attempt": run.attempt,
        "seed": run.seed,
        "session": run.session,
        "failure": run.failure,
        **({"dropped": list(run.dropped)} if run.dropped else {}),
        **({} if run.rest_s is None else {"rest_s": run.rest_s}),
        **({} if run.hot is None else {"hot": run.hot}),
    }


def run_from_document(document: Document) -> Run:
    return Run(
        experiment=document["experiment_id"],
        variant=document["variant"],
        block=document["block"],
        position=document["position"],
        attempt=document["attempt"],
        seed=document["seed"],
        session=document["session"],
        measurement=measurement_from_document(document),
        failure=document["failure"],
        dropped=tuple(document.get("dropped", ())),
        rest_s=document.get("rest_s"),
        hot=document.get("hot"),
    )


# -- comparisons ---------------------------------------------------------------------------------------------------


def _metric_document(metric: MetricComparison) -> Document:
    return {
        "reference": metric.reference,
        "candidate": metric.candidate,
        "change": metric.change,
        "low": metric.low,
        "high": metric.high,
        "p_value": metric.p_value,
        "blocks": metric.blocks,
        "origin": metric.origin.value,
        "derived_from": metric.derived_from,
        "effect_sizes": None
        if metric.sizes is None
        else {name: value for name, value in asdict(metric.sizes).items() if value is not None},
    }


def _quality_document(quality: QualityComparison) -> Document:
    return {
        "metric": quality.metric,
        "state": quality.state.value,
        "difference": quality.difference,
        "low": quality.low,
        "high": quality.high,
        "margin": quality.margin,
        "direction": None if quality.direction is None else quality.direction.value,
        "reference": quality.reference,
        "candidate": quality.candidate,
        "blocks": quality.blocks,
        **({"outputs": list(quality.outputs), "outputs_differ": quality.outputs_differ} if quality.outputs else {}),
    }


def pair_document(pair: PairComparison) -> Document:
    return {
        "reference": pair.reference,
        "candidate": pair.candidate,
        "verdict": pair.verdict.value,
        "grade": pair.grade.value,
        "primary_metric": pair.primary_metric,
        "metrics": {name: _metric_document(metric) for name, metric in pair.metrics.items()},
        "quality": _quality_document(pair.quality),
        "level": pair.level,
        "smallest_effect": pair.smallest_effect,
        "further_blocks": pair.further_blocks,
        "minimal_detectable_change": pair.minimal_detectable,
        "doubts": list(pair.doubts),
    }


def _differences_document(experiment: Experiment) -> list[Document]:
    """What was made different on purpose, for each candidate."""
    return [
        {"candidate": item.candidate, "summary": list(item.summary), "diff": item.diff}
        for item in experiment.differences
    ]


def comparison_document(experiment: Experiment, comparison: Comparison, kind: str = "compare") -> Document:
    """What `compare --json` and `study --json` print. The keys of the first candidate stand at the top as well."""
    design = experiment.plan.design
    pairs = [pair_document(pair) for pair in comparison.pairs]
    planned = [run for run in experiment.runs if run.variant != CONTROL]
    return {
        **envelope(kind),
        **pairs[0],
        "experiment_id": experiment.plan.experiment,
        "complete": experiment.complete,
        "exploratory": bool(experiment.exploratory),
        "exploratory_reasons": list(experiment.exploratory),
        **({"difference": _differences_document(experiment)} if experiment.differences else {}),
        "design": {
            **design_document(design),
            "order": order_document(experiment.plan.runs),
            "digest": experiment.plan.digest,
            "created_at": experiment.plan.created_at,
        },
        "comparisons": pairs,
        "omnibus_p_value": comparison.omnibus_p,
        "runs": [run_document(run) for run in planned if run.block >= 0],
        "warmup_runs": [run_document(run) for run in planned if run.block < 0],
        "control_runs": [run_document(run) for run in experiment.runs if run.variant == CONTROL],
        "control": None if comparison.control is None else asdict(comparison.control),
        "failed_runs": [
            {
                "run_id": run.id,
                "variant": run.variant,
                "block": run.block,
                "attempt": run.attempt,
                "failure": run.failure,
            }
            for run in experiment.runs
            if run.failure is not None
        ],
        "doubts": list(comparison.doubts) + [doubt for pair in comparison.pairs for doubt in pair.doubts],
        "environment": dict(experiment.environment),
        "notes": list(experiment.notes),
    }


# -- list ----------------------------------------------------------------------------------------------------------


def list_document(runs: Iterable[StoredRun], experiments: Iterable[StoredExperiment]) -> Document:
    """What `wattleak list --json` prints."""
    return {
        **envelope("list"),
        "runs": [
            {
                "id": row.id,
                "run_id": row.id,
                "experiment_id": row.experiment,
                "started_at": row.started_at,
                "complete": row.complete,
                **{
                    key: row.document.get(key)
                    for key in (
                        "name",
                        "command",
                        "incomplete_reason",
                        "exit_code",
                        "duration_s",
                        "cpu_s",
                        "variant",
                        "block",
                    )
                },
                "attributed_energy_j": row.document.get("attributed_energy_j"),
            }
            for row in runs
        ],
        "experiments": [
            {
                "id": row.id,
                "experiment_id": row.id,
                "title": row.title,
                "created_at": row.created_at,
                "complete": row.complete,
                "verdict": row.verdict,
                "runs": row.runs,
            }
            for row in experiments
        ],
    }
