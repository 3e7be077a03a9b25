"""The edits that turn gradients off around an evaluation, or on again."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.source.scopes import Kind
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_INDENT = "    "


def torch_at(module: Module) -> tuple[str, tuple[Edit, ...]] | None:
    """Return the name of torch in a module, and the edit that imports it where it has none yet."""
    bindings = module.scopes.module.bindings
    for name, found in bindings.items():
        if len(found) == 1 and found[0].kind is Kind.IMPORT and found[0].target == "torch":
            return name, ()
    if "torch" in bindings and any(each.target != "torch" for each in bindings["torch"]):
        return None
    if "torch" in bindings:
        return "torch", ()
    for statement in module.tree.body:
        if _imports_torch(statement):
            line, column = statement.lineno, module.span(statement).column
            return "torch", (Edit(line, column, line, column, f"import torch{module.newline}"),)
    return None


def _imports_torch(statement: ast.stmt) -> bool:
    match statement:
        case ast.ImportFrom(module=str(origin), level=0):
            return origin.partition(".")[0] == "torch"
        case ast.Import(names=names):
            return any(alias.name.partition(".")[0] == "torch" for alias in names)
        case _:
            return False


def decorate(module: Module, function: ast.FunctionDef, decorator: str) -> tuple[Edit, ...] | None:
    """Return the edit that puts a decorator right above `def`, below those that are there."""
    indent = _indent_of(module, function.lineno)
    if module.lines[function.lineno - 1][len(indent) :].split(maxsplit=1)[:1] != ["def"]:
        return None
    return (Edit(function.lineno, 0, function.lineno, 0, f"{indent}@{decorator}{module.newline}"),)


def wrap(module: Module, statements: list[ast.stmt], context: str) -> tuple[Edit, ...] | None:
    """Return the edits that put statements of one block into a `with` block; None: they cannot be indented."""
    first, last = statements[0], statements[-1]
    indent = _indent_of(module, first.lineno)
    if any(_holds_long_text(each) or not _has_its_lines(module, each) for each in statements):
        return None
    step = "\t" if indent.endswith("\t") else _INDENT
    edits = [Edit(first.lineno, 0, first.lineno, 0, f"{indent}with {context}:{module.newline}{step}")]
    edits += [
        Edit(line, 0, line, 0, step)
        for line in range(first.lineno + 1, (last.end_lineno or last.lineno) + 1)
        if module.lines[line - 1].strip()
    ]
    return tuple(edits)


def unwrap(module: Module, block: ast.With) -> tuple[Edit, ...] | None:
    """Return the edits that take away a `with` line and bring its body to its place; None: it cannot be moved."""
    indent = _indent_of(module, block.lineno)
    inner = _indent_of(module, block.body[0].lineno)
    if not inner.startswith(indent) or len(inner) == len(indent):
        return None
    if any(_holds_long_text(statement) for statement in block.body) or block.body[0].lineno == block.lineno:
        return None
    if not _has_its_lines(module, block):
        return None
    between = range(block.items[-1].context_expr.end_lineno or block.lineno, block.body[0].lineno)
    if any("#" in module.lines[line - 1] for line in between):
        return None  # a comment about the block would be lost
    edits = [Edit(block.lineno, 0, block.body[0].lineno, len(inner), indent)]
    for line in range(block.body[0].lineno + 1, (block.end_lineno or block.lineno) + 1):
        text = module.lines[line - 1]
        if text.startswith(inner):
            edits.append(Edit(line, len(indent), line, len(inner), ""))
        elif text.strip() and not text.lstrip().startswith("#"):
            return None  # a line that continues another stands further left
    return tuple(edits)


def without_decorator(module: Module, decorator: ast.expr) -> tuple[Edit, ...] | None:
    """Return the edit that takes away a decorator that has its lines to itself."""
    span = module.span(decorator)
    first, last = module.lines[span.line - 1], module.lines[span.end_line - 1]
    if first[: span.column].strip() != "@" or last[span.end_column :].strip() or span.end_line >= len(module.lines):
        return None
    return (Edit(span.line, 0, span.end_line + 1, 0, ""),)


def _indent_of(module: Module, line: int) -> str:
    text = module.lines[line - 1]
    return text[: len(text) - len(text.lstrip(" \t"))]


def _holds_long_text(statement: ast.stmt) -> bool:
    """Tell whether a text runs over several lines: its inner lines may not be moved."""
    return any(
        isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno != node.lineno for node in walk(statement)
    )


def _has_its_lines(module: Module, statement: ast.stmt) -> bool:
    """Tell whether nothing but a comment follows on the last line, and nothing comes before on the first."""
    span = module.span(statement)
    rest = module.lines[span.end_line - 1][span.end_column :].strip()
    return (not rest or rest.startswith("#")) and not module.lines[span.line - 1][: span.column].strip()
