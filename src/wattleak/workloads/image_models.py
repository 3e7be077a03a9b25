"""The six image models that the studies compare, from torchvision, with what was published about them.

Published figures: torchvision's documentation, "Table of all available classification weights" (IMAGENET1K_V1 for all
six; torchvision 0.28). What is called GFLOPS there are multiply-accumulates of one image: an operation of
multiplication and addition is one of them and two FLOPs. Inception-v3 counts its auxiliary classifier among the
parameters, and not among the operations, for an evaluation does not use it.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from types import ModuleType

    import torch

_OPERATORS: list[torch.library.Library] = []  # they live as long as this list holds them
_OLD_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")


@dataclass(frozen=True, slots=True)
class ImageModel:
    """A model by its torchvision name, with the published figures for 1,000 classes and one image of `side` pixels."""

    name: str
    title: str
    parameters: int
    gmacs: float  # published as "GFLOPS"
    side: int  # pixels of the images that it was made for
    least: int  # pixels below which one of its layers has nothing left
    weights: str  # file of IMAGENET1K_V1; the eight digits are the first of its SHA-256


MODELS: tuple[ImageModel, ...] = (
    ImageModel("resnet18", "ResNet-18", 11_689_512, 1.81, 224, 32, "resnet18-f37072fd.pth"),
    ImageModel(
        "densenet121",
        "DenseNet-121",
        7_978_856,
        2.83,
        224,
        32,
        "densenet121-a639ec97.pth",
    ),
    ImageModel(
        "densenet169",
        "DenseNet-169",
        14_149_480,
        3.36,
        224,
        32,
        "densenet169-b2777c0a.pth",
    ),
    ImageModel("resnet50", "ResNet-50", 25_557_032, 4.09, 224, 32, "resnet50-0676ba61.pth"),
    ImageModel(
        "densenet201",
        "DenseNet-201",
        20_013_928,
        4.29,
        224,
        32,
        "densenet201-c1103571.pth",
    ),
    ImageModel(
        "inception_v3",
        "Inception-v3",
        27_161_264,
        5.71,
        299,
        75,
        "inception_v3_google-0cc3c7bd.pth",
    ),
)
"""By rising number of operations. The first two are also the two with the fewest parameters."""


def find_model(name: str) -> ImageModel:
    """The model of this name, as torchvision or as people write it: resnet18, ResNet-18.

    Raises:
        UsageError: there is none.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for model in MODELS:
        if plain == model.name.replace("_", ""):
            return model
    raise UsageError(
        f"there is no model {name!r} in this study",
        "choose of " + ", ".join(m.name for m in MODELS),
    )


def build(model: ImageModel, classes: int, *, auxiliary: bool = False) -> torch.nn.Module:
    """The model with random initial values and an output for each class.

    `auxiliary`: Inception-v3 as published, with its auxiliary classifier. Fine-tuning leaves it out: it needs images of
    128 pixels or more, and the other models have none.
    """
    more: dict[str, Any] = {}
    if model.name == "inception_v3":
        more = {
            "aux_logits": auxiliary,
            "init_weights": False,
            "transform_input": False,
        }
    built: torch.nn.Module = getattr(vision_models(), model.name)(weights=None, num_classes=classes, **more)
    return built


def build_from_weights(model: ImageModel, path: Path, classes: int) -> torch.nn.Module:
    """The model with the ImageNet weights of a checked file, and a new output layer with random values."""
    import torch  # noqa: PLC0415 - half a second, and a gigabyte to install: whoever only reads names does without

    state = torch.load(path, map_location="cpu", weights_only=True)
    # The files of the DenseNets are older than today's names of their layers: norm.1 is norm1.
    state = {_renamed(key): value for key, value in state.items() if not key.startswith("AuxLogits.")}
    built = build(model, 1000)
    built.load_state_dict(state)
    _replace_output(built, classes)
    return built


def needs() -> str:
    """The package that is lacking; empty when torch and torchvision are there. Imports neither."""
    return next((name for name in ("torch", "torchvision") if find_spec(name) is None), "")


def vision_models() -> ModuleType:
    """`torchvision.models`.

    torchvision's wheel on PyPI is linked against CUDA, so beside a build of torch for CPUs its own operators cannot be
    loaded, and the import stops where it declares how they behave. Declaring their names first is enough for models.

    Raises:
        UsageError: torchvision is not installed.
    """
    lacking = needs()
    if lacking:
        raise UsageError(
            f"this Python has no {lacking}, which the image models need",
            install("vision"),
        )
    import torch  # noqa: PLC0415 - as above

    spec = find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None

    if not _OPERATORS and not _loads(torch, Path(spec.origin).parent):
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _OPERATORS.append(operators)
    import torchvision.models  # noqa: PLC0415 - as above

    models: ModuleType = torchvision.models
    return models


def _loads(torch: ModuleType, folder: Path) -> bool:
    """Whether torchvision's own operators can be loaded beside this torch."""
    for library in sorted(folder.glob("_C*.so")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
        return True
    return False


def _renamed(key: str) -> str:
    match = _OLD_KEY.match(key)
    return match[1] + match[2] if match else key


def _replace_output(built: torch.nn.Module, classes: int) -> None:
    import torch  # noqa: PLC0415 - as above

    name = "classifier" if hasattr(built, "classifier") else "fc"
    old = getattr(built, name)
    setattr(built, name, torch.nn.Linear(old.in_features, classes))
