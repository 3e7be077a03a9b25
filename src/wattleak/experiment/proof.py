"""From a script to an experiment that proves its fixes: what a scan finds in it, and one variant for every fix.

    original     the script as it is: the reference
    fixed        all fixes together
    fix-1, ...   with several findings: the fix of that finding alone

Looked at are the script and the files below the root of its project that it imports, directly or not. They are read,
never imported; what runs is the experiment's program, as the user asked.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.environment.inputs import find_inputs
from wattleak.environment.interpreter import Interpreter, find_interpreter
from wattleak.environment.search_path import search_words
from wattleak.errors import UsageError
from wattleak.experiment.copies import Survey, make_copy, place_of, places, survey, was_imported
from wattleak.model import Variant
from wattleak.scanner.fixing import changes, render_diff
from wattleak.scanner.formats import finding_document, shown_path
from wattleak.scanner.scan import scan
from wattleak.scanner.walk import Language, language_of
from wattleak.source.imports import imported_files
from wattleak.source.module import Problem
from wattleak.source.project import Project, project_root
from wattleak.source.reading import NOTEBOOK_SUFFIX, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.experiment.copies import Layout
    from wattleak.model import Finding
    from wattleak.scanner.fixing import Change
    from wattleak.scanner.scan import ScanResult

ORIGINAL, FIXED = "original", "fixed"
_Refusal = tuple[str, str]  # why a fix is not tried, and what to do instead
_MANY = 6  # fixed variants, from which on it is said how to have fewer


@dataclass(frozen=True, slots=True)
class Suspect:
    """A finding of the script, with the number that the report calls it by."""

    number: int
    finding: Mapping[str, Any]  # as `scan --json` gives it
    excerpt: str
    left_out: str | None  # why no variant tries it; None: it is tried
    remedy: str | None  # what to do about one that is left out

    @property
    def where(self) -> str:
        """`train.py:12`."""
        return f"{self.finding['path']}:{self.finding['line']}"


@dataclass(frozen=True, slots=True)
class Treatment:
    """One fixed variant."""

    name: str
    numbers: tuple[int, ...]  # of the findings whose fixes are in it
    diff: str
    changed: tuple[str, ...]  # files, as paths below the root


@dataclass(frozen=True, slots=True)
class Proof:
    """What is to be proved of a script, or what there is nothing to prove of."""

    script: str  # as it is shown
    root: str
    python: str
    files: int  # that were looked at
    suspects: tuple[Suspect, ...]
    treatments: tuple[Treatment, ...]  # all fixes together first; empty: there is nothing to prove
    notes: tuple[str, ...] = ()
    inside: str = "."  # where the copy of the root lies in the place of a variant

    def suspect(self, number: int) -> Suspect:
        """The finding of that number."""
        return self.suspects[number - 1]

    def document(self) -> dict[str, Any]:
        """Plain data; the way back is `proof_from_document`."""
        return asdict(self)


def proof_from_document(document: Mapping[str, Any]) -> Proof:
    """Raises KeyError or TypeError for a document that `Proof.document` did not write."""
    treatments = (
        replace(Treatment(**item), numbers=tuple(item["numbers"]), changed=tuple(item["changed"]))
        for item in document["treatments"]
    )
    return Proof(
        **{
            **document,
            "suspects": tuple(Suspect(**item) for item in document["suspects"]),
            "treatments": tuple(treatments),
            "notes": tuple(document["notes"]),
        }
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proof, and what it takes to make its copies."""

    proof: Proof
    layout: Layout
    survey: Survey
    texts: tuple[Mapping[Path, bytes], ...]  # of each variant, the reference first: absolute path -> content

    def make_copies(self, token: str) -> None:
        """Raises OwnFailure."""
        for place, texts in zip(places(self.layout.store, token, len(self.texts)), self.texts, strict=True):
            make_copy(self.layout, self.survey, place, texts)


# -- the script ------------------------------------------------------------------------------------------------------


def check_script(path: Path) -> Path:
    """The script itself, behind any links. Raises UsageError when it is nothing that Python runs."""
    try:
        script = path.resolve(strict=True)
    except OSError as error:
        raise UsageError(f"there is no script {path}: {error.strerror}", "check the path") from error
    except (ValueError, RuntimeError) as error:  # a null byte; links that go in a circle
        raise UsageError(f"{str(path)!r} names no script: {error}", "check the path") from error
    if script.is_dir():
        raise UsageError(f"{path} is a folder, not a script", f"name the script that trains: {path}/train.py")
    if script.suffix == NOTEBOOK_SUFFIX:
        raise UsageError(
            f"{path} is a notebook, and only a script can be run in fresh processes",
            f"jupyter nbconvert --to script {path}, then prove that; or wattleak scan {path}",
        )
    if language_of(script) is not Language.PYTHON:
        raise UsageError(
            f"{path} is not a Python script (by its name, or its first line)",
            "name the Python script; two commands of any kind: wattleak compare 'COMMAND' 'COMMAND'",
        )
    module = read(script)
    if isinstance(module, Problem):
        line = "" if module.line is None else f":{module.line}"
        raise UsageError(f"{path}{line}: {module.message}", "name a Python script that runs")
    return script


