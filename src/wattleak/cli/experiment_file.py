"""An experiment written down in a TOML file: all that the options of `compare` say, to be kept beside the code.

    title = "how large a batch?"
    command = "python train.py --batch {batch} --threads {threads}"
    blocks = 12
    quality = "accuracy:max:0.005"

    [factors]
    batch = [32, 64, 128]
    threads = [1, 2]

    [[exclude]]
    batch = 128
    threads = 1

or, without factors, one table for each variant:

    [[variant]]
    name = "good"
    command = "python train.py"
    env = { OMP_NUM_THREADS = "2" }

Keys are the options with their dashes (or underscores). What the command line says comes before the file.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

_TABLES = ("factors", "exclude", "variant", "reference", "env", "command")
_NOT_IN_A_FILE = {"file", "resume", "add_session", "json", "quiet", "color", "verb", "traceback", "commands", "dry_run"}


def apply_file(args: Namespace) -> None:
    """Fill in what the command line left open from the file that `--file` names. Raises UsageError."""
    if args.file is None:
        return
    content = _read(args.file)
    options = {name for name in vars(args) if name not in _NOT_IN_A_FILE}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name in _TABLES:
            continue
        if name not in options:
            known = sorted((options | set(_TABLES)) - {"factor"})
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0].replace('_', '-')}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"{args.file}: unknown key {key!r}", hint)
        if not getattr(args, name):  # None, False or an empty list: not said on the command line
            setattr(args, name, value)
    if args.commands or args.variant:
        return  # other programs were named: those of the file are not meant
    args.factor = args.factor or [
        f"{name}={','.join(map(str, levels))}" for name, levels in _table(args.file, content, "factors").items()
    ]
    args.exclude = args.exclude or [_joined(table) for table in _tables(args.file, content, "exclude")]
    reference = _table(args.file, content, "reference")
    args.reference = args.reference or (_joined(reference) if reference else None)
    command = content.get("command")
    if command is not None:
        args.commands = [command] if isinstance(command, str) else [str(word) for word in command]
    args.env = [*args.env, *(f"*:{name}={value}" for name, value in _table(args.file, content, "env").items())]
    for table in _tables(args.file, content, "variant"):
        unknown = set(table) - {"name", "command", "env"}
        if unknown or not {"name", "command"} <= set(table):
            raise UsageError(
                f"{args.file}: a [[variant]] has {', '.join(sorted(unknown)) or 'no name or no command'}",
                "its keys are name, command and env",
            )
        args.variant.append(f"{table['name']}={table['command']}")
        args.env += [f"{table['name']}:{name}={value}" for name, value in table.get("env", {}).items()]


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the path of --file") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise UsageError(f"{path} is not TOML: {error}", "see the example in wattleak compare --help") from error


def _table(path: str, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} must be a table", f"write [{name}] and its keys below it")
    if name == "factors" and not all(isinstance(levels, list) for levels in table.values()):
        raise UsageError(f"{path}: the levels of a factor must be a list", "write batch = [32, 64]")
    return table


def _tables(path: str, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = content.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: {name} must be written as [[{name}]]", f"one [[{name}]] for each")
    return tables


def _joined(table: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in table.items())
