"""Numbers: where each comes from and how sure it is."""

from __future__ import annotations

from enum import StrEnum

from wattleak.records import NamedTuple


class Origin(StrEnum):
    """How a number came to be. Printed beside every number, never dropped."""

    COUNTER = "counter"  # cumulative counter kept by the hardware or the kernel
    SAMPLED = "sampled"  # instantaneous readings, integrated or maximised by us
    MODELLED = "modelled"  # activity x a published model
    CONSTANT = "constant"  # a fixed figure that does not react to the work
    QUOTED = "quoted"  # somebody else's figure
    SIMULATED = "simulated"  # a scripted stand-in; never mixed with the others


class Interval(NamedTuple):
    """A range that holds the truth with probability `level`."""

    low: float
    high: float
    level: float = 0.95


class Estimate(NamedTuple):
    """A number with its 95 % range and its origin. The unit is in the name of whatever holds it."""

    value: float
    low: float
    high: float
    origin: Origin
