"""Gaps are found from the samples: silences of everything or of one channel, none where reading is seldom."""

from __future__ import annotations

from wattleak.model import Channel, Origin, Part, Quantity, Sample
from wattleak.recorder.gaps import find_gaps

GPU = Channel("gpu0", "test", Part.GPU, Origin.SAMPLED, Quantity.POWER_W, 0.1, 0.9, 1.1)
PLUG = Channel("plug", "test", Part.MACHINE, Origin.SAMPLED, Quantity.POWER_W, 30.0, 0.9, 1.1)
ADAPTIVE = {"interval_s": 1.0, "slowest_s": 10.0}


def sample(time_s: float, *channels: str, asleep_s: float = 0.0) -> Sample:
    return Sample(time_s, dict.fromkeys(channels, 1.0), 0.0, None, 0, 0, 0, 1, asleep_s=asleep_s)


def test_a_week_that_is_read_every_ten_seconds_has_no_gap() -> None:
    samples = [sample(time_s, "gpu0") for time_s in range(200_000, 260_000, 10)]
    early = [sample(float(time_s), "gpu0") for time_s in range(100)]

    assert find_gaps([GPU], [sample(0.0, "gpu0"), *early[1:]], ADAPTIVE) == ()
    gaps = find_gaps([GPU], [*early, *samples], ADAPTIVE)
    assert [(gap.start_s, gap.end_s) for gap in gaps] == [(99.0, 200_000.0)]


def test_a_slow_source_is_not_missing_between_its_moves() -> None:
    samples = [sample(float(second), *(["plug"] if second % 30 == 0 else [])) for second in range(301)]

    assert find_gaps([PLUG], samples, ADAPTIVE) == ()


def test_a_channel_that_never_comes_back_is_missing_to_the_end() -> None:
    samples = [sample(float(second), *(["gpu0"] if second < 10 else [])) for second in range(61)]
    (gap,) = find_gaps([GPU], samples, ADAPTIVE)

    assert (gap.start_s, gap.end_s, gap.channel) == (9.0, 60.0, "gpu0")


def test_sleep_is_a_gap_though_our_clock_stood_still() -> None:
    samples = [sample(0.0, "gpu0"), sample(1.0, "gpu0"), sample(2.0, "gpu0", asleep_s=600.0)]
    (gap,) = find_gaps([GPU], samples, ADAPTIVE)

    assert (gap.start_s, gap.end_s) == (1.0, 2.0)
    assert "600 s" in gap.why
