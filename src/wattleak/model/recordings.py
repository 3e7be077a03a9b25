"""What was recorded: samples, spans, steps, and the measurement that they add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.model.footprints import Term
    from wattleak.model.meters import Channel, Unavailable
    from wattleak.model.numbers import Estimate, Origin
    from wattleak.model.observations import Observations


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of meters and process tree at one moment of the monotonic clock."""

    time_s: float
    raw: Mapping[str, float]  # channel -> raw reading (joules or watts, see Channel.quantity)
    cpu_s: float  # CPU-seconds of the tree so far, the dead included
    machine_busy_s: float | None  # CPU-seconds of the whole machine so far, idle and I/O wait excluded
    memory_b: int  # resident bytes of the living tree
    read_b: int | None  # bytes that the tree has had fetched from storage; None: the platform does not say
    written_b: int | None  # bytes that the tree has had sent to storage
    processes: int  # living processes
    unseen_s: float = 0.0  # CPU-seconds that may be missing from `cpu_s`, at most (portable recorder)
    read_s: Mapping[str, float] = field(default_factory=dict)  # channel -> moment of its reading, if not `time_s`
    asleep_s: float = 0.0  # how long the machine has slept since the first sample; our clock stood still


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of a recording. Spans nest and overlap freely."""

    id: int
    name: str
    start_s: float
    end_s: float | None  # None: still open when the recording stopped
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which a channel (or, with channel None, the recorder itself) was not read.

    A counter that goes on by itself is right in total over a gap; a power source says nothing about it.
    """

    start_s: float  # since the first sample
    end_s: float
    channel: str | None = None
    why: str = ""  # empty: nobody knows


@dataclass(frozen=True, slots=True)
class Holders:
    """Who was seen to hold a device channel (a GPU) during the recording."""

    ours: int  # the most processes of the recorded tree at once
    others: int  # the most processes of anybody else at once


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """How busy a device channel was in the stretch that ended at a moment. None: the device does not say."""

    time_s: float
    busy: float | None  # fraction of the stretch in which it worked, for anybody
    ours: float | None  # the same for processes of the recorded tree, summed
    others: float | None  # the same for everybody else's


@dataclass(frozen=True, slots=True)
class Counting:
    """From a moment on, which recording of the node counts a channel's energy for the machine."""

    time_s: float
    run: str | None  # None: this one


@dataclass(frozen=True, slots=True)
class StepRun:
    """Steps of one name that followed each other in one thread (`wattleak.step()` marks the end of each).

    The first mark of a thread only says where its second step began, so `timed` may be one less than `count`.
    """

    name: str
    writer: str  # process id / number of the thread in it
    start_s: float  # the mark before the first step, or the first mark itself when there was none before
    end_s: float  # the last mark
    inside_s: float  # sum of the durations; less than from start to end where names alternate quickly
    count: int  # marks
    timed: int  # steps whose duration is known
    samples: int  # items worked through, as the marks say; 0: they do not say
    durations_s: tuple[float, ...]  # rising: of every timed step, or 64 that stand for even ranks


