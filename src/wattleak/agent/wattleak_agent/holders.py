"""Who keeps tensors: containers that the user's frames, modules and objects lead to, and that hold tensors.

Only what can be reached from the code that runs is looked at, never the whole heap: a look takes about a millisecond,
and what is found has a name.
"""

from __future__ import annotations

import dis
import sys
import time
from collections import deque
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any

    from .agent import Agent

_MOST_OBJECTS = 20000
_MOST_S = 0.02
_DEEPEST = 5
_FEWEST = 8  # tensors in a container, for less nobody is asked
_STORES = ("append", "extend", "add", "insert", "appendleft", "setdefault", "update")
_OF_LOCALS = ("locals", "vars", "exec", "eval")
_OF_FRAMES = ("f_locals", "_getframe", "currentframe")
_CONTAINERS = (list, dict, set, deque, tuple)
_monotonic = time.monotonic


class Held:
    """A container with tensors in it, or a tensor that has a growing graph."""

    __slots__ = ("bounded", "bytes", "code", "collection", "container", "count", "graph", "id", "name", "owner")

    def __init__(self, value: Any, path: _Path) -> None:
        self.id = id(value)
        self.container = type(value).__name__
        self.name = path.name
        self.owner = path.owner
        self.code = path.code
        self.collection = path.collection
        self.bounded = getattr(value, "maxlen", None) is not None
        self.count = 0
        self.bytes = 0
        self.graph = False


class _Path:
    __slots__ = ("code", "collection", "name", "owner")

    def __init__(self, name: str, owner: str, code: tuple[CodeType, ...], *, collection: bool = False) -> None:
        self.name = name  # "kept", "self.kept"
        self.owner = owner  # "a local variable of train"
        self.code = code  # in which the container may be filled
        self.collection = collection  # inside an object that one takes things out of again: a data set, a buffer


def look(agent: Agent, frame: FrameType | None, sizes: Callable[[Any], tuple[int, int, bool] | None]) -> list[Held]:
    """Containers with at least 8 tensors that can be reached from `frame` outwards.

    `sizes(value)`: (number of its memory, bytes of it, whether a graph hangs on it) of a tensor; None: it is none.
    """
    search = _Search(agent, sizes)
    for value, path in list(_roots(agent, frame)):
        search.visit(value, path, 0)
    return search.found


def place_of_store(held: Held) -> tuple[CodeType, int] | None:
    """Where the container is filled: the first line that calls append or the like on its name, or assigns in it."""
    name = held.name.rpartition(".")[2]
    for code in held.code:
        named = False
        for line, instruction in _with_lines(code):
            if instruction.argval == name and instruction.opname.startswith("LOAD"):
                named = True
            elif named and _stores(instruction):
                return code, line
            elif instruction.opname.startswith(("POP_TOP", "STORE", "RETURN", "FOR_ITER")):
                named = False
    return None


def _stores(instruction: dis.Instruction) -> bool:
    calls = instruction.argval in _STORES and instruction.opname.startswith("LOAD")
    return calls or instruction.opname.startswith("STORE_SUBSCR")


def _with_lines(code: CodeType) -> Iterator[tuple[int, dis.Instruction]]:
    starts = dict(dis.findlinestarts(code))
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        line = starts.get(instruction.offset) or line
        yield line, instruction


def _roots(agent: Agent, frame: FrameType | None) -> Iterator[tuple[Any, _Path]]:
    modules: set[int] = set()
    places = agent._places
    frame = places.next_own(frame)
    while frame is not None:
        code = frame.f_code
        if code.co_name != "<module>":
            for name, value in _locals_of(frame):
                yield value, _Path(name, f"a local variable of {code.co_name}()", (code,))
        space = frame.f_globals
        if id(space) not in modules:
            modules.add(id(space))
            codes = (code, *_codes(space))
            for name, value in list(space.items()):
                if name[:2] != "__":
                    yield value, _Path(name, "a name of the module", codes)
        frame = places.next_own(frame.f_back)


def _locals_of(frame: FrameType) -> list[tuple[str, Any]]:
    """Names and values of the variables of a running function; of a comprehension and a class body, nothing.

    Until Python 3.12 a frame has one dictionary for all who ask for its variables, and asking brings it up to date. A
    function that may have kept it (`settings = locals()`), or have put something into it (exec), is passed over.
    """
    if not frame.f_code.co_flags & 0x1:  # CO_OPTIMIZED: a class body has its dictionary, which is not ours to touch
        return []
    if sys.version_info >= (3, 13):
        return list(frame.f_locals.items())
    if _may_have_its_locals(frame.f_code):
        return []
    snapshot = frame.f_locals
    pairs = list(snapshot.items())
    # The frame keeps this copy, and with it would keep what the program lets go. Where nobody else has it (the frame,
    # this name, the argument), it is emptied; the program never sees it.
    if sys.getrefcount(snapshot) <= 3:
        snapshot.clear()
    return pairs


