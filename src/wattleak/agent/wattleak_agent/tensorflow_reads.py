"""TensorFlow: values that are read from tensors, once a training has begun."""

from __future__ import annotations

from .reads import Reads
from .steps import steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .steps import Loop

_PLAIN = {
    "numpy": ".numpy()",
    "__float__": "float()",
    "__int__": "int()",
    "__index__": "an index",
    "__bool__": "a condition",
    "__array__": "an array of NumPy",
}
_OF_OTHERS = {"__repr__": "print()", "__str__": "print()", "__format__": "a formatted text"}


class ReadsOfTensorFlow:
    """Begins with the first step. A graph is traced with tensors of another kind, which this does not touch."""

    def __init__(self, agent: Agent) -> None:
        self._reads = Reads(agent, "tensorflow", _device)
        self._agent = agent
        self._on = False

    @property
    def calls(self) -> int:
        """Values that the user's own code has read so far."""
        return self._reads.calls

    def install(self, ops: Any) -> None:
        self._tensor = next(kind for kind in ops.EagerTensor.__mro__ if "numpy" in vars(kind))
        steps_of(self._agent).at_first.append(self._agent.guard(self._begin))

    def _begin(self, _loop: Loop) -> None:
        if self._on:
            return
        self._on = True
        self._reads.watch_all(self._tensor, _PLAIN, _OF_OTHERS)


def _device(value: Any, _result: Any) -> str | None:
    name = str(value.device)
    return "cpu" if "CPU" in name or not name else name.rpartition("device:")[2]