@dataclass(frozen=True, slots=True)
class Trace:
    """A recording as read back from its journal. Never edited, only derived from."""

    channels: tuple[Channel, ...]
    samples: tuple[Sample, ...]
    spans: tuple[Span, ...] = ()
    gaps: tuple[Gap, ...] = ()
    holders: Mapping[str, Holders] = field(default_factory=dict)  # absent: nobody was seen, or nobody can be seen
    cpus: int = 1  # CPUs of the machine
    use: Mapping[str, tuple[DeviceUse, ...]] = field(default_factory=dict)  # device channel -> readings in time order
    counting: Mapping[str, tuple[Counting, ...]] = field(
        default_factory=dict
    )  # channel -> who counts it, in time order
    steps: tuple[StepRun, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelEnergy:
    """Energy of one channel over a window, of the whole machine or of a process tree.

    `active_j` and `waiting_j` split what a tree is billed for a device that it holds: the device worked, or was held
    and waited. None: not a device, or it does not say how busy it is.

    `counted_j` is set on energy of the machine when other recordings of the same node ran at the same time: the part
    that this one counts. Over all of them it sums to what the machine used, once. None: this recording counts it all.
    """

    channel: Channel
    energy_j: Estimate
    resolution_j: float | None = None  # half-width of the part of the range that reading the source explains
    active_j: Estimate | None = None
    waiting_j: Estimate | None = None
    counted_j: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Carbon:
    """Emissions of an energy: `value_g` = energy x PUE x intensity, with everything needed to check it."""

    value_g: float
    low_g: float
    high_g: float
    intensity_g_per_kwh: float
    intensity_low: float
    intensity_high: float
    source: str
    year: int | None  # None: whoever stated the intensity did not say
    region: str  # "DE", "US-CA", "world"
    pue: float
    origin: Origin  # of the energy it was computed from
    note: str = ""
    table: str = ""  # version of the table of intensities; empty: it came from none


@dataclass(frozen=True, slots=True)
class SpanCost:
    """What one span cost. Energies are of the machine, `attributed_energy_j` of the process tree."""

    name: str
    start_s: float  # since the start of the recording
    duration_s: float
    cpu_s: float
    energy: tuple[ChannelEnergy, ...]
    attributed_energy_j: Estimate | None
    depth: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class StepCost:
    """What steps of one name cost, over all threads and processes that marked them.

    Energy and CPU-seconds are of the process tree while such steps ran (their union: steps of four ranks that run at
    once share it), divided by the steps. None: nothing to divide, or nothing to attribute.
    """

    name: str
    count: int  # marks
    writers: int  # threads that marked
    duration_s: float  # while steps of this name ran
    steps_per_s: float | None
    median_s: float | None
    p95_s: float | None
    samples: int | None  # items worked through; None: the marks do not say
    energy_per_step_j: Estimate | None
    cpu_per_step_s: Estimate | None
    energy_per_sample_j: Estimate | None = None


@dataclass(frozen=True, slots=True)
class StepWindow:
    """The stretch from the first mark of the steps to their last one: what it cost, and what came before it.

    Steps and samples are those that ended inside it. The steps are those of the name that was marked most often.
    """

    name: str
    writers: int  # threads that marked
    steps: int
    samples: float | None  # items worked through; None: the marks do not say
    duration_s: float
    cpu_s: Estimate  # of the process tree; its range is what lies between two samples at the edges
    energy: tuple[ChannelEnergy, ...]  # of the machine
    attributed: tuple[ChannelEnergy, ...]  # of the process tree, by channel
    attributed_energy_j: Estimate | None
    start_up_s: float  # from the start of the command to the first mark
    start_up_cpu_s: float
    start_up_energy_j: Estimate | None  # attributed


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one recorded stretch of work cost: the answer of `wattleak measure`."""

    id: str
    command: tuple[str, ...]  # redacted
    started_at: str  # ISO 8601, UTC
    complete: bool  # the work ended by itself and wattleak was there to the end
    incomplete_reason: str | None
    exit_code: int | None  # None: unknown (still running, or nobody was left to see it)
    signal: int | None  # the signal that ended it
    duration_s: float
    cpu_s: float
    user_s: float | None
    system_s: float | None
    peak_memory_b: int
    read_b: int | None  # None: the platform does not say
    written_b: int | None
    processes: int  # the most that were seen alive at once
    energy: tuple[ChannelEnergy, ...]  # of the machine
    attributed: tuple[ChannelEnergy, ...]  # of the process tree, by channel
    attributed_energy_j: Estimate | None  # their sum over channels of one kind of origin; None: nothing to attribute
    idle_energy_j: Estimate | None  # of the machine at rest over the same time
    carbon_g: Carbon | None  # of the attributed energy
    unavailable: tuple[Unavailable, ...] = ()
    spans: tuple[SpanCost, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    quality: Mapping[str, float] = field(default_factory=dict)
    journal: Path | None = None
    name: str | None = None
    steps: tuple[StepCost, ...] = ()
    machine_counted_by: tuple[str, ...] = ()  # other runs of this node that count (a part of) the machine's energy
    outputs: Mapping[str, str] = field(default_factory=dict)  # name -> hash of a result, as the program reports it
    window: StepWindow | None = None  # None: fewer than two steps were marked
    planned_end: str | None = None  # a short plan ended it, and when: "after 200 steps"; None: it ended otherwise
    observed: Observations | None = None  # what the run-time probes saw; None: they were off
    footprint: tuple[Term, ...] = ()  # money, water, embodied emissions, score, equivalents: what the user asked for
