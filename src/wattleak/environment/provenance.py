"""What each variant of an experiment is made of, written down before the first run.

Command, source files, configuration, data, packages, environment and commit. Two of these records say what differs
between variants, or between the start of an experiment and a later session of it (`experiment.differences`).

Nothing of the user's program is run or imported. Secrets are hidden (`environment.redaction`).
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.checksums import FileMark, mark_all
from wattleak.environment.inputs import find_inputs
from wattleak.environment.interpreter import Interpreter, find_interpreter
from wattleak.environment.redaction import redact_command, redact_environment, redact_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.environment.checksums import Checksums
    from wattleak.model import Variant

_BUDGET_S = 1.0  # the most that the start of an experiment may wait for checksums of data
_LARGEST_TEXT_B = 64_000  # of a configuration that is kept word by word
_GIT_TIMEOUT_S = 5.0
# Variables that change what a program computes or how fast. What a scheduler hands out anew to every job (which GPU,
# the number of the job) is left out here: it is a fact of the machine (environment.fingerprint).
_VARIABLES = re.compile(
    r"^(?:OMP|KMP|GOMP|MKL|OPENBLAS|BLIS|VECLIB|NUMEXPR|NUMBA|CUDA|CUBLAS|CUDNN|NVIDIA|NCCL|HIP|HSA|ROCM|MIOPEN|TORCH"
    r"|PYTORCH|TF|XLA|JAX|KERAS|HF|TRANSFORMERS|TOKENIZERS|DATASETS|PYTHON|MALLOC|LD|GLIBC|ONEDNN|DNNL|RAY|OMPI)_?"
    r"[A-Z0-9_]*$|^WATTLEAK_DATA_DIR$"
)
_NOT_COUNTED = frozenset(
    {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "PYTHONSTARTUP", "PYTHONUNBUFFERED"}
)


@dataclass(frozen=True, slots=True)
class Record:
    """One variant. Paths are absolute; `packages` None: no Python is known, and `packages_unknown` says why."""

    name: str
    command: tuple[str, ...]
    folder: str  # that it runs in
    source: Mapping[str, FileMark] = field(default_factory=dict)
    config: Mapping[str, FileMark] = field(default_factory=dict)
    data: Mapping[str, FileMark] = field(default_factory=dict)
    interpreter: str | None = None
    python: str | None = None
    packages: Mapping[str, str] | None = None
    packages_unknown: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)  # what is set for it, and what is on the list above
    commit: str | None = None  # of the repository of its folder; None: there is none
    is_dirty: bool | None = None  # tracked files of it were changed
    texts: Mapping[str, str] = field(default_factory=dict)  # configurations, redacted
    notes: tuple[str, ...] = ()

    def short(self, path: str) -> str:
        """A path as it is seen from the folder that this variant runs in."""
        return str(Path(path).relative_to(self.folder)) if Path(path).is_relative_to(self.folder) else path

    def files(self, kind: str) -> Mapping[str, FileMark]:
        """Files of one of FILE_KINDS, by their absolute paths."""
        found: Mapping[str, FileMark] = getattr(self, kind)
        return found


FILE_KINDS = ("source", "config", "data")


@dataclass(frozen=True, slots=True)
class Provenance:
    """All variants at one moment, the reference first."""

    made_at: str  # ISO 8601, UTC
    records: tuple[Record, ...]
    package_folders: tuple[str, ...] = ()  # to be looked at again; not stored

    @property
    def paths(self) -> frozenset[str]:
        """Every file that any of them reads."""
        return frozenset(path for record in self.records for kind in FILE_KINDS for path in record.files(kind))


def record_provenance(
    variants: Iterable[Variant], checksums: Checksums, roots: Mapping[str, Path] | None = None
) -> Provenance:
    """Look at everything that the commands name. Takes a second at most for checksums of data, see `FileMark`.

    `roots`: the folder in which a variant runs, by its name; where it is absent, the present one.
    """
    records, folders = [], dict[str, None]()
    wanted: dict[str, list[Path]] = {kind: [] for kind in FILE_KINDS}
    seen = []
    for variant in variants:
        env = {**os.environ, **variant.env}
        interpreter = find_interpreter(variant.command, env)
        known = interpreter if isinstance(interpreter, Interpreter) else None
        place = (roots or {}).get(variant.name, Path.cwd()).resolve()
        inputs = find_inputs(variant.command, env, known, place)
        seen.append((variant, interpreter, inputs, place))
        folders |= dict.fromkeys(known.folders if known else ())
        for kind in FILE_KINDS:
            wanted[kind] += getattr(inputs, kind)
    marks = {
        kind: mark_all(dict.fromkeys(paths), checksums, budget_s=_BUDGET_S if kind == "data" else None)
        for kind, paths in wanted.items()
    }
    commits = {place: _commit(place) for place in {place for *_, place in seen}}
    for variant, interpreter, inputs, place in seen:
        files = {
            kind: {str(path): marks[kind][str(path)] for path in getattr(inputs, kind) if str(path) in marks[kind]}
            for kind in FILE_KINDS
        }
        known = interpreter if isinstance(interpreter, Interpreter) else None
        records.append(
            Record(
                name=variant.name,
                command=redact_command(variant.command),
                folder=str(place),
                **files,
                interpreter=known.path if known else None,
                python=known.version if known else None,
                packages=known.packages if known else None,
                packages_unknown="" if isinstance(interpreter, Interpreter) else interpreter,
                environment=redact_environment({**_counted(os.environ), **variant.env}),
                commit=commits[place][0],
                is_dirty=commits[place][1],
                texts={
                    path: redacted_text(path)
                    for path, mark in files["config"].items()
                    if mark.size_b <= _LARGEST_TEXT_B
                },
                notes=inputs.notes,
            )
        )
    return Provenance(datetime.now(UTC).isoformat(timespec="seconds"), tuple(records), tuple(folders))


def redacted_text(path: str) -> str:
    """The text of a file, its secrets hidden; empty when it cannot be read as text."""
    try:
        return redact_lines(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""


def unified(before: Sequence[str], after: Sequence[str], name_before: str, name_after: str) -> list[str]:
    """A unified diff, line by line; empty where nothing differs."""
    return list(difflib.unified_diff(before, after, name_before, name_after, n=2, lineterm=""))


def _counted(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in sorted(variables.items()) if _VARIABLES.match(name) and name not in _NOT_COUNTED
    }


def _commit(folder: Path) -> tuple[str | None, bool | None]:
    """The commit that the folder is at, and whether tracked files of it were changed. (None, None): no repository."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None, None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return head.strip(), None if status is None else bool(status.strip())


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None when there is no git, no repository, or no answer in time. Runs no hook of the repository."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


