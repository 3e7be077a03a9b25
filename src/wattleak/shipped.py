"""Files that come with wattleak: tables, templates, scripts. One that is gone or empty is told, never replaced.

A number that stood in for a missing table would look like any other. So there is none: who reads a table through here
fails with the file's name and with what brings it back.
"""

from __future__ import annotations

import os
from importlib import import_module

from wattleak.errors import OwnFailure

TABLES = (
    ("wattleak.footprint", "ember_countries.json"),
    ("wattleak.footprint", "egrid_us_states.json"),
    ("wattleak.footprint", "gcp_regions.json"),
    ("wattleak.footprint", "cloud_grids.json"),
    ("wattleak.meters", "accelerator_watts.csv"),
    ("wattleak.meters", "cpu_watts.csv"),
    ("wattleak.meters", "instance_watts.csv"),
)
"""The tables behind watts and grams, each as (package, name of the file in its folder `data`)."""

REMEDY = "install wattleak again, from where it came: pip install --force-reinstall --no-deps ADDRESS"


def shipped_bytes(package: str, folder: str, name: str) -> bytes:
    """A file `folder/name` of one of our packages. Raises OwnFailure when it is missing, unreadable or empty."""
    # The loader's own way, as pkgutil.get_data has it: importlib.resources brings zipfile and takes 8 ms to import.
    module = import_module(package)
    assert module.__file__ is not None
    assert module.__spec__ is not None
    path = os.path.join(os.path.dirname(module.__file__), folder, name)  # noqa: PTH118, PTH120 - what loaders take
    try:
        data: bytes = module.__spec__.loader.get_data(path)  # type: ignore[union-attr]
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
