"""Image data for the studies: an embedded default, npz files of the user's, official files on demand.

    load()                    the embedded Fashion-MNIST subset, or the one in $WATTLEAK_DATA_DIR
    load("cifar10")           $WATTLEAK_DATA_DIR, then the user's cache; with download=True then the official file
    load("folder/my.npz")     a file of the user's

Every image array that comes out is uint8 of shape (N, height, width, channels); labels are int64 of shape (N,). Nothing
is downloaded unasked, and `ImageData.describe()` says which data was used.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wattleak.errors import OwnFailure, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_EMBEDDED = Path(__file__).parent / "datasets" / "fashion_mnist_small.npz"
_LAYOUTS = (
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
)

# What reading a damaged or hostile npz raises. NumPy parses the header of an array as a Python literal, which brings in
# SyntaxError and TokenError; an encrypted or oddly compressed zip is a RuntimeError.
_BROKEN_NPZ = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, OverflowError, MemoryError, RuntimeError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


@dataclass(frozen=True, slots=True)
class ImageData:
    """Images to train and to test on, and where they are from."""

    name: str
    train_images: NDArray[np.uint8]  # (N, height, width, channels)
    train_labels: NDArray[np.int64]  # (N,), from 0 to classes - 1
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: int
    source: str
    licence: str
    path: Path  # the file that was read
    sha256: str  # of that file

    def describe(self) -> str:
        """Return one line: which data this is, how much, from where, under which terms."""
        height, width, channels = self.train_images.shape[1:]
        return (
            f"{self.name}: {len(self.train_images)} train and {len(self.test_images)} test images, "
            f"{height}x{width}x{channels}, {self.classes} classes; {self.source}; licence: {self.licence}; "
            f"{self.path.name} sha256 {self.sha256[:12]}"
        )


@dataclass(frozen=True, slots=True)
class Official:
    """Where a data set is published, with the checksum published beside it (MD5: integrity, not secrecy)."""

    url: str
    md5: str
    size_b: int  # about; a download that grows to twice this is stopped
    file: str  # what the download is called


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that can be asked for by name."""

    name: str
    aliases: tuple[str, ...]
    source: str
    licence: str
    small_file: str  # its file in $WATTLEAK_DATA_DIR
    official: Official | None = None
    embedded: Path | None = None
    simulated: str | None = None  # its file in the cache, made at first use by the simulator (workloads.jets)


CATALOGUE: tuple[DataSet, ...] = (
    DataSet(
        name="fashion-mnist",
        aliases=("fashion_mnist", "fashion_mnist_small"),
        source="Fashion-MNIST subset (Zalando SE 2017, arXiv:1708.07747)",
        licence="MIT",
        small_file="fashion_mnist_small.npz",
        embedded=_EMBEDDED,
    ),
    DataSet(
        name="cifar10",
        aliases=("cifar-10", "cifar10_small"),
        source="CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)",
        licence="none stated, cite the report",
        small_file="cifar10_small.npz",
        official=Official(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            size_b=170_498_071,
            file="cifar-10-python.tar.gz",
        ),
    ),
    DataSet(
        name="pneumoniamnist",
        aliases=("pneumonia-mnist", "pneumonia_mnist"),
        source="PneumoniaMNIST (MedMNIST v2, Yang et al. 2023, doi:10.1038/s41597-022-01721-8)",
        licence="CC BY 4.0",
        small_file="pneumoniamnist.npz",
        official=Official(
            url="https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1",
            md5="28209eda62fecd6e6a2d98b1501bb15f",
            size_b=4_200_000,
            file="pneumoniamnist.npz",
        ),
    ),
    DataSet(
        name="jets",
        aliases=("jet-images",),
        source="W and QCD jets, simulated here (version 1 of wattleak.workloads.jets)",
        licence="MIT",
        small_file="jets.npz",
        simulated="jets-1.npz",
    ),
)


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
    catalogue: Sequence[DataSet] = CATALOGUE,
    environ: Mapping[str, str] = os.environ,
) -> ImageData:
    """Return the data set of that name, or that file (npz, or the official cifar-10-python.tar.gz).

    Raises:
        UsageError: no such data, or a file that does not hold images in a known layout.
        OwnFailure: a download failed or did not have the published checksum.
    """
    asked = catalogue[0].name if name_or_path is None else os.fspath(name_or_path)
    dataset = _by_name(asked, catalogue)
    if dataset is not None:
        return _named(dataset, download=download, environ=environ)
    path = Path(asked).expanduser()
    if not (path.exists() or path.suffix or len(path.parts) > 1):
        known = [name for entry in catalogue for name in (entry.name, *entry.aliases)]
        close = difflib.get_close_matches(asked.lower(), known, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"there is no data set or file called {asked!r}",
            f"{guess}type one of {', '.join(entry.name for entry in catalogue)}, or the path of an npz file",
        )
    archive = next((entry for entry in catalogue if entry.official and path.name == entry.official.file), None)
    if archive is not None and path.name.endswith(".tar.gz"):
        from wattleak.workloads.official import read_archive  # noqa: PLC0415 - tar and pickle, only when asked for

        return read_archive(archive, path)
    owner = next((entry for entry in catalogue if path.name == entry.small_file), None)
    return read_npz(path, owner)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where official files are kept: $XDG_CACHE_HOME/wattleak, or ~/.cache/wattleak."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says that a relative path is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "wattleak"


