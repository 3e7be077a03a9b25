"""From an expression to what it can stand for, across the files of a project.

`referents` returns everything that an expression can be, or None when at least one possibility is not known: an
argument that nobody in the project gives, two star imports, a container that is filled elsewhere, a decorator that may
return anything. Rules fire on what they know about all of it, never on a part.
"""

from __future__ import annotations

import ast
import builtins
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.source.referents import (
    Class,
    Expression,
    Function,
    Instance,
    Library,
    Method,
    ModuleRef,
    Partial,
    Referent,
    name_of,
)
from wattleak.source.scopes import Binding, Kind
from wattleak.source.values import evaluate
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wattleak.source.module import Module
    from wattleak.source.project import Project
    from wattleak.source.scopes import Scope

Known = frozenset[Referent]
_NOTHING: Known = frozenset()
_DEPTH = 40  # links from one name to the next, through files and calls
_STEPS = 4_000  # of one question
_BUILTINS = frozenset(dir(builtins))
_IMPORTERS = frozenset({"importlib.import_module", "builtins.__import__", "pytest.importorskip"})

_TRANSPARENT = frozenset(
    {
        *("functools.wraps", "functools.lru_cache", "functools.cache", "builtins.staticmethod", "builtins.classmethod"),
        *("torch.no_grad", "torch.inference_mode", "torch.enable_grad", "abc.abstractmethod", "typing.no_type_check"),
        *("torch.jit.ignore", "torch.jit.unused", "tensorflow.function", "jax.jit", "typing.override"),
        *("torch.set_grad_enabled", "numba.njit", "numba.jit", "wattleak.measured", "torch.compile"),
    }
)
"""Decorators after which a call still gives what the function returns."""

_GIVE_THEMSELVES = {
    "torch.nn.Module": frozenset(
        {
            *("to", "cuda", "cpu", "xpu", "eval", "train", "half", "float", "double", "bfloat16", "type"),
            *("requires_grad_", "apply", "share_memory", "to_empty", "ipu", "npu"),
        }
    )
}
"""Methods that return what they are called on (torch.nn.Module, PyTorch 2.13)."""


def referents(module: Module, expression: ast.expr) -> Known | None:
    """Return everything that `expression` can stand for; None: it can be something that is not known."""
    project = module.home
    remembered: dict[ast.expr, Known | None] = module.__dict__.setdefault("_referents", {})
    if expression in remembered:
        return remembered[expression]
    first, cuts = project.steps is None, project.cuts
    if first:  # otherwise it is a part of another question, whose patience it shares
        project.steps = 0
    try:
        found = Resolver(project).resolve(module, expression) or None
    finally:
        if first:
            project.steps = None
    if project.cuts == cuts or (first and not project.busy):
        remembered[expression] = found
    return found


def qualified_names(module: Module, expression: ast.expr) -> frozenset[str] | None:
    """Return the dotted names of everything that `expression` can stand for (see `referents.name_of`), or None."""
    found = referents(module, expression)
    names = {name_of(referent) for referent in found} if found else {None}
    return None if None in names else frozenset(name for name in names if name is not None)


def qualified_name(module: Module, expression: ast.expr) -> str | None:
    """Return the one dotted name that `expression` stands for, or None: several, or not known."""
    names = qualified_names(module, expression)
    return next(iter(names)) if names is not None and len(names) == 1 else None


def bases(owner: Class) -> list[Referent] | None:
    """Return the direct base classes; None: one of them is not known."""
    found: list[Referent] = []
    for base in owner.node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base  # Generic[T]
        known = referents(owner.module, plain)
        if known is None or len(known) != 1:
            return None
        found += known
    return found


def is_a(referent: Referent, names: Iterable[str]) -> bool | None:
    """Tell whether a class, or what was made from one, is one of the library classes `names` or inherits from one.

    None: it has a base class that is not known.
    """
    wanted = frozenset(names)
    return _is_a(referent.of if isinstance(referent, Instance) else referent, wanted, _DEPTH)


def _is_a(referent: Referent, wanted: frozenset[str], depth: int) -> bool | None:
    if not isinstance(referent, Class) or depth <= 0:
        return name_of(referent) in wanted
    found = bases(referent)
    if found is None:
        return None
    answers = [_is_a(base, wanted, depth - 1) for base in found]
    return True if True in answers else None if None in answers else False


