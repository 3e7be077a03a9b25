"""The script in a command: what a scan is to look at, and what `wattleak prove` could be asked to run."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:\.exe)?")
_READ = (".py", ".ipynb")


def script_of(words: Sequence[str]) -> Path | None:
    """The script or notebook that a command names; None: it names none, or none that is there."""
    for place, word in enumerate(words):
        if word.endswith(_READ) and Path(word).is_file():
            return Path(word)
        if word == "-m" and place and _PYTHON.fullmatch(Path(words[place - 1]).name) and words[place + 1 :]:
            module = _module(words[place + 1])
            if module is not None:
                return module
    return None


def _module(name: str) -> Path | None:
    """The file of a module below the present folder, where `python -m` looks first."""
    place = Path(*name.split("."))
    return next((path for path in (place.with_name(f"{place.name}.py"), place / "__main__.py") if path.is_file()), None)


def names_python(words: Sequence[str]) -> bool:
    """Whether a command says that it runs Python: by the interpreter, by a script, or by a program written for it."""
    if any(_PYTHON.fullmatch(Path(word).name) for word in words) or script_of(words) is not None:
        return True
    program = shutil.which(words[0]) if words else None
    try:
        with open(program or "", "rb") as file:  # noqa: PTH123 - an empty name is no path
            first = file.readline(512)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def prove_command(words: Sequence[str]) -> str | None:
    """What to type to have the script of a command proved; None: `prove` cannot run it as the command does."""
    if len(words) < 2 or not _PYTHON.fullmatch(Path(words[0]).name) or not words[1].endswith(".py"):
        return None
    found = shutil.which(words[0])
    same = found is not None and Path(found).absolute() == Path(sys.executable).absolute()
    python = [] if same else ["--python", words[0]]
    rest = ["--", *words[2:]] if words[2:] else []
    return shlex.join(["wattleak", "prove", words[1], *python, *rest])
