"""The same model built again in every round, where one instance would do."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.model import Confidence, Persona
from wattleak.smells.improper_model_reuse.constancy import Rounds, function_is_constant, is_constant, within
from wattleak.smells.improper_model_reuse.doings import Act, Doing, acts, acts_on
from wattleak.smells.improper_model_reuse.making import SPEAKS, Made, is_candidate, made_by, targets_of
from wattleak.smells.improper_model_reuse.repeating import (
    happens_each_time,
    is_batch_loop,
    is_epoch_loop,
    is_step_loop,
    is_sweep,
    may_repeat,
    rounds_of,
    wants_fresh,
)
from wattleak.source import standing
from wattleak.source.referents import Function
from wattleak.source.resolving import qualified_names, referents
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.source.module import Module

_TRAINED = re.compile(
    r"(^|\.)(load_model|from_pretrained|from_saved_model|torch\.hub\.load|jit\.load|SentenceTransformer|CrossEncoder|YOLO|"
    r"whisper\.load_model|transformers\.pipeline|spacy\.load)$"
)
_STEP = frozenset({"backward", "train_on_batch", "apply_gradients", "minimize"})
_SHOWS = frozenset(
    {"print", "log", "info", "debug", "warning", "append", "extend", "write", "add_scalar", "writerow", "update"}
)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A call that makes the same model again in each of `rounds`; `why` says what that makes of it."""

    call: ast.Call
    rounds: Rounds
    why: str
    confidence: Confidence
    persona: Persona = Persona.DEFAULT


def rebuilt(module: Module) -> Iterator[Rebuild]:
    """Yield every construction of a model that is repeated for nothing."""
    if not SPEAKS.search(module.text):
        return
    for node in walk(module.tree):
        if isinstance(node, ast.Call) and is_candidate(module, node):
            found = _judge(module, node)
            if found is not None:
                yield found


def _judge(module: Module, call: ast.Call) -> Rebuild | None:
    made = made_by(module, call)
    if made is None or not may_repeat(module, call, elsewhere=True):
        return None
    verdicts = [_Case(module, call, place, made).verdict() for place in rounds_of(module, call)]
    found = [verdict for verdict in verdicts if verdict is not None]
    return max(found, key=lambda one: (one.persona is Persona.DEFAULT, one.confidence), default=None)


