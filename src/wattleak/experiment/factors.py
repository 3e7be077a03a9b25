"""The run table: every combination of the levels of some factors becomes a variant.

    -F batch=32,64 -F threads=1,2 -- python train.py --batch {batch} --threads {threads}

A factor stands in braces in the command or in the environment given with --env. Combinations that make no sense are
left out with --exclude batch=64,threads=1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Factor, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MOST_VARIANTS = 200
_FEWEST_FOR_A_HALF = 3


def parse_factor(text: str) -> Factor:
    """`batch=32,64,128`. Raises UsageError."""
    name, equals, values = text.partition("=")
    levels = tuple(value.strip() for value in values.split(",") if value.strip())
    return make_factor(name.strip() if equals else "", levels, text)


def make_factor(name: str, levels: Sequence[str], written: str) -> Factor:
    """A factor, if it can be one. `written` is what the user wrote. Raises UsageError."""
    if not _NAME.fullmatch(name) or not levels:
        raise UsageError(f"the factor {written!r} does not fit", "write NAME=LEVEL,LEVEL as in -F batch=32,64,128")
    if len(set(levels)) != len(levels):
        raise UsageError(f"the factor {name} has a level twice: {', '.join(levels)}", "name each level once")
    return Factor(name, tuple(levels))


def parse_combination(text: str, factors: Sequence[Factor]) -> dict[str, str]:
    """`batch=128,threads=4`: some factors and one level of each. Raises UsageError for what is no factor or level."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    chosen = {name.strip(): level.strip() for name, _, level in pairs}
    known = {factor.name: factor.levels for factor in factors}
    for name, level in chosen.items():
        if name not in known:
            raise UsageError(f"{text!r}: there is no factor {name!r}", f"factors: {', '.join(known) or 'none'}")
        if level not in known[name]:
            raise UsageError(f"{text!r}: {name} has no level {level!r}", f"levels of {name}: {', '.join(known[name])}")
    if not chosen:
        raise UsageError(f"{text!r} names no factor", "write FACTOR=LEVEL,FACTOR=LEVEL")
    return chosen


@dataclass(frozen=True, slots=True)
class Treatments:
    """What is compared: the variants, and the run table that they were made from, if they were."""

    variants: tuple[Variant, ...]
    factors: tuple[Factor, ...] = ()
    template: Variant | None = None
    against: str = ""  # stored runs that a single variant is held against


def run_table(
    template: Variant,
    factors: Sequence[Factor],
    *,
    exclude: Sequence[Mapping[str, str]] = (),
    reference: Mapping[str, str] | None = None,
) -> Treatments:
    """One variant of `template` for each combination that is not excluded; the reference, by default the first, leads.

    Raises UsageError for a factor that stands nowhere in the command or environment, for two with one name, for fewer
    than two combinations or more than 200, and for a reference that fits none or several.
    """
    command, env = template.command, template.env
    names = [factor.name for factor in factors]
    if len(set(names)) != len(names):
        raise UsageError(f"two factors have one name: {', '.join(names)}", "give each -F its own name")
    for name in names:
        if not any("{" + name + "}" in text for text in (*command, *env.values())):
            raise UsageError(
                f"the factor {name} stands nowhere in the command",
                f"write {{{name}}} where its level belongs, or --env '*:VARIABLE={{{name}}}'",
            )
    kept = [levels for levels in combinations(factors) if not any(_fits(levels, out) for out in exclude)]
    if not 2 <= len(kept) <= _MOST_VARIANTS:
        raise UsageError(
            f"the run table has {len(kept)} combinations",
            f"an experiment needs at least two, and no more than {_MOST_VARIANTS}",
        )
    if reference is not None:
        fitting = [levels for levels in kept if _fits(levels, reference)]
        if len(fitting) != 1:
            raise UsageError(
                f"{len(fitting)} combinations fit the reference {_title(reference)!r}",
                "name one level of every factor: --reference " + ",".join(f"{k}={v}" for k, v in kept[0].items()),
            )
        kept.remove(fitting[0])
        kept.insert(0, fitting[0])
    variants = tuple(
        Variant(
            _title(levels),
            tuple(fill(word, levels) for word in command),
            {name: fill(value, levels) for name, value in env.items()},
            levels,
        )
        for levels in kept
    )
    return Treatments(variants, tuple(factors), template)


def outside_half(factors: Sequence[Factor]) -> list[dict[str, str]]:
    """What a regular half fraction leaves out: combinations in which an odd number of factors leave their first level.

    Its defining relation is the product of all factors (Box and Hunter 1961): a main effect cannot be told from the
    interaction of all others, nor one of two factors from that of the rest.

    Raises UsageError for fewer than three factors, and for one that does not have two levels.
    """
    if len(factors) < _FEWEST_FOR_A_HALF:
        raise UsageError("half of a run table takes three factors or more", "run all combinations: leave it out")
    other = next((factor for factor in factors if len(factor.levels) != 2), None)
    if other is not None:
        raise UsageError(
            f"half of a run table takes factors of two levels, and {other.name} has {len(other.levels)}",
            "name two levels of each factor, or run all combinations",
        )
    first = {factor.name: factor.levels[0] for factor in factors}
    return [levels for levels in combinations(factors) if sum(levels[name] != first[name] for name in levels) % 2]


def combinations(factors: Sequence[Factor]) -> list[dict[str, str]]:
    """Every combination of levels, the last factor turning fastest."""
    names = [factor.name for factor in factors]
    return [dict(zip(names, levels, strict=True)) for levels in product(*(factor.levels for factor in factors))]


def fill(text: str, levels: Mapping[str, str]) -> str:
    """Put levels where their factors stand in braces; other braces, as in JSON, are left alone."""
    for name, level in levels.items():
        text = text.replace("{" + name + "}", level)
    return text


def _fits(levels: Mapping[str, str], some: Mapping[str, str]) -> bool:
    return all(levels[name] == level for name, level in some.items())


def _title(levels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={level}" for name, level in levels.items())
