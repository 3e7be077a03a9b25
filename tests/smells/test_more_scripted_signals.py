"""Probes and criteria on signals written by hand: reads of values, compilations, start-ups of workers, debugging."""

from __future__ import annotations

from typing import Any

import pytest

from wattleak.model import Severity
from wattleak.observation.also_seen import also_seen
from wattleak.signals import Fact, Process, Signals
from wattleak.smells.registry import find_room

PROCESS = Process("12-ab", 12)
TRAINING = {"k": "phase", "key": "training", "name": "training", "s": 100.0}
READ = {"k": "read", "key": "r", "file": "/t.py", "line": 8, "how": ".item()", "device": "cuda:0", "reads": 900}


def signals(*facts: dict[str, Any]) -> Signals:
    made = [dict(fact) for fact in facts]
    return Signals((PROCESS,), tuple(Fact(fact.pop("k"), PROCESS, 1.0, fact.pop("key"), fact) for fact in made))


@pytest.mark.parametrize(("more", "seen"), [
    ({}, True),
    ({"s": 2.9}, False),  # 3 % of the training
    ({"steps": 449}, False),  # now and then
    ({"how": "a condition"}, False),  # `if torch.isnan(loss)` has to know
    ({"steps": 45, "of_steps": 45}, False),  # too few to say
])  # fmt: skip
def test_a_device_that_is_waited_for_in_every_step(more: dict[str, Any], seen: bool) -> None:
    probe = find_room("SYN001").probe
    assert probe is not None

    found = list(probe(signals(TRAINING, {**READ, "s": 24.0, "steps": 900, "of_steps": 900, **more})))

    assert [(item.line, item.value, item.threshold, item.cost_s) for item in found] == [(8, 1.0, 0.5, 24.0)] * seen
    for item in found:
        assert "24 % of the training: at most that could be saved" in item.message


def test_on_a_cpu_the_count_is_there_for_whoever_suspects_it_and_for_nobody_else() -> None:
    room = find_room("SYN001")
    assert room.probe is not None
    assert room.corroborate is not None
    on_cpu = signals(TRAINING, {**READ, "device": "cpu", "s": 0.0004, "steps": 900, "of_steps": 900})

    assert list(room.probe(on_cpu)) == []
    (item,) = room.corroborate(on_cpu)
    assert item.cost_s == 0.0004
    assert "all these calls took 0.4 ms" in item.message
    assert list(room.corroborate(signals({**READ, "s": 24.0, "steps": 900, "of_steps": 900}))) == []


def test_what_updates_of_few_rows_cost_so_far_is_that_of_all_steps_not_of_those_that_were_timed() -> None:
    probe = find_room("BAT001").probe
    assert probe is not None
    loop = {"k": "steps", "key": 0, "file": "/t.py", "line": 5, "framework": "torch", "what": "optimizer"}
    timed = {"steps": 1000, "step_s": 0.002, "rows": 4000, "rows_steps": 1000, "updates": 128, "update_s": 0.0512}

    (item,) = probe(signals({**loop, **timed}))

    assert item.value == pytest.approx(0.2)  # 0.4 ms of 2 ms
    assert item.cost_s == pytest.approx(0.4)  # 1000 x 0.4 ms


@pytest.mark.parametrize(("more", "seen"), [
    ({"again": 4, "again_s": 6.0}, True),
    ({"again": 4, "again_s": 4.0}, False),  # 5 % of the training, and it has ended
    ({"again": 7, "again_s": 4.0, "gave_up": True}, True),
    ({"again": 3, "again_s": 50.0, "gave_up": True}, False),  # for other models
])  # fmt: skip
def test_what_torch_compile_compiles_again(more: dict[str, Any], seen: bool) -> None:
    probe = find_room("MOD001").probe
    assert probe is not None
    fact = {
        "k": "recompiled",
        "key": "c",
        "file": "/t.py",
        "line": 3,
        "name": "forward",
        "compiled": 8,
        "reason": "n == 6",
    }

    found = list(probe(signals(TRAINING, {**fact, **more})))

    assert [(item.line, item.value, item.cost_s) for item in found] == [(3, more["again"], more["again_s"])] * seen
    for item in found:
        assert "no longer `n == 6`" in item.message
        assert ("gave up" in item.message) is bool(more.get("gave_up"))


