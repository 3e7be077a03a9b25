"""Questions about training code, for authors of rules. What is not known is None, UNKNOWN or False: stay silent.

    which libraries                      frameworks(module) -> {Framework.TORCH}
    does this call make a model          builds_model(module, call)
    is it a model, loader, optimizer     is_model, is_loader, is_optimizer(module, expression)
    which loops run over batches         hot_loops(module) -> [HotLoop(node, role, module)]
    ... around this line                 hot_loop_around(module, node) -> HotLoop | None
    which loops are around those         epoch_loops(module) -> [ast.For]
    how often does it run in a loop      how_often(module, node, loop) -> Often.EACH_TIME
    does it change in a loop             varies(module, expression, loop) -> True | False | None
    does it hold a graph                 graph_of(module, expression) -> Graph.ATTACHED
    are gradients switched off there     gradients_off(module, node) -> True | False | None
    does the program use an accelerator  on_accelerator(module)
    what is the file for                 file_role(module) -> FileRole.PROGRAM

For example, a number that is fetched from the accelerator in every step of a training:

    if ".item(" not in module.text or not on_accelerator(module):
        return
    for call in calls_of_item(module):
        hot = hot_loop_around(module, call)
        if hot is not None and hot.role is LoopRole.TRAINING and how_often(module, call, hot.node) is Often.EACH_TIME:
            ...

Answers come across files: a train function in another file, a model that callers give, `self.model`, a decorator of the
project. A model that nobody in the project makes is known by what is done with it: only models have `.eval()` and
`.parameters()`. A file that mentions no framework is answered at once; filter by text before you ask about the others.
"""

from wattleak.source.learning.device import imported, importers, on_accelerator
from wattleak.source.learning.frameworks import Framework, frameworks, learns
from wattleak.source.learning.gradients import gradients_off
from wattleak.source.learning.graph import Graph, graph_of
from wattleak.source.learning.kinds import builds_model, is_loader, is_model, is_optimizer, runs_module
from wattleak.source.learning.loops import HotLoop, LoopRole, epoch_loops, hot_loop_around, hot_loops
from wattleak.source.learning.often import Often, how_often, varies
from wattleak.source.learning.roles import FileRole, file_role

__all__ = [
    "FileRole",
    "Framework",
    "Graph",
    "HotLoop",
    "LoopRole",
    "Often",
    "builds_model",
    "epoch_loops",
    "file_role",
    "frameworks",
    "gradients_off",
    "graph_of",
    "hot_loop_around",
    "hot_loops",
    "how_often",
    "imported",
    "importers",
    "is_loader",
    "is_model",
    "is_optimizer",
    "learns",
    "on_accelerator",
    "runs_module",
    "varies",
]
