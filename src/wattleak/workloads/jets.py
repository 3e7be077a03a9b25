"""Jets of particles as images: a small seeded simulator, so that a physics workload needs no download.

Two classes. 1, signal: a W boson of high momentum that decays into two quarks, which land in one wide jet with two
cores. 0, background: a jet of one gluon or quark. Each quark or gluon radiates; each jet becomes an image of 32 x 32
pixels that sees transverse momentum, centred, within a radius of 1 in pseudorapidity and azimuth.

The physics, at leading logarithm and no further:

- W: mass 80.4 GeV, width 2.1 GeV (Particle Data Group 2024), Breit-Wigner cut to 60..100 GeV; decay isotropic in its
  rest frame, so the momentum is shared as z = (1 + cos)/2 with cos uniform, and the quarks open by
  dR = m / (pT sqrt(z (1 - z))) (massless quarks, small angles).
- Radiation: primary emissions with density dN = (2 a C / pi) dtheta/theta dz/z, a Poisson number of them, uniform in
  the logarithms of angle and momentum share (the Lund plane: Dreyer, Salam, Soyez, JHEP 12 (2018) 064); a = 0.12 held
  fixed, C = 4/3 for a quark, 3 for a gluon. Angles are bounded by the radius of the jet, for the quarks of a W by half
  their opening (coherence: Ellis, Stirling, Webber, QCD and Collider Physics, 1996, chapter 5).
- Not simulated: emissions of emissions, recoil, hadrons, detector, pile-up. It is a workload of the right shape, not a
  generator for physics: two cores against one, with overlaps that keep the task from being trivial.

Drawn by NumPy's PCG64 from one seed: the same version makes the same jets.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

VERSION = 1
"""To be raised with every change of the jets: files of another version are not used."""
SEED = 20_261_121
TRAIN, TEST = 8_000, 2_000
PIXELS = 32

_W_MASS_GEV, _W_WIDTH_GEV = 80.4, 2.1
_MASS_LOW_GEV, _MASS_HIGH_GEV = 60.0, 100.0
_PT_LOW_GEV, _PT_HIGH_GEV = (
    250.0,
    500.0,
)  # where the two cores of a W just about fit into the radius
_RADIUS = 1.0
_COUPLING = 0.12
_QUARK, _GLUON = 4 / 3, 3.0
_GLUONS = 0.6  # share of gluons among background jets: about that of the LHC at these momenta
_LEAST_ANGLE, _LEAST_SHARE, _MOST_SHARE = 0.005, 0.001, 0.5
_MOST_EMISSIONS = 28  # a Poisson number of mean 8, a gluon's, is above it in less than one of 10 million


@dataclass(frozen=True, slots=True)
class Jets:
    """Particles of jets: one row a jet, one column a particle; a particle that is not there has no momentum."""

    pt_gev: Values
    eta: Values  # relative to the axis of what made the jet
    phi: Values
    labels: NDArray[np.int64]

    def masses_gev(self) -> Values:
        """Invariant mass of each jet for small angles: m^2 = sum of pT_i pT_j dR_ij^2 over pairs."""
        total = self.pt_gev.sum(axis=1)
        squares = np.zeros(len(total))
        for angle in (self.eta, self.phi):
            mean = (self.pt_gev * angle).sum(axis=1) / total
            squares += (self.pt_gev * (angle - mean[:, None]) ** 2).sum(axis=1)
        masses: Values = np.sqrt(total * squares)
        return masses


def simulate(count: int, rng: np.random.Generator) -> Jets:
    """Draw so many jets, signal and background by the toss of a coin."""
    labels = rng.integers(0, 2, count)
    pt = rng.uniform(_PT_LOW_GEV, _PT_HIGH_GEV, count)
    signal = labels == 1
    share = np.where(signal, (1 + rng.uniform(-1, 1, count)) / 2, 1.0)
    mass = _w_masses(count, rng)
    opening = np.where(signal, mass / (pt * np.sqrt(np.clip(share * (1 - share), 1e-9, None))), 0.0)
    turn = rng.uniform(0, 2 * np.pi, count)
    gluon = rng.uniform(size=count) < _GLUONS
    widest = np.where(signal, np.clip(opening / 2, _LEAST_ANGLE, _RADIUS), _RADIUS)
    colour = np.where(signal | ~gluon, _QUARK, _GLUON)
    cores = []
    # Momentum balances about the axis of the W: each quark lies off it by the other's share of the opening.
    for fraction, offset in (
        (share, (1 - share) * opening),
        (1 - share, -share * opening),
    ):
        there = np.where(fraction > 0, pt * fraction, 0.0)
        cores.append(_radiate(there, offset * np.cos(turn), offset * np.sin(turn), widest, colour, rng))
    pt_all, eta, phi = (np.concatenate([core[place] for core in cores], axis=1) for place in range(3))
    return Jets(pt_all, eta, phi, labels.astype(np.int64))


def images(jets: Jets) -> NDArray[np.uint8]:
    """Pixels: the square root of each pixel's share of the momentum, centred on the momentum, (N, 32, 32, 1).

    The root keeps soft particles visible; what lies beyond the radius is not seen.
    """
    total = jets.pt_gev.sum(axis=1, keepdims=True)
    eta, phi = (angle - (jets.pt_gev * angle).sum(axis=1, keepdims=True) / total for angle in (jets.eta, jets.phi))
    column, row = (np.floor((angle + _RADIUS) / (2 * _RADIUS) * PIXELS).astype(np.int64) for angle in (eta, phi))
    seen = np.hypot(eta, phi) < _RADIUS
    count = len(total)
    place = np.arange(count)[:, None] * PIXELS * PIXELS + row * PIXELS + column
    weights = (jets.pt_gev / total)[seen]
    grid = np.bincount(place[seen], weights=weights, minlength=count * PIXELS * PIXELS)
    shown: NDArray[np.uint8] = np.rint(255 * np.sqrt(np.clip(grid, 0, 1))).astype(np.uint8)
    return shown.reshape(count, PIXELS, PIXELS, 1)


def write(target: Path) -> Path:
    """Simulate the data set and leave it at `target` as an npz file, whole or not at all."""
    rng = np.random.default_rng(SEED)
    train, test = simulate(TRAIN, rng), simulate(TEST, rng)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".npz", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(
                file,
                train_images=images(train),
                train_labels=train.labels,
                test_images=images(test),
                test_labels=test.labels,
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _w_masses(count: int, rng: np.random.Generator) -> Values:
    """Breit-Wigner by the inverse of its distribution, within the cut."""
    low, high = (np.arctan(2 * (end - _W_MASS_GEV) / _W_WIDTH_GEV) for end in (_MASS_LOW_GEV, _MASS_HIGH_GEV))
    return np.asarray(_W_MASS_GEV + _W_WIDTH_GEV / 2 * np.tan(rng.uniform(low, high, count)))


def _radiate(
    pt: Values,
    eta: Values,
    phi: Values,
    widest: Values,
    colour: Values,
    rng: np.random.Generator,
) -> tuple[Values, Values, Values]:
    """A parton and its primary emissions, (N, 1 + emissions). Momentum is conserved, recoil is not simulated."""
    count = len(pt)
    area = np.log(widest / _LEAST_ANGLE) * np.log(_MOST_SHARE / _LEAST_SHARE)
    number = rng.poisson(2 * _COUPLING * colour / np.pi * area)
    there = np.arange(_MOST_EMISSIONS) < number[:, None]
    angle = _LEAST_ANGLE * (widest[:, None] / _LEAST_ANGLE) ** rng.uniform(size=(count, _MOST_EMISSIONS))
    share = _LEAST_SHARE * (_MOST_SHARE / _LEAST_SHARE) ** rng.uniform(size=(count, _MOST_EMISSIONS))
    share = np.where(there, share, 0.0)
    left = np.cumprod(1 - share, axis=1)
    before = np.concatenate([np.ones((count, 1)), left[:, :-1]], axis=1)
    turn = rng.uniform(0, 2 * np.pi, (count, _MOST_EMISSIONS))
    return (
        pt[:, None] * np.concatenate([left[:, -1:], share * before], axis=1),
        eta[:, None] + np.concatenate([np.zeros((count, 1)), angle * np.cos(turn)], axis=1),
        phi[:, None] + np.concatenate([np.zeros((count, 1)), angle * np.sin(turn)], axis=1),
    )
