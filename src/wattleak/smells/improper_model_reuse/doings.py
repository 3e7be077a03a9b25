"""What a stretch of code does with a model: trains it, asks it, loads or saves its weights, or keeps it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.smells.improper_model_reuse.constancy import within
from wattleak.source import standing
from wattleak.source.referents import Class, Function, Library, Method, name_of
from wattleak.source.resolving import referents
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


class Doing(Enum):
    """One kind of thing that is done with a model."""

    TRAINS = "trains"  # its weights change
    ASKS = "asks"  # predict, evaluate, a forward pass
    LOADS = "loads"  # weights come from somewhere
    SAVES = "saves"  # weights go somewhere
    SETS = "sets"  # compile, to, eval, add: how it is made
    LOOKS = "looks"  # a number of parameters, a summary
    KEEPS = "keeps"  # it stays after the round, or nobody knows


@dataclass(frozen=True, slots=True)
class Act:
    """A thing done, at `node` of `module`; `top` is where it shows in the code that was asked about."""

    doing: Doing
    module: Module
    node: ast.AST
    top: ast.AST


_TRAINS = re.compile(
    r"^(fit|fit_generator|fit_on_batch|train_on_batch|train_step|training_step|partial_fit|learn|train_model|"
    r"finetune|fine_tune|update_weights|optimi[sz]e|minimize)$"
)
_LOADS = frozenset({"load_weights", "load_state_dict", "set_weights", "load_adapter", "load_params"})
_SAVES = frozenset(
    {"save", "save_weights", "state_dict", "get_weights", "save_pretrained", "export", "save_checkpoint", "dump"}
)
_SETS = frozenset(
    {
        *(
            "compile",
            "add",
            "build",
            "add_module",
            "append",
            "extend",
            "insert",
            "zero_grad",
            "resize_token_embeddings",
        ),
        *(
            "gradient_checkpointing_enable",
            "gradient_checkpointing_disable",
            "freeze",
            "unfreeze",
            "fuse",
            "tie_weights",
        ),
        *("init_weights", "initialize", "reset_parameters", "register_buffer", "register_forward_hook", "print"),
        *("add_loss", "add_metric", "merge_and_unload", "set_attn_processor", "set_progress_bar_config"),
    }
)
_LOOKS = frozenset(
    {
        *("summary", "count_params", "named_parameters", "modules", "children", "named_modules", "named_children"),
        *("buffers", "get_layer", "get_config", "to_json", "extra_repr", "num_parameters", "get_submodule", "info"),
        *("get_input_embeddings", "get_memory_footprint", "to_yaml", "stop", "close"),
    }
)
_ITSELF = frozenset(
    {
        *("to", "cuda", "cpu", "xpu", "eval", "train", "half", "float", "double", "bfloat16", "type", "to_empty"),
        *("requires_grad_", "apply", "share_memory", "module"),
    }
)
_WEIGHTS = frozenset(
    {"parameters", "trainable_variables", "trainable_weights", "variables", "weights", "trainable_parameters"}
)
_STEPPING = re.compile(
    r"optim|adam|sgd|rmsprop|adagrad|adadelta|lbfgs|\blion\b|gradient|minimize|clip_grad|autograd|\.grad\b",
    re.IGNORECASE,
)
_FACTS = frozenset(
    {
        *("device", "dtype", "config", "name", "input_shape", "output_shape", "num_features", "in_features", "input"),
        *(
            "metrics_names",
            "history",
            "training",
            "classes",
            "classes_",
            "inputs",
            "outputs",
            "output",
            "built",
            "metrics",
        ),
        *("out_features", "hidden_size", "trainable", "stop_training", "losses", "default_cfg", "names", "loss"),
    }
)
_NEUTRAL = frozenset(
    f"builtins.{name}"
    for name in (*("print", "len", "type", "isinstance", "id", "str", "repr", "hasattr", "getattr", "setattr", "sum"),)
) | {
    *("torchsummary.summary", "torchinfo.summary", "torch.nn.Module.eval", "gc.collect", "keras.utils.plot_model"),
    *("tensorflow.keras.utils.plot_model", "torch.nn.utils.clip_grad_norm_", "copy.copy", "torch.cuda.synchronize"),
}
_SAVERS = re.compile(r"(^|\.)(save|save_model|save_checkpoint|save_weights|save_file|export|dump)$")
_METHODS: dict[str, Doing] = {
    **dict.fromkeys(_LOOKS, Doing.LOOKS),
    **dict.fromkeys(_SETS, Doing.SETS),
    **dict.fromkeys(_SAVES, Doing.SAVES),
    **dict.fromkeys(_LOADS, Doing.LOADS),
}
"""What a method does, where that is not asking the model."""
_DEPTH = 2  # functions of the project that the model is handed to


def acts(module: Module, made: ast.expr, region: ast.AST, *, in_loop: bool) -> list[Act]:
    """Return what is done inside `region` with the model that the call `made` gives.

    `in_loop`: the region is a loop of the same function, so that `self.model = made` is overwritten in each round.
    """
    return list(_Reader(module, region, in_loop=in_loop).of_expression(made))


def acts_on(module: Module, target: ast.expr, region: ast.AST, *, in_loop: bool) -> list[Act]:
    """Return what is done inside `region` with the model that is stored as `target`."""
    return list(_Reader(module, region, in_loop=in_loop).of_target(target, target))


class _Reader:
    def __init__(self, module: Module, region: ast.AST, *, in_loop: bool = False, depth: int = _DEPTH) -> None:
        self.module = module
        self.region = region
        self.in_loop = in_loop
        self.depth = depth
        self.seen: set[ast.AST] = set()

    def act(self, doing: Doing, node: ast.AST) -> Act:
        return Act(doing, self.module, node, node)

    def of_expression(self, made: ast.expr) -> Iterator[Act]:  # noqa: C901, PLR0912 - one branch for each kind of use
        if made in self.seen:
            return
        self.seen.add(made)
        parents = self.module.scopes.parent_of
        parent = parents.get(made)
        above = parents.get(parent) if parent is not None else None
        match parent:
            case ast.Expr() | ast.AugAssign() | ast.For() | ast.AsyncFor() | ast.comprehension():
                pass
            case (
                ast.BinOp()
                | ast.UnaryOp()
                | ast.Compare()
                | ast.FormattedValue()
                | ast.If()
                | ast.While()
                | ast.Assert()
            ):
                pass
            case ast.Attribute(attr=name) if isinstance(above, ast.Call) and above.func is parent:
                yield from self._method(name, above)
            case ast.Attribute() | ast.Subscript(value=ast.expr()):
                yield from self._part(parent)
            case ast.Call(func=function):
                if function is made:
                    yield self.act(Doing.ASKS, parent)
                else:
                    yield from self._argument(parent, made, None)
            case ast.keyword(arg=str(name)) if isinstance(above, ast.Call):
                yield from self._argument(above, made, name)
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from self.of_target(target, made)
            case ast.AnnAssign(target=target):
                yield from self.of_target(target, made)
            case ast.NamedExpr(target=target):
                yield from self.of_target(target, made)
                yield from self.of_expression(parent)
            case ast.withitem(optional_vars=optional):
                if optional is not None:
                    yield from self.of_target(optional, made)
            case ast.Tuple(elts=elements) if isinstance(above, ast.Assign) and above.value is parent:
                yield from self._unpacked(above, elements.index(made), parent)
            case ast.List() | ast.Tuple() if isinstance(above, ast.Call):
                yield from self._argument(above, parent, None)
            case ast.IfExp(body=body, orelse=orelse) if made is body or made is orelse:
                yield from self.of_expression(parent)
            case ast.BoolOp() if isinstance(above, ast.Assign | ast.Return | ast.Call):
                yield from self.of_expression(parent)
            case ast.BoolOp() | ast.IfExp():
                pass
            case ast.Await():
                yield from self.of_expression(parent)
            case _:
                yield self.act(Doing.KEEPS, parent or made)

    def of_target(self, target: ast.expr, made: ast.expr) -> Iterator[Act]:
        match target:
            case ast.Name(id=name):
                if name in self.module.scopes.scope_of[target].elsewhere:
                    yield self.act(Doing.KEEPS, made)  # `global`: it stays
                else:
                    yield from self._of_name(name, target)
            case ast.Attribute(value=ast.Name(id=owner)) if self.in_loop and not self._is_bound_inside(owner, target):
                yield from self._of_attribute(target, owner)
            case _:
                yield self.act(Doing.KEEPS, made)

    def of_parameter(self, parameter: ast.arg) -> Iterator[Act]:
        """Return what a function does with what its parameter gets."""
        yield from self._of_name(parameter.arg, parameter)

    def _of_name(self, name: str, bound: ast.AST) -> Iterator[Act]:
        found = self.module.scopes.bindings(name, self.module.scopes.scope_of[bound])
        function = standing.enclosing_function(self.module, bound) if isinstance(bound, ast.expr) else self.region
        for mention in self.module.mentions.get(name, ()):
            if (
                not isinstance(mention, ast.Name)
                or not isinstance(mention.ctx, ast.Load)
                or self.module.scopes.bindings(name, self.module.scopes.scope_of[mention]) is not found
                or not within(self.module, mention, self.region)
            ):
                continue
            if standing.enclosing_function(self.module, mention) is not function:
                yield self.act(Doing.KEEPS, mention)  # a function inside refers to it, and may live on
            else:
                yield from self.of_expression(mention)

    def _is_bound_inside(self, name: str, node: ast.AST) -> bool:
        found = self.module.scopes.bindings(name, self.module.scopes.scope_of[node])
        return any(within(self.module, binding.node, self.region) for binding in found)

    def _of_attribute(self, target: ast.Attribute, owner: str) -> Iterator[Act]:
        """`self.model = build()` in a loop: what the loop does with `self.model`, and the methods that it calls."""
        wanted = ast.unparse(target)
        for mention in self.module.mentions.get(target.attr, ()):
            if (
                isinstance(mention, ast.Attribute)
                and isinstance(mention.ctx, ast.Load)
                and within(self.module, mention, self.region)
                and ast.unparse(mention) == wanted
            ):
                yield from self.of_expression(mention)
        for node in walk(self.region) if self.depth > 0 else ():
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=base)) as func) if base == owner:
                    for referent in referents(self.module, func) or ():
                        if isinstance(referent, Function) and referent.module is self.module:
                            inner = _Reader(self.module, referent.node, in_loop=True, depth=self.depth - 1)
                            for act in inner._of_attribute(target, owner):
                                yield Act(act.doing, act.module, act.node, node)
                case _:
                    pass

    def _unpacked(self, statement: ast.Assign, position: int, pieces: ast.Tuple) -> Iterator[Act]:
        for target in statement.targets:
            if isinstance(target, ast.Tuple | ast.List) and len(target.elts) == len(pieces.elts):
                yield from self.of_target(target.elts[position], pieces)
            else:
                yield self.act(Doing.KEEPS, statement)

    def _method(self, name: str, call: ast.Call) -> Iterator[Act]:
        if name in _ITSELF and not (name == "train" and call.args and not isinstance(call.args[0], ast.Constant)):
            if call.args or call.keywords:
                yield self.act(Doing.SETS, call)
            yield from self.of_expression(call)
        elif _TRAINS.match(name) or name == "train":
            yield self.act(Doing.TRAINS, call)
        elif name in _WEIGHTS:
            yield self.act(self._steps(call), call)
        else:
            yield self.act(_METHODS.get(name, Doing.ASKS), call)

    def _part(self, read: ast.Attribute | ast.Subscript) -> Iterator[Act]:
        name = read.attr if isinstance(read, ast.Attribute) else ""
        if name in _WEIGHTS:
            yield self.act(self._steps(read), read)
            return
        if name == "optimizer":
            yield self.act(Doing.TRAINS, read)
            return
        parents = self.module.scopes.parent_of
        node: ast.Attribute | ast.Subscript = read
        while isinstance(outer := parents.get(node), ast.Attribute | ast.Subscript) and outer.value is node:
            node = outer
        above = parents.get(node)
        if not isinstance(node.ctx, ast.Load):
            yield self.act(Doing.SETS, above or node)  # model.fc = nn.Linear(512, 10)
        elif isinstance(above, ast.Call) and above.func is node:
            last = node.attr if isinstance(node, ast.Attribute) else ""
            made = _METHODS.get(last, Doing.LOOKS)
            yield self.act(made if made in {Doing.LOADS, Doing.SAVES} else Doing.LOOKS, above)
        elif name in _FACTS or isinstance(above, ast.For | ast.comprehension):
            yield self.act(Doing.LOOKS, read)
        else:
            yield self.act(Doing.KEEPS, read)

    def _steps(self, weights: ast.AST) -> Doing:
        """`Adam(model.parameters())`, `tape.gradient(loss, model.trainable_variables)`: weights that will change."""
        parents = self.module.scopes.parent_of
        node = weights
        while node in parents and not isinstance(node, ast.stmt):
            node = parents[node]
            if isinstance(node, ast.Call) and _STEPPING.search(ast.unparse(node.func)):
                return Doing.TRAINS
        return Doing.LOOKS

    def _argument(self, call: ast.Call, given: ast.expr, keyword: str | None) -> Iterator[Act]:
        known = referents(self.module, call.func)
        referent = next(iter(known)) if known is not None and len(known) == 1 else None
        name = name_of(referent) if referent is not None else None
        if name is None:
            yield self.act(Doing.KEEPS, call)
            return
        match referent:
            case Function(node=ast.FunctionDef() as node) if self.depth > 0:
                yield from self._handed_to(referent, node, call, given, keyword)
            case Class():
                yield from self._dressed(call)
            case Library() | Method() if name in _NEUTRAL:
                yield self.act(Doing.LOOKS, call)
            case Library() | Method() if _SAVERS.search(name):
                yield self.act(Doing.SAVES, call)
            case Library() | Method() if _STEPPING.search(name):
                yield self.act(Doing.TRAINS, call)
            case Library() if name.rpartition(".")[2][:1].isupper() or name.startswith("torch."):
                yield from self._dressed(call)
            case _:
                yield self.act(Doing.KEEPS, call)

    def _dressed(self, call: ast.Call) -> Iterator[Act]:
        """`Trainer(model)`, `DataParallel(model)`: what is done with the result is done with the model."""
        if isinstance(self.module.scopes.parent_of.get(call), ast.Expr):
            yield self.act(Doing.KEEPS, call)
        else:
            yield from self.of_expression(call)

    def _handed_to(
        self, function: Function, node: ast.FunctionDef, call: ast.Call, given: ast.expr, keyword: str | None
    ) -> Iterator[Act]:
        parameter = _parameter(function, node, call, given, keyword)
        if parameter is None or any(isinstance(item, ast.Yield | ast.YieldFrom) for item in own_nodes(node)):
            yield self.act(Doing.KEEPS, call)
            return
        parents = function.module.scopes.parent_of
        for act in _Reader(function.module, node, depth=self.depth - 1).of_parameter(parameter):
            if act.doing is Doing.KEEPS and isinstance(act.node, ast.Return):
                yield from self.of_expression(call)  # it is given back
            elif act.doing is Doing.KEEPS and isinstance(parents.get(act.node), ast.Return):
                pass  # in a tuple, `return model, optimizer`: it goes on under the names that the caller gives it
            else:
                yield Act(act.doing, act.module, act.node, call)


def _parameter(
    function: Function, node: ast.FunctionDef, call: ast.Call, given: ast.expr, keyword: str | None
) -> ast.arg | None:
    """Return the parameter that `call` gives a value for; None: it cannot be told."""
    if keyword is not None:
        return next((item for item in (*node.args.args, *node.args.kwonlyargs) if item.arg == keyword), None)
    if given not in call.args or any(isinstance(item, ast.Starred) for item in call.args):
        return None
    positional = [*node.args.posonlyargs, *node.args.args]
    if standing.owner_class(function.module, node) is not None and function.receiver is not None:
        positional = positional[1:]
    number = call.args.index(given)
    return positional[number] if number < len(positional) else None
