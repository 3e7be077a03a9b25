"""The places of a program where a number of CPU threads is set."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.unnecessary_parallelism.worth import worth
from wattleak.source.names import dotted_name
from wattleak.source.referents import Class, Function, ModuleRef, name_of
from wattleak.source.resolving import referents
from wattleak.source.values import Text, texts
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.source.calls import Located
    from wattleak.source.module import Module

SPINS = "OpenMP threads that find no CPU spin while they wait"
_DEPENDS = "what it costs depends on the library: OpenMP (libgomp) spins, OpenBLAS cuts it down to the CPUs it finds"
_CLAMPS = "OpenBLAS cuts it down to the CPUs it finds, so it may cost nothing"
_IDLE = "they cost CPU time only while independent operations run side by side"
_SLEEPS = "TensorFlow's own threads sleep while they wait, so it costs less than with OpenMP, and memory"

_TENSORFLOW = ("tensorflow.config.threading", "tensorflow.compat.v1.config.threading")
_SESSIONS = ("tensorflow.ConfigProto", "tensorflow.compat.v1.ConfigProto")

_COMPUTE_CALLS: dict[str, str] = {
    "torch.set_num_threads": SPINS,
    **{f"{home}.set_intra_op_parallelism_threads": _SLEEPS for home in _TENSORFLOW},
}
"""Dotted name -> what is known about the cost. They set the threads that share one operation."""

_CALLS: dict[str, str] = {
    **_COMPUTE_CALLS,
    "torch.set_num_interop_threads": _IDLE,
    **{f"{home}.set_inter_op_parallelism_threads": _IDLE for home in _TENSORFLOW},
    "threadpoolctl.threadpool_limits": _DEPENDS,
}

_SESSION_KEYWORDS: dict[str, str] = {
    "intra_op_parallelism_threads": _SLEEPS,
    "inter_op_parallelism_threads": _IDLE,
}

_LAST = frozenset(name.rpartition(".")[2] for name in (*_CALLS, *_SESSIONS))
_ENVIRON_LAST = frozenset({"setdefault", "__setitem__", "putenv", "update"})

_KEYWORDS = frozenset({"num_threads", "limits"})  # of the thread number, where it is not the first argument

_VARIABLES: dict[str, str] = {
    "OMP_NUM_THREADS": SPINS,
    "MKL_NUM_THREADS": _DEPENDS,
    "OPENBLAS_NUM_THREADS": _CLAMPS,
    "GOTO_NUM_THREADS": _CLAMPS,
    "BLIS_NUM_THREADS": _DEPENDS,
    "VECLIB_MAXIMUM_THREADS": _DEPENDS,
    "NUMEXPR_NUM_THREADS": _DEPENDS,
    "TF_NUM_INTRAOP_THREADS": _SLEEPS,
    "TF_NUM_INTEROP_THREADS": _IDLE,
}

VARIABLES = frozenset(_VARIABLES)
"""The environment variables that set a number of threads."""

OPENMP = "OMP_NUM_THREADS"


def cost_of(variable: str) -> str:
    """Return what is known about the cost of too large a number in one of VARIABLES."""
    return _VARIABLES[variable]


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a number of threads, jobs or workers is set."""

    node: ast.expr  # the expression of the number, or the call that is given a number from another file
    setter: str  # what sets it, as a message calls it
    cost: str  # what is known about its cost
    is_text: bool = False  # an environment variable: the number is a string
    noun: str = "threads"
    spins: bool = True  # what is too many burns CPU time; otherwise it waits, and takes memory
    number: Located | None = None  # the expression of the number, where that is not `node`


def sites(module: Module) -> Iterator[Site]:
    """Yield every place that sets a thread number for the whole process, in no particular order."""
    if not any(word in module.text for word in ("_threads", "_THREADS", "threadpool_limits", "environ[")):
        return  # most files: not worth a table of their names
    for node in walk(module.tree):
        match node:
            case ast.Call():
                yield from _of_call(module, node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Subscript) and _is_environ(module, target.value):
                        yield from _of_variable(module, target.slice, value)
            case ast.AugAssign(target=ast.Attribute() | ast.Name() as target, op=ast.BitOr(), value=value):
                if _is_environ_target(module, target):
                    yield from _of_mapping(module, value)
            case _:
                pass


def framework_numbers(module: Module) -> list[ast.expr]:
    """Return the thread numbers that are given to PyTorch or TensorFlow for one operation."""
    calls = [node for node in walk(module.tree) if isinstance(node, ast.Call)]
    numbers = [_number(call) for call in calls if called(module, call, _LAST) in _COMPUTE_CALLS]
    return [number for number in numbers if number is not None]


