"""A Pareto front in words: what is on it, what a point costs, what to take."""

from __future__ import annotations

from dataclasses import replace

from unit.reports import report_examples as examples
from wattleak.analysis.pareto import Advice
from wattleak.model import Direction, QualityTarget
from wattleak.reports.front import recommendation, render_front
from wattleak.reports.style import Style


def shown(front):
    return " ".join(render_front(front, style=Style()).split())


def test_table_steps_and_what_is_dominated():
    text = shown(examples.front())
    assert "wasteful 92.3 J [91.3, 93.3] 0.9610 [0.9590, 0.9630] dominated by middle" in text
    assert "unsure 118 J one run 0.9500 one run undecided; by its means dominated" in text
    assert "small → middle: +41.0 J for 2 points, 20.5 J for each further point [19.0, 22.0]" in text
    assert "dominated: wasteful" in text
    assert "not placed: broken: no run that counts has both" in text


def test_recommendation_in_words():
    front = examples.front()
    assert recommendation(front) == (
        "middle has the best auc, and no cheaper one comes within 0.5 points of it. "
        "The cheapest, small, is 2 points behind and costs 33.3 % [32, 35] of it."
    )
    near = Advice("middle", "small", 0.003, 0.004, 0.15, 0.14, 0.16, shown=True)
    assert recommendation(replace(front, advice=near)) == (
        "small is within 0.5 points of the best (middle) and costs 15 % [14, 16] of it."
    )
    unsure = replace(near, gap_high=0.02, shown=False)
    assert recommendation(replace(front, advice=unsure)).endswith(
        "but the interval allows 2 points, and 0.5 points is tolerated."
    )


def test_a_figure_that_is_no_share_has_no_points():
    front = examples.front()
    loss = replace(front, plane=replace(front.plane, quality=QualityTarget("loss", Direction.MIN, 0.1)))
    assert "small → middle: +41.0 J for 0.02 of loss, 2.05 kJ for each further unit of loss [1.90, 2.20]" in shown(loss)
