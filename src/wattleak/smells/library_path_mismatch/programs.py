"""Library paths and devices that a Python program sets for itself, too late or in vain."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Edit, Fix, Severity
from wattleak.smells.library_path_mismatch.claims import VARIABLES, Claim, in_path
from wattleak.smells.library_path_mismatch.conflicts import conflicts
from wattleak.smells.library_path_mismatch.devices import device_use_before, wants_gpu
from wattleak.smells.library_path_mismatch.place import Place
from wattleak.smells.library_path_mismatch.writes import Write, is_conditional, starts_others, writes
from wattleak.source.edits import apply
from wattleak.source.learning import learns
from wattleak.source.module import Module
from wattleak.source.names import dotted_name
from wattleak.source.reading import parse
from wattleak.source.values import Text, evaluate
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator


PATH = "LD_LIBRARY_PATH"
DEVICES = "CUDA_VISIBLE_DEVICES"

LOADING = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "tensorflow", "keras", "jax", "jaxlib", "flax", "cupy", "onnxruntime"),
        *("tensorrt", "pycuda", "paddle", "mxnet", "numba", "cudf", "cuml", "transformers", "lightning"),
        *("pytorch_lightning", "bitsandbytes", "triton", "vllm", "deepspeed", "xgboost", "lightgbm", "cv2", "faiss"),
    }
)
"""Packages that load shared libraries when they are imported."""
_OPENING = ("ctypes.CDLL", "ctypes.cdll.LoadLibrary", "ctypes.PyDLL", "ctypes.util.find_library")


def places(module: Module) -> Iterator[Place]:
    """Yield every variable that a program sets in vain, or to what contradicts the rest of it."""
    if "environ" not in module.text and "putenv" not in module.text:
        return
    if PATH in module.text:
        yield from _in_vain(module)
    if DEVICES in module.text:
        yield from _devices(module)
    if "cuda" in module.text:
        yield from _disagreeing(module)


def _in_vain(module: Module) -> Iterator[Place]:
    """Yield each LD_LIBRARY_PATH that is set where no other process will read it."""
    found = list(writes(module, {PATH}))
    if not found or starts_others(module):
        return
    for write in found:
        if not _names_a_folder(module, write.value):
            continue  # put back to what it was, perhaps
        reader = _loads_later(module, write.node)
        if reader is None and not learns(module):
            continue  # no program of ours: what its libraries start, nobody here knows
        read = "the loader reads LD_LIBRARY_PATH when a process begins: setting it here changes nothing in this process"
        message = f"{read}, so that {reader} does not see it" if reader else read
        severity = Severity.WARNING if reader else Severity.INFO
        span = module.span(write.node)
        yield Place(span, message, severity, Confidence.HIGH if reader else Confidence.MEDIUM, _removal(module, write))


def _names_a_folder(module: Module, value: ast.expr) -> bool:
    known = evaluate(module, value)
    if isinstance(known, Text):
        return "/" in known.value
    return any(isinstance(node, ast.Constant) and "/" in str(node.value) for node in walk(value))


def _loads_later(module: Module, write: ast.AST) -> str | None:
    """Return what loads libraries behind the write: "the import of torch in line 12"."""
    later: list[tuple[int, str]] = []
    line = getattr(write, "lineno", 0)
    scope = module.scopes.scope_of.get(write)
    for node in walk(module.tree):
        if getattr(node, "lineno", 0) <= line:
            continue
        match node:
            case ast.Import(names=names):
                roots = [alias.name.partition(".")[0] for alias in names]
                later += [(node.lineno, f"the import of {root}") for root in roots if root in LOADING]
            case ast.ImportFrom(module=str(home), level=0) if home.partition(".")[0] in LOADING:
                later.append((node.lineno, f"the import of {home.partition('.')[0]}"))
            case ast.Call(args=[ast.Constant(value=str(library)), *_]) if (
                "ctypes" in module.text and "/" not in library and dotted_name(module, node.func) in _OPENING
            ):
                # What a function opens, opens when it is called: behind the write, where that stands in the module.
                inside = scope is module.scopes.module or module.scopes.scope_of[node] is scope
                later += [(node.lineno, f"{dotted_name(module, node.func)}")] if inside else []
            case _:
                pass
    if not later:
        return None
    number, what = min(later)
    return f"{what} in line {_shown(module, number)}"


def _shown(module: Module, line: int) -> str:
    """Return a line as the reader sees it: of a notebook, with its cell."""
    if module.notebook is None:
        return str(line)
    cell = module.notebook.cell_at(line)
    return f"{line - cell.first + 1} of cell {cell.number}"


def _removal(module: Module, write: Write) -> Fix | None:
    node = write.node
    statement = node if isinstance(node, ast.stmt) else module.scopes.parent_of.get(node)
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
        return None
    if isinstance(statement, ast.Assign) and len(statement.targets) > 1:
        return None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
        return None  # it may set others too
    if isinstance(node, ast.AugAssign) and not isinstance(node.target, ast.Subscript):
        return None
    span = module.span(statement)
    before = module.lines[span.line - 1][: span.column]
    behind = module.lines[span.end_line - 1][span.end_column :]
    parent = module.scopes.parent_of.get(statement)
    alone = any(getattr(parent, block, None) == [statement] for block in ("body", "orelse", "finalbody", "handlers"))
    last = span.end_line + 1
    if alone or before.strip() or behind.strip() or last > len(module.lines) or module.notebook is not None:
        edit = Edit(*span, "pass")
    else:
        empty = not any(module.lines[line - 1].strip() for line in (span.line - 1, last) if line > 0)
        edit = Edit(span.line, 0, last + 1 if empty and last < len(module.lines) else last, 0, "")
    if not isinstance(parse(apply(module, (edit,)), module.path), Module):
        return None
    return Fix(
        title="remove what has no effect",
        safe=False,
        edits=(edit,),
        why_unsafe="a process that is started from here, in another file, would get the variable",
    )


def _devices(module: Module) -> Iterator[Place]:
    found = list(writes(module, {DEVICES}))
    if not found or starts_others(module):
        return
    for write in found:
        used = device_use_before(module, write.node)
        if used is not None:
            line, what = used
            message = (
                f"CUDA reads CUDA_VISIBLE_DEVICES when it is first used, which is {what} in line "
                f"{_shown(module, line)}: setting it afterwards changes nothing"
            )
            yield Place(module.span(write.node), message, Severity.WARNING, Confidence.MEDIUM)
            continue
        known = evaluate(module, write.value)
        if not isinstance(known, Text) or known.value.strip() not in {"", "-1"} or is_conditional(module, write.node):
            continue
        wanted = wants_gpu(module)
        if wanted is not None:
            line, what = wanted
            message = (
                f"CUDA_VISIBLE_DEVICES={known.value.strip()!r} hides every GPU from this program, though {what} in "
                f"line {_shown(module, line)} asks for one: it computes on the CPU, or fails"
            )
            yield Place(module.span(write.node), message, Severity.WARNING, Confidence.MEDIUM)


def _disagreeing(module: Module) -> Iterator[Place]:
    claims: list[Claim] = []
    for write in writes(module, VARIABLES):
        if is_conditional(module, write.node):
            continue
        pieces = [str(node.value) for node in walk(write.value) if isinstance(node, ast.Constant)]
        known = evaluate(module, write.value)
        text = known.value if isinstance(known, Text) else " ".join(pieces)
        span = module.span(write.value)
        claims += [
            Claim(write.name, VARIABLES[write.name], version, span, text)
            for version in in_path(text)[: 2 if write.name == PATH else 1]
        ]
    for conflict in conflicts(claims):
        yield Place(conflict.at.span, conflict.message, conflict.severity, conflict.confidence)
