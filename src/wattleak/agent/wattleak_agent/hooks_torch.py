"""PyTorch: optimizer steps, batches, models, evaluations, compilations, and values that are read.

steps, memory, holder, allocator    torch_steps, steps
loader                              torch_steps
models                              torch_models
evaluation                          torch_evaluation
recompiled                          torch_compiles
read                                torch_reads
"""

from __future__ import annotations

from importlib import import_module

from .hooks_debugging import debugging_of
from .steps import steps_of
from .torch_compiles import Compiles
from .torch_evaluation import Evaluations
from .torch_models import ModelsOfTorch
from .torch_reads import ReadsOfTorch
from .torch_steps import Loaders, Optimizers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent


def register(agent: Agent) -> None:
    def install(torch: Any) -> None:
        _install(agent, torch)

    agent.when_imported("torch", install)


def _install(agent: Agent, torch: Any) -> None:
    optimizers = Optimizers(agent, torch)
    optimizers.install(import_module("torch.optim.optimizer"))
    agent.at_flush(optimizers.facts, reset=lambda: None)

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

    loaders = Loaders(agent, optimizers, evaluations)
    agent.when_imported("torch.utils.data.dataloader", loaders.install)

    reads = ReadsOfTorch(agent, torch)
    steps_of(agent).at_first.append(agent.guard(reads.begin))
    agent.when_imported("torch._dynamo.callback", Compiles(agent).install)

    def compiling(_args: Any, _kwargs: Any) -> None:
        evaluations.give_up()
        reads.give_up()
        debugging_of(agent).compiles = True

    agent.around(torch, "compile", before=compiling)
    agent.when_imported("torch.export", lambda export: agent.around(export, "export", before=compiling))
