"""What the folder of a format holds, as it is written beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DIGESTS = "digests.npy"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Stored:
    """What one format's folder holds."""

    made_of: str  # data set, how it was enlarged, to how many samples of which size
    samples: int
    shape: tuple[int, int, int]  # height, width, channels of a sample
    classes: int
    files: int
    size_b: int
    on_disk_b: int  # what the file system gave to them: a small file takes a whole block
    write_cpu_s: float
    sha256: str  # over names and contents of the files


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def about(folder: Path) -> Stored:
    """What is written beside a format's folder. Raises OSError, ValueError or KeyError where it is not, or damaged."""
    known = json.loads(beside(folder).read_text(encoding="utf-8"))
    return Stored(**{**known, "shape": tuple(known["shape"])})


def beside(folder: Path) -> Path:
    """The file that says it."""
    return folder.with_suffix(".json")
