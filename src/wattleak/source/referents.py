"""What a name or an expression can stand for."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.source.module import Module


@dataclass(frozen=True, slots=True)
class Library:
    """Something outside the project, by its dotted name: a module, class, function or constant of a library."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function, method or lambda of the project; `receiver` is what it was taken from, for a method."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    receiver: Instance | None = None

    def __hash__(self) -> int:
        return hash(self.node)


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project."""

    module: Module
    node: ast.ClassDef

    def __hash__(self) -> int:
        return hash(self.node)


@dataclass(frozen=True, slots=True)
class ModuleRef:
    """A module or package of the project; `module` is None for a folder without an __init__.py."""

    path: Path
    module: Module | None

    def __hash__(self) -> int:
        return hash(self.path)


@dataclass(frozen=True, slots=True)
class Instance:
    """What a call gives: an instance of a class, or the result of a library function.

    `call` is None for `self` inside a method: some instance, made anywhere.
    """

    of: Library | Class | Method
    module: Module
    call: ast.Call | None

    def __hash__(self) -> int:
        return hash((self.of, self.call))


@dataclass(frozen=True, slots=True)
class Method:
    """A method, or attribute, of something whose class is outside the project: `model.fit`, `kept.append`."""

    owner: Instance | Expression
    name: str
    home: str | None = None  # the library class that it is inherited from, where `owner` is of a class of the project


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(f, ...)`: `call` is that call."""

    of: Referent
    module: Module
    call: ast.Call

    def __hash__(self) -> int:
        return hash(self.call)


@dataclass(frozen=True, slots=True)
class Expression:
    """A value that is written out: a number, a text, a list, a dict, arithmetic; in the module where it stands."""

    module: Module
    node: ast.expr

    def __hash__(self) -> int:
        return hash(self.node)


Referent = Library | Function | Class | ModuleRef | Instance | Method | Partial | Expression

_LITERALS: dict[type[ast.expr], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
    ast.JoinedStr: "str",
}


def name_of(referent: Referent) -> str | None:  # noqa: PLR0911 - one for each kind
    """Return a dotted name: `torch.nn.Linear` for the class, and for what `torch.nn.Linear(...)` gives.

    A class or function of the project is called after its file: `models.Net`. A method is called after the class that
    its owner was made from, or that the project's class inherits it from: `tensorflow.keras.Sequential.fit`,
    `builtins.list.append`.
    """
    match referent:
        case Library(name=name):
            return name
        case Instance(of=of):
            return name_of(of)
        case Method(owner=owner, name=name, home=home):
            base = home or name_of(owner)
            return None if base is None else f"{base}.{name}"
        case Partial(of=of):
            return name_of(of)
        case ModuleRef(path=path):
            return path.stem if path.stem != "__init__" else path.parent.name
        case Expression(node=ast.Constant(value=value)):
            return f"builtins.{type(value).__name__}"
        case Expression(node=node):
            literal = _LITERALS.get(type(node))
            return f"builtins.{literal}" if literal else None
        case Class(module=module, node=node):
            return f"{module.path.stem}.{node.name}"
        case Function(module=module, node=node):
            return f"{module.path.stem}.{getattr(node, 'name', '<lambda>')}"
