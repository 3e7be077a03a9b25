"""The ways in which samples are stored: what each is called, what it needs, and where the code is.

A format is read in the order that is asked for (`Picked`: rows in, batch out), or only as it was written (`Streamed`:
an iterable of batches, begun anew for each epoch). Its module is imported when it is used: some need large packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from wattleak.errors import UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.enlarged import Samples

Shape = tuple[int, int, int]  # height, width, channels
Arrays = tuple["NDArray[np.uint8]", "NDArray[np.int64]"]  # images (N, height, width, channels), labels (N,)
Take = Callable[["NDArray[np.int64]"], Arrays]


class Picked(Protocol):
    """Samples that can be read in any order."""

    def write(self, folder: Path, samples: Samples) -> None:
        """Store them in an empty folder."""
        ...

    def open(self, folder: Path, shape: Shape) -> Take:
        """Open the files; what comes back gives the samples of some rows."""
        ...


class Streamed(Protocol):
    """Samples that are read as they were written."""

    def write(self, folder: Path, samples: Samples) -> None:
        """Store them in an empty folder."""
        ...

    def stream(self, folder: Path, shape: Shape, batch: int) -> Iterable[Arrays]:
        """Batches of so many samples; the files are opened when it is iterated over."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """An entry of the list."""

    name: str
    title: str
    module: str  # of this package; has a `Picked` or a `Streamed` called NAME in capitals
    any_order: bool
    needs: tuple[str, ...] = ()  # packages beyond NumPy, as they are imported
    install: str = ""
    channels: tuple[int, ...] = ()  # of an image that it can hold; empty: any number

    @property
    def lacking(self) -> str:
        """The package that this Python lacks; empty when it has all."""
        return next((name for name in self.needs if find_spec(name) is None), "")

    def picked(self) -> Picked:
        """Import it. Only with `any_order`."""
        found: Picked = self._load()
        return found

    def streamed(self) -> Streamed:
        """Import it. Only without `any_order`."""
        found: Streamed = self._load()
        return found

    def write(self, folder: Path, samples: Samples) -> None:
        """Store samples in an empty folder."""
        (self.picked() if self.any_order else self.streamed()).write(folder, samples)

    def _load(self) -> Any:  # noqa: ANN401 - one of the two, as `any_order` says
        module = import_module(f"wattleak.workloads.data_pipeline.{self.module}")
        return getattr(module, self.name.upper())


_PILLOW = install("formats")
_PNG_CHANNELS = (1, 2, 3, 4)

FORMATS: tuple[Format, ...] = (
    Format("npy", "raw array, memory-mapped (npy)", "arrays", any_order=True),
    Format("npz", "packed array (npz, deflate)", "arrays", any_order=False),
    Format(
        "parquet",
        "Parquet columns (Snappy)",
        "columnar",
        any_order=False,
        needs=("pyarrow",),
        install=install("formats"),
    ),
    Format(
        "png",
        "PNG files",
        "pictures",
        any_order=True,
        needs=("PIL",),
        install=_PILLOW,
        channels=_PNG_CHANNELS,
    ),
    Format(
        "webdataset",
        "tar shards of PNG (WebDataset)",
        "tar_shards",
        any_order=False,
        needs=("PIL",),
        install=_PILLOW,
        channels=_PNG_CHANNELS,
    ),
    Format(
        "tfrecord",
        "TFRecord shards of PNG",
        "tfrecords",
        any_order=False,
        needs=("tensorflow", "PIL"),
        install=f"{_PILLOW} 'wattleak[tensorflow]'",
        channels=_PNG_CHANNELS,
    ),
    Format(
        "jpeg",
        "JPEG files (lossy)",
        "pictures",
        any_order=True,
        needs=("PIL",),
        install=_PILLOW,
        channels=(1, 3),
    ),
)


def find_format(name: str) -> Format:
    """The format of this name. Raises UsageError."""
    found = next((one for one in FORMATS if one.name == name), None)
    if found is None:
        raise UsageError(f"there is no format {name!r}", f"one of {', '.join(one.name for one in FORMATS)}")
    return found
