"""Answers are kept with their module, unless they rest on a question that was cut short."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from wattleak.source.module import Module

Answer = TypeVar("Answer")
Rest = ParamSpec("Rest")


def of_module(question: Callable[[Module], Answer]) -> Callable[[Module], Answer]:
    """Ask a question about a whole module once."""

    @functools.wraps(question)
    def asked(module: Module) -> Answer:
        kept: dict[object, Answer] = module.__dict__.setdefault("_learning", {})
        key = question.__qualname__
        if key not in kept:
            cuts = module.home.cuts
            answer = question(module)
            if module.home.cuts != cuts and (module.home.busy or module.home.steps is not None):
                return answer
            kept[key] = answer
        return kept[key]

    return asked


def of_node(question: Callable[[Module, ast.AST], Answer]) -> Callable[[Module, ast.AST], Answer]:
    """Ask a question about a node once."""

    @functools.wraps(question)
    def asked(module: Module, node: ast.AST) -> Answer:
        kept: dict[object, Answer] = module.__dict__.setdefault("_learning", {})
        key = (question.__qualname__, node)
        if key not in kept:
            cuts = module.home.cuts
            answer = question(module, node)
            if module.home.cuts != cuts and (module.home.busy or module.home.steps is not None):
                return answer
            kept[key] = answer
        return kept[key]

    return asked
