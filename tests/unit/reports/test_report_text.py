"""What stands on the terminal. Golden files show it whole; the tests beside them say what must never change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unit.reports import report_examples as examples
from wattleak.model import Direction, Origin, QualityComparison, QualityState, Variant, Verdict
from wattleak.reports.style import Style
from wattleak.reports.text import render_comparison, render_measurement

UNICODE = Style(color=False, unicode=True)


def compared_text(*args, style=UNICODE, **more):
    return render_comparison(examples.experiment(), examples.comparison(examples.compared(*args, **more)), style=style)


def flat(text):
    """On one line, so that sentences can be found however they were wrapped."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "measurement"),
    [
        ("measurement_modelled.txt", examples.modelled_measurement()),
        ("measurement_counted.txt", examples.counted_measurement()),
        ("measurement_killed.txt", examples.killed_measurement()),
    ],
)
def test_measurements_look_as_they_did(name, measurement, golden):
    golden(name, render_measurement(measurement, style=UNICODE) + "\n")


def test_comparisons_look_as_they_did(golden):
    two = render_comparison(examples.experiment(), examples.comparison(), style=UNICODE)
    three = render_comparison(*examples.three_variants(), style=Style.plain())

    golden("comparison_two.txt", two + "\n")
    golden("comparison_three_ascii.txt", three + "\n")


@pytest.mark.parametrize(
    ("verdict", "change", "more", "words"),
    [
        (Verdict.SAVING, (-0.789, -0.795, -0.782), {}, "SAVING [observed] bad uses 78.9 % less CPU time than good"),
        (Verdict.COSTS_MORE, (0.2, 0.18, 0.22), {}, "COSTS MORE [observed] bad uses 20.0 % more CPU time than good"),
        (
            Verdict.EQUAL,
            (-0.003, -0.009, 0.004),
            {},
            "EQUAL [observed] good and bad use the same CPU time to within ±2 %",
        ),
        (
            Verdict.NOT_ENOUGH_RUNS,
            (0.012, -0.03, 0.054),
            {"further_blocks": 6},
            "NOT ENOUGH RUNS (about 6 more blocks) [observed] The change in CPU time from good to bad is +1.2 %",
        ),
        (Verdict.NOT_ENOUGH_RUNS, (0.012, None, None), {"further_blocks": 1}, "NOT ENOUGH RUNS (about 1 more block)"),
        (
            Verdict.TRADE_OFF,
            (-0.3, -0.32, -0.28),
            {},
            "TRADE-OFF [observed] bad uses 30.0 % less CPU time than good, but",
        ),
    ],
)
def test_every_verdict_is_said_in_words_with_numbers(verdict, change, more, words):
    assert words in flat(compared_text(verdict, change, **more))


def test_modelled_energy_is_called_modelled_and_less_time_no_energy_saving():
    text = flat(compared_text(Verdict.SAVING, (-0.2, -0.22, -0.18)))

    assert "modelled, follows cpu_s; adds no evidence" in text
    assert "No energy was measured." in text
    assert "less energy" not in text
    by_time = flat(compared_text(Verdict.SAVING, (-0.2, -0.22, -0.18), primary_metric="duration_s"))
    assert "Less wall time is a time saving, not an energy saving." in by_time


def test_measured_energy_needs_no_such_warning():
    pair = examples.compared(Verdict.SAVING, (-0.2, -0.22, -0.18), primary_metric="energy_j")
    measured = replace(pair.metrics["energy_j"], origin=Origin.COUNTER, derived_from=None)
    pair = replace(pair, metrics={**pair.metrics, "energy_j": measured})

    text = flat(render_comparison(examples.experiment(), examples.comparison(pair), style=UNICODE))

    assert "bad uses 20.0 % less energy than good: 37.4 J → 29.9 J per run" in text
    assert "No energy was measured" not in text


def test_simulated_figures_are_never_taken_for_measured_ones():
    pair = examples.compared()
    metrics = {name: replace(metric, origin=Origin.SIMULATED) for name, metric in pair.metrics.items()}

    text = compared_text(metrics=metrics)

    assert "they are simulated, and nothing was measured" in flat(text)
    assert "  measured" not in text


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (QualityComparison(QualityState.NOT_MEASURED), "Quality was not measured"),
        (
            QualityComparison(QualityState.WORSE, "loss", Direction.MIN, 0.01, 0.30, 0.36, 0.06, 0.05, 0.07, 8),
            "loss is worse (0.3000 → 0.3600; difference +0.060 [+0.050, +0.070]; less is better, tolerated 0.01)",
        ),
        (
            QualityComparison(QualityState.UNDECIDED, "accuracy", Direction.MAX, 0.005, 0.9, 0.9, 0.0, None, None, 2),
            "accuracy is undecided: too few runs to say that it is as good",
        ),
    ],
)
def test_quality_is_part_of_the_answer(quality, words):
    assert words in flat(compared_text(quality=quality))


