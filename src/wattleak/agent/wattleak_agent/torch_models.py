"""PyTorch: which models were built where, and whether one only takes over the weights of another.

Through the public hooks of torch.nn.modules.module: a module that registers parameters and other modules, and is
registered by none, is a model. Copies (deepcopy, pickle) run no constructor and do not count.
"""

from __future__ import annotations

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
_SCALARS = (int, float, str, bool, tuple, type(None))
_MOST_READ = 200  # times that the weights of one model are looked at
_MANY = 20  # of them at once; then one every few steps: some programs average weights after each
_FEW_STEPS = 8


class _Making:
    """A module that is being put together, or is done."""

    __slots__ = (
        "__weakref__",
        "built",
        "end_s",
        "frames",
        "looked",
        "looked_at",
        "parameters",
        "ref",
        "sign",
        "start_s",
    )

    def __init__(self, ref: Any, now_s: float, frames: Any) -> None:
        self.ref = ref
        self.start_s = self.end_s = now_s
        self.frames = frames
        self.sign = 0
        self.parameters = 0
        self.built: Built | None = None
        self.looked = self.looked_at = 0


class ModelsOfTorch:
    """Follows constructors, state_dict and load_state_dict."""

    def __init__(self, agent: Agent, torch: Any) -> None:
        self._agent = agent
        self._torch = torch
        self._steps = steps_of(agent)
        self._models = Models(agent, "torch")
        self._making: dict[int, _Making] = {}
        self._read_s = 0.0  # in torch.load since weights were taken over last

    def parameter(self, module: Any, name: str, parameter: Any) -> None:
        """Hook: `module` registers a parameter."""
        if parameter is None:
            return
        making = self._of(module)
        if making.built is not None:
            return
        shape = getattr(parameter, "shape", None) if type(parameter).__name__ == "Parameter" else None
        making.sign = hash((making.sign, name, tuple(shape) if shape is not None else None))
        making.parameters += 1
        making.end_s = _monotonic()

    def child(self, module: Any, name: str, child: Any) -> None:
        """Hook: `module` registers `child`."""
        if child is None:
            return
        inner = self._making.pop(id(child), None)
        making = self._of(module)
        if making.built is not None:
            return
        if inner is not None and inner.ref() is child:
            making.sign = hash((making.sign, name, type(child), inner.sign, _settings(child)))
            making.parameters += inner.parameters
            making.start_s = min(making.start_s, inner.start_s)
        else:
            making.sign = hash((making.sign, name, type(child), _settings(child)))
        making.end_s = _monotonic()

    def _of(self, module: Any) -> _Making:
        number = id(module)
        making = self._making.get(number)
        if making is not None and making.ref() is module:
            return making
        now_s = _monotonic()
        made = self._making[number] = _Making(
            weakref.ref(module, lambda _: self._gone(number, made)), now_s, stack(self._agent, caller(2))
        )
        return made

    def _gone(self, number: int, making: _Making) -> None:
        if self._making.get(number) is making:
            del self._making[number]

    def settle(self, module: Any) -> Built | None:
        """What is known of a model that is done: it is asked for, or given, its weights."""
        making = self._making.get(id(module))
        if making is None or making.ref() is not module or not making.parameters:
            return None
        if making.built is None:
            making.built = self._models.built(
                module,
                repeated_site(self._agent, making.frames),
                (type(module).__qualname__, making.sign, _settings(module)),
                making.start_s,
                making.end_s,
            )
        return making.built

    def load_begins(self, args: Any, _kwargs: Any) -> float:
        built = self.settle(args[0])
        before = built.group.before if built is not None and built.given is None else None
        model = before.ref() if before is not None else None
        if before is not None and model is not None:
            before.look(self.weights(model), self._steps.total)
        return _monotonic()

    def loaded(self, token: float, args: Any, _kwargs: Any, _result: Any) -> None:
        """load_state_dict has returned."""
        built = self.settle(args[0])
        if built is not None:
            self._models.loaded(built, self.weights(args[0]), _monotonic() - token + self._read_s, self._steps.total)
        self._read_s = 0.0

    def told(self, _token: Any, args: Any, kwargs: Any, _result: Any) -> None:
        """state_dict has returned: whoever asked may hand the weights on. Called for every module inside, too."""
        if "destination" in kwargs or len(args) > 1:
            return
        making = self._making.get(id(args[0]))
        if making is None or making.looked >= _MOST_READ:
            return
        steps = self._steps.total
        if making.looked > _MANY and steps - making.looked_at < _FEW_STEPS:
            return
        built = self.settle(args[0])
        if built is not None:
            making.looked += 1
            making.looked_at = steps
            built.look(self.weights(args[0]), steps)

    def read(self, token: float, _args: Any, _kwargs: Any, _result: Any) -> None:
        """torch.load has returned."""
        self._read_s += _monotonic() - token

    def now(self, _args: Any, _kwargs: Any) -> float:
        return _monotonic()

    def weights(self, module: Any) -> int | None:
        """A number that two models with the same weights have in common: of four values from up to 12 parameters.

        None: there are none, or some are no plain tensors. Those of FSDP and tensor parallelism are spread over
        processes, and to read them is a collective operation, in which all of these would have to take part.
        """
        torch = self._torch
        plain = torch.Tensor, torch.nn.Parameter
        parameters = list(module.parameters())
        if any(type(item) not in plain or type(item.data) is not torch.Tensor for item in parameters):
            return None
        parameters = [item for item in parameters if item.numel() and not item.is_meta]
        if not parameters:
            return None
        stride = max(1, len(parameters) // 12)
        values = []
        with torch.no_grad():
            for parameter in [*parameters[::stride][:12], parameters[-1]]:
                flat = parameter.detach().reshape(-1)
                values.append(tuple(flat[:: max(1, flat.numel() // 4)][:4].tolist()))
        return hash(tuple(values))


def _settings(module: Any) -> int:
    """Plain attributes of a module: what tells Dropout(0.1) from Dropout(0.2)."""
    return hash(
        tuple(
            (name, value)
            for name, value in list(module.__dict__.items())
            if name[:1] != "_" and name != "training" and type(value) in _SCALARS and _is_plain(value)
        )
    )


def _is_plain(value: Any) -> bool:
    return type(value) is not tuple or all(type(item) in (int, float, str, bool, type(None)) for item in value)
