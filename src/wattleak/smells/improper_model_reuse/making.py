"""Which calls make a model: asked of the text first, because following names costs far more."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.source import standing
from wattleak.source.learning import builds_model
from wattleak.source.learning.catalogue import is_model_maker
from wattleak.source.names import dotted_name
from wattleak.source.referents import Function
from wattleak.source.resolving import qualified_names, referents
from wattleak.source.scopes import Kind
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

SPEAKS = re.compile(r"keras|torch|tensorflow|transformers|timm|from_pretrained|load_model|ultralytics|predict|\.fit\(")
"""A file without any of these has no model in it."""

_USED = re.compile(
    r"^(fit\w*|predict\w*|evaluate\w*|train_on_batch|test_on_batch|load_weights|load_state_dict|set_weights|compile|"
    r"parameters|state_dict|eval|generate|encode|transcribe|forward|trainable_\w+|to|cuda|train|learn|summary)$"
)
_MAKES = re.compile(r"model|net|build|creat|load|make|pretrained|^[A-Z]", re.IGNORECASE)
_NEVER = frozenset(
    {"print", "range", "len", "int", "float", "str", "list", "dict", "tuple", "set", "zip", "enumerate", "open"}
)
_LAYERS = re.compile(
    r"^torch\.nn\.(Linear|Bilinear|Conv\w+d|RNN\w*|LSTM\w*|GRU\w*|Embedding\w*|Transformer\w*|MultiheadAttention|Sequential)$"
)
_ALSO = re.compile(r"^(transformers\.pipeline|transformers\.pipelines\.pipeline|spacy\.load|torch\.hub\.load)$")
"""What gives a model besides what `builds_model` knows."""
_KNOWN_LIBRARIES = frozenset(sys.stdlib_module_names) | {
    *("torch", "torchvision", "tensorflow", "keras", "timm", "builtins", "numpy", "pandas", "scipy", "sklearn"),
    *("matplotlib", "PIL", "cv2", "tqdm", "torchaudio", "torchtext", "wandb", "einops", "yaml", "requests", "seaborn"),
}
"""Of these it is known by the name what builds a model."""
_NO_MODEL_THERE = (ast.Expr, ast.Return, ast.List, ast.Dict, ast.Compare, ast.BinOp)
"""What a call stands in whose result is not used as a model on the spot."""
_INSIDE_MODELS = frozenset({"__init__", "setup", "build", "call", "forward", "__call__"})
_FUNCTIONAL = re.compile(r"^(flax|haiku|jax|equinox|objax|trax|elegy)\b")


@dataclass(frozen=True, slots=True)
class Made:
    """What a call gives: one model; or several things of which `parts` are models; or a single layer."""

    parts: tuple[int, ...] | None = None
    is_layer: bool = False


def made_by(module: Module, call: ast.Call) -> Made | None:
    """Return what model a call makes; None: it makes none, or that is not known."""
    owner = standing.enclosing_class(module, call)
    if owner is not None and any(getattr(base, "attr", getattr(base, "id", "")) == "Module" for base in owner.bases):
        return None  # a module that makes its own parts
    if any(isinstance(target, ast.Tuple | ast.List) for target in targets_of(module, call)):
        parts = _models_in_tuple(module, call)
        return Made(tuple(parts)) if parts else None
    if _makes_model(module, call):
        return Made()
    names = qualified_names(module, call.func) or frozenset()
    parent = module.scopes.parent_of.get(call)
    alone = getattr(parent, "func", None) is call or not isinstance(parent, ast.Call | ast.keyword | ast.Starred)
    if alone and names and all(_LAYERS.match(name) for name in names):
        return Made(is_layer=True)
    return None


def targets_of(module: Module, call: ast.Call) -> list[ast.expr]:
    """Return what the result of a call is stored as; empty: it is used on the spot."""
    parent = module.scopes.parent_of.get(call)
    match parent:
        case ast.Assign(targets=targets):
            return list(targets)
        case ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
            return [target]
        case ast.withitem(optional_vars=ast.expr() as target):
            return [target]
        case ast.Attribute() if isinstance(above := module.scopes.parent_of.get(parent), ast.Call):
            return targets_of(module, above) if above.func is parent else []
        case _:
            return []


def is_candidate(module: Module, call: ast.Call) -> bool:
    """Ask what the text alone can tell, before names are followed."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    function = standing.enclosing_function(module, call)
    name = str(getattr(function, "name", ""))
    if (
        not last
        or last in _NEVER
        or last.startswith("__")
        or (function is None and not standing.loops_around(module, call))
        or name in _INSIDE_MODELS
        or name.startswith("_make")
        or isinstance(module.scopes.parent_of.get(call), _NO_MODEL_THERE)
        or not _may_be_maker(module, call.func)
    ):
        return False
    if _MAKES.search(last):
        return True
    targets = targets_of(module, call)
    names = [name for target in targets for name in walk(target) if isinstance(name, ast.Name | ast.Attribute)]
    return any(_is_used_as_model(module, name) for name in names)


