"""From a file of any of these kinds to what it sets. Nothing is parsed before somebody asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from wattleak.source.lined import Lined
from wattleak.source.module import Problem
from wattleak.source.variables.assignment import Assignment
from wattleak.source.variables.containers import read_containers, read_entries
from wattleak.source.variables.dockerfile import read_dockerfile
from wattleak.source.variables.dotenv import read_dotenv
from wattleak.source.variables.shell import read_shell
from wattleak.source.variables.tree import NotReadable, entries, json_document, toml_entries, yaml_documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wattleak.source.notebook import Notebook
    from wattleak.source.variables.assignment import Entry
    from wattleak.source.variables.tree import Node


class Kind(Enum):
    """What a file is written in."""

    SHELL = "shell"  # batch jobs too
    DOCKERFILE = "dockerfile"
    YAML = "yaml"
    JSON = "json"
    TOML = "toml"
    DOTENV = "dotenv"
    NOTEBOOK = "notebook"  # the lines of a notebook that a shell or %env gets


_SUFFIXES = {
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh", ".csh", ".sbatch", ".slurm", ".pbs", ".lsf"), Kind.SHELL),
    ".dockerfile": Kind.DOCKERFILE,
    ".yaml": Kind.YAML,
    ".yml": Kind.YAML,
    ".json": Kind.JSON,
    ".toml": Kind.TOML,
    ".env": Kind.DOTENV,
}
_LARGEST_B = {Kind.JSON: 500_000, Kind.YAML: 500_000, Kind.TOML: 500_000}
"""Above this such a file is data or generated, and not written by anybody to set up a run."""

_ENV_MAGIC = re.compile(r"\s*%(?:env|set_env)\s+(?P<name>[A-Za-z_]\w*)\s*[= ]\s*(?P<value>.*\S)")


def kind_of(name: str) -> Kind | None:
    """Return the kind that a file name stands for; None: none of these."""
    lower = name.lower()
    if lower in {"dockerfile", "containerfile"} or lower.startswith(("dockerfile.", "containerfile.")):
        return Kind.DOCKERFILE
    if lower == ".env" or lower.startswith(".env."):
        return Kind.DOTENV
    return _SUFFIXES.get(lower[lower.rfind(".") :]) if "." in lower else None


@dataclass(frozen=True)
class VariableFile(Lined):
    """A file that can set environment variables. `text` has its own line ends; `encoding` can write it back."""

    path: Path
    text: str
    kind: Kind
    encoding: str = "utf-8"
    notebook: Notebook | None = None

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        """Every variable that the file sets, in the order of the text. See `problem` for what could not be read."""
        return tuple(sorted(self._read[0], key=lambda made: made.span))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every value of a YAML, JSON or TOML file with the keys that lead to it; of other kinds none."""
        try:
            if self.kind is Kind.TOML:
                return tuple(toml_entries(self))
            return tuple(entry for document in self._documents for entry in entries(document))
        except NotReadable:
            return ()

    @property
    def problem(self) -> Problem | None:
        """Why the file could not be read; None: it could."""
        return self._read[1]

    @cached_property
    def _documents(self) -> list[Node]:
        match self.kind:
            case Kind.YAML:
                return yaml_documents(self)
            case Kind.JSON:
                return [json_document(self)]
            case _:
                return []

    @cached_property
    def _read(self) -> tuple[tuple[Assignment, ...], Problem | None]:
        try:
            return tuple(self._assignments()), None
        except NotReadable as error:
            return (), Problem(self.path, error.message, error.line)

    def _assignments(self) -> Iterator[Assignment]:
        match self.kind:
            case Kind.SHELL:
                yield from read_shell(self, self.text, scope="this script")
            case Kind.DOCKERFILE:
                yield from read_dockerfile(self)
            case Kind.DOTENV:
                yield from read_dotenv(self)
            case Kind.YAML | Kind.JSON:
                yield from read_containers(self._documents)
            case Kind.TOML:
                yield from read_entries(toml_entries(self))
            case Kind.NOTEBOOK:
                yield from _notebook_assignments(self)


def variable_file_of(path: Path, data: bytes, kind: Kind) -> VariableFile | Problem | None:
    """Decode what a file of this kind holds; None: it is data, not configuration."""
    if len(data) > _LARGEST_B.get(kind, len(data)):
        return None
    if b"\0" in data:
        return Problem(path, "is binary data, not text (it holds a null byte)")
    try:
        # A byte order mark is no part of the text, and is written back with it.
        encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
        return VariableFile(path, data.decode(encoding), kind, encoding)
    except UnicodeDecodeError as error:
        return Problem(path, "is not utf-8 text", data.count(b"\n", 0, error.start) + 1)


def _notebook_assignments(file: VariableFile) -> Iterator[Assignment]:
    """Each `!` line is a shell of its own; `%env` sets a variable for the notebook and what it starts."""
    for number, line in enumerate(file.lines, 1):
        magic = _ENV_MAGIC.match(line)
        start = file.offset(number, 0)
        if magic:
            value = magic["value"]
            span = file.between(start + magic.start("value"), start + magic.end("value"))
            yield Assignment(
                magic["name"], None if "$" in value or "{" in value else value, value, span, "this notebook"
            )
        elif line.strip() and not line.lstrip().startswith("%"):
            shell = line.replace("!", " ", 1) if line.lstrip().startswith("!") else line
            blank = re.sub(r"[^\n]", " ", file.text[:start])
            yield from read_shell(file, blank + shell, scope="this command")
