"""Finding the smells: every folder here that holds a `smell.py`, and what others register as `wattleak.smells`.

A `smell.py` is a module with

    SMELL: model.Smell                       who it is; its page is the module's docstring
    detect(module, *, cpus) -> findings      the static rule; what it is not sure of it does not report
    inject(module) -> edits                  the inverse of its fix: puts the smell into a clean program
    detect_variables(file, *, cpus)          optional: the rule for environment variables in scripts, images, containers
                                             and configuration

and, where a run can show the smell, a `probe.py` beside it:

    probe(signals) -> evidence               what was observed in a run (wattleak.signals), as model.Evidence: a counter
                                             beyond its threshold, never a guess; nothing where nothing was observed
    corroborate(signals) -> evidence         optional: counts that mean something only in a line that a scan suspects

A rule asks `wattleak.source` what names stand for (see its docstring), across files where it must.

and beside it, for each framework, a folder with `bad.py` and `good.py`: runnable programs that differ by the smell
alone.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wattleak.errors import OwnFailure, UsageError
from wattleak.model import Smell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from wattleak.model import Edit, Evidence, Finding
    from wattleak.signals import Signals
    from wattleak.source.module import Module
    from wattleak.source.variables.reading import VariableFile

_PACKAGE = "wattleak.smells"
_ENTRY_POINTS = "wattleak.smells"


class Detect(Protocol):
    def __call__(self, module: Module, *, cpus: int) -> Iterable[Finding]: ...


class DetectVariables(Protocol):
    def __call__(self, file: VariableFile, *, cpus: int) -> Iterable[Finding]: ...


class Inject(Protocol):
    def __call__(self, module: Module) -> tuple[Edit, ...]: ...


class Probe(Protocol):
    def __call__(self, signals: Signals) -> Iterable[Evidence]: ...


class Pair(NamedTuple):
    """The two programs of a study: they differ by the smell alone."""

    good: Path
    bad: Path


@dataclass(frozen=True, slots=True)
class Room:
    """A smell with everything that belongs to it."""

    smell: Smell
    detect: Detect
    inject: Inject
    file: Path
    line: int  # where its SMELL is defined
    detect_variables: DetectVariables | None = None
    probe: Probe | None = None
    corroborate: Probe | None = None


def all_smells() -> tuple[Smell, ...]:
    """Return every smell, by code."""
    return tuple(room.smell for room in rooms())


def find_smell(code_or_name: str) -> Smell:
    """Return the smell of that code or name.

    Raises:
        UsageError: there is none; the remedy names the nearest.
    """
    return find_room(code_or_name).smell


def find_room(code_or_name: str) -> Room:
    """Return the smell of that code or name, with its rule. Raises UsageError as `find_smell` does."""
    asked = code_or_name.strip()
    for room in rooms():
        if asked.upper() == room.smell.code or asked.lower() == room.smell.name:
            return room
    raise UsageError(f"there is no smell called {code_or_name!r}", nearest(asked))


def nearest(asked: str) -> str:
    """Return a remedy that names the smells nearest to `asked`."""
    known = {name: room.smell for room in rooms() for name in (room.smell.code, room.smell.name)}
    by_lower = {name.lower(): name for name in known}
    close = [by_lower[name] for name in difflib.get_close_matches(asked.lower(), by_lower, n=3)]
    if close:
        return f"did you mean {' or '.join(dict.fromkeys(close))}?"
    return f"type one of {', '.join(smell.name for smell in all_smells())}"


def pairs(smell: Smell) -> Mapping[str, Pair]:
    """Return the study programs of `smell` by framework: {"torch": (good.py, bad.py)}."""
    found = {}
    for folder in sorted(path for path in smell.folder.iterdir() if path.is_dir()):
        pair = Pair(folder / "good.py", folder / "bad.py")
        if pair.good.is_file() and pair.bad.is_file():
            found[folder.name] = pair
    return found


@functools.cache
def rooms() -> tuple[Room, ...]:
    """Return every smell with its rule, by code; read once."""
    here = Path(__file__).parent
    modules = modules_in(here, _PACKAGE)
    for entry in sorted(importlib.metadata.entry_points(group=_ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            modules.append(entry.load())
        except Exception as error:  # a package of somebody else's may fail in any way
            raise OwnFailure(
                f"the smell {entry.name!r} of {entry.dist.name if entry.dist else entry.value} does not load: {error}",
                "update or uninstall that package",
            ) from error
    return collect(modules)


def modules_in(folder: Path, package: str) -> list[ModuleType]:
    """Import the `smell.py` of every folder in `folder`, which is the importable package `package`."""
    found = sorted(file.parent.name for file in folder.glob("*/smell.py"))
    return [importlib.import_module(f"{package}.{name}.smell") for name in found]


def collect(modules: Iterable[ModuleType]) -> tuple[Room, ...]:
    """Return the rooms of `modules`, by code.

    Raises:
        OwnFailure: a module is not a smell, or two smells have the same code or name.
    """
    found = sorted((_room(module) for module in modules), key=lambda room: room.smell.code)
    seen: dict[str, Room] = {}
    for room in found:
        for key in (room.smell.code, room.smell.name):
            if key in seen:
                raise OwnFailure(
                    f"{room.file}:{room.line}: the smell {key} exists already, at {seen[key].file}:{seen[key].line}",
                    "give one of them another code and name",
                )
            seen[key] = room
    return tuple(found)


def _room(module: ModuleType) -> Room:
    file = Path(module.__file__ or module.__name__)
    smell, detect, inject = (getattr(module, name, None) for name in ("SMELL", "detect", "inject"))
    line = _line_of_smell(file)
    if not isinstance(smell, Smell) or not callable(detect) or not callable(inject):
        raise OwnFailure(
            f"{file}:{line}: this smell lacks SMELL, detect or inject", "write them; see wattleak.smells.registry"
        )
    variables = getattr(module, "detect_variables", None)
    return Room(smell, detect, inject, file, line, variables, *_probes(module, file))


def _probes(module: ModuleType, file: Path) -> tuple[Probe | None, Probe | None]:
    """`probe` and `corroborate` of the room."""
    if not (file.parent / "probe.py").is_file():
        return None, None
    found = importlib.import_module(f"{module.__name__.rpartition('.')[0]}.probe")
    probe: Probe | None = getattr(found, "probe", None)
    if not callable(probe):
        raise OwnFailure(
            f"{file.parent / 'probe.py'}: there is no probe(signals) here", "write it; see wattleak.smells.registry"
        )
    return probe, getattr(found, "corroborate", None)


def _line_of_smell(file: Path) -> int:
    """Return the line on which SMELL is assigned; 1 when that cannot be told."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 1
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "SMELL" for target in targets):
            return statement.lineno
    return 1
