"""What an A/A experiment teaches, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wattleak.experiment.noise_floor import smallest_effect
from wattleak.model import NoiseFloor
from wattleak.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
FLOOR = NoiseFloor("machine", "cpu_s", 0.07, 12, "1f2e3d4c", NOW.isoformat(timespec="seconds"))


@pytest.mark.parametrize(
    ("stated", "floor", "expected"),
    [
        (None, None, 0.02),
        (0.01, FLOOR, 0.01),  # whoever states one knows what he does
        (None, FLOOR, 0.07),
        (None, replace(FLOOR, floor=0.005), 0.02),
        (None, replace(FLOOR, made_at=(NOW - timedelta(days=31)).isoformat(timespec="seconds")), 0.02),
    ],
)
def test_a_noisy_machine_asks_for_larger_effects(
    stated: float | None, floor: NoiseFloor | None, expected: float
) -> None:
    effect, reason = smallest_effect(stated, floor)
    assert effect == expected
    assert reason


def test_the_store_keeps_the_newest_floor_of_a_machine_and_metric(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store") as store:
        assert store.noise_floor("machine", "cpu_s") is None
        store.save_noise_floor(FLOOR)
        store.save_noise_floor(replace(FLOOR, floor=0.03))
    with SqliteStore(tmp_path / "store") as store:
        assert store.noise_floor("machine", "cpu_s") == replace(FLOOR, floor=0.03)
        assert store.noise_floor("machine", "energy_j") is None
        assert store.noise_floor("other", "cpu_s") is None
