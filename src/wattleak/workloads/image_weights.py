"""ImageNet weights of the image models: looked for on this machine, downloaded when asked, checked either way.

torchvision writes the first eight digits of the SHA-256 into the name of each file: resnet18-f37072fd.pth.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.workloads.data import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.workloads.image_models import ImageModel

SERVER = "https://download.pytorch.org/models/"
NONE = "none"
DOWNLOAD = "download"
_HASHED = re.compile(r"-([0-9a-f]{8})\.pth$")


def find_weights(
    model: ImageModel,
    asked: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Path | None:
    """The checked file of ImageNet weights, or None: train from random values.

    Args:
        model: whose.
        asked: None: $WATTLEAK_DATA_DIR and the cache, without a download; "none": no weights; "download": the same
            places, then torchvision's server; else a folder, in which the file has to be.
        environ: where the folders are named.

    Raises:
        UsageError: a folder without the file, or a file that is not the published one.
        OwnFailure: the download failed.
    """
    if asked == NONE:
        return None
    name, url = model.weights, SERVER + model.weights
    if asked not in {None, DOWNLOAD}:
        assert asked is not None
        folder = Path(asked).expanduser()
        if not (folder / name).is_file():
            raise UsageError(
                f"{folder} has no {name}, the ImageNet weights of {model.title}",
                f"put it there: {url}",
            )
        return checked(folder / name)
    for place in _places(environ):
        if (place / name).is_file():
            return checked(place / name)
    if asked is None:
        return None
    return _downloaded(url, cache_folder(environ) / "weights" / name)


def checked(path: Path) -> Path:
    """The file itself, if its SHA-256 begins as its name says. Raises UsageError."""
    match = _HASHED.search(path.name)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if match is None or not found.startswith(match[1]):
        raise UsageError(
            f"{path} is not the file that was published: its SHA-256 begins with {found[:8]}",
            "fetch it again",
        )
    return path


def _places(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("WATTLEAK_DATA_DIR")
    return [
        *([Path(own), Path(own) / "weights"] if own else []),
        cache_folder(environ) / "weights",
    ]


def _downloaded(url: str, target: Path) -> Path:
    import torch  # noqa: PLC0415 - only where something is downloaded

    match = _HASHED.search(target.name)
    assert match is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Streamed beside the target, hashed on the way, moved into place when the hash is right.
        torch.hub.download_url_to_file(url, str(target), hash_prefix=match[1], progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise OwnFailure(
            f"cannot download {target.name}: {' '.join(str(getattr(error, 'reason', error)).split())}",
            f"fetch {url} elsewhere and type --weights with its folder, or --weights none to train from random values",
        ) from error
    return target
