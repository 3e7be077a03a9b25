"""The places of a program that set an environment variable of this process."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source import flow
from wattleak.source.names import dotted_name
from wattleak.source.values import texts
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.source.module import Module

_CHILDREN = re.compile(
    r"\bsubprocess\b|\bPopen\b|\bos\.(?:system|popen|exec\w+|spawn\w+|posix_spawn\w*)\b|\bmultiprocessing\b|"
    r"\bProcessPoolExecutor\b|\bray\.|\bjoblib\b|\bloky\b|\bpexpect\b|\bcreate_subprocess|\bsetuptools\b|\bdistutils\b|"
    r"\bcpp_extension\b|\bdask\b|\bmpi4py\b|\bnotebook_launcher\b|\bstart_processes\b|\bmp\.spawn\b|\bplumbum\b|\bexecv|"
    r"\bplaywright\b|\bselenium\b|\bPyQt|\bPySide|\bQProcess\b|\bgi\.repository\b"
)
"""Signs of a program that starts others: these get the variables that it sets."""
_NOTEBOOK_CHILD = re.compile(r"^\s*(?:!|%%(?:bash|sh|script)|%(?:run|sx|system)\b)|^[^#\n]*=\s*!", re.MULTILINE)


class Write(NamedTuple):
    """`name` gets `value`; `node` is the statement or call that does it."""

    name: str
    value: ast.expr
    node: ast.stmt | ast.expr


def writes(module: Module, names: Iterable[str]) -> Iterator[Write]:
    """Yield every place that sets one of the variables `names` in os.environ, in the order of the text."""
    wanted = frozenset(names)
    if not any(name in module.text for name in wanted):
        return
    found = [write for node in walk(module.tree) for write in _of(module, node) if write.name in wanted]
    reached = (write for write in found if not flow.runs_never(module, write.node))
    yield from sorted(reached, key=lambda write: (write.node.lineno, write.node.col_offset))


def starts_others(module: Module) -> bool:
    """Tell whether the program shows signs of starting others, which get its variables."""
    if _CHILDREN.search(module.text):
        return True
    cells = module.notebook.cells if module.notebook is not None else ()
    return any(_NOTEBOOK_CHILD.search(cell.source) for cell in cells)


def is_conditional(module: Module, node: ast.AST) -> bool:
    """Tell whether `node` stands under a condition other than that the file is the program."""
    return any(not _is_main_guard(test) for test in flow.conditions(module, node))


def _is_main_guard(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in walk(test))


def _of(module: Module, node: ast.AST) -> Iterator[Write]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _of_target(module, target, value, node)
        case ast.AugAssign(target=ast.Subscript() as target, value=value):
            yield from _of_target(module, target, value, node)
        case ast.AugAssign(target=ast.Attribute(attr="environ") | ast.Name() as target, op=ast.BitOr(), value=value):
            owner = target.value if isinstance(target, ast.Attribute) else target
            if dotted_name(module, owner) in {"os", "os.environ"}:
                yield from _of_mapping(module, value, node)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            match dotted_name(module, function), arguments:
                case ("os.environ.setdefault" | "os.environ.__setitem__" | "os.putenv", [key, value]):
                    yield from (Write(name, value, node) for name in texts(module, key))
                case "os.environ.update", _:
                    for argument in arguments:
                        yield from _of_mapping(module, argument, node)
                    yield from (Write(item.arg, item.value, node) for item in keywords if item.arg)
                case _:
                    pass
        case _:
            pass


def _of_target(module: Module, target: ast.expr, value: ast.expr, node: ast.stmt) -> Iterator[Write]:
    if isinstance(target, ast.Subscript) and dotted_name(module, target.value) == "os.environ":
        yield from (Write(name, value, node) for name in texts(module, target.slice))


def _of_mapping(module: Module, mapping: ast.expr, node: ast.stmt | ast.expr) -> Iterator[Write]:
    match mapping:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None:
                    yield from (Write(name, value, node) for name in texts(module, key))
        case ast.Call(func=function, args=[], keywords=keywords) if dotted_name(module, function) == "builtins.dict":
            yield from (Write(item.arg, item.value, node) for item in keywords if item.arg)
        case _:
            pass
