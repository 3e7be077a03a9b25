"""Conditions that may hold on large machines only: under one of them a large number may be right."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.smells.unnecessary_parallelism.sites import VARIABLES, library_name
from wattleak.smells.unnecessary_parallelism.worth import worth
from wattleak.source.referents import Function
from wattleak.source.resolving import referents
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_MACHINE = frozenset(
    {
        *("os.cpu_count", "os.process_cpu_count", "os.sched_getaffinity", "os.uname", "os.getenv", "os.environ"),
        *("multiprocessing.cpu_count", "torch.multiprocessing.cpu_count", "psutil.cpu_count", "psutil.Process"),
        *("joblib.cpu_count", "socket.gethostname", "socket.getfqdn", "platform.node", "platform.machine"),
        *("platform.processor", "platform.uname", "torch.get_num_threads"),
    }
)
"""What a program asks to learn on which machine it runs."""

_SIZE = re.compile(r"(?<![a-z])(n|num)?_?(cpu|core|thread|proc|processor|worker|job)s?(?![a-z])", re.IGNORECASE)
"""How programs call the size of a machine: n_cpus, cores, num_threads; but not score."""

_LINKS = 3  # assignments between a condition and what it is about


def depends_on_machine(module: Module, test: ast.expr, links: int = _LINKS) -> bool:
    """Tell whether `test` asks for the machine, or compares a size that the code does not spell out."""
    # A test for one of the thread variables asks whether somebody has set it, and says nothing about the machine.
    default = any(isinstance(node, ast.Constant) and node.value in VARIABLES for node in walk(test))
    for node in walk(test):
        match node:
            case ast.Name() | ast.Attribute():
                if library_name(module, node) in _MACHINE and not default:
                    return True
                if isinstance(node, ast.Name) and links and _bound_to_machine(module, node, links - 1):
                    return True
            case ast.Call() if links and _asks_machine(module, node, links - 1):
                return True
            case ast.Compare() if _compares_unknown_size(module, node):
                return True
            case _:
                pass
    return False


def _bound_to_machine(module: Module, name: ast.Name, links: int) -> bool:
    found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    return any(binding.value is not None and depends_on_machine(module, binding.value, links) for binding in found)


def _asks_machine(module: Module, call: ast.Call, links: int) -> bool:
    """Tell whether a function of the project is called that returns something about the machine."""
    return any(
        isinstance(node, ast.Return) and node.value is not None and depends_on_machine(home, node.value, links)
        for referent in referents(module, call.func) or ()
        if isinstance(referent, Function) and not isinstance(referent.node, ast.Lambda)
        for home in (referent.module,)
        for node in own_nodes(referent.node)
    )


def _compares_unknown_size(module: Module, node: ast.Compare) -> bool:
    if not any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops):
        return False
    unknown = [side for side in (node.left, *node.comparators) if worth(module, side) is None]
    words = [
        piece.id if isinstance(piece, ast.Name) else piece.attr
        for side in unknown
        for piece in walk(side)
        if isinstance(piece, ast.Name | ast.Attribute)
    ]
    return any(_SIZE.search(word) for word in words)
