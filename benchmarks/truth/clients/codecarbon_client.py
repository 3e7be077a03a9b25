"""CodeCarbon: one tracker, each window a task, as its documentation recommends for parts of a program."""

import itertools

import windows
from codecarbon import OfflineEmissionsTracker

# One reading a second instead of one in 15 s; no files, no messages; nothing else is changed.
tracker = OfflineEmissionsTracker(
    country_iso_code="NLD", measure_power_secs=1, save_to_file=False, log_level="critical", allow_multiple_runs=True
)
names = itertools.count()
opened = []


def begin():
    opened.append(f"window {next(names)}")
    tracker.start_task(opened[-1])


def end():
    data = tracker.stop_task(opened[-1])
    return {"cpu_j": data.cpu_energy * 3.6e6, "gpu_j": data.gpu_energy * 3.6e6}


# Finding the hardware takes about a second; a user pays that once, so it is not in the first window.
tracker.start_task("warm up")
tracker.stop_task("warm up")
windows.run(begin, end, tracker.stop)
