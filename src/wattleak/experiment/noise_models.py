"""Machines as they misbehave: what the calibration of the statistics is tried on.

Each model turns (variant, block, position in time) into a factor on the cost of a run. The true change of the candidate
is put on top by the caller, so under every model the truth is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """One way in which a machine is noisy.

    `make` draws one session of it: a function of (is this the candidate?, part of the session that is over).
    """

    name: str
    title: str
    make: Callable[[np.random.Generator], Callable[[bool, float], float]]
    sessions: int = 1  # sessions of the experiment it is tried on


def _steady(rng: np.random.Generator) -> Callable[[bool, float], float]:
    return lambda _candidate, _part: math.exp(0.03 * rng.standard_normal())


def _heavy_tails(rng: np.random.Generator) -> Callable[[bool, float], float]:
    return lambda _candidate, _part: math.exp(0.02 * rng.standard_t(3))


def _spikes(rng: np.random.Generator) -> Callable[[bool, float], float]:
    def factor(_candidate: bool, _part: float) -> float:
        spike = rng.uniform(0.1, 0.5) if rng.random() < 0.05 else 0.0
        return math.exp(0.01 * rng.standard_normal()) * (1.0 + spike)

    return factor


def _drift(rng: np.random.Generator) -> Callable[[bool, float], float]:
    return lambda _candidate, part: (1.0 + 0.01 * part) * math.exp(0.005 * rng.standard_normal())


def _random_walk(rng: np.random.Generator) -> Callable[[bool, float], float]:
    state = [0.0]

    def factor(_candidate: bool, _part: float) -> float:
        state[0] += 0.004 * rng.standard_normal()
        return math.exp(state[0] + 0.005 * rng.standard_normal())

    return factor


def _unequal(rng: np.random.Generator) -> Callable[[bool, float], float]:
    return lambda candidate, _part: math.exp((0.06 if candidate else 0.02) * rng.standard_normal())


def _session_effects(rng: np.random.Generator) -> Callable[[bool, float], float]:
    shift = 0.01 * rng.standard_normal()  # of the candidate alone, for this session alone

    def factor(candidate: bool, _part: float) -> float:
        return math.exp((shift if candidate else 0.0) + 0.01 * rng.standard_normal())

    return factor


MODELS = (
    NoiseModel("steady", "3 % noise, normal", _steady),
    NoiseModel("heavy-tails", "2 % noise, Student t with 3 degrees of freedom", _heavy_tails),
    NoiseModel("spikes", "1 % noise, every twentieth run 10 to 50 % dearer", _spikes),
    NoiseModel("drift", "0.5 % noise, the machine gets 1 % dearer over the session", _drift),
    NoiseModel("random-walk", "0.5 % noise, and a wandering of 0.4 % from run to run", _random_walk),
    NoiseModel("unequal", "2 % noise of the reference, 6 % of the candidate", _unequal),
    NoiseModel("sessions", "1 % noise, and every session moves the candidate by 1 %", _session_effects, sessions=6),
)
"""Every model, in the order in which the report lists them."""
