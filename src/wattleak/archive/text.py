"""Getting at the text of a file, or saying in one line why that cannot be done."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LARGEST_B = 512 * 2**20


def read_text(path: Path) -> str:
    """The file as text (UTF-8 or, with its mark, UTF-16).

    Raises:
        UsageError: there is no such file, it is empty, too large, or no text.
    """
    try:
        if path.stat().st_size > _LARGEST_B:
            size = f"{path.stat().st_size / 2**20:.0f} MiB"
            raise UsageError(f"{path} has {size}, more than can be read at once", "cut the log to the run in question")
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", "check the name") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check name and permissions") from error
    encoding = "utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text(path) from error
    if "\0" in text:
        raise _no_text(path)
    if not text.strip():
        raise UsageError(f"{path} is empty", "give a file with results in it")
    return text


def read_json(path: Path, text: str) -> object:
    """The document in a text. Raises UsageError where it breaks off."""
    try:
        document: object = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"{path} begins like JSON and is none{where}", "write the file again, to its end") from error
    return document


def nearest(wanted: str, there: Iterable[str]) -> str:
    """What to say when a name is not there: the names that look like it, or all of them."""
    names = list(there)
    close = difflib.get_close_matches(wanted.lower(), [name.lower() for name in names], n=3, cutoff=0.5)
    shown = [name for name in names if name.lower() in close] or names[:20]
    return ("did you mean " if close else "there are ") + ", ".join(shown)


def _no_text(path: Path) -> UsageError:
    return UsageError(f"{path} is binary, no text", "export it as CSV or JSON")
