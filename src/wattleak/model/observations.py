"""What was seen inside a program while it ran: evidence of smells, and where its time and joules went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model.numbers import Estimate
    from wattleak.model.smells import Evidence, EvidenceLevel, Severity


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a training, summed over its moments: start-up, data wait, evaluation..."""

    name: str
    duration_s: float
    share: float  # of the run's wall time
    energy_j: Estimate | None  # attributed to the process tree; None: nothing to attribute
    by_interval: bool  # False: the moments are too short or too many to read one by one; energy is split by time
    inside: str | None = None  # another phase that contains this one, which a sum must not count again
    duration_range_s: tuple[float, float] | None = None  # 95 %, where only a sample of the steps was looked at


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the program with a smell: what was read there, what was seen there, what was proved of it."""

    code: str
    name: str  # "improper-model-reuse"
    level: EvidenceLevel
    path: str | None  # None: the smell has no place in the code
    line: int | None
    suspicion: str | None  # message of the static finding
    evidence: tuple[Evidence, ...] = ()
    proof: str | None = None  # id of the experiment that measured it
    measured: str | None = None  # what that experiment says, in one sentence


@dataclass(frozen=True, slots=True)
class AlsoSeen:
    """What a criterion saw that has no smell's room: a counter, but no page, no fix and no experiment of its own."""

    name: str  # "loader-workers-started-again"; also the code of its evidence
    severity: Severity
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class PerSample:
    """What a sample of the training took, everything between the first step and the last counted in."""

    samples: int
    steps: int
    energy_j: Estimate  # of one sample
    duration_s: float  # of one sample
    pid: int | None = None  # of the process that trained


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was seen in one run."""

    processes: int  # that had an agent inside
    places: tuple[Place, ...] = ()
    phases: tuple[Phase, ...] = ()
    notes: tuple[str, ...] = ()  # hooks that were turned off, probes that failed
    prove: str | None = None  # what to type to have the smells of the script measured
    ranks: tuple[int, ...] = ()  # of a distributed training, those with an agent inside; (): it is none
    world: int | None = None  # ranks that the launcher spoke of
    also: tuple[AlsoSeen, ...] = ()
    per_sample: PerSample | None = None
