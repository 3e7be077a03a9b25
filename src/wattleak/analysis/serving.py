"""What one stretch of answering requests showed: latencies, work and waiting apart, saturation. Pure.

Latency of a scheduled request runs from the moment for which it was scheduled, not from the moment at which the
program got round to it: a program that is late would otherwise hide how late (coordinated omission: Tene, "How NOT to
Measure Latency", 2013; Schroeder, Wierman and Harchol-Balter, "Open Versus Closed", NSDI 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVING, WARM_UP = "serving", "warm-up"  # the spans that a program opens
FIRST_ANSWER = "first_answer_s"  # of the figures that it reports
PERCENTILES = (50, 95, 99)
_FIGURE = "latency_p{}_s"


@dataclass(frozen=True, slots=True)
class Setting:
    """How requests come: back to back in batches, or `rate_per_s` of them, up to `batch` of those waiting together."""

    batch: int
    rate_per_s: float | None = None

    @property
    def name(self) -> str:
        """As variants are called: batch-8, 20-per-s, 20-per-s-up-to-8."""
        if self.rate_per_s is None:
            return f"batch-{self.batch}"
        return f"{self.rate_per_s:g}-per-s" + (f"-up-to-{self.batch}" if self.batch > 1 else "")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of batches to warm up with."""
        return (self.batch,) if self.rate_per_s is None else tuple(sorted({1, self.batch}))

    @property
    def title(self) -> str:
        """For people."""
        if self.rate_per_s is None:
            return f"back to back x {self.batch}"
        return f"{self.rate_per_s:g}/s" + (f", up to {self.batch} together" if self.batch > 1 else "")


@dataclass(frozen=True, slots=True)
class Served:
    """Requests that were answered in one stretch. CPU-seconds are of the answering process, all threads."""

    requests: int  # answered
    batches: int
    latencies_s: tuple[float, ...]  # of each request; back to back: of each batch, for its requests wait together
    duration_s: float
    working_s: float  # making batches and answering them
    waiting_s: float  # for the next request
    working_cpu_s: float
    waiting_cpu_s: float
    schedule_s: float | None = None  # in which the requests came; None: back to back
    most_waiting: int = 0  # requests that waited at once, at most
    unanswered: int = 0  # of the schedule, when patience ended


def percentile(latencies_s: Sequence[float], percent: int) -> float | None:
    """The least latency within which so many percent were answered (nearest rank: one that occurred).

    None from fewer than 100 / (100 - percent) of them, where the slowest one of all would stand for it: p99 rests on
    100 or more, p95 on 20, p50 on 2.
    """
    count = len(latencies_s)
    if not 0 < percent < 100 or count * (100 - percent) < 100:
        return None
    return sorted(latencies_s)[-(-percent * count // 100) - 1]


def figures(served: Served) -> dict[str, float]:
    """The same as figures that a program reports. A percentile that nothing carries is left out."""
    found: dict[str, float] = {
        "requests": served.requests,
        "batches": served.batches,
        "latencies": len(served.latencies_s),
        "serving_s": served.duration_s,
        "working_s": served.working_s,
        "waiting_s": served.waiting_s,
        "working_cpu_s": served.working_cpu_s,
        "waiting_cpu_s": served.waiting_cpu_s,
    }
    if served.schedule_s is not None:
        found |= {
            "schedule_s": served.schedule_s,
            "most_waiting": served.most_waiting,
            "unanswered": served.unanswered,
        }
    if not served.unanswered:  # the latencies of those that nobody waited for are longer than any that is known
        for percent in PERCENTILES:
            value = percentile(served.latencies_s, percent)
            if value is not None:
                found[latency_figure(percent)] = value
    return found


def latency_figure(percent: int) -> str:
    """What a percentile is called among the figures: latency_p99_s."""
    return _FIGURE.format(percent)


def load(reported: Mapping[str, float]) -> float | None:
    """Time that the answering takes over the time in which the requests came; None where they came back to back.

    From 1 on the program is saturated: it needs longer to answer than the requests take to come, so they queue, and
    latencies grow as long as the load lasts.
    """
    schedule_s = reported.get("schedule_s")
    if not schedule_s:
        return None
    answered = reported["requests"]
    whole = 1 + reported.get("unanswered", 0) / answered if answered else float("inf")
    return reported["working_s"] * whole / schedule_s


def capacity_per_s(reported: Mapping[str, float]) -> float | None:
    """Requests a second while it works, in batches of the sizes that came about."""
    return reported["requests"] / reported["working_s"] if reported["working_s"] > 0 else None
