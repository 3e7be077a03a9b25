"""From a path to a Module, or to one sentence that says why not. Nothing here raises for what a file holds."""

from __future__ import annotations

import ast
import io
import stat
import tokenize
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.source.module import Module, Problem
from wattleak.source.notebook import code_of

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE_B = 5_000_000
"""Files above this are generated or data; the largest hand-written modules are a tenth of it."""

LARGEST_NOTEBOOK_B = 50_000_000
"""Notebooks hold pictures. An assumption: above this the outputs are a data set, and the code can wait."""

NOTEBOOK_SUFFIX = ".ipynb"


def read(path: Path) -> Module | Problem:
    """Read and parse one Python file."""
    data = bytes_of(path)
    if isinstance(data, Problem):
        return data
    if path.suffix == NOTEBOOK_SUFFIX:
        found = notebook_of(path, data)
        return found if isinstance(found, Problem) else found.module
    return module_of(path, data)


def bytes_of(path: Path) -> bytes | Problem:
    """Return what a regular file of reasonable size holds."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Problem(path, "is not a regular file")
        with path.open("rb") as file:
            largest = LARGEST_NOTEBOOK_B if path.suffix == NOTEBOOK_SUFFIX else LARGEST_FILE_B
            data = file.read(largest + 1)
    except OSError as error:
        return Problem(path, f"cannot be read: {error.strerror or error}")
    if len(data) > largest:
        return Problem(path, f"is larger than {largest // 1_000_000} MB and was not read")
    return data


@dataclass(frozen=True, slots=True)
class NotebookParts:
    """A notebook that was read: its Python, what it gives to shells, and the cells that could not be read."""

    module: Module
    shell: str
    problems: tuple[Problem, ...]


def notebook_of(path: Path, data: bytes) -> NotebookParts | Problem:
    """Parse what a notebook holds. A cell that does not parse is a problem of its own; the others are read."""
    try:
        encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        return Problem(path, "is not utf-8 text", data.count(b"\n", 0, error.start) + 1)
    code = code_of(text, path)
    if isinstance(code, Problem):
        return code
    module = parse(code.python, path, encoding)
    if isinstance(module, Problem):
        return module
    return NotebookParts(replace(module, notebook=code.notebook), code.shell, code.problems)


def module_of(path: Path, data: bytes) -> Module | Problem:
    """Parse what a Python file holds."""
    zero = data.find(b"\0")
    if zero >= 0:
        return Problem(path, "is binary data, not Python source (it holds a null byte)", data.count(b"\n", 0, zero) + 1)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(path, f"is not {error.encoding} text and declares no other encoding", line)
    except (SyntaxError, LookupError, ValueError) as error:
        # detect_encoding raises SyntaxError for an unknown codec and for text that is not UTF-8; codecs that are not
        # text encodings (hex, rot13) raise LookupError; odd ones raise their own ValueError.
        line_of_error = _first_undecodable_line(data)
        if line_of_error is not None and "unknown encoding" not in str(error):
            return Problem(path, "is not utf-8 text and declares no other encoding", line_of_error)
        return Problem(path, f"has an encoding that cannot be read: {_one_line(error)}")
    return parse(text, path, encoding)


def parse(text: str, path: Path, encoding: str = "utf-8") -> Module | Problem:
    """Parse `text` as the file at `path`; a syntax that this Python cannot read is a Problem."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the scanned code belong to whoever runs it
            tree = ast.parse(text)
    except SyntaxError as error:
        message = "is nested too deeply to be parsed" if "too many nested" in str(error.msg) else f"{error.msg}"
        if message == error.msg:
            message = f"does not parse: {_one_line(error.msg)}"
        return Problem(path, message, error.lineno)
    except (RecursionError, MemoryError):
        return Problem(path, "is nested too deeply to be parsed")
    except ValueError as error:  # null bytes, lone surrogates
        return Problem(path, f"does not parse: {_one_line(error)}")
    return Module(path, text, tree, encoding)


def _first_undecodable_line(data: bytes) -> int | None:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return None


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200]
