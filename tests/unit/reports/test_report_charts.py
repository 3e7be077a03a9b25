"""Charts as data: what they hold is checked against the runs themselves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from statistics import median

import pytest

from unit.reports import report_examples as examples
from wattleak.model import Estimate, Origin
from wattleak.reports import charting, charts, choice_charts


def layer_data(spec, field):
    return next(
        layer["data"]["values"] for layer in spec["layer"] if "data" in layer and field in layer["data"]["values"][0]
    )


def every_spec():
    experiment, comparison = examples.three_variants()
    measurement = examples.counted_measurement()
    return [
        *(charts.estimation(pair) for pair in comparison.pairs),
        charts.paired_runs(experiment, "cpu_s"),
        charts.run_order(experiment, "cpu_s"),
        charts.channels(measurement),
        charts.spans(measurement),
        choice_charts.front(examples.front()),
    ]


def test_the_estimation_plot_holds_change_interval_and_band():
    spec = charts.estimation(examples.compared())
    rows = {row["metric"]: row for row in spec["data"]["values"]}

    assert (rows["CPU time"]["change"], rows["CPU time"]["low"], rows["CPU time"]["high"]) == (374.0, 369.0, 379.0)
    assert [name for name, row in rows.items() if row["deciding"]] == ["CPU time"]
    assert [name for name, row in rows.items() if not row["evidence"]] == ["energy", "CO2e"]
    assert layer_data(spec, "from") == [{"from": -2.0, "to": 2.0}]


def test_every_run_that_counts_is_a_point_and_n_is_shown():
    experiment = examples.experiment()
    rows = charts.paired_runs(experiment, "cpu_s")["data"]["values"]

    counted = [run for run in experiment.runs if run.block >= 0]
    assert sorted((row["run"], row["value"]) for row in rows) == sorted(
        (run.id, run.measurement.cpu_s) for run in counted
    )
    assert {row["variant"] for row in rows} == {"good  (n = 8)", "bad  (n = 8)"}
    assert median(row["value"] for row in rows if row["place"] == 1) == pytest.approx(52.1, rel=0.02)


@pytest.mark.parametrize(
    ("dearer", "scale"), [(1.1, {"nice": True, "zero": False, "padding": 12}), (40.0, {"nice": True, "zero": True})]
)
def test_an_axis_of_what_cannot_be_negative_does_not_go_below_zero(dearer, scale):
    spec = charts.paired_runs(examples.experiment(factors=(1.0, dearer)), "cpu_s")
    assert {json.dumps(x["scale"]) for x in found(spec, "x") if x.get("field") == "value" and "scale" in x} == {
        json.dumps(scale)
    }


def found(spec, key):
    """Every value of a key, however deep."""
    if isinstance(spec, dict):
        yield from ([spec[key]] if key in spec else [])
        for value in spec.values():
            yield from found(value, key)
    elif isinstance(spec, list):
        for value in spec:
            yield from found(value, key)


def test_run_order_shows_what_does_not_count_and_why():
    experiment, _ = examples.three_variants()
    rows = charts.run_order(experiment, "cpu_s")["data"]["values"]

    by_run = {row["run"]: row for row in rows}
    assert len(rows) == len(experiment.runs)
    assert (by_run["feedf00d"]["status"], by_run["feedf00d"]["why"]) == ("failed", "failed: exit code 1")
    assert sum(row["status"] == "warm-up" for row in rows) == 3
    assert [row["order"] for row in rows] == list(range(1, len(rows) + 1))


def test_sessions_are_set_apart_in_run_order():
    experiment = examples.experiment()
    runs = (*experiment.runs[:10], *(replace(run, session="s2") for run in experiment.runs[10:]))

    spec = charts.run_order(replace(experiment, runs=runs), "cpu_s")

    assert layer_data(spec, "order") == [{"order": 10.5}]


def test_energy_by_channel_has_its_range_and_no_infinity():
    measurement = examples.counted_measurement()
    open_ended = replace(measurement.energy[0], energy_j=Estimate(10910.0, 0.0, math.inf, Origin.COUNTER))
    spec = charts.channels(replace(measurement, energy=(open_ended, *measurement.energy[1:])))

    rows = spec["data"]["values"]
    assert [(row["channel"], row["whose"]) for row in rows] == [
        ("gpu0 (counter)", "machine"), ("cpu0 (counter)", "machine"), ("dram0 (modelled)", "machine"),
        ("gpu0 (counter)", "this process tree"), ("cpu0 (counter)", "this process tree"),
    ]  # fmt: skip
    assert rows[0]["high"] is None
    assert (rows[1]["value"], rows[1]["low"], rows[1]["high"]) == (2.51, 2.43, 2.59)
    assert [row["measured"] for row in rows] == [True, True, False, True, True]


def test_a_chart_of_very_many_spans_keeps_the_longest():
    measurement = examples.counted_measurement()
    step = measurement.spans[2]
    many = tuple(replace(step, name="step", start_s=float(i), duration_s=0.1) for i in range(5000))

    rows = charts.spans(replace(measurement, spans=(*many, *measurement.spans)))["data"]["values"]

    assert len(rows) == charts.MOST_SPANS
    assert "train" in {row["span"] for row in rows}


def test_specifications_are_data_without_colours():
    for spec in every_spec():
        text = json.dumps(spec, allow_nan=False)
        assert not [colour for colour in {*charting.LIGHT.values(), *charting.DARK.values()} if colour in text]
        assert spec["$schema"] == charting.SCHEMA


def test_variants_differ_in_shape_as_well_as_in_colour():
    experiment, _ = examples.three_variants()
    for spec in (charts.paired_runs(experiment, "cpu_s"), charts.run_order(experiment, "cpu_s")):
        point = next(layer for layer in spec["layer"] if "shape" in layer["encoding"])
        shapes = point["encoding"]["shape"]["scale"]["range"]
        assert len(set(shapes)) == 3
        assert point["encoding"]["color"]["field"] == point["encoding"]["shape"]["field"] == "variant"


@pytest.mark.parametrize("colours", [charting.LIGHT, charting.DARK])
@pytest.mark.parametrize("name", ["ink", "muted", "reference", "candidate", "third", "fourth", "fifth"])
def test_colours_stand_out_from_the_paper(colours, name):
    """WCAG 2.2: at least 4.5 to 1 for text, and every one of these is used for some text."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(colours["paper"]), luminance(colours[name])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_front_is_drawn_with_two_dimensional_intervals_and_a_line_along_it():
    found = examples.front()
    rows = {row["variant"]: row for row in choice_charts.front(found)["data"]["values"]}

    assert (rows["small"]["cost_low"], rows["small"]["cost_high"]) == (19.5, 21.5)
    assert (rows["small"]["quality_low"], rows["small"]["quality_high"]) == pytest.approx((0.949, 0.953))
    assert rows["unsure"]["cost_low"] is None
    assert [name for name, row in rows.items() if row["line"]] == ["small", "middle"]
    assert {name: row["standing"] for name, row in rows.items()} == {
        "small": "front",
        "middle": "front",
        "wasteful": "dominated",
        "unsure": "undecided",
    }
