"""What was left on from looking for faults, and makes every step slower.

    {"k": "debugging", "key": name, "name": name, "text": what it does, "steps": made so far, "file", "line"}

Only what has an effect in this program is noted: a variable that PyTorch's compiler reads where nothing is compiled, or
that CUDA reads where there is none, is not.
"""

from __future__ import annotations

import os
import sys

from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .agent import Agent

_OFF = ("", "0", "false", "off", "no")
# Who reads it, and what it does (documentation of PyTorch, TensorFlow, XLA and JAX on environment variables).
_VARIABLES = {
    "CUDA_LAUNCH_BLOCKING": ("cuda", "every kernel is waited for"),
    "PYTORCH_NO_CUDA_MEMORY_CACHING": ("cuda", "every tensor is allocated and freed by the driver"),
    "TORCHDYNAMO_DISABLE": ("compile", "torch.compile does nothing"),
    "TORCH_COMPILE_DISABLE": ("compile", "torch.compile does nothing"),
    "TORCH_LOGS": ("compile", "PyTorch's compiler writes down what it does"),
    "TORCH_COMPILE_DEBUG": ("compile", "PyTorch's compiler writes every stage of its work into files"),
    "TF_CPP_MAX_VLOG_LEVEL": ("tensorflow", "TensorFlow writes down what it does"),
    "TF_CPP_VMODULE": ("tensorflow", "TensorFlow writes down what it does"),
    "TF_DUMP_GRAPH_PREFIX": ("tensorflow", "TensorFlow writes its graphs into files"),
    "JAX_DISABLE_JIT": ("jax", "nothing is compiled"),
    "JAX_DEBUG_NANS": ("jax", "every result is looked through for NaN"),
    "JAX_LOG_COMPILES": ("jax", "every compilation is written down"),
}
_DETAIL = "TORCH_DISTRIBUTED_DEBUG"
_DUMP = "--xla_dump_to"

_begun: list[Debugging] = []


def register(agent: Agent) -> None:
    debugging_of(agent)


def debugging_of(agent: Agent) -> Debugging:
    """The one of this process: several packages load this module, and other hooks tell it what they see."""
    if not _begun:
        _begun.append(Debugging(agent))
    return _begun[0]


class Debugging:
    """Knows what is on, and where that was said."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._steps = steps_of(agent)
        self._anomaly_site: Any = None
        self._eager_site: Any = None
        self._told: dict[str, dict[str, Any]] = {}
        self.compiles = False  # torch.compile was called
        agent.at_flush(self._facts, reset=self._told.clear)
        agent.when_imported("torch", self._listen_to_torch)
        agent.when_imported("tensorflow", self._listen_to_tensorflow)

    def tell(self, name: str, text: str, steps: int, site: Any) -> None:
        """Something is on, of which another hook knows."""
        self._told[name] = self._fact(name, text, steps, site)

    def _listen_to_torch(self, torch: Any) -> None:
        self._agent.around(torch.autograd.set_detect_anomaly, "__init__", before=self._anomaly)

    def _anomaly(self, args: Any, kwargs: Any) -> None:
        if args[1] if len(args) > 1 else kwargs.get("mode", True):
            self._anomaly_site = self._agent._places.innermost(caller(2))

    def _listen_to_tensorflow(self, tensorflow: Any) -> None:
        self._agent.around(tensorflow.config, "run_functions_eagerly", before=self._eager)

    def _eager(self, _args: Any, _kwargs: Any) -> None:
        self._eager_site = self._agent._places.innermost(caller(2))

    @staticmethod
    def _fact(name: str, text: str, steps: int, site: Any) -> dict[str, Any]:
        file, line, function = site or (None, None, None)
        fact = {"k": "debugging", "key": name, "name": name, "text": text, "steps": steps}
        return {**fact, "file": file, "line": line, "function": function}

    def _facts(self) -> Iterator[dict[str, Any]]:
        yield from [dict(fact) for fact in self._told.values()]
        steps = self._steps.total
        if not steps:
            return
        readers = self._readers()
        for name, (reader, what) in _VARIABLES.items():
            value = os.environ.get(name)
            if reader in readers and value is not None and value.lower() not in _OFF:
                yield self._fact(name, f"{name}={value[:60]} is set: {what}", steps, None)
        if _DUMP in os.environ.get("XLA_FLAGS", "") and readers & {"tensorflow", "jax"}:
            yield self._fact("XLA_FLAGS", f"XLA_FLAGS has {_DUMP}: XLA writes its programs into files", steps, None)
        if os.environ.get(_DETAIL, "").upper() == "DETAIL" and "distributed" in readers:
            yield self._fact(_DETAIL, f"{_DETAIL}=DETAIL is set: every collective call is checked first", steps, None)
        torch = sys.modules.get("torch")
        if torch is not None and torch.is_anomaly_enabled():
            yield self._fact(
                "anomaly mode",
                "anomaly mode of autograd is on: each operation keeps the stack it was called from, and every gradient "
                "is looked through for NaN",
                steps,
                self._anomaly_site,
            )
        if self._eager_site is not None and sys.modules["tensorflow"].config.functions_run_eagerly():
            text = "tf.config.run_functions_eagerly is on: no tf.function is traced, every operation is run alone"
            yield self._fact("eager functions", text, steps, self._eager_site)

    def _readers(self) -> set[str]:
        found: set[str] = {name for name in ("tensorflow", "jax") if name in sys.modules}
        torch = sys.modules.get("torch")
        if torch is not None:
            if torch.cuda.is_initialized():
                found.add("cuda")
            if self.compiles:
                found.add("compile")
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                found.add("distributed")
        return found
