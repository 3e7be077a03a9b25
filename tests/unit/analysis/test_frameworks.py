"""What a course cost in each framework, from runs written by hand; and what is said of them."""

from __future__ import annotations

import json
import re

import pytest
from written_experiments import experiment, modelled, run

from wattleak.analysis.framework_courses import beginnings, course_of
from wattleak.analysis.frameworks import frameworks_of
from wattleak.model import Carbon, Estimate, Origin, SpanCost, StepWindow
from wattleak.reports.frameworks import render_frameworks, render_price
from wattleak.reports.frameworks_document import frameworks_document
from wattleak.reports.frameworks_html import frameworks_sections
from wattleak.reports.style import Style

ACCURACIES = (0.5, 0.6, 0.66, 0.70, 0.73)
CARBON = Carbon(1.0, 0.5, 2.0, 360.0, 180.0, 720.0, "stated", 2025, "here", 1.5, Origin.MODELLED)


def span(name, cpu_s):
    return SpanCost(name, 0.0, cpu_s / 2, cpu_s, (), modelled(10 * cpu_s))


def trained(name, block, *, speed=1.0, loss=2.3, accelerated=0, accuracies=ACCURACIES, start_up_s=3.0):
    """Start-up 3 CPU-s, first step 1, epochs of 2, inference 4 for 8,000 images; 10 J for each CPU-second."""
    names = ["first step", *["epoch", "evaluation"] * len(accuracies), "inference"]
    costs = {"first step": 1.0, "epoch": 2.0, "evaluation": 0.5, "inference": 4.0}
    window = StepWindow(
        *("epoch", 1, len(accuracies), 100.0, 10.0, Estimate(10.0, 10.0, 10.0, Origin.COUNTER), (), (), None),
        *(1.5, start_up_s, modelled(10 * start_up_s)),
    )
    return run(
        name,
        block,
        cpu_s=30.0 * speed,
        window=window,
        carbon_g=CARBON,
        spans=tuple(span(one, speed * costs[one]) for one in names),
        quality={
            **{f"accuracy_after_{epoch}": value for epoch, value in enumerate(accuracies, 1)},
            "accuracy": accuracies[-1],
            "auc": 0.9,
            "first_loss": loss,
            "inferences": 8000.0,
            "accelerated": float(accelerated),
        },
    )


def both(**of_the_other):
    runs = [trained("torch", block) for block in range(8)]
    runs += [trained("jax", block, speed=2.0, **of_the_other) for block in range(8)]
    return experiment(runs, variants=("torch", "jax"))


def test_the_parts_of_a_course():
    found = frameworks_of(both())
    first, second = found.costs
    assert (first.name, first.runs, first.auc) == ("torch", 8, 0.9)
    assert (first.start_up.cpu_s, first.first_step.cpu_s, first.training.cpu_s) == (3.0, 1.0, 10.0)
    assert first.training.energy_j.value == pytest.approx(100.0)
    assert (first.training.energy_j.low, first.training.energy_j.high) == pytest.approx((50.0, 200.0))
    assert first.training.duration_s == 5.0
    assert first.accuracy.value == pytest.approx(0.73)
    assert first.energy_per_point_j.value == pytest.approx(100 / 73)
    assert first.cpu_per_point_s == pytest.approx(10 / 73)
    assert first.inference.cpu_s == pytest.approx(4 / 8000)
    # 40 J over 8,000 images is 5 mJ; 360 g/kWh with a PUE of 1.5 is 0.15 mg/J, and both ends go together.
    assert first.carbon_per_inference_g.value == pytest.approx(5e-3 * 0.15e-3)
    assert first.carbon_per_inference_g.low == pytest.approx(2.5e-3 * 0.075e-3)
    assert first.carbon_per_inference_g.high == pytest.approx(10e-3 * 0.3e-3)
    assert second.training.cpu_s == 20.0


def test_where_a_difference_comes_from():
    changes = {one.part: one.change for one in frameworks_of(both()).changes}
    assert changes["training"].change == pytest.approx(1.0)
    assert (changes["training"].low, changes["training"].high) == pytest.approx((1.0, 1.0))
    assert changes["start-up"].change == pytest.approx(0.0)
    assert list(changes) == ["start-up", "first step", "training", "inference"]


def test_the_curve_adds_up_the_epochs_alone():
    found = frameworks_of(both(), target=0.63)
    assert [epoch.cpu_s for epoch in found.epochs["torch"]] == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert [epoch.accuracy.value for epoch in found.epochs["jax"]] == pytest.approx(ACCURACIES)
    reached = found.to_target["torch"]
    assert reached.cost.value == pytest.approx(5.0)  # half-way from epoch 2 to 3
    assert reached.whole.value == pytest.approx(9.0)  # and start-up 3, first step 1
    assert frameworks_of(both()).target == pytest.approx(0.73)


def test_all_began_alike_or_it_is_said():
    assert beginnings(both(loss=2.3 * (1 + 5e-5))).alike
    apart = both(loss=2.31)
    assert beginnings(apart).largest == pytest.approx(0.01 / 2.31)
    text = render_frameworks(frameworks_of(apart), style=Style.plain())
    assert "they did not begin alike" in text
    alone = experiment([trained("torch", 0)], variants=("torch", "jax"))
    assert beginnings(alone) is None


def test_a_run_without_the_parts_is_no_course():
    assert course_of(trained("torch", 0).measurement) is not None
    assert course_of(run("torch", 0, quality={"accuracy": 0.9}).measurement) is None


def test_devices_that_differ_are_said():
    found = frameworks_of(both(accelerated=1))
    assert found.mixed_devices
    assert "only jax worked on an accelerator" in render_frameworks(found, style=Style.plain()).replace("\n  ", " ")


def test_what_a_reader_sees():
    found = frameworks_of(both(), target=0.9)
    text = render_frameworks(found, style=Style.plain())
    assert "100 J [50.0, 200]" in text
    assert "1.37 J [0.685, 2.74]" in text
    assert "all began alike" in text
    price = "\n".join(render_price(found, style=Style.plain()))
    assert "to an accuracy of 0.9:" in price
    assert price.count("not reached") == 2
    assert "is the last point exponentially dear?" in price


def test_the_page_has_the_curve():
    sections = "".join(frameworks_sections(frameworks_of(both())))
    drawn = json.loads(re.search(r'id="accuracy-curve-spec">(.*?)</script>', sections)[1])
    assert len(drawn["data"]["values"]) == 10
    assert drawn["data"]["values"][1] == {"variant": "torch", "epoch": 2, "cost": 4.0, "accuracy": 0.6}
    assert drawn["layer"][0]["encoding"]["x"]["title"] == "CPU time, s"
    assert "To an accuracy of 0.73" in sections


def test_the_document_has_all_of_it():
    document = json.loads(json.dumps(frameworks_document(frameworks_of(both()))))
    assert document["cost_unit"] == "s"
    assert document["began_alike"] == {
        "blocks": 8,
        "largest_relative_difference": 0.0,
        "tolerance": 1e-4,
        "alike": True,
    }
    assert document["frameworks"][0]["per_inference"]["carbon_g"]["value"] == pytest.approx(7.5e-7)
    assert document["curve"]["torch"][1]["cpu_s"] == 4.0
    assert document["target"]["stated"] is False
