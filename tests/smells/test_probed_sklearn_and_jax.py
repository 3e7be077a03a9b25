"""The probes on programs of scikit-learn and JAX, as in test_probed_programs: seen at the line, or silent."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_probed_programs import Seen, marked

if TYPE_CHECKING:
    from tests.conftest import CommandLine

SKLEARN = "sklearn.linear_model,sklearn.ensemble,sklearn.model_selection,sklearn.neural_network,sklearn.svm,pandas"


@pytest.mark.parametrize(
    ("framework", "modules"),
    [
        pytest.param("sklearn", SKLEARN, marks=pytest.mark.sklearn),
        pytest.param("jax", "jax", marks=pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")),
    ],
)
def test_what_has_a_smell_is_seen_at_its_line_and_the_rest_is_silent(
    wattleak: CommandLine, framework: str, modules: str
) -> None:
    ran = Seen(wattleak, framework, modules, ())

    assert ran.seen
    assert {path.name: ran.of(path) for path in ran.seen} == {path.name: marked(path) for path in ran.seen}
    assert {path.name: ran.of(path) for path in ran.silent if ran.of(path)} == {}
    assert ran.document["observed"]["notes"] == []  # no hook was turned off
    values = [
        (item["value"], item["message"].partition(" was")[0])
        for place in ran.document["observed"]["places"]
        for item in place["evidence"]
        if Path(item["path"]).name == "sklearn_scored_by_each_metric.py"
    ]
    assert values == [(8, "LogisticRegression")] * (framework == "sklearn")  # four folds, twice more than once
