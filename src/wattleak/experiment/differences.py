"""One declared difference: what was made different on purpose, and what differs besides.

Between variants the command, the environment that is set for one of them, the levels of factors, and the files that
only one of them names are the declared difference. Anything else, as other packages behind another interpreter, would
be measured with it and told as its effect. So would a file that changes while the experiment runs. Both stop it, unless
the user declares that they belong to what is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.provenance import FILE_KINDS, redacted_text, unified
from wattleak.errors import UsageError
from wattleak.model import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wattleak.environment.provenance import Provenance, Record

KINDS = ("packages", "source", "config", "data", "environment", "python")
"""What can be declared, as a whole (`packages`) or in part (`packages:numpy`)."""

_MOST_NAMED = 4  # of several alike in one sentence
_MOST_LINES = 2000  # of a diff that is kept
_NOUNS = {"source": "source file", "config": "configuration", "data": "data file"}


@dataclass(frozen=True, slots=True)
class Undeclared:
    """Something that differs and should not. `name` is a package, a path, a variable."""

    kind: str  # one of KINDS
    name: str
    what: str  # "numpy 1.26.4 against 2.1.0"


def check_declared(texts: Sequence[str]) -> tuple[str, ...]:
    """The declarations, if they can be understood. Raises UsageError."""
    for text in texts:
        kind, colon, name = text.partition(":")
        if kind not in KINDS or (colon and not name):
            raise UsageError(
                f"--declare {text!r} is none of the things that can differ",
                f"--declare with one of {', '.join(KINDS)}, or KIND:NAME, as packages:numpy",
            )
    return tuple(dict.fromkeys(texts))


def left(found: Sequence[Undeclared], declared: Sequence[str]) -> tuple[Undeclared, ...]:
    """What no declaration covers. A file is declared by its path or by its name."""
    kept = []
    for item in found:
        names = {item.kind, f"{item.kind}:{item.name}", f"{item.kind}:{Path(item.name).name}"}
        if not names & set(declared):
            kept.append(item)
    return tuple(kept)


def in_words(found: Sequence[Undeclared]) -> str:
    """The first few by name, and how many more."""
    named = "; ".join(item.what for item in found[:_MOST_NAMED])
    more = len(found) - _MOST_NAMED
    return named + (f"; and {more} more" if more > 0 else "")


def kinds_of(found: Sequence[Undeclared]) -> str:
    """The options that would declare all of it."""
    return " ".join(f"--declare {kind}" for kind in dict.fromkeys(item.kind for item in found))


# -- between variants ------------------------------------------------------------------------------------------------


def between_variants(provenance: Provenance) -> tuple[Undeclared, ...]:
    """What differs between the reference and the others besides what the commands declare."""
    reference, *others = provenance.records
    return tuple(item for other in others for item in _packages(reference, other))


def _packages(reference: Record, other: Record) -> Iterator[Undeclared]:
    """Other packages; the version of Python itself is what the command names, and is declared with it."""
    if reference.packages is None or other.packages is None:
        return
    for name, versions in _changed(reference.packages, other.packages):
        yield Undeclared("packages", name, f"{reference.name} and {other.name} have {_versions(name, versions)}")


def declared_difference(reference: Record, other: Record) -> Difference:
    """What is compared: command, environment, configuration, source, packages, data, as far as they differ."""
    lines: list[str] = []
    summary: list[str] = []
    for kind, tell in _TELLERS:
        said, diff = tell(reference, other)
        if said:
            summary.append(f"{kind}: {said}")
            lines += [*([""] if lines else []), *diff]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more lines"]
    return Difference(other.name, tuple(summary), "\n".join(lines))


def _command(reference: Record, other: Record) -> tuple[str, list[str]]:
    before, after = reference.command, other.command
    said = []
    for tag, start, end, start_after, end_after in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = " ".join(before[start:end]), " ".join(after[start_after:end_after])
        option = f"{before[start - 1]} " if start and before[start - 1].startswith("-") else ""
        if tag == "replace":
            said.append(f"{option}{old} → {new}")
        elif tag == "insert":
            said.append(f"with {new}")
        elif tag == "delete":
            said.append(f"without {old}")
    return "; ".join(said), unified(before, after, f"{reference.name} command", f"{other.name} command")


def _environment(reference: Record, other: Record) -> tuple[str, list[str]]:
    before, after = reference.environment, other.environment
    said = [f"{name} {_arrow(old, new, 'not set')}" for name, (old, new) in _changed(before, after)]
    diff = unified(
        _assignments(before), _assignments(after), f"{reference.name} environment", f"{other.name} environment"
    )
    return ", ".join(said), diff


def _files(kind: str) -> Callable[[Record, Record], tuple[str, list[str]]]:
    def tell(reference: Record, other: Record) -> tuple[str, list[str]]:
        before, after = dict(reference.files(kind)), dict(other.files(kind))
        places = {other.short(path): path for path in after}
        for path, mark in reference.files(kind).items():
            same = places.get(reference.short(path))  # one file, or one of another worktree
            if same is not None and mark.is_same(after[same]):
                del before[path], after[same]
        said, diff = [], list[str]()
        for old, new in _matched(before, after):
            if old and new and before[old].sha256 is not None and before[old].sha256 == after[new].sha256:
                said.append(f"{_short(old, reference)} and {_short(new, other)} hold the same")
                continue
            text = _text_diff(old, new, reference, other) if kind != "data" else []
            added = sum(line.startswith("+") for line in text[2:])
            removed = sum(line.startswith("-") for line in text[2:])
            size = f" (+{added} −{removed} lines)" if text else ""  # noqa: RUF001 - a minus sign
            said.append(_arrow(_short(old, reference), _short(new, other), "nothing") + size)
            diff += text
        more = f" and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
        return ", ".join(said[:_MOST_NAMED]) + more, diff

    return tell


def _installed(reference: Record, other: Record) -> tuple[str, list[str]]:
    if reference.packages is None or other.packages is None:
        return "", []
    changed = list(_changed(reference.packages, other.packages))
    said = ", ".join(_versions(name, versions) for name, versions in changed[:_MOST_NAMED])
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    old, new = (
        [f"{name}=={version}" for name, version in sorted(packages.items())]
        for packages in (reference.packages, other.packages)
    )
    return said + more, unified(old, new, f"{reference.name} packages", f"{other.name} packages")


def _python(reference: Record, other: Record) -> tuple[str, list[str]]:
    if reference.python == other.python:
        return "", []
    return _arrow(reference.python, other.python, "not known"), []


_TELLERS: tuple[tuple[str, Callable[[Record, Record], tuple[str, list[str]]]], ...] = (
    ("command", _command),
    ("environment", _environment),
    *((kind, _files(kind)) for kind in FILE_KINDS),
    ("python", _python),
    ("packages", _installed),
)


def _matched(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str | None, str | None]]:
    """Files that stand for each other: of one name, else the first of each that are left (the scripts themselves)."""
    pairs: list[tuple[str | None, str | None]] = []
    rest = dict.fromkeys(after)
    unmatched = []
    for path in before:
        alike = next((other for other in rest if Path(other).name == Path(path).name), None)
        if alike is None:
            unmatched.append(path)
        else:
            del rest[alike]
            pairs.append((path, alike))
    return pairs + list(zip_longest(unmatched, rest))


def _text_diff(old: str | None, new: str | None, reference: Record, other: Record) -> list[str]:
    before, after = (redacted_text(path).splitlines() if path else [] for path in (old, new))
    return unified(before, after, _short(old, reference) or "/dev/null", _short(new, other) or "/dev/null")


def _short(path: str | None, record: Record) -> str | None:
    return None if path is None else record.short(path)


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(variables.items())]


def _arrow(before: str | None, after: str | None, absent: str) -> str:
    return f"{absent if before is None else before} → {absent if after is None else after}"


def _changed(
    before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    for name in sorted(before.keys() | after.keys()):
        pair = before.get(name), after.get(name)
        if pair[0] != pair[1]:
            yield name, pair


def _versions(name: str, versions: tuple[str | None, str | None]) -> str:
    before, after = ("none" if version is None else version for version in versions)
    return f"{name} {before} against {after}"


# -- between two moments ---------------------------------------------------------------------------------------------


def since(before: Provenance, now: Provenance) -> tuple[Undeclared, ...]:
    """What has changed since an experiment began; each thing once, whichever variants use it."""
    found: dict[tuple[str, str], Undeclared] = {}
    later = {record.name: record for record in now.records}
    for old in before.records:
        new = later.get(old.name)
        if new is not None:
            for item in (*_changed_files(old, new), *_changed_settings(old, new)):
                found.setdefault((item.kind, item.name), item)
    return tuple(found.values())


def _changed_files(old: Record, new: Record) -> Iterator[Undeclared]:
    for kind in FILE_KINDS:
        now = {new.short(path): mark for path, mark in new.files(kind).items()}
        then = {old.short(path): mark for path, mark in old.files(kind).items()}
        for path, mark in then.items():
            other = now.get(path)
            if other is None:
                yield file_changed(kind, path, "is gone or no longer used")
            elif not mark.is_same(other):
                yield file_changed(kind, path, "is not what it was")
        if kind != "data":  # what is added to a folder of data may be a cache; a module that is added is used
            for path in sorted(now.keys() - then.keys()):
                yield file_changed(kind, path, "is new")


def file_changed(kind: str, path: str, how: str) -> Undeclared:
    return Undeclared(kind, path, f"{_NOUNS[kind]} {path} {how}")


def _changed_settings(old: Record, new: Record) -> Iterator[Undeclared]:
    if old.packages is not None and new.packages is not None:
        yield from packages_changed(old.packages, new.packages)
    if old.python != new.python:
        yield Undeclared("python", "python", f"python {_arrow(old.python, new.python, 'not known')}")
    for name, values in _changed(old.environment, new.environment):
        yield Undeclared("environment", name, f"environment variable {name}: {_arrow(*values, 'not set')}")


def packages_changed(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Undeclared]:
    for name, versions in _changed(old, new):
        yield Undeclared("packages", name, f"package {name} {_arrow(*versions, 'not installed')}")


# -- as documents ----------------------------------------------------------------------------------------------------


def difference_document(difference: Difference) -> dict[str, object]:
    return {"candidate": difference.candidate, "summary": list(difference.summary), "diff": difference.diff}


def difference_from_document(document: Mapping[str, object]) -> Difference:
    summary: Sequence[str] = document["summary"]  # type: ignore[assignment]
    return Difference(str(document["candidate"]), tuple(summary), str(document["diff"]))
