"""The edit that sets a library path in a program, where the published study set it: before the import."""

from __future__ import annotations

import ast

from wattleak.model import Edit
from wattleak.smells.library_path_mismatch.programs import LOADING, PATH
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse
from wattleak.source.scopes import Kind

FOLDERS = "/opt/cuda-libs/lib64:/opt/cudnn/lib64:"  # that hold no library


def injected(module: Module) -> Edit | None:
    """Return the edit that sets LD_LIBRARY_PATH before the first import of a framework; None: there is none."""
    statement = next((one for one in module.tree.body if _imports_framework(one)), None)
    if statement is None:
        return None
    name = _os_before(module, statement.lineno)
    if name is None and "os" in module.scopes.module.bindings:
        taken = module.scopes.module.bindings["os"]
        if any(binding.kind is not Kind.IMPORT or binding.target != "os" for binding in taken):
            return None
    own = name or "os"
    value = f'"{FOLDERS}" + {own}.environ.get("{PATH}", "")'
    lines = [*([] if name else ["import os", ""]), f'{own}.environ["{PATH}"] = {value}', ""]
    column = module.span(statement).column
    if column:
        return None  # it shares its line with another statement
    text = "".join(line + module.newline for line in lines)
    edit = Edit(statement.lineno, 0, statement.lineno, 0, text)
    return edit if isinstance(parse(apply(module, (edit,)), module.path), Module) else None


def _imports_framework(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import(names=names):
            return any(alias.name.partition(".")[0] in LOADING for alias in names)
        case ast.ImportFrom(module=str(home), level=0):
            return home.partition(".")[0] in LOADING
        case _:
            return False


def _os_before(module: Module, line: int) -> str | None:
    """Return the name under which the module `os` is known at a line of the module."""
    for name, found in module.scopes.module.bindings.items():
        plain = all(binding.kind is Kind.IMPORT and binding.target == "os" for binding in found)
        if plain and any(getattr(binding.node, "lineno", line) < line for binding in found):
            return name
    return None
