"""A suspicion and what was seen of the same statement are one place."""

from dataclasses import replace
from pathlib import Path

import pytest

from wattleak.model import Confidence, Evidence, EvidenceLevel, Finding, Severity
from wattleak.observation.linking import link

TEXT = """\
for epoch in range(9):
    model = build(
        width=3,
    )
    train(model); test(model)
"""
NAMES = {"MOD001": "improper-model-reuse", "REF001": "unreleased-tensor-references"}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(TEXT)
    return path


def suspected(path, line, code="MOD001"):
    return Finding(code, NAMES[code], Path(path), line, 1, line, 9, "looks bad", Severity.WARNING, Confidence.HIGH)


def seen(path, line, code="MOD001"):
    return Evidence(code, None if path is None else str(path), line, "models", 9, "", 1, "9 models were built")


def test_in_one_statement_they_are_one(script):
    (place,) = link([suspected(script, 2)], [seen(script, 3), seen(script, 4)], NAMES)
    assert (place.level, place.line, place.suspicion) == (EvidenceLevel.SEEN, 2, "looks bad")
    assert len(place.evidence) == 2


def test_by_another_way_to_the_same_file_too(script, monkeypatch):
    monkeypatch.chdir(script.parent)
    (place,) = link([suspected("train.py", 2)], [seen(script, 2)], NAMES)
    assert place.path == str(script.resolve())


@pytest.mark.parametrize(
    "item", [(5, "MOD001"), (1, "MOD001"), (2, "REF001")], ids=["next statement", "head of the loop", "another smell"]
)
def test_anything_else_is_another_place(script, item):
    line, code = item
    places = link([suspected(script, 2)], [seen(script, line, code)], NAMES)
    assert [place.level for place in places] == [EvidenceLevel.SEEN, EvidenceLevel.SUSPECTED]
    assert places[0].suspicion is None
    assert places[1].evidence == ()


def test_evidence_without_a_place_or_with_a_file_that_is_gone(tmp_path):
    gone = tmp_path / "gone.py"
    places = link([], [seen(None, None), seen(gone, 7), replace(seen(gone, 7), pid=3), seen("<string>", 2)], NAMES)
    assert {(place.path is None, place.line, len(place.evidence)) for place in places} == {
        (True, None, 1),
        (False, 7, 2),
        (False, 2, 1),
    }


def test_a_weak_suspicion_is_told_only_where_something_was_seen(script):
    assert link([], [], NAMES, weak=[suspected(script, 2)]) == ()
    (place,) = link([], [seen(script, 4)], NAMES, weak=[suspected(script, 2)])
    assert (place.level, place.suspicion) == (EvidenceLevel.SEEN, "looks bad")


def test_what_says_something_only_of_suspected_lines_is_told_of_them_alone(script):
    places = link([suspected(script, 2)], [], NAMES, corroborating=[seen(script, 3), seen(script, 5)])
    assert [(place.level, place.line, len(place.evidence)) for place in places] == [(EvidenceLevel.SEEN, 2, 1)]
    assert link([], [], NAMES, corroborating=[seen(script, 3)]) == ()
