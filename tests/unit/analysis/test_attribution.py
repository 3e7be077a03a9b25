"""Whose joules: against sums done by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wattleak.analysis.attribution import attribute
from wattleak.model import Channel, Estimate, Holders, Origin, Part, Quantity, Sample, Trace

if TYPE_CHECKING:
    from collections.abc import Callable


def exactly(value: float, origin: Origin = Origin.COUNTER) -> Estimate:
    return Estimate(value, value, value, origin)


def channel(name: str, part: Part, **more: object) -> Channel:
    facts: dict[str, object] = {
        "name": name,
        "meter": "test",
        "part": part,
        "origin": Origin.COUNTER,
        "quantity": Quantity.ENERGY_J,
        "period_s": 0.0,
        "relative_low": 1.0,
        "relative_high": 1.0,
    }
    return Channel(**{**facts, **more})  # type: ignore[arg-type]


def trace(
    channels: tuple[Channel, ...],
    watts: dict[str, Callable[[float, float], float]],
    ours: Callable[[int], float],
    others: Callable[[int], float],
    seconds: int = 20,
    holders: dict[str, Holders] | None = None,
) -> Trace:
    """One sample a second; `ours` and `others` are busy CPUs in a second, `watts` follow from both."""
    energy = dict.fromkeys(watts, 0.0)
    cpu_s = busy_s = 0.0
    samples = [Sample(0.0, dict(energy), 0.0, 0.0, 0, 0, 0, 1)]
    for second in range(seconds):
        mine, theirs = ours(second), others(second)
        cpu_s += mine
        busy_s += mine + theirs
        for name, power in watts.items():
            energy[name] += power(mine, theirs)
        samples.append(Sample(second + 1.0, dict(energy), cpu_s, busy_s, 0, 0, 0, 1))
    return Trace(channels, tuple(samples), holders=holders or {}, cpus=64)


def package(mine: float, theirs: float) -> float:
    return 50 + 3 * (mine + theirs)


def test_a_share_of_what_is_above_idle() -> None:
    """20 s, one core of ours among five busy: 20 x 3 J are ours, 20 x 50 J are nobody's."""
    found = attribute(
        trace((channel("cpu0", Part.CPU, idle_w=exactly(50)),), {"cpu0": package}, lambda _: 1.0, lambda _: 4.0), 0, 20
    )

    assert found.total_j is not None
    assert found.idle_j is not None
    assert found.total_j.value == pytest.approx(60.0)
    assert found.idle_j.value == pytest.approx(1000.0)
    assert found.total_j.origin is Origin.COUNTER


def test_one_busy_thread_of_64_is_visible() -> None:
    cpu0 = channel("cpu0", Part.CPU, idle_w=exactly(50))
    idle = attribute(trace((cpu0,), {"cpu0": package}, lambda _: 0.0, lambda _: 0.0), 0, 20).total_j
    busy = attribute(trace((cpu0,), {"cpu0": package}, lambda _: 1.0, lambda _: 0.0), 0, 20).total_j

    assert idle is not None
    assert busy is not None
    assert idle.value == 0.0
    assert busy.value == pytest.approx(60.0)


def test_idle_power_is_found_from_a_run_whose_load_moves() -> None:
    found = attribute(
        trace((channel("cpu0", Part.CPU),), {"cpu0": package}, lambda _: 1.0, lambda s: float(s % 7)), 0, 20
    )

    assert found.total_j is not None
    assert found.total_j.value == pytest.approx(60.0, rel=0.01)
    assert any("idle power of cpu0 was estimated" in note for note in found.notes)


def test_unknown_idle_power_gives_a_range_that_holds_the_truth_and_says_what_to_type() -> None:
    found = attribute(trace((channel("cpu0", Part.CPU),), {"cpu0": package}, lambda _: 1.0, lambda _: 0.0), 0, 20)

    assert found.total_j is not None
    assert found.total_j.low <= 60.0 <= found.total_j.high
    assert any("--idle-power cpu0=" in note for note in found.notes)


