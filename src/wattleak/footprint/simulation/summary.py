"""Several streams of jobs under several policies: means, and paired differences against first-come, with intervals.

Each seed draws one stream of jobs, which all policies get, so a difference is taken within a seed. Intervals are
Student's t over the seeds (Law, Simulation Modeling and Analysis, ch. 10: paired-t confidence interval). One stream (a
trace, or one seed) has no interval: what another day would bring is not known from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from wattleak.footprint.simulation.fleet import COMPONENTS
from wattleak.footprint.simulation.policies import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wattleak.footprint.simulation.fleet import Outcome

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A simulated number with its 95 % interval over the seeds; None: one stream only."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """One policy over all seeds."""

    policy: Kind
    figures: Mapping[str, Figure]  # by name, see `FIGURES`
    energy_j: Mapping[str, Figure]  # by component
    carbon_g: Mapping[str, Figure]  # by component
    changes: Mapping[str, Figure]  # fractions against first-come, of `RELATIVE`; absent where that is 0
    differences: Mapping[str, Figure]  # policy minus first-come, of `ABSOLUTE`


FIGURES: Mapping[str, Callable[[Outcome], float]] = {
    "jobs": lambda outcome: float(outcome.jobs),
    "energy_j": lambda outcome: sum(outcome.energy_j.values()),
    "facility_energy_j": lambda outcome: outcome.facility_energy_j,
    "carbon_g": lambda outcome: sum(outcome.carbon_g.values()),
    "wait_mean_s": lambda outcome: outcome.wait_mean_s,
    "wait_p50_s": lambda outcome: outcome.wait_p50_s,
    "wait_p95_s": lambda outcome: outcome.wait_p95_s,
    "wait_p99_s": lambda outcome: outcome.wait_p99_s,
    "wait_longest_s": lambda outcome: outcome.wait_longest_s,
    "with_deadline": lambda outcome: float(outcome.with_deadline),
    "missed": lambda outcome: float(outcome.missed),
    "node_h": lambda outcome: outcome.node_h,
    "starts": lambda outcome: float(outcome.starts),
    "held": lambda outcome: float(outcome.held),
    "moved": lambda outcome: float(outcome.moved),
    "horizon_s": lambda outcome: outcome.horizon_s,
}
RELATIVE = ("energy_j", "facility_energy_j", "carbon_g", "node_h")
ABSOLUTE = ("wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_p99_s", "missed", "starts")


def summarise(streams: Sequence[Sequence[Outcome]]) -> list[PolicySummary]:
    """`streams[seed][policy]`, first-come first in each."""
    assert all(outcomes[0].policy is Kind.FIRST_COME for outcomes in streams)
    return [_policy(streams, index) for index in range(len(streams[0]))]


def _policy(streams: Sequence[Sequence[Outcome]], index: int) -> PolicySummary:
    own = [outcomes[index] for outcomes in streams]
    first = [outcomes[0] for outcomes in streams]
    changes, differences = {}, {}
    if index:
        for name in RELATIVE:
            before = [FIGURES[name](outcome) for outcome in first]
            if min(before) > 0:
                after = [FIGURES[name](outcome) for outcome in own]
                changes[name] = mean_figure([new / old - 1 for new, old in zip(after, before, strict=True)])
        for name in ABSOLUTE:
            read = FIGURES[name]
            differences[name] = mean_figure([read(new) - read(old) for new, old in zip(own, first, strict=True)])
    return PolicySummary(
        policy=own[0].policy,
        figures={name: _amount([read(outcome) for outcome in own]) for name, read in FIGURES.items()},
        energy_j={name: _amount([outcome.energy_j[name] for outcome in own]) for name in COMPONENTS},
        carbon_g={name: _amount([outcome.carbon_g[name] for outcome in own]) for name in COMPONENTS},
        changes=changes,
        differences=differences,
    )


def _amount(values: Sequence[float]) -> Figure:
    """Of something that is never negative: nor is its interval."""
    figure = mean_figure(values)
    return figure if figure.low is None else Figure(figure.value, max(0.0, figure.low), figure.high)


def mean_figure(values: Sequence[float]) -> Figure:
    """Mean and Student's interval of one value for each seed."""
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return Figure(mean, None, None)
    from scipy.special import stdtrit  # noqa: PLC0415 - whoever plays one trace need not wait for scipy

    spread = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * spread / sqrt(count)
    return Figure(mean, mean - half, mean + half)