def test_single_rows_are_set_beside_a_call_with_many() -> None:
    probe = find_room("BAT001").probe
    assert probe is not None
    one = {"k": "predict", "key": "a", "file": "/t.py", "line": 5, "calls": 100, "rows": 100, "s": 6.0}
    many = {"k": "predict", "key": "b", "file": "/t.py", "line": 9, "calls": 2, "rows": 1000, "s": 0.5}

    (item,) = probe(signals(one, many))
    (alone,) = probe(signals(one))

    assert (item.line, item.cost_s) == (5, 6.0)
    assert "60 ms a call" in item.message
    assert "in line 9 took 500 rows at once, 0.5 ms for each" in item.message
    assert "at once" not in alone.message


# Five epochs of 20 batches: 0.2 s until the iterator is there, 0.41 s for the first batch and 0.01 s for every other.
LOADER = {
    "k": "loader",
    "key": "l",
    "file": "/t.py",
    "line": 4,
    "workers": 2,
    "readings": 5,
    "started": 5,
    "loaders": 1,
    "batches": 100,
    "start_s": 1.0,
    "first_wait_s": 5 * 0.41,
    "wait_s": 5 * 0.41 + 95 * 0.01,
}


def test_workers_that_are_started_for_every_epoch() -> None:
    (item,) = also_seen(signals({**TRAINING, "s": 50.0}, LOADER))

    # 5 x 0.2 s + 5 x (0.41 - 0.01) s, but for the one time that is needed
    assert item.evidence.cost_s == pytest.approx(3.0 * 4 / 5)
    assert (item.name, item.severity) == ("loader-workers-started-again", Severity.INFO)
    assert (item.evidence.value, item.evidence.line) == (5, 4)
    assert "without persistent_workers" in item.evidence.message
    (dear,) = also_seen(signals({**TRAINING, "s": 20.0}, {**LOADER, "loaders": 5}))
    assert dear.severity is Severity.WARNING
    assert "a new loader each time" in dear.evidence.message


@pytest.mark.parametrize("more", [
    {"started": 1},  # persistent workers
    {"workers": 0, "started": 0},
    {"started": 2},
    {"start_s": 0.1, "first_wait_s": 0.05, "wait_s": 1.0},  # quick beside 50 s of training
])  # fmt: skip
def test_workers_that_cost_nothing_worth_saying(more: dict[str, Any]) -> None:
    assert also_seen(signals({**TRAINING, "s": 50.0}, {**LOADER, **more})) == ()


def test_debugging_settings_count_the_steps_that_they_slowed_down() -> None:
    fact = {"k": "debugging", "name": "CUDA_LAUNCH_BLOCKING", "text": "every kernel is waited for", "steps": 40}
    logs = {**fact, "name": "TORCH_LOGS", "key": "b"}

    blocking, writing = also_seen(signals({**fact, "key": "a"}, logs))

    assert (blocking.severity, blocking.evidence.value) == (Severity.WARNING, 40)
    assert writing.severity is Severity.INFO
    assert also_seen(signals({**fact, "key": "a", "steps": 0})) == ()


CLEANING = {"k": "cleaning", "key": "c", "name": "gc.collect()", "file": "/t.py", "line": 6, "calls": 100, "s": 8.0}


@pytest.mark.parametrize(("more", "severity"), [
    ({"steps": 100, "of_steps": 100}, Severity.WARNING),
    ({"steps": 50, "of_steps": 100, "s": 4.0}, Severity.INFO),
    ({"steps": 49, "of_steps": 100}, None),  # now and then
    ({"steps": 100, "of_steps": 100, "s": 1.0}, None),  # 1 % of the training
    ({"steps": 19, "of_steps": 19}, None),  # too few to say
])  # fmt: skip
def test_cleaning_up_in_every_step(more: dict[str, Any], severity: Severity | None) -> None:
    found = also_seen(signals(TRAINING, {**CLEANING, **more}))

    assert [item.severity for item in found] == ([] if severity is None else [severity])
    assert [item.evidence.line for item in found] == [6] * len(found)
