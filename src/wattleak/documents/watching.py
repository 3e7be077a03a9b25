"""What `wattleak watch --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.documents.head import envelope
from wattleak.documents.meters import unavailable_document
from wattleak.documents.observations import evidence_document

if TYPE_CHECKING:
    from wattleak.documents.head import Document
    from wattleak.model.watching import Activity, Watched


def watched_document(watched: Watched) -> Document:
    """One state of a watched process; what the kernel does not count is null."""
    grown = watched.memory_slope
    return {
        **envelope("watch"),
        "pid": watched.pid,
        "command": watched.command,
        "duration_s": watched.duration_s,
        "looks": watched.looks,
        "ended": watched.ended,
        "processes": watched.processes,
        "threads": watched.threads,
        "threads_running": watched.running,
        "cpus": {
            "usable": watched.cpus,
            "why": watched.cpus_why,
            "affinity": watched.affinity,
            "quota": watched.quota_cpus,
            "slurm": watched.slurm_cpus,
        },
        "now": _activity_document(watched.now),
        "overall": _activity_document(watched.overall),
        "memory_b": watched.memory_b,
        "memory_slope": None
        if grown is None
        else {
            "b_per_s": grown.per_s,
            "low": grown.interval.low,
            "high": grown.interval.high,
            "level": grown.interval.level,
            "readings": grown.readings,
            "duration_s": grown.duration_s,
            "origin": "sampled",
        },
        "memory_full_in_s": watched.memory_full_in_s,
        "power": [
            {
                "channel": item.channel,
                "of": "tree" if item.of_tree else "machine",
                "power_w": item.power_w.value,
                "low_w": item.power_w.low,
                "high_w": item.power_w.high,
                "origin": item.power_w.origin.value,
            }
            for item in watched.power
        ],
        "libraries": [{"path": item.path, "kind": item.kind, "pid": item.pid} for item in watched.libraries],
        "packages": list(watched.packages),
        "devices": list(watched.devices),
        "devices_held": list(watched.devices_held),
        "evidence": [evidence_document(item) for item in watched.evidence],
        "unavailable": [unavailable_document(item) for item in watched.unavailable],
        "notes": list(watched.notes),
    }


def _activity_document(activity: Activity | None) -> Document | None:
    if activity is None:
        return None
    return {
        "duration_s": activity.duration_s,
        "workers": activity.workers,
        "runnable": activity.runnable,
        "cpu_share": activity.cpu_share,
        "wait_share": activity.wait_share,
        "system_share": activity.system_share,
        "voluntary_per_s": activity.voluntary_per_s,
        "involuntary_per_s": activity.involuntary_per_s,
        "throttled_share": activity.throttled_share,
        "origin": "counter",
    }
