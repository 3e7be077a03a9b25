"""The page as a file, read with the standard library's parser. What a browser makes of it is tested end to end."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from unit.reports import report_examples as examples
from wattleak.model import Variant, Verdict
from wattleak.reports.html import render_html, render_measurement_html

EVIL = "</script><script>alert(1)</script>"
BUDGET_B = 1_500_000
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements with their attributes, scripts and visible text apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.seen = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif not self.open or self.open[-1] != "style":
            self.seen += data


@pytest.fixture(scope="module")
def page_text():
    return render_html(examples.experiment(), examples.comparison())


def hostile():
    experiment = examples.experiment((EVIL, "bad"))
    variants = (Variant(EVIL, ("python", EVIL), {"X": EVIL}), Variant("bad", ("b",)))
    design = replace(experiment.plan.design, title=EVIL, variants=variants)
    runs = tuple(
        replace(run, failure=EVIL, measurement=replace(run.measurement, notes=(EVIL,), quality={EVIL: 0.5}))
        if place == 5
        else run
        for place, run in enumerate(experiment.runs)
    )
    experiment = replace(
        experiment, plan=replace(experiment.plan, design=design), runs=runs, environment={EVIL: EVIL}, notes=(EVIL,)
    )
    pair = examples.compared(names=(EVIL, "bad"), doubts=(EVIL,))
    return render_html(experiment, examples.comparison(pair, doubts=(EVIL,)))


def test_every_element_is_closed_and_every_id_is_its_own(page_text):
    page = Page(page_text)

    assert page.open == []
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [name for name, times in ids.items() if times > 1] == []


def test_the_page_reads_as_a_paper_does(page_text):
    seen = Page(page_text).seen
    places = [seen.index(word) for word in
              ("COSTS MORE", "Evidence", "Where it goes", "Can it be trusted?", "How it was measured")]  # fmt: skip

    assert places == sorted(places)
    assert "bad uses 4.74 times as much CPU time as good" in seen
    assert "No energy was measured." in seen


def test_the_page_loads_nothing(page_text):
    page = Page(page_text)

    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "action", "poster"):
            assert name not in attributes, (tag, attributes)
    style = page_text[page_text.index("<style>") : page_text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_page_s_own_scripts_may_run(page_text):
    page = Page(page_text)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    run = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]

    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert set(hashes) == allowed
    assert "unsafe-eval" not in policy
    assert "default-src 'none'" in policy


def test_the_same_input_gives_the_same_bytes(page_text):
    assert render_html(examples.experiment(), examples.comparison()) == page_text


def test_a_page_of_four_hundred_runs_keeps_its_budget():
    text = render_html(examples.experiment(blocks=200), examples.comparison())

    assert len(text.encode()) <= BUDGET_B


def test_hostile_names_stay_text():
    text = hostile()
    page = Page(text)

    assert "<script>alert" not in text
    assert page.open == []
    assert len(page.scripts) == len(Page(render_html(examples.experiment(), examples.comparison())).scripts)
    assert page.seen.count(EVIL) >= 10  # title, table, run, note, doubt, machine, command: shown as they are
    for attributes, data in page.scripts:
        if attributes.get("type") == "application/json":
            assert "<" not in data
            json.loads(data)


def test_every_chart_has_its_numbers_in_a_table_that_is_open_without_scripts(page_text):
    figures = re.findall(r"<figure.*?</figure>", page_text, flags=re.DOTALL)

    assert len(figures) == 3
    for figure in figures:
        assert re.search(r"<details open=\"\">.*<table>.*<td", figure, flags=re.DOTALL)
    assert "Charts need JavaScript." in page_text


def test_every_run_is_listed_with_whether_it_counts():
    text = render_html(*examples.three_variants())
    table = text[text.index(">Every run<") : text.index('<section id="how">')]

    experiment, _ = examples.three_variants()
    for run in experiment.runs:
        assert run.id in table
    assert "failed: exit code 1" in table
    assert table.count("<td>yes</td>") == 24


def test_provenance_is_not_folded_away(page_text):
    how = page_text[page_text.index('<section id="how">') : page_text.index("<footer>")]

    assert "<details" not in how
    for fact in ("Cloud Carbon Footprint coefficients, 2025", "473 g/kWh", "world", "seed 4187", "5d" * 32,
                 "sudo chmod a+r", "AMD EPYC 7R13", "7.65 GiB", "wattleak compare --blocks 8 --seed 4187",
                 "Fashion-MNIST"):  # fmt: skip
        assert fact in how


def test_the_answer_is_drawn_without_scripts(page_text):
    strip = page_text[page_text.index('<svg class="strip"') : page_text.index("</svg>")]

    def x(kind):
        return float(re.search(rf'class="{kind}" d?[^>]*?(?:x1?="|M)([\d.]+)', strip).group(1))

    assert x("zero") < x("interval") <= x("estimate")
    assert "+374 % [+369, +379]" in strip


@pytest.mark.parametrize("name", ["modelled_measurement", "counted_measurement", "killed_measurement"])
def test_measurements_have_a_page_too(name):
    measurement = getattr(examples, name)()
    text = render_measurement_html(measurement)
    page = Page(text)

    assert page.open == []
    assert "One run shows a cost, not a saving." in page.seen
    assert ("INCOMPLETE" in page.seen) is not measurement.complete
    for item in measurement.unavailable:
        assert item.reason in page.seen
        assert item.remedy in page.seen


def test_an_experiment_without_a_complete_block_has_a_page():
    begun = examples.experiment(complete=False)
    begun = replace(begun, runs=begun.runs[:1])
    pair = examples.compared(Verdict.NOT_ENOUGH_RUNS, metrics={})

    page = Page(render_html(begun, examples.comparison(pair)))

    assert "INCOMPLETE" in page.seen
    assert "NOT ENOUGH RUNS" in page.seen
