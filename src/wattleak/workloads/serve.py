"""Answer requests with a model, back to back or on a schedule, and report latencies and what the waiting took.

    python serve.py --batch 8 --seconds 4                # back to back, eight at a time
    python serve.py --rate 20 --requests 100             # twenty a second, by chance as independent users come
    python serve.py --rate 20 --batch 8 --arrivals even  # evenly, and up to eight that wait are answered together
    python serve.py --model resnet18 --image-size 64
    python serve.py --model mine.py:load                 # a model of your own (workloads/served.py says how)

Every variant of `wattleak study inference` is this program; it runs by itself, too. Latency is counted from the moment
for which a request was scheduled.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import wattleak
from wattleak.analysis.serving import FIRST_ANSWER, SERVING, WARM_UP, Setting, figures
from wattleak.errors import WattleakError
from wattleak.workloads.arrivals import ARRIVALS, schedule
from wattleak.workloads.served import CNN, image_service, is_own, own_service
from wattleak.workloads.serving import back_to_back, on_schedule, warm_up
from wattleak.workloads.spans import span
from wattleak.workloads.threads import threads

if TYPE_CHECKING:
    from wattleak.analysis.serving import Served
    from wattleak.workloads.serving import Service


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; exit with 2 and one line when it does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=("torch", "keras"), default="torch")
    parser.add_argument("--model", default=CNN, help="cnn, an image model as resnet18, or FILE.py:FUNCTION of your own")
    parser.add_argument("--data", help="images: a data set (fashion-mnist, cifar10, jets) or an npz file")
    parser.add_argument("--image-size", type=int, help="pixels that images are brought to (default: as the model is)")
    parser.add_argument("--batch", type=int, default=1, help="requests that are answered together, at most")
    parser.add_argument("--rate", type=float, help="requests a second (default: back to back)")
    parser.add_argument("--arrivals", choices=ARRIVALS, default=ARRIVALS[0], help="of scheduled requests")
    parser.add_argument("--seconds", type=float, default=4.0, help="of serving, without warm-up")
    parser.add_argument("--requests", type=int, help="of the schedule (default: as many as come in --seconds)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds; three batches of each size at least")
    arguments = parser.parse_args(words)
    if arguments.batch < 1 or arguments.seconds <= 0 or arguments.warm_up < 0:
        parser.error("--batch is 1 or more, --seconds above 0, --warm-up 0 or more")
    if arguments.rate is not None and arguments.rate <= 0:
        parser.error("--rate is above 0")
    if arguments.requests is not None and (arguments.rate is None or arguments.requests < 1):
        parser.error("--requests is 1 or more, and belongs to --rate")
    return arguments


def service_of(arguments: argparse.Namespace) -> Service:
    """The model, loaded. Raises WattleakError."""
    if is_own(arguments.model):
        return own_service(arguments.model)
    from wattleak.workloads.data import load  # noqa: PLC0415 - a user's own model needs no images of ours

    data = load(arguments.data, download=True)  # downloads only what --data names
    print(f"data {data.describe()}")
    return image_service(arguments.framework, arguments.model, data, arguments.image_size, threads())


def marked(size: int) -> None:
    """One step for each request, so that costs per sample are costs per request."""
    for _ in range(size):
        wattleak.step("request", samples=1)


def serve(service: Service, arguments: argparse.Namespace) -> Served:
    """The stretch that is measured."""
    if arguments.rate is None:
        return back_to_back(service, arguments.batch, arguments.seconds, answered=marked)
    count = arguments.requests or max(1, round(arguments.seconds * arguments.rate))
    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    arrivals = schedule(arguments.arrivals, arguments.rate, count, seed)
    return on_schedule(service, arguments.batch, arrivals, count / arguments.rate, answered=marked)


def main() -> None:
    arguments = arguments_of()
    try:
        service = service_of(arguments)
    except WattleakError as error:
        raise SystemExit(f"{error.message}; {error.remedy}") from error
    setting = Setting(arguments.batch, arguments.rate)
    with span(WARM_UP):
        warmed = warm_up(service, setting.sizes, arguments.warm_up)
    with span(SERVING):
        marked(1)  # the last answer of the warm-up: its mark begins the first request that counts
        served = serve(service, arguments)
    own = os.environ.get("WATTLEAK_RUN_DIR")
    if own:
        path = Path(own) / "latencies.json"
        path.write_text(json.dumps(served.latencies_s), encoding="utf-8")
        print(f"latencies: {path}")
    print(
        "WATTLEAK " + json.dumps({**figures(served), FIRST_ANSWER: warmed.first_s, "warm_up_batches": warmed.batches})
    )


if __name__ == "__main__":
    main()
