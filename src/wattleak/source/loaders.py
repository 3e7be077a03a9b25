"""Where a data loader was made: through tuples that functions return, splits, progress bars and preparing wrappers.

`resolving` answers for names and attributes; training code hands its loaders on in ways of its own:

    train_loader, test_loader = build_loaders(config)
    train_set, valid_set = random_split(dataset, [0.9, 0.1])
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for images, labels in tqdm(loaders[phase]):

As everywhere here, the answer is about every possibility, or None.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.calls import Located, Site
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.learning.callers import given_values
from wattleak.source.learning.catalogue import passes_on
from wattleak.source.learning.reaching import reaching
from wattleak.source.referents import Class, Expression, Function, Instance, Library, Method, name_of
from wattleak.source.resolving import bases, is_a
from wattleak.source.scopes import Binding, Kind
from wattleak.source.standing import enclosing_class
from wattleak.source.values import evaluate
from wattleak.source.walking import own_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module
    from wattleak.source.referents import Referent

PYTORCH_LOADERS = frozenset({"torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader"})
SPLITS = frozenset({"torch.utils.data.random_split", "torch.utils.data.dataset.random_split"})

_PREPARING = frozenset({"prepare", "prepare_data_loader", "setup_dataloaders"})
"""Methods of accelerate and Lightning Fabric that return each of their arguments, wrapped."""

_DEPTH = 12  # names and calls between the place of use and the call that makes it


def origins(module: Module, expression: ast.expr) -> list[Located] | None:
    """Return the calls and literals that `expression` was made by; None: one of them is not known.

    Names are followed as `resolving.referents` does, and through what training code does with its loaders besides.
    """
    return _Tracing().origins(module, expression, _DEPTH) or None


def pytorch_loaders(module: Module, expression: ast.expr) -> list[Site] | None:
    """Return the calls of DataLoader that `expression` was made by; None: not known, or something else may be it."""
    found = origins(module, expression)
    if found is None:
        return None
    sites = [Site(home, node) for home, node in found if isinstance(node, ast.Call)]
    if len(sites) < len(found) or not all(makes_pytorch_loader(site.module, site.call) for site in sites):
        return None
    return sites


def makes_pytorch_loader(module: Module, call: ast.Call) -> bool:
    """Tell whether `call` makes a torch DataLoader."""
    return resolved_name(module, call.func) in PYTORCH_LOADERS


def read_by(module: Module, iterated: ast.expr) -> list[ast.expr]:
    """Return what a loop over `iterated` reads: each argument of zip, what stands under enumerate and progress bars."""
    if isinstance(iterated, ast.Call) and iterated.args:
        name = resolved_name(module, iterated.func)
        if name == "builtins.zip":
            return [inner for argument in iterated.args for inner in read_by(module, argument)]
        if name is not None and passes_on(name):
            return read_by(module, iterated.args[0])
    return [iterated]


def is_same_node(one: Located | Site, other: Located | Site) -> bool:
    """Tell whether two places are one: a module that was parsed twice has two trees."""
    first, second = one[1], other[1]
    if first is second:
        return True
    same_file = one.module.path.absolute() == other.module.path.absolute()
    return same_file and (first.lineno, first.col_offset, first.end_lineno, first.end_col_offset) == (
        second.lineno,
        second.col_offset,
        second.end_lineno,
        second.end_col_offset,
    )


def _passes_on(module: Module, call: ast.Call) -> bool:
    name = resolved_name(module, call.func)
    return name is not None and passes_on(name)


def _here(module: Module, name: ast.Name) -> list[Binding] | None:
    """Return which of its values a name has where it stands; None: any of them, or one is not written in this file.

    A notebook calls one loader after the other `train_loader`.
    """
    possible = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    if len(possible) < 2:
        return None
    found = reaching(module, name)
    imported = any(binding.kind is Kind.IMPORT for binding in possible)
    return found if found and not imported and len(found) < len(possible) else None


class _Tracing:
    """One question, with what was seen on the way, so that a name which is made from itself ends."""

    def __init__(self) -> None:
        self.seen: set[tuple[ast.AST, int | None]] = set()

    def origins(self, module: Module, node: ast.expr, depth: int) -> list[Located] | None:
        if depth <= 0:
            return None
        if (node, None) in self.seen:
            return []
        self.seen.add((node, None))
        bindings = _here(module, node) if isinstance(node, ast.Name) else None
        if bindings is not None:
            return _together(self._bound(module, binding, depth - 1) for binding in bindings)
        known = resolved(module, node)
        if known is not None:
            return _together(self._origins_of(referent, depth - 1) for referent in known)
        return self._followed(module, node, depth - 1)

    def _origins_of(self, referent: Referent, depth: int) -> list[Located] | None:
        match referent:
            case Instance(of=Library(name=name), module=home, call=ast.Call(args=[first, *_])) if passes_on(name):
                return self.origins(home, first, depth)
            case Instance(of=Method(name=name), module=home, call=ast.Call(args=[only])) if name in _PREPARING:
                return self.origins(home, only, depth)
            case Instance(module=home, call=ast.Call() as call):
                return [Located(home, call)]
            case Expression(module=home, node=node):
                return [Located(home, node)]
            case _:
                return None

    def _followed(  # noqa: PLR0911 - one return for each kind of expression
        self, module: Module, node: ast.expr, depth: int
    ) -> list[Located] | None:
        match node:
            case ast.Name(id=name):
                bindings = module.scopes.bindings(name, module.scopes.scope_of[node])
                if not bindings:
                    return None
                return _together(self._bound(module, binding, depth) for binding in bindings)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._stored(module, node, name, depth)
            case ast.Call(args=[first, *_]) if _passes_on(module, node):
                return self.origins(module, first, depth)
            case ast.Call(func=ast.Attribute(attr=name), args=[only]) if name in _PREPARING:
                return self.origins(module, only, depth)
            case ast.Call():
                return self._returned(module, node, None, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return _together(self.origins(module, branch, depth) for branch in (body, orelse))
            case ast.Subscript(value=container, slice=key):
                return self._item(module, container, key, depth)
            case _:
                return None

    def _bound(self, module: Module, binding: Binding, depth: int) -> list[Located] | None:
        if isinstance(binding.node, ast.arg):
            function = module.scopes.scope_of[binding.node].node
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                return None
            given = given_values(module, function, binding.node.arg)
            return None if given is None else _together(self.origins(home, value, depth) for home, value in given)
        if binding.kind is Kind.VALUE and binding.value is not None:
            return self.origins(module, binding.value, depth)
        if binding.kind is Kind.EACH and isinstance(binding.value, ast.Tuple | ast.List):
            return _together(self.origins(module, element, depth) for element in binding.value.elts)
        return self._unpacked(module, binding.node, depth)

    def _unpacked(self, module: Module, target: ast.AST, depth: int) -> list[Located] | None:
        """`a, b = build()`: return what stands at the place of `target` in what is unpacked."""
        around = module.scopes.parent_of.get(target)
        if not isinstance(around, ast.Tuple | ast.List) or any(isinstance(one, ast.Starred) for one in around.elts):
            return None
        statement = module.scopes.parent_of.get(around)
        if not isinstance(statement, ast.Assign) or around not in statement.targets:
            return None
        index = next(number for number, element in enumerate(around.elts) if element is target)
        return self._element(module, statement.value, index, depth)

    def _element(  # noqa: PLR0911 - one return for each kind of expression
        self, module: Module, node: ast.expr, index: int, depth: int
    ) -> list[Located] | None:
        """Return the origins of `node[index]`."""
        if depth <= 0:
            return None
        if (node, index) in self.seen:
            return []
        self.seen.add((node, index))
        match node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                if any(isinstance(element, ast.Starred) for element in elements) or index >= len(elements):
                    return None
                return self.origins(module, elements[index], depth)
            case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name in _PREPARING:
                plain = not any(isinstance(argument, ast.Starred) for argument in arguments)
                return self.origins(module, arguments[index], depth) if plain and index < len(arguments) else None
            case ast.Call():
                if resolved_name(module, node.func) in SPLITS:
                    return [Located(module, node)]
                return self._returned(module, node, index, depth)
            case ast.Name(id=name):
                bindings = module.scopes.bindings(name, module.scopes.scope_of[node])
                if not bindings or not all(binding.kind is Kind.VALUE for binding in bindings):
                    return None
                values = [binding.value for binding in bindings if binding.value is not None]
                return _together(self._element(module, value, index, depth - 1) for value in values)
            case ast.IfExp(body=body, orelse=orelse):
                return _together(self._element(module, branch, index, depth - 1) for branch in (body, orelse))
            case _:
                return None

    def _returned(self, module: Module, call: ast.Call, index: int | None, depth: int) -> list[Located] | None:
        """Return the origins of what a function of the project returns, or of one piece of it."""
        functions = resolved(module, call.func)
        if not functions:
            return None
        found: list[list[Located] | None] = []
        for function in functions:
            if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
                return None
            own = list(own_nodes(function.node))
            values = [item.value for item in own if isinstance(item, ast.Return) and item.value is not None]
            if not values or function.node.decorator_list or any(isinstance(item, ast.Yield) for item in own):
                return None
            for value in values:
                if index is None:
                    found.append(self.origins(function.module, value, depth - 1))
                else:
                    found.append(self._element(function.module, value, index, depth - 1))
        return _together(found)

    def _stored(self, module: Module, attribute: ast.Attribute, name: str, depth: int) -> list[Located] | None:
        """Return the origins of `self.name`, unpacked from a tuple in the class where it stands."""
        owner = enclosing_class(module, attribute)
        if owner is None:
            return None
        found: list[list[Located] | None] = []
        for node in module.mentions.get(name, ()):
            if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
                continue
            if enclosing_class(module, node) is not owner:
                return None
            statement = module.scopes.parent_of.get(node)
            if isinstance(statement, ast.Assign) and node in statement.targets:
                found.append(self.origins(module, statement.value, depth))
            else:
                found.append(self._unpacked(module, node, depth))
        return _together(found) if found else None

    def _item(self, module: Module, container: ast.expr, key: ast.expr, depth: int) -> list[Located] | None:
        """`loaders[phase]`: return the origins of every value that a written dict may hold under `key`."""
        if isinstance(key, ast.Constant) and isinstance(key.value, int) and key.value >= 0:
            return self._element(module, container, key.value, depth)
        made = self.origins(module, container, depth)
        if not made:
            return None
        found: list[list[Located] | None] = []
        for home, node in made:
            match node:
                case ast.DictComp(value=value):
                    found.append(self.origins(home, value, depth))
                case ast.Dict(keys=keys, values=values) if all(one is not None for one in keys):
                    wanted = evaluate(module, key)
                    pairs = [
                        value
                        for one, value in zip(keys, values, strict=True)
                        if one is not None and (wanted is None or evaluate(home, one) in {wanted, None})
                    ]
                    found += [self.origins(home, value, depth) for value in pairs]
                case _:
                    return None
        return _together(found)


def _together(found: Iterable[list[Located] | None]) -> list[Located] | None:
    everything: list[Located] = []
    for each in found:
        if each is None:
            return None
        everything += [one for one in each if one not in everything]
    return everything


# -- what it reads -------------------------------------------------------------------------------------------------

_DATA = ("torch.utils.data.", "torch.utils.data.dataset.")
_WITH_LENGTH = SPLITS | {
    f"{home}{name}" for home in _DATA for name in ("TensorDataset", "Subset", "ConcatDataset", "StackDataset")
}
_STREAMS = frozenset(f"{home}{name}" for home in _DATA for name in ("IterableDataset", "ChainDataset"))
_SEQUENCES = frozenset({"builtins.list", "builtins.range", "builtins.sorted", "builtins.tuple"})
_TORCHVISION = "torchvision.datasets."
_INHERITED = 6  # classes from a data set to the one that defines its length


def knows_length(module: Module, dataset: ast.expr) -> bool:
    """Tell whether a data set is certain to have a length, so that a DataLoader over it has one: no stream."""
    found = origins(module, dataset)
    return bool(found) and all(_has_length(home, node) for home, node in found or ())


def _has_length(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple | ast.ListComp):
        return True
    known = resolved(module, node.func) if isinstance(node, ast.Call) else None
    if known is None or len(known) != 1:
        return False
    match next(iter(known)):
        case Library(name=name):
            return name in _WITH_LENGTH | _SEQUENCES or name.startswith(_TORCHVISION)
        case Class() as owner:
            return is_a(owner, _STREAMS) is False and _defines_length(owner, _INHERITED)
        case _:
            return False


def _defines_length(owner: Class, depth: int) -> bool:
    if any(isinstance(item, ast.FunctionDef) and item.name == "__len__" for item in owner.node.body):
        return True
    for parent in (bases(owner) or []) if depth else []:
        if isinstance(parent, Class) and _defines_length(parent, depth - 1):
            return True
        name = name_of(parent) or ""
        if name.startswith(_TORCHVISION) or name in _WITH_LENGTH:
            return True
    return False
