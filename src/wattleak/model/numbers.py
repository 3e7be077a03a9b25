"""Numbers: where each comes from and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
