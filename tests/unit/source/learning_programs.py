"""Small training programs for the tests of `wattleak.source.learning`, and how to point at a place in them."""

from __future__ import annotations

import ast
import textwrap
from typing import TYPE_CHECKING

from wattleak.source.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.source.module import Module


def read(folder: Path, main: str, **files: str) -> Module:
    """Write `main` as main.py and the others beside it (`train__steps` is train/steps.py); return main.py."""
    named = {"main.py": main, **{name.replace("__", "/", 1) + ".py": code for name, code in files.items()}}
    for name, code in named.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code), encoding="utf-8")
    (folder / "pyproject.toml").touch()
    found = Project(sorted(folder.rglob("*.py"))).module_at(folder / "main.py")
    assert found is not None
    return found


def asked(module: Module) -> ast.expr:
    """Return the expression in ASK(...)."""
    (found,) = (
        node.args[0]
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ASK"
    )
    return found


def loop_at(module: Module, mark: str) -> ast.For | ast.While:
    """Return the loop whose line ends with the comment `# mark`."""
    (found,) = (
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.For | ast.While) and module.lines[node.lineno - 1].rstrip().endswith(f"# {mark}")
    )
    return found


def marks(module: Module, loops: list[ast.For | ast.AsyncFor | ast.While]) -> list[str]:
    """Return the comments on the lines of loops."""
    return [module.lines[loop.lineno - 1].partition("#")[2].strip() or f"line {loop.lineno}" for loop in loops]


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x)
"""
