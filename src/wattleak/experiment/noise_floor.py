"""What identical programs differ by on this machine, and the smallest effect that follows from it.

`wattleak compare --aa COMMAND` runs a program against itself. Its interval says by how much chance alone moves the
result here; a change that is not larger than that is not worth a verdict, so the end of the interval farther from zero
becomes the smallest effect of later experiments on this machine, when nobody states one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wattleak.model import NoiseFloor

if TYPE_CHECKING:
    from wattleak.model import PairComparison

USUAL_EFFECT = 0.02
_LONGEST = timedelta(days=30)  # a machine of last year is another machine


def floor_of(pair: PairComparison, machine: str, experiment: str) -> NoiseFloor | None:
    """The noise floor that an A/A experiment showed; None when its blocks were too few for an interval."""
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.low is None or primary.high is None:
        return None
    return NoiseFloor(
        machine=machine,
        metric=pair.primary_metric,
        floor=max(abs(primary.low), abs(primary.high)),
        blocks=primary.blocks,
        experiment=experiment,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def smallest_effect(stated: float | None, floor: NoiseFloor | None) -> tuple[float, str]:
    """The smallest effect of an experiment, and why it is that."""
    if stated is not None:
        return stated, "stated"
    if floor is None or datetime.now(UTC) - datetime.fromisoformat(floor.made_at) > _LONGEST:
        return USUAL_EFFECT, "default"
    if floor.floor <= USUAL_EFFECT:
        return USUAL_EFFECT, f"default; A/A experiment {floor.experiment} showed less noise"
    return floor.floor, f"noise floor of A/A experiment {floor.experiment}"
