"""Designs, plans and the runs of an experiment."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from wattleak.documents.head import envelope
from wattleak.documents.measurements import measurement_document, measurement_from_document
from wattleak.model import (
    Design,
    Direction,
    Factor,
    Order,
    Plan,
    PlannedRun,
    QualityTarget,
    Run,
    Search,
    ShortPlan,
    Stopping,
    StoppingRule,
    Variant,
)

if TYPE_CHECKING:
    from wattleak.documents.head import Document


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
                **({"folder": variant.folder} if variant.folder else {}),
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
        **({"search": asdict(design.search)} if design.search else {}),
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
                item.get("folder"),
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
        search=Search(**document["search"]) if "search" in document else None,
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
