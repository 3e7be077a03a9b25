"""PyTorch: values that are read from tensors, once a training has begun, and as long as nothing is compiled.

Only of torch.Tensor and its parameters: a class of tensors of somebody else's may answer for its methods itself, and
would be asked by us. Copies to the host (`cpu`, `to`) are left alone; and as these have waited, nothing is said of
what is read from a copy where the training is on an accelerator.
"""

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


class ReadsOfTorch:
    """Begins with the first step of an optimizer: what only predicts is left alone."""

    def __init__(self, agent: Agent, torch: Any) -> None:
        self._tensor = torch.Tensor
        self._unseen = torch._C.DisableTorchFunction
        self._reads = Reads(agent, "torch", self._device, (torch.Tensor, torch.nn.Parameter))
        self._off = self._on = False
        self._on_host = True  # the training is

    def begin(self, loop: Loop) -> None:
        """The first step was made. Called again in a fork, where everything is in place."""
        if self._off or self._on:
            return
        self._on = True
        self._on_host = loop.device == "cpu"
        self._reads.watch_all(self._tensor, _PLAIN, _OF_OTHERS)

    def give_up(self) -> None:
        """The program compiles: a Python function in the place of a method breaks a graph in two more often."""
        self._off = True
        self._reads.leave()

    def _device(self, value: Any, _result: Any) -> str | None:
        with self._unseen():  # by modes of the program, which are told of every question
            if not value.is_cpu:
                return str(value.device)
        return "cpu" if self._on_host else None
