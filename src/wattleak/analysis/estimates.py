"""Arithmetic of estimates: ranges that stay around their value, origins no better than their weakest part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FIRM_TO_WEAK = tuple(Origin)


def weakest(origins: Iterable[Origin]) -> Origin:
    """The origin of what is made of several: a counter that is shared out by samples is sampled."""
    return max(origins, key=_FIRM_TO_WEAK.index)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor, estimate.origin)


def around(value: float, low: float, high: float, origin: Origin) -> Estimate:
    """An estimate of something that is never negative, its range widened where rounding left the value outside."""
    value = max(0.0, value)
    return Estimate(value, min(max(0.0, low), value), max(high, value), origin)


def summed(estimates: Iterable[Estimate]) -> Estimate | None:
    """Sum of parts; the ranges add (no independence is assumed), and the weakest origin stays."""
    parts = list(estimates)
    if not parts:
        return None
    return Estimate(
        sum(part.value for part in parts),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
        weakest(part.origin for part in parts),
    )


def summed_if_all_known(parts: Sequence[Estimate | None]) -> Estimate | None:
    """`summed`, but None where a part is missing: it would be counted as nothing."""
    known = [part for part in parts if part is not None]
    return summed(known) if len(known) == len(parts) else None


def by_time(whole: Estimate, share: float) -> Estimate:
    """A part that is known by its share of the time alone: modelled, up to twice that share and down to nothing."""
    return Estimate(whole.value * share, 0.0, min(whole.high, 2.0 * whole.high * share), Origin.MODELLED)


def middle(estimates: Sequence[Estimate | None]) -> Estimate | None:
    """Median of the values and of both ends, over runs; None where a run has none."""
    from statistics import median  # noqa: PLC0415 - decimals and fractions: a recording that begins does without

    known = [one for one in estimates if one is not None]
    if not known or len(known) < len(estimates):
        return None
    return Estimate(
        median(one.value for one in known),
        median(one.low for one in known),
        median(one.high for one in known),
        weakest(one.origin for one in known),
    )