def _may_have_its_locals(code: CodeType) -> bool:
    """Whether the function can have asked for the dictionary of its variables: by name, or through its frame."""
    if any(name in _OF_FRAMES for name in code.co_names):
        return True
    if not any(name in _OF_LOCALS for name in code.co_names):
        return False
    asked = False  # vars, and it is not known yet of what
    for instruction in dis.get_instructions(code):
        if asked and instruction.opname not in ("CACHE", "PRECALL", "PUSH_NULL"):
            if not instruction.opname.startswith("LOAD"):  # vars(): of an object it would load that
                return True
            asked = False
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval in _OF_LOCALS:
            if instruction.argval != "vars":
                return True
            asked = True
    return False


class _Search:
    def __init__(self, agent: Agent, sizes: Callable[[Any], tuple[int, int, bool] | None]) -> None:
        self.found: list[Held] = []
        self._agent = agent
        self._sizes = sizes
        self._seen: set[int] = set()
        self._left = _MOST_OBJECTS
        self._end_s = _monotonic() + _MOST_S
        self._own: dict[type, bool] = {}

    def visit(self, value: Any, path: _Path, depth: int) -> None:
        kind = type(value)
        if kind in _CONTAINERS or kind.__name__ == "defaultdict":
            if self._enter(value):
                self._container(value, path, depth)
        elif depth < _DEEPEST and self._is_own(kind) and self._enter(value):
            collection = path.collection or any(hasattr(kind, name) for name in ("__getitem__", "sample", "__iter__"))
            code = _codes(vars(kind)) + path.code
            for name, inner in _attributes(value):
                self.visit(
                    inner,
                    _Path(f"self.{name}", f"an attribute of a {kind.__name__}", code, collection=collection),
                    depth + 1,
                )
        elif kind.__name__ == "function" and depth < _DEEPEST and value.__closure__ and self._enter(value):
            for name, cell in zip(value.__code__.co_freevars, value.__closure__):
                self._cell(name, cell, value, depth)

    def _cell(self, name: str, cell: Any, function: Any, depth: int) -> None:
        try:
            inner = cell.cell_contents
        except ValueError:  # not filled yet
            return
        self.visit(inner, _Path(name, f"a variable around {function.__name__}()", (function.__code__,)), depth + 1)

    def _enter(self, value: Any) -> bool:
        self._left -= 1
        if id(value) in self._seen or self._left < 0 or _monotonic() > self._end_s:
            return False
        self._seen.add(id(value))
        return True

    def _is_own(self, kind: type) -> bool:
        own = self._own.get(kind)
        if own is None:
            own = self._own[kind] = kind is not type and self._agent._places.is_own_type(kind)
        return own

    def _container(self, value: Any, path: _Path, depth: int) -> None:
        items = _some(value, 48)
        if not items:
            return
        memories: dict[int, int] = {}
        tensors, graph = 0, False
        for item in items:
            for part in _parts(item):
                size = self._sizes(part)
                if size is not None:
                    tensors += 1
                    memories[size[0]] = size[1]
                    graph = graph or size[2]
        if tensors and len(value) >= _FEWEST and type(value) is not tuple:
            held = Held(value, path)
            held.count = round(len(value) * tensors / len(items))
            held.bytes = round(len(value) * sum(memories.values()) / len(items))
            held.graph = graph
            self.found.append(held)
        elif not tensors and depth < _DEEPEST:
            for item in items[-8:]:
                self.visit(item, path, depth + 1)


def _parts(item: Any) -> tuple[Any, ...]:
    """What a step puts into a container at once: a tensor, or a few of them together."""
    if type(item) in (tuple, list):
        return tuple(item[:8])
    if type(item) is dict:
        return tuple(list(item.values())[:8])
    return (item,)


def _some(value: Any, most: int) -> list[Any]:
    """Items at even distances, the last among them. A container that another thread changes meanwhile gives none."""
    try:
        if isinstance(value, (list, tuple)):
            return list(value[:: len(value) // most + 1])
        if isinstance(value, deque):
            return [value[place] for place in range(0, len(value), len(value) // most + 1)]
        return list(islice(reversed(value.values()) if isinstance(value, dict) else value, most))
    except (RuntimeError, IndexError):
        return []


def _codes(names: Any) -> tuple[CodeType, ...]:
    return tuple(value.__code__ for value in list(names.values()) if type(value).__name__ == "function")


def _attributes(value: Any) -> list[tuple[str, Any]]:
    try:
        return list(object.__getattribute__(value, "__dict__").items())
    except AttributeError:  # it has slots
        return []
