"""Library paths in scripts, images, containers and configuration."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Severity
from wattleak.smells.library_path_mismatch.claims import (
    CPU_BUILDS,
    VARIABLES,
    Claim,
    Role,
    in_path,
    of_image,
    pins,
)
from wattleak.smells.library_path_mismatch.conflicts import conflicts
from wattleak.smells.library_path_mismatch.place import Place
from wattleak.source.variables.dockerfile import instructions
from wattleak.source.variables.reading import Kind
from wattleak.source.variables.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.variables.assignment import Assignment
    from wattleak.source.variables.reading import VariableFile

_SYSTEM_CUDA = re.compile(r"/usr/local/cuda(?:-[\d.]+)?/(?:lib64|lib|targets/[\w-]+/lib)\b")
_WHEELS = re.compile(
    r"\bpip3?\s+install\b[^\n;&|]*(?:\btorch(?![\w-])|\btensorflow\[and-cuda\]|\bjax\[cuda\d+(?:_pip)?\]|\bnvidia-\w+-cu\d+)"
)
_ALL = "this file"


def places(file: VariableFile) -> Iterator[Place]:
    """Yield every place of a file that leads to the wrong libraries."""
    if not any(
        word in file.text
        for word in ("cuda", "CUDA", "LD_LIBRARY_PATH", "+cu", "-cu1", "/whl/", "+cpu", "tensorflow-cpu")
    ):
        return
    made = [one for one in file.assignments if one.name in VARIABLES and not one.is_conditional]
    scopes: dict[str, list[Claim]] = {}
    for assignment in made:
        scopes.setdefault(_scope(file, assignment), []).extend(_of_assignment(assignment))
    for scope, claim in _others(file):
        scopes.setdefault(scope, []).append(claim)
    told: set[tuple[int, int]] = set()
    for claims in scopes.values():
        installed = [claim for claim in claims if not _is_installed(file, claim)]
        for conflict in conflicts(installed):
            told.add(conflict.at.span[:2])
            yield Place(conflict.at.span, conflict.message, conflict.severity, conflict.confidence)
    yield from _before_the_wheels(file, [one for one in made if one.span[:2] not in told])
    yield from _cpu_builds(file)


def _scope(file: VariableFile, made: Assignment) -> str:
    """Return what holds together: a stage of an image, a service, a container; a script as a whole, or one command."""
    if made.command is not None and file.kind is Kind.SHELL:
        return made.command
    return _ALL if file.kind in {Kind.SHELL, Kind.DOTENV, Kind.NOTEBOOK} else made.scope


def _of_assignment(made: Assignment) -> Iterator[Claim]:
    # What is put in for $CUDA_HOME is known where the same file sets it.
    text = made.value if made.value is not None else made.written
    for version in in_path(text)[: 2 if made.name == "LD_LIBRARY_PATH" else 1]:
        yield Claim(made.name, VARIABLES[made.name], version, made.span, made.written)


def _others(file: VariableFile) -> Iterator[tuple[str, Claim]]:
    """Yield what a file says of versions besides its variables, by scope."""
    match file.kind:
        case Kind.DOCKERFILE:
            yield from _of_dockerfile(file)
        case Kind.SHELL:
            yield from ((_ALL, claim) for claim in _of_commands(file, 0, len(file.text)))
        case Kind.YAML | Kind.JSON:
            yield from _of_containers(file)
        case _:
            pass


def _of_dockerfile(file: VariableFile) -> Iterator[tuple[str, Claim]]:
    stage = "the image"
    for instruction in instructions(file):
        text = file.text[instruction.start : instruction.end]
        if instruction.name == "FROM":
            named = re.search(r"\sas\s+(\S+)", text, re.IGNORECASE)
            stage = f"stage {named[1]}" if named else "the image"
            image = re.search(r"[^\s-]\S*", text)
            version = of_image(image.group()) if image and "$" not in image.group() else None
            if image and version:
                start = instruction.start + image.start()
                span = file.between(start, start + len(image.group()))
                yield stage, Claim("the image", Role.IMAGE, version, span, image.group())
        elif instruction.name == "RUN":
            for claim in _of_commands(file, instruction.start, instruction.end):
                yield stage, claim


def _of_commands(file: VariableFile, start: int, end: int) -> Iterator[Claim]:
    """Yield the pins in shell commands. Where they differ under conditions, one of them is chosen."""
    text = re.sub(r"[^\n\r]", " ", file.text[:start]) + file.text[start:end]
    if not any(word in text for word in ("cu1", "cuda", "/whl/", "nvidia-")):
        return
    found = [
        Claim(name, Role.PIN, version, file.between(word.start + first, word.start + last), word.raw[first:last])
        for word in words(text)
        for name, version, first, last in pins(word.raw)
    ]
    differ = any(one.version.differs(other.version) for one, other in itertools.combinations(found, 2))
    if not (differ and re.search(r"\b(?:if|case|elif)\b", text)):
        yield from found


def _of_containers(file: VariableFile) -> Iterator[tuple[str, Claim]]:
    """Yield the images of services and containers."""
    names = {entry.path[:-1]: entry.value for entry in file.entries if entry.path[-1:] == ("name",)}
    for entry in file.entries:
        version = of_image(entry.value) if entry.path[-1:] == ("image",) and "$" not in entry.value else None
        if version is None:
            continue
        claim = Claim("the image", Role.IMAGE, version, entry.span, entry.value)
        if len(entry.path) == 3 and entry.path[0] == "services":
            yield f"service {entry.path[1]}", claim
        elif entry.path[:-1] in names:
            yield f"container {names[entry.path[:-1]]}", claim


def _is_installed(file: VariableFile, claim: Claim) -> bool:
    """Tell whether the file itself installs that toolkit beside the one of the image."""
    if claim.role not in {Role.LIBRARIES, Role.TOOLKIT, Role.PROGRAMS} or claim.version.minor is None:
        return False
    major, minor = claim.version
    names = (f"cuda-{major}-{minor}", f"cuda-toolkit-{major}-{minor}", f"cuda_{major}.{minor}", f"cuda:{major}.{minor}")
    return any(name in file.text for name in names if name not in claim.written) and "FROM" in file.text


def _before_the_wheels(file: VariableFile, made: list[Assignment]) -> Iterator[Place]:
    """Yield a path that puts the CUDA of the system before the libraries that wheels bring."""
    if not _WHEELS.search(file.text) or "conda install" in file.text:
        return
    pinned = {version for _, version, _, _ in pins(file.text)}
    for assignment in made:
        text = assignment.value or assignment.written
        if assignment.name == "LD_LIBRARY_PATH" and _SYSTEM_CUDA.search(text) and pinned.isdisjoint(in_path(text)):
            message = (
                "LD_LIBRARY_PATH puts the CUDA of the system before the libraries that the wheels bring: what has the "
                "same name in both is loaded from the system"
            )
            yield Place(assignment.span, message, Severity.INFO, Confidence.MEDIUM)


def _cpu_builds(file: VariableFile) -> Iterator[Place]:
    """Yield a build for the CPU on an image of CUDA: the program runs, without the GPU."""
    if file.kind is not Kind.DOCKERFILE:
        return
    version = None
    for instruction in instructions(file):
        text = file.text[instruction.start : instruction.end]
        if instruction.name == "FROM":
            image = re.search(r"[^\s-]\S*", text)
            version = of_image(image.group()) if image else None
        elif instruction.name == "RUN" and version is not None:
            blank = re.sub(r"[^\n\r]", " ", file.text[: instruction.start])
            for word in words(blank + text):
                found = CPU_BUILDS.search(word.raw)
                if found:
                    span = file.between(word.start + found.start(), word.start + found.end())
                    message = f"{found.group()} computes on the CPU only, and the image is that of CUDA {version}"
                    yield Place(span, message, Severity.WARNING, Confidence.MEDIUM)
