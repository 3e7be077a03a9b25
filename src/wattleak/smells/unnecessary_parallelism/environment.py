"""Thread numbers in scripts, images, containers and configuration, against the CPUs that the same file grants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Edit, Fix, Persona
from wattleak.smells.unnecessary_parallelism.sites import VARIABLES, cost_of

if TYPE_CHECKING:
    from wattleak.source.variables.assignment import Assignment
    from wattleak.source.variables.reading import VariableFile

_SURE = 2  # threads for each granted CPU


class Excess(NamedTuple):
    message: str
    confidence: Confidence
    persona: Persona


def variable_excess(made: Assignment, cpus: int) -> Excess | None:
    """Return what is too many about a variable; None: nothing, or nobody knows."""
    threads = _threads(made)
    if threads is None:
        return None
    where = f" for {made.scope}" if made.granted or made.is_elsewhere else ""
    if made.granted is not None:
        granted = made.granted.cpus
        if threads <= max(1, math.ceil(granted)):
            return None
        cpu = "1 CPU" if granted == 1 else f"{granted:g} CPUs"
        message = f"{made.name} asks for {threads} threads{where} where {made.granted.written} grants {cpu}"
        sure = Confidence.HIGH if threads >= _SURE * granted else Confidence.MEDIUM
        return Excess(f"{message}; {cost_of(made.name)}", sure, Persona.DEFAULT)
    if threads <= cpus:
        return None
    allowed = "1 CPU is" if cpus == 1 else f"{cpus} CPUs are"
    message = f"{made.name} asks for {threads} threads{where}"
    if made.is_elsewhere:
        unknown = f"the file grants no CPUs, and {allowed} allowed on this machine"
        return Excess(f"{message}; {unknown}", Confidence.LOW, Persona.AUDITOR)
    return Excess(f"{message} where {allowed} allowed; {cost_of(made.name)}", Confidence.MEDIUM, Persona.DEFAULT)


def variable_fix(file: VariableFile, made: Assignment) -> Fix | None:
    """Return the edit that asks for as many threads as there are CPUs; None: how many there are is not written."""
    if made.granted is None or made.written != made.value:
        return None
    written = file.text[file.offset(*made.span[:2]) : file.offset(*made.span[2:])]
    if made.value is None or made.value not in written:
        return None
    number = str(max(1, math.floor(made.granted.cpus)))
    return Fix(
        title=f"ask for the CPUs that {made.granted.written} grants",
        safe=False,
        edits=(Edit(*made.span, written.replace(made.value, number)),),
        why_unsafe="the number of threads decides in which order floating-point numbers are added",
    )


def _threads(made: Assignment) -> int | None:
    if made.name not in VARIABLES or made.is_conditional or made.value is None:
        return None
    first = made.value.strip().partition(",")[0]  # OMP_NUM_THREADS may list a number for each level of nesting
    return int(first) if first.isdecimal() and len(first) < 10 else None
