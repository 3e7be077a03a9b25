"""What the classes of a project are: models, layers, or neither, by what they inherit and where they are used."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.learning import catalogue
from wattleak.source.learning.asking import resolved
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class, Function, name_of
from wattleak.source.resolving import bases
from wattleak.source.standing import enclosing_class, enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_DEPTH = 12  # classes between one and the library
_MOST_MENTIONS = 200
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "append", "add_module", "extend", "insert"})


def ancestors(owner: Class) -> frozenset[str] | None:
    """Return the library classes that a class inherits from, in one spelling; None: a base is not known."""
    kept: dict[object, frozenset[str] | None] = owner.module.__dict__.setdefault("_learning_ancestors", {})
    if owner.node not in kept:
        cuts = owner.module.home.cuts
        found = _ancestors(owner, _DEPTH)
        if owner.module.home.cuts != cuts:
            return found
        kept[owner.node] = found
    return kept[owner.node]


def _ancestors(owner: Class, depth: int) -> frozenset[str] | None:
    direct = bases(owner) if depth > 0 else None
    if direct is None:
        return None
    found: set[str] = set()
    for base in direct:
        if isinstance(base, Class):
            inner = _ancestors(base, depth - 1)
            if inner is None:
                return None
            found |= inner
        else:
            name = name_of(base)
            if name is None:
                return None
            found.add(catalogue.plain(name))
    return frozenset(found)


def is_module_class(owner: Class) -> bool | None:
    """Tell whether instances are a torch.nn.Module, a keras.Model or a Keras layer; None: a base is not known."""
    found = ancestors(owner)
    if found is None:
        return None
    return any(
        catalogue.is_torch_module(name) or catalogue.is_keras_model(name) or catalogue.is_keras_layer(name)
        for name in found
    )


def is_torch_class(owner: Class) -> bool:
    """Tell whether instances are known to be a torch.nn.Module."""
    return any(catalogue.is_torch_module(name) for name in ancestors(owner) or ())


def is_lightning_class(owner: Class) -> bool:
    """Tell whether instances are a LightningModule, whose hooks Lightning calls."""
    return any(catalogue.is_lightning(name) for name in ancestors(owner) or ())


def thing_of(owner: Class) -> Thing | None:
    """Return what an instance of a class is; None: not known."""
    kept: dict[object, Thing | None] = owner.module.__dict__.setdefault("_learning_classes", {})
    if owner.node not in kept:
        cuts = owner.module.home.cuts
        found = _thing_of(owner)
        if owner.module.home.cuts != cuts:
            return found
        kept[owner.node] = found
    return kept[owner.node]


def _thing_of(owner: Class) -> Thing | None:  # noqa: PLR0911 - one return for each kind
    found = ancestors(owner)
    if found is None:
        return None
    if any(catalogue.is_loader(name) for name in found):
        return Thing.LOADER
    if any(catalogue.is_optimizer(name) or name in {"torch.optim.Optimizer", "keras.Optimizer"} for name in found):
        return Thing.OPTIMIZER
    if not is_module_class(owner):
        return Thing.OTHER
    if any(catalogue.is_loss(name) for name in found) or catalogue.says_loss(owner.node.name):
        return Thing.LOSS
    if any(catalogue.is_model_class(name) for name in found):
        return Thing.MODEL
    if any(catalogue.is_keras_layer(name) for name in found) or catalogue.is_other_module(owner.node.name):
        return Thing.LAYER
    return Thing.MODEL if _holds_parts(owner) and not is_used_as_layer(owner) else Thing.LAYER


def _holds_parts(owner: Class) -> bool:
    """Tell whether a module has, or inherits, anything that could be trained: a bare function in a class has not."""
    if any(not (isinstance(base, ast.Attribute) and base.attr == "Module") for base in owner.node.bases) and len(
        owner.node.bases
    ):
        known = bases(owner) or []
        if any(isinstance(base, Class) or name_of(base) != "torch.nn.Module" for base in known):
            return True
    for node in walk(owner.node):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self")), *_], value=ast.Call()):
                return True
            case ast.Call(func=ast.Attribute(attr="register_parameter" | "add_module" | "register_module")):
                return True
            case _:
                pass
    return False


def is_used_as_layer(owner: Class) -> bool:
    """Tell whether another torch.nn.Module of the project makes one for itself, or puts it among its layers."""
    seen = 0
    name = owner.node.name
    for module in owner.module.home.mentioning(name):
        for node in module.mentions.get(name, ()):
            if not isinstance(node.ctx, ast.Load):
                continue
            seen += 1
            if seen > _MOST_MENTIONS:
                return True  # so common a name is that of a building block
            if _is_part(module, node, owner):
                return True
    return False


def _is_part(module: Module, node: ast.Name | ast.Attribute, owner: Class) -> bool:
    parent = module.scopes.parent_of.get(node)
    if not (isinstance(parent, ast.Call) and parent.func is node):
        return False
    if not is_layer_place(module, parent, besides=owner.node):
        return False
    return any(isinstance(one, Class) and same_place(one, owner) for one in resolved(module, node) or ())


def same_place(one: Class | Function, other: Class | Function) -> bool:
    """Tell whether two are the same class or function: a module that was parsed twice has two trees."""
    if one.node is other.node:
        return True
    same_file = one.module.path.absolute() == other.module.path.absolute()
    return same_file and (one.node.lineno, one.node.col_offset) == (other.node.lineno, other.node.col_offset)


def is_layer_place(module: Module, call: ast.Call, besides: ast.ClassDef | None = None) -> bool:
    """Tell whether a call stands where a layer of a larger model is made: in a module's class, or among layers."""
    outer = enclosing_class(module, call)
    if outer is not None and outer is not besides and not _in_factory(module, call):
        around = Class(module, outer)
        if is_module_class(around) and not is_lightning_class(around):
            return True
    parents = module.scopes.parent_of
    node: ast.AST = call
    while node in parents and isinstance(parents[node], ast.expr | ast.keyword):
        node = parents[node]
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in _CONTAINERS and call is not node.func:
                return not _is_list_of_models(node)
    return False


def _in_factory(module: Module, node: ast.AST) -> bool:
    """Tell whether a node stands in a class method or static method, which makes models and is none."""
    function = enclosing_function(module, node)
    return any(
        isinstance(item, ast.Name) and item.id in {"classmethod", "staticmethod"}
        for item in getattr(function, "decorator_list", [])
    )


def _is_list_of_models(call: ast.Call) -> bool:
    """`models.append(Net())` keeps whole models."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr="append" | "extend" | "insert"):
            return not any(word in name for word in ("layer", "block", "module", "conv", "stage", "head", "branch"))
        case _:
            return False
