"""Two versions of CUDA in one place: which disagreements matter, and why."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Severity
from wattleak.smells.library_path_mismatch.claims import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.smells.library_path_mismatch.claims import Claim


class Conflict(NamedTuple):
    """Two claims that cannot both be meant; `at` is the one to mark."""

    at: Claim
    other: Claim
    message: str
    severity: Severity
    confidence: Confidence


_ORDER = (Role.LIBRARIES, Role.TOOLKIT, Role.PROGRAMS, Role.PIN, Role.IMAGE)
"""Of two claims the one that is named first is marked: what is easiest to take away."""

_OWN = "its wheel brings the libraries that it was built for"
_REASONS = {
    frozenset({Role.LIBRARIES, Role.PIN}): f"the loader finds those of the path first, and {_OWN}",
    frozenset({Role.LIBRARIES, Role.TOOLKIT}): "what is compiled against one is run with the other",
    frozenset({Role.LIBRARIES, Role.PROGRAMS}): "what nvcc compiles for one is run with the other",
    frozenset({Role.LIBRARIES, Role.IMAGE}): "the image holds another toolkit",
    frozenset({Role.TOOLKIT, Role.PROGRAMS}): "two toolkits take part in one build",
    frozenset({Role.TOOLKIT, Role.PIN}): f"extensions are compiled for another CUDA than the package, and {_OWN}",
    frozenset({Role.TOOLKIT, Role.IMAGE}): "the image holds another toolkit",
    frozenset({Role.PROGRAMS, Role.PIN}): f"its nvcc compiles for another CUDA than the package, and {_OWN}",
    frozenset({Role.PROGRAMS, Role.IMAGE}): "the image holds another toolkit",
    frozenset({Role.PIN}): "two builds for different CUDA versions do not work together",
    frozenset({Role.PIN, Role.IMAGE}): f"{_OWN}, and the toolkit of the image is another",
    frozenset({Role.LIBRARIES}): "which library is loaded depends on the order alone",
    frozenset({Role.TOOLKIT}): "two toolkits take part in one build",
}


def conflicts(claims: Iterable[Claim]) -> Iterator[Conflict]:
    """Yield the disagreements among claims that hold at the same time, one for each place.

    What is set twice to different versions is switched on purpose, or depends on a condition: it is left out.
    """
    everything = list(claims)
    switched = {
        one.of
        for one, other in itertools.combinations(everything, 2)
        if one.of == other.of and one.span[:2] != other.span[:2] and one.version.differs(other.version)
    }
    steady = [claim for claim in everything if claim.of not in switched]
    told: set[tuple[int, int]] = set()
    ordered = sorted(steady, key=lambda claim: (_ORDER.index(claim.role), claim.span))
    for one, other in itertools.combinations(ordered, 2):
        if not one.version.differs(other.version) or one.span[:2] in told:
            continue
        found = _judged(one, other)
        if found is not None:
            told.add(one.span[:2])
            yield found


def _judged(one: Claim, other: Claim) -> Conflict | None:
    roles = frozenset({one.role, other.role})
    reason = _REASONS.get(roles)
    if reason is None:
        return None
    major = one.version.major != other.version.major
    severity, confidence = Severity.WARNING, Confidence.HIGH if major else Confidence.MEDIUM
    if roles == {Role.PIN, Role.IMAGE}:
        # A wheel runs on its own libraries: what is lost is a second toolkit in the image, and what it is used for.
        severity, confidence = Severity.WARNING if major else Severity.INFO, Confidence.MEDIUM
    elif not major and Role.LIBRARIES not in roles and roles != {Role.TOOLKIT}:
        severity = Severity.INFO  # the minor versions of one major version are compatible with each other
    if one.of == other.of:
        message = f"{one.of} leads to CUDA {one.version} and to CUDA {other.version}: {reason}"
    else:
        message = f"{one.of} leads to CUDA {one.version} while {_said(other)}: {reason}"
    return Conflict(one, other, message, severity, confidence)


def _said(claim: Claim) -> str:
    where = f" (line {claim.span.line})"
    if claim.role is Role.IMAGE:
        return f"the image is that of CUDA {claim.version}{where}"
    if claim.role is Role.PIN:
        plural = "are" if claim.of.startswith("the ") else "is"
        return f"{claim.of} {plural} built for CUDA {claim.version}{where}"
    return f"{claim.of} leads to CUDA {claim.version}{where}"
