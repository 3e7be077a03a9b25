"""From an expression to the kind of thing that it is, through names, tuples, containers, functions and `self`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.learning import catalogue, classes, evidence
from wattleak.source.learning.asking import resolved, whole
from wattleak.source.learning.callers import given_values
from wattleak.source.learning.frameworks import learns
from wattleak.source.learning.made import called
from wattleak.source.learning.reaching import Origin, origin, reaching
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class, Expression, Function, Instance, Library, Method, Partial, Referent, name_of
from wattleak.source.resolving import stores
from wattleak.source.scopes import Kind
from wattleak.source.standing import enclosing_class, enclosing_function, owner_class
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module
    from wattleak.source.scopes import Binding

Things = frozenset[Thing]
_SAME: Things = frozenset()  # what refers to itself adds nothing
_DEPTH = 25
_PREPARERS = frozenset({"prepare", "setup", "setup_dataloaders", "setup_module", "setup_optimizers"})
_MODEL_PARTS = frozenset({"module", "_orig_mod", "_forward_module"})
_INITIALIZED: dict[str, tuple[Thing, ...]] = {
    "deepspeed.initialize": (Thing.MODEL, Thing.OPTIMIZER, Thing.LOADER, Thing.OTHER),
    "apex.amp.initialize": (Thing.MODEL, Thing.OPTIMIZER),
    "clip.load": (Thing.MODEL, Thing.OTHER),
    "open_clip.create_model_and_transforms": (Thing.MODEL, Thing.OTHER, Thing.OTHER),
    "open_clip.create_model_from_pretrained": (Thing.MODEL, Thing.OTHER),
}
_TRANSPARENT = frozenset(
    {
        *("functools.wraps", "functools.lru_cache", "functools.cache", "builtins.staticmethod", "builtins.classmethod"),
        *("torch.no_grad", "torch.inference_mode", "torch.enable_grad", "typing.no_type_check", "torch.compile"),
    }
)


def things(module: Module, expression: ast.AST) -> Things | None:
    """Return every kind of thing that `expression` can be; None: it can be something that is not known."""
    if not isinstance(expression, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.IfExp | ast.BoolOp):
        return frozenset({Thing.OTHER})
    whole(module)
    kept: dict[ast.AST, Things | None] = module.__dict__.setdefault("_learning_things", {})
    if expression in kept:
        return kept[expression]
    if not learns(module) and module.project is None:
        return None
    project = module.home
    cuts = project.cuts
    inference = Inference()
    found = inference.of(module, expression, _DEPTH) or None
    if (project.cuts == cuts and not inference.was_cut) or not (project.busy or project.steps is not None):
        kept[expression] = found
    return found


def is_only(module: Module, expression: ast.AST, thing: Thing) -> bool:
    """Tell whether `expression` is known to be this kind of thing and nothing else."""
    return things(module, expression) == frozenset({thing})


class Inference:
    """One question. What is being looked at counts as nothing, so that `model = model.to(device)` ends."""

    def __init__(self) -> None:
        self.known: dict[object, Things | None] = {}
        self.was_cut = False

    def of(self, module: Module, node: ast.expr, depth: int, path: tuple[int, ...] = ()) -> Things | None:
        if depth <= 0:
            self.was_cut = True
            return None
        key = (node, path)
        if key not in self.known:
            self.known[key] = _SAME
            self.known[key] = self._compute(module, node, depth - 1, path)
        return self.known[key]

    def _compute(  # noqa: PLR0911 - one for each kind
        self, module: Module, node: ast.expr, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        match node:
            case ast.Name():
                return self._name(module, node, depth, path)
            case ast.Attribute():
                return self._attribute(module, node, depth, path)
            case ast.Call():
                return self._call(module, node, depth, path)
            case ast.Subscript(value=value, slice=key):
                return self._item(module, value, key, depth, path)
            case ast.IfExp(body=body, orelse=orelse):
                return _union(self.of(module, each, depth, path) for each in (body, orelse) if not _is_none(each))
            case ast.BoolOp(values=values):
                return _union(self.of(module, each, depth, path) for each in values if not _is_none(each))
            case ast.NamedExpr(value=value):
                return self.of(module, value, depth, path)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if path:
                if path[0] < len(elements) and not any(isinstance(item, ast.Starred) for item in elements):
                    return self.of(module, elements[path[0]], depth, path[1:])
                return None
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Starred():
                return None
            case _:
                return None if path else frozenset({Thing.OTHER})

    # -- names ---------------------------------------------------------------------------------------------------

    def _name(self, module: Module, node: ast.Name, depth: int, path: tuple[int, ...]) -> Things | None:
        found = reaching(module, node)
        if not found:
            return self._referred(resolved(module, node), module, None, depth, path)
        known = _union(
            self._binding(module, node, binding, depth, path) for binding in found if not _is_none(binding.value)
        )
        if known is None and not path:
            seen = evidence.of(module, node)
            return None if seen is None else frozenset({seen})
        return known

    def _binding(
        self, module: Module, name: ast.Name, binding: Binding, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        if isinstance(binding.node, ast.arg):
            return self._parameter(module, binding.node, depth, path)
        if binding.kind in {Kind.IMPORT, Kind.CLASS} or isinstance(binding.node, ast.FunctionDef):
            return self._referred(resolved(module, name), module, None, depth, path)
        source = origin(module, binding)
        if source is None:
            return None
        if source.each:
            return self._element(module, source, depth, path)
        if source.entered:
            return None
        return self.of(module, source.value, depth, (*source.path, *path))

    def _element(self, module: Module, source: Origin, depth: int, path: tuple[int, ...]) -> Things | None:
        """What a loop gives: the elements of a list that is written out, the batches of a loader."""
        match source.value:
            case ast.List(elts=elements) | ast.Tuple(elts=elements) if elements:
                return _union(self.of(module, each, depth, (*source.path, *path)) for each in elements)
            case _:
                looped = self.of(module, passed_on(module, source.value), depth)
                return frozenset({Thing.OTHER}) if looped == frozenset({Thing.LOADER}) else None

    def _parameter(self, module: Module, parameter: ast.arg, depth: int, path: tuple[int, ...]) -> Things | None:
        scope = module.scopes.scope_of[parameter]
        node = scope.node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        owner = owner_class(module, node)
        positional = [*node.args.posonlyargs, *node.args.args]
        if owner is not None and positional[:1] == [parameter]:
            thing = classes.thing_of(Class(module, owner))
            return None if thing is None or path else frozenset({thing})
        if not path:
            mention = next(
                (
                    name
                    for name in module.mentions.get(parameter.arg, ())
                    if isinstance(name, ast.Name) and module.scopes.scope_of[name] is scope
                ),
                None,
            )
            seen = evidence.of(module, mention) if mention is not None else None
            if seen is not None:
                return frozenset({seen})
        given = given_values(module, node, parameter.arg) if depth > 5 else None
        if not given:
            return None
        return _union(self.of(where, value, depth - 5, path) for where, value in given if not _is_none(value))

    # -- attributes ----------------------------------------------------------------------------------------------

    def _attribute(self, module: Module, node: ast.Attribute, depth: int, path: tuple[int, ...]) -> Things | None:
        base = node.value
        if isinstance(base, ast.Name) and base.id in {"self", "cls"}:
            return self._of_self(module, node, depth, path)
        known = resolved(module, node)
        if known is not None and not path:
            found = self._referred(known, module, None, depth, path)
            if found is not None:
                return found
        inner = self.of(module, base, depth)
        if inner is None or path:
            return None
        if inner == frozenset({Thing.MODEL}) and node.attr in _MODEL_PARTS:
            return inner
        return None

    def _of_self(self, module: Module, node: ast.Attribute, depth: int, path: tuple[int, ...]) -> Things | None:
        owner = enclosing_class(module, node)
        if owner is None:
            return None
        stored = _stored(Class(module, owner), node.attr)
        found: Things | None = None
        if stored:
            found = _union(
                self.of(where, value, depth, (*inner, *path)) if value is not None else None
                for where, value, inner in stored
                if not _is_none(value)
            )
            if found is not None and not found:
                found = None
        if found is None and not path:
            seen = evidence.of(module, node)
            found = None if seen is None else frozenset({seen})
        inside = Class(module, owner)
        if (
            found
            and Thing.MODEL in found
            and classes.is_module_class(inside)
            and not classes.is_lightning_class(inside)
        ):
            return (found - {Thing.MODEL}) | {Thing.LAYER}
        return found

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, module: Module, call: ast.Call, depth: int, path: tuple[int, ...]) -> Things | None:
        function = call.func
        if isinstance(function, ast.Attribute):
            moved = self._moved(module, function, call, depth, path)
            if moved is not None:
                return moved
        return self._referred(called(module, function), module, call, depth, path)

    def _moved(
        self, module: Module, function: ast.Attribute, call: ast.Call, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        """`model.to(device)`, `accelerator.prepare(model, loader)`: what is given comes back."""
        if catalogue.gives_itself(function.attr) and not path:
            inner = self.of(module, function.value, depth)
            return inner if inner and inner <= {Thing.MODEL, Thing.LAYER, Thing.LOSS} else None
        if catalogue.gives_data_set(function.attr) and not path:
            inner = self.of(module, function.value, depth)
            return inner if inner == frozenset({Thing.LOADER}) else None
        if function.attr in _PREPARERS and call.args and not isinstance(call.args[0], ast.Starred):
            if len(call.args) == 1:
                return self.of(module, call.args[0], depth) if not path else None
            if path and path[0] < len(call.args) and not any(isinstance(item, ast.Starred) for item in call.args):
                return self.of(module, call.args[path[0]], depth, path[1:])
        if function.attr in {"unwrap_model", "module_from_parallel", "skip_first_batches"} and call.args and not path:
            return self.of(module, call.args[0], depth)
        return None

    def _referred(
        self, known: Iterable[Referent] | None, module: Module, call: ast.Call | None, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        return None if known is None else _union(self._one(one, module, call, depth, path) for one in known)

    def _one(  # noqa: PLR0911 - one for each kind of referent
        self, one: Referent, module: Module, call: ast.Call | None, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        """What `one` is, where `call` is None; otherwise what calling it gives."""
        match one:
            case Instance(of=of, module=home, call=made) if call is None:
                if made is None:
                    return _just(classes.thing_of(of)) if isinstance(of, Class) and not path else None
                return self.of(home, made, depth, path)
            case Expression(module=home, node=node) if call is None:
                return frozenset({Thing.OTHER}) if isinstance(node, ast.Constant) else self.of(home, node, depth, path)
            case _ if call is None:
                return frozenset({Thing.OTHER}) if isinstance(one, Library | Function | Class) else None
            case Library(name=name):
                return self._library(name, module, call, depth, path)
            case Class():
                return None if path else _just(self._made(one, module, call))
            case Partial(of=of):
                return self._one(of, module, call, depth, path)
            case Method():
                name = name_of(one) or ""
                return self._library(name, module, call, depth, path) if name else None
            case Function(module=home, node=node):
                return self._returned(home, node, depth, path)
            case Instance(of=Class() as of):
                return frozenset({Thing.OTHER}) if classes.is_module_class(of) else None
            case Instance(of=Library(name=name)):
                return frozenset({Thing.OTHER}) if catalogue.is_torch_module(name) else None
            case _:
                return None

    def _made(self, owner: Class, module: Module, call: ast.Call) -> Thing | None:
        thing = classes.thing_of(owner)
        if thing is Thing.MODEL and classes.is_layer_place(module, call, besides=owner.node):
            return Thing.LAYER
        return thing

    def _library(  # noqa: PLR0911 - one for each kind
        self, name: str, module: Module, call: ast.Call, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        plain = catalogue.plain(name)
        if plain in _INITIALIZED:
            parts = _INITIALIZED[plain]
            return frozenset({parts[path[0]]}) if len(path) == 1 and path[0] < len(parts) else None
        if path:
            return frozenset({Thing.LOADER}) if catalogue.is_loader(name) and plain.startswith("keras.") else None
        if catalogue.is_wrapper(name) or catalogue.passes_on(name):
            return self.of(module, call.args[0], depth) if call.args else None
        if catalogue.is_loader(name):
            return frozenset({Thing.LOADER})
        if catalogue.is_loss(name):
            return frozenset({Thing.LOSS})
        if catalogue.is_optimizer(name):
            return frozenset({Thing.OPTIMIZER})
        if catalogue.is_opaque(name):
            return frozenset({Thing.OTHER})
        if catalogue.is_model_maker(name):
            return frozenset({Thing.LAYER if classes.is_layer_place(module, call) else Thing.MODEL})
        if catalogue.is_torch_module(name):
            return frozenset({Thing.LAYER if classes.is_layer_place(module, call) else _role(module, call, plain)})
        if catalogue.is_keras_layer(name):
            return frozenset({Thing.LAYER})
        return frozenset({Thing.OTHER}) if plain.startswith(_KNOWN) and plain not in _ANYTHING else None

    def _returned(
        self, home: Module, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, depth: int, path: tuple[int, ...]
    ) -> Things | None:
        if isinstance(node, ast.Lambda):
            return self.of(home, node.body, depth, path)
        if isinstance(node, ast.AsyncFunctionDef) or not all(
            is_transparent(home, item) for item in node.decorator_list
        ):
            return None
        own = list(own_nodes(node))
        if any(isinstance(item, ast.Yield | ast.YieldFrom) for item in own):
            return None
        values = [item.value for item in own if isinstance(item, ast.Return)]
        if not values:
            return frozenset({Thing.OTHER})
        return _union(self.of(home, value, depth, path) if value is not None else None for value in values)

    # -- containers ----------------------------------------------------------------------------------------------

    def _item(self, module: Module, value: ast.expr, key: ast.expr, depth: int, path: tuple[int, ...]) -> Things | None:
        if isinstance(key, ast.Constant) and isinstance(key.value, int) and key.value >= 0:
            found = self.of(module, value, depth, (key.value, *path))
            if found:
                return found
        if path:
            return None
        return self._any_item(module, value, depth)

    def _any_item(  # noqa: C901, PLR0911, PLR0912 - one branch for each kind of container
        self, module: Module, value: ast.expr, depth: int
    ) -> Things | None:
        """`loaders[phase]`: what all values of the container are."""
        if depth <= 0:
            return None
        match value:
            case ast.Dict(values=values) if values:
                return _union(self.of(module, each, depth) for each in values)
            case ast.List(elts=values) | ast.Tuple(elts=values) if values:
                return _union(self.of(module, each, depth) for each in values)
            case ast.DictComp(value=each) | ast.ListComp(elt=each):
                return self.of(module, each, depth)
            case ast.Name():
                parts = []
                for binding in reaching(module, value):
                    if isinstance(binding.node, ast.arg):
                        scope = module.scopes.scope_of[binding.node]
                        given = (
                            given_values(module, scope.node, binding.node.arg)
                            if isinstance(scope.node, ast.FunctionDef)
                            else None
                        )
                        if not given:
                            return None
                        parts += [self._any_item(where, inner, depth - 5) for where, inner in given]
                        continue
                    source = origin(module, binding)
                    plain = source is not None and not source.path and not source.each and not source.entered
                    parts.append(self._any_item(module, source.value, depth - 1) if source and plain else None)
                return _union(parts) if parts else None
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                owner = enclosing_class(module, value)
                stored = _stored(Class(module, owner), name) if owner is not None else []
                parts = [
                    self._any_item(where, inner, depth - 1) if inner is not None and not rest else None
                    for where, inner, rest in stored
                ]
                return _union(parts) if parts else None
            case ast.Call():
                known = resolved(module, value.func)
                for one in known or ():
                    if isinstance(one, Function) and isinstance(one.node, ast.FunctionDef):
                        parts = [
                            self._any_item(one.module, item.value, depth - 1) if item.value is not None else None
                            for item in own_nodes(one.node)
                            if isinstance(item, ast.Return)
                        ]
                        return _union(parts) if parts else None
                return None
            case _:
                return None


_ANYTHING = frozenset({"torch.load", "torch.hub.load", "builtins.getattr", "builtins.next", "builtins.eval"})
_KNOWN = ("torch.", "builtins.", "numpy.", "tensorflow.", "os.", "math.", "time.", "keras.", "argparse.")


def passed_on(module: Module, expression: ast.expr) -> ast.expr:
    """Return what enumerate, tqdm and their like are around: `enumerate(tqdm(loader))` -> `loader`."""
    for _ in range(5):
        match expression:
            case ast.Call(func=ast.Name() | ast.Attribute() as function, args=[first, *_]):
                known = resolved(module, function)
                names = {name_of(one) for one in known or ()}
                if not names or not all(name is not None and catalogue.passes_on(name) for name in names):
                    named = function.id if isinstance(function, ast.Name) else function.attr
                    if known is not None or named not in {"tqdm", "trange", "track", "log_every", "progress_bar"}:
                        return expression
                expression = first
            case _:
                return expression
    return expression


def is_transparent(module: Module, decorator: ast.expr) -> bool:
    """Tell whether a decorated call still gives what the function returns."""
    plain = decorator.func if isinstance(decorator, ast.Call) else decorator
    known = resolved(module, plain)
    return known is not None and {name_of(one) for one in known} <= _TRANSPARENT


def _role(module: Module, call: ast.Call, plain: str) -> Thing:
    """`model = nn.Linear(10, 1)` is a model when it is trained as one, and a layer otherwise."""
    if plain == "torch.nn.Module":
        return Thing.OTHER
    parent = module.scopes.parent_of.get(call)
    while isinstance(parent, ast.Attribute | ast.Call | ast.IfExp):
        parent = module.scopes.parent_of.get(parent)
    match parent:
        case ast.Assign(targets=[ast.Name() | ast.Attribute(value=ast.Name(id="self")) as target]):
            if evidence.of(module, target) is Thing.MODEL:
                return Thing.MODEL
            return (
                Thing.MODEL if plain == "torch.nn.Sequential" and enclosing_class(module, call) is None else Thing.LAYER
            )
        case ast.Return() if plain == "torch.nn.Sequential":
            function = enclosing_function(module, call)
            return Thing.LAYER if function is None or _builds_layers(module, function) else Thing.MODEL
        case _:
            return Thing.LAYER


def _builds_layers(module: Module, function: ast.AST) -> bool:
    """Tell whether a function is called by a class of a module, or by nobody that is known."""
    name = getattr(function, "name", None)
    if name is None:
        return True
    found = False
    for other in module.home.mentioning(name):
        for node in other.mentions.get(name, ()):
            parent = other.scopes.parent_of.get(node)
            if isinstance(parent, ast.Call) and parent.func is node:
                found = True
                if classes.is_layer_place(other, parent):
                    return True
    return not found


def _stored(owner: Class, name: str) -> list[tuple[Module, ast.expr | None, tuple[int, ...]]]:
    """Return what a class, or the nearest base of it that does, stores to `self.name`, with the piece of it."""
    seen: set[ast.ClassDef] = set()
    waiting = [owner]
    while waiting:
        current = waiting.pop(0)
        if current.node in seen or len(seen) > 12:
            continue
        seen.add(current.node)
        found = stores(current).get(name, [])
        if found:
            return _pieces(current, name, found)
        for base in current.node.bases:
            waiting += [one for one in resolved(current.module, base) or () if isinstance(one, Class)]
    return []


def _pieces(
    owner: Class, name: str, found: list[ast.expr | None]
) -> list[tuple[Module, ast.expr | None, tuple[int, ...]]]:
    if all(value is not None for value in found):
        return [(owner.module, value, ()) for value in found]
    pieces: list[tuple[Module, ast.expr | None, tuple[int, ...]]] = []
    for node in walk(owner.node):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if _is_own(target, name):
                pieces.append((owner.module, node.value, ()))
            elif isinstance(target, ast.Tuple | ast.List):
                pieces += [
                    (owner.module, node.value, (number,))
                    for number, piece in enumerate(target.elts)
                    if _is_own(piece, name)
                ]
    return pieces if len(pieces) == len(found) else [(owner.module, value, ()) for value in found]


def _is_own(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == name and isinstance(target.value, ast.Name)


def _is_none(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _just(thing: Thing | None) -> Things | None:
    return None if thing is None else frozenset({thing})


def _union(found: Iterable[Things | None]) -> Things | None:
    together: set[Thing] = set()
    for known in found:
        if known is None:
            return None
        together |= known
    return frozenset(together)


__all__ = ["Inference", "is_only", "is_transparent", "passed_on", "things"]
