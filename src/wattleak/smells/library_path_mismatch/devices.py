"""Where a program uses a GPU first, and where it asks for one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source import flow
from wattleak.source.names import dotted_name, sole_binding
from wattleak.source.standing import enclosing_function
from wattleak.source.values import Text, evaluate
from wattleak.source.walking import children, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_OPENS = frozenset(
    {
        *("torch.cuda.init", "torch.cuda.set_device", "torch.cuda.current_device", "torch.cuda.synchronize"),
        *("torch.cuda.get_device_name", "torch.cuda.get_device_properties", "torch.cuda.mem_get_info"),
        *("torch.cuda.get_device_capability", "torch.cuda.is_available", "torch.cuda.manual_seed"),
        *("tensorflow.config.list_logical_devices", "tensorflow.config.list_physical_devices"),
        *("tensorflow.config.experimental.list_physical_devices", "tensorflow.test.is_gpu_available"),
        *("tensorflow.test.gpu_device_name", "tensorflow.python.client.device_lib.list_local_devices"),
        *("jax.devices", "jax.local_devices", "jax.device_count", "jax.local_device_count"),
    }
)
"""Calls after which CUDA has read its variables: cudaGetDeviceCount is enough (PyTorch 2.13 notes on CUDA semantics;
TensorFlow keeps the list of physical devices)."""


def device_use_before(module: Module, node: ast.AST) -> tuple[int, str] | None:
    """Return line and name of the first use of a GPU that has certainly run when `node` runs; None: none is known."""
    if "PYTORCH_NVML_BASED_CUDA_CHECK" in module.text:
        return None
    for earlier in _run_before(module, node):
        found = _uses(module, earlier)
        if found is not None:
            return found
    return None


def wants_gpu(module: Module) -> tuple[int, str] | None:
    """Return the first place that asks for a GPU by name; None: there is none."""
    found = [
        (call.lineno, what)
        for call in walk(module.tree)
        if isinstance(call, ast.Call)
        and (what := _takes_device(module, call)) is not None
        and all(_asks_what_there_is(module, test) for test in flow.conditions(module, call))
    ]
    return min(found, default=None)


def _asks_what_there_is(module: Module, test: ast.expr) -> bool:
    """Tell whether a test is that for a GPU, or that the file is the program: a flag of the user's is neither."""
    for node in walk(test):
        if isinstance(node, ast.Name):
            binding = sole_binding(module, node)
            value = binding.value if binding is not None else None
            if node.id == "__name__" or (value is not None and "is_available" in module.segment(value)):
                return True
    return "is_available" in module.segment(test)


def _run_before(module: Module, node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs before `node`, whatever happens: statements above it in its blocks, and the tests around it."""
    parents = module.scopes.parent_of
    function = enclosing_function(module, node)
    child: ast.AST = node
    while child in parents:
        parent = parents[child]
        if child is function:
            # Statements of the module above a function have run when it is called.
            child = _outermost(module, child)
            parent = module.tree
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(parent, block, None)
            if isinstance(statements, list) and child in statements:
                yield from statements[: statements.index(child)]
        if isinstance(parent, ast.If | ast.While) and child is not parent.test:
            yield parent.test
        child = parent


def _outermost(module: Module, node: ast.AST) -> ast.AST:
    parents = module.scopes.parent_of
    while parents.get(node) is not module.tree and node in parents:
        node = parents[node]
    return node


def _uses(module: Module, node: ast.AST) -> tuple[int, str] | None:
    """Return the first use of a GPU in what runs whenever `node` runs: no branch, no loop body, no function body."""
    waiting: list[ast.AST] = [node]
    while waiting:
        here = waiting.pop(0)
        match here:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                continue
            case ast.If(test=test) | ast.While(test=test):
                waiting.insert(0, test)
                continue
            case ast.For(iter=iterable) | ast.AsyncFor(iter=iterable):
                waiting.insert(0, iterable)
                continue
            case ast.IfExp(test=test):
                waiting.insert(0, test)
                continue
            case ast.BoolOp(values=[first, *_]):
                waiting.insert(0, first)
                continue
            case ast.Try(body=body):
                waiting[:0] = body[:1]
                continue
            case ast.Call():
                name = dotted_name(module, here.func)
                if name in _OPENS:
                    return here.lineno, name
                what = _takes_device(module, here)
                if what is not None:
                    return here.lineno, what
            case _:
                pass
        waiting[:0] = children(here)
    return None


def _takes_device(module: Module, call: ast.Call) -> str | None:
    """Return how a call asks for a GPU by name: `.cuda()`, `.to("cuda")`, `device="cuda:0"`, tf.device("/GPU:0")."""
    match call:
        case ast.Call(func=ast.Attribute(attr="cuda"), args=[]) if not _is_module_of_torch(module, call):
            return ".cuda()"
        case ast.Call(func=ast.Attribute(attr="to"), args=[place, *_]) if _is_gpu(module, place):
            return f".to({module.segment(place)})"
        case ast.Call(func=function, args=[place]) if dotted_name(module, function) == "tensorflow.device":
            known = evaluate(module, place)
            return f"tf.device({module.segment(place)})" if isinstance(known, Text) and "GPU" in known.value else None
        case _:
            pass
    for keyword in call.keywords:
        name = dotted_name(module, call.func) or ""
        if keyword.arg == "device" and name.startswith("torch.") and _is_gpu(module, keyword.value):
            return f"{name}(device={module.segment(keyword.value)})"
    return None


def _is_gpu(module: Module, place: ast.expr) -> bool:
    known = evaluate(module, place)
    return isinstance(known, Text) and known.value.startswith("cuda")


def _is_module_of_torch(module: Module, call: ast.Call) -> bool:
    return dotted_name(module, call.func) == "torch.cuda"
