"""Is it a model, a loader, an optimizer; and does a call build a model anew?"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.learning import catalogue, classes
from wattleak.source.learning.asking import resolved, whole
from wattleak.source.learning.inference import is_only, is_transparent, passed_on, things
from wattleak.source.learning.made import called
from wattleak.source.learning.reaching import origin, reaching
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class, Function, Instance, Library, Method, Partial, Referent, name_of
from wattleak.source.walking import own_nodes

if TYPE_CHECKING:
    from wattleak.source.module import Module

_DEPTH = 8  # functions and names between a call and the constructor
_KEEPING = frozenset({"functools.lru_cache", "functools.cache"})


def builds_model(module: Module, call: ast.Call) -> bool:
    """Tell whether a call makes a model that was not there before.

    True for constructors of models (subclasses of torch.nn.Module, keras.Model and LightningModule across files,
    keras.Sequential, keras.applications, torchvision.models, timm.create_model, from_pretrained, load_model,
    clone_model) and for functions of the project that return a fresh one, alone or in a tuple. False for calls of
    instances, for layers, losses and wrappers (DataParallel, torch.compile, deepcopy), and for what is not known.
    """
    whole(module)
    kept: dict[ast.AST, bool] = module.__dict__.setdefault("_learning_builds", {})
    if call not in kept:
        cuts = module.home.cuts
        found = _builds(module, call, _DEPTH)
        if module.home.cuts != cuts and (module.home.busy or module.home.steps is not None):
            return found
        kept[call] = found
    return kept[call]


def is_model(module: Module, expression: ast.expr) -> bool:
    """Tell whether `expression` is known to be an instance of a model: by how it was made, or by what is done with it.

    DataParallel(model), torch.compile(model), deepcopy(model), accelerator.prepare(model) are models; layers, losses
    and classes are not. `self` in a class of models is one.
    """
    return is_only(module, expression, Thing.MODEL)


def is_loader(module: Module, expression: ast.expr) -> bool:
    """Tell whether `expression` is known to be a torch DataLoader or a tf.data.Dataset, also inside enumerate, tqdm."""
    return is_only(module, passed_on(module, expression), Thing.LOADER)


def is_optimizer(module: Module, expression: ast.expr) -> bool:
    """Tell whether `expression` is known to be an optimizer; a learning rate scheduler is none."""
    return is_only(module, expression, Thing.OPTIMIZER)


def runs_module(module: Module, call: ast.Call) -> bool:
    """Tell whether a call is the forward pass of a model or layer: `model(x)`, `self.fc(x)`, `model.forward(x)`."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "forward":
        function = function.value
    if isinstance(function, ast.Attribute) and function.attr == "__call__":
        function = function.value
    if not isinstance(function, ast.Name | ast.Attribute | ast.Subscript):
        return False
    known = things(module, function)
    return bool(known) and known is not None and known <= {Thing.MODEL, Thing.LAYER}


def _builds(module: Module, call: ast.Call, depth: int) -> bool:
    function = call.func
    if depth <= 0 or not isinstance(function, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        return False
    known = called(module, function)
    return bool(known) and all(_makes(one, module, call, depth) for one in known or ())


def _makes(one: Referent, module: Module, call: ast.Call, depth: int) -> bool:  # noqa: PLR0911 - one for each kind
    match one:
        case Class():
            return classes.thing_of(one) is Thing.MODEL and not classes.is_layer_place(module, call, one.node)
        case Partial(of=of):
            return _makes(of, module, call, depth)
        case Library(name=name):
            if classes.is_layer_place(module, call) or catalogue.is_wrapper(name):
                return False
            if name == "torch.hub.load":
                return not any(
                    isinstance(item, ast.Constant) and item.value in {"tokenizer", "config"} for item in call.args
                )
            if catalogue.is_model_maker(name):
                return True
            return catalogue.is_torch_module(name) and is_only(module, call, Thing.MODEL)
        case Method(owner=Instance()):
            return False
        case Method():
            name_found = name_of(one)
            return name_found is not None and catalogue.is_model_maker(name_found)
        case Function():
            return not classes.is_layer_place(module, call) and _returns_fresh(one, depth)
        case _:
            return False


def _returns_fresh(function: Function, depth: int) -> bool:
    node = function.node
    if isinstance(node, ast.Lambda):
        return _is_fresh(function.module, node.body, depth - 1)
    if isinstance(node, ast.AsyncFunctionDef):
        return False
    for decorator in node.decorator_list:
        plain = decorator.func if isinstance(decorator, ast.Call) else decorator
        kept = {name_of(one) for one in resolved(function.module, plain) or ()} & _KEEPING
        if kept or not is_transparent(function.module, decorator):
            return False
    own = list(own_nodes(node))
    if any(isinstance(item, ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal) for item in own):
        return False
    values = [item.value for item in own if isinstance(item, ast.Return) and item.value is not None]
    return bool(values) and all(_is_fresh(function.module, value, depth - 1) for value in values)


def _is_fresh(  # noqa: PLR0911 - one return for each kind
    module: Module, value: ast.expr, depth: int
) -> bool:
    """Tell whether a returned value is, or holds, a model that the function has just made."""
    if depth <= 0:
        return False
    match value:
        case ast.Tuple(elts=elements):
            return any(_is_fresh(module, each, depth) for each in elements)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_fresh(module, body, depth) and _is_fresh(module, orelse, depth)
        case ast.Call(func=function, args=arguments):
            if isinstance(function, ast.Attribute) and catalogue.gives_itself(function.attr):
                return _is_fresh(module, function.value, depth)
            known = resolved(module, function)
            if arguments and known and all(catalogue.is_wrapper(name_of(one) or "") for one in known):
                return _is_fresh(module, arguments[0], depth)
            return _builds(module, value, depth)
        case ast.Name():
            if things(module, value) != frozenset({Thing.MODEL}):
                return False
            answers = []
            for binding in reaching(module, value):
                if module.scopes.scope_of.get(binding.node) is not module.scopes.scope_of.get(value):
                    return False  # it was made elsewhere, and is kept there
                source = origin(module, binding)
                if source is None or source.each:
                    return False
                answers.append(_is_fresh(module, source.value, depth - 1))
            return bool(answers) and all(answers)
        case _:
            return False
