"""Which shared libraries a process has mapped, and what its environment has to say about them. As data.

    lib<family>[-<hash of auditwheel>].so[.<major>[...]]        libcudart-d0da41ae.so.12.4.127

Names: elf(5) and the SONAME convention of ld.so(8); the hash is what auditwheel puts in so that copies of several
wheels never meet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^(?P<family>lib.+?)(?:-[0-9a-f]{8})?\.so(?:\.(?P<version>[0-9.]+))?$")
GPU_FAMILIES = re.compile(
    r"libcudart|libcublas(?:Lt)?|libcudnn(?:_\w+)?|libnccl|libnvrtc(?:-builtins)?|libcufftw?|libcurand|libcusparse(?:Lt)?"
    r"|libcusolver(?:Mg)?|libnvJitLink|libcupti|libamdhip64|librocblas|libhipblas|libMIOpen|librccl|libhsa-runtime64"
)
"""Libraries of the CUDA and ROCm toolkits. Those of the driver (libcuda, libnvidia-*) belong to the machine."""

_OPENMP = {
    "libgomp": "GNU (libgomp)",
    "libiomp5": "Intel (libiomp5)",
    "libomp": "LLVM (libomp)",
    "libomp5": "LLVM (libomp)",
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A shared library in the memory of a process. `file` tells files apart: device and inode."""

    path: str
    file: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.path).parent)

    @property
    def family(self) -> str:
        """What it is: libcudart of libcudart-d0da41ae.so.12.4.127; the whole name where it is not built so."""
        match = _NAME.match(self.name)
        return match["family"] if match else self.name

    @property
    def major(self) -> int | None:
        """12 of libcudart.so.12.4.127; None where the name has no version."""
        match = _NAME.match(self.name)
        if match is None or not match["version"]:
            return None
        first = match["version"].partition(".")[0]
        return int(first) if first else None

    @property
    def loader_name(self) -> str:
        """What the loader knows it by: up to the first number after .so. Hashed names never collide."""
        head, dot, version = self.name.partition(".so.")
        return f"{head}.so.{version.partition('.')[0]}" if dot else self.name

    @property
    def openmp(self) -> str | None:
        """Whose OpenMP runtime it is, if it is one."""
        return _OPENMP.get(self.family)


@dataclass(frozen=True, slots=True)
class Device:
    """A device file of an accelerator of this machine."""

    path: str
    held: bool  # open or mapped in the process


@dataclass(frozen=True, slots=True)
class LoadedLibraries:
    """One process, and the environment of packages that its libraries come from."""

    pid: int
    born_ticks: int
    command: str
    mapped: tuple[Mapped, ...] = ()
    search_path: tuple[str, ...] = ()  # LD_LIBRARY_PATH when the process began: what the loader goes by
    preload: tuple[str, ...] = ()  # LD_PRELOAD
    hides_devices: bool = False  # CUDA_VISIBLE_DEVICES or its like was empty or -1 when the process began
    folders: tuple[str, ...] = ()  # where its packages bring libraries: site-packages, the lib of a conda environment
    packages: Mapping[str, str] = field(default_factory=dict)  # name -> version, of those that bring GPU libraries
    wanted: Mapping[str, str] = field(default_factory=dict)  # "torch" -> "12": CUDA that it was built for
    own_copies: Mapping[str, str] = field(default_factory=dict)  # mapped path -> the copy that a package brings
    devices: tuple[Device, ...] = ()
    cpu_s: float = 0.0  # of the process, when it was looked at

    @property
    def is_telling(self) -> bool:
        """Whether there is more to it than the libraries that every program of the system has."""
        special = any(item.openmp or GPU_FAMILIES.fullmatch(item.family) for item in self.mapped)
        return special or bool(self.folders or self.search_path)

    def is_own(self, path: str) -> bool:
        """Whether a package of the environment brings it."""
        return any(path.startswith(folder.rstrip("/") + "/") for folder in self.folders)