def check_root(asked: str | None, script: Path) -> Path:
    """The root of the project: what is asked for, or the nearest folder that looks like one. Raises UsageError."""
    if asked is None:
        return project_root(script.parent)
    root = Path(asked).resolve()
    if not root.is_dir():
        raise UsageError(f"--root {asked}: there is no such folder", "name a folder that holds the script")
    if not script.is_relative_to(root):
        raise UsageError(f"--root {asked}: {script} is not in it", "name a folder that holds the script")
    return root


# -- what is found in it ---------------------------------------------------------------------------------------------


def propose(
    script: Path,
    layout: Layout,
    *,
    python: str,
    env: Mapping[str, str],
    select: Sequence[str] | None = None,
    safe_only: bool = False,
    together: bool = False,
) -> Proposal:
    """Scan the script and what it imports, and lay out one variant for every fix.

    `safe_only` leaves unsafe fixes out; `together` lays out the variant with all fixes only.

    Raises:
        UsageError: a smell is unknown, or the project is too large to copy.
        OwnFailure: a folder cannot be read.
    """
    files, notes = _own_files(script, layout, python, env)
    result = scan([_shown(path) for path in files], select=select)
    notes += [f"{_place(problem)}: {problem.message}" for problem in result.problems]
    if result.hidden:
        notes.append(f"{len(result.hidden)} weak suspicions are left out: wattleak scan --persona auditor shows them")
    refused, sets, said = _choices(result, safe_only=safe_only, together=together)
    proof = Proof(
        script=shown_path(_shown(script)),
        root=shown_path(layout.root),
        inside=layout.inside,
        python=python,
        files=len(files),
        suspects=tuple(
            _suspect(number, finding, result, why)
            for number, (finding, why) in enumerate(zip(result.findings, refused, strict=True), 1)
        ),
        treatments=tuple(_treatment(*chosen, layout.root) for chosen in sets),
        notes=(*notes, *said),
    )
    found = survey(layout, files) if sets else Survey((), (), (), (), 0)
    texts = [{change.path.resolve(): change.after.encode(change.encoding) for change in made} for *_, made in sets]
    return Proposal(proof, layout, found, ({}, *texts))


def _choices(
    result: ScanResult, *, safe_only: bool, together: bool
) -> tuple[list[_Refusal | None], list[tuple[str, list[int], list[Change]]], list[str]]:
    """Of each finding why it is not tried; of each variant its name, numbers and changes; and what is to be said."""
    alone = [_fixes(result, [finding]) for finding in result.findings]
    refused = [_refusal(finding, made, safe_only) for finding, made in zip(result.findings, alone, strict=True)]
    tried = [number for number, why in enumerate(refused, 1) if why is None]
    if not tried:
        return refused, [], []
    whole = _fixes(result, [result.findings[number - 1] for number in tried])
    made = {id(finding) for change in whole for finding in change.fixed}
    both = [number for number in tried if id(result.findings[number - 1]) in made]
    sets = [(FIXED, both, whole)]
    if not together:
        sets += [(f"fix-{number}", [number], alone[number - 1]) for number in tried if [number] != both]
    notes = []
    if len(both) < len(tried):
        others = ", ".join(f"[{number}]" for number in tried if number not in both)
        notes.append(
            f"{FIXED} lacks the fix of {others}, which changes the same text as another one: make the others, and "
            "prove the script again"
        )
    if len(sets) > _MANY:
        notes.append(f"{len(tried)} fixes make {len(sets) + 1} variants; --together or --select NAMES makes fewer")
    return refused, sets, notes


def _own_files(script: Path, layout: Layout, python: str, env: Mapping[str, str]) -> tuple[list[Path], list[str]]:
    """The script and what it imports, as far as it lies below the root; and what could not be followed."""
    folders = [*own_folders(layout.here, python, env), *Project().import_folders(script)]
    reached, too_many = imported_files([script], folders)
    notes = [f"the script imports more than {len(reached)} files: the others were not looked at"] if too_many else []
    return [path for path in reached if path.is_relative_to(layout.root)], notes


def own_folders(here: Path, python: str, env: Mapping[str, str]) -> list[Path]:
    """Folders of the user's own in which this Python looks for modules: PYTHONPATH, editable installs."""
    interpreter = find_interpreter((python,), env)
    found = [Path(folder) for folder in interpreter.own] if isinstance(interpreter, Interpreter) else []
    return list(dict.fromkeys([*found, *(here / word for word in search_words(env))]))


def _fixes(result: ScanResult, findings: Iterable[Finding]) -> list[Change]:
    return changes(replace(result, findings=tuple(findings)), unsafe=True)


