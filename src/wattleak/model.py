"""Domain model: what wattleak knows, in one file that imports nothing of ours.

SI units only (seconds, joules, watts, bytes; carbon in grams of CO2 equivalent), and the unit ends the name.
Everything is frozen: what was measured is never edited, only derived from. A reading that does not exist is absent
from its mapping; it is never zero and never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA_VERSION = 1
"""Version of every JSON document and of the store. Keys are added, never renamed, within one version."""


# ---------------------------------------------------------------------------------------------------------------
# Numbers
# ---------------------------------------------------------------------------------------------------------------


class Origin(StrEnum):
    """How a number came to be. Printed beside every number, never dropped."""

    COUNTER = "counter"  # cumulative counter kept by the hardware or the kernel
    SAMPLED = "sampled"  # instantaneous readings, integrated or maximised by us
    MODELLED = "modelled"  # activity x a published model
    CONSTANT = "constant"  # a fixed figure that does not react to the work
    QUOTED = "quoted"  # somebody else's figure
    SIMULATED = "simulated"  # a scripted stand-in; never mixed with the others


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the truth with probability `level`."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % range and its origin. The unit is in the name of whatever holds it."""

    value: float
    low: float
    high: float
    origin: Origin


# ---------------------------------------------------------------------------------------------------------------
# Meters
# ---------------------------------------------------------------------------------------------------------------


class Part(StrEnum):
    """Which part of the machine a channel sees."""

    CPU = "cpu"
    DRAM = "dram"
    GPU = "gpu"
    MACHINE = "machine"


class Quantity(StrEnum):
    """What the raw readings of a channel are."""

    ENERGY_J = "energy_j"  # cumulative joules since some start; differenced, with wrap
    POWER_W = "power_w"  # watts at the moment of reading; integrated by trapezoid


@dataclass(frozen=True, slots=True)
class Channel:
    """One thing that a meter reads: `cpu0`, `dram0`, `gpu0`, `machine`.

    `relative_low` and `relative_high` bound the truth as multiples of the reading (95 %): 0.5 and 2.0 say that the
    true energy lies between half and twice what the channel shows. They cover the accuracy of the source; the error
    from reading a counter that moves only every `period_s` is added by whoever takes a difference.
    """

    name: str
    meter: str
    part: Part
    origin: Origin
    quantity: Quantity
    period_s: float  # how often the source itself moves
    relative_low: float
    relative_high: float
    wrap_j: float | None = None  # the counter restarts from zero after this many joules
    contains: frozenset[str] = frozenset()  # names of channels that are already inside this one
    idle_w: Estimate | None = None  # power of this channel when the machine does nothing
    device: str | None = None  # what the user calls it: "NVIDIA A10G", "Intel Xeon (Ice Lake)"
    source: str = ""  # where the number comes from, with year
    watts_per_busy_cpu: Estimate | None = None  # modelled CPUs: watts above idle for each CPU-second of work


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a meter cannot be used here, what that loses, and what would make it usable."""

    meter: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a wall meter taught about this machine: `P_wall = slope x P + offset_w`, P being the sum of `channels`.

    Made by `wattleak doctor --calibrate`; valid for the machine and the channels that it was made with, no others.
    """

    machine: str  # fingerprint of the hardware it was made on
    channels: tuple[str, ...]
    slope: Estimate
    offset_w: Estimate
    residual_w: float | None  # root mean square of what the line leaves over; None: two readings leave nothing
    readings: tuple[tuple[float, float], ...]  # (P, P_wall) in watts
    made_at: str  # ISO 8601, UTC


