"""Fetching the official file of a data set: streamed, checked against its published checksum, then moved into place.

The CIFAR-10 archive holds Python pickles. They are read only after the archive has its published checksum, and even
then by an unpickler that can rebuild NumPy arrays and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import pickle
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wattleak.errors import OwnFailure, UsageError, WattleakError
from wattleak.workloads.data import DataSet, ImageData, Official, image_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

_STALL_S = 30.0  # a connection that is silent for so long is given up
_PIECE_B = 1 << 18
_CIFAR_TRAIN = tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6))
_CIFAR_TEST = ("cifar-10-batches-py/test_batch",)


def fetch(dataset: DataSet, official: Official, target: Path) -> Path:
    """Download `official`, check it and leave it at `target` as an npz file; return `target`.

    The target appears whole or not at all.

    Raises:
        OwnFailure: no connection, a cut transfer, a wrong checksum, no space.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _part(target) as part:
            _download(dataset.name, official, part)
            if official.file.endswith(".tar.gz"):
                with _part(target) as converted:
                    _convert(dataset, part, converted)
                    converted.replace(target)
            else:
                part.replace(target)
    except OSError as error:
        raise OwnFailure(
            f"cannot store {dataset.name} in {target.parent}: {error.strerror or error}",
            "free some space, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    return target


def read_archive(dataset: DataSet, path: Path) -> ImageData:
    """Read the official CIFAR-10 archive that the user downloaded, if it has the published checksum."""
    try:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, _md5).hexdigest()
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}", "type --data with its path") from error
    if dataset.official is None or md5 != dataset.official.md5:
        raise UsageError(
            f"{path} is not the published {dataset.name} archive (MD5 {md5}); it is not opened",
            f"download it from {dataset.official.url if dataset.official else dataset.source}",
        )
    arrays = _cifar_arrays(dataset, path)
    return image_data(
        arrays, path=path, sha256=sha256, name=dataset.name, source=dataset.source, licence=dataset.licence
    )


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Give a new file beside `target` and remove it at the end, unless it was moved into place."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _download(name: str, official: Official, part: Path) -> None:
    digest, received = _md5(), 0
    try:
        request = urllib.request.Request(official.url, headers={"User-Agent": "wattleak"})  # noqa: S310 - own catalogue
        with (
            urllib.request.urlopen(request, timeout=_STALL_S) as response,  # noqa: S310 - own catalogue
            part.open("wb") as file,
        ):
            expected = int(response.headers.get("Content-Length") or 0)
            with _progress(f"downloading {name}", expected or official.size_b) as advance:
                while piece := response.read(_PIECE_B):
                    received += len(piece)
                    if received > 2 * official.size_b:
                        raise _failed(name, official, f"it is longer than the published {official.size_b} bytes")
                    digest.update(piece)
                    _write(file.write, piece)
                    advance(len(piece))
            file.flush()
            os.fsync(file.fileno())
    except _DiskError as error:
        raise error.cause from error
    except urllib.error.HTTPError as error:
        with error:
            raise _failed(name, official, f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _failed(name, official, " ".join(str(reason).split()) or type(error).__name__) from error
    if expected and received < expected:
        raise _failed(name, official, f"the transfer was cut after {received} of {expected} bytes")
    if digest.hexdigest() != official.md5:
        raise _failed(name, official, f"its MD5 is {digest.hexdigest()}, published is {official.md5}; it was removed")


class _DiskError(Exception):
    """A write that failed, told apart from a read that failed: both are OSError."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _write(write: Callable[[bytes], int], piece: bytes) -> None:
    try:
        write(piece)
    except OSError as error:
        raise _DiskError(error) from error


def _failed(name: str, official: Official, reason: str) -> WattleakError:
    return OwnFailure(
        f"cannot download {name} from {official.url}: {reason}",
        f"try again, or download {official.file} elsewhere and type --data with its path",
    )


@contextlib.contextmanager
def _progress(title: str, total_b: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; elsewhere one line at the start."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{title} ({total_b / 1e6:.1f} MB)\n")
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total_b)
        yield lambda received: progress.advance(task, received)


def _convert(dataset: DataSet, archive: Path, target: Path) -> None:
    arrays = _cifar_arrays(dataset, archive)
    with target.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())


def _cifar_arrays(dataset: DataSet, archive: Path) -> Mapping[str, NDArray[np.generic]]:
    """Read the batches out of the archive, in memory: nothing is extracted to the disk."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            x_train, y_train = _cifar_batches(tar, _CIFAR_TRAIN)
            x_test, y_test = _cifar_batches(tar, _CIFAR_TEST)
    except (tarfile.TarError, EOFError, zlib.error, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        raise OwnFailure(
            f"the {dataset.name} archive cannot be read: {error}", f"type --data with an npz file of {dataset.name}"
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _cifar_batches(tar: tarfile.TarFile, names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = [], []
    for name in names:
        member = tar.extractfile(name)
        if member is None:
            raise KeyError(name)
        with member:
            # The batches were written by Python 2, whose strings are bytes.
            batch = _ArraysOnly(member, encoding="bytes").load()
        rows = np.asarray(batch[b"data"], np.uint8)
        images.append(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(np.asarray(batch[b"labels"], np.uint8))
    return np.ascontiguousarray(np.concatenate(images)), np.concatenate(labels)


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can rebuild NumPy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if name == "_reconstruct" and module in {"numpy.core.multiarray", "numpy._core.multiarray"}:
            return np.empty(0).__reduce__()[0]  # the same function, wherever this NumPy keeps it
        if module == "numpy" and name == "ndarray":
            return np.ndarray
        if module == "numpy" and name == "dtype":
            return np.dtype
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which image data does not need")
