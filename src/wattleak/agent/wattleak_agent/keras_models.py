"""Keras: which models were built where, whether one takes over the weights of another, how often one is compiled."""

from __future__ import annotations

import sys
import time
import weakref

from .loops import repeated_site, stack
from .models import Built, Models
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent

_monotonic = time.monotonic
_PAUSE_S = 1.0  # between two variables of one model, at most
_LARGEST = 1 << 16  # values of a variable that is looked at
_SCALARS = (int, float, str, bool, type(None))


class ModelsOfKeras:
    """Follows constructors, compile and the ways in which weights go in and out."""

    def __init__(self, agent: Agent, keras: Any) -> None:
        self._agent = agent
        self._keras = keras
        self._steps = steps_of(agent)
        self._models = Models(agent, "keras")
        self._built: weakref.WeakKeyDictionary[Any, Built] = weakref.WeakKeyDictionary()
        self._begun_s: float | None = None  # the first variable since the last model was done
        self._last_s = 0.0  # the last one
        self._restarted: weakref.WeakSet[Any] = weakref.WeakSet()  # given weights since they were compiled
        self._compiled: dict[Any, dict[str, Any]] = {}
        agent.at_flush(self._facts, reset=self._compiled.clear)

    def install(self) -> None:
        around, model = self._agent.around, self._keras.Model
        around(self._keras.Variable, "__init__", before=self._variable)
        around(model, "compile", self._before_compile, self._after_compile)
        for name in ("load_weights", "set_weights"):
            around(model, name, self._before_loading, self._after_loading)
        for name in ("save_weights", "get_weights", "save"):
            around(model, name, before=self._asked)

    def _variable(self, _args: Any, _kwargs: Any) -> None:
        now_s = _monotonic()
        if self._begun_s is None or now_s - self._last_s > _PAUSE_S:
            self._begun_s = now_s
        self._last_s = now_s

    def settle(self, model: Any) -> Built | None:
        """What is known of a model that is used."""
        built = self._built.get(model)
        if built is None:
            begun_s, self._begun_s = self._begun_s, None
            site = repeated_site(self._agent, stack(self._agent, caller()))
            built = self._models.built(model, site, _sign(model), begun_s or 0.0, self._last_s if begun_s else 0.0)
            self._built[model] = built
        return built

    def used(self) -> None:
        """Training or evaluation begins: variables that are made afterwards belong to another model."""
        self._begun_s = None

    def traced(self, model: Any, seconds: float) -> None:
        """A function of the model was traced."""
        built = self._built.get(model)
        if built is not None:
            built.group.traces += 1
            built.group.trace_s += seconds

    def _before_compile(self, _args: Any, _kwargs: Any) -> float:
        return _monotonic()

    def _after_compile(self, token: float, args: Any, kwargs: Any, _result: Any) -> None:
        model = args[0]
        is_new = model not in self._built
        built = self.settle(model)
        if built is not None:
            built.group.build_s += _monotonic() - token
        settings = _compiled(model, args, kwargs)
        site = self._agent._places.innermost(caller(2))
        key = site, id(model), settings
        fact = self._compiled.get(key)
        if fact is None and len(self._compiled) < 256 and site is not None:
            file, line, function = site
            fact = self._compiled[key] = {"k": "compiled", "key": f"{file}:{line}:{len(self._compiled)}"}
            fact.update(framework="keras", file=file, line=line, function=function, times=0, between=0, steps=0)
        if fact is not None:
            if is_new:
                fact["times"] = 0
            # Old weights and a new optimizer are a new run, and this is how to do it.
            trained = fact["times"] and self._steps.total > fact["steps"] and model not in self._restarted
            fact["between"] += bool(trained)
            self._restarted.discard(model)
            fact["times"] += 1
            fact["steps"] = self._steps.total

    def _before_loading(self, args: Any, _kwargs: Any) -> float | None:
        if not isinstance(args[0], self._keras.Model):  # a layer has set_weights, too
            return None
        built = self.settle(args[0])
        before = built.group.before if built is not None and built.given is None else None
        model = before.ref() if before is not None else None
        if before is not None and model is not None:
            before.look(self._weights(model), self._steps.total)
        return _monotonic()

    def _after_loading(self, token: float | None, args: Any, _kwargs: Any, _result: Any) -> None:
        if token is None:
            return
        taken_s = _monotonic() - token
        built = self.settle(args[0])
        self._restarted.add(args[0])
        if built is not None:
            self._models.loaded(built, self._weights(args[0]), taken_s, self._steps.total)
        self.used()

    def _asked(self, args: Any, _kwargs: Any) -> None:
        built = self._built.get(args[0]) if isinstance(args[0], self._keras.Model) else None
        if built is not None:
            built.look(self._weights(args[0]), self._steps.total)

    def _weights(self, model: Any) -> int | None:
        """A number that models with the same weights have in common: of up to 12 of the smaller variables."""
        small = [item for item in model.weights if 0 < _count(item.shape) <= _LARGEST]
        if not small:
            return None
        convert = self._keras.ops.convert_to_numpy
        stride = max(1, len(small) // 12)
        return hash(tuple(bytes(convert(item).tobytes()) for item in [*small[::stride][:12], small[-1]]))

    def _facts(self) -> list[dict[str, Any]]:
        return [dict(fact) for fact in list(self._compiled.values()) if fact["times"] > 1]


def _count(shape: Any) -> int:
    total = 1
    for size in shape:
        total *= int(size or 0)
    return total


def _sign(model: Any) -> tuple[Any, ...]:
    """What two models that are built alike have in common."""
    layers = tuple(
        (type(layer).__qualname__, _settings(layer), tuple(tuple(item.shape) for item in layer.weights))
        for layer in model.layers
    )
    return type(model).__qualname__, hash(layers)


def _settings(layer: Any) -> tuple[Any, ...]:
    found = []
    for name, value in sorted(vars(layer).items()):
        if name[:1] == "_" or name == "name":
            continue
        if type(value) in _SCALARS:
            found.append((name, value))
        elif callable(value):
            found.append((name, getattr(value, "__name__", type(value).__name__)))
    return tuple(found)


def _compiled(model: Any, args: Any, kwargs: Any) -> int:
    """The settings of compile, and what of the model may be trained: that it changed is a reason to compile again."""
    parts = [repr(type(part)) + repr(_config(part)) for part in (*args[1:], *kwargs.values())]
    return hash((tuple(parts), tuple(bool(item.trainable) for item in model.weights)))


def _config(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        return [_config(item) for item in part]
    if isinstance(part, (str, int, float, bool, type(None))):
        return part
    configured = getattr(part, "get_config", None)
    config = configured() if configured is not None and "keras" in sys.modules else None
    return {name: value for name, value in config.items() if name != "name"} if isinstance(config, dict) else id(part)
