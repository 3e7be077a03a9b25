"""What the loader does for an import: failed look-ups, and its own time, as its debug statistics count them.

The framework is imported once more, in a Python of its own, with the search path that the program began with and
`LD_DEBUG=libs,statistics` (ld.so(8)). The program itself is not run again. Only when the user asks for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.environment.outside.reading import read_environ, read_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wattleak.signals.outside.libraries import LoadedLibraries

LOADER = "loader"
MODULES = {  # beginning of a path inside site-packages -> what to import; what contains the others first
    "keras": "keras",
    "tensorflow": "tensorflow",
    "torch": "torch",
    "jaxlib": "jax",
    "cupy": "cupy",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "sklearn": "sklearn",
    "scipy": "scipy.linalg",
    "numpy": "numpy",
}
_WITHIN = ("scipy", "numpy")  # what the others import themselves
_MOST_MODULES = 2
_TIMEOUT_S = 120.0
_PASSED_ON = (
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "HOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
)
_TRIED = re.compile(rb"trying file=(\S+)")
_CYCLES = re.compile(rb"total startup time in dynamic loader:\s*(\d+) cycles")
_BEGAN = re.compile(rb"calling init: (\S+)")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python of a process, and what its loader went by."""

    path: str
    environ: Mapping[str, str]


def read_interpreter(pid: int, *, proc: Path = Path("/proc")) -> Interpreter | None:
    """The Python of a process as it was called, so that its virtual environment holds; None: it is no Python."""
    environ = read_environ(proc, pid)
    path = _called(pid, environ, proc)
    return None if path is None else Interpreter(path, {name: environ[name] for name in _PASSED_ON if name in environ})


def _called(pid: int, environ: Mapping[str, str], proc: Path) -> str | None:
    words = read_words(proc, pid)
    if not words or "python" not in Path(words[0]).name:
        return None
    try:
        named = Path(words[0])
        folder = (proc / str(pid) / "cwd").readlink()
        if os.sep in words[0]:
            return str(named if named.is_absolute() else folder / named)
        search = environ.get("PATH", os.defpath).split(os.pathsep)
        return next((str(Path(place) / named) for place in search if (Path(place) / named).exists()), None)
    except OSError:
        return None


def modules_of(libraries: LoadedLibraries) -> tuple[str, ...]:
    """What to import to have these libraries again: the frameworks that brought them."""
    inside = [
        item.path.removeprefix(folder + "/")
        for item in libraries.mapped
        for folder in libraries.folders
        if item.path.startswith(folder + "/")
    ]
    tops = {path.partition("/")[0].partition(".")[0] for path in inside}
    tops |= {"sklearn"} if "scikit_learn" in tops else set()
    found = [top for top in MODULES if top in tops]
    whole = [top for top in found if top not in _WITHIN] or found
    return tuple(MODULES[top] for top in whole[:_MOST_MODULES])


def trace_imports(python: Interpreter, modules: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Import each module in a process of its own; a record of what its loader did. One that fails gives none."""
    kept = python.environ
    entries = len([entry for entry in re.split("[:;]", kept.get("LD_LIBRARY_PATH", "")) if entry])
    for module in modules:
        with tempfile.TemporaryDirectory(prefix="wattleak-loader-") as folder:
            env = {
                **kept,
                "LD_DEBUG": "libs,statistics",
                "LD_DEBUG_OUTPUT": f"{folder}/trace",
                "CUDA_VISIBLE_DEVICES": "",
            }
            try:
                process = subprocess.Popen(
                    [python.path, "-c", f"import {module}"],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                return
            with process:
                try:
                    code = process.wait(_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    continue
            trace = Path(folder) / f"trace.{process.pid}"  # one for each process; those of children stay out
            if code == 0 and trace.exists():
                yield {
                    "k": LOADER,
                    "key": module,
                    "module": module,
                    "search_entries": entries,
                    **_counts(trace.read_bytes()),
                }


def _counts(trace: bytes) -> dict[str, Any]:
    """Files that were tried and are not there; libraries that began; cycles that the start took in the loader.

    A file that is tried and loaded is initialised later under the name it was tried by.
    """
    tried = _TRIED.findall(trace)
    found = set(_BEGAN.findall(trace))
    failed = sum(1 for name in tried if name not in found)
    cycles = _CYCLES.search(trace)
    return {"failed": failed, "found": len(found), "cycles": int(cycles[1]) if cycles else None}
