"""Devices in a table: who gets a verdict, what is not known, and that a document is read again as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wattleak.analysis.device_costs import DeviceCost, stated
from wattleak.model import Estimate, Origin
from wattleak.reports.devices import cost_from, devices_document, notes

HERE = DeviceCost(
    name="cuda-0",
    title="NVIDIA L4",
    source="here",
    runs=6,
    samples_per_s=125.0,
    energy_per_sample_j=Estimate(0.5, 0.45, 0.55, Origin.COUNTER),
    carbon_per_sample_g=None,
    accuracy=0.9,
    device_use={"gpu0": 0.8},
    job="fine_tuning.py --batch 32",
)


def test_a_document_is_read_again_as_it_was_but_for_where_it_is_from() -> None:
    (row,) = json.loads(json.dumps(devices_document([HERE])))
    found = cost_from(row, "there.json, experiment 1a2b", "measured elsewhere")
    assert found == replace(HERE, source="there.json, experiment 1a2b", why_no_verdict="measured elsewhere")


def test_a_figure_without_a_range_has_none_in_the_document_either() -> None:
    (row,) = devices_document([stated("T4", "a paper", "stated", {"power_w": 70.0, "samples_per_s": 1250.0})])
    assert row["energy_per_sample_j"] == {"value": 0.056, "low": None, "high": None, "origin": "quoted"}
    assert row["accuracy"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"energy_per_sample_j": {"value": -1, "low": -1, "high": -1, "origin": "counter"}},
        {"energy_per_sample_j": {"value": 1, "low": 2, "high": 3, "origin": "counter"}},
        {"energy_per_sample_j": {"value": 1, "low": 1, "high": 1, "origin": "hearsay"}},
        {"samples_per_s": "fast"},
        {"name": 7},
    ],
)
def test_a_row_that_cannot_be_is_not_read(wrong: dict[str, object]) -> None:
    (row,) = devices_document([HERE])
    with pytest.raises((KeyError, TypeError, ValueError)):
        cost_from({**row, **wrong}, "there.json", "measured elsewhere")


def test_the_source_of_what_is_not_from_here_stands_below_the_table_with_why_it_gets_no_verdict() -> None:
    elsewhere = replace(HERE, name="cuda-1", source="experiment 1a2b, 2026-11-21", why_no_verdict="another machine")
    assert notes([HERE, elsewhere]) == [
        "cuda-0: NVIDIA L4, 6 runs here",
        "(1) cuda-1: NVIDIA L4, experiment 1a2b, 2026-11-21. No verdict: another machine",
    ]
