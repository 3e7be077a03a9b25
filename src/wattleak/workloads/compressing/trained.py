"""The trained model that all variants begin with: kept by content, so that it is trained once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wattleak.errors import OwnFailure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wattleak.workloads.compressing.networks import Network

VERSION = 1
"""To be raised when the way of training changes: models of another version are not used."""

_SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what comes out of the training."""

    network: Network
    data_sha256: str
    images: int
    epochs: int
    seed: int
    trained_by: str  # "torch 2.13.0"

    @property
    def key(self) -> str:
        text = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def path(self, folder: Path) -> Path:
        return folder / f"{self.network.name}-{self.key}.npz"


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights, and the scores that they gave for every test image where they were trained."""

    weights: dict[str, NDArray[np.float32]]
    scores: NDArray[np.float32]  # (test images, classes), before softmax
    sha256: str  # of the file


def read(path: Path, network: Network) -> Trained:
    """Read a kept model.

    Raises:
        OwnFailure: the file is damaged, or holds another network.
    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise OwnFailure(
            f"cannot read the trained model {path}: {error}", "delete the file: it is made again"
        ) from error
    scores = found.pop(_SCORES, None)
    if scores is None or {name: array.shape for name, array in found.items()} != network.shapes():
        raise OwnFailure(f"{path} does not hold the network of this study", "delete the file: it is made again")
    return Trained(found, scores, sha256)


def write(path: Path, weights: dict[str, NDArray[np.float32]], scores: NDArray[np.float32]) -> None:
    """Keep a model, whole or not at all."""
    arrays: dict[str, Any] = {**weights, _SCORES: scores}
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".npz", dir=path.parent)
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        part.replace(path)
    except OSError as error:
        raise OwnFailure(
            f"cannot keep the trained model in {path.parent}: {error.strerror or error}",
            "free some space, or give another folder with --models",
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