class Meter(Protocol):
    """A source of energy or power. One file per meter; `meters.replay` is the fake that is shipped.

    A meter lives twice. In the process of the user's command line it is asked `probe()`; in the recorder, a separate
    process that must start in milliseconds, it is re-created without arguments, given the `spec()` of its twin
    through `open()`, and read. So a meter's module may import nothing at its top but light standard-library modules
    (not this one, not json, not dataclasses, not enum): what probing needs is imported inside `probe`.
    """

    @property
    def name(self) -> str: ...

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Say which channels can be read here, or why none can. Called once."""
        ...

    def spec(self) -> dict[str, object]:
        """After a successful probe: plain data (str, int, float, bool, None, list, dict) that `open` needs."""
        ...

    def open(self, spec: dict[str, object]) -> None:
        """Make `read` work without probing again."""
        ...

    def read(self) -> dict[str, float]:
        """Raw reading by channel name: joules since some start, or watts. A channel that fails now is left out."""
        ...

    def holders(self) -> dict[str, frozenset[int]]:
        """Process ids that hold each device channel now. Channels that everybody shares (a CPU) are left out."""
        ...

    def close(self) -> None: ...

    # More members are optional, asked for with getattr so that outsiders need not have them:
    #   absent: bool    after a probe that gave Unavailable: this machine has no such part, so no figure lacks anything
    #   common: bool    what one process reads, another would read too: recorders of one node may share the readings
    #   losses: tuple[Unavailable, ...]    after a probe: parts that a usable meter cannot read here
    #   use() -> dict[str, tuple[float | None, dict[int, float] | None]]
    #       by device channel: the fraction of the last stretch in which the device worked for anybody, and the
    #       fraction in which it worked for each process id; None where the device does not say


class Clock(Protocol):
    """Time. The real one is `CLOCK_MONOTONIC`; tests and simulations script theirs."""

    def now_s(self) -> float: ...

    def sleep(self, duration_s: float) -> None: ...


# ---------------------------------------------------------------------------------------------------------------
# What was recorded
# ---------------------------------------------------------------------------------------------------------------


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
    year: int
    region: str  # "DE", "US-CA", "world"
    pue: float
    origin: Origin  # of the energy it was computed from
    note: str = ""


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


# ---------------------------------------------------------------------------------------------------------------
# Experiments
# ---------------------------------------------------------------------------------------------------------------


class Direction(StrEnum):
    MAX = "max"  # more is better: accuracy
    MIN = "min"  # less is better: loss


@dataclass(frozen=True, slots=True)
class QualityTarget:
    """Which figure says that the result is as good, which way is better, and how much worse is tolerable."""

    metric: str
    direction: Direction
    margin: float  # in the unit of the metric


@dataclass(frozen=True, slots=True)
class Variant:
    """One treatment: a command with its own environment. `env` holds only what differs from ours."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)  # factor -> level; empty: no run table
    commit: str | None = None  # run in a worktree of this git commit; None: where wattleak runs
    linked: tuple[str, ...] = ()  # paths of the working tree that the worktree gets links to


@dataclass(frozen=True, slots=True)
class Factor:
    """One column of a run table: a name that stands in braces in the command, and the values it takes."""

    name: str
    levels: tuple[str, ...]


class Order(StrEnum):
    """In which order the runs of an experiment are made."""

    RANDOM = "random"  # randomised complete blocks
    SEQUENTIAL = "sequential"  # all runs of the first variant, then all of the next: as published work does it


class StoppingRule(StrEnum):
    """How the error is shared between looks (analysis.sequential)."""

    POCOCK = "pocock"
    OBRIEN_FLEMING = "obrien-fleming"


@dataclass(frozen=True, slots=True)
class Stopping:
    """When an experiment may end early: the rule, and after how many complete blocks it looks. The last look is all."""

    rule: StoppingRule
    looks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ShortPlan:
    """Each run is ended early, after so many steps of one thread or after so many seconds; costs are per step."""

    steps: int | None = None
    duration_s: float | None = None  # from the start of the command
    metric_by_rule: bool = True  # where the variants do different work per step, the primary metric is per sample


