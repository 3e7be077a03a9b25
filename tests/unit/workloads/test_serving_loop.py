"""Schedules and the loop that answers them, on a clock that is set by hand: what a queue does is known exactly."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nextafter
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from wattleak.errors import UsageError
from wattleak.workloads.arrivals import schedule
from wattleak.workloads.served import own_service
from wattleak.workloads.serving import Clock, Service, back_to_back, on_schedule, warm_up

if TYPE_CHECKING:
    from pathlib import Path


class Hands:
    """A clock whose hands move when somebody works or waits; CPU time moves with work alone."""

    def __init__(self, first_s: float, each_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.cpu_s = 5.0
        self.cost = lambda size: first_s + each_s * size
        self.sizes: list[int] = []

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now_s, cpu=lambda: self.cpu_s, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s = max(self.now_s + seconds, nextafter(self.now_s, inf))  # time never stands still

    def predict(self, batch: list[int]) -> None:
        self.sizes.append(len(batch))
        self.now_s += self.cost(len(batch))
        self.cpu_s += self.cost(len(batch))

    def service(self) -> Service:
        return Service(self.predict, lambda size: [0] * size)


def test_latency_runs_from_the_scheduled_moment_so_a_queue_cannot_hide() -> None:
    """Ten requests a tenth of a second apart, a second of work each: the n-th waits for all before it."""
    hands = Hands(1.0)

    found = on_schedule(hands.service(), 1, [place / 10 for place in range(10)], 10.0, clock=hands.clock())

    assert found.latencies_s == pytest.approx([place + 1 - place / 10 for place in range(10)])
    assert found.most_waiting == 9  # when the second begins at 1 s, all but the first have come
    assert found.working_s == pytest.approx(10.0)
    assert found.waiting_s == 0.0


def test_requests_that_wait_are_answered_together_up_to_the_batch() -> None:
    hands = Hands(1.0)

    found = on_schedule(hands.service(), 4, [place / 10 for place in range(10)], 10.0, clock=hands.clock())

    assert hands.sizes == [1, 4, 4, 1]
    # Answered at 1, 2, 3 and 4 s.
    ended = [1.0, *[2.0] * 4, *[3.0] * 4, 4.0]
    assert found.latencies_s == pytest.approx([end - place / 10 for place, end in enumerate(ended)])
    assert found.batches == 4
    assert found.requests == 10


def test_waiting_for_the_next_request_is_apart() -> None:
    hands = Hands(0.1)

    found = on_schedule(hands.service(), 1, [0.0, 1.0, 2.0, 3.0], 4.0, clock=hands.clock())

    assert found.latencies_s == pytest.approx([0.1] * 4)
    assert found.waiting_s == pytest.approx(2.7)
    assert found.working_s == pytest.approx(0.4)
    assert found.working_cpu_s == pytest.approx(0.4)
    assert found.waiting_cpu_s == 0.0
    assert found.duration_s == pytest.approx(3.1)


def test_patience_ends_and_what_is_left_is_counted() -> None:
    hands = Hands(1.0)

    found = on_schedule(hands.service(), 1, [place / 100 for place in range(100)], 1.0, clock=hands.clock())

    assert found.requests == 3  # after 2 s, twice the schedule, the third is still being answered
    assert found.unanswered == 97


def test_a_queue_of_poisson_arrivals_waits_as_long_as_pollaczek_and_khinchine_say() -> None:
    """M/D/1 at load 0.5: the mean time in the queue is load / (2 (1 - load)) of the service time."""
    hands, rate = Hands(1.0), 0.5

    found = on_schedule(hands.service(), 1, schedule("poisson", rate, 40_000, 7), 80_000.0, clock=hands.clock())

    waited = [latency - 1.0 for latency in found.latencies_s]
    assert sum(waited) / len(waited) == pytest.approx(0.5, rel=0.05)
    assert found.waiting_s / found.duration_s == pytest.approx(0.5, abs=0.01)


def test_back_to_back_ends_with_the_batch_that_fills_the_time() -> None:
    hands = Hands(0.1, 0.05)
    told: list[int] = []

    found = back_to_back(hands.service(), 8, 1.2, answered=told.append, clock=hands.clock())

    assert told == [8, 8, 8]
    assert found.requests == 24
    assert found.latencies_s == pytest.approx([0.5] * 3)  # of batches: their requests wait together
    assert found.duration_s == pytest.approx(1.5)


def test_warming_up_takes_every_size_three_times_at_least() -> None:
    hands = Hands(1.0)

    found = warm_up(hands.service(), (1, 8), 0.0, hands.clock())

    assert hands.sizes == [1, 1, 1, 8, 8, 8]
    assert (found.first_s, found.batches, found.duration_s) == (1.0, 6, 6.0)


def test_schedules() -> None:
    assert schedule("even", 4.0, 5, 0) == (0.0, 0.25, 0.5, 0.75, 1.0)
    drawn = schedule("poisson", 50.0, 2000, 3)
    assert drawn == schedule("poisson", 50.0, 2000, 3)
    assert drawn != schedule("poisson", 50.0, 2000, 4)
    assert list(drawn) == sorted(drawn)
    gaps = [after - before for before, after in pairwise(drawn)]
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    with pytest.raises(ValueError, match="no schedule"):
        schedule("bursty", 1.0, 1, 0)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (None, "load", "there is no Python file"),
        ("x = 1", "load", "has no function 'load'"),
        ("def load(): return 1", "load", "not two functions"),
    ],
)
def test_a_model_of_your_own_that_is_none_is_one_clear_error(
    tmp_path: Path, text: str | None, name: str, message: str
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)

    with pytest.raises(UsageError, match=message):
        own_service(f"{path}:{name}")


def test_a_model_of_your_own(tmp_path: Path) -> None:
    path = tmp_path / "mine_too.py"
    path.write_text("def load():\n    return sum, lambda size: [2] * size\n")
    service = own_service(f"{path}:load")

    made: Any = service.make_batch(3)
    assert service.predict(made) == 6
