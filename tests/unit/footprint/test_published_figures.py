"""The page of published figures is what its script makes of the facts beside it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_what_the_script_makes() -> None:
    names = runpy.run_path(str(ROOT / "tools" / "make_published_figures_page.py"))
    known = json.loads((ROOT / "tools" / "published_figures.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "explanation" / "published-figures.md").read_text(encoding="utf-8")

    assert names["reflowed"](names["text"](known)) == page


def test_the_figures_that_do_not_follow_are_named() -> None:
    """Worked out by hand: 4 kg / 9.11 Wh = 439 kg/kWh; 4.2 + 6.1 + 2.7 = 13.0 t of 7.5 t; 4120 J / 60 s = 68.7 W."""
    page = (ROOT / "docs" / "explanation" / "published-figures.md").read_text(encoding="utf-8")

    for said in (
        "439 kg/kWh",
        "**13.0 t a day**, of 7.5 t",
        "68.7 W times the time",
        "500 g/kWh implied",
        "half a gram",
    ):
        assert said in " ".join(page.split())
    assert page.count("**does not follow**") == 4
