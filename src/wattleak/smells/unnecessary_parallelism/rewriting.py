"""The edits that take the smell out of a program, or put it in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.source.scopes import Kind
from wattleak.source.values import CpuMultiple, evaluate
from wattleak.source.walking import first_below_docstring, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.scopes import Scope

_INTRA_OP = "config.threading.set_intra_op_parallelism_threads"
_SETTERS = (
    ("torch", "torch", "set_num_threads"),
    ("tensorflow", "tensorflow", _INTRA_OP),
    ("keras", "tensorflow", _INTRA_OP),  # the backend where nothing else is imported
)
"""What a program imports, and what sets its threads."""
_READ_AT_IMPORT = "sklearn"  # its OpenMP looks at the environment when it is loaded, and never again


def own_cpu_count(module: Module, node: ast.expr) -> str | None:
    """Return the text of the CPU count that `node` is a multiple of, if it is written inside `node`."""
    for piece in walk(node):  # from the outside inwards
        if not isinstance(piece, ast.expr) or evaluate(module, piece) != CpuMultiple(1):
            continue
        text = module.segment(piece)
        try:
            again = ast.parse(f"({text})", mode="eval").body
        except (SyntaxError, ValueError):
            return None
        if ast.dump(again) != ast.dump(piece):  # Python 3.11 does not know where the pieces of an f-string stand
            return None
        return text if isinstance(piece, ast.Name | ast.Call | ast.Attribute) else f"({text})"
    return None


def replace(module: Module, node: ast.expr, own: str | None, template: str) -> tuple[Edit, ...] | None:
    """Return edits that put the number of CPUs in the place of `node`: `own`, or that of the process.

    `{}` in `template` stands for the number. None: the number cannot be written here, because the name `os` is taken.
    """
    edits: tuple[Edit, ...] = ()
    if own is None:
        name = _os_at(module, module.scopes.scope_of[node], node.lineno)
        if name is None:
            edits, name = _import_at_top(module), "os"
            if not edits or _is_taken(module, module.scopes.scope_of[node]):
                return None
        own = process_cpus(name)
    return (*edits, Edit(*module.span(node), template.replace("{}", own)))


def process_cpus(os_name: str) -> str:
    """Return the expression for the number of CPUs that the process may use."""
    return f"len({os_name}.sched_getaffinity(0))"


def set_after_import(module: Module, factor: int) -> tuple[Edit, ...] | None:
    """Return an edit that sets `factor` threads for each CPU, right after the imports that bring in a framework."""
    body = module.tree.body
    for imported, framework, setter in _SETTERS:
        first = _first_import(module, imported)
        if first is None or _is_taken(module, module.scopes.module):
            continue
        index = body.index(first)
        last = first
        for following in body[index + 1 :]:
            # The rest of the block of imports, and whatever shares a line with it.
            if not isinstance(following, ast.Import | ast.ImportFrom) and following.lineno != last.end_lineno:
                break
            last = following
        line = last.end_lineno or last.lineno
        os_name = _os_at(module, module.scopes.module, line + 1)
        framework_name = _name_at(module, framework, module.scopes.module, line + 1)
        lines = [
            *(["import os"] if os_name is None else []),
            *([f"import {framework}"] if framework_name is None else []),
            f"{framework_name or framework}.{setter}({factor} * {process_cpus(os_name or 'os')})",
        ]
        end = len(module.lines[line - 1])
        return (Edit(line, end, line, end, "".join(module.newline + text for text in lines)),)
    return None


def before_import(module: Module, numbers: list[ast.expr]) -> list[ast.expr]:
    """Return those of `numbers` that stand above the import of what reads the environment when it is imported."""
    statement = _first_import(module, _READ_AT_IMPORT)
    return [] if statement is None else [number for number in numbers if number.lineno < statement.lineno]


def set_before_import(module: Module, variable: str, factor: int) -> tuple[Edit, ...] | None:
    """Return an edit that sets `variable` to `factor` threads for each CPU, above the import of what reads it then."""
    statement = _first_import(module, _READ_AT_IMPORT)
    if statement is None or _is_taken(module, module.scopes.module):
        return None
    line, column = statement.lineno, module.span(statement).column
    os_name = _os_at(module, module.scopes.module, line)
    value = f"str({factor} * {process_cpus(os_name or 'os')})"
    lines = [*(["import os"] if os_name is None else []), f'{os_name or "os"}.environ["{variable}"] = {value}']
    end = "; " if column else module.newline
    return (Edit(line, column, line, column, "".join(f"{text}{end}" for text in lines)),)


def _first_import(module: Module, framework: str) -> ast.stmt | None:
    return next((statement for statement in module.tree.body if _imports(statement, framework)), None)


def _imports(statement: ast.stmt, framework: str) -> bool:
    match statement:
        case ast.Import(names=names):
            return any(alias.name.partition(".")[0] == framework for alias in names)
        case ast.ImportFrom(module=str(origin), level=0):
            return origin.partition(".")[0] == framework
        case _:
            return False


def _os_at(module: Module, scope: Scope, line: int) -> str | None:
    return _name_at(module, "os", scope, line)


def _name_at(module: Module, imported: str, scope: Scope, line: int) -> str | None:
    """Return the name under which a module is known at a line of a scope, or None."""
    table = module.scopes
    for name in (imported, *table.module.bindings):
        found = table.bindings(name, scope)
        if not found or any(binding.kind is not Kind.IMPORT or binding.target != imported for binding in found):
            continue
        # A function runs after the module around it; elsewhere the import has to come first.
        inside_function = scope is not table.module and found is table.module.bindings.get(name)
        if inside_function or any(getattr(binding.node, "lineno", line) < line for binding in found):
            return name
    return None


def _is_taken(module: Module, scope: Scope) -> bool:
    """Tell whether the name `os` means something else here."""
    found = module.scopes.bindings("os", scope)
    return any(binding.kind is not Kind.IMPORT or binding.target != "os" for binding in found)


def _import_at_top(module: Module) -> tuple[Edit, ...]:
    """Return the edit that adds `import os` below the docstring and the __future__ imports."""
    statement = first_below_docstring(module.tree)
    if statement is None:
        return ()
    first = min([statement, *getattr(statement, "decorator_list", [])], key=lambda node: node.lineno)
    line = first.lineno
    column = module.span(statement).column if first is statement else 0
    return (Edit(line, column, line, column, "import os; " if column else f"import os{module.newline}"),)
