"""Whether a data loader knows its length, and what reading it once less would change."""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.arguments import argument, argument_values
from wattleak.source.learning import is_loader
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.loaders import knows_length, origins, pytorch_loaders
from wattleak.source.referents import Instance, Library, Method

if TYPE_CHECKING:
    from wattleak.source.calls import Site
    from wattleak.source.module import Module
    from wattleak.source.referents import Referent


class Length(Enum):
    """What is known about the number of batches."""

    KNOWN = "known"  # len() gives it
    UNKNOWN = "unknown"  # a stream, or nobody knows
    ENDLESS = "endless"
    NO_LOADER = "no loader"


def length_of(module: Module, counted: ast.expr) -> Length:
    """Return whether `counted` is a data loader, and knows how many batches it has."""
    sites = pytorch_loaders(module, counted)
    if sites:
        return Length.KNOWN if all(_reads_map_style(site) for site in sites) else Length.UNKNOWN
    pipelines = tensorflow_pipelines(module, counted)
    if pipelines:
        kinds = {_pipeline_length(pipeline) for pipeline in pipelines}
        return kinds.pop() if len(kinds) == 1 else Length.UNKNOWN
    return Length.UNKNOWN if is_loader(module, counted) is True else Length.NO_LOADER


# -- PyTorch -------------------------------------------------------------------------------------------------------

_DATA = ("torch.utils.data.", "torch.utils.data.dataset.")


def _reads_map_style(site: Site) -> bool:
    dataset = argument(site.module, site.call, "dataset", 0)
    if dataset is None or dataset.may_be_absent or not dataset.values:
        return False
    return all(knows_length(located.module, located.node) for located in dataset.values)


# -- TensorFlow ----------------------------------------------------------------------------------------------------

_SOURCES = frozenset({"Dataset.from_tensor_slices", "Dataset.from_tensors", "Dataset.range", "Dataset.list_files"})
_KEEP_LENGTH = frozenset(
    {
        *("map", "batch", "padded_batch", "shuffle", "prefetch", "cache", "take", "skip", "enumerate", "shard"),
        *("with_options", "ragged_batch", "rebatch", "scan"),
    }
)
_STILL_SOURCES = frozenset({"Dataset.from_tensor_slices", "Dataset.from_tensors", "Dataset.range"})
_STILL = _KEEP_LENGTH - {"shuffle", "map", "scan"}
_TENSORFLOW = "tensorflow.data."
_FROM_FOLDER = tuple(
    f"{home}utils.{name}"
    for home in ("keras.", "tensorflow.keras.")
    for name in ("image_dataset_from_directory", "audio_dataset_from_directory", "text_dataset_from_directory")
)


class Pipeline(NamedTuple):
    """How a tf.data pipeline is built."""

    source: str  # "Dataset.range"
    steps: tuple[str, ...]  # the methods called on it, first to last
    repeats_forever: bool


def tensorflow_pipelines(module: Module, counted: ast.expr) -> list[Pipeline] | None:
    """Return every tf.data pipeline that `counted` can be; None: it can be something else."""
    known = resolved(module, counted)
    if known is None:
        made = origins(module, counted)
        pieces = [resolved(home, node) for home, node in made or ()]
        known = frozenset(one for piece in pieces if piece for one in piece) if made and all(pieces) else None
    found = [_pipeline(referent) for referent in known or ()]
    pipelines = [one for one in found if one is not None]
    return pipelines if pipelines and len(pipelines) == len(found) else None


def _pipeline(referent: Referent) -> Pipeline | None:
    steps: list[str] = []
    forever = False
    while isinstance(referent, Instance) and isinstance(referent.of, Method):
        steps.insert(0, referent.of.name)
        if referent.of.name == "repeat" and referent.call is not None:
            count = argument_values(referent.module, referent.call, "count", 0, default=None)
            forever |= count is None or bool(count & {None, -1})
        referent = referent.of.owner
    match referent:
        case Instance(of=Library(name=name)) if name.startswith(_TENSORFLOW):
            return Pipeline(name.removeprefix(_TENSORFLOW), tuple(steps), forever)
        case Instance(of=Library(name=name)) if name in _FROM_FOLDER:
            return Pipeline(name, tuple(steps), forever)
        case _:
            return None


def _pipeline_length(pipeline: Pipeline) -> Length:
    if pipeline.repeats_forever and "take" not in pipeline.steps:
        return Length.ENDLESS
    known = pipeline.source in _SOURCES or pipeline.source in _FROM_FOLDER
    return Length.KNOWN if known and set(pipeline.steps) <= _KEEP_LENGTH | {"repeat"} else Length.UNKNOWN


# -- what reading changes ------------------------------------------------------------------------------------------


def trace_of_reading(module: Module, counted: ast.expr) -> str | None:
    """Return what one reading less may change in the rest of the program; None: nothing."""
    sites = pytorch_loaders(module, counted)
    if sites:
        return next((trace for trace in map(_trace_of_loader, sites) if trace is not None), None)
    pipelines = tensorflow_pipelines(module, counted)
    if pipelines and all(set(one.steps) <= _STILL and one.source in _STILL_SOURCES for one in pipelines):
        return None
    return "a reading moves on the random streams of the pipeline: what is random later comes out differently"


def _trace_of_loader(site: Site) -> str | None:
    generator = argument(site.module, site.call, "generator")
    if generator is None or generator.may_be_absent:
        return "every reading takes a seed from PyTorch's random stream: what is random later comes out differently"
    shuffle = argument_values(site.module, site.call, "shuffle", 2, default=False) or {None}
    samplers = [argument(site.module, site.call, name, place) for name, place in (("sampler", 3), ("batch_sampler", 4))]
    if any(value is not False for value in shuffle) or not all(one is not None and one.is_absent for one in samplers):
        return "every reading draws an order: those of later readings come out differently"
    dataset = argument(site.module, site.call, "dataset", 0)
    made = [one for located in dataset.values for one in origins(*located) or ()] if dataset is not None else []
    if not made or not all(_is_still(*one) for one in made):
        return "reading may move on random numbers, or whatever else the data set keeps"
    return None


def _is_still(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        return True
    name = resolved_name(module, node.func) if isinstance(node, ast.Call) else None
    return name in {f"{home}TensorDataset" for home in _DATA}
