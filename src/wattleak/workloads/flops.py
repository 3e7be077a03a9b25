"""Parameters and floating-point operations of the image models, counted on tensors without data.

`torch.utils.flop_counter` counts matrix multiplications and convolutions, two FLOPs for each multiply-accumulate,
forward and backward. What is published as GFLOPS of a model are multiply-accumulates: half of it. Normalisation,
activations and the optimizer are not counted, here or there.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.workloads.image_models import build

if TYPE_CHECKING:
    from wattleak.workloads.image_models import ImageModel


@dataclass(frozen=True, slots=True)
class Operations:
    """Of one image."""

    parameters: int
    forward_flops: int
    training_flops: int | None  # forward and backward; None: not asked for


def count_operations(
    model: ImageModel, side: int, classes: int, *, auxiliary: bool = False, training: bool = True
) -> Operations:
    """Count for square colour images of `side` pixels; nothing is computed and no memory taken ("meta" device).

    Takes up to some seconds for a model of hundreds of layers, two thirds of them for `training`.
    """
    import torch  # noqa: PLC0415 - whoever does not count does without
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - as above

    batch = 2  # normalisation in training wants more than one value
    with torch.device("meta"):
        built = build(model, classes, auxiliary=auxiliary)
        images = torch.empty(batch, 3, side, side)
        built.eval()
        with FlopCounterMode(display=False) as forward, torch.no_grad():
            built(images)
        both = FlopCounterMode(display=False)
        if training:
            built.train()
            with both:
                out = built(images)
                logits = out if isinstance(out, torch.Tensor) else out[0] + out[1]
                logits.sum().backward()
    return Operations(
        parameters=sum(parameter.numel() for parameter in built.parameters()),
        forward_flops=forward.get_total_flops() // batch,
        training_flops=both.get_total_flops() // batch if training else None,
    )
