"""PyTorch: values that are read from tensors, once a training has begun, and as long as nothing is compiled."""

from __future__ import annotations

from .reads import Reads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .steps import Loop

_PLAIN = {
    "item": ".item()",
    "tolist": ".tolist()",
    "__float__": "float()",
    "__int__": "int()",
    "__index__": "an index",
    "__bool__": "a condition",
}
_OF_OTHERS = {"__repr__": "print()", "__format__": "a formatted text"}
_COPIES = {"cpu": ".cpu()", "to": ".to()"}  # only where there is an accelerator: on a CPU they read nothing


class ReadsOfTorch:
    """Begins with the first step of an optimizer: what only predicts is left alone."""

    def __init__(self, agent: Agent, torch: Any) -> None:
        self._tensor = torch.Tensor
        self._reads = Reads(agent, "torch", self._device)
        self._off = self._on = False

    def begin(self, loop: Loop) -> None:
        """The first step was made. Called again in a fork, where everything is in place."""
        if self._off or self._on:
            return
        self._on = True
        self._reads.watch_all(self._tensor, _PLAIN, _OF_OTHERS)
        if loop.device != "cpu":
            for name, how in _COPIES.items():
                self._reads.watch(self._tensor, name, how)

    def give_up(self) -> None:
        """The program compiles: a Python function in the place of a method breaks a graph in two more often."""
        self._off = True
        self._reads.leave()

    def _device(self, value: Any, result: Any) -> str | None:
        if not isinstance(result, self._tensor):
            return "cpu" if value.is_cpu else str(value.device)
        return None if value.is_cpu or not result.is_cpu else str(value.device)
