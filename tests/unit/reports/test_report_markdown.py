"""Markdown for pull requests. The oracle is markdown-it, an independent parser of CommonMark and GitHub tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from unit.reports import report_examples as examples
from wattleak.model import Unavailable, Variant
from wattleak.reports import markdown

EVIL = "a|b`c` <script>alert(1)</script> **bold** [x](http://evil.example) @somebody\n| new | row |"


def parsed(text):
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def inline(tokens):
    return [child for token in tokens if token.children for child in token.children]


def shown(tokens):
    return "\n".join(
        "".join(child.content for child in token.children if child.type in {"text", "code_inline"})
        for token in tokens
        if token.children
    )


def test_reports_look_as_they_did(golden):
    golden("comparison_two.md", markdown.render_comparison(examples.experiment(), examples.comparison()))
    golden("comparison_three.md", markdown.render_comparison(*examples.three_variants()))
    golden("measurement_counted.md", markdown.render_measurement(examples.counted_measurement()))


def test_the_table_has_a_row_for_each_metric_and_one_for_quality():
    tokens = parsed(markdown.render_comparison(examples.experiment(), examples.comparison()))

    assert [token.type for token in tokens].count("table_open") == 1
    assert [token.type for token in tokens].count("tr_open") == 1 + 5 + 1
    assert [token.type for token in tokens].count("td_open") == 6 * 6


@pytest.mark.parametrize("kind", ["comparison", "measurement"])
def test_nothing_that_users_write_becomes_markup(kind):
    lacking = Unavailable(EVIL, EVIL, EVIL)
    measurement = replace(
        examples.counted_measurement(),
        name=EVIL,
        command=(EVIL,),
        unavailable=(lacking,),
        notes=(EVIL,),
        quality={EVIL: 0.5},
        spans=tuple(replace(span, name=EVIL) for span in examples.counted_measurement().spans),
    )
    if kind == "measurement":
        text = markdown.render_measurement(measurement)
    else:
        experiment = examples.experiment((EVIL, "bad"))
        design = replace(experiment.plan.design, title=EVIL, variants=(Variant(EVIL, (EVIL,)), Variant("bad", ("b",))))
        runs = (replace(experiment.runs[0], measurement=measurement), *experiment.runs[1:])
        experiment = replace(experiment, plan=replace(experiment.plan, design=design), notes=(EVIL,), runs=runs)
        pair = examples.compared(names=(EVIL, "bad"), doubts=(EVIL,))
        text = markdown.render_comparison(experiment, examples.comparison(pair, doubts=(EVIL,)))

    tokens = parsed(text)

    assert not [token for token in tokens if token.type == "html_block"]
    cells = [after.content for before, after in pairwise(tokens) if before.type == "td_open"]
    assert "a" not in cells  # the pipe in a name would end its cell there
    html = {child.content for child in inline(tokens) if child.type == "html_inline"}
    assert html <= {"<!-- -->"}  # it keeps a name from notifying somebody
    assert not [child for child in inline(tokens) if child.type in {"link_open", "image"}]
    assert not [c for c in inline(tokens) if c.type == "em_open"]
    bold = {after.content for before, after in pairwise(inline(tokens)) if before.type == "strong_open"}
    assert "bold" not in bold
    assert "a|b`c` <script>alert(1)</script> **bold** [x](http://evil.example)" in shown(tokens)
    outside_code = [child.content for child in inline(tokens) if child.type == "text"]
    assert not [content for content in outside_code if "@somebody" in content]


def test_code_keeps_any_run_of_backticks():
    tokens = inline(parsed(markdown.code("``x` y`")))

    assert [(token.type, token.content) for token in tokens] == [("code_inline", "``x` y`")]
