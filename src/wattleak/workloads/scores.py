"""Accuracy and area under the ROC curve of a classifier, from the scores of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def accuracy(labels: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """The share of rows whose highest score is that of their class. `scores` is (N, classes)."""
    return float(np.mean(scores.argmax(axis=1) == labels))


def auc(labels: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve: the probability that a member of a class scores higher than a non-member.

    Of class 1 where there are two classes, else the mean over the classes, each against the rest, all weighing alike.

    Raises:
        ValueError: a class has no member, or all rows: its area is not defined.
    """
    if scores.shape[1] == 2:
        return _area(scores[labels == 1, 1], scores[labels != 1, 1])
    return float(np.mean([_area(scores[labels == k, k], scores[labels != k, k]) for k in range(scores.shape[1])]))


def _area(members: NDArray[np.floating], others: NDArray[np.floating]) -> float:
    """Mann and Whitney's U over the number of pairs, ties counting half."""
    if not len(members) or not len(others):
        msg = "the area under a curve takes members and non-members of the class"
        raise ValueError(msg)
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left")
    up_to = np.searchsorted(ordered, members, side="right")
    return float((below + up_to).sum() / 2 / (len(members) * len(others)))
