"""What a finding says of the studies: measured changes with their intervals, and what was shown to be equal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wattleak.model import Smell
from wattleak.smells.evidence import FILE, evidence

if TYPE_CHECKING:
    from pathlib import Path


def a_smell(folder: Path, changes: dict[str, list[float | None]]) -> Smell:
    (folder / FILE).write_text(
        json.dumps(
            {
                "torch": {
                    "date": "2026-11-21",
                    "machine": "AMD EPYC, 2 CPUs",
                    "versions": {"torch": "2.13.0"},
                    "data": "Fashion-MNIST subset",
                    "runs": 10,
                    "verdict": "equal",
                    "changes": changes,
                    "quality": "equivalent",
                }
            }
        )
    )
    return Smell("XXX001", "some-smell", "a smell", "its page", folder)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([2.85, 2.64, 3.13], "CPU time +285.0 % [+264.0, +313.0]"),
        ([0.001, -0.012, 0.015], "CPU time EQUAL (within 2 %)"),
        ([0.01, -0.05, 0.08], "CPU time no difference shown [-5.0, +8.0] %"),
        ([0.5, None, None], "CPU time +50 %"),
    ],
)
def test_a_change_is_said_with_what_it_shows(tmp_path: Path, ends: list[float | None], words: str) -> None:
    (found,) = evidence(a_smell(tmp_path, {"cpu_s": ends}))

    assert found.summary() == f"torch: {words}; quality equivalent"


def test_energy_equal_and_memory_dearer_are_both_said_with_their_source(tmp_path: Path) -> None:
    (found,) = evidence(a_smell(tmp_path, {"peak_memory_b": [0.25, 0.24, 0.26], "cpu_s": [0.0, -0.01, 0.01]}))

    assert found.summary() == (
        "torch: CPU time EQUAL (within 2 %), peak memory +25.0 % [+24.0, +26.0]; quality equivalent"
    )
    assert found.source() == (
        "10 runs of each program, Fashion-MNIST subset; torch 2.13.0; AMD EPYC, 2 CPUs; 2026-11-21"
    )


def test_without_a_study_nothing_is_claimed(tmp_path: Path) -> None:
    assert evidence(Smell("XXX001", "some-smell", "a smell", "its page", tmp_path)) == ()
