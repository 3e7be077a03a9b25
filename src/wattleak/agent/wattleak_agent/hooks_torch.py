"""PyTorch: optimizer steps, batches, models, evaluations, and what was left on from debugging.

steps, memory, holder, allocator    torch_steps, steps
loader                              torch_steps
models                              torch_models
evaluation                          torch_evaluation
compiled, note                      here
"""

from __future__ import annotations

import os
from importlib import import_module

from .loops import repeated_site, stack
from .steps import caller, steps_of
from .torch_evaluation import Evaluations
from .torch_models import ModelsOfTorch
from .torch_steps import Loaders, Optimizers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent

# What makes every step slower and is for finding faults (PyTorch's documentation of environment variables).
_DEBUGGING = {
    "CUDA_LAUNCH_BLOCKING": "every kernel is waited for",
    "TORCH_SHOW_CPP_STACKTRACES": None,
    "TORCH_DISTRIBUTED_DEBUG": None,
    "TORCH_COMPILE_DISABLE": "torch.compile does nothing",
    "TORCH_LOGS": None,
    "NCCL_DEBUG": None,
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "every tensor is allocated and freed by the driver",
}


def register(agent: Agent) -> None:
    agent.when_imported("torch", _Torch(agent).install)


class _Torch:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._compiled: dict[Any, dict[str, Any]] = {}
        self._anomaly_steps = 0
        self._anomaly_site: Any = None

    def install(self, torch: Any) -> None:
        agent = self._agent
        self._torch = torch
        optimizers = Optimizers(agent, torch)
        optim = import_module("torch.optim.optimizer")
        optim.register_optimizer_step_pre_hook(agent.guard(optimizers.before))
        optim.register_optimizer_step_post_hook(agent.guard(optimizers.after))
        agent.at_flush(optimizers.facts, reset=lambda: None)

        loaders = Loaders(agent, optimizers)
        agent.when_imported("torch.utils.data.dataloader", loaders.install)

        models = ModelsOfTorch(agent, torch)
        module = torch.nn.modules.module
        module.register_module_parameter_registration_hook(agent.guard(models.parameter))
        module.register_module_module_registration_hook(agent.guard(models.child))
        agent.around(torch.nn.Module, "load_state_dict", models.load_begins, models.loaded)
        agent.around(torch.nn.Module, "state_dict", after=models.told)
        agent.around(torch, "load", models.now, models.read)

        evaluations = Evaluations(agent, torch)
        agent.around(torch.nn.Module, "train", before=evaluations.switched)
        agent.around(torch.autograd, "backward", before=evaluations.asked)
        agent.around(torch.autograd, "grad", before=evaluations.asked)

        def compiling(_args: Any, _kwargs: Any) -> None:
            evaluations.give_up()
            self._count_compile()

        agent.around(torch, "compile", before=compiling)
        agent.around(torch.autograd.set_detect_anomaly, "__init__", before=self._anomaly)
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._compiled.clear()

    def _count_compile(self) -> None:
        site = repeated_site(self._agent, stack(self._agent, caller(2)))
        fact = self._compiled.get(site)
        if fact is None and len(self._compiled) < 64:
            file, line, function = site or (None, None, None)
            fact = self._compiled[site] = {"k": "compiled", "key": f"{file}:{line}", "framework": "torch"}
            fact.update(file=file, line=line, function=function, times=0)
        if fact is not None:
            fact["times"] += 1

    def _anomaly(self, args: Any, kwargs: Any) -> None:
        mode = args[1] if len(args) > 1 else kwargs.get("mode", True)
        if mode:
            self._anomaly_site = self._agent._places.innermost(caller(2))

    def _facts(self) -> list[dict[str, Any]]:
        facts = list(self._compiled.values())
        steps = steps_of(self._agent).total
        if steps and self._torch.is_anomaly_enabled():
            file, line, _ = self._anomaly_site or (None, None, None)
            facts.append(
                {
                    "k": "note",
                    "key": "anomaly",
                    "file": file,
                    "line": line,
                    "text": f"anomaly mode of autograd is on, and {steps} steps were made: each operation keeps the "
                    "stack it was called from, and every gradient is looked through for NaN",
                }
            )
        if steps and self._torch.cuda.is_initialized():
            for name, what in _DEBUGGING.items():
                value = os.environ.get(name)
                if what is not None and value not in (None, "", "0"):
                    facts.append({"k": "note", "key": name, "text": f"{name}={value} is set: {what}"})
        return facts
