"""A program under a tracker, or under none: started by the cost bench in the virtual environment of each tool.

    python program.py TOOL start             how long the tracker takes to start and to stop, once
    python program.py TOOL idle SECONDS      start, say so, sleep, say so, stop
    python program.py TOOL train STEPS       train a small network on the embedded images, one thread

TOOL is a name below, or `none`. Folders in $BENCH_PATH are looked in after the environment's own.
"""

import json
import os
import sys
import time
from itertools import pairwise

sys.path += [folder for folder in os.environ.get("BENCH_PATH", "").split(os.pathsep) if folder]
for name in ("WATTLEAK_RECORDER", "WATTLEAK_JOURNAL", "WATTLEAK_STEPS"):
    os.environ.pop(name, None)  # under `wattleak compare` this program starts a recorder of its own all the same


def none():
    return (lambda: None), (lambda: None), None


def wattleak():
    import wattleak

    block = wattleak.measure("program")
    return block.__enter__, (lambda: block.__exit__(None, None, None)), getattr(wattleak, "step", None)


def codecarbon():
    from codecarbon import OfflineEmissionsTracker

    # Once a second as the others; no files, no messages, no look-up of the place over the network.
    tracker = OfflineEmissionsTracker(
        country_iso_code="NLD", measure_power_secs=1, save_to_file=False, log_level="critical", allow_multiple_runs=True
    )
    return tracker.start, tracker.stop, None


def zeus():
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    return (
        lambda: monitor.begin_window("program", sync_execution=False),
        lambda: monitor.end_window("program", sync_execution=False),
        None,
    )


def carbontracker():
    from carbontracker.tracker import CarbonTracker

    tracker = CarbonTracker(epochs=1, epochs_before_pred=-1, monitor_epochs=-1, verbose=0, ignore_errors=True)
    return tracker.epoch_start, tracker.epoch_end, None


TOOLS = {made.__name__: made for made in (none, wattleak, codecarbon, zeus, carbontracker)}


def start_stop(make):
    """Seconds of import and construction, start, and stop; twice, for what is imported is imported once."""
    moments = [time.perf_counter()]
    for _ in range(2):
        start, stop, _mark = make()
        moments.append(time.perf_counter())
        start()
        moments.append(time.perf_counter())
        stop()
        moments.append(time.perf_counter())
    print("RESULT", json.dumps([after - before for before, after in pairwise(moments)]))


def idle(make, length_s):
    start, stop, _ = make()
    start()
    print("STARTED", flush=True)
    time.sleep(length_s)
    print("ENDS", flush=True)
    sys.stdin.readline()
    stop()


def train(make, steps):
    """Plain SGD on batches of 64; reports the seconds of the loop, without imports and the tracker's own start."""
    import torch
    from torch import nn

    from wattleak.workloads.data import load

    torch.set_num_threads(1)
    torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
    data = load()
    images = torch.from_numpy(data.train_images).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(data.train_labels)
    side = images.shape[-1] // 4
    network = nn.Sequential(
        nn.Conv2d(images.shape[1], 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * side * side, data.classes),
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    start, stop, mark = make()
    start()
    began_s = time.perf_counter()
    for step in range(steps):
        first = step * 64 % (len(images) - 64)
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(images[first : first + 64]), labels[first : first + 64])
        loss.backward()
        optimiser.step()
        if mark is not None:
            mark()
    loop_s = time.perf_counter() - began_s
    stop()
    print("WATTLEAK", json.dumps({"loop_s": loop_s, "loss": float(loss)}))


if __name__ == "__main__":  # one of them spawns processes that import this file
    maker, mode = TOOLS[sys.argv[1]], sys.argv[2]
    if mode == "start":
        start_stop(maker)
    elif mode == "idle":
        idle(maker, float(sys.argv[3]))
    else:
        train(maker, int(sys.argv[3]))
