"""The simulated jets obey the physics that their page states, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from wattleak.workloads import jets
from wattleak.workloads.data import load


@pytest.fixture(scope="module")
def drawn():
    return jets.simulate(8_000, np.random.default_rng(3))


def test_half_of_them_are_w_bosons_with_the_mass_of_the_w(drawn):
    w = drawn.labels == 1
    assert abs(w.mean() - 0.5) < 0.02
    masses = drawn.masses_gev()
    # The peak of the Breit-Wigner is broadened by radiation alone, and upwards: 80.4 GeV is near the middle.
    assert 79 < np.median(masses[w]) < 83
    assert np.mean((masses[w] > 75) & (masses[w] < 95)) > 0.8
    assert np.mean((masses[~w] > 75) & (masses[~w] < 95)) < 0.25


def test_momentum_is_conserved_by_radiation(drawn):
    total = drawn.pt_gev.sum(axis=1)
    assert total.min() >= 250
    assert total.max() <= 500
    assert (drawn.pt_gev >= 0).all()
    assert abs(total.mean() - 375) < 3  # uniform between the two


def test_gluons_radiate_nine_quarters_of_a_quark(drawn, monkeypatch):
    counts = []
    for share in (1.0, 0.0):
        monkeypatch.setattr(jets, "_GLUONS", share)
        some = jets.simulate(10_000, np.random.default_rng(4))
        particles = (some.pt_gev > 0).sum(axis=1)[some.labels == 0]
        counts.append(particles.mean() - 1)  # the parton itself
    assert counts[0] / counts[1] == pytest.approx(9 / 4, rel=0.03)


def test_images_hold_the_momentum_within_the_radius(drawn):
    pixels = jets.images(drawn)
    assert pixels.shape == (8_000, 32, 32, 1)
    assert pixels.dtype == np.uint8
    shares = (pixels[..., 0].astype(float) / 255) ** 2
    assert shares.sum(axis=(1, 2)).max() <= 1.06  # rounding to 255 levels
    background = drawn.labels == 0
    assert np.median(shares[background].sum(axis=(1, 2))) == pytest.approx(1.0, abs=0.02)


def test_asked_for_by_name_they_are_made_once_and_are_the_same_again(tmp_path):
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    first = load("jets", environ=environ)
    made = first.path.stat().st_mtime_ns
    again = load("jets", environ=environ)
    assert again.path.stat().st_mtime_ns == made
    assert (len(first.train_images), len(first.test_images), first.classes) == (8000, 2000, 2)
    assert "simulated" in first.describe()
    other = load("jets", environ={"XDG_CACHE_HOME": str(tmp_path / "other")})
    assert (other.train_images == first.train_images).all()
    assert (other.test_labels == first.test_labels).all()
