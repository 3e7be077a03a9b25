"""Compress one trained classifier in one way, answer with it, and report cost, latency, size and accuracy.

    python compression.py                                          # float32, PyTorch: the reference
    python compression.py --variant int8-static --data jets
    python compression.py --framework keras --variant litert-int8-full

Every variant of `wattleak study compression` is this program; it runs by itself, too. All variants begin with the same
float weights, whatever the framework: trained once, kept by content, and read by every later run. Spans, one after the
other: training (only where it was not done yet), convert, warm-up, inference (in batches), requests (one image each).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import wattleak
from wattleak.analysis.compression_costs import (
    CONVERT,
    INFERENCE,
    REQUESTS,
    TRAINING,
    WARM_UP,
    cpu_figure,
)
from wattleak.analysis.serving import PERCENTILES, latency_figure, percentile
from wattleak.errors import WattleakError
from wattleak.workloads.compressing import trained
from wattleak.workloads.compressing.arithmetic import native
from wattleak.workloads.compressing.asked import Asked, asked, run_seed
from wattleak.workloads.compressing.networks import initial_weights
from wattleak.workloads.compressing.ready import Job, Ready
from wattleak.workloads.frameworks.network import in_whole_batches, probabilities, scaled
from wattleak.workloads.predictions import report
from wattleak.workloads.spans import span
from wattleak.workloads.threads import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_WARM_UPS = 3


def job_of(task: Asked, model: trained.Trained, device: str, folder: Path) -> Job:
    """What the ways to compress may draw on."""
    arguments, data = task.arguments, task.data
    count = task.recipe.images
    return Job(
        network=task.network,
        trained=model,
        training_inputs=scaled(data.train_images[:count]),
        training_labels=data.train_labels[:count],
        calibration=arguments.calibration_images,
        sparsity=arguments.sparsity,
        channels_out=arguments.channels_out,
        tuning_epochs=arguments.tuning_epochs,
        seed=run_seed(),
        threads=threads(),
        device=device,
        file=folder / "model",
    )


def make_trained(task: Asked) -> None:
    """Train the float model, unless it is kept already."""
    if task.weights.exists():
        print(f"weights: {task.weights}, trained before")
        return
    empty = trained.Trained({}, np.empty((0, task.data.classes), np.float32), "")
    first = initial_weights(task.network, task.recipe.seed)
    with span(TRAINING):
        began_s = time.perf_counter()
        job = job_of(task, empty, _device(task), task.weights.parent)
        work = (task.network, first, job.training_inputs, job.training_labels, task.recipe.epochs, job)
        tests = scaled(task.data.test_images)
        if task.trained_by == "keras":
            from wattleak.workloads.compressing import keras_models  # noqa: PLC0415 - seconds; only what is asked for

            weights = keras_models.train(*work)
            scores = keras_models.scores(task.network, weights, tests)
        else:
            from wattleak.workloads.compressing import torch_models  # noqa: PLC0415 - as above

            weights = torch_models.train(*work)
            scores = torch_models.scores(task.network, weights, tests, job.device)
        took_s = time.perf_counter() - began_s
    trained.write(task.weights, weights, scores)
    right = float(np.mean(scores.argmax(axis=1) == task.data.test_labels))
    print(
        f"weights: trained by {task.recipe.trained_by} in {took_s:.1f} s ({task.recipe.images} images, "
        f"{task.recipe.epochs} epochs, accuracy {right:.4f}), kept as {task.weights}"
    )


def way_of(task: Asked) -> Callable[[str, Job], Ready]:
    """What compresses in this framework. Loads it, which is no part of converting."""
    if task.arguments.framework == "keras":
        from wattleak.workloads.compressing.keras_models import compress  # noqa: PLC0415 - as above
    else:
        from wattleak.workloads.compressing.torch_models import compress  # noqa: PLC0415 - as above
    return compress


def in_batches(ready: Ready, held: object, task: Asked, count: int) -> tuple[NDArray[np.float32], int]:
    """Pass over the `count` images, whole batches, until there are enough inferences or the time is up.

    Returns the scores of the first pass, and how many inferences there were. Every batch marks a step.
    """
    batch = task.arguments.batch
    begun_s = time.perf_counter()
    scores, done = [], 0
    while done < count or (done < task.inferences and time.perf_counter() - begun_s < task.arguments.seconds):
        begin = done % count
        answered = ready.answer(held, begin, begin + batch)
        if done < count:
            scores.append(answered)
        done += batch
        wattleak.step("inference", samples=batch)
    return np.concatenate(scores), done


def one_by_one(ready: Ready, held: object, task: Asked) -> list[float]:
    """Seconds of each of so many single images; fewer when the time is up."""
    latencies: list[float] = []
    begun_s = time.perf_counter()
    while len(latencies) < task.arguments.requests:
        place = len(latencies) % task.tested
        sent_s = time.perf_counter()
        ready.answer(held, place, place + 1)
        answered_s = time.perf_counter()
        latencies.append(answered_s - sent_s)
        if answered_s - begun_s > task.arguments.seconds:
            break
    return latencies


@contextmanager
def spent(name: str) -> Iterator[dict[str, float]]:
    """CPU-seconds of this process, all threads, filled in at the end.

    The recorder reads the same from outside in hundredths of a second, which is much for 400 requests of 0.1 ms.
    """
    found: dict[str, float] = {}
    begun_s = time.process_time()
    yield found
    found[cpu_figure(name)] = time.process_time() - begun_s


def measured(task: Asked, job: Job) -> None:
    """Convert, answer, report."""
    data, arguments = task.data, task.arguments
    compress = way_of(task)
    with span(CONVERT):
        ready = compress(arguments.variant, job)
    size_b = ready.file.stat().st_size
    tests = in_whole_batches(scaled(data.test_images[: task.tested]), arguments.batch)
    held = ready.hold(tests)
    print(f"variant {arguments.variant}: {ready.how}; threads: {job.threads}; {size_b} bytes in {ready.file.name}")
    with span(WARM_UP):
        for _ in range(_WARM_UPS):
            ready.answer(held, 0, arguments.batch)
    with span(INFERENCE), spent(INFERENCE) as in_batches_s:
        scores, inferences = in_batches(ready, held, task, len(tests))
    with span(WARM_UP):
        for _ in range(_WARM_UPS):
            ready.answer(held, 0, 1)
    with span(REQUESTS), spent(REQUESTS) as alone_s:
        latencies_s = one_by_one(ready, held, task)
    scores = scores[: task.tested]
    labels = data.test_labels[: task.tested]
    before = job.trained.scores[: task.tested].argmax(axis=1) == labels
    after = scores.argmax(axis=1) == labels
    more: dict[str, float] = {
        "size_b": size_b,
        "parameters": ready.parameters,
        "nonzero": ready.nonzero,
        "inferences": inferences,
        "requests": len(latencies_s),
        "tested": task.tested,
        "lost": int(np.sum(before & ~after)),  # right as trained, wrong now
        "gained": int(np.sum(~before & after)),
        **in_batches_s,
        **alone_s,
    }
    for percent in PERCENTILES:
        value = percentile(latencies_s, percent)
        if value is not None:
            more[latency_figure(percent)] = value
    known = native(arguments.variant) if job.device == "cpu" else None
    if known is not None:
        more["native_arithmetic"] = int(known)
    print("WATTLEAK " + json.dumps({"weights_sha256": job.trained.sha256}))
    report(labels, probabilities(scores), more, str(arguments.keep / "predictions.npz") if arguments.keep else None)


def _device(task: Asked) -> str:
    """Keras answers on CPUs only: LiteRT has no other kernels here."""
    if task.arguments.framework == "keras" or task.arguments.device == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 - as above

    return "cuda" if torch.cuda.is_available() else "cpu"


def main(words: Sequence[str] | None = None) -> None:
    try:
        task = asked(words)
        print(f"data {task.data.describe()}")
        make_trained(task)
        if task.arguments.train_only:
            return
        model = trained.read(task.weights, task.network)
        if task.arguments.keep is not None:
            task.arguments.keep.mkdir(parents=True, exist_ok=True)
            measured(task, job_of(task, model, _device(task), task.arguments.keep))
            return
        # Weighed and thrown away: eighty runs of a study would leave eighty models.
        with tempfile.TemporaryDirectory(dir=os.environ.get("WATTLEAK_RUN_DIR")) as folder:
            measured(task, job_of(task, model, _device(task), Path(folder)))
    except WattleakError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main()
