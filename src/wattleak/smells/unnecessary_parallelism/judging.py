"""How many threads are too many, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Confidence
from wattleak.smells.unnecessary_parallelism import guards
from wattleak.smells.unnecessary_parallelism.worth import worth
from wattleak.source import flow
from wattleak.source.calls import Located
from wattleak.source.learning import FileRole, file_role
from wattleak.source.values import CpuMultiple, Number, Text

if TYPE_CHECKING:
    from wattleak.smells.unnecessary_parallelism.sites import Site
    from wattleak.source.module import Module

_ALWAYS_TOO_MANY = 2  # threads for each CPU: too many on every machine
_RARELY_RIGHT = 32  # threads: more than most machines give to one training process
_FAR_TOO_MANY = 8  # for each CPU: from here on what only waits is worth a word; the code may be meant for more CPUs


def judge(module: Module, site: Site, cpus: int) -> tuple[str, Confidence] | None:
    """Return what is asked for and how sure it is that this is too many; None: it is not, or nobody knows."""
    asked = worth(*(site.number or Located(module, site.node)))
    match asked.value if asked is not None else None:
        case CpuMultiple(factor=factor, is_text=site.is_text) if factor >= _ALWAYS_TOO_MANY:
            sure = Confidence.HIGH if site.noun == "threads" else Confidence.MEDIUM
            return f"{factor:g} {site.noun} for each CPU, too many on any machine", sure
        case Number(value=int(number)) if not site.is_text:
            pass
        case Text(value=text) if site.is_text and text.strip().isdecimal():
            number = int(text)
        case _:
            return None
    if asked is not None and asked.is_given and all(_is_test(place.module) for place in asked.written):
        return None  # what a test gives to the program says nothing about its real use
    if asked is None or number <= cpus or _is_for_another_machine(Located(module, site.node), *asked.written):
        return None
    allowed = "1 CPU is" if cpus == 1 else f"{cpus} CPUs are"
    return f"{number} {site.noun} where {allowed} allowed", _confidence(number, cpus, spins=site.spins)


def _confidence(number: int, cpus: int, *, spins: bool) -> Confidence:
    if spins:
        return Confidence.HIGH if number > _RARELY_RIGHT else Confidence.MEDIUM
    return Confidence.MEDIUM if number > _RARELY_RIGHT or number >= _FAR_TOO_MANY * cpus else Confidence.LOW


def _is_for_another_machine(*places: Located) -> bool:
    """Tell whether a condition about the machine decides over one of the places."""
    return any(
        guards.depends_on_machine(place.module, test)
        for place in places
        for test in flow.conditions(place.module, place.node)
    )


def _is_test(module: Module) -> bool:
    return file_role(module) is FileRole.TEST
