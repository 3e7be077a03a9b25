"""A small grid search over boosted trees, with one OpenMP thread for each CPU that the process may use."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))  # OpenMP reads it when it is loaded

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV

from wattleak.errors import WattleakError
from wattleak.workloads.data import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 2


def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean of each block of 4 x 4 pixels."""
    count, height, width, channels = images.shape
    cropped = images[:, : height // 4 * 4, : width // 4 * 4]
    blocks = cropped.reshape(count, height // 4, 4, width // 4, 4, channels)
    means: NDArray[np.float64] = blocks.mean(axis=(2, 4)).reshape(count, -1)
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--epochs", type=int, default=10, help="boosting iterations of each fit")
    parser.add_argument("--train-images", type=int, default=4000)
    arguments = parser.parse_args()
    try:
        data = load(arguments.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    count = min(arguments.train_images, len(data.train_images))
    print(f"data {data.describe()}; training on {count} images")

    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    trees = HistGradientBoostingClassifier(max_iter=arguments.epochs, early_stopping=False, random_state=seed)
    search = GridSearchCV(trees, {"learning_rate": [0.1, 0.3]}, cv=FOLDS)
    search.fit(features(data.train_images[:count]), data.train_labels[:count])
    print(f"best {search.best_params_} of {len(search.cv_results_['params'])}")

    quality = search.score(features(data.test_images), data.test_labels)
    fits = FOLDS * len(search.cv_results_["params"]) + 1  # the last one on all images
    print("WATTLEAK " + json.dumps({"accuracy": quality, "steps": fits}))


if __name__ == "__main__":
    main()
