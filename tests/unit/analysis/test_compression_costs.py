"""Costs of compressed models against numbers worked out by hand, and paired shares against published arithmetic."""

from __future__ import annotations

import math

import pytest
from written_experiments import experiment, run

from wattleak.analysis.comparison import compare
from wattleak.analysis.compression_costs import CONVERT, INFERENCE, REQUESTS, compression_costs
from wattleak.analysis.paired_share import paired_share
from wattleak.model import Estimate, Origin, QualityState, QualityTarget, SpanCost
from wattleak.model.experiments import Direction
from wattleak.reports.compression import compression_document, findings, render_compression
from wattleak.reports.style import Style


def span(name, start_s, duration_s, cpu_s, energy_j=None):
    energy = None if energy_j is None else Estimate(energy_j, 0.5 * energy_j, 2 * energy_j, Origin.MODELLED)
    return SpanCost(name, start_s, duration_s, cpu_s, (), energy)


def figures(**more):
    return {
        "accuracy": 0.9,
        "size_b": 4000,
        "parameters": 1000,
        "nonzero": 1000,
        "inferences": 500,
        "requests": 100,
        "tested": 400,
        "lost": 0,
        "gained": 0,
        "latency_p50_s": 0.001,
        "latency_p95_s": 0.002,
        "latency_p99_s": 0.003,
    } | more


def written(variants, blocks=8):
    """`variants`: name -> (CPU-seconds of 500 inferences, of the conversion, figures)."""
    runs = [
        run(
            name,
            block,
            position=place,
            cpu_s=cpu_s * (1 + 0.001 * block),
            quality=quality,
            spans=(
                span(CONVERT, 1.0, 0.5, convert_s, 3.0),
                span("warm-up", 1.5, 0.5, 9.0),
                span(INFERENCE, 2.0, 2.0, cpu_s, 10 * cpu_s),
                span("warm-up", 4.0, 0.5, 9.0),
                span(REQUESTS, 4.5, 1.0, 0.3, 1.0),
            ),
        )
        for block in range(blocks)
        for place, (name, (cpu_s, convert_s, quality)) in enumerate(variants.items())
    ]
    target = QualityTarget("accuracy", Direction.MAX, 0.01)
    return experiment(runs, variants=tuple(variants), blocks=blocks, quality=target)


def test_costs_are_of_a_thousand_inferences_and_of_the_spans_alone() -> None:
    made = written({"float32": (1.5, 0.1, figures()), "int8": (0.5, 0.4, figures(size_b=1000, nonzero=990))})
    reference, small = compression_costs(made, compare(made))
    assert reference.batched is not None
    assert reference.batched.cpu_s.value == pytest.approx(3.0)  # 1.5 s for 500
    assert reference.batched.duration_s.value == pytest.approx(4.0)
    assert reference.batched.energy_j == Estimate(30.0, 15.0, 60.0, Origin.MODELLED)
    assert reference.single is not None
    assert reference.single.cpu_s.value == pytest.approx(3.0)  # 0.3 s for 100
    assert reference.single.energy_j is not None
    assert reference.single.energy_j.value == pytest.approx(10.0)
    assert {percent: found.value for percent, found in reference.latency_s.items()} == pytest.approx(
        {50: 0.001, 95: 0.002, 99: 0.003}
    )
    assert (small.size_b, small.parameters, small.nonzero, small.runs) == (1000, 1000, 990, 8)
    assert small.convert_cpu_s == pytest.approx(0.4)
    # Converting took 0.3 CPU-seconds more than loading float32, and an inference saves 2 ms: 150 of them.
    assert small.pays_back == pytest.approx(150)
    assert reference.pays_back is None


def test_cpu_seconds_that_the_program_counted_are_finer_than_those_seen_from_outside() -> None:
    made = written({"float32": (1.5, 0.1, figures(requests_cpu_s=0.0125)), "int8": (0.5, 0.4, figures())})
    counted, seen = compression_costs(made, compare(made))
    assert counted.single is not None
    assert seen.single is not None
    assert counted.single.cpu_s.value == pytest.approx(0.125)  # 12.5 ms for 100
    assert seen.single.cpu_s.value == pytest.approx(3.0)


