"""Which version of CUDA a text speaks of: in paths, in names of images, in pins of packages."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.lined import Span


class Role(Enum):
    """What a version is for."""

    LIBRARIES = "where the loader looks for libraries first"  # LD_LIBRARY_PATH
    TOOLKIT = "what extensions are compiled against"  # CUDA_HOME
    PROGRAMS = "which nvcc runs"  # PATH
    IMAGE = "what the image holds"
    PIN = "what an installed package was built for"


VARIABLES = {
    "LD_LIBRARY_PATH": Role.LIBRARIES,
    "CUDA_HOME": Role.TOOLKIT,
    "CUDA_PATH": Role.TOOLKIT,
    "CUDA_ROOT": Role.TOOLKIT,
    "CUDA_TOOLKIT_ROOT_DIR": Role.TOOLKIT,
    "PATH": Role.PROGRAMS,
}
"""The variables that lead to a CUDA toolkit."""


class Version(NamedTuple):
    """A version of CUDA; `minor` is None where a name gives the major number alone (nvidia-cublas-cu12)."""

    major: int
    minor: int | None = None

    def __str__(self) -> str:
        return str(self.major) if self.minor is None else f"{self.major}.{self.minor}"

    def differs(self, other: Version) -> bool:
        """Tell whether these are two versions for sure."""
        if self.major != other.major:
            return True
        return self.minor is not None and other.minor is not None and self.minor != other.minor


class Claim(NamedTuple):
    """A version that one place of a file stands for. `of` is how a message calls the place."""

    of: str
    role: Role
    version: Version
    span: Span
    written: str


_PATH = re.compile(r"/cuda[-/_](?P<major>\d{1,2})(?:\.(?P<minor>\d{1,2})(?:\.\d+)*)?(?=[/:;\"'\s]|$)(?!/compat\b)")
"""A folder of a toolkit. `compat` holds the driver's library for older machines, and goes with every version."""
_IMAGES = (
    re.compile(r"(?:^|/)nvidia/cuda:(?P<major>\d{1,2})\.(?P<minor>\d{1,2})"),
    re.compile(r"(?:^|/)pytorch/pytorch:[\w.]+-cuda(?P<major>\d{1,2})\.(?P<minor>\d{1,2})"),
)
_PINS = (
    re.compile(r"(?P<of>[\w.-]+)==[\w.]+\+cu(?P<major>\d{1,2})(?P<minor>\d)\b"),
    re.compile(r"(?P<of>)/whl/(?:nightly/|test/)?cu(?P<major>\d{1,2})(?P<minor>\d)\b"),
    re.compile(r"\b(?P<of>nvidia-[a-z-]+?)-cu(?P<major>\d{2})\b(?P<minor>)"),
    re.compile(r"\b(?P<of>cupy)-cuda(?P<major>\d{2})x\b(?P<minor>)"),
    re.compile(r"\b(?P<of>jax)\[[^\]]*\bcuda(?P<major>\d{2})(?:_\w+)?\b[^\]]*\](?P<minor>)"),
    re.compile(
        r"\b(?P<of>cudatoolkit|pytorch-cuda|cuda-toolkit|cuda-version)==?(?P<major>\d{1,2})\.(?P<minor>\d{1,2})"
    ),
)
CPU_BUILDS = re.compile(r"\b(?:torch==[\w.]+\+cpu\b|tensorflow-cpu\b|/whl/cpu\b)")
"""Packages that compute on the CPU only."""


def in_path(text: str) -> list[Version]:
    """Return the versions of the toolkits that a list of folders leads to, in order, each once."""
    return list(dict.fromkeys(_version(found) for found in _PATH.finditer(text)))


def of_image(name: str) -> Version | None:
    """Return the version of CUDA that an image holds: nvidia/cuda:12.4.1-devel-ubuntu22.04."""
    found = next((match for pattern in _IMAGES if (match := pattern.search(name))), None)
    return _version(found) if found else None


def pins(text: str) -> Iterator[tuple[str, Version, int, int]]:
    """Yield package (or index), version, and place of every pin: torch==2.4.0+cu118, /whl/cu121, nvidia-cublas-cu12."""
    for pattern in _PINS:
        for found in pattern.finditer(text):
            name = found["of"] or "the wheels of PyTorch"
            yield name, _version(found), found.start(), found.end()


def _version(found: re.Match[str]) -> Version:
    return Version(int(found["major"]), int(found["minor"]) if found["minor"] else None)
