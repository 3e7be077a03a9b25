"""Conversion to LiteRT (TensorFlow Lite) and inference with it.

The converter is TensorFlow's. The interpreter is that of ai-edge-litert where it is installed, else TensorFlow's own,
which says of itself that it is to be deleted in 2.20 and is still there in 2.21.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from wattleak.workloads.compressing.ready import Ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from wattleak.workloads.compressing.ready import Job

_KNOWN = ("Statistics for quantized inputs were expected", r"\s*Warning: tf.lite.Interpreter is deprecated")


def convert(name: str, model: keras.Model, job: Job) -> Ready:
    """Make this variant, and its file. Weights have one scale for each output channel, as LiteRT specifies."""
    file = job.file.with_suffix(".tflite")
    file.write_bytes(converted(name, model, job.training_inputs[: job.calibration]))
    numbers = kept_numbers(file)
    interpreter, library = _interpreter(file, job.threads)
    return Ready(
        hold=lambda inputs: inputs,
        answer=_answering(interpreter),
        file=file,
        parameters=sum(array.size for array in numbers),
        nonzero=sum(int(np.count_nonzero(array)) for array in numbers),
        how=f"LiteRT of {library}, CPU",
    )


def converted(name: str, model: keras.Model, calibration: NDArray[np.float32]) -> bytes:
    """The model as LiteRT's flat buffer; `calibration` (N, height, width, channels) tells full int8 its scales."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if name != "litert-float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if name == "litert-float16":
        converter.target_spec.supported_types = [tf.float16]
    if name == "litert-int8-full":
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    loud = logging.getLogger("absl").level
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # it lists endpoints at length
            _known_warnings()
            made: bytes = converter.convert()
    finally:
        logging.getLogger("absl").setLevel(loud)
    return made


def kept_numbers(file: Path) -> list[NDArray[np.generic]]:
    """Every weight and bias in a LiteRT file, as it is kept; what else is constant (shapes) is none."""
    from tensorflow.lite.python import schema_py_generated as schema  # noqa: PLC0415 - LiteRT alone does without

    kinds = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
        schema.TensorType.INT32: np.int32,
    }
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes(), 0))
    found = []
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        scaled = tensor.quantization is not None and tensor.quantization.scale is not None
        if data is None or tensor.type not in kinds or (tensor.type == schema.TensorType.INT32 and not scaled):
            continue  # int32 without a scale is a shape, with one it is a bias
        found.append(np.frombuffer(bytes(data), kinds[tensor.type]).reshape(tensor.shape))
    return found


def _interpreter(file: Path, threads: int) -> tuple[Any, str]:
    """An interpreter with the file loaded, and whose it is."""
    if find_spec("ai_edge_litert") is not None:
        from importlib.metadata import version  # noqa: PLC0415 - only here

        interpreter: Any = import_module("ai_edge_litert.interpreter").Interpreter
        return interpreter(model_path=str(file), num_threads=threads), f"ai-edge-litert {version('ai-edge-litert')}"
    with warnings.catch_warnings():
        _known_warnings()
        return tf.lite.Interpreter(model_path=str(file), num_threads=threads), f"TensorFlow {tf.__version__}"


def _answering(interpreter: Any) -> Callable[[object, int, int], NDArray[np.float32]]:  # noqa: ANN401 - of two packages
    """Casting to int8 and back is a part of the answer. The shape is fixed anew only when the batch changes."""
    place, output = (
        details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
    )
    (entry,), (end_,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = entry["quantization"]
    out_scale, out_zero = end_["quantization"]
    small = entry["dtype"] == np.int8
    shape: tuple[int, ...] = ()

    def answer(held: object, begin: int, end: int) -> NDArray[np.float32]:
        nonlocal shape
        images = held[begin:end]  # type: ignore[index]
        if images.shape != shape:
            shape = images.shape
            interpreter.resize_tensor_input(place, shape)
            interpreter.allocate_tensors()
        if small:
            images = np.clip(np.rint(images / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(place, images)
        interpreter.invoke()
        found: NDArray[np.float32] = interpreter.get_tensor(output)
        return (found.astype(np.float32) - out_zero) * np.float32(out_scale) if small else found

    return answer


def _known_warnings() -> None:
    for text in _KNOWN:
        warnings.filterwarnings("ignore", message=text)
