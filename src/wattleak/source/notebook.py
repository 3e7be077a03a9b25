"""Jupyter notebooks: the code cells as one module, and the way back from its lines to cell and line.

Every line of a cell is one line of the module, so that a place in one is a place in the other. What IPython adds to
Python is not Python: `%matplotlib inline`, `!pip install` and `?help` become statements that do nothing, and a cell
that is in another language (`%%bash`), or that does not parse, is left out. A cell that does not parse is told, and
hides what names stood for before it, as nobody knows what it does to them.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.source import json_text
from wattleak.source.lined import LINE_END, Lined, Span
from wattleak.source.module import Problem

if TYPE_CHECKING:
    from pathlib import Path

_PYTHON_CELLS = frozenset({"time", "timeit", "capture", "prun", "python", "python3", "memit", "mprun", "lprun"})
"""Cell magics whose body is Python. The body of any other is text of another kind: bash, html, a file to write."""

_PYTHON_LINES = ("time", "prun")
"""Line magics whose argument is a Python statement that runs once."""

_SHELL_CELLS = frozenset({"bash", "sh", "script"})
_MAGIC = re.compile(r"(?P<indent>\s*)(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_TAKEN = re.compile(r"(?P<head>\s*[\w\s,.\[\]'\"()*]+=\s*)(?P<magic>[%!].*)")
_TIMED = re.compile(rf"(?P<indent>\s*)%(?:{'|'.join(_PYTHON_LINES)})\s+(?=[^-\s])")
_STEP = re.compile(
    r"""(?P<comment>\#.*) | (?P<triple>\"{3}|'{3}) | (?P<string>"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)
    | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_HIDDEN = "from __cell_that_does_not_parse__ import *"


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell. `number` counts all cells of the notebook from 1, as the reader sees them."""

    number: int
    first: int  # its first line in the module
    source: str  # as written, magics included
    start: int  # of its source in the text of the notebook
    end: int

    @property
    def last(self) -> int:
        return self.first + len(LINE_END.split(self.source)) - 1


@dataclass(frozen=True)
class Notebook(Lined):
    """The text of a notebook, and its code cells in order."""

    path: Path
    text: str
    cells: tuple[Cell, ...]

    def cell_at(self, line: int) -> Cell:
        """Return the cell that holds a line of the module."""
        return next((cell for cell in self.cells if line <= cell.last), self.cells[-1])

    def line(self, number: int) -> str:
        """Return a line of the module as the notebook has it: with its magics."""
        cell = self.cell_at(number)
        return LINE_END.split(cell.source)[number - cell.first]

    def within(self, span: Span) -> tuple[int, Span] | None:
        """Return cell number and place in the cell of a place in the module; None: it crosses cells."""
        cell = self.cell_at(span.line)
        if self.cell_at(span.end_line) is not cell:
            return None
        above = cell.first - 1
        return cell.number, Span(span.line - above, span.column, span.end_line - above, span.end_column)

    def rewritten(self, sources: dict[int, str]) -> str:
        """Return the text of the notebook with the sources of some cells replaced, everything else byte for byte."""
        pieces, position = [], 0
        for cell in self.cells:
            if sources.get(cell.number, cell.source) == cell.source:
                continue
            pieces += [self.text[position : cell.start], self._written(cell, sources[cell.number])]
            position = cell.end
        return "".join((*pieces, self.text[position:]))

    def _written(self, cell: Cell, source: str) -> str:
        """Return a source as this notebook writes them: one string, or a list of lines, in its own indentation."""
        old = self.text[cell.start : cell.end]
        # The way in which the file escapes is that of what stands there already.
        ascii_only = old.isascii() and not (cell.source.isascii() and not self.text.isascii())
        if not old.startswith("["):
            return json.dumps(source, ensure_ascii=ascii_only)
        places = list(json_text.elements(self.text, cell.start))
        lead = self.text[cell.start + 1 : places[0][0]]
        tail = self.text[places[-1][1] : cell.end - 1]
        between = self.text[places[0][1] : places[1][0]] if len(places) > 1 else "," + (lead or " ")
        lines = [json.dumps(line, ensure_ascii=ascii_only) for line in source.splitlines(keepends=True)]
        return f"[{lead}{between.join(lines)}{tail}]"


@dataclass(frozen=True, slots=True)
class Code:
    """What there is to read in a notebook."""

    notebook: Notebook
    python: str
    shell: str  # the same lines, but only those that a shell or `%env` gets; all others are empty
    problems: tuple[Problem, ...]


def code_of(text: str, path: Path) -> Code | Problem:
    """Read a notebook of format 3 or 4. Its metadata and outputs are not looked at, except for its language."""
    try:
        document, _ = json_text.decoded(text, json_text.first(text))
        language = _language(document)
        if language is not None and language.lower() not in {"python", "python3", "ipython", "python2"}:
            return Problem(path, f"is a notebook in {language[:40]}, not in Python")
        places = _sources(text, document)
    except json.JSONDecodeError as error:
        return Problem(path, f"is not a notebook: {error.msg}", error.lineno)
    except RecursionError:
        return Problem(path, "is nested too deeply to be parsed")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Problem(path, "is not a notebook: it holds no cells in format 3 or 4")
    python: list[str] = []
    shell: list[str] = []
    cells: list[Cell] = []
    problems: list[Problem] = []
    for number, source, start, end in places:
        cells.append(Cell(number, len(python) + 1, source, start, end))
        lines, shell_lines, problem = _read_cell(source)
        python += lines
        shell += shell_lines
        if problem:
            problems.append(Problem(path, f"this cell does not parse: {problem[0]}", problem[1], number))
    return Code(Notebook(path, text, tuple(cells)), "\n".join(python), "\n".join(shell), tuple(problems))


def _language(document: object) -> str | None:
    metadata = document.get("metadata", {}) if isinstance(document, dict) else {}
    for block, key in (("kernelspec", "language"), ("language_info", "name")):
        found = metadata.get(block, {}).get(key) if isinstance(metadata.get(block), dict) else None
        if isinstance(found, str):
            return found
    return None


def _sources(text: str, document: object) -> list[tuple[int, str, int, int]]:
    """Return number, source and the place of the source of every code cell."""
    if not isinstance(document, dict):
        raise TypeError
    if not isinstance(document.get("cells", []), list):
        raise TypeError
    top = {key: start for key, start, _ in json_text.members(text, json_text.first(text))}
    if "cells" in top:
        starts = [start for start, _ in json_text.elements(text, top["cells"])]
        cells, name = document["cells"], "source"
    else:  # format 3
        sheets = [start for start, _ in json_text.elements(text, top["worksheets"])]
        inside = {key: start for key, start, _ in json_text.members(text, sheets[0])}
        starts = [start for start, _ in json_text.elements(text, inside["cells"])]
        cells, name = document["worksheets"][0]["cells"], "input"
    found = []
    for number, (cell, start) in enumerate(zip(cells, starts, strict=True), 1):
        if cell.get("cell_type") != "code" or not cell.get(name):
            continue
        source = cell[name] if isinstance(cell[name], str) else "".join(cell[name])
        place = next((begin, end) for key, begin, end in json_text.members(text, start) if key == name)
        found.append((number, source, *place))
    return found


def _read_cell(source: str) -> tuple[list[str], list[str], tuple[str, int | None] | None]:
    """Return the lines of a cell as Python, its lines for a shell, and what is wrong with it, at which line."""
    lines = LINE_END.split(source)
    empty = [""] * len(lines)
    top = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[top].startswith("%%"):
        magic = (lines[top][2:].split() or [""])[0]
        if magic not in _PYTHON_CELLS:
            return empty, [*[""] * (top + 1), *lines[top + 1 :]] if magic in _SHELL_CELLS else empty, None
        lines[top] = "#" + lines[top][1:]
    if _error(lines) is None:
        return lines, empty, None
    python, shell = _without_magics(lines)
    error = _error(python)
    if error is None:
        return python, shell, None
    message = " ".join(str(error.msg).split())[:200] if isinstance(error, SyntaxError) else "it is nested too deeply"
    line = error.lineno if isinstance(error, SyntaxError) and error.lineno else None
    return [_HIDDEN, *empty[1:]], empty, (message, line)


def _error(lines: list[str]) -> Exception | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the scanned code belong to whoever runs it
            ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error
    return None


def _without_magics(lines: list[str]) -> tuple[list[str], list[str]]:
    python: list[str] = []
    shell: list[str] = []
    quote, depth, continued, magic = "", 0, False, False
    for line in lines:
        starts = not quote and depth == 0 and not continued
        if magic or (starts and _MAGIC.match(line)):
            shell.append(line)
            python.append(_statement(line) if not magic else "")
            magic = line.endswith("\\")
            continue
        taken = _TAKEN.fullmatch(line) if starts else None
        if taken and _error([f"{taken['head'].strip()} 0"]) is None:
            # `files = !ls`: what it gives is known to nobody.
            line = f"{taken['head']}get_ipython()"  # noqa: PLW2901
        python.append(line)
        shell.append("")
        quote, depth = _state(line, quote, depth)
        continued = not quote and line.endswith("\\")
    return python, shell


def _statement(line: str) -> str:
    """Return Python that stands for a line of IPython, with what is Python in it in the same columns."""
    timed = _TIMED.match(line)
    if timed:
        plain = f"{timed['indent']}if 1:".ljust(timed.end()) + line[timed.end() :]
        if _error([plain.strip()]) is None:
            return plain
    return f"{line[: len(line) - len(line.lstrip())]}pass"


def _state(line: str, quote: str, depth: int) -> tuple[str, int]:
    """Return the triple quote and the depth of brackets that are open after `line`."""
    position = 0
    while position < len(line):
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return quote, depth
            position, quote = end + 3, ""
            continue
        step = _STEP.match(line, position)
        if step is None:  # cannot be: the last alternative takes anything
            break
        quote = step["triple"] or ""
        depth = max(0, depth + bool(step["open"]) - bool(step["close"]))
        position = step.end()
    return quote, depth
