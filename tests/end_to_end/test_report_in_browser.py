"""The HTML report as a reader meets it: opened from a file, without a network, in a real browser."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from unit.reports import report_examples as examples
from wattleak.model import Variant
from wattleak.reports.html import render_html, render_measurement_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

EVIL = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def lacking(what: str) -> None:
    """Skip, or fail where a browser was promised."""
    reason = f"{what} (make test-full installs it)"
    if os.environ.get("WATTLEAK_REQUIRE_BROWSER") == "1":
        pytest.fail(f"WATTLEAK_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        lacking("there is no chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        lacking("playwright is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


class Reader:
    """A tab with a page from a file, and everything it complained about or asked for."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def wait_for_charts(self) -> list[str]:
        self.page.wait_for_function("[...document.querySelectorAll('[data-spec]')].every(e => e.dataset.state)")
        return self.page.eval_on_selector_all("[data-spec]", "charts => charts.map(chart => chart.dataset.state)")


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    contexts = []

    def opened(text: str, **settings: Any) -> Reader:
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        return Reader(context.new_page(), path)

    yield opened
    for context in contexts:
        context.close()


PAGES = {
    "two variants": lambda: render_html(examples.experiment(), examples.comparison()),
    "three variants": lambda: render_html(*examples.three_variants()),
    "front": lambda: render_html(*examples.three_variants(), front=examples.front()),
    "measured": lambda: render_measurement_html(examples.counted_measurement()),
    "modelled": lambda: render_measurement_html(examples.modelled_measurement()),
    "killed": lambda: render_measurement_html(examples.killed_measurement()),
}


@pytest.mark.parametrize(("name", "scheme"), [*((name, "light") for name in PAGES), ("three variants", "dark")])
def test_the_page_opens_offline_and_draws_every_chart(name, scheme, open_page):
    reader = open_page(PAGES[name](), color_scheme=scheme)

    assert set(reader.wait_for_charts()) <= {"drawn"}
    marks = reader.page.eval_on_selector_all(
        "[data-spec]", "charts => charts.map(chart => chart.querySelectorAll('svg path, svg line').length)"
    )
    assert all(count > 5 for count in marks)
    assert reader.complaints == []
    assert [url for url in reader.requests if not url.startswith(("file://", "data:", "blob:"))] == []
    assert len(reader.requests) == 1


def test_charts_hold_one_mark_for_each_run(open_page):
    reader = open_page(PAGES["three variants"]())
    reader.wait_for_charts()

    def points(figure: str) -> int:
        return reader.page.locator(f"#{figure} .mark-symbol.role-mark > path").count()

    experiment, _ = examples.three_variants()
    assert points("runs") == 24
    assert points("order") == len(experiment.runs) + 1  # and a cross over the one that failed


def test_the_verdict_is_the_first_thing_to_read(open_page):
    reader = open_page(PAGES["two variants"](), viewport={"width": 1100, "height": 800})
    card = reader.page.locator("#verdict")

    assert card.is_visible()
    assert card.bounding_box()["y"] < 300
    assert "COSTS MORE" in card.inner_text()
    assert "bad uses 4.74 times as much CPU time as good" in card.inner_text()


def test_hostile_names_do_nothing_and_are_shown(open_page):
    experiment = examples.experiment((EVIL, "bad"))
    variants = (Variant(EVIL, ("python", EVIL)), Variant("bad", ("b",)))
    design = replace(experiment.plan.design, title=EVIL, variants=variants)
    experiment = replace(experiment, plan=replace(experiment.plan, design=design), notes=(EVIL,))
    pair = examples.compared(names=(EVIL, "bad"), doubts=(EVIL,))

    reader = open_page(render_html(experiment, examples.comparison(pair, doubts=(EVIL,))))

    assert set(reader.wait_for_charts()) == {"drawn"}
    reader.page.locator("#runs .mark-symbol.role-mark > path").first.hover()
    reader.page.wait_for_selector("#vg-tooltip-element.visible")
    assert reader.page.evaluate("window.broken") is None
    assert reader.complaints == []
    assert reader.page.locator("h1").inner_text() == EVIL
    assert EVIL in reader.page.title()


def test_a_script_that_got_in_could_not_run(open_page):
    text = PAGES["two variants"]().replace("<main>", "<main><script>window.broken = 1</script>", 1)

    reader = open_page(text)
    reader.wait_for_charts()

    assert reader.page.evaluate("window.broken") is None
    assert any("Content Security Policy" in complaint for complaint in reader.complaints)


def test_without_scripts_every_number_can_be_read(open_page):
    reader = open_page(PAGES["two variants"](), java_script_enabled=False)
    page = reader.page

    assert page.get_by_text("Charts need JavaScript.").is_visible()
    assert page.locator("#verdict svg.strip").is_visible()
    tables = page.locator("figure details table")
    assert tables.count() == 3
    for place in range(tables.count()):
        assert tables.nth(place).is_visible()
    assert page.get_by_text("Fashion-MNIST").first.is_visible()


def test_with_scripts_the_tables_fold_and_open_on_a_click(open_page):
    page = open_page(PAGES["two variants"]()).page
    assert page.get_by_text("Charts need JavaScript.").count() == 0
    table = page.locator("#runs details table")

    assert not table.is_visible()
    page.locator("#runs summary").click()
    assert table.is_visible()


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_the_page_never_scrolls_sideways(width, open_page):
    reader = open_page(PAGES["three variants"](), viewport={"width": width, "height": 800})
    reader.wait_for_charts()

    wide = reader.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_print_is_dark_on_light_whatever_the_screen_shows(open_page):
    reader = open_page(PAGES["two variants"](), color_scheme="dark")
    reader.wait_for_charts()
    reader.page.emulate_media(media="print")

    label = reader.page.locator("#order .role-axis-label text").first
    light_ink = "rgb(105, 100, 91)"  # charting.LIGHT["muted"]
    assert label.evaluate("element => getComputedStyle(element).fill") == light_ink
