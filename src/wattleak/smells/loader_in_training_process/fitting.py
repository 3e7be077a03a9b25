"""What trains, on what, and under which conditions a loader is made for another reason than training."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.source import flow
from wattleak.source.learning import imported, importers, on_accelerator
from wattleak.source.learning.asking import resolved
from wattleak.source.referents import Function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_EXCEPTIONAL = re.compile(
    r"debug|test|smoke|dry|overfit|profil|platform|win32|windows|darwin|os\.name|\bmac", re.IGNORECASE
)


def fit_calls(module: Module) -> Iterator[ast.Call]:
    """Yield the calls of a `fit` that is not a function of the project."""
    if ".fit" not in module.text:
        return
    for call in (node for node in walk(module.tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"fit", "fit_generator"}:
            known = resolved(module, call.func)
            if known is not None and not any(isinstance(one, Function) for one in known):
                yield call


def neighbours(module: Module) -> Iterator[Module]:
    """Yield the files that a loader of `module` can reach: it, those that import it, and what all of these import."""
    seen = {id(module)}
    yield module
    for home in (module, *importers(module)):
        for other in (home, *imported(home)):
            if id(other) not in seen:
                seen.add(id(other))
                yield other


def is_exceptional(module: Module, node: ast.AST) -> bool:
    """Tell whether `node` stands under a condition that asks for a test, a dry run or an operating system."""
    return any(_EXCEPTIONAL.search(module.segment(test)) for test in flow.conditions(module, node))


def on_gpu(module: Module) -> bool:
    """Tell whether a program with TensorFlow uses an accelerator: it may have hidden those that it found."""
    return on_accelerator(module) and not _HIDES.search(module.text)


_HIDES = re.compile(r"set_visible_devices\(\s*(?:devices\s*=\s*)?\[\s*\]")
