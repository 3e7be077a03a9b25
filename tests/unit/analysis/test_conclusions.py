"""The conclusion matrix of a factorial experiment: each line against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from written_experiments import experiment, modelled, run

from wattleak.analysis.comparison import compare
from wattleak.analysis.conclusions import conclusions
from wattleak.analysis.factorial import Factorial, factorial
from wattleak.cli.project_sources import as_input, says_energy
from wattleak.experiment.factors import parse_factor
from wattleak.footprint.measured import work_of
from wattleak.footprint.savings import savings
from wattleak.model import QualityState, Variant, Verdict
from wattleak.reports import render
from wattleak.reports.combined import conclusions_document, conclusions_section, render_conclusions
from wattleak.reports.style import Style

STEADY = (1.0, 1.002, 0.998, 1.001, 0.999, 1.003, 0.997, 1.0)
JOULES = 12.0  # of a CPU-second


@pytest.fixture(scope="module")
def table():
    """Batch saves a fifth; the small model a half, and three points of accuracy with it. Nothing interacts."""
    names = ("batch", "model")
    runs, variants = [], []
    for batch, model in product(("32", "128"), ("large", "small")):
        name = f"batch={batch} model={model}"
        variants.append(Variant(name, ("train",), {}, dict(zip(names, (batch, model), strict=True))))
        for block, noise in enumerate(STEADY):
            cpu_s = 100.0 * (0.8 if batch == "128" else 1.0) * (0.5 if model == "small" else 1.0) * noise
            accuracy = (0.90 if model == "large" else 0.87) + (noise - 1.0) / 10
            runs.append(
                run(
                    name,
                    block,
                    position=len(variants),
                    cpu_s=cpu_s,
                    attributed_energy_j=modelled(JOULES * cpu_s),
                    quality={"accuracy": accuracy},
                )
            )
    found = experiment(runs, variants=tuple(variant.name for variant in variants), blocks=len(STEADY))
    factors = (parse_factor("batch=32,128"), parse_factor("model=large,small"))
    design = replace(found.plan.design, variants=tuple(variants), factors=factors)
    return replace(found, plan=replace(found.plan, design=design))


@pytest.fixture(scope="module")
def lines(table):
    effects = factorial(table)
    assert isinstance(effects, Factorial)
    return {line.label: line for line in conclusions(table, compare(table), effects)}


@pytest.fixture(scope="module")
def saved(table, lines):
    runs = [one.measurement for one in table.runs if one.variant == "batch=32 model=large"]
    changes = {label: as_input(label, line.changes[says_energy(line.changes)]) for label, line in lines.items()}
    return savings(work_of("run", runs, "8 runs"), changes, {"region": "DE", "pue": 1.5}, "1000")


def test_a_line_for_each_measure_for_all_together_and_for_the_best(lines):
    assert list(lines) == [
        "batch 32 → 128",
        "model large → small",
        "all together: batch 32 → 128, model large → small",
        "best at equal quality: batch 32 → 128",
    ]
    batch, model, both, best = lines.values()
    assert (batch.verdict, batch.quality.state) == (Verdict.SAVING, QualityState.IDENTICAL)
    assert (model.verdict, model.quality.state) == (Verdict.TRADE_OFF, QualityState.WORSE)
    assert model.quality.difference == pytest.approx(-0.03)
    assert both.verdict is Verdict.TRADE_OFF
    assert best.verdict is Verdict.SAVING
    changes = [line.changes["cpu_s"].change for line in (batch, model, both, best)]
    assert changes == pytest.approx([-0.2, -0.5, -0.6, -0.2])


def test_the_saving_is_the_change_times_what_a_run_of_the_reference_uses(lines, saved):
    for label, share in {"batch 32 → 128": -0.2, "model large → small": -0.5}.items():
        run_j = saved.by_name[label].run_j
        assert run_j.value == pytest.approx(share * JOULES * 100.0, rel=1e-6)
        # The model may be off by a factor of two; the change is as good as exact.
        assert run_j.low == pytest.approx(2 * run_j.value, rel=0.05)
        assert run_j.high == pytest.approx(run_j.value / 2, rel=0.05)
        assert run_j.origin.value == "modelled"
        year = saved.by_name[label].fleet.energy_kwh.value
        assert year == pytest.approx(365 * 1000 * run_j.value / 3.6e6 * 1.5, rel=1e-6)  # with the building
    assert saved.of == "a year of 1000 runs a day"


def test_without_a_number_of_runs_the_amounts_are_of_a_thousand(table, lines):
    runs = [one.measurement for one in table.runs if one.variant == "batch=32 model=large"]
    label = "batch 32 → 128"
    found = savings(work_of("run", runs, "8 runs"), {label: as_input(label, lines[label].changes["cpu_s"])}, {}, None)
    assert found.of == "1,000 runs"
    assert found.by_name[label].fleet.energy_kwh.value == pytest.approx(-0.2 * 1200.0 * 1000 / 3.6e6, rel=1e-6)


def test_the_text_says_trade_off_and_what_it_is_of(lines, saved):
    text = render_conclusions(tuple(lines.values()), saved, "cpu_s", style=Style())
    assert "TRADE-OFF: model large → small saves and makes the result worse: it is no saving" in text
    assert "a year of 1000 runs a day" in text
    fleet = text[text.index("a year of 1000") :]
    assert [line.split("]")[-1].strip() for line in fleet.splitlines()[1:5]] == [
        "SAVING",
        "TRADE-OFF",
        "TRADE-OFF",
        "SAVING",
    ]  # joules that cost quality are not taken for a saving
    assert "modelled" in text
    assert "CO2e of DE, with the building (PUE)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 130
    page = conclusions_section(tuple(lines.values()), saved, "cpu_s")
    assert "TRADE-OFF [observed]" in page


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_every_report_of_a_run_table_has_its_effects(table, name):
    shown = render(name, table, compare(table), style=Style())
    assert "model large → small" in shown
    assert "batch 32 → 128 x model large → small" in shown
    assert "INDEPENDENT" in shown
    assert "TRADE-OFF" in shown


def test_the_document_has_every_figure(lines, saved):
    document = conclusions_document(tuple(lines.values()), saved, "cpu_s")
    batch = document["measures"][0]
    assert batch["change"] == pytest.approx(-0.2)
    assert batch["low"] <= batch["change"] <= batch["high"]
    assert math.isclose(batch["saving_j"]["value"], -240.0, rel_tol=1e-6)
    assert batch["fleet"]["carbon_kg"]["value"] < 0
    assert batch["quality"]["state"] == "identical"
    without = conclusions_document(tuple(lines.values()), "no energy was attributed", "cpu_s")
    assert without["why_no_saving"] == "no energy was attributed"
    assert without["measures"][0]["saving_j"] is None