def _may_be_maker(module: Module, called: ast.expr) -> bool:
    """Tell whether something is called that an import, a class or a function brings in: not `model(x)`, `x.topk(5)`."""
    root = called
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    found = module.scopes.bindings(root.id, module.scopes.scope_of[root])
    dotted = dotted_name(module, called)
    if dotted is not None and dotted.partition(".")[0] in _KNOWN_LIBRARIES:
        return is_model_maker(dotted) or _LAYERS.match(dotted) is not None or _ALSO.match(dotted) is not None
    if root.id in {"self", "cls"}:
        return isinstance(called, ast.Attribute) and called.value is root
    for binding in found:
        alias = isinstance(binding.value, ast.Name | ast.Attribute | ast.Lambda | ast.Tuple | ast.List) or (
            isinstance(binding.value, ast.Call) and "partial" in ast.unparse(binding.value.func)
        )
        if (alias and called is root) or binding.kind in {Kind.IMPORT, Kind.CLASS}:
            return True
        if isinstance(binding.node, ast.FunctionDef | ast.AsyncFunctionDef):
            return True
    return not found


def _is_used_as_model(module: Module, target: ast.Name | ast.Attribute) -> bool:
    parents = module.scopes.parent_of
    for mention in module.mentions.get(target.id if isinstance(target, ast.Name) else target.attr, ()):
        parent = parents.get(mention)
        if isinstance(parent, ast.Attribute) and _USED.match(parent.attr):
            return True
    return False


def _makes_model(module: Module, call: ast.Call) -> bool:
    names = qualified_names(module, call.func) or frozenset()
    if any(_FUNCTIONAL.match(name) for name in names):
        return False
    return builds_model(module, call) or (bool(names) and all(_ALSO.match(name) for name in names))


def _models_in_tuple(module: Module, call: ast.Call) -> list[int]:
    """`model, optimizer = prepare()`: return which of the values that a function of the project returns are models."""
    known = referents(module, call.func)
    function = next(iter(known)) if known is not None and len(known) == 1 else None
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
        return []
    returned = [item.value for item in own_nodes(function.node) if isinstance(item, ast.Return)]
    if len(returned) != 1 or not isinstance(returned[0], ast.Tuple):
        return []
    home = function.module
    return [number for number, item in enumerate(returned[0].elts) if _is_fresh(home, item)]


def _is_fresh(module: Module, item: ast.expr) -> bool:
    if isinstance(item, ast.Call):
        return builds_model(module, item)
    if not isinstance(item, ast.Name):
        return False
    found = module.scopes.bindings(item.id, module.scopes.scope_of[item])
    values = [binding.value for binding in found]
    made = [value for value in values if isinstance(value, ast.Call) and builds_model(module, value)]
    # `model = model.to(device)` beside it changes nothing.
    rest = [value for value in values if value not in made]
    return bool(made) and all(
        value is not None and any(isinstance(node, ast.Name) and node.id == item.id for node in walk(value))
        for value in rest
    )
