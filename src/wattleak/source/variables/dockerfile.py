"""Dockerfiles: `ENV`, and what the shell commands of an image set. An image grants no CPUs; its container does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.variables.assignment import Assignment
from wattleak.source.variables.shell import read_shell
from wattleak.source.variables.words import Word, value_word, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.lined import Lined

_INSTRUCTION = re.compile(r"[ \t]*(?P<name>[A-Za-z]+)(?P<gap>[ \t]+)")
_OLD_FORM = re.compile(r"(?P<name>\w+)[ \t]+(?P<value>[^=\s].*?)\s*$", re.DOTALL)
_HEREDOC = re.compile(r"<<-?['\"]?(?P<word>\w+)['\"]?")


class Instruction(NamedTuple):
    """`name` in capital letters; the arguments are the text from `start` to `end`."""

    name: str
    start: int
    end: int


def read_dockerfile(lined: Lined) -> Iterator[Assignment]:
    """Yield what the image sets for whatever runs in it."""
    stage = "the image"
    known: dict[str, str | None] = {}
    for instruction in instructions(lined):
        text = lined.text[instruction.start : instruction.end]
        if instruction.name == "FROM":
            named = re.search(r"\sas\s+(\S+)", text, re.IGNORECASE)
            stage, known = f"stage {named[1]}" if named else "the image", {}
        elif instruction.name == "ARG":
            known[text.partition("=")[0].strip()] = None  # whoever builds the image may give another
        elif instruction.name == "ENV":
            for made in _env(lined, instruction, stage, known):
                known[made.name] = made.value
                yield made
        elif instruction.name in {"CMD", "ENTRYPOINT"} and not text.lstrip().startswith("["):
            alone = _blank(lined.text[: instruction.start]) + text
            yield from read_shell(lined, alone, scope=stage, is_elsewhere=True)


def instructions(lined: Lined) -> Iterator[Instruction]:
    """Yield the instructions, each over all lines that a backslash at the end of a line joins."""
    number = 0
    lines = lined.lines
    while number < len(lines):
        found = _INSTRUCTION.match(lines[number])
        if found is None or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        last = number
        while last + 1 < len(lines) and (
            lines[last].rstrip().endswith("\\") or (last > number and lines[last].lstrip().startswith("#"))
        ):
            last += 1
        heredoc = _HEREDOC.search(lines[number]) if found["name"].upper() in {"RUN", "COPY", "ADD"} else None
        if heredoc:
            while last + 1 < len(lines) and lines[last].strip() != heredoc["word"]:
                last += 1
        end = lined.offset(last + 1, len(lines[last]))
        yield Instruction(found["name"].upper(), lined.offset(number + 1, found.end()), end)
        number = last + 1


def _env(lined: Lined, instruction: Instruction, stage: str, known: dict[str, str | None]) -> Iterator[Assignment]:
    text = lined.text[: instruction.end]
    body = text[instruction.start :]
    old = _OLD_FORM.match(body)
    if old and "=" not in body.split()[0]:  # ENV NAME value up to the end of the line
        start = instruction.start + old.start("value")
        literal = old["value"] if "$" not in old["value"] and "\\" not in old["value"] else None
        value = literal.strip("\"'") if literal is not None else None
        yield _assignment(lined, old["name"], value, old["value"], start, instruction.start + old.end("value"), stage)
        return
    # Comments and line ends inside the instruction join nothing to it.
    alone = _blank(text[: instruction.start]) + re.sub(
        r"(?m)^[ \t]*#.*$", lambda found: " " * len(found[0]), body
    ).replace("\n", " ").replace("\\ ", "  ")
    for word in words(alone):
        name, equals, _ = word.raw.partition("=")
        if not equals or not re.fullmatch(r"\w+", name):
            continue
        value_of = value_word(word, len(name) + 1, alone)
        yield _assignment(
            lined, name, _value(value_of, known), value_of.raw.strip("\"'"), value_of.start, value_of.end, stage
        )


def _value(word: Word, known: dict[str, str | None]) -> str | None:
    parts = [known.get(piece.name) if piece.name else piece.text for piece in word.pieces]
    return None if any(part is None for part in parts) else "".join(part or "" for part in parts)


def _assignment(
    lined: Lined, name: str, value: str | None, written: str, start: int, end: int, stage: str
) -> Assignment:
    return Assignment(name, value, written, lined.between(start, end), stage, is_elsewhere=True)


def _blank(text: str) -> str:
    """Return spaces and line ends of the shape of `text`."""
    return re.sub(r"[^\n\r]", " ", text)
