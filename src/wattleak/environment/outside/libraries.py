"""The libraries of a process, and what the packages of its environment bring. Files are read; nothing is imported."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.interpreter import installed
from wattleak.environment.outside.reading import read_environ
from wattleak.signals.outside.libraries import GPU_FAMILIES, Device, LoadedLibraries, Mapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.signals.outside.looks import ProcessCounts

_INSTALLED = re.compile(r"^(?P<folder>/.*?/(?:site|dist)-packages)/")
_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
_NOTHING = frozenset({"", "-1", "none", "void", "NoDevFiles"})
_DEVICES = re.compile(r"/dev/(?:nvidia[0-9]+|kfd|accel/accel[0-9]+)")
_GPU_PACKAGES = re.compile(r"^(?:nvidia-|torch$|tensorflow|jax|cupy|onnxruntime|rapids|cudf|cuml|xgboost$|pytorch$)")
_LOCAL = re.compile(r"\+cu(?P<major>\d+)\d$")  # torch 2.4.0+cu121 is built for CUDA 12.1
_IN_NAME = re.compile(r"cuda(?P<major>\d+)")  # jax-cuda12-plugin, cupy-cuda12x
_REQUIRES = re.compile(
    r"^Requires-Dist:\s*(?:nvidia-[a-z-]+-cu(?P<suffix>\d+)\b|nvidia-cuda-runtime\s*\(?\s*[=~>]=\s*(?P<version>\d+))",
    re.MULTILINE | re.IGNORECASE,
)
_BUILT_FOR = ("torch", "tensorflow", "tensorflow-gpu")  # packages whose metadata say for which CUDA they were built
_METADATA_B = 1 << 18
# Where packages keep libraries whose names another copy could stand in for.
_KEPT_IN = ("nvidia/*/lib", "torch/lib", "tensorflow", "tensorflow/python", "jaxlib", "cupy/.data/lib", ".")


def read_libraries(process: ProcessCounts, *, proc: Path = Path("/proc")) -> LoadedLibraries | None:
    """What one process has mapped; None where we may not look, or it is gone."""
    try:
        maps = (proc / str(process.pid) / "maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    mapped, packages_in, mapped_devices = _mapped(maps)
    environ = read_environ(proc, process.pid)
    folders = _own_folders(packages_in)
    packages = {name: version for name, version in installed(packages_in).items() if _GPU_PACKAGES.match(name)}
    search = tuple(entry for entry in re.split("[:;]", environ.get("LD_LIBRARY_PATH", "")) if entry)
    held = {*mapped_devices, *_open_devices(proc / str(process.pid) / "fd")}
    hidden = [environ[name] for name in _HIDING if name in environ]
    return LoadedLibraries(
        pid=process.pid,
        born_ticks=process.born_ticks,
        command=process.command,
        mapped=mapped,
        search_path=search,
        preload=tuple(entry for entry in re.split("[: ]", environ.get("LD_PRELOAD", "")) if entry),
        hides_devices=any(value.strip() in _NOTHING for value in hidden),
        folders=folders,
        packages=packages,
        wanted=_wanted(packages, packages_in),
        own_copies=_own_copies(mapped, folders, search),
        devices=tuple(Device(path, held=path in held) for path in present_devices()),
        cpu_s=process.user_s + process.system_s,
    )


def present_devices(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """Device files of accelerators on this machine."""
    found = [*folder.glob("nvidia[0-9]*"), *folder.glob("kfd"), *folder.glob("accel/accel*")]
    return tuple(sorted(f"/dev/{path.relative_to(folder)}" for path in found))


def _mapped(maps: str) -> tuple[tuple[Mapped, ...], tuple[str, ...], set[str]]:
    """Libraries, folders of installed packages that anything is mapped from, device files."""
    libraries: dict[str, Mapped] = {}
    folders: dict[str, None] = {}
    devices: set[str] = set()
    for line in maps.split("\n"):
        # address perms offset dev inode path (proc_pid_maps(5)); a file that was replaced meanwhile is "(deleted)"
        fields = line.split(None, 5)
        if len(fields) < 6 or not fields[5].startswith("/"):
            continue
        path = fields[5].removesuffix(" (deleted)")
        if path.startswith("/dev/"):
            devices |= set(_DEVICES.findall(path))
        elif ".so" in path:
            match = _INSTALLED.match(path)
            if match:
                folders.setdefault(match["folder"])
            if path.rpartition("/")[2].startswith("lib"):
                libraries.setdefault(path, Mapped(path, f"{fields[3]} {fields[4]}"))
    return tuple(libraries.values()), tuple(folders), devices


def _own_folders(packages_in: Iterable[str]) -> tuple[str, ...]:
    """Those folders, and the lib of a conda environment around them: its packages keep libraries there."""
    found = dict.fromkeys(packages_in)
    for folder in tuple(found):
        prefix = Path(folder).parent.parent.parent
        if (prefix / "conda-meta").is_dir():
            found.setdefault(str(prefix / "lib"))
    return tuple(found)


def _open_devices(folder: Path) -> set[str]:
    found: set[str] = set()
    try:
        descriptors = os.listdir(folder)  # noqa: PTH208 - names, nothing else
    except OSError:
        return found
    for name in descriptors:
        try:
            target = str((folder / name).readlink())
        except OSError:
            continue
        if target.startswith("/dev/"):
            found |= set(_DEVICES.findall(target))
    return found


def _wanted(packages: Mapping[str, str], folders: Sequence[str]) -> dict[str, str]:
    """Major version of CUDA that each framework was built for, as far as its metadata say."""
    found: dict[str, str] = {}
    for name, version in packages.items():
        match = _LOCAL.search(version) or (_IN_NAME.search(name) if name.startswith(("jax", "cupy")) else None)
        if match:
            found[name] = match["major"]
        elif name in _BUILT_FOR:
            required = _REQUIRES.search(_metadata(name, version, folders))
            if required:
                found[name] = required["suffix"] or required["version"]
    return found


def _metadata(name: str, version: str, folders: Sequence[str]) -> str:
    for folder in folders:
        for spelled in {name, name.replace("-", "_")}:
            try:
                with (Path(folder) / f"{spelled}-{version}.dist-info" / "METADATA").open("rb") as file:
                    return file.read(_METADATA_B).decode(errors="replace")
            except OSError:
                continue
    return ""


def _own_copies(mapped: Iterable[Mapped], folders: Sequence[str], search: Sequence[str]) -> dict[str, str]:
    """For libraries from elsewhere: the copy that a package of the environment brings.

    Only what the search path led to, and the libraries of GPUs; of those any version counts, of others the same one.
    """
    found: dict[str, str] = {}
    places = [Path(entry).resolve() for entry in search]
    for item in mapped:
        if any(item.path.startswith(folder + "/") for folder in folders):
            continue
        is_gpu = GPU_FAMILIES.fullmatch(item.family) is not None
        if not is_gpu and Path(item.folder) not in places:
            continue
        own = _copy(item.family if is_gpu else item.loader_name, folders)
        if own is not None:
            found[item.path] = own
    return found


def _copy(name: str, folders: Sequence[str]) -> str | None:
    pattern = f"{name}.so*" if ".so" not in name else f"{name}*"
    for folder in folders:
        for place in _KEPT_IN:
            copies = sorted(Path(folder).glob(f"{place}/{pattern}" if place != "." else pattern))
            if copies:
                return str(copies[0])
    return None