def openmp_numbers(module: Module) -> list[ast.expr]:
    """Return the values that are given to OMP_NUM_THREADS."""
    return [site.node for site in sites(module) if site.is_text and site.setter == OPENMP]


def called(module: Module, call: ast.Call, last: frozenset[str]) -> str | None:
    """Return the dotted name of what is called, where its last part may be one of `last`.

    The project is asked about such calls only: asking about every call of a file takes long.
    """
    match call.func:
        case ast.Attribute(attr=written):
            if written in module.scopes.stored_attributes:
                return None  # replaced by something else
        case ast.Name(id=written):
            pass
        case _:
            return None
    near = dotted_name(module, call.func) if written not in last else written
    if near is None or near.rpartition(".")[2] not in last:
        return None
    return library_name(module, call.func)


def library_name(module: Module, expression: ast.expr) -> str | None:
    """Return the dotted name of something outside the project; its own things may have the same name."""
    known = referents(module, expression)
    if known is None and module.notebook is not None:
        return dotted_name(
            module, expression
        )  # a cell that does not parse may bind anything; the others still say what
    if known is None or any(isinstance(referent, Class | Function | ModuleRef) for referent in known):
        return None
    names = {name_of(referent) for referent in known}
    return names.pop() if len(names) == 1 else None


def _of_call(module: Module, call: ast.Call) -> Iterator[Site]:
    name = called(module, call, _LAST)
    if name in _CALLS:
        number = _number(call)
        # threadpool_limits takes one number, or one for each library.
        numbers: Iterable[ast.expr] = number.values if isinstance(number, ast.Dict) else filter(None, (number,))
        setter = name.replace("tensorflow.", "tf.", 1)
        yield from (Site(each, setter, _CALLS[name], spins=_CALLS[name] is not _SLEEPS) for each in numbers)
    elif name in _SESSIONS:
        for keyword in call.keywords:
            if keyword.arg in _SESSION_KEYWORDS:
                yield Site(keyword.value, keyword.arg, _SESSION_KEYWORDS[keyword.arg], spins=False)
    elif name is None:
        yield from _of_environ_call(module, call)


def _of_environ_call(module: Module, call: ast.Call) -> Iterator[Site]:
    match called(module, call, _ENVIRON_LAST), call:
        case (
            "os.environ.setdefault" | "os.environ.__setitem__" | "os.putenv",
            ast.Call(args=[key, value], keywords=[]),
        ):
            yield from _of_variable(module, key, value)
        case "os.environ.update", ast.Call(args=arguments, keywords=keywords):
            for argument in arguments:
                yield from _of_mapping(module, argument)
            yield from _of_keywords(keywords)
        case _:
            pass


def _of_mapping(module: Module, mapping: ast.expr) -> Iterator[Site]:
    match mapping:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None:
                    yield from _of_variable(module, key, value)
        case ast.Call(func=function, args=[], keywords=keywords) if dotted_name(module, function) == "builtins.dict":
            yield from _of_keywords(keywords)
        case _:
            pass


def _of_keywords(keywords: list[ast.keyword]) -> Iterator[Site]:
    for keyword in keywords:
        if keyword.arg in _VARIABLES:
            yield _of_names(keyword.value, [keyword.arg])


def _of_variable(module: Module, key: ast.expr, value: ast.expr) -> Iterator[Site]:
    known = texts(module, key)
    if not known and not isinstance(key, ast.Constant):
        written = worth(module, key)
        known = frozenset({written.value.value}) if written and isinstance(written.value, Text) else known
    names = sorted(known & VARIABLES)
    if names:
        yield _of_names(value, names)


def _of_names(value: ast.expr, names: list[str]) -> Site:
    cost = _VARIABLES[names[0]] if len(names) == 1 else _DEPENDS
    return Site(value, " and ".join(names), cost, is_text=True, spins=cost is not _SLEEPS)


def _is_environ(module: Module, node: ast.expr) -> bool:
    if not isinstance(node, ast.Name | ast.Attribute):
        return False
    if isinstance(node, ast.Attribute) and node.attr != "environ":
        return False
    return dotted_name(module, node) == "os.environ" or library_name(module, node) == "os.environ"


def _is_environ_target(module: Module, target: ast.Attribute | ast.Name) -> bool:
    """`os.environ |= {...}` stores to `environ` and is itself what makes that attribute a stored one."""
    return isinstance(target, ast.Attribute) and target.attr == "environ" and dotted_name(module, target.value) == "os"


def _number(call: ast.Call) -> ast.expr | None:
    """Return the argument that is the thread number, unless a splat may put another in its place."""
    if any(isinstance(argument, ast.Starred) for argument in call.args) or any(k.arg is None for k in call.keywords):
        return None
    if call.args:
        return call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg in _KEYWORDS), None)
