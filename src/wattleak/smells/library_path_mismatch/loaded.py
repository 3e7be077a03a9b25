"""What is wrong with the libraries that a process has loaded. Pure: from what was read to claims with counters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wattleak.signals.outside.libraries import GPU_FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.signals.outside.libraries import LoadedLibraries, Mapped

IDLE_CPU_S = 60.0  # CPU-seconds of a training without its accelerator before that is no accident of the start
_TOOLKIT = frozenset({"libcudart", "libcublas", "libcublasLt", "libnvrtc"})  # whose major version is that of CUDA
_FRAMEWORKS = ("libtorch", "libtensorflow", "libjax_common", "libxla")  # beginnings of names
# What wheels of NVIDIA bring, by the library that shows it: nvidia-cublas-cu12 12.4.5.8 holds libcublas.so.12.
_WHEELS = {
    "libcudart": "nvidia-cuda-runtime",
    "libcublas": "nvidia-cublas",
    "libcudnn": "nvidia-cudnn",
    "libnccl": "nvidia-nccl",
    "libnvrtc": "nvidia-cuda-nvrtc",
    "libcufft": "nvidia-cufft",
    "libcurand": "nvidia-curand",
    "libcusparse": "nvidia-cusparse",
    "libcusolver": "nvidia-cusolver",
    "libnvJitLink": "nvidia-nvjitlink",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is wrong, as a number beyond its threshold."""

    counter: str
    value: float
    unit: str
    threshold: float
    message: str


def claims(libraries: LoadedLibraries) -> Iterator[Claim]:
    """Yield what is wrong with one process."""
    found = (_openmp(libraries), _elsewhere(libraries), _twice(libraries), _versions(libraries))
    yield from (claim for claim in found if claim is not None)


def unused_device(of_tree: Sequence[LoadedLibraries]) -> tuple[LoadedLibraries, Claim] | None:
    """A framework that works on the CPU while nobody in the tree holds an accelerator of this machine.

    One whose accelerators were hidden by who started it is left alone: that is done on purpose.
    """
    if any(device.held for libraries in of_tree for device in libraries.devices):
        return None
    for libraries in of_tree:
        framework = next((item for item in libraries.mapped if item.name.startswith(_FRAMEWORKS)), None)
        if framework is None or not libraries.devices or libraries.hides_devices or libraries.cpu_s < IDLE_CPU_S:
            continue
        paths = ", ".join(device.path for device in libraries.devices[:4])
        more = f" and {len(libraries.devices) - 4} more" if len(libraries.devices) > 4 else ""
        built = _built(libraries)
        return libraries, Claim(
            "CPU-seconds without the accelerator",
            libraries.cpu_s,
            "s",
            IDLE_CPU_S,
            f"this machine has {paths}{more}, and no process of the program holds any of them: {framework.name} has "
            f"computed on CPUs for {libraries.cpu_s:.0f} CPU-seconds{built}",
        )
    return None


def _built(libraries: LoadedLibraries) -> str:
    for_cpu = [
        f"{name} {version}"
        for name, version in libraries.packages.items()
        if version.endswith("+cpu") or name == "tensorflow-cpu"
    ]
    return f"; {' and '.join(for_cpu)} is a build for the CPU alone" if for_cpu else ""


def _openmp(libraries: LoadedLibraries) -> Claim | None:
    """Two makes of OpenMP in one process. Two copies of one make, as two wheels bring them, are as they should be.

    One that was preloaded stands in for the other on purpose, as Intel's does for PyTorch.
    """
    preloaded = {PurePosixPath(path).name for path in libraries.preload}
    makes: dict[str, Mapped] = {}
    for item in libraries.mapped:
        if item.openmp is not None:
            if item.name in preloaded or item.path in libraries.preload:
                return None
            makes.setdefault(item.openmp, item)
    if len(makes) < 2:
        return None
    listed = " and ".join(f"{make} from {item.path}" for make, item in makes.items())
    return Claim(
        "OpenMP runtimes of different makes",
        len(makes),
        "runtimes",
        1.0,
        f"one process runs the OpenMP of {listed}: each has threads of its own for every CPU, and the pair can hang",
    )


def _elsewhere(libraries: LoadedLibraries) -> Claim | None:
    """A library from elsewhere, although a package of the environment brings one."""
    wrong = [
        item
        for item in libraries.mapped
        if item.path in libraries.own_copies
        and item.path not in libraries.preload
        and not any(other.name == item.name and libraries.is_own(other.path) for other in libraries.mapped)
    ]
    if not wrong:
        return None
    first = wrong[0]
    by_path = " (LD_LIBRARY_PATH)" if any(_same(first.folder, entry) for entry in libraries.search_path) else ""
    others = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return Claim(
        "libraries from elsewhere",
        len(wrong),
        "libraries",
        0.0,
        f"{first.path} is loaded{by_path}, not {libraries.own_copies[first.path]}, which the packages were built "
        f"with{others}",
    )


def _twice(libraries: LoadedLibraries) -> Claim | None:
    """One library from two files, unless packages bring both: those are made not to meet."""
    copies: dict[str, dict[str, Mapped]] = {}
    for item in libraries.mapped:
        if ".so" in item.name:
            copies.setdefault(item.loader_name, {}).setdefault(item.file, item)
    double = [
        tuple(files.values())
        for files in copies.values()
        if len(files) > 1 and not all(libraries.is_own(item.path) for item in files.values())
    ]
    if not double:
        return None
    first, second = double[0][:2]
    others = f", and so {len(double) - 1} more" if len(double) > 1 else ""
    return Claim(
        "libraries loaded twice",
        len(double),
        "libraries",
        0.0,
        f"{first.loader_name} is loaded from {first.path} and again from {second.path}: two copies with a state of "
        f"their own each{others}",
    )


def _versions(libraries: LoadedLibraries) -> Claim | None:
    """CUDA of one version loaded beside another, or beside packages that were built for another."""
    toolkit = [item for item in libraries.mapped if item.family in _TOOLKIT and item.major is not None]
    majors = {item.major: item for item in toolkit}
    if len(majors) > 1:
        listed = " and ".join(f"{item.path}" for item in majors.values())
        return Claim(
            "CUDA major versions", len(majors), "versions", 1.0, f"two versions of CUDA in one process: {listed}"
        )
    for item in toolkit:
        for name, wanted in libraries.wanted.items():
            if str(item.major) != wanted:
                return _mismatch(item, f"{name} {libraries.packages.get(name, '')} was built for CUDA {wanted}")
    for item in libraries.mapped:
        if item.major is None or GPU_FAMILIES.fullmatch(item.family) is None or item.family not in _WHEELS:
            continue
        for name, version in libraries.packages.items():
            if _is_wheel_of(name, item.family) and version.partition(".")[0] != str(item.major):
                return _mismatch(item, f"{name} {version} is installed")
    return None


def _is_wheel_of(name: str, family: str) -> bool:
    """nvidia-cublas-cu12, and nvidia-cublas since CUDA 13."""
    head = _WHEELS[family]
    return name == head or name.startswith(f"{head}-cu")


def _mismatch(item: Mapped, but: str) -> Claim:
    return Claim(
        "libraries of another major version",
        1.0,
        "libraries",
        0.0,
        f"{item.path} is version {item.major}, but {but}",
    )


def _same(folder: str, entry: str) -> bool:
    return PurePosixPath(folder) == PurePosixPath(entry)
