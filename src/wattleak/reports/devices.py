"""The table of `study devices`: measured here, measured elsewhere, and stated; as text, HTML and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.analysis.device_costs import DeviceCost
from wattleak.documents import range_document
from wattleak.model import Estimate, Origin
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.markup import join, safe, table, tag
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Comparison
    from wattleak.reports.markup import Html
    from wattleak.reports.style import Style

_NOT_KNOWN = "-"
_PER = 1000  # samples, of the emissions
_HEAD = ("device", "samples/s", "energy/sample", "CO2e/1,000 samples", "accuracy", "AUC", "CPU use", "device use", "")
_EXPLAINED = (
    "medians over the runs that count; per sample: training alone, start-up and evaluation apart",
    "energy: of the process tree, with its 95 % range and origin; use: weighted by time, of all CPUs of the machine",
)


def device_rows(costs: Sequence[DeviceCost], comparison: Comparison) -> list[tuple[str, ...]]:
    """Head and a row for each; columns that no device has are left out."""
    verdicts = _verdicts(comparison)
    rows = [
        (*_figures(cost), verdicts.get(cost.name, "") if number is None else f"no verdict ({number})")
        for cost, number in _numbered(costs)
    ]
    kept = [place for place in range(len(_HEAD)) if any(row[place] != _NOT_KNOWN for row in rows)]
    return [tuple(row[place] for place in kept) for row in (_HEAD, *rows)]


def notes(costs: Sequence[DeviceCost]) -> list[str]:
    """What each device is, where its figures come from, and why some of them get no verdict."""
    return [
        f"{cost.name}: {cost.title}, {words.count(cost.runs or 0, 'run')} here"
        if number is None
        else f"({number}) {cost.name}: {'' if cost.title == cost.name else cost.title + ', '}{cost.source}. "
        f"No verdict: {cost.why_no_verdict}"
        for cost, number in _numbered(costs)
    ]


def render_devices(costs: Sequence[DeviceCost], comparison: Comparison, *, style: Style) -> str:
    """For the terminal. Ends without a line end."""
    head, *rows = device_rows(costs, comparison)
    lines = columns(rows, style, head=head, right=range(1, len(head) - 1))
    for line in _EXPLAINED:
        lines += wrapped(line, style, role="faint")
    lines.append("")
    for note in notes(costs):
        lines += wrapped(note, style, "    ", first="  - ")
    return "\n".join(lines)


def devices_section(costs: Sequence[DeviceCost], comparison: Comparison) -> Html:
    """The same for the page."""
    head, *rows = device_rows(costs, comparison)
    return join(
        [
            tag("p", safe("; ".join(_EXPLAINED))),
            table(head, rows, numbers=tuple(range(1, len(head) - 1))),
            tag("ul", *(tag("li", safe(note)) for note in notes(costs))),
        ],
        "\n",
    )


def devices_document(costs: Sequence[DeviceCost]) -> list[dict[str, Any]]:
    """The key `devices` of the study, in SI units. `cost_from` reads a row again."""
    return [
        {
            **asdict(cost),
            "device_use": dict(cost.device_use),
            "energy_per_sample_j": _document(cost.energy_per_sample_j, ranged=cost.ranged),
            "carbon_per_sample_g": _document(cost.carbon_per_sample_g, ranged=True),
        }
        for cost in costs
    ]


def cost_from(row: Mapping[str, Any], source: str, why_no_verdict: str) -> DeviceCost:
    """A row of `devices_document`, as it was measured on another machine. Raises KeyError, TypeError, ValueError."""
    figures = {name: _number(row[name]) for name in ("samples_per_s", "accuracy", "auc", "cpu_use", "flops_s", "runs")}
    runs = figures["runs"]
    return DeviceCost(
        name=_word(row, "name"),
        title=_word(row, "title"),
        source=source,
        runs=None if runs is None else int(runs),
        samples_per_s=figures["samples_per_s"],
        energy_per_sample_j=_estimate(row["energy_per_sample_j"]),
        carbon_per_sample_g=_estimate(row["carbon_per_sample_g"]),
        accuracy=figures["accuracy"],
        auc=figures["auc"],
        cpu_use=figures["cpu_use"],
        device_use={str(name): float(use) for name, use in row["device_use"].items()},
        flops_s=figures["flops_s"],
        job=_word(row, "job"),
        ranged=bool(row["ranged"]),
        why_no_verdict=why_no_verdict,
    )


def _figures(cost: DeviceCost) -> tuple[str, ...]:
    energy, carbon = cost.energy_per_sample_j, cost.carbon_per_sample_g
    return (
        cost.name,
        _NOT_KNOWN if cost.samples_per_s is None else units.number(cost.samples_per_s),
        _NOT_KNOWN if energy is None else f"{_with_range(energy, 'J', ranged=cost.ranged)} {energy.origin.value}",
        _NOT_KNOWN if carbon is None else _with_range(_times(carbon, _PER), "g", ranged=True),
        _NOT_KNOWN if cost.accuracy is None else f"{cost.accuracy:.3f}",
        _NOT_KNOWN if cost.auc is None else f"{cost.auc:.3f}",
        _share(cost.cpu_use),
        ", ".join(f"{name} {_share(use)}" for name, use in sorted(cost.device_use.items())) or _NOT_KNOWN,
    )


def _verdicts(comparison: Comparison) -> dict[str, str]:
    found = {pair.candidate: f"{words.headline(pair)} [{pair.grade.value}]" for pair in comparison.pairs}
    return {comparison.pairs[0].reference: "reference", **found}


def _numbered(costs: Sequence[DeviceCost]) -> list[tuple[DeviceCost, int | None]]:
    """A number for each that gets no verdict, for two of them may have one name; None for those of the experiment."""
    foreign = [cost for cost in costs if cost.why_no_verdict]
    places = {id(cost): number for number, cost in enumerate(foreign, 1)}
    return [(cost, places.get(id(cost))) for cost in costs]


def _share(fraction: float | None) -> str:
    return _NOT_KNOWN if fraction is None else f"{100 * fraction:.0f} %"


def _with_range(estimate: Estimate, unit: str, *, ranged: bool) -> str:
    return " ".join(units.with_range(estimate, unit)) if ranged else units.quantity(estimate.value, unit)


def _times(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor, estimate.origin)


def _document(estimate: Estimate | None, *, ranged: bool) -> dict[str, Any] | None:
    document = range_document(estimate)
    return document if document is None or ranged else {**document, "low": None, "high": None}


def _estimate(document: Mapping[str, Any] | None) -> Estimate | None:
    if document is None:
        return None
    value = float(document["value"])
    low, high = (value if document[end] is None else float(document[end]) for end in ("low", "high"))
    if not 0 <= low <= value <= high < float("inf"):
        raise ValueError("a range that does not hold its value")
    return Estimate(value, low, high, Origin(document["origin"]))


def _word(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _number(value: object) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return None if value is None else float(value)
    raise TypeError("no number")
