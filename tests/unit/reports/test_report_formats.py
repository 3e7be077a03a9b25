"""One name for each format, and no module loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unit.reports import report_examples as examples
from wattleak.errors import UsageError
from wattleak.reports import FORMATS, render
from wattleak.reports.style import Style


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_renders_both_kinds(name):
    assert "COSTS MORE" in render(name, examples.experiment(), examples.comparison())
    assert "One run shows a cost, not a saving." in render(name, examples.modelled_measurement())


def test_text_follows_the_style():
    assert "\x1b[" in render("text", examples.modelled_measurement(), style=Style(color=True))
    assert render("text", examples.modelled_measurement()).isascii()


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(UsageError, match="pdf") as caught:
        render("pdf", examples.modelled_measurement())

    assert caught.value.remedy == "choose one of html, text, markdown"


def test_naming_formats_loads_no_renderer():
    loaded = "import sys, wattleak.reports; print(*sorted(m for m in sys.modules if m.startswith('wattleak.')))"

    output = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout

    assert output.split() == ["wattleak.errors", "wattleak.reports"]


def test_text_of_a_single_run_needs_neither_numpy_nor_scipy():
    program = "import sys, wattleak.reports.text; print('numpy' in sys.modules, 'scipy' in sys.modules)"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert output.split() == ["False", "False"]