def read_npz(path: Path, dataset: DataSet | None = None) -> ImageData:
    """Read an npz file. `dataset` says what it is known to be; without it the file speaks for itself."""
    try:
        sha256 = _sha256(path)
    except OSError as error:
        raise UsageError(
            f"cannot read the data file {path}: {error.strerror or error}", "type --data with the path of an npz file"
        ) from error
    arrays = _arrays(path)
    return image_data(
        arrays,
        path=path,
        sha256=sha256,
        name=dataset.name if dataset else path.stem,
        source=dataset.source if dataset else str(path),
        licence=dataset.licence if dataset else "not stated",
    )


def image_data(
    arrays: Mapping[str, NDArray[np.generic]], *, path: Path, sha256: str, name: str, source: str, licence: str
) -> ImageData:
    """Check the arrays of a file and bring them into one shape.

    Raises:
        UsageError: keys, types, shapes or labels that are not those of an image data set.
    """
    layout = next((keys for keys in _LAYOUTS if all(key in arrays for key in keys)), None)
    if layout is None:
        raise UsageError(
            f"{path} has no images in a known layout; its keys are {', '.join(arrays) or 'none'}",
            "use the keys train_images, train_labels, test_images, test_labels or x_train, y_train, x_test, y_test",
        )
    train_images, train_labels, test_images, test_labels = (arrays[key] for key in layout)
    train = _images(train_images, layout[0], path), _labels(train_labels, len(train_images), layout[1], path)
    test = _images(test_images, layout[2], path), _labels(test_labels, len(test_images), layout[3], path)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise UsageError(
            f"{path}: train images are {train[0].shape[1:]}, test images {test[0].shape[1:]}", "make them equal in size"
        )
    classes = int(train[1].max()) + 1
    if int(test[1].max()) >= classes:
        raise UsageError(f"{path}: the test labels hold a class that the train labels lack", "use classes 0 to n - 1")
    return ImageData(name, *train, *test, classes, source, licence, path, sha256)


def _by_name(asked: str, catalogue: Sequence[DataSet]) -> DataSet | None:
    return next((entry for entry in catalogue if asked.lower() in {entry.name, *entry.aliases}), None)


def _named(dataset: DataSet, *, download: bool, environ: Mapping[str, str]) -> ImageData:
    folder = environ.get("WATTLEAK_DATA_DIR")
    if folder:
        if not Path(folder).is_dir():
            raise UsageError(
                f"WATTLEAK_DATA_DIR is {folder}, which is not a folder", "set it to a folder of npz files, or unset it"
            )
        own = Path(folder) / dataset.small_file
        if own.exists():
            return read_npz(own, dataset)
    if dataset.embedded is not None:
        return read_npz(dataset.embedded, dataset)
    cached = cache_folder(environ) / (dataset.simulated or f"{dataset.name}.npz")
    if dataset.simulated and not cached.exists():
        _simulate(cached)
    if cached.exists():
        return read_npz(cached, dataset)
    if not download or dataset.official is None:
        raise UsageError(
            f"{dataset.name} is not on this machine, and nothing is downloaded unasked",
            f"put {dataset.small_file} into a folder and set WATTLEAK_DATA_DIR to it, or type --data {dataset.name}",
        )
    from wattleak.workloads.official import fetch  # noqa: PLC0415 - the network is touched only when asked for

    return read_npz(fetch(dataset, dataset.official, cached), dataset)


def _simulate(target: Path) -> None:
    from wattleak.workloads.jets import write  # noqa: PLC0415 - only who asks for jets draws them

    try:
        write(target)
    except OSError as error:
        raise OwnFailure(
            f"cannot store simulated data in {target.parent}: {error.strerror or error}",
            "free some space, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error


def _arrays(path: Path) -> Mapping[str, NDArray[np.generic]]:
    """Return all arrays of an npz file, reading nothing that is pickled."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise UsageError(f"{path} holds a single array (npy)", "save train and test with numpy.savez")
            wanted = {key for layout in _LAYOUTS for key in layout}
            return {key: loaded[key] if key in wanted else np.empty(0) for key in loaded.files}
    except _BROKEN_NPZ as error:
        reason = " ".join(str(error).split())[:120]
        raise UsageError(
            f"{path} cannot be read as an npz file: {reason or type(error).__name__}",
            "save it again with numpy.savez_compressed, without object arrays",
        ) from error


def _images(array: NDArray[np.generic], key: str, path: Path) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim not in {3, 4} or 0 in array.shape:
        raise UsageError(
            f"{path}: {key} is {array.dtype} of shape {array.shape}",
            "images are uint8 of shape (N, height, width) or (N, height, width, channels)",
        )
    images: NDArray[np.uint8] = array.astype(np.uint8, copy=False)
    return images[..., np.newaxis] if images.ndim == 3 else images


def _labels(array: NDArray[np.generic], count: int, key: str, path: Path) -> NDArray[np.int64]:
    fits = array.shape in {(count,), (count, 1)} and np.issubdtype(array.dtype, np.integer)
    labels = array.astype(np.int64).reshape(-1) if fits else np.empty(0, np.int64)
    if not fits or int(labels.min()) < 0:
        raise UsageError(
            f"{path}: {key} is {array.dtype} of shape {array.shape}",
            f"labels are whole numbers from 0, one for each of the {count} images",
        )
    return labels


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