class _Case:
    """One construction in one kind of rounds."""

    def __init__(self, module: Module, call: ast.Call, rounds: Rounds, made: Made) -> None:
        self.module = module
        self.call = call
        self.rounds = rounds
        self.made = made
        loop = rounds.loop
        self.region: ast.AST = (
            loop if rounds.is_here and loop is not None else standing.enclosing_function(module, call) or module.tree
        )
        self.acts = self._acts()

    def _acts(self) -> list[Act]:
        parts = self.made.parts
        if parts is None:
            return acts(self.module, self.call, self.region, in_loop=self.rounds.is_here)
        targets = [target for target in targets_of(self.module, self.call) if isinstance(target, ast.Tuple | ast.List)]
        if not targets:
            return [Act(Doing.KEEPS, self.module, self.call, self.call)]
        pieces = [target.elts[number] for target in targets for number in parts if number < len(target.elts)]
        return [
            act for piece in pieces for act in acts_on(self.module, piece, self.region, in_loop=self.rounds.is_here)
        ]

    def verdict(self) -> Rebuild | None:
        doing = {act.doing for act in self.acts}
        if Doing.KEEPS in doing or not doing & {Doing.TRAINS, Doing.ASKS}:
            return None
        trains = Doing.TRAINS in doing or (Doing.LOADS not in doing and self._is_stepped())
        if not self._is_same() or wants_fresh(self.rounds, self.module, self.call, trains=trains):
            return None
        if not happens_each_time(self.module, self.call, self.rounds, self._names()):
            return None
        return self._trained() if trains else self._asked()

    def _names(self) -> frozenset[str]:
        return frozenset(
            node.id if isinstance(node, ast.Name) else node.attr
            for target in targets_of(self.module, self.call)
            for node in walk(target)
            if isinstance(node, ast.Name | ast.Attribute) and getattr(node, "id", "") not in {"self", "cls"}
        )

    def _is_same(self) -> bool:
        """Tell whether what is built, and how it is set up, is known to be the same in every round."""
        if not all(is_constant(self.module, item, self.rounds) for item in (self.call.func, *_given(self.call))):
            return False
        for referent in referents(self.module, self.call.func) or ():
            if isinstance(referent, Function) and not function_is_constant(referent, self.rounds):
                return False
        return all(self._is_same_setting(act) for act in self.acts if act.doing is Doing.SETS)

    def _is_same_setting(self, act: Act) -> bool:
        parents = self.module.scopes.parent_of
        around = act.top
        while around in parents and around is not self.region:
            around = parents[around]
            match around:
                case ast.For(iter=decides) | ast.If(test=decides) | ast.While(test=decides) if (
                    around is not self.region
                ):
                    if not is_constant(self.module, decides, self.rounds):
                        return False
                case _:
                    pass
        match act.top:
            case ast.Call(func=ast.Attribute(attr="compile")) if is_epoch_loop(self.rounds.loop):
                return True  # a schedule
            case ast.Call() as top:
                return self._arguments_are_constant(top)
            case ast.Assign(value=value) | ast.AugAssign(value=value):
                return is_constant(self.module, value, self.rounds)
            case _:
                return True

    def _arguments_are_constant(self, top: ast.Call) -> bool:
        names = self._names()
        given = [*top.args, *(keyword.value for keyword in top.keywords)]
        return all(
            is_constant(self.module, item, self.rounds)
            for item in given
            if not (
                isinstance(item, ast.Name | ast.Attribute) and getattr(item, "id", getattr(item, "attr", "")) in names
            )
        )

    # -- the model only answers ----------------------------------------------------------------------------------

    def _asked(self) -> Rebuild | None:
        loads = [act for act in self.acts if act.doing is Doing.LOADS]
        if not loads:
            if self._is_trained_already():
                return self._found("only to ask it, with the same weights each time", Confidence.HIGH)
            if is_sweep(self.rounds.loop) or not is_batch_loop(self.rounds.module, self.rounds.loop):
                return None
            return (
                None if self._is_stacked() else self._found("only to ask it, before it has learnt", Confidence.MEDIUM)
            )
        if not all(self._loads_the_same(act) for act in loads):
            return self._found("only to give it other weights", Confidence.LOW, Persona.AUDITOR)
        if self._saved_to() & self._loaded_from(loads) or self._is_saved_by_others():
            return self._found("only to give it the weights that were just saved", Confidence.MEDIUM)
        return self._found("only to ask it, with the same weights each time", Confidence.HIGH)

    def _is_saved_by_others(self) -> bool:
        """Tell whether the loop writes weights somewhere: those that are read may be they."""
        names = self._names()
        return self.rounds.loop is not None and any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr.startswith("save")
            and not {name.id for name in _names_in(node)} & names
            for node in walk(self.rounds.loop)
        )

    def _is_trained_already(self) -> bool:
        texts = [*(qualified_names(self.module, self.call.func) or ()), ast.unparse(self.call.func)]
        if any(_TRAINED.search(text) for text in texts):
            return True
        if any(
            keyword.arg in {"pretrained", "weights"}
            and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
            for keyword in self.call.keywords
        ):
            return True
        for referent in referents(self.module, self.call.func) or ():
            if isinstance(referent, Function):
                inner = [ast.unparse(node.func) for node in walk(referent.node) if isinstance(node, ast.Call)]
                return any(
                    _TRAINED.search(text) or text.endswith(("load_weights", "load_state_dict")) for text in inner
                )
        return any(text.startswith(("keras.applications.", "tensorflow.keras.applications.")) for text in texts)

    def _loads_the_same(self, act: Act) -> bool:
        top = act.top
        return not isinstance(top, ast.Call) or (
            self._arguments_are_constant(top)
            and not any(isinstance(node, ast.Attribute) and node.attr in _LIVE for node in walk(top))
        )

    def _is_stacked(self) -> bool:
        """`x = Block(width)(x)`: what one round gives the next one takes, as in a network that is put together."""
        for act in self.acts:
            parent = self.module.scopes.parent_of.get(act.node)
            if act.doing is Doing.ASKS and isinstance(act.node, ast.Call) and isinstance(parent, ast.Assign):
                given = {node.id for item in act.node.args for node in walk(item) if isinstance(node, ast.Name)}
                if given & {target.id for target in parent.targets if isinstance(target, ast.Name)}:
                    return True
        return False

    # -- the model is trained ------------------------------------------------------------------------------------

    def _trained(self) -> Rebuild | None:  # noqa: PLR0911 - one return for each case
        loop = self.rounds.loop
        if loop is None or is_sweep(loop):
            return None
        loads = [act for act in self.acts if act.doing is Doing.LOADS]
        loaded = self._loaded_from(loads)
        if self._is_trained_already():
            loaded |= {place for argument in _given(self.call) for place in self._places(argument, 3)}
        carried = self._saved_to() & loaded
        if carried:
            return self._found(f"and its weights are carried over through {min(carried)}", Confidence.HIGH)
        if loads or not self._trains_the_same():
            return None
        batches = is_batch_loop(self.rounds.module, loop)
        steps = is_step_loop(self.rounds.module, loop) or is_epoch_loop(loop)
        if self._steps_directly() and (self.rounds.is_here or steps):
            sure = Confidence.HIGH if steps else Confidence.MEDIUM
            return self._found("for a single step of training", sure)
        if self.made.is_layer:
            return None
        if is_epoch_loop(loop) or (batches and self.rounds.is_here):
            return self._found("so that what it has learnt in the last round is lost", Confidence.HIGH)
        if self.rounds.is_here and not self._shows_anything():
            return self._found(
                "to train it on the same again, and no round uses what the last one gave", Confidence.MEDIUM
            )
        return None

    def _trains_the_same(self) -> bool:
        """Tell whether no round has settings of its own: another rate, another number of epochs, another name."""
        for act in self.acts:
            if act.doing is Doing.SAVES and isinstance(act.top, ast.Call) and not self._arguments_are_constant(act.top):
                return is_epoch_loop(self.rounds.loop)  # one checkpoint for each epoch
            if act.doing is Doing.TRAINS and isinstance(act.top, ast.Call):
                given = {keyword.arg: keyword.value for keyword in act.top.keywords}
                if "initial_epoch" in given:
                    continue
                if "epochs" in given and not is_constant(self.module, given["epochs"], self.rounds):
                    return False  # so many epochs from the start each time: a search
        if is_epoch_loop(self.rounds.loop):
            return True  # what varies is a schedule
        return all(self._optimizer_is_constant(act.top) for act in self.acts if act.doing is Doing.TRAINS)

    def _optimizer_is_constant(self, weights: ast.AST) -> bool:
        parents = self.module.scopes.parent_of
        node = weights
        while node in parents and not isinstance(node, ast.stmt):
            node = parents[node]
            if isinstance(node, ast.Call) and re.search(r"optim|Adam|SGD|RMS", ast.unparse(node.func)):
                return all(is_constant(self.module, keyword.value, self.rounds) for keyword in node.keywords)
        return True

    def _is_stepped(self) -> bool:
        """Tell whether it is trained although no optimizer is seen that got its weights."""
        if self._steps_directly():
            return True
        # It comes together with its optimizer, perhaps.
        return self.made.parts is not None and any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _STEP
            for node in walk(self.region)
        )

    def _steps_directly(self) -> bool:
        """Tell whether a round is one step of training, rather than a loop or a call that trains."""
        loop = self.rounds.loop if self.rounds.is_here else None
        for node in walk(self.region):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _STEP:
                around = standing.loops_around(self.module, node)
                if (around[0] if around else None) is loop and within(self.module, node, self.region):
                    return True
        return False

    def _shows_anything(self) -> bool:
        """Tell whether a round leaves something behind: a line printed, a score stored, a file of its own."""
        loop = self.rounds.loop
        assert loop is not None
        made = {node.id for node in walk(loop) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for node in walk(loop):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _SHOWS:
                    return True
                case ast.AugAssign() | ast.Yield() | ast.YieldFrom() | ast.Return():
                    return True
                case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                    return True
                case _:
                    pass
        data = {node.id for act in self.acts if act.doing is Doing.TRAINS for node in _names_in(act.top)}
        bound = {name for name in made & data if not self._is_model_name(name)}
        return bool(bound)  # it trains on something of its own in each round

    def _is_model_name(self, name: str) -> bool:
        return name in self._names()

    # -- weights that go from one round to the next --------------------------------------------------------------

    def _loaded_from(self, loads: Sequence[Act]) -> frozenset[str]:
        found: set[str] = set()
        for act in loads:
            for argument in _given(act.top):
                found |= self._places(argument, 3)
        return frozenset(found)

    def _saved_to(self) -> frozenset[str]:
        """Return what the region writes weights to: names and texts, as they are written."""
        found: set[str] = set()
        parents = self.module.scopes.parent_of
        for act in self.acts:
            if act.doing is not Doing.SAVES:
                continue
            node = act.top
            while node in parents and not isinstance(node, ast.stmt):
                for argument in _given(node):
                    found |= self._places(argument, 0)
                node = parents[node]
            if isinstance(node, ast.Assign):
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        return frozenset(found)

    def _places(self, expression: ast.expr, links: int) -> set[str]:
        found: set[str] = set()
        names = self._names()
        for node in walk(expression):
            match node:
                case ast.Constant(value=str(text)) if "." in text or "/" in text:
                    found.add(repr(text))
                case ast.Name(id=name, ctx=ast.Load()) if name not in names:
                    bound = self.module.scopes.bindings(name, self.module.scopes.scope_of[node])
                    inside = [binding for binding in bound if within(self.module, binding.node, self.region)]
                    if not inside or links == 0 or any(_takes_weights(binding.value) for binding in inside):
                        if not self._is_module(node):
                            found.add(name)
                    else:
                        for binding in inside:
                            if binding.value is not None:
                                found |= self._places(binding.value, links - 1)
                case _:
                    pass
        return found

    def _is_module(self, node: ast.Name) -> bool:
        parent = self.module.scopes.parent_of.get(node)
        return isinstance(parent, ast.Attribute) and parent.value is node and parent.attr not in {"stem", "name"}

    def _found(self, why: str, confidence: Confidence, persona: Persona = Persona.DEFAULT) -> Rebuild:
        return Rebuild(self.call, self.rounds, why, confidence, persona)


_LIVE = frozenset({"state_dict", "get_weights", "weights", "variables"})


def _given(node: ast.AST) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)] if isinstance(node, ast.Call) else []


def _takes_weights(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _LIVE


def _names_in(node: ast.AST) -> Iterator[ast.Name]:
    return (item for item in walk(node) if isinstance(item, ast.Name))


def describe(rebuild: Rebuild, module: Module) -> str:
    """Say in which rounds the model is built again."""
    rounds = rebuild.rounds
    function = standing.enclosing_function(module, rebuild.call)
    name = f"{function.name}()" if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) else "the function"
    if rounds.loop is None:
        return f"at every call of {name}"
    where = f"line {rounds.loop.lineno}"
    if rounds.module is not module:
        where += f" of {rounds.module.path.name}"
    return f"in every round of the loop in {where}" + ("" if rounds.is_here else f", which calls {name}")
