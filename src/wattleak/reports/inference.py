"""What requests cost at each setting, how long they take, and when they have cost what the training did; as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.break_even import BreakEven
from wattleak.analysis.estimates import scaled
from wattleak.analysis.serving import PERCENTILES
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.means import NOT_MEASURED, mean_in_unit
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.break_even import Training
    from wattleak.analysis.plane import Mean
    from wattleak.analysis.serving_costs import ServingCost
    from wattleak.model import Estimate
    from wattleak.reports.style import Style

_THOUSAND = 1000


def render_serving(costs: Sequence[ServingCost], *, style: Style) -> str:
    """Two tables, cost and time, and what must be known to read them. Ends without a line end."""
    cost_head = ("setting", "CPU/1,000", "energy/1,000", "of it waiting", "machine at rest", "warm-up", "first answer")
    time_head = ("setting", *(f"p{percent}" for percent in PERCENTILES), "rest on", "answered", "busy", "batch")
    lines = [
        *columns(map(_cost_row, costs), style, head=cost_head, right=range(1, len(cost_head))),
        "",
        *columns(map(_time_row, costs), style, head=time_head, right=range(1, len(time_head))),
        "",
    ]
    for sentence in _warnings(costs):
        lines += wrapped(sentence, style, role="warning")
    for sentence in _explained(costs):
        lines += wrapped(sentence, style, role="faint")
    return "\n".join(lines)


def render_break_even(
    found: Sequence[tuple[ServingCost, BreakEven | str]], training: Training | None, *, style: Style
) -> list[str]:
    """Lines about the training and each setting. Empty without anything to say."""
    known = [(cost, one) for cost, one in found if isinstance(one, BreakEven)]
    lines = []
    if training is not None and known:
        lines += wrapped(f"break-even with the training ({_spent(training, known[0][1])}):", style)
    elif known and known[0][1].total is not None:
        lines += wrapped(f"{_many(known[0][1].total.requests)} requests:", style)
    lines += columns([_break_even_row(cost, one) for cost, one in known], style, indent="    ")
    for cost, one in found:
        if isinstance(one, str):
            lines += wrapped(f"{cost.setting.title}: {one}", style, role="warning")
    for note in sorted({one.note for _, one in known if one.note}):
        lines += wrapped(note, style, role="faint")
    return lines


# -- tables ----------------------------------------------------------------------------------------------------------


def _cost_row(cost: ServingCost) -> tuple[str, ...]:
    warm = cost.warm_up
    return (
        cost.setting.title,
        mean_in_unit(cost.cpu_per_request_s, "s", times=_THOUSAND),
        _energy(cost.energy_per_request_j),
        _waiting(cost),
        _energy(cost.rest_energy_per_request_j),
        NOT_MEASURED if warm is None else f"{units.duration(warm.duration_s)}, {units.duration(warm.cpu_s)} CPU",
        NOT_MEASURED if warm is None or warm.first_answer_s is None else units.duration(warm.first_answer_s),
    )


def _time_row(cost: ServingCost) -> tuple[str, ...]:
    return (
        cost.setting.title,
        *(mean_in_unit(cost.latency_s.get(percent), "s") for percent in PERCENTILES),
        f"{cost.runs} x {cost.latencies}",
        f"{units.number(cost.throughput_per_s)}/s",
        NOT_MEASURED if cost.load is None else f"{units.number(100 * cost.load, 2)} %",
        units.number(cost.mean_batch, 2),
    )


def _break_even_row(cost: ServingCost, found: BreakEven) -> tuple[str, ...]:
    cells = [cost.setting.title]
    if found.requests is not None:
        cells += [f"after {_many(found.requests.value)} requests", _ends(found.requests)]
    if found.total is not None:
        unit = "CPU-s" if found.unit == "s" else found.unit
        shown = units.interval_in_unit(*_ranged(found.total.inference), "J") if unit == "J" else None
        amount = " ".join(shown) if shown else f"{_many(found.total.inference.value)} {unit}"
        cells.append(f"{_many(found.total.requests)} requests: {amount}")
        if found.total.share is not None:
            share = found.total.share
            ends = (
                "" if share.low is None or share.high is None else f" [{_percent(share.low)}, {_percent(share.high)}]"
            )
            cells.append(f"{_percent(share.value)} %{ends} of the total")
    return tuple(cells)


# -- sentences -------------------------------------------------------------------------------------------------------


def _warnings(costs: Sequence[ServingCost]) -> Iterator[str]:
    for cost in costs:
        if not cost.saturated:
            continue
        capacity = "" if cost.capacity_per_s is None else f" it answers {units.number(cost.capacity_per_s)} a second,"
        left = f"; {words.count(cost.unanswered, 'request')} got no answer in time" if cost.unanswered else ""
        yield (
            f"SATURATED: {cost.setting.title} is more than it can do in {cost.saturated} of "
            f"{words.count(cost.runs, 'run')}:{capacity} so requests queue (up to {cost.most_waiting} waited) and "
            "latencies grow as long as the load lasts: they say how long the run was, not how fast the service "
            f"is{left}"
        )


def _explained(costs: Sequence[ServingCost]) -> Iterator[str]:
    yield (
        "per 1,000 requests, of the process tree while it served; warm-up, loading and imports are apart. CPU: mean "
        "over runs with its 95 % range"
    )
    origins = sorted({one.energy_per_request_j.origin.value for one in costs if one.energy_per_request_j is not None})
    if origins:
        yield f"energy: median over runs, its range that of the reading; origin: {', '.join(origins)}"
    rests = sorted({one.rest_energy_per_request_j.origin.value for one in costs if one.rest_energy_per_request_j})
    if rests:
        yield (
            "machine at rest: what it draws doing nothing in the same time, nobody's and not in the energy; origin: "
            f"{', '.join(rests)}"
        )
    if any(one.setting.rate_per_s is not None for one in costs):
        yield (
            "latency of a scheduled request: from the moment for which it was scheduled, so queueing counts. busy: "
            "time that the answers take over the time in which the requests come"
        )
    if any(one.setting.rate_per_s is None for one in costs):
        yield "back to back: latency of a batch; nobody waits, so it says nothing of users who come when they like"
    lacking = [f"p{percent}" for percent in PERCENTILES if any(percent not in one.latency_s for one in costs)]
    if lacking:
        yield (
            f"no {', '.join(lacking)} where a run has too few latencies (p50 takes 2, p95 20, p99 100), or left "
            "requests unanswered"
        )


def _spent(training: Training, one: BreakEven) -> str:
    if one.unit == "s":
        assert training.cpu_s is not None
        ends = "" if training.cpu_s.low == training.cpu_s.high else f" {_ends(training.cpu_s)}"
        return f"{training.what}: {_many(training.cpu_s.value)} CPU-seconds{ends}"
    assert training.energy_j is not None
    value, ends = units.with_range(training.energy_j, "J")
    exact = training.energy_j.low == training.energy_j.high
    return f"{training.what}: {value}{'' if exact else f' {ends}'}, {training.energy_j.origin.value}"


# -- cells -----------------------------------------------------------------------------------------------------------


def _energy(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_MEASURED
    return " ".join(units.with_range(scaled(estimate, _THOUSAND), "J"))


def _waiting(cost: ServingCost) -> str:
    """Of the energy where it is attributed, else of the CPU time."""
    own, waiting = cost.energy_per_request_j, cost.waiting_energy_per_request_j
    if own is not None and waiting is not None and own.value > 0:
        return f"{_percent(waiting.value / own.value)} %"
    whole = cost.cpu_per_request_s.value
    return f"{_percent(cost.waiting_cpu_per_request_s / whole)} % of CPU" if whole > 0 else NOT_MEASURED


def _percent(fraction: float) -> str:
    return units.number(100 * fraction, 2)


def _ends(mean: Mean) -> str:
    return "" if mean.low is None or mean.high is None else f"[{_many(mean.low)}, {_many(mean.high)}]"


def _ranged(mean: Mean) -> tuple[float, float, float]:
    assert mean.low is not None
    assert mean.high is not None
    return mean.value, mean.low, mean.high


def _many(value: float) -> str:
    """A large number to three digits, its thousands parted: 1,230,000."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else units.number(value)