def _refusal(finding: Finding, made: Sequence[Change], safe_only: bool) -> _Refusal | None:
    """Why the fix of a finding is not tried, and what to do instead; None: it is tried."""
    by_hand = f"change it by hand: wattleak explain {finding.code} says what to use instead"
    if finding.fix is None:
        return "it has no fix that can be made for you", by_hand
    if not made:
        return "its fix cannot be made in this file", by_hand
    if safe_only and not finding.fix.safe:
        why = finding.fix.why_unsafe or "it may change what the program computes"
        return f"its fix is unsafe ({why})", "leave --safe-fixes out: what is proved runs in copies"
    return None


def _suspect(number: int, finding: Finding, result: ScanResult, refused: _Refusal | None) -> Suspect:
    why, remedy = refused or (None, None)
    return Suspect(number, finding_document(finding), (result.excerpt(finding) or "").strip(), why, remedy)


def _treatment(name: str, numbers: Sequence[int], made: Sequence[Change], root: Path) -> Treatment:
    below = tuple(shown_path(change.path.resolve().relative_to(root)) for change in made)
    return Treatment(name, tuple(numbers), render_diff(made), below)


def _shown(path: Path) -> Path:
    """A path as it is seen from here, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _place(problem: Problem) -> str:
    return shown_path(problem.path) + ("" if problem.line is None else f":{problem.line}")


# -- what runs -------------------------------------------------------------------------------------------------------


def variants(
    proof: Proof, layout: Layout, token: str, script: Path, arguments: Sequence[str], env: Mapping[str, str]
) -> tuple[Variant, ...]:
    """The original, which is the reference, and every fixed variant, each in its own copy.

    Modules that Python would take from the project wherever it runs (an editable install, an absolute PYTHONPATH) are
    taken from the copy: its PYTHONPATH says so.
    """
    names = [ORIGINAL, *(treatment.name for treatment in proof.treatments)]
    command = (proof.python, layout.word(script), *arguments_from(layout, arguments))
    words = search_words(env)
    ours = own_folders(layout.here, proof.python, env)
    named = {layout.here / word for word in words}
    inside = [folder for folder in ours if folder.is_relative_to(layout.root) and folder not in named]

    def search(place: Path) -> dict[str, str]:
        """PYTHONPATH in its own order, then what else leads into the project. An empty entry leads into the copy."""
        mine = [
            str(layout.copied(place, layout.here / word))
            if word and (layout.here / word).is_relative_to(layout.root)
            else word
            for word in words
        ]
        path = os.pathsep.join([*mine, *(str(layout.copied(place, folder)) for folder in inside)])
        return {"PYTHONPATH": path} if path != env.get("PYTHONPATH", "") else {}

    return tuple(
        Variant(name, command, search(place), folder=str(layout.folder(place)))
        for name, place in zip(names, places(layout.store, token, len(names)), strict=True)
    )


def arguments_from(layout: Layout, arguments: Sequence[str]) -> list[str]:
    """The arguments, with relative paths that lead out of what is copied made absolute: they would lead elsewhere."""
    return [_reaching(layout, word) for word in arguments]


def _reaching(layout: Layout, word: str) -> str:
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if not value.startswith(".."):
        return word
    goal = Path(os.path.normpath(layout.here / value))
    top = layout.root if layout.inside == "." else layout.here
    return word if goal.is_relative_to(top) else f"{name}{equals}{goal}"


def refuse_what_runs_the_original(
    proof: Proof, layout: Layout, made: Sequence[Variant], env: Mapping[str, str]
) -> None:
    """Raises UsageError when a copy would import a file of the original in the place of its fixed one."""
    for variant, treatment in zip(made[1:], proof.treatments, strict=True):
        environment = {**env, **variant.env}
        interpreter = find_interpreter(variant.command, environment)
        known = interpreter if isinstance(interpreter, Interpreter) else None
        source = find_inputs(variant.command, environment, known, Path(variant.folder or ".")).source
        for name in treatment.changed:
            if layout.root / name in source:
                raise UsageError(
                    f"the copies would import {layout.root / name} itself, so that its fix would have no part in them",
                    "uninstall the project while it is proved (pip uninstall), or widen the copy: --root DIR",
                )


def never_imported(
    proof: Proof, made: Sequence[Variant], store: Path, env: Mapping[str, str]
) -> dict[str, list[str]] | None:
    """By variant, the fixed files that no run of it imported: their fix had no part in what was measured.

    Told by the bytecode that Python leaves beside a module; None where it was told to leave none. The script itself
    always runs.
    """
    if env.get("PYTHONDONTWRITEBYTECODE") or env.get("PYTHONPYCACHEPREFIX"):
        return None
    found: dict[str, list[str]] = {}
    for variant, treatment in zip(made[1:], proof.treatments, strict=True):
        top = place_of(Path(variant.folder or "."), store) / proof.inside
        script = Path(os.path.normpath(Path(variant.folder or ".") / variant.command[1]))
        modules = [(name, Path(os.path.normpath(top / name))) for name in treatment.changed]
        found[variant.name] = [name for name, module in modules if module != script and not was_imported(module)]
    return found
