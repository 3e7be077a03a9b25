"""carbontracker: one tracker, each window an epoch. It reports energy times a PUE, which is taken out again."""

import json
import sys

import windows
from carbontracker.tracker import CarbonTracker

count = len(json.loads(sys.argv[1])["windows"])
# ignore_errors: else a failed reading ends the program; verbose 0: no messages; a prediction is not asked for.
tracker = CarbonTracker(epochs=count, epochs_before_pred=-1, monitor_epochs=-1, verbose=0, ignore_errors=True)
closed = 0


def end():
    global closed
    tracker.epoch_end() if closed + 1 < count else tracker.tracker.epoch_end()  # the last epoch ends the tracker too
    number, closed = closed, closed + 1

    def figures():
        found = {}
        for component in components:
            energies = component.energy_usage(times)
            readings = component.power_usages
            if len(readings) <= number or not readings[number]:
                return {"error": "says: epoch duration is too short for a measurement to be collected"}
            found[f"{component.name}_j"] = float(energies[number]) * 3.6e6
        return found

    return figures


def finish():
    global components, times
    components, times = tracker.tracker.components, list(tracker.tracker.epoch_times)


windows.run(tracker.epoch_start, end, finish)
