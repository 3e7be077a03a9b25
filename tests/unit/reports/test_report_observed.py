"""What was seen at run time, in every format and through the store's documents."""

from __future__ import annotations

from dataclasses import replace

from unit.reports import report_examples as examples
from wattleak.documents import measurement_document, measurement_from_document
from wattleak.model import (
    AlsoSeen,
    Estimate,
    Evidence,
    EvidenceLevel,
    Interval,
    Observations,
    Origin,
    PerSample,
    Phase,
    Place,
    Severity,
)
from wattleak.reports.html import render_measurement_html
from wattleak.reports.markdown import render_measurement as render_markdown
from wattleak.reports.style import Style
from wattleak.reports.text import render_measurement

SEEN = Evidence(
    "REF001",
    "/home/me/train.py",
    14,
    "live tensor bytes",
    2_400_000.0,
    "B/step",
    0.0,
    "live tensors grow by 2.29 MiB a step; `losses` holds them with their graphs",
    function="train",
    interval=Interval(2_300_000.0, 2_500_000.0),
    origin=Origin.SAMPLED,
    cost_b=480.0 * 2**20,
    pid=77,
)
PLACES = (
    Place(
        "REF001",
        "unreleased-tensor-references",
        EvidenceLevel.MEASURED,
        "/home/me/train.py",
        14,
        "losses keeps the graph of every step",
        (SEEN,),
        proof="a9b06624",
        measured="measured by experiment a9b06624: SAVING.",
    ),
    Place("PAR001", "unnecessary-parallelism", EvidenceLevel.SUSPECTED, "/home/me/train.py", 3, "32 threads on 2 CPUs"),
)
PHASES = (
    Phase("start-up", 4.0, 0.1, Estimate(40.0, 20.0, 80.0, Origin.MODELLED), by_interval=True),
    Phase("training", 32.0, 0.8, Estimate(720.0, 360.0, 1440.0, Origin.MODELLED), by_interval=True),
    Phase(
        *("data wait", 8.0, 0.2, Estimate(180.0, 0.0, 720.0, Origin.MODELLED)),
        by_interval=False,
        inside="training",
        duration_range_s=(7.1, 8.9),
    ),
)
NOTE = "a hook was turned off: hooks_torch.count (hooks_torch.py:9): ValueError()"
OBSERVED = Observations(3, PLACES, PHASES, (NOTE,), "wattleak prove train.py -- --epochs 2")
MEASUREMENT = replace(examples.modelled_measurement(), observed=OBSERVED)


def test_the_document_has_a_way_back():
    document = measurement_document(MEASUREMENT)
    assert measurement_from_document(document) == MEASUREMENT
    assert "observed" not in measurement_document(examples.modelled_measurement())


def test_what_was_not_counted_is_absent():
    evidence = measurement_document(MEASUREMENT)["observed"]["places"][0]["evidence"][0]
    assert evidence["cost_b"] == 480.0 * 2**20
    assert not {"cost_s", "cost_j"} & evidence.keys()


def test_text_says_level_place_counter_and_what_to_type(golden):
    text = render_measurement(MEASUREMENT, style=Style(color=False, unicode=True))
    golden("measurement_observed.txt", text + "\n")
    assert "measured   REF001 unreleased-tensor-references  /home/me/train.py:14" in text
    assert "suspected  PAR001" in text
    assert "Next: wattleak prove train.py -- --epochs 2" in text


def test_the_other_formats_say_the_same():
    page, markdown = render_measurement_html(MEASUREMENT), render_markdown(MEASUREMENT)
    for words in ("live tensors grow by 2.29 MiB a step", "not seen in this run", "part of training", "turned off"):
        assert words in page
        assert words in markdown


def test_a_run_without_probes_says_nothing_of_them():
    text = render_measurement(examples.modelled_measurement(), style=Style(color=False, unicode=True))
    assert "seen at run time" not in text
    assert "joules went" not in text


def test_what_has_no_room_and_what_a_sample_took_are_told_too():
    workers = replace(SEEN, code="workers", counter="starts", value=5, unit="", threshold=2, interval=None, cost_b=None)
    batches = replace(workers, code="BAT001", message="one row a step")
    place = Place("BAT001", "minibatch-mismatch", EvidenceLevel.SEEN, "/home/me/train.py", 14, None, (batches,))
    cost = PerSample(40_960, 640, Estimate(0.0002, 0.0001, 0.0004, Origin.MODELLED), 0.001, pid=77)
    also = (AlsoSeen("loader-workers-started-again", Severity.INFO, workers),)
    measurement = replace(MEASUREMENT, observed=replace(OBSERVED, places=(place,), also=also, per_sample=cost))

    assert measurement_from_document(measurement_document(measurement)) == measurement
    for text in (render_measurement(measurement, style=Style(color=False, unicode=True)), render_markdown(measurement)):
        assert "also loader-workers-started-again" in text
        assert "info; no smell of wattleak's" in text
        assert "one sample" in text
        assert "40,960 samples in 640 steps" in text
    text = " ".join(render_measurement(measurement, style=Style(color=False, unicode=True)).split())
    assert "a sample of the training took 200 µJ [100, 400] (modelled), 1.00 ms" in text


def test_a_run_stored_before_there_was_more_to_say_is_still_read():
    document = measurement_document(MEASUREMENT)
    for name in ("also", "per_sample"):
        del document["observed"][name]
    assert measurement_from_document(document) == MEASUREMENT