def test_an_experiment_that_has_hardly_begun_has_an_answer():
    begun = examples.experiment(blocks=8, complete=False)
    begun = replace(begun, runs=begun.runs[:1])
    pair = examples.compared(Verdict.NOT_ENOUGH_RUNS, metrics={}, quality=QualityComparison(QualityState.NOT_MEASURED))

    text = render_comparison(begun, examples.comparison(pair), style=Style.plain())

    assert "INCOMPLETE" in text
    assert "NOT ENOUGH RUNS" in text
    assert "wattleak compare --resume b91c20fe" in text


def test_a_run_that_was_killed_says_so_and_what_is_missing():
    text = render_measurement(examples.killed_measurement(), style=Style.plain())

    assert "INCOMPLETE: the workload was ended by signal 9" in text
    assert "rapl: /sys/class/powercap/intel-rapl:0/energy_uj is readable by root only" in text
    assert "-> sudo chmod a+r" in text
    assert "One run shows a cost, not a saving." in text


def test_plain_text_is_ascii_and_colour_comes_only_when_asked():
    arguments = (examples.experiment(), examples.comparison())

    assert render_comparison(*arguments, style=Style.plain()).isascii()
    assert "\x1b" not in render_comparison(*arguments, style=UNICODE)
    assert "\x1b[1;31mCOSTS MORE\x1b[0m" in render_comparison(*arguments, style=Style(color=True, unicode=True))


def test_names_and_commands_cannot_steer_the_terminal():
    evil = "x\x1b[2J\n\u202eevil"
    experiment = examples.experiment((evil, "bad"))
    design = replace(experiment.plan.design, title=evil, variants=(Variant(evil, (evil,)), Variant("bad", ("b",))))
    experiment = replace(experiment, plan=replace(experiment.plan, design=design), notes=(evil,))
    pair = examples.compared(names=(evil, "bad"), doubts=(evil,))

    text = render_comparison(experiment, examples.comparison(pair, doubts=(evil,)), style=UNICODE)

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x\\x1b[2J\\n\\u202eevil" in text


def test_the_command_that_repeats_an_experiment_gives_the_same_variants():
    import shlex
    from itertools import pairwise

    from wattleak.experiment.design import variants_from
    from wattleak.reports.words import repeat_command

    plan = examples.experiment().plan
    tricky = Variant("tricky", ("python", "-c", "print('a b')", "$HOME"), {"X": "1 2", "Y": ""})
    plan = replace(plan, design=replace(plan.design, variants=(*plan.design.variants, tricky)))

    words = shlex.split(repeat_command(plan))

    named = [after for before, after in pairwise(words) if before == "--variant"]
    assert variants_from([], named, [], shell=False) == plan.design.variants


@pytest.mark.parametrize(
    ("verdict", "candidate_j", "says"),
    [
        (
            Verdict.SAVING,
            60.0,
            "a million runs of bad use 11 kWh less, and 49 runs of it give back what finding that cost",
        ),
        (Verdict.COSTS_MORE, 140.0, "a million runs of bad use 11 kWh more"),
    ],
)
def test_an_experiment_says_what_its_answer_comes_to(verdict, candidate_j, says):
    """1944 J over 18 runs; 40 J a run between the two: 40 MJ over a million runs are 11 kWh, 1944 / 40 = 48.6."""
    pair = examples.compared(verdict=verdict)
    energy = replace(
        pair.metrics[pair.primary_metric], name="attributed_energy_j", reference=100.0, candidate=candidate_j
    )
    unsure = replace(pair, metrics={**pair.metrics, "attributed_energy_j": replace(energy, low=-0.1, high=0.5)})
    assert "a million" not in render_comparison(examples.experiment(), examples.comparison(unsure), style=UNICODE)
    pair = replace(pair, metrics={**pair.metrics, "attributed_energy_j": energy})
    said = " ".join(render_comparison(examples.experiment(), examples.comparison(pair), style=UNICODE).split())
    assert says in said
    assert "less" not in said.partition("this experiment itself")[2] or verdict is Verdict.SAVING
