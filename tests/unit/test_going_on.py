"""How a study says that it can be gone on with: the whole command line, for other options ask for other experiments."""

from __future__ import annotations

import sys

import pytest

from wattleak.cli.ready_made import _going_on


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("study combined --only batch,model -- --epochs 1", "--only batch,model --resume 1f2e -- --epochs 1"),
        ("study combined --resume 0a0a --full", "--full --resume 1f2e"),
        ("study combined --resume=0a0a", "--resume 1f2e"),
        ("study combined", "--resume 1f2e"),
    ],
)
def test_the_way_to_go_on_names_what_was_asked_for(typed: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["wattleak", *typed.split()])
    assert _going_on("combined", "1f2e") == f"wattleak study combined {told}"


def test_from_another_program_it_is_the_verb_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "-q"])
    assert _going_on("models", "1f2e") == "wattleak study models --resume 1f2e"
