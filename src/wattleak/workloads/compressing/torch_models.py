"""The networks in PyTorch: training, and the ways to compress them that come with it.

int8 is that of torch.ao.quantization. PyTorch calls it deprecated, "to be removed in 2.10"; in 2.13 it is still there,
and it is what runs int8 on a CPU without a compiler. Its successor torchao has no eager kernels for CPUs: see
docs/how-to/compress-a-model.md for what it costs uncompiled.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from wattleak.workloads.compressing.networks import KERNEL
from wattleak.workloads.compressing.pruning import pruned
from wattleak.workloads.compressing.ready import Job, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wattleak.workloads.compressing.networks import Network, Weights

_BATCH, _RATE = 64, 1e-3  # of the training, by Adam; usual, not tuned
_SCORED_AT_ONCE = 256
_KNOWN = (  # warnings that say the API will go: said in the docs, and no fault of this program
    "torch.ao.quantization is deprecated",
    "torch.quantize_per_tensor, torch.quantize_per_channel",
    "Please use quant_min and quant_max",
)


def build(network: Network, weights: Weights) -> nn.Sequential:
    """The network with these weights; images come channels first."""
    layers: list[nn.Module] = []
    channels = network.channels
    for convolution in network.convolutions:
        layer = nn.Conv2d(channels, convolution.filters, KERNEL, padding=KERNEL // 2)
        _fill(layer, weights, convolution.name, (3, 2, 0, 1))
        layers += [layer, nn.ReLU(), *([nn.MaxPool2d(2)] if convolution.pooled else [])]
        channels = convolution.filters
    layers.append(nn.Flatten())
    height, width, channels = network.flat
    inputs = height * width * channels
    for place, dense in enumerate(network.dense):
        full = nn.Linear(inputs, dense.units)
        _fill(full, weights, dense.name, (1, 0), None if place else _channels_first(height, width, channels))
        layers += [full, *([nn.ReLU()] if dense is not network.dense[-1] else [])]
        inputs = dense.units
    return nn.Sequential(*layers).eval()


def weights_of(network: Network, model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The weights in the order of `networks`: the inverse of `build`."""
    found = {}
    layers = [layer for layer in model.children() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    order = _channels_first(*network.flat)
    for name, layer in zip((one.name for one in network.layers), layers, strict=True):
        assert layer.bias is not None
        kernel = layer.weight.detach().cpu().numpy()
        kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        if name == network.dense[0].name:
            turned = np.empty_like(kernel)
            turned[order] = kernel
            kernel = turned
        found[f"{name}.kernel"] = np.ascontiguousarray(kernel)
        found[f"{name}.bias"] = layer.bias.detach().cpu().numpy().copy()
    return found


def train(
    network: Network, weights: Weights, inputs: NDArray[np.float32], labels: NDArray[np.int64], epochs: int, job: Job
) -> dict[str, NDArray[np.float32]]:
    """Weights after so many epochs of Adam. The order of the images follows the job's seed."""
    torch.manual_seed(job.seed)
    torch.set_num_threads(job.threads)
    model = build(network, weights).to(job.device).train()
    images, classes = _first(inputs).to(job.device), torch.as_tensor(labels).to(job.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
    order = np.random.default_rng(job.seed)
    for _ in range(epochs):
        for rows in torch.as_tensor(order.permutation(len(inputs))).to(job.device).split(_BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), classes[rows]).backward()
            optimizer.step()
    return weights_of(network, model)


def scores(network: Network, weights: Weights, inputs: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    """What the network with these weights answers."""
    model = build(network, weights).to(device)
    with torch.inference_mode():
        found = [model(part.to(device)).cpu() for part in _first(inputs).split(_SCORED_AT_ONCE)]
    answered: NDArray[np.float32] = torch.cat(found).numpy()
    return answered


def compress(name: str, job: Job) -> Ready:
    """Make this variant, and its file."""
    torch.set_num_threads(job.threads)
    network, weights = pruned(name, job, train)
    model: nn.Module = build(network, weights)
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name)
    if half is not None:
        model = model.to(half)
    elif name == "int8-dynamic":
        model = dynamic_int8(model)
    elif name == "int8-static":
        model = static_int8(model, _first(job.training_inputs[: job.calibration]))
    file = job.file.with_suffix(".pt")
    torch.save(model.state_dict(), file)
    numbers = list(_numbers(model))
    engine = f"{torch.backends.quantized.engine} kernels, " if name.startswith("int8") else ""
    return Ready(
        hold=_first,
        answer=_answering(model.to(job.device), job.device, half),
        file=file,
        parameters=sum(array.numel() for array in numbers),
        nonzero=sum(int(torch.count_nonzero(array)) for array in numbers),
        how=f"PyTorch {torch.__version__}, {engine}{_where(job.device)}",
    )


def dynamic_int8(model: nn.Module) -> nn.Module:
    """Dense layers with int8 weights, one scale for each layer; their inputs get a scale at each inference."""
    from torch.ao.quantization import quantize_dynamic  # noqa: PLC0415 - warns when imported where it will have gone

    with _deprecations_known():
        made: nn.Module = quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    return made


def static_int8(model: nn.Module, calibration: torch.Tensor) -> nn.Module:
    """All layers int8, one scale for each output channel; scales of what flows between them from `calibration`."""
    from torch.ao.quantization import (  # noqa: PLC0415 - as above
        QuantWrapper,
        convert,
        fuse_modules,
        get_default_qconfig,
        prepare,
    )

    layers = list(model.children())
    pairs = [[str(place - 1), str(place)] for place, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
    with _deprecations_known(), torch.inference_mode():
        wrapped = QuantWrapper(fuse_modules(model, pairs) if pairs else model)
        wrapped.qconfig = get_default_qconfig(torch.backends.quantized.engine)
        watched = prepare(wrapped)
        for part in calibration.split(_SCORED_AT_ONCE):
            watched(part)
        made: nn.Module = convert(watched)
    return made


def int8_weights(model: nn.Module) -> list[NDArray[np.int8]]:
    """The weights of each int8 layer, as they are kept."""
    return [array.numpy() for array in _numbers(model) if array.dtype == torch.int8]


def _numbers(model: nn.Module) -> Iterator[torch.Tensor]:
    """Every weight and bias, of int8 layers too, which keep theirs packed."""
    for layer in model.modules():
        for name in ("weight", "bias"):
            found = getattr(layer, name, None)
            found = found() if callable(found) else found
            if isinstance(found, torch.Tensor):
                yield found.int_repr() if found.is_quantized else found.detach()


def _answering(
    model: nn.Module, device: str, kind: torch.dtype | None
) -> Callable[[object, int, int], NDArray[np.float32]]:
    @torch.inference_mode()
    def answer(held: object, begin: int, end: int) -> NDArray[np.float32]:
        assert isinstance(held, torch.Tensor)
        found: NDArray[np.float32] = model(held[begin:end].to(device, kind)).float().cpu().numpy()
        return found

    return answer


def _first(inputs: NDArray[np.float32]) -> torch.Tensor:
    """Channels first."""
    return torch.as_tensor(inputs).permute(0, 3, 1, 2).contiguous()


def _channels_first(height: int, width: int, channels: int) -> NDArray[np.int64]:
    """Row of the kernel of the first dense layer that belongs to each input of PyTorch's, channels first."""
    return np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()


def _fill(
    layer: Any,  # noqa: ANN401 - a layer of torch, which may be absent where this is checked
    weights: Weights,
    name: str,
    axes: tuple[int, ...],
    rows: NDArray[np.int64] | None = None,
) -> None:
    kernel = weights[f"{name}.kernel"]
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor((kernel if rows is None else kernel[rows]).transpose(axes).copy()))
        layer.bias.copy_(torch.as_tensor(weights[f"{name}.bias"].copy()))


def _where(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU ({torch.backends.cpu.get_cpu_capability()})"


@contextmanager
def _deprecations_known() -> Iterator[None]:
    with warnings.catch_warnings():
        for text in _KNOWN:
            warnings.filterwarnings("ignore", message=text)
        yield
