"""Where the smell can be put into a clean program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.smells.gradients_in_evaluation import rewriting
from wattleak.source.learning.asking import resolved_name
from wattleak.source.scopes import Kind
from wattleak.source.standing import loops_around
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.source.module import Module

_OFF = frozenset({"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode"})


def candidates(module: Module) -> Iterator[tuple[Edit, ...]]:
    """Yield, in the order of the text, what may put the smell into a program; not each of them does."""
    nodes = [node for node in walk(module.tree) if isinstance(node, ast.stmt)]
    for node in sorted(nodes, key=lambda each: (each.lineno, each.col_offset)):
        match node:
            case ast.FunctionDef(decorator_list=decorators):
                for decorator in decorators:
                    if _turns_off(module, decorator):
                        yield from _if_any(rewriting.without_decorator(module, decorator))
            case ast.With(items=[item]) if item.optional_vars is None and _turns_off(module, item.context_expr):
                yield from _if_any(rewriting.unwrap(module, node))
            case ast.Assign() | ast.AugAssign() | ast.Expr() if _evaluates(node) and loops_around(module, node):
                yield from _if_any(_under_a_tape(module, node))
            case _:
                pass


def _if_any(edits: tuple[Edit, ...] | None) -> Iterator[tuple[Edit, ...]]:
    if edits is not None:
        yield edits


def _turns_off(module: Module, expression: ast.expr) -> bool:
    plain = expression.func if isinstance(expression, ast.Call) else expression
    return resolved_name(module, plain) in _OFF


def _evaluates(statement: ast.stmt) -> bool:
    """`logits = model(images, training=False)`."""
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Call) and any(
        keyword.arg == "training" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in value.keywords
    )


def _under_a_tape(module: Module, statement: ast.stmt) -> tuple[Edit, ...] | None:
    names = [
        name
        for name, found in module.scopes.module.bindings.items()
        if len(found) == 1 and found[0].kind is Kind.IMPORT and found[0].target == "tensorflow"
    ]
    if not names:
        return None
    statements = [statement]
    parent = module.scopes.parent_of.get(statement)
    for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
        if isinstance(block, list) and statement in block:
            # The loss goes with the forward pass, as in a training step.
            for following in block[block.index(statement) + 1 :]:
                match following:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()) if "loss" in name:
                        statements.append(following)
                    case _:
                        break
    return rewriting.wrap(module, statements, f"{names[0]}.GradientTape()")