class Resolver:
    """One question, with what was seen on the way: chains of names cost no more than their length."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.visiting: set[ast.AST] = set()

    def resolve(self, module: Module, node: ast.expr, depth: int = _DEPTH) -> Known | None:
        self.project.steps = (self.project.steps or 0) + 1
        if depth <= 0 or self.project.steps > _STEPS:
            self.project.cuts += 1
            return None
        if node in self.visiting:
            return _NOTHING  # `model = model.to(device)`: what it is besides itself is found on the way
        self.visiting.add(node)
        try:
            return self._compute(module, node, depth - 1)
        finally:
            self.visiting.discard(node)

    def _compute(self, module: Module, node: ast.expr, depth: int) -> Known | None:  # noqa: PLR0911 - one for each kind
        match node:
            case ast.Name():
                return self._name(module, node, depth)
            case ast.Attribute(value=value, attr=attribute):
                return self._each(self.resolve(module, value, depth), lambda r: self.attribute(r, attribute, depth))
            case ast.Call():
                return self._each(self.resolve(module, node.func, depth), lambda r: self.result(r, module, node, depth))
            case ast.IfExp(body=body, orelse=orelse):
                return self._all([body, orelse], module, depth)
            case ast.BoolOp(values=values):
                return self._all(values, module, depth)
            case ast.NamedExpr(value=value):
                return self.resolve(module, value, depth)
            case ast.Lambda():
                return frozenset({Function(module, node)})
            case ast.Subscript(value=value, slice=key):
                return self._each(self.resolve(module, value, depth), lambda r: self._item(r, key, module, depth))
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Starred():
                return None
            case _:
                return frozenset({Expression(module, node)})

    def _all(self, nodes: Iterable[ast.expr], module: Module, depth: int) -> Known | None:
        found = [self.resolve(module, node, depth) for node in nodes]
        return _union(found)

    def _each(self, known: Known | None, follow: Callable[[Referent], Known | None]) -> Known | None:
        return None if known is None else _union([follow(referent) for referent in known])

    # -- names ---------------------------------------------------------------------------------------------------

    def _name(self, module: Module, node: ast.Name, depth: int) -> Known | None:
        scope = module.scopes.scope_of.get(node)
        if scope is None:
            return None
        found = module.scopes.bindings(node.id, scope)
        if not found:
            return self._unbound(module, node.id, depth)
        if not _is_local(found, scope) and not self._is_visible(module, found, node.id):
            return None
        return self._bindings(module, found, depth)

    def _unbound(self, module: Module, name: str, depth: int) -> Known | None:
        for star in reversed(_star_imports(module)):
            target = self._imported(module, star)
            if not isinstance(target, ModuleRef) or target.module is None:
                return None
            known = self.module_name(target.module, name, depth)
            if known != _NOTHING:
                return known
        return frozenset({Library(f"builtins.{name}")}) if name in _BUILTINS else None

    def _is_visible(self, module: Module, found: list[Binding], name: str) -> bool:
        """Tell whether no later star import may have bound the name to something else."""
        first = min(getattr(binding.node, "lineno", 0) for binding in found)
        for star in _star_imports(module):
            if star.lineno > first:
                target = self._imported(module, star)
                if not isinstance(target, ModuleRef) or target.module is None:
                    return False
                if name in target.module.scopes.module.bindings or _star_imports(target.module):
                    return False
        return True

    def _bindings(self, module: Module, found: list[Binding], depth: int) -> Known | None:
        imports = any(binding.kind is Kind.IMPORT for binding in found)
        return _union(
            [
                self._binding(module, binding, depth)
                for binding in found
                # `torch = None` is the fallback of an optional import.
                if not (imports and isinstance(binding.value, ast.Constant) and binding.value.value is None)
            ]
        )

    def _binding(self, module: Module, binding: Binding, depth: int) -> Known | None:  # noqa: PLR0911 - one for each kind
        match binding:
            case Binding(kind=Kind.IMPORT, node=ast.Import() | ast.ImportFrom() as node, target=str(target)):
                return self._import(module, node, target, depth)
            case Binding(kind=Kind.VALUE, value=ast.expr() as value):
                return self.resolve(module, value, depth)
            case Binding(kind=Kind.CLASS, node=ast.ClassDef() as node):
                return frozenset({Class(module, node)})
            case Binding(node=ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                return frozenset({Function(module, node)})
            case Binding(node=ast.arg() as node):
                return self._parameter(module, node, depth)
            case Binding(kind=Kind.EACH, value=ast.expr() as value):
                return self._each(self.resolve(module, value, depth), lambda r: self._elements(r, depth))
            case _:
                return None

    def _elements(self, referent: Referent, depth: int) -> Known | None:
        match referent:
            case Expression(module=module, node=ast.Tuple(elts=elements) | ast.List(elts=elements)) if elements:
                return self._all(elements, module, depth)
            case _:
                return None

    def _item(self, referent: Referent, key: ast.expr, module: Module, depth: int) -> Known | None:
        """`CONFIG["model"]`, for a dict that is written out and that nobody writes to."""
        wanted = evaluate(module, key)
        match referent:
            case Expression(module=home, node=ast.Dict(keys=keys, values=values) as node) if wanted is not None:
                if any(name is None for name in keys) or _is_written_to(home, node):
                    return None
                matching = [
                    value
                    for name, value in zip(keys, values, strict=True)
                    if name is not None and evaluate(home, name) == wanted
                ]
                return self.resolve(home, matching[-1], depth) if matching else None
            case _:
                return None

    # -- imports -------------------------------------------------------------------------------------------------

    def _import(self, module: Module, node: ast.Import | ast.ImportFrom, target: str, depth: int) -> Known | None:
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        reached = self._follow(module, target, node)
        if reached is None:
            return None if relative else frozenset({Library(target)})
        here, rest = reached
        if isinstance(node, ast.Import) and rest:
            return None  # a module of the project that does not exist
        known: Known | None = frozenset({self._module_ref(here)})
        for part in rest:
            known = self._each(known, lambda r, part=part: self.attribute(r, part, depth))  # type: ignore[misc]
        return known or None

    def _follow(
        self, module: Module, target: str, node: ast.Import | ast.ImportFrom
    ) -> tuple[Path, tuple[str, ...]] | None:
        """Return the file or folder of the project that an import reaches, and the names left over."""
        plain = target.lstrip(".")
        parts = tuple(plain.split(".")) if plain else ()
        level = len(target) - len(plain)
        here = Path(os.path.realpath(module.path)).parent
        if level:
            for _ in range(level - 1):
                here = here.parent
            return self.project.find(here, parts) or ((here, parts) if (here / "__init__.py").is_file() else None)
        for folder in self.project.import_folders(module.path):
            reached = self.project.find(folder, parts)
            if reached is not None and not self._is_passed_over(folder, parts, reached, node):
                return reached
        return None

    def _is_passed_over(
        self, folder: Path, parts: tuple[str, ...], reached: tuple[Path, tuple[str, ...]], node: ast.AST
    ) -> bool:
        """`import torch` beside a folder `torch/` that is no package means the library: Python takes packages first.

        Such a folder counts only where the import names a module that is in it.
        """
        here, rest = reached
        if here.suffix or (here / "__init__.py").is_file():
            return False
        if rest or len(parts) > 1:
            return bool(rest)
        named = [tuple(alias.name.split(".")) for alias in node.names] if isinstance(node, ast.Import) else []
        inside = [self.project.find(folder, name) for name in named if name[:1] == parts and name != parts]
        return not any(found is not None and not found[1] for found in inside)

    def _imported(self, module: Module, star: ast.ImportFrom) -> Referent | None:
        reached = self._follow(module, "." * star.level + (star.module or ""), star)
        return self._module_ref(reached[0]) if reached is not None and not reached[1] else None

    def _module_ref(self, path: Path) -> ModuleRef:
        file = path if path.suffix else path / "__init__.py"
        return ModuleRef(path, self.project.module_at(file) if file.is_file() else None)

    def module_name(self, module: Module, name: str, depth: int) -> Known | None:
        """Return what a module calls `name`; nothing, when it has no such name."""
        found = module.scopes.module.bindings.get(name)
        if found:
            return self._bindings(module, found, depth) if self._is_visible(module, found, name) else None
        if _star_imports(module):
            known = self._unbound(module, name, depth)
            return known if known is None or not all(_is_builtin(referent) for referent in known) else _NOTHING
        return None if "__getattr__" in module.scopes.module.bindings else _NOTHING

    # -- attributes ----------------------------------------------------------------------------------------------

    def attribute(self, referent: Referent, name: str, depth: int) -> Known | None:  # noqa: PLR0911 - as above
        """Return what `referent.name` can be."""
        if depth <= 0:
            return None
        match referent:
            case ModuleRef(path=path, module=module):
                known = self.module_name(module, name, depth) if module is not None else _NOTHING
                if known != _NOTHING:
                    return known
                below = self.project.find(path, (name,)) if not path.suffix else None
                return frozenset({self._module_ref(below[0])}) if below else None
            case Library(name=base):
                return frozenset({Library(f"{base}.{name}")})
            case Class():
                return self._of_class(referent, name, None, depth)
            case Instance(of=Class() as owner):
                return self._of_class(owner, name, referent, depth)
            case Instance() | Expression():
                return frozenset({Method(referent, name)})
            case _:
                return None

    def _of_class(  # noqa: PLR0911 - what is stored, what is written in the class, what is inherited
        self, owner: Class, name: str, receiver: Instance | None, depth: int
    ) -> Known | None:
        stored = stores(owner).get(name, []) if receiver is not None else []
        written = [self.resolve(owner.module, value, depth) if value is not None else None for value in stored]
        inside = owner.module.scopes.scope_of.get(owner.node.body[0])
        found = inside.bindings.get(name, []) if inside is not None else []
        for binding in found:
            if isinstance(binding.node, ast.FunctionDef | ast.AsyncFunctionDef):
                plain = not any(_decorator(owner.module, item) in _PROPERTIES for item in binding.node.decorator_list)
                written.append(frozenset({Function(owner.module, binding.node, receiver)}) if plain else None)
            elif binding.kind is Kind.UNKNOWN and _is_declared_only(owner.module, binding):
                written.append(None)  # a field of a dataclass
            else:
                written.append(self._binding(owner.module, binding, depth))
        if stored_from_outside(owner.module, name):
            return None
        if written:
            return _union(written)
        parents = bases(owner)
        if parents is None:
            return None
        for parent in parents:
            if isinstance(parent, Class):
                known = self._of_class(parent, name, receiver, depth - 1) if depth > 0 else None
                if known is not None:
                    return known
            elif isinstance(parent, Library) and parent.name not in {"builtins.object", "typing.Generic", "abc.ABC"}:
                if receiver is None:
                    return frozenset({Library(f"{parent.name}.{name}")})
                return frozenset({Method(receiver, name, parent.name)})
        return None

    # -- calls ---------------------------------------------------------------------------------------------------

    def result(  # noqa: PLR0911 - one return for each kind
        self, referent: Referent, module: Module, call: ast.Call, depth: int
    ) -> Known | None:
        """Return what calling `referent` gives."""
        match referent:
            case Library(name="functools.partial") if call.args:
                return self._each(
                    self.resolve(module, call.args[0], depth), lambda r: frozenset({Partial(r, module, call)})
                )
            case Library(name=name) if name in _IMPORTERS:
                target = call.args[0] if call.args else None
                if isinstance(target, ast.Constant) and isinstance(target.value, str) and "." not in target.value[:1]:
                    return self._import(module, _AN_IMPORT, target.value, depth)
                return None
            case Library():
                return frozenset({Instance(referent, module, call)})
            case Class():
                return frozenset({Instance(referent, module, call)})
            case Partial(of=of):
                return self.result(of, module, call, depth)
            case Method(owner=Instance() as owner, name=name):
                same = any(name in names and is_a(owner, {base}) for base, names in _GIVE_THEMSELVES.items())
                return frozenset({owner if same else Instance(referent, module, call)})
            case Method():
                return frozenset({Instance(referent, module, call)})
            case Function():
                return self.returned(referent, depth)
            case Instance(of=Class()):
                return self._each(
                    self.attribute(referent, "__call__", depth), lambda r: self._called(r, module, call, depth)
                )
            case Instance():
                return frozenset({Instance(Method(referent, "__call__"), module, call)})
            case _:
                return None

    def _called(self, referent: Referent, module: Module, call: ast.Call, depth: int) -> Known | None:
        if isinstance(referent, Method):
            return frozenset({Instance(referent, module, call)})
        return self.result(referent, module, call, depth)

    def returned(self, function: Function, depth: int) -> Known | None:
        """Return what a function returns; None where it yields, or is decorated with something unknown."""
        node = function.node
        if isinstance(node, ast.Lambda):
            return self.resolve(function.module, node.body, depth)
        if isinstance(node, ast.AsyncFunctionDef) or any(
            _decorator(function.module, item) not in _TRANSPARENT for item in node.decorator_list
        ):
            return None
        own = list(own_nodes(node))
        if any(isinstance(item, ast.Yield | ast.YieldFrom) for item in own):
            return None
        values = [item.value for item in own if isinstance(item, ast.Return)]
        if not values or any(value is None for value in values):
            return None
        return self._all([value for value in values if value is not None], function.module, depth)

    def _parameter(self, module: Module, parameter: ast.arg, depth: int) -> Known | None:
        from wattleak.source.arguments import parameter_values  # noqa: PLC0415 - they ask each other
        from wattleak.source.standing import owner_class  # noqa: PLC0415 - they ask each other

        scope = module.scopes.scope_of[parameter]
        node = scope.node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        positional = [*node.args.posonlyargs, *node.args.args]
        owner = owner_class(module, node)
        if owner is not None and positional[:1] == [parameter]:
            kinds = {_decorator(module, item) for item in node.decorator_list}
            if "builtins.staticmethod" not in kinds:
                made = Class(module, owner)
                return frozenset({made if "builtins.classmethod" in kinds else Instance(made, module, None)})
        given = parameter_values(Function(module, node), parameter.arg)
        if given is None:
            return None
        return _union([self.resolve(where, value, depth - 5) for where, value in given])


_AN_IMPORT = ast.Import(names=[])
_PROPERTIES = frozenset({"builtins.property", "functools.cached_property", None})


def stores(owner: Class) -> dict[str, list[ast.expr | None]]:
    """Return what the methods of a class store to `self`: for each attribute the values; None for a loop, a file..."""
    return _stores(owner.node)


@lru_cache(maxsize=512)
def _stores(owner: ast.ClassDef) -> dict[str, list[ast.expr | None]]:
    found: dict[str, list[ast.expr | None]] = {}
    for method in owner.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) or not method.args.args:
            continue
        own = method.args.args[0].arg
        for node in walk(method):
            targets: list[tuple[ast.expr, ast.expr | None]] = []
            match node:
                case ast.Assign(targets=several, value=value):
                    targets = [(target, value) for target in several]
                case ast.AnnAssign(target=target, value=value) if value is not None:
                    targets = [(target, value)]
                case ast.AugAssign(target=target) | ast.For(target=target):
                    targets = [(target, None)]
                case ast.withitem(optional_vars=ast.expr() as target):
                    targets = [(target, None)]
                case _:
                    continue
            for target, value in targets:
                for attribute, stored in _attributes(target, value):
                    if isinstance(attribute.value, ast.Name) and attribute.value.id == own:
                        found.setdefault(attribute.attr, []).append(stored)
    return found


def _attributes(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[ast.Attribute, ast.expr | None]]:
    if isinstance(target, ast.Attribute):
        yield target, value
    elif isinstance(target, ast.Tuple | ast.List):
        written = (
            value.elts if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts) else None
        )
        for number, piece in enumerate(target.elts):
            yield from _attributes(piece, written[number] if written else None)


def stored_from_outside(module: Module, name: str) -> bool:
    """Tell whether the module writes `something.name = ...` where something is not `self`."""
    if name not in module.scopes.stored_attributes:
        return False
    for node in module.mentions.get(name, ()):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            base = node.value
            if not isinstance(base, ast.Name) or base.id not in {"self", "cls"}:
                return True
    return False


def _decorator(module: Module, decorator: ast.expr) -> str | None:
    plain = decorator.func if isinstance(decorator, ast.Call) else decorator
    return qualified_name(module, plain)


def _union(found: list[Known | None]) -> Known | None:
    together: set[Referent] = set()
    for known in found:
        if known is None:
            return None
        together |= known
    return frozenset(together)


def _is_local(found: list[Binding], scope: Scope) -> bool:
    return scope.parent is not None and any(found is candidate for candidate in scope.bindings.values())


def _is_builtin(referent: Referent) -> bool:
    return isinstance(referent, Library) and referent.name.startswith("builtins.")


def _is_declared_only(module: Module, binding: Binding) -> bool:
    parent = module.scopes.parent_of.get(binding.node)
    return isinstance(parent, ast.AnnAssign) and parent.value is None


def _is_written_to(module: Module, container: ast.expr) -> bool:
    """Tell whether the name that holds a container is changed anywhere in its module, or given away."""
    parent = module.scopes.parent_of.get(container)
    if not isinstance(parent, ast.Assign | ast.AnnAssign):
        return False
    targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    if len(names) != len(targets):
        return True
    for node in (node for name in names for node in module.mentions.get(name, ())):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        above = module.scopes.parent_of.get(node)
        match above:
            case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.AugAssign():
                return True
            case ast.Attribute(attr="update" | "pop" | "setdefault" | "clear" | "popitem"):
                return True
            case _:
                pass
    return False


def _star_imports(module: Module) -> list[ast.ImportFrom]:
    if not module.scopes.last_star_line:
        return []
    return [node for node in module.froms if any(alias.name == "*" for alias in node.names)]
