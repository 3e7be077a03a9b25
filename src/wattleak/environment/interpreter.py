"""The Python that a command names: its version, its packages, and where it looks for modules.

The interpreter itself is asked where it looks (`python -c`, a line of ours, far from the user's folder), because only
it knows what its site and .pth files add. That runs what the environment runs at the start of every Python there
(sitecustomize); it runs nothing of the program. The packages are read from the names of their metadata folders:
nothing of them is imported.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:\.exe)?")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
_METADATA = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._]*?)-(?P<version>[^-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info$")
_TIMEOUT_S = 10.0
_ASK = (
    "import sys, json, platform; "
    "print(json.dumps([platform.python_implementation() + ' ' + platform.python_version(), "
    "[sys.prefix, sys.base_prefix], [p for p in sys.path if p]]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and what is installed for it."""

    path: str
    version: str  # "CPython 3.12.4"
    packages: Mapping[str, str] = field(default_factory=dict)  # name, normalised -> version
    folders: tuple[str, ...] = ()  # where packages are installed; a change of one is a change of packages
    own: tuple[str, ...] = ()  # folders of the user's own that modules come from: PYTHONPATH, editable installs


def shell_words(command: Sequence[str]) -> tuple[str, ...]:
    """The words of a command; those of the script where it is `sh -c SCRIPT`."""
    if len(command) >= 3 and Path(command[0]).name in _SHELLS and command[1] == "-c":
        try:
            return tuple(shlex.split(command[2]))
        except ValueError:
            return tuple(command[2].split())
    return tuple(command)


def find_interpreter(command: Sequence[str], env: Mapping[str, str]) -> Interpreter | str:
    """The Python that a command runs, or in words why none is known."""
    path = _named(shell_words(command), env.get("PATH"))
    if path is None:
        return "the command names no Python"
    return _ask(path, tuple((name, env.get(name)) for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE")))


def installed(folders: Sequence[str]) -> dict[str, str]:
    """Name and version of every package in the folders; the first folder wins, as it does on import."""
    found: dict[str, str] = {}
    for folder in folders:
        try:
            names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith("-info"))
        except OSError:
            continue
        for name in names:
            match = _METADATA.match(name)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"])
    return found


def _named(words: Sequence[str], search: str | None) -> str | None:
    for word in words:
        if _PYTHON.fullmatch(Path(word).name):
            return shutil.which(word, path=search)
    program = shutil.which(words[0], path=search) if words else None
    return None if program is None else _of_script(program, search)


def _of_script(program: str, search: str | None) -> str | None:
    """The interpreter in the first line of a program such as torchrun or a script of the user's."""
    try:
        with Path(program).open("rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    for word in first[2:].decode(errors="replace").split():
        if _PYTHON.fullmatch(Path(word).name):
            return shutil.which(word, path=search)
    return None


@cache
def _ask(path: str, variables: tuple[tuple[str, str | None], ...]) -> Interpreter | str:
    env = {**os.environ, **{name: value for name, value in variables if value is not None}}
    try:
        done = subprocess.run(
            [path, "-B", "-c", _ASK],
            cwd=os.sep,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        version, prefixes, search = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return f"{path} did not say where it looks for packages ({type(error).__name__})"
    folders = tuple(dict.fromkeys(folder for folder in search if Path(folder).is_dir()))
    inside = tuple(str(Path(prefix)) for prefix in prefixes)
    own = tuple(folder for folder in folders if not _is_installed(folder, inside))
    return Interpreter(path, version, installed(folders), tuple(f for f in folders if f not in own), own)


def _is_installed(folder: str, prefixes: Sequence[str]) -> bool:
    place = Path(folder)
    return place.name in {"site-packages", "dist-packages"} or any(place.is_relative_to(prefix) for prefix in prefixes)
