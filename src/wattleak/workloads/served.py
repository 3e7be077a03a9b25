"""What a service answers with: a small CNN or an image model in PyTorch, the CNN in Keras, or a model of the user's.

A model of the user's is FILE.py:NAME, a function without arguments that returns (predict, make_batch):

    def load():
        model = torch.jit.load("model.pt")
        def make_batch(size): return torch.rand(size, 3, 224, 224)
        def predict(batch):
            with torch.inference_mode():
                return model(batch).argmax(1).tolist()  # the answer is there when it returns, on a GPU too
        return predict, make_batch

The shipped models have random values: which answer they give is nobody's concern here, and what an answer costs does
not depend on it.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.workloads.serving import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from wattleak.workloads.data import ImageData

CNN = "cnn"
_WIDTHS = (16, 16, 32, 32)


def is_own(model: str) -> bool:
    """Whether it names a function of the user's."""
    return ":" in model


def own_service(model: str) -> Service:
    """From FILE.py:NAME. Raises UsageError when it is not there, or returns no such pair."""
    path, _, name = model.rpartition(":")
    file = Path(path)
    spec = spec_from_file_location(file.stem, file) if file.is_file() and file.suffix == ".py" else None
    if spec is None or spec.loader is None:
        raise UsageError(f"--model {model}: there is no Python file {path!r}", "write --model FILE.py:FUNCTION")
    module = module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))  # its own imports, as if it were run
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    load = getattr(module, name, None)
    if not callable(load):
        raise UsageError(f"--model {model}: {path} has no function {name!r}", "write --model FILE.py:FUNCTION")
    made = load()
    if not (isinstance(made, tuple) and len(made) == 2 and all(map(callable, made))):
        raise UsageError(
            f"--model {model}: {name}() returned {type(made).__name__}, not two functions",
            "return predict, make_batch: predict(make_batch(8)) answers eight requests",
        )
    return Service(*made)


def image_service(framework: str, model: str, data: ImageData, side: int | None, threads: int) -> Service:
    """A model that classifies images of the data set. Raises UsageError for a model that there is not."""
    predict = _keras_predict if framework == "keras" else _torch_predict
    return Service(predict(model, data, side, threads), _images_of(data))


def _images_of(data: ImageData) -> Callable[[int], NDArray[np.uint8]]:
    """Batches of stored test images, one after the other, round and round."""
    import numpy as np  # noqa: PLC0415 - a user's own model may do without

    place = 0

    def make_batch(size: int) -> NDArray[np.uint8]:
        nonlocal place
        rows = np.arange(place, place + size) % len(data.test_images)
        place = (place + size) % len(data.test_images)
        batch: NDArray[np.uint8] = data.test_images[rows]
        return batch

    return make_batch


def _torch_predict(model: str, data: ImageData, side: int | None, threads: int) -> Callable[[Any], object]:
    import torch  # noqa: PLC0415 - only what is asked for is loaded

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"device: {torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}")
    network, size, channels = _torch_network(model, data, side)
    network = network.to(device).eval()

    @torch.inference_mode()
    def predict(images: NDArray[np.uint8]) -> list[int]:
        pixels = torch.as_tensor(images).to(device).permute(0, 3, 1, 2).float() / 255
        if size is not None:
            pixels = torch.nn.functional.interpolate(pixels, size=(size, size), mode="bilinear")
        found: list[int] = network(pixels.expand(-1, channels, -1, -1)).argmax(1).tolist()  # waits for the device
        return found

    return predict


def _torch_network(model: str, data: ImageData, side: int | None) -> tuple[torch.nn.Module, int | None, int]:
    """The network, the side that its images are brought to (None: as they are), and their channels."""
    from wattleak.workloads.image_models import build, find_model  # noqa: PLC0415 - as above

    channels = data.test_images.shape[3]
    if model == CNN:
        return _torch_cnn(channels, data.classes), side, channels
    chosen = find_model(model)
    if side is not None and side < chosen.least:
        raise UsageError(f"{chosen.title} takes images of {chosen.least} pixels or more, not {side}", "--image-size 64")
    if channels not in {1, 3}:
        raise UsageError(f"{data.name} has images with {channels} channels; {chosen.title} takes 1 or 3", "--model cnn")
    return build(chosen, data.classes), side or chosen.side, 3


def _torch_cnn(channels: int, classes: int) -> torch.nn.Module:
    from torch import nn  # noqa: PLC0415 - as above

    first, second, third, fourth = _WIDTHS
    return nn.Sequential(
        *(nn.Conv2d(channels, first, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(second, third, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(third, fourth, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(7)),
        *(nn.Flatten(), nn.Linear(fourth * 7 * 7, classes)),
    )


def _keras_predict(model: str, data: ImageData, side: int | None, threads: int) -> Callable[[Any], object]:
    if model != CNN:
        raise UsageError(f"there is no model {model!r} in Keras here", "--model cnn, or FILE.py:FUNCTION of your own")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras  # noqa: PLC0415 - as above
    import tensorflow as tf  # noqa: PLC0415 - as above
    from keras import layers  # noqa: PLC0415 - as above

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    height, width, channels = data.test_images.shape[1:]
    first, second, third, fourth = _WIDTHS
    network = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            layers.Rescaling(1 / 255),
            *([layers.Resizing(side, side)] if side else []),
            layers.Conv2D(first, 3, padding="same", activation="relu"),
            layers.Conv2D(second, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(third, 3, padding="same", activation="relu"),
            layers.Conv2D(fourth, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(data.classes),
        ]
    )

    def predict(images: NDArray[np.uint8]) -> list[int]:
        found: list[int] = network.predict_on_batch(images).argmax(1).tolist()
        return found

    return predict