def test_the_platform_is_not_added_to_the_package_that_it_contains() -> None:
    channels = (
        channel("cpu0", Part.CPU, idle_w=exactly(50)),
        channel("machine", Part.MACHINE, contains=frozenset({"cpu0"}), idle_w=exactly(100)),
    )
    found = attribute(
        trace(channels, {"cpu0": package, "machine": lambda m, t: 2 * package(m, t)}, lambda _: 1.0, lambda _: 0.0),
        0,
        20,
    )

    assert [item.channel.name for item in found.channels] == ["cpu0"]
    assert found.total_j is not None
    assert found.total_j.value == pytest.approx(60.0)


def test_four_processes_of_one_machine_sum_to_what_it_used() -> None:
    """Each of four takes its turn as `ours`; together they get what is above idle, once."""
    cpu0 = channel("cpu0", Part.CPU, idle_w=exactly(50))
    loads = (1.0, 2.0, 0.5, 4.0)
    parts = [
        attribute(
            trace((cpu0,), {"cpu0": package}, lambda _, load=load: load, lambda _, load=load: sum(loads) - load), 0, 20
        ).total_j
        for load in loads
    ]

    assert sum(part.value for part in parts if part is not None) == pytest.approx(20 * 3 * sum(loads))


class TestModel:
    CPU = channel(
        "cpu",
        Part.CPU,
        origin=Origin.MODELLED,
        idle_w=Estimate(2.0, 1.0, 4.0, Origin.MODELLED),
        watts_per_busy_cpu=Estimate(1.5, 0.75, 3.0, Origin.MODELLED),
    )

    def test_cpu_seconds_times_watts_whatever_the_neighbours_do(self) -> None:
        for others in (0.0, 30.0):
            found = attribute(
                trace((self.CPU,), {"cpu": package}, lambda _: 2.0, lambda _, others=others: others), 0, 20
            )
            assert found.total_j == Estimate(60.0, 30.0, 120.0, Origin.MODELLED)

    def test_measured_and_modelled_parts_are_never_added(self) -> None:
        gpu = channel("gpu0", Part.GPU)
        found = attribute(
            trace(
                (self.CPU, gpu),
                {"cpu": package, "gpu0": lambda _m, _t: 300.0},
                lambda _: 2.0,
                lambda _: 0.0,
                holders={"gpu0": Holders(1, 0)},
            ),
            0,
            20,
        )

        assert found.total_j is not None
        assert found.total_j.value == pytest.approx(6000.0)
        assert {item.channel.name for item in found.channels} == {"cpu", "gpu0"}
        assert any("not in the attributed total" in note for note in found.notes)


class TestDevices:
    GPU = channel("gpu0", Part.GPU)

    def joules(self, holders: Holders | None) -> Estimate | None:
        found = attribute(
            trace(
                (self.GPU,),
                {"gpu0": lambda _m, _t: 100.0},
                lambda _: 1.0,
                lambda _: 0.0,
                holders={} if holders is None else {"gpu0": holders},
            ),
            0,
            20,
        )
        return found.total_j

    def test_a_device_that_we_alone_hold_is_ours_whole_waiting_included(self) -> None:
        energy = self.joules(Holders(ours=2, others=0))

        assert energy is not None
        assert energy.value == 2000.0

    def test_a_shared_device_lies_between_nothing_and_all(self) -> None:
        energy = self.joules(Holders(ours=1, others=3))

        assert energy == Estimate(500.0, 0.0, 2000.0, Origin.COUNTER)

    def test_a_device_of_others_is_not_ours(self) -> None:
        assert self.joules(Holders(ours=0, others=2)) is None

    def test_a_device_that_nobody_was_seen_to_hold_is_not_claimed(self) -> None:
        assert self.joules(None) is None
