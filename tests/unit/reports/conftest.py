"""Golden files: what a report looked like when somebody last looked at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[2] / "golden" / "reports"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with its golden file. WATTLEAK_UPDATE_GOLDEN=1 writes the file anew: read the diff then."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("WATTLEAK_UPDATE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return check
