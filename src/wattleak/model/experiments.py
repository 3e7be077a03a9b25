"""Experiments: variants, designs, plans, runs, and who carries them out and keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model.meters import Clock
    from wattleak.model.recordings import Measurement


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
    folder: str | None = None  # a copy of the project that it runs in (experiment.copies); None: where wattleak runs


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
class Search:
    """The settings of a run table race (`wattleak tune`), with the looks of `Design.stopping`.

    Blocks up to the last look are the race: a setting that a look shows to be dearer than another leaves it. The blocks
    after it are fresh ones of the chosen setting and the reference alone, and only they say what is saved.
    """

    confirmations: int  # fresh blocks, the last ones of `Design.blocks`; 0: nothing is said about a saving
    metric_by_rule: bool = True  # whole runs of different amounts of work are compared per sample


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
    search: Search | None = None  # the settings race; None: every variant is run in every block


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
