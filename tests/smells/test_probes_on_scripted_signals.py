"""Probes on signals written by hand: what needs an accelerator, and where the thresholds lie."""

from __future__ import annotations

from typing import Any

import pytest

from wattleak.signals import Fact, Process, Signals
from wattleak.smells.registry import find_room
from wattleak.smells.unreleased_tensor_references.growth import climbs

PROCESS = Process("12-ab", 12)
GIB = 1 << 30


def judged(code: str, *facts: dict[str, Any]) -> list[Any]:
    probe = find_room(code).probe
    assert probe is not None
    made = tuple(Fact(fact.pop("k"), PROCESS, 1.0, fact.pop("key", None), fact) for fact in facts)
    return list(probe(Signals((PROCESS,), made)))


def memory(where: str, per_step_b: float, steps: int = 100, capacity_b: int = 16 * GIB) -> dict[str, Any]:
    at = list(range(8, 8 + steps))
    values = [GIB + per_step_b * (step - 8) for step in at]
    head = {"k": "memory", "key": where, "where": where, "capacity_b": capacity_b, "file": "/t.py", "line": 3}
    return {**head, "function": "f", "step_s": 0.5, "at": at, "bytes": values}


def holder(**more: Any) -> dict[str, Any]:
    fact = {"k": "holder", "key": "h", "file": "/t.py", "line": 7, "function": "f", "name": "kept", "container": "list"}
    fact.update(owner="a local variable of f()", tensors=90, grown=40, steps=40, grown_b=40 * 100_000, graph=False)
    return {**fact, **more}


def test_a_leak_on_a_device_is_told_from_one_on_the_host() -> None:
    one_percent = 16 * GIB / 100 / 1000  # in 1,000 steps

    (item,) = judged("REF001", memory("cuda:0", 2 * one_percent), memory("malloc", 0.0))

    assert item.counter == "memory of the device kept by each step"
    assert item.value == pytest.approx(2 * one_percent)
    assert item.threshold == pytest.approx(one_percent)
    assert (item.interval.low, item.interval.high) == pytest.approx((item.value, item.value))
    assert item.cost_b == pytest.approx(99 * 2 * one_percent)
    assert "not known who keeps it" in item.message
    # 15 GiB less what was gained are left, at 2 % in 1,000 steps: 46,776 steps of half a second, 6.5 hours
    assert "46,776 steps, 6.5 h" in item.message


@pytest.mark.parametrize(("per_step_b", "more", "seen"), [(100_000, {}, True), (60_000, {}, False)])
def test_with_a_holder_64_kib_a_step_are_enough(per_step_b: float, more: dict[str, Any], seen: bool) -> None:
    found = judged("REF001", memory("malloc", per_step_b), holder(**more))

    assert bool(found) is seen
    assert [(item.path, item.line) for item in found] == [("/t.py", 7)] * seen


@pytest.mark.parametrize("why", [{"bounded": True}, {"collection": True}])
def test_what_is_bounded_or_a_data_set_is_silent_however_fast_it_grows(why: dict[str, Any]) -> None:
    assert judged("REF001", memory("malloc", 5e6), holder(grown_b=40 * 5_000_000, **why)) == []


def test_a_container_that_gains_less_than_every_other_step_explains_nothing() -> None:
    assert judged("REF001", memory("malloc", 100_000), holder(grown=10)) == []


def test_memory_that_stops_growing_is_no_steady_climb() -> None:
    at = list(range(100))
    (climb,) = climbs(at, [1e6 * min(step, 60) for step in at])

    assert not climb.is_steady


def test_what_an_epoch_gives_back_is_a_climb_for_each_epoch() -> None:
    at = list(range(180))
    found = list(climbs(at, [1e6 * (step % 60) for step in at]))

    assert [(climb.first, climb.last, climb.is_steady) for climb in found] == [
        (0, 59, True),
        (60, 119, True),
        (120, 179, True),
    ]
    assert [climb.per_step_b for climb in found] == pytest.approx([1e6] * 3)


def test_a_device_that_is_full_and_whose_allocator_began_again() -> None:
    full = {"k": "allocator", "key": "cuda:0", "device": "cuda:0", "capacity_b": 100, "peak_b": 95, "retries": 3}

    (item,) = judged("BAT001", dict(full))

    assert (item.value, item.threshold) == (0.95, 0.92)
    assert judged("BAT001", {**full, "retries": 0}) == []
    assert judged("BAT001", {**full, "peak_b": 92}) == []


@pytest.mark.parametrize(("device", "workers", "wait_s", "seen"), [
    ("cuda:0", 0, 11.0, True),
    ("cuda:0", 0, 9.0, False),
    ("cuda:0", 2, 50.0, False),
    ("cpu", 0, 90.0, False),
])  # fmt: skip
def test_a_device_that_waits_for_batches(device: str, workers: int, wait_s: float, seen: bool) -> None:
    training = {"k": "phase", "key": "training", "name": "training", "s": 100.0}
    loader = {"k": "loader", "key": "l", "file": "/t.py", "line": 5, "batches": 60, "readings": 1}

    found = judged("DAT001", training, {**loader, "device": device, "workers": workers, "wait_s": wait_s})

    assert [(item.line, item.value, item.cost_s) for item in found] == [(5, 0.11, 11.0)] * seen
