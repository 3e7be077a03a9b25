"""Arithmetic of estimates: ranges that stay around their value, origins no better than their weakest part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

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
