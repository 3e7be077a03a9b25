"""How the programs of the studies report a classifier: accuracy, area under the ROC curve, and what they came from."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wattleak.workloads.scores import accuracy, auc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def report(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    more: Mapping[str, float],
    keep: str | None = None,
) -> None:
    """Print what wattleak reads, and keep the predictions that it was computed from.

    Args:
        labels: (N,), from 0 to classes - 1.
        scores: (N, classes), the probability of each class.
        more: other figures of the run.
        keep: an npz file for labels and scores; by default predictions.npz in $WATTLEAK_RUN_DIR, where there is one.
    """
    reported: dict[str, float | str] = {
        "accuracy": accuracy(labels, scores),
        **more,
        "predictions_sha256": hashlib.sha256(scores.tobytes()).hexdigest(),
    }
    try:
        reported["auc"] = auc(labels, scores)
    except ValueError as error:
        print(f"no AUC: {error}")
    own = os.environ.get("WATTLEAK_RUN_DIR")
    path = keep or (Path(own) / "predictions.npz" if own else None)
    if path is not None:
        np.savez_compressed(path, labels=labels, scores=scores)
        print(f"predictions: {path}")
    print("WATTLEAK " + json.dumps(reported))
