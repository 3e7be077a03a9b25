"""The edits that give a loader its workers, or take them away."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit, Fix
from wattleak.source.arguments import argument
from wattleak.source.edits import still_parses
from wattleak.source.scopes import Kind
from wattleak.source.walking import first_below_docstring

if TYPE_CHECKING:
    from collections.abc import Collection

    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding, Scope

WORKERS = frozenset({"num_workers", "persistent_workers", "prefetch_factor", "multiprocessing_context", "in_order"})
"""Arguments of a DataLoader that only mean something with workers."""

_WHY_UNSAFE = (
    "a worker is another process: what the data set keeps open is not shared with it, random numbers drawn while "
    "reading are others, and how many workers are best depends on the machine"
)


def workers_fix(module: Module, call: ast.Call, zero: ast.expr | None) -> Fix | None:
    """Return the fix that gives a DataLoader worker processes; None: the number cannot be written here."""
    number = _cpus(module, call)
    if number is None or (zero is not None and not isinstance(zero, ast.Constant)):
        return None
    imports, text = number
    persistent = argument(module, call, "persistent_workers")
    more = ["persistent_workers=True"] if persistent is not None and persistent.is_absent else []
    if zero is None:
        edits = add_keywords(module, call, [f"num_workers={text}", *more])
    else:
        replaced = Edit(*module.span(zero), text)
        added = add_keywords(module, call, more) if more else ()
        edits = None if added is None else (replaced, *added)
    return _fix(module, "read the data in worker processes", imports, edits, _WHY_UNSAFE)


def keras_fix(module: Module, call: ast.Call, keyword: str, why_unsafe: str) -> Fix | None:
    """Return the fix that gives a PyDataset its workers, as arguments of `call`."""
    number = _cpus(module, call)
    if number is None:
        return None
    written = next((one.value for one in call.keywords if one.arg == keyword), None)
    edits = (
        (Edit(*module.span(written), number[1]),)
        if written is not None
        else add_keywords(module, call, [f"{keyword}={number[1]}"])
    )
    return _fix(module, "let several workers make the batches", number[0], edits, why_unsafe)


def parallel_map_fix(module: Module, call: ast.Call, why_unsafe: str) -> Fix | None:
    """Return the fix that maps several elements at a time."""
    framework = _tensorflow_name(module, call)
    if framework is None:
        return None
    edits = add_keywords(module, call, [f"num_parallel_calls={framework}.data.AUTOTUNE"])
    return _fix(module, "map several elements at a time", (), edits, why_unsafe)


def add_keywords(module: Module, call: ast.Call, keywords: list[str]) -> tuple[Edit, ...] | None:
    """Return the edit that adds arguments at the end of a call, laid out as the others are; None: not possible."""
    written = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not written:
        span = module.span(call)
        return (Edit(span.end_line, span.end_column - 1, span.end_line, span.end_column - 1, ", ".join(keywords)),)
    last = max(written, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    span = module.span(last)
    line, column = _start(module, last, next((one for one in call.keywords if one.value is last), None))
    indentation = module.lines[line - 1][:column]
    between = "," + (module.newline + indentation if not indentation.strip() and line != call.lineno else " ")
    text = "".join(between + keyword for keyword in keywords)
    return (Edit(span.end_line, span.end_column, span.end_line, span.end_column, text),)


def drop_keywords(module: Module, call: ast.Call, names: Collection[str]) -> tuple[Edit, ...]:
    """Return the edits that take arguments out of a call, each with the comma before it."""
    places = [*((node, None) for node in call.args), *((keyword.value, keyword) for keyword in call.keywords)]
    dropped = [keyword is not None and keyword.arg in names for _, keyword in places]
    edits = []
    for number, (value, keyword) in enumerate(places):
        if keyword is None or not dropped[number]:
            continue
        end = module.span(value)
        if number:
            before = module.span(places[number - 1][0])
            edits.append(Edit(before.end_line, before.end_column, end.end_line, end.end_column, ""))
            continue
        following = places[1] if len(places) > 1 and not dropped[1] else None
        stop = (end.end_line, end.end_column) if following is None else _start(module, *following)
        edits.append(Edit(*_start(module, value, keyword), *stop, ""))
    return tuple(edits)


def _start(module: Module, value: ast.expr, keyword: ast.keyword | None) -> tuple[int, int]:
    """Return line and column, in characters, where an argument begins."""
    if keyword is None:
        return module.span(value)[:2]
    line = module.lines[keyword.lineno - 1]
    return keyword.lineno, len(line.encode("utf-8", "surrogatepass")[: keyword.col_offset].decode("utf-8", "replace"))


def _fix(
    module: Module, title: str, imports: tuple[Edit, ...], edits: tuple[Edit, ...] | None, why_unsafe: str
) -> Fix | None:
    if edits is None or not still_parses(module, (*imports, *edits)):
        return None
    return Fix(title=title, safe=False, edits=(*imports, *edits), why_unsafe=why_unsafe)


def _cpus(module: Module, node: ast.expr) -> tuple[tuple[Edit, ...], str] | None:
    """Return the expression for at most four of the CPUs of the process, with the import that it needs."""
    scope = module.scopes.scope_of[node]
    for name in ("os", *module.scopes.module.bindings):
        found = module.scopes.bindings(name, scope)
        if found and all(_is_import_above(binding, "os", node, scope) for binding in found):
            return (), f"min(4, len({name}.sched_getaffinity(0)))"
    if module.scopes.bindings("os", scope) or "os" in module.scopes.module.bindings:
        return None  # the name means something else here
    place = _below_docstring(module)
    return None if place is None else ((place,), "min(4, len(os.sched_getaffinity(0)))")


def _is_import_above(binding: Binding, target: str, node: ast.expr, scope: Scope) -> bool:
    """A function runs after the module around it; elsewhere the import has to come first."""
    if binding.kind is not Kind.IMPORT or binding.target != target:
        return False
    return scope.parent is not None or getattr(binding.node, "lineno", node.lineno) < node.lineno


def _below_docstring(module: Module) -> Edit | None:
    statement = first_below_docstring(module.tree)
    if statement is None:
        return None
    first = min([statement, *getattr(statement, "decorator_list", [])], key=lambda node: node.lineno)
    if first is statement and module.span(statement).column:
        return None  # it shares its line with the docstring
    return Edit(first.lineno, 0, first.lineno, 0, f"import os{module.newline}")


def _tensorflow_name(module: Module, node: ast.AST) -> str | None:
    """Return the name under which tensorflow is known here."""
    scope = module.scopes.scope_of[node]
    for name in ("tf", *module.scopes.module.bindings):
        found = module.scopes.bindings(name, scope)
        if found and all(binding.kind is Kind.IMPORT and binding.target == "tensorflow" for binding in found):
            return name
    return None