@dataclass(frozen=True, slots=True)
class Design:
    """What is asked, fixed before the first run. The first variant is the reference."""

    variants: tuple[Variant, ...]
    blocks: int
    seed: int
    metric: str  # the primary metric
    smallest_effect: float = 0.02  # relative; a smaller change is called equal
    smallest_effect_reason: str = ""  # "stated", "default", "noise floor of A/A experiment 1f2e3d4c"
    level: float = 0.95
    warmups: int = 1  # blocks that are run and thrown away
    cooldown_s: float = 0.0
    quality: QualityTarget | None = None
    quality_regex: str | None = None
    timeout_s: float | None = None
    title: str = ""
    factors: tuple[Factor, ...] = ()
    template: Variant | None = None  # the one command of a run table, its factors in braces
    order: Order = Order.RANDOM
    sessions: int = 1  # planned; `blocks` blocks in each
    stopping: Stopping | None = None
    eliminate: bool = False  # with `stopping`: a variant that a look shows to cost more is not run any further
    pad_environment: bool = False  # a random number of bytes in the environment of each run (Mytkowicz et al. 2009)
    against: str = ""  # stored runs that the one variant is held against: "1f2e3d4c:good", "name:nightly"
    declared: tuple[str, ...] = ()  # what may differ besides the commands (experiment.differences)
    short: ShortPlan | None = None
    control_every: int = 0  # blocks between two runs of the reference program of ours; 0: it is not run
    gated: bool = False  # before each run, wait until the machine is as cool and as idle as at the start
    shared: tuple[str, ...] = ()  # patterns of files that runs may leave for later runs: caches


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One cell of the run table. Warm-up blocks have negative numbers: -1 is the last of them."""

    block: int
    position: int  # place inside the block
    variant: str
    seed: int  # training seed, shared by all runs of the block
    session: int = 0  # which of the planned sessions, from 0
    padding_b: int = 0  # bytes that are added to the environment


@dataclass(frozen=True, slots=True)
class Plan:
    """The run table in its randomised order, written to plan.json before the first run."""

    experiment: str
    design: Design
    runs: tuple[PlannedRun, ...]
    created_at: str
    digest: str  # SHA-256 of the design and the order


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What an experiment of a program against itself showed: a change up to `floor` happens by chance here."""

    machine: str  # digest of the fingerprint of the machine
    metric: str
    floor: float  # a fraction: the end of the interval that is farther from zero
    blocks: int
    experiment: str
    made_at: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of runs on one boot of one node without a long break."""

    id: str
    node: str
    boot: str
    started_at: str


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one variant in one block."""

    experiment: str
    variant: str
    block: int
    position: int
    attempt: int  # a block that broke is run again whole, as attempt 2
    seed: int
    session: str
    measurement: Measurement
    failure: str | None = None  # why this run cannot count; None: it counts
    dropped: tuple[str, ...] = ()  # variants that an earlier look had shown to cost more: not run in this block
    rest_s: float | None = None  # how long the gate held it back; None: there was no gate
    hot: str | None = None  # what was still too warm or too busy when the gate gave up waiting

    @property
    def id(self) -> str:
        return self.measurement.id


CONTROL = "(control)"
"""The variant of runs of the reference program, which stand outside the blocks. No user's variant can be called so."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What was made different between the reference and a candidate, recorded before the first run."""

    candidate: str
    summary: tuple[str, ...]  # "command: --workers 0 → --workers 4"; empty: nothing differs
    diff: str  # unified, secrets hidden


@dataclass(frozen=True, slots=True)
class Experiment:
    """A plan and all that came of it, superseded and failed attempts included."""

    plan: Plan
    runs: tuple[Run, ...]
    complete: bool
    environment: Mapping[str, str] = field(default_factory=dict)  # fingerprint of the machine
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()  # one for each candidate; empty: none were recorded
    exploratory: tuple[str, ...] = ()  # in what the runs are not what plan.json fixed; empty: they are


class RunSink(Protocol):
    """Where the runner saves. Every call is durable when it returns."""

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None: ...

    def save_run(self, run: Run) -> None: ...

    def finish(self, experiment: str, complete: bool) -> None: ...


class Executor(Protocol):
    """Runs one variant once, in a fresh process, through the recorder. `executors.scripted` is the shipped fake."""

    @property
    def clock(self) -> Clock: ...

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Return what it cost and, if the run cannot count, why."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """What one run needs to know besides its variant."""

    experiment: str
    run_id: str
    quality_regex: str | None
    timeout_s: float | None
    short: ShortPlan | None = None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of `wattleak list`."""

    id: str
    experiment: str | None
    started_at: str
    complete: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """A row of `wattleak list`."""

    id: str
    title: str
    created_at: str
    complete: bool
    verdict: str | None
    runs: int


# ---------------------------------------------------------------------------------------------------------------
# Comparisons
# ---------------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """Seen from the candidate; the reference is the first variant."""

    SAVING = "saving"
    COSTS_MORE = "costs_more"
    EQUAL = "equal"  # the whole interval is inside +/- smallest effect
    NOT_ENOUGH_RUNS = "not_enough_runs"
    TRADE_OFF = "trade_off"  # it saves, and the result is worse


class Grade(StrEnum):
    """How far a verdict may be generalised: over runs of one session, or over sessions."""

    OBSERVED = "observed"
    CONFIRMED = "confirmed"
    PROVED = "proved"


