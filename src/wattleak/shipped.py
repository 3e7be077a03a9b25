"""Files that come with wattleak: tables, templates, scripts. One that is gone or empty is told, never replaced.

A number that stood in for a missing table would look like any other. So there is none: who reads a table through here
fails with the file's name and with what brings it back.
"""

from __future__ import annotations

from importlib.resources import files

from wattleak.errors import OwnFailure

REMEDY = "pip install --force-reinstall --no-deps wattleak"


def shipped_bytes(package: str, folder: str, name: str) -> bytes:
    """A file `folder/name` of one of our packages. Raises OwnFailure when it is missing, unreadable or empty."""
    try:
        data = (files(package) / folder / name).read_bytes()
    except OSError as error:
        raise broken(name, error.strerror or str(error)) from error
    if not data.strip():
        raise broken(name, "it is empty")
    return data


def shipped_text(package: str, folder: str, name: str) -> str:
    """The same as text (UTF-8)."""
    try:
        return shipped_bytes(package, folder, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(name, "it is damaged") from error


def broken(name: str, why: str) -> OwnFailure:
    """What to raise for a file of ours that cannot be used."""
    return OwnFailure(f"{name}, which comes with wattleak, cannot be used: {why}", REMEDY)
