"""wattleak: one recording, each window a `with wattleak.measure()` inside it.

Beside the figures it tells at which moments the recorder read the meters for a window (`edges`), from its journal.
"""

import functools
import os
from pathlib import Path

import windows

import wattleak
from wattleak.recorder.trace import read_recording

outer = wattleak.measure("bench")
opened = []


@functools.cache
def spans(folder):
    return [span for span in read_recording(folder / "journal.jsonl").trace.spans if span.name == "window"]


def begin():
    opened.append(wattleak.measure("window"))
    opened[-1].__enter__()


def end():
    number, window = len(opened) - 1, opened[-1]
    window.__exit__(None, None, None)

    def figures():
        span = spans(Path(os.environ["WATTLEAK_STORE"], "runs", outer.run_id))[number]
        found = {"edges": [span.start_s, span.end_s]}
        for item in window.energy:
            for channel, key in (("cpu0", "cpu"), ("gpu0", "gpu")):
                if item.channel.name == channel:
                    found[f"{key}_j"], found[f"{key}_resolution_j"] = item.energy_j.value, item.resolution_j
                    found[f"{key}_low_j"], found[f"{key}_high_j"] = item.energy_j.low, item.energy_j.high
        return found

    return figures


outer.__enter__()
windows.run(begin, end, lambda: outer.__exit__(None, None, None))
