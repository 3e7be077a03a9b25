"""Accuracy and area under the curve against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from wattleak.workloads.scores import accuracy, auc

metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("digits", [1, 6])  # one digit: many ties
def test_as_scikit_learn_has_them(seed, classes, digits):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, 300)
    scores = (rng.dirichlet(np.ones(classes), 300) + 0.3 * np.eye(classes)[labels]).round(digits)
    if classes == 2:
        expected = metrics.roc_auc_score(labels, scores[:, 1])
    else:
        binary = np.eye(classes)[labels]
        expected = metrics.roc_auc_score(binary, scores, average="macro")
    assert auc(labels, scores) == pytest.approx(expected)
    assert accuracy(labels, scores) == pytest.approx(metrics.accuracy_score(labels, scores.argmax(axis=1)))


def test_an_area_without_a_class_is_not_defined():
    with pytest.raises(ValueError, match="members and non-members"):
        auc(np.zeros(4, np.int64), np.full((4, 2), 0.5))
