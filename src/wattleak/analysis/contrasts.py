"""From a run table to its contrasts: which weights of the variants make the effect of a factor, or of two together.

The model of a block is a sum over factors and pairs of factors (main effects and two-way interactions) on the log of
the cost, in deviation coding, so that an effect is a mean over the levels of all other factors:

    main effect      mean of y(b) - y(a), over the combinations of the other factors
    interaction      mean of (y(b, d) - y(a, d)) - (y(b, c) - y(a, c)): what the second move adds to the first

The weights are those of least squares within a block: in a full table they are the textbook's +1/n and -1/n. A table
that is not full cannot tell some effects apart; what a figure holds besides its own effect is named (the alias matrix:
Box and Hunter, "The 2^(k-p) fractional factorial designs", Technometrics 3 (1961) 311; Montgomery, Design and Analysis
of Experiments, 8th ed. 2013, chapter 8). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from wattleak.model import Factor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wattleak.model import Variant

    Values = NDArray[np.float64]
    Weights = Mapping[str, float]

_ROUNDING = 1e-9
_LARGEST_GRID = 512  # combinations of all levels up to which effects of every order are looked for as aliases
_TWO_WAY = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One move: a factor from its level in the reference to another one."""

    factor: str
    base: str
    level: str

    def __str__(self) -> str:
        return f"{self.factor} {self.base} → {self.level}"


@dataclass(frozen=True, slots=True)
class Contrast:
    """The weights of the variants that make an effect of their figures; they sum to zero.

    `aliases` are the effects that these runs cannot tell from it. `without` and `with_` belong to an interaction: the
    first move where the other factor stays at its base, and where it is moved.
    """

    steps: tuple[Step, ...]  # one: a main effect; two: how the moves interact
    weights: Weights
    aliases: tuple[str, ...] = ()
    without: Weights | None = None
    with_: Weights | None = None

    @property
    def name(self) -> str:
        return " x ".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class Contrasts:
    """The effects that a run table has, main effects first."""

    told: tuple[Contrast, ...]
    untold: tuple[str, ...]  # effects that are there only as an alias of another: "batch x threads"


@dataclass(frozen=True, slots=True)
class _Term:
    """The columns of one main effect or interaction; a row for each variant."""

    factors: tuple[Factor, ...]
    columns: tuple[Values, ...]

    @property
    def name(self) -> str:
        return " x ".join(factor.name for factor in self.factors)


def varied(variants: Sequence[Variant], factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """The factors of which the table has two levels or more, with those levels only, the reference's first."""
    found = []
    for factor in factors:
        base = variants[0].levels[factor.name]
        there = {variant.levels[factor.name] for variant in variants} - {base}
        if there:
            found.append(Factor(factor.name, (base, *(level for level in factor.levels if level in there))))
    return tuple(found)


def contrasts(variants: Sequence[Variant], factors: Sequence[Factor]) -> Contrasts:
    """Every main effect and two-way interaction against the levels of the reference, the first variant.

    A term that depends linearly on earlier ones (main effects come first) is left out of the model, and named as an
    alias of those that it would change.
    """
    factors = varied(variants, factors)
    terms = _terms(factors, variants, (1, _TWO_WAY))
    known: list[Values] = [np.ones(len(variants))]
    kept: dict[str, slice] = {}
    for term in terms:
        if _independent([*known, *term.columns]):
            kept[term.name] = slice(len(known), len(known) + len(term.columns))
            known += term.columns
    solve = np.linalg.pinv(np.column_stack(known))
    rows = {name: solve[place] for name, place in kept.items()}
    full = prod(len(factor.levels) for factor in factors) <= _LARGEST_GRID
    others = [term for term in terms if term.name not in kept]
    others += _terms(factors, variants, range(_TWO_WAY + 1, len(factors) + 1)) if full else []
    told = [
        _contrast(term, moves, rows, variants, others)
        for term in terms
        if term.name in kept
        for moves in product(*(factor.levels[1:] for factor in term.factors))
    ]
    return Contrasts(tuple(told), tuple(term.name for term in terms if term.name not in kept))


# -- columns ---------------------------------------------------------------------------------------------------------


def _terms(factors: Sequence[Factor], variants: Sequence[Variant], orders: Sequence[int]) -> list[_Term]:
    return [_term(some, variants) for order in orders for some in combinations(factors, order)]


def _term(factors: tuple[Factor, ...], variants: Sequence[Variant]) -> _Term:
    coded = [np.array([_coded(factor, variant.levels[factor.name]) for variant in variants]).T for factor in factors]
    return _Term(factors, tuple(np.prod(np.stack(some), axis=0) for some in product(*coded)))


def _coded(factor: Factor, level: str) -> Values:
    """Deviation coding: a column for each level but the base, which is minus one in all of them."""
    base, *others = factor.levels
    return np.array([float(level == other) - float(level == base) for other in others])


def _independent(columns: Sequence[Values]) -> bool:
    return bool(np.linalg.matrix_rank(np.column_stack(columns)) == len(columns))


# -- effects ---------------------------------------------------------------------------------------------------------


def _contrast(
    term: _Term,
    levels: Sequence[str],
    rows: Mapping[str, Values],
    variants: Sequence[Variant],
    others: Sequence[_Term],
) -> Contrast:
    """The effect of the moves to these levels. `rows` are the coefficients of each term as weights of the variants."""
    moves = [
        _coded(factor, level) - _coded(factor, factor.levels[0])
        for factor, level in zip(term.factors, levels, strict=True)
    ]
    whole = moves[0] if len(moves) == 1 else np.kron(*moves)
    weights = whole @ rows[term.name]
    sides: list[Weights | None] = [None, None]
    if len(moves) == _TWO_WAY and term.factors[0].name in rows:
        other = term.factors[1]
        alone = moves[0] @ rows[term.factors[0].name]
        sides = [
            _named(alone + np.kron(moves[0], _coded(other, level)) @ rows[term.name], variants)
            for level in (other.levels[0], levels[1])
        ]
    return Contrast(
        tuple(Step(factor.name, factor.levels[0], level) for factor, level in zip(term.factors, levels, strict=True)),
        _named(weights, variants),
        tuple(one.name for one in others if any(abs(float(weights @ column)) > _ROUNDING for column in one.columns)),
        *sides,
    )


def _named(weights: Values, variants: Sequence[Variant]) -> Weights:
    clean = np.where(np.abs(weights) < _ROUNDING, 0.0, weights)
    return {variant.name: float(weight) for variant, weight in zip(variants, clean, strict=True)}
