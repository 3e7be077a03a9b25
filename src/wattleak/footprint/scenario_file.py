"""Scenario files: TOML with one table for each scenario, side by side.

    [today]
    job = "15 Wh ± 20%"
    jobs_per_day = "1M"
    region = "DE:0.6,FR:0.4"

    [moved]
    like = "today"          # takes every key that it does not have itself
    region = "SE"

Files that are shipped are known by their names without .toml.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.shipped import shipped_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE, _FOLDER = "wattleak.footprint", "data/scenarios"


def read_scenarios(name: str) -> dict[str, dict[str, Any]]:
    """The tables of a file by name, `like` resolved. `name` is a path, or a shipped file as `lhc`.

    Raises:
        UsageError: there is no such file, it is no TOML, or `like` names nothing or itself.
    """
    text = _text(name)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{name} is no TOML: {error}", "one [table] for each scenario: see docs/how-to/project.md"
        ) from error
    loose = [key for key, value in document.items() if not isinstance(value, dict)]
    if loose or not document:
        what = f"{loose[0]!r} stands in no table" if loose else "it holds no table"
        raise UsageError(f"{name}: {what}", "begin with [name] and write the keys below it")
    return {table: _resolved(name, document, table, ()) for table in document}


def shipped_names() -> list[str]:
    """Names of the scenario files that are shipped."""
    folder = files(_PACKAGE).joinpath(*_FOLDER.split("/"))
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def _text(name: str) -> str:
    path = Path(name)
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {name}: {error}", "give a TOML file in UTF-8") from error
    known = shipped_names()
    if name in known:
        return shipped_text(_PACKAGE, _FOLDER, f"{name}.toml")
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no scenario file {name!r}", f"{hint}shipped are {', '.join(known)}; or give a TOML file"
    )


def _resolved(file: str, document: Mapping[str, Any], table: str, seen: tuple[str, ...]) -> dict[str, Any]:
    own = dict(document[table])
    parent = own.pop("like", None)
    if parent is None:
        return own
    if parent not in document:
        near = get_close_matches(str(parent), document, n=2)
        raise UsageError(
            f"{file}: [{table}] is like {parent!r}, which is not there",
            f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(document)}",
        )
    if parent in seen or parent == table:
        raise UsageError(f"{file}: [{table}] is like itself", "let one of them stand alone")
    inherited = _resolved(file, document, parent, (*seen, table))
    inherited.pop("title", None)
    return merged(inherited, own)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the second before the first; of keys that exclude each other the second's stand."""
    above = {key.replace("-", "_"): value for key, value in above.items() if value is not None}
    excluded: set[str] = set()
    for group in (
        {"job", "hardware"},
        {"trainings_per_week", "trainings_per_year"},
        {"region", "intensity"},
        {"pue", "pue_at"},
        {"pue", "temperature"},
        {"scheduler", "scheduler_overhead"},
        {"scheduler", "batch_efficiency"},
    ):
        if group & above.keys():
            excluded |= group - above.keys()
    kept = {key: value for key, value in below.items() if key.replace("-", "_") not in excluded}
    return {**{key.replace("-", "_"): value for key, value in kept.items()}, **above}
