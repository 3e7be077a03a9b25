"""Which files a command reads, as far as its words say: source, configuration, data.

    python train.py --config conf.yaml --data images/ --output model.pt
           source           configuration     data        (written, not read: left out)

What an option names that is called after writing (--output, --log-dir, --checkpoint, --save...) is taken to be
written. A folder stands for the files that are in it at the start; what is added later is nobody's input.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.interpreter import Interpreter, shell_words
from wattleak.source.imports import MOST_FILES, imported_files, module_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_DATA_FILES = 10_000
"""Files of data that are watched; of a larger folder the first ones by name, which is said."""

_CONFIGURATION = frozenset({".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf", ".env", ".properties"})
_LARGEST_CONFIGURATION_B = 1_000_000  # a larger one is data in a format of configurations
_WRITES = re.compile(
    r"(?:^|[-_])(?:o|out|outdir|output|outputs|outfile|save|saved|log|logs|logdir|logging|checkpoint|checkpoints|ckpt"
    r"|result|results|dest|destination|export|report|reports|metrics|cache|dump|write|tmp|temp|runs|work)"
    r"(?:$|[-_](?:dir|path|file|folder|to|name|root))",
    re.IGNORECASE,
)
_WORKING_FOLDERS = frozenset({"__pycache__", "node_modules"})
_NOT_FILES = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files by kind, resolved, and what could not be followed."""

    source: tuple[Path, ...]
    config: tuple[Path, ...]
    data: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_inputs(
    command: Sequence[str], env: Mapping[str, str], interpreter: Interpreter | None, folder: Path
) -> Inputs:
    """What a command that runs in `folder` reads. `env` is the whole environment that it gets."""
    words = shell_words(command)
    roots = [Path(own) for own in (interpreter.own if interpreter else ())]
    programs, code = _python_programs(words, folder, roots)
    script = _own_script(words, folder, env.get("PATH"))
    named = [path for path in _named(words[1:], folder) if path not in programs]
    data_dir = env.get("WATTLEAK_DATA_DIR")
    if data_dir:
        named.append((folder / data_dir).resolve())
    if code or "-m" in words:  # then, and only then, Python looks in the folder that it runs in
        roots.insert(0, folder)
    source, too_many = imported_files([*programs, *script], roots, code=code)
    files: dict[Path, None] = {}
    config: dict[Path, None] = {}
    notes = [f"only {MOST_FILES} source files were followed"] if too_many else []
    for path in named:
        if path.is_file():
            (config if _is_configuration(path) else files)[path] = None
        elif path.is_dir() and not folder.resolve().is_relative_to(path):
            notes += _walk(path, files)
    seen = {*source, *config}
    return Inputs(source, tuple(config), tuple(path for path in files if path not in seen), tuple(notes))


def _python_programs(words: Sequence[str], folder: Path, roots: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The scripts among the words, and the modules and texts that stand behind -m and -c."""
    programs: list[Path] = []
    code: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        if before == "-m" and (module := module_file(word, [folder, *roots])):
            programs.append(module)
        elif before == "-c":
            code.append(word)
        elif word.endswith(".py") and (folder / word).is_file() and not _WRITES.search(before.lstrip("-")):
            programs.append((folder / word).resolve())
    return list(dict.fromkeys(programs)), code


def _own_script(words: Sequence[str], folder: Path, search: str | None) -> list[Path]:
    """The program itself, where it is a text of the user's own (`./train.sh`) and not an installed command."""
    program = shutil.which(words[0], path=search) if words else None
    if program is None or os.sep not in words[0]:
        return []
    path = Path(program).resolve()
    try:
        with path.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        return []
    return [path] if is_script and path.is_relative_to(folder.resolve()) else []


def _named(words: Sequence[str], folder: Path) -> Iterator[Path]:
    """Files and folders that the words name, in their order."""
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        of = name if equals else option
        option = word if word.startswith("-") and not equals else ""
        text = value if equals else word
        if (word.startswith("-") and not equals) or not text or _WRITES.search(of.lstrip("-")):
            continue
        try:
            path = (folder / text).resolve()
            exists = path.exists()
        except (OSError, ValueError):  # a text, too long for a name or with a null byte
            continue
        if exists and not str(path).startswith(_NOT_FILES):
            yield path


def _is_configuration(path: Path) -> bool:
    return path.suffix.lower() in _CONFIGURATION and path.stat().st_size <= _LARGEST_CONFIGURATION_B


def _walk(top: Path, files: dict[Path, None]) -> list[str]:
    """Add the files under a folder, hidden ones and working folders left out."""
    for place, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _WORKING_FOLDERS)
        for name in sorted(names):
            if name.startswith("."):
                continue
            if len(files) == MOST_DATA_FILES:
                return [f"{top}: only {MOST_DATA_FILES} files of data were recorded"]
            path = Path(place, name)
            if path.is_file():
                files[path] = None
    return []
