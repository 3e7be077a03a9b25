"""Gaps of a recording: stretches in which nothing, or not everything, was read. Found from the samples themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattleak.model import Gap
from wattleak.recorder.sampling import SAMPLES_OF_A_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wattleak.model import Channel, Sample, Trace

_FACTOR = 3.0  # a silence this many sampling intervals long is a gap
_SHORTEST_S = 3.0
_MODELS_EVERY = 5  # samples; a modelled channel is not read more often (recorder.sampling)
_SHORTEST_SLEEP_S = 0.5
ASLEEP = "the machine slept"
_UNWRITTEN = "the journal could not be written"


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long a silence must be to be a gap; the recorder reads less often as a run grows long (recorder.rate)."""

    interval_s: float
    slowest_s: float

    def at(self, elapsed_s: float, least_s: float = 0.0) -> float:
        usual_s = min(self.slowest_s, max(self.interval_s, elapsed_s / SAMPLES_OF_A_RUN))
        return max(_SHORTEST_S, _FACTOR * max(usual_s, least_s))


def find_gaps(
    channels: Sequence[Channel],
    samples: Sequence[Sample],
    settings: Mapping[str, Any],
    missed: Sequence[dict[str, Any]] = (),
) -> tuple[Gap, ...]:
    """All gaps in the order of their starts, in seconds since the first sample.

    A silence of the recorder is a gap of all channels. One of a single channel, while the recorder took samples, is
    its own. `missed` are the records in which the journal says itself that it could not be written.
    """
    if not samples:
        return ()
    limit = _Limit(float(settings["interval_s"]), float(settings.get("slowest_s", settings["interval_s"])))
    gaps = [*_silences(samples, limit, missed)]
    for channel in channels:
        rarely = str(channel.origin) in ("modelled", "constant")
        gaps += _drop_outs(channel, samples, limit, _MODELS_EVERY if rarely else 1)
    return tuple(sorted(gaps, key=lambda gap: (gap.start_s, gap.end_s)))


def _silences(samples: Sequence[Sample], limit: _Limit, missed: Sequence[dict[str, Any]]) -> Iterator[Gap]:
    first_s = samples[0].time_s
    before = samples[0]
    explained: list[dict[str, Any]] = []
    for sample in samples:
        slept_s = sample.asleep_s - before.asleep_s
        if slept_s >= _SHORTEST_SLEEP_S:
            why = f"{ASLEEP} for {slept_s:.0f} s, which are in no figure"
            yield Gap(before.time_s - first_s, sample.time_s - first_s, None, why)
        elif sample.time_s - before.time_s > limit.at(sample.time_s - first_s):
            found = [item for item in missed if item["from"] <= sample.time_s and item["to"] >= before.time_s]
            explained += found
            yield Gap(before.time_s - first_s, sample.time_s - first_s, None, _UNWRITTEN if found else "")
        before = sample
    for item in missed:
        if item not in explained and item["records"]:
            yield Gap(max(samples[0].time_s, item["from"]) - first_s, item["to"] - first_s, None, _UNWRITTEN)


def _drop_outs(channel: Channel, samples: Sequence[Sample], limit: _Limit, every: int) -> Iterator[Gap]:
    """Silences of one channel that hold at least one sample without it; one that never came back ends with the last."""

    def long(since_s: float, now_s: float) -> bool:
        return now_s - since_s > every * limit.at(now_s - first_s, channel.period_s)

    first_s = last_s = samples[0].time_s
    absent = 0
    for sample in samples:
        if channel.name not in sample.raw:
            absent += 1
            continue
        if absent and long(last_s, sample.time_s):
            yield Gap(last_s - first_s, sample.time_s - first_s, channel.name)
        last_s, absent = sample.time_s, 0
    if absent and long(last_s, samples[-1].time_s):
        yield Gap(last_s - first_s, samples[-1].time_s - first_s, channel.name)


def gap_notes(trace: Trace) -> list[str]:
    """Why there are gaps, where that is known, and what they mean for the energies."""
    notes = [f"a gap of {gap.end_s - gap.start_s:.1f} s: {gap.why}" for gap in trace.gaps if gap.why]
    touched = {gap.channel for gap in trace.gaps}
    concerned = [channel for channel in trace.channels if None in touched or channel.name in touched]
    counters = [channel.name for channel in concerned if str(channel.quantity) == "energy_j"]
    powers = [channel.name for channel in concerned if str(channel.quantity) == "power_w"]
    if counters:
        notes.append(f"{', '.join(counters)}: a counter goes on in a gap, so the total is right all the same")
    if powers:
        notes.append(f"{', '.join(powers)}: the power in a gap is not known, and the range says so")
    return notes
