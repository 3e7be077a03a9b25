"""What was seen inside a program while it ran: evidence of smells, and where its time and joules went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model.numbers import Estimate
    from wattleak.model.smells import Evidence, EvidenceLevel


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a training, summed over its moments: start-up, data wait, evaluation..."""

    name: str
    duration_s: float
    share: float  # of the run's wall time
    energy_j: Estimate | None  # attributed to the process tree; None: nothing to attribute
    by_interval: bool  # False: the moments are too short or too many to read one by one; energy is split by time
    inside: str | None = None  # another phase that contains this one, which a sum must not count again


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
class Observations:
    """Everything that was seen in one run."""

    processes: int  # that had an agent inside
    places: tuple[Place, ...] = ()
    phases: tuple[Phase, ...] = ()
    notes: tuple[str, ...] = ()  # hooks that were turned off, probes that failed
    ranks: tuple[int, ...] = ()  # of a distributed training, those with an agent inside; (): it is none
    world: int | None = None  # ranks that the launcher spoke of
    prove: str | None = None  # what to type to have the smells of the script measured
