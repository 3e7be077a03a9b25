"""What a value is by what is done with it: only models have `.eval()` and `.parameters()`.

A parameter that nobody in the project fills is known by this alone. One kind of evidence is dropped where a class of
the project that is not a model has a method of that name.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.source.learning import catalogue
from wattleak.source.learning.classes import is_module_class
from wattleak.source.learning.frameworks import Framework, frameworks
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class
from wattleak.source.standing import enclosing_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module

_ONLY_MODULES = frozenset({"parameters", "named_parameters", "named_modules", "named_children"})
_ONLY_KERAS_MODELS = frozenset({"train_on_batch", "test_on_batch", "predict_on_batch", "fit_generator"})
_KERAS_WEIGHTS = frozenset({"trainable_variables", "trainable_weights"})
_PARTS_OF_LOADERS = frozenset({"dataset", "sampler", "batch_sampler", "batch_size", "num_workers", "collate_fn"})
_ITERATING = frozenset({"enumerate", "tqdm", "iter", "len", "trange", "track"})


@dataclass
class Uses:
    """What is done with a value under one name."""

    methods: dict[str, list[ast.Call]] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    called: bool = False
    iterated: bool = False
    stepped: bool = False  # given to a GradScaler's step


def of(module: Module, expression: ast.expr) -> Thing | None:
    """Return what a name, or an attribute of `self`, is by what is done with it; None: that says nothing."""
    match expression:
        case ast.Name(id=name):
            scope = module.scopes.scope_of.get(expression)
            found = module.scopes.bindings(name, scope) if scope is not None else []
            if not found:
                return None
            mentions: Iterable[ast.expr] = (
                node
                for node in module.mentions.get(name, ())
                if isinstance(node, ast.Name) and module.scopes.bindings(name, module.scopes.scope_of[node]) is found
            )
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            owner = enclosing_class(module, expression)
            mentions = (
                node
                for node in module.mentions.get(name, ())
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
                and enclosing_class(module, node) is owner
            )
        case _:
            return None
    return _judged(module, name, _gathered(module, mentions))


def _gathered(module: Module, mentions: Iterable[ast.expr]) -> Uses:
    found = Uses()
    parents = module.scopes.parent_of
    for node in mentions:
        parent = parents.get(node)
        above = parents.get(parent) if parent is not None else None
        match parent:
            case ast.Attribute(attr=attribute) if isinstance(above, ast.Call) and above.func is parent:
                found.methods.setdefault(attribute, []).append(above)
            case ast.Attribute(attr=attribute):
                found.attributes.add(attribute)
            case ast.Call(func=function) if function is node:
                found.called = True
            case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function)):
                found.iterated |= function in _ITERATING
                found.stepped |= function == "step"
            case ast.For(iter=iterable) | ast.comprehension(iter=iterable) if iterable is node:
                found.iterated = True
            case _:
                pass
    return found


def _judged(module: Module, name: str, uses: Uses) -> Thing | None:
    spoken = frameworks(module)
    keras = bool({Framework.KERAS, Framework.TENSORFLOW} & spoken)
    if _is_module(module, uses, both=keras and Framework.TORCH in spoken, tensorflow=keras):
        return Thing.LOSS if catalogue.says_loss(name) else Thing.MODEL
    if keras and _is_keras_model(uses):
        return Thing.MODEL
    optimizer = (
        "param_groups" in uses.attributes
        or ("step" in uses.methods and "zero_grad" in uses.methods and not uses.called)
        or "apply_gradients" in uses.methods
        or (uses.stepped and "zero_grad" in uses.methods)
    )
    if optimizer:
        return Thing.OPTIMIZER
    if uses.iterated and uses.attributes & _PARTS_OF_LOADERS:
        return Thing.LOADER
    if keras and uses.iterated and ("prefetch" in uses.methods or "padded_batch" in uses.methods):
        return Thing.LOADER
    return None


def _is_module(module: Module, uses: Uses, *, both: bool, tensorflow: bool) -> bool:
    """TensorFlow's tensors have an `.eval()`, and its models no `.parameters()`."""
    if tensorflow and not both:
        return False
    sound = {method for method in uses.methods if not _is_defined_elsewhere(module, method)}
    if sound & _ONLY_MODULES:
        return True
    if both:
        return False
    if "eval" in sound and any(not call.args and not call.keywords for call in uses.methods["eval"]):
        return True
    return uses.called and bool(sound & {"train", "zero_grad", "state_dict"})


def _is_keras_model(uses: Uses) -> bool:
    if _ONLY_KERAS_MODELS & set(uses.methods):
        return True
    compiled = any(
        keyword.arg in {"optimizer", "loss"} for call in uses.methods.get("compile", ()) for keyword in call.keywords
    )
    if compiled or ("summary" in uses.methods and {"fit", "predict", "compile"} & set(uses.methods)):
        return True
    return bool(_KERAS_WEIGHTS & uses.attributes) and uses.called


def _is_defined_elsewhere(module: Module, method: str) -> bool:
    """Tell whether a class of the project that may be anything defines the method."""
    project = module.home
    kept: dict[str, bool] = project.__dict__.setdefault("_learning_methods", {})
    if method not in kept:
        kept[method] = False  # a class that is being looked at
        kept[method] = any(
            _defines(node, method) and not _is_module_like(other, node)
            for other in project.mentioning(f"def {method}(")
            for node in other.tree.body
            if isinstance(node, ast.ClassDef)
        )
    return kept[method]


def _defines(owner: ast.ClassDef, method: str) -> bool:
    return any(isinstance(item, ast.FunctionDef) and item.name == method for item in owner.body)


def _is_module_like(module: Module, owner: ast.ClassDef) -> bool:
    """Most bases say it by their names; the resolver is asked about the others."""
    names = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in owner.bases}
    return any(name.endswith(("Module", "Model", "Layer", "Sequential")) for name in names) or bool(
        is_module_class(Class(module, owner))
    )