# -- as documents ----------------------------------------------------------------------------------------------------


def provenance_document(provenance: Provenance) -> dict[str, object]:
    """Plain data; the way back is `provenance_from_document`."""
    return {
        "made_at": provenance.made_at,
        "variants": [
            {
                "name": record.name,
                "command": list(record.command),
                "folder": record.folder,
                **{
                    kind: {
                        path: {"size_b": mark.size_b, "mtime_ns": mark.mtime_ns, "sha256": mark.sha256}
                        for path, mark in record.files(kind).items()
                    }
                    for kind in FILE_KINDS
                },
                "interpreter": record.interpreter,
                "python": record.python,
                "packages": None if record.packages is None else dict(record.packages),
                "packages_unknown": record.packages_unknown,
                "environment": dict(record.environment),
                "commit": record.commit,
                "is_dirty": record.is_dirty,
                "texts": dict(record.texts),
                "notes": list(record.notes),
            }
            for record in provenance.records
        ],
    }


def provenance_from_document(document: Mapping[str, object]) -> Provenance:
    """Raises KeyError, TypeError or ValueError for a document that `provenance_document` did not write."""
    variants: list[dict[str, object]] = document["variants"]  # type: ignore[assignment]
    return Provenance(str(document["made_at"]), tuple(_record(item) for item in variants))


def _record(item: dict[str, object]) -> Record:
    plain = {**item, "command": tuple(item["command"]), "notes": tuple(item["notes"])}  # type: ignore[arg-type]
    for kind in FILE_KINDS:
        plain[kind] = {path: FileMark(**mark) for path, mark in item[kind].items()}  # type: ignore[attr-defined]
    return Record(**plain)  # type: ignore[arg-type]
