"""The page of tables says what is shipped, and every row of every table is on it or counted by it."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tools" / "make_footprint_tables_page.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not a checkout")


def test_the_page_is_what_the_script_makes_of_the_tables():
    spec = importlib.util.spec_from_file_location("make_footprint_tables_page", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "python tools/make_footprint_tables_page.py"
