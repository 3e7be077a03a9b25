"""Whose joules: against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wattleak.analysis.attribution import attribute
from wattleak.model import (
    Channel,
    ChannelEnergy,
    DeviceUse,
    Estimate,
    Holders,
    Origin,
    Part,
    Quantity,
    Sample,
    Trace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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
            # 40 CPU-seconds, counted in ticks of 10 ms at both ends: 39.98 x 0.75 W to 40.02 x 3 W.
            assert found.total_j == Estimate(60.0, pytest.approx(29.985), pytest.approx(120.06), Origin.MODELLED)

    def test_a_stretch_without_a_tick_may_have_used_one_at_each_end(self) -> None:
        found = attribute(trace((self.CPU,), {"cpu": package}, lambda _: 0.0, lambda _: 0.0), 3, 4)
        assert found.total_j == Estimate(0.0, 0.0, pytest.approx(0.02 * 3.0), Origin.MODELLED)

    def test_an_edge_between_two_readings_leaves_open_whose_side_the_work_was_on(self) -> None:
        """Read each second, 2 CPU-seconds in each: of a window of half a second, none or all of them may be in it."""
        found = attribute(trace((self.CPU,), {"cpu": package}, lambda _: 2.0, lambda _: 0.0), 3, 3.5)
        assert found.total_j is not None
        assert (found.total_j.value, found.total_j.low) == (1.5, 0.0)
        assert found.total_j.high >= 2.0 * 3.0

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


def test_a_trace_that_ends_between_two_stretches_loses_nothing() -> None:
    """20.3 s with a sample at the end: the last 0.3 s are too short for a share of their own, and still count."""
    cpu0 = channel("cpu0", Part.CPU, idle_w=exactly(50))
    whole = trace((cpu0,), {"cpu0": package}, lambda _: 1.0, lambda _: 0.0)
    last = Sample(20.3, {"cpu0": 20.3 * 53}, 20.3, 20.3, 0, 0, 0, 1)
    found = attribute(replace(whole, samples=(*whole.samples, last)), 0, 20.3).total_j

    assert found is not None
    assert found.value == pytest.approx(20.3 * 3)


def test_a_machine_whose_load_is_hidden_is_said_and_not_guessed() -> None:
    cpu0 = channel("cpu0", Part.CPU, idle_w=exactly(50))
    seen = trace((cpu0,), {"cpu0": package}, lambda _: 1.0, lambda _: 0.0)
    hidden = replace(seen, samples=tuple(replace(sample, machine_busy_s=None) for sample in seen.samples))
    found = attribute(hidden, 0, 20)

    assert found.total_j is None
    assert any("how busy the machine was is not known" in note for note in found.notes)


def use(*readings: tuple[float, float | None, float | None, float | None]) -> dict[str, tuple[DeviceUse, ...]]:
    return {"gpu0": tuple(DeviceUse(*reading) for reading in readings)}


class TestOneHolder:
    """A card of 80 W while it waits and 300 W while it works, held by us alone for 20 s."""

    GPU = channel("gpu0", Part.GPU)

    def cost(self, busy: Sequence[float | None], *, channel: Channel | None = None) -> ChannelEnergy:
        """One reading of `busy` a second, true for its whole second."""
        card = channel or self.GPU
        energy_j, samples = 0.0, [Sample(0.0, {"gpu0": 0.0}, 0.0, 0.0, 0, 0, 0, 1)]
        for second, fraction in enumerate(busy):
            energy_j += 80 + 220 * (fraction or 0.0)
            samples.append(Sample(second + 1.0, {"gpu0": energy_j}, 0.0, 0.0, 0, 0, 0, 1))
        readings = use(*((second + 1.0, fraction, None, None) for second, fraction in enumerate(busy)))
        found = attribute(Trace((card,), tuple(samples), holders={"gpu0": Holders(1, 0)}, use=readings), 0, len(busy))
        (item,) = found.channels
        return item

    def test_a_starving_card_shows_its_waiting(self) -> None:
        """It works every other second: 10 x 300 J at work, 10 x 80 J waiting."""
        cost = self.cost([0.0, 1.0] * 10)

        assert cost.energy_j.value == pytest.approx(3800)
        assert cost.active_j is not None
        assert cost.waiting_j is not None
        assert cost.active_j.value == pytest.approx(3000)
        assert cost.waiting_j.value == pytest.approx(800)
        assert cost.active_j.origin is cost.waiting_j.origin is Origin.SAMPLED

    def test_a_card_that_is_never_at_rest_shows_its_waiting_power_by_its_line(self) -> None:
        """Busy 20 to 90 %: what it draws at 0 % is where the line of power against busy time starts."""
        busy = [0.2, 0.5, 0.9, 0.4, 0.7] * 4
        cost = self.cost(busy)

        assert cost.waiting_j is not None
        assert cost.waiting_j.value == pytest.approx(80 * sum(1 - b for b in busy), rel=0.01)

    @pytest.mark.parametrize("busy", [[0.6] * 20, [0.6, 0.65] * 10, [0.3, 0.5, 0.8, 0.1] * 5, [0.0] * 20, [1.0] * 20])
    def test_the_range_holds_the_truth_and_the_parts_add_up(self, busy: list[float | None]) -> None:
        truth_j = 80 * sum(1 - (fraction or 0.0) for fraction in busy)
        cost = self.cost(busy)

        assert cost.active_j is not None
        assert cost.waiting_j is not None
        assert cost.waiting_j.low - 1e-6 <= truth_j <= cost.waiting_j.high + 1e-6
        assert cost.active_j.low - 1e-6 <= cost.energy_j.value - truth_j <= cost.active_j.high + 1e-6
        assert cost.active_j.value + cost.waiting_j.value == pytest.approx(cost.energy_j.value)

    def test_one_look_at_a_long_stretch_knows_little(self) -> None:
        """The driver told of a part of one second of twenty: the range says so."""
        samples = tuple(Sample(float(t), {"gpu0": 200.0 * t}, 0.0, 0.0, 0, 0, 0, 1) for t in range(21))
        found = attribute(
            Trace((self.GPU,), samples, holders={"gpu0": Holders(1, 0)}, use=use((20.0, 0.5, None, None))), 0, 20
        )
        (cost,) = found.channels

        assert cost.waiting_j is not None
        assert cost.waiting_j.low == 0.0
        assert cost.waiting_j.high > 0.8 * cost.energy_j.value

    def test_a_device_that_does_not_say_how_busy_it_is_is_not_split(self) -> None:
        cost = self.cost([None] * 20)

        assert (cost.active_j, cost.waiting_j) == (None, None)

    def test_a_span_gets_the_part_of_its_own_time(self) -> None:
        energy_j, samples = 0.0, [Sample(0.0, {"gpu0": 0.0}, 0.0, 0.0, 0, 0, 0, 1)]
        for second in range(20):
            energy_j += 300 if second >= 10 else 80
            samples.append(Sample(second + 1.0, {"gpu0": energy_j}, 0.0, 0.0, 0, 0, 0, 1))
        readings = use(*((s + 1.0, float(s >= 10), None, None) for s in range(20)))
        recorded = Trace((self.GPU,), tuple(samples), holders={"gpu0": Holders(1, 0)}, use=readings)
        (first,), (second_half,) = attribute(recorded, 0, 10).channels, attribute(recorded, 10, 20).channels

        assert first.waiting_j is not None
        assert second_half.active_j is not None
        assert first.waiting_j.value == pytest.approx(800)
        assert second_half.active_j.value == pytest.approx(3000)


class TestSeveralHolders:
    """A card with 50 W of idle that two trees share: 250 W above it, split by whose kernels ran."""

    GPU = channel("gpu0", Part.GPU, idle_w=exactly(50))

    def part(self, ours: float, others: float, card: Channel | None = None) -> ChannelEnergy:
        samples = tuple(Sample(float(t), {"gpu0": 300.0 * t}, 0.0, 0.0, 0, 0, 0, 1) for t in range(21))
        readings = use(*((float(t), ours + others, ours, others) for t in range(1, 21)))
        found = attribute(Trace((card or self.GPU,), samples, holders={"gpu0": Holders(1, 1)}, use=readings), 0, 20)
        (item,) = found.channels
        assert any("split by the time in which each one's kernels ran" in note for note in found.notes)
        return item

    def test_by_utilisation_and_together_once(self) -> None:
        first, second = self.part(0.6, 0.2), self.part(0.2, 0.6)

        assert first.energy_j.value == pytest.approx(0.75 * 250 * 20)
        assert first.energy_j.value + second.energy_j.value == pytest.approx(250 * 20)
        assert first.energy_j.origin is Origin.SAMPLED

    def test_the_range_allows_that_one_has_hungrier_kernels(self) -> None:
        """If their kernels drew twice as much above idle as ours, our true part were 0.6 / (0.6 + 2 x 0.2)."""
        energy = self.part(0.6, 0.2).energy_j

        assert energy.low <= 0.6 * 250 * 20 <= energy.value <= 1.2 / 1.4 * 250 * 20 <= energy.high
        assert energy.low > 0.5 * 250 * 20

    def test_alone_at_work_is_ours_and_at_rest_is_nobodys(self) -> None:
        assert self.part(0.5, 0.0).energy_j.value == pytest.approx(250 * 20)
        assert self.part(0.0, 0.5).energy_j.value == 0.0

    def test_when_nobody_works_what_the_contexts_draw_is_anybodys(self) -> None:
        energy = self.part(0.0, 0.0).energy_j

        assert (energy.low, energy.value, energy.high) == (0.0, pytest.approx(2500), pytest.approx(5000))

    def test_unknown_idle_power_of_the_card_is_in_the_range(self) -> None:
        energy = self.part(0.6, 0.2, channel("gpu0", Part.GPU)).energy_j

        assert energy.low < 0.75 * 250 * 20 < energy.high
        assert energy.high > 0.75 * 300 * 20

    def test_four_cards_of_four_trees_are_billed_once_each(self) -> None:
        cards = tuple(channel(f"gpu{number}", Part.GPU) for number in range(4))
        samples = tuple(
            Sample(float(t), {card.name: 100.0 * (place + 1) * t for place, card in enumerate(cards)}, 0, 0, 0, 0, 0, 1)
            for t in range(21)
        )
        total_j = 0.0
        for mine in cards:
            held = {card.name: Holders(int(card is mine), int(card is not mine)) for card in cards}
            found = attribute(Trace(cards, samples, holders=held), 0, 20).total_j
            assert found is not None
            total_j += found.value

        assert total_j == pytest.approx(20 * (100 + 200 + 300 + 400))


def test_a_figure_that_does_not_react_to_work_is_nobodys() -> None:
    """A constant for memory stays with the machine: it is in no total that a change of code could move."""
    channels = (
        channel("cpu0", Part.CPU, idle_w=exactly(50)),
        channel("ram", Part.DRAM, origin=Origin.CONSTANT, quantity=Quantity.POWER_W),
    )
    found = attribute(trace(channels, {"cpu0": package}, lambda _: 1.0, lambda _: 0.0), 0, 20)

    assert [item.channel.name for item in found.channels] == ["cpu0"]
    assert found.total_j is not None
    assert found.total_j.value == pytest.approx(60.0)


def test_work_that_ends_just_before_the_last_sample_is_all_there() -> None:
    """The exit of a workload is a millisecond older than the sample that it causes."""
    cpu0 = channel("cpu0", Part.CPU, idle_w=exactly(50))
    recorded = trace((cpu0,), {"cpu0": package}, lambda _: 1.0, lambda _: 0.0)
    found = attribute(recorded, 0, 19.999).total_j

    assert found is not None
    assert found.value == pytest.approx(60.0, rel=1e-3)
