"""When requests come: schedules that are fixed before the first of them, so that a slow answer delays none."""

from __future__ import annotations

from random import Random

EVEN, POISSON = "even", "poisson"
ARRIVALS = (POISSON, EVEN)


def schedule(kind: str, rate_per_s: float, count: int, seed: int) -> tuple[float, ...]:
    """Arrival times in seconds from the start, rising, of so many requests within count / rate_per_s seconds.

    `even`: one every 1 / rate seconds. `poisson`: independent users. Given how many arrive in a stretch, the arrivals
    of a Poisson process lie in it like sorted uniform draws (Ross, Introduction to Probability Models, 10th ed. 2010,
    theorem 5.2), so every run answers the same number of requests in the same time, at the stated rate exactly.

    Raises:
        ValueError: another kind, or a rate or count that is not above zero.
    """
    if kind not in ARRIVALS or rate_per_s <= 0 or count < 1:
        msg = f"no schedule: {kind!r}, {rate_per_s:g} a second, {count} requests"
        raise ValueError(msg)
    length_s = count / rate_per_s
    if kind == EVEN:
        return tuple(place / rate_per_s for place in range(count))
    draw = Random(seed)  # noqa: S311 - a schedule, not a secret
    return tuple(sorted(draw.uniform(0.0, length_s) for _ in range(count)))