def test_what_is_not_reported_is_absent() -> None:
    lacking = {name: value for name, value in figures().items() if name not in {"latency_p99_s", "lost"}}
    made = written({"float32": (1.0, 0.1, figures()), "other": (1.0, 0.1, lacking)})
    other = compression_costs(made, compare(made))[1]
    assert set(other.latency_s) == {50, 95}
    assert other.change is None
    assert compression_document([other])[0]["accuracy_on_the_same_images"] is None


def test_zeros_that_save_nothing_are_said_to_save_nothing() -> None:
    made = written(
        {
            "float32": (1.0, 0.1, figures()),
            "pruned-weights": (1.0, 0.1, figures(nonzero=200, size_b=4010)),
            "pruned-channels": (0.4, 0.1, figures(parameters=400, nonzero=400, size_b=1600)),
        }
    )
    (sentence,) = findings(compression_costs(made, compare(made)), compare(made))
    assert sentence.startswith("pruned-weights: 80.0 % of its numbers are zero, the file is as large as before")
    assert "an inference costs the same" in sentence


def test_arithmetic_that_the_cpu_imitates_is_named_where_it_was_measured_to_be_dear() -> None:
    made = written(
        {
            "float32": (1.0, 0.1, figures()),
            "float16": (11.0, 0.1, figures(native_arithmetic=0)),
            "bfloat16": (11.0, 0.1, figures(native_arithmetic=1)),  # dear for another reason, which nobody knows
        }
    )
    (sentence,) = findings(compression_costs(made, compare(made)), compare(made))
    assert sentence.startswith("float16: 11.0 times the CPU time of float32")
    table = render_compression(
        compression_costs(made, compare(made)), compare(made), [("int8", "no kernels")], style=Style()
    )
    assert "left out: int8: no kernels" in table
    assert "modelled" in table


def test_a_saving_that_loses_accuracy_is_a_trade_off() -> None:
    made = written({"float32": (1.0, 0.1, figures()), "pruned": (0.4, 0.1, figures(accuracy=0.85, lost=24, gained=4))})
    comparison = compare(made)
    assert comparison.pairs[0].verdict.value == "trade_off"
    change = compression_costs(made, comparison)[1].change
    assert change is not None
    assert change.difference == pytest.approx(-0.05)
    assert change.state is QualityState.WORSE


def test_the_interval_of_paired_shares_is_that_of_bonett_and_price() -> None:
    # By hand: (10 + 1) / 102 and (2 + 1) / 102, their difference, and 1.959964 standard errors.
    first, second = 11 / 102, 3 / 102
    reach = 1.959964 * math.sqrt((first + second - (second - first) ** 2) / 102)
    found = paired_share(10, 2, 100)
    assert found.difference == pytest.approx(-0.08)
    assert (found.low, found.high) == pytest.approx((second - first - reach, second - first + reach), abs=1e-6)


@pytest.mark.parametrize(
    ("lost", "gained", "count", "margin", "state"),
    [
        (0, 0, 2000, 0.005, QualityState.IDENTICAL),
        (3, 4, 2000, 0.005, QualityState.EQUIVALENT),
        (3, 4, 2000, None, QualityState.UNDECIDED),
        (3, 4, 100, 0.005, QualityState.UNDECIDED),
        (90, 10, 2000, 0.005, QualityState.WORSE),
        (10, 90, 2000, 0.005, QualityState.BETTER),
    ],
)
def test_what_the_images_say(lost: int, gained: int, count: int, margin: float | None, state: QualityState) -> None:
    assert paired_share(lost, gained, count, margin).state is state


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="60 lost and 50 gained of 100 images"):
        paired_share(60, 50, 100)