class QualityState(StrEnum):
    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """Unitless sizes of an effect, to stand beside the change. None: not defined for this kind of data."""

    rank_biserial: float | None = None  # paired: -1 the candidate is lower in every block, +1 higher
    superiority: float | None = None  # share of pairs in which the candidate is higher, ties counting half
    wilcoxon_p: float | None = None  # paired: two-sided signed-rank test
    a12: float | None = None  # unpaired: probability that a candidate is higher than a reference
    a12_low: float | None = None
    a12_high: float | None = None
    cliffs_delta: float | None = None  # unpaired: 2 a12 - 1


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of reference and candidate. `change` is a fraction: candidate over reference, minus one."""

    name: str
    reference: float  # median over the runs that count
    candidate: float
    change: float | None  # Hodges-Lehmann estimate; None: no complete block, or a zero in the data
    low: float | None  # None: too few blocks for an interval at the level
    high: float | None
    p_value: float | None  # exact sign-flip randomisation test, two-sided
    blocks: int  # complete pairs
    origin: Origin
    derived_from: str | None = None  # this metric is a function of that one and adds no evidence
    sizes: EffectSizes | None = None


@dataclass(frozen=True, slots=True)
class QualityComparison:
    """Did the result stay as good? `difference` is candidate minus reference in the unit of the metric."""

    state: QualityState
    metric: str | None = None
    direction: Direction | None = None
    margin: float | None = None
    reference: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    blocks: int = 0
    outputs: tuple[str, ...] = ()  # hashes of results that every run of both reported
    outputs_differ: int = 0  # blocks in which one of them differs


@dataclass(frozen=True, slots=True)
class PairComparison:
    """One candidate against the reference."""

    reference: str
    candidate: str
    verdict: Verdict
    grade: Grade
    primary_metric: str
    metrics: Mapping[str, MetricComparison]
    quality: QualityComparison
    level: float  # of the intervals, adjusted for the number of candidates
    smallest_effect: float
    further_blocks: int | None  # how many more blocks would decide; None: decided, or not to be told
    doubts: tuple[str, ...] = ()
    minimal_detectable: float | None = None  # smallest increase that so many blocks show with 80 % power, a fraction


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """What the runs of the reference program say about the machine. Fractions are of their median."""

    metric: str
    runs: int
    median: float
    spread: float  # 1.4826 x median absolute deviation: one standard deviation, were they normal
    largest: float  # deviation of the run that is farthest from the median
    tolerated: float  # a larger deviation is doubted
    tau: float | None  # Kendall's, against time; None: too few runs, or all alike
    p_value: float | None
    drift: float | None  # change from the first run to the last along Theil and Sen's line
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer of `wattleak compare`: one PairComparison for each candidate."""

    experiment: str
    pairs: tuple[PairComparison, ...]
    doubts: tuple[str, ...] = ()
    omnibus_p: float | None = None  # Friedman test: do any of three or more variants differ in the primary metric?
    control: ControlCheck | None = None  # None: the reference program was not run


# ---------------------------------------------------------------------------------------------------------------
# Smells
# ---------------------------------------------------------------------------------------------------------------


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Persona(StrEnum):
    """Who should see a finding."""

    DEFAULT = "default"
    AUDITOR = "auditor"  # who wants hypotheses and weak suspicions too


@dataclass(frozen=True, slots=True)
class Smell:
    """A way in which code wastes energy. `page` is the docstring of its smell.py."""

    code: str  # "PAR001", never reused
    name: str  # "unnecessary-parallelism": "allow <name>" reads well
    summary: str
    page: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text between two positions (lines from 1, columns from 0, UTF-8 characters) by `text`.

    A rule gives the lines of its module; what a scan returns for a notebook are lines of the `cell`.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    cell: int | None = None  # of a notebook, from 1


@dataclass(frozen=True, slots=True)
class Fix:
    title: str
    safe: bool
    edits: tuple[Edit, ...]
    why_unsafe: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a smell is suspected. Lines and columns from 1, as editors show them."""

    code: str
    name: str
    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    severity: Severity
    confidence: Confidence
    fix: Fix | None = None
    cell: int | None = None  # of a notebook, from 1: then the lines are those of the cell
    persona: Persona = Persona.DEFAULT
