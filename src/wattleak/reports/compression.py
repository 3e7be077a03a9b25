"""The tables of `study compression`: what each variant costs, weighs and gets right; as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.analysis.serving import PERCENTILES, latency_figure
from wattleak.documents import range_document
from wattleak.model import QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.means import NOT_MEASURED, mean_in_unit
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.compression_costs import CompressionCost, Cost
    from wattleak.analysis.paired_share import PairedShare
    from wattleak.model import Comparison, PairComparison
    from wattleak.reports.markup import Html
    from wattleak.reports.style import Style

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Head and rows; all columns but the first hold numbers."""

_AS_LARGE = 0.02  # files within 2 % are "as large": names and headers differ by less
_DEAR = 2.0  # times the cost of float32, from which it is said why


def render_compression(
    costs: Sequence[CompressionCost], comparison: Comparison, left_out: Sequence[tuple[str, str]], *, style: Style
) -> str:
    """The tables, what follows from them, and how to read them. Ends without a line end."""
    lines: list[str] = []
    for head, rows in (cost_table(costs), latency_table(costs), model_table(costs)):
        lines += [*columns(rows, style, head=head, right=range(1, len(head))), ""]
    for sentence in findings(costs, comparison):
        lines += wrapped(sentence, style)
    for name, why in left_out:
        lines += wrapped(f"left out: {name}: {why}", style, role="warning")
    for sentence in explained(costs):
        lines += wrapped(sentence, style, role="faint")
    return "\n".join(lines)


def compression_section(costs: Sequence[CompressionCost], comparison: Comparison) -> Html:
    """For the page of the experiment, before its verdicts."""
    from wattleak.reports.html import section  # noqa: PLC0415 - all of the page, which text does without
    from wattleak.reports.markup import table, tag  # noqa: PLC0415 - as above

    return section(
        "compression",
        "What each way to compress costs, and what it loses",
        *(
            table(head, rows, numbers=range(1, len(head)), label=label)
            for (head, rows), label in (
                (cost_table(costs), "cost"),
                (latency_table(costs), "latency"),
                (model_table(costs), "size and accuracy"),
            )
        ),
        *(tag("p", sentence, class_="warning") for sentence in findings(costs, comparison)),
        *(tag("p", sentence) for sentence in explained(costs)),
    )


def cost_table(costs: Sequence[CompressionCost]) -> Table:
    """What 1,000 inferences cost."""
    head = ("variant", "CPU/1,000", "energy/1,000", "alone: CPU/1,000", "alone: energy/1,000")
    return head, [_cost_row(cost) for cost in costs]


def latency_table(costs: Sequence[CompressionCost]) -> Table:
    """How long a request of one image takes."""
    head = ("variant", *(f"alone: p{percent}" for percent in PERCENTILES))
    return head, [
        (cost.name, *(mean_in_unit(cost.latency_s.get(percent), "s") for percent in PERCENTILES)) for cost in costs
    ]


def model_table(costs: Sequence[CompressionCost]) -> Table:
    """What the model weighs and gets right, and what compressing it took."""
    head = ("variant", "size", "numbers", "not zero", "accuracy", "points [95 %]", "images", "convert", "pays back")
    return head, [_model_row(cost) for cost in costs]


def findings(costs: Sequence[CompressionCost], comparison: Comparison) -> tuple[str, ...]:
    """What these measurements say that a name like "pruned" or "float16" hides."""
    if not costs:
        return ()
    base, pairs = costs[0], {pair.candidate: pair for pair in comparison.pairs}
    return tuple(
        sentence
        for cost in costs[1:]
        if cost.name in pairs
        for sentence in (*_of_zeros(base, cost, pairs[cost.name]), *_of_few_bits(cost, pairs[cost.name]))
    )


def compression_document(costs: Sequence[CompressionCost]) -> list[dict[str, Any]]:
    """The key `compressed` of a part: a row for each, in SI units."""
    return [
        {
            "name": cost.name,
            "runs": cost.runs,
            "size_b": cost.size_b,
            "parameters": cost.parameters,
            "nonzero": cost.nonzero,
            "accuracy": cost.accuracy,
            "accuracy_on_the_same_images": _change_document(cost.change),
            "batched_per_1000": _cost_document(cost.batched),
            "single_per_1000": _cost_document(cost.single),
            **{latency_figure(percent): asdict(found) for percent, found in cost.latency_s.items()},
            "convert_s": cost.convert_s,
            "convert_cpu_s": cost.convert_cpu_s,
            "convert_energy_j": range_document(cost.convert_energy_j),
            "pays_back_after_inferences": cost.pays_back,
            "native_arithmetic": cost.native,
        }
        for cost in costs
    ]


# -- what follows ----------------------------------------------------------------------------------------------------


def _of_zeros(base: CompressionCost, cost: CompressionCost, pair: PairComparison) -> Iterator[str]:
    """Zeros in a dense array."""
    zeros = 1 - cost.nonzero / cost.parameters
    if cost.parameters != base.parameters or zeros < 0.1:
        return
    ratio = cost.size_b / base.size_b
    if abs(ratio - 1) > _AS_LARGE:
        return
    verdict = {
        Verdict.EQUAL: "an inference costs the same",
        Verdict.SAVING: "and yet an inference costs less",
        Verdict.TRADE_OFF: "and yet an inference costs less",
        Verdict.COSTS_MORE: "an inference even costs more",
    }.get(pair.verdict, "no change of the cost of an inference is shown")
    yield (
        f"{cost.name}: {_percent(zeros)} of its numbers are zero, the file is as large as before "
        f"({units.memory(cost.size_b)}), and {verdict}{_changed(pair)}: zeros are stored and multiplied like any number"
    )


def _of_few_bits(cost: CompressionCost, pair: PairComparison) -> Iterator[str]:
    """Arithmetic that this CPU imitates."""
    change = pair.metrics.get(pair.primary_metric)
    if cost.native is not False or change is None or change.change is None or pair.verdict is not Verdict.COSTS_MORE:
        return
    if 1 + change.change >= _DEAR:
        yield (
            f"{cost.name}: {units.number(1 + change.change)} times the {words.noun(pair.primary_metric)} of "
            f"{pair.reference}, for this CPU has no instructions for such numbers and the library imitates them; the "
            "file is smaller all the same"
        )


def _changed(pair: PairComparison) -> str:
    metric = pair.metrics.get(pair.primary_metric)
    if metric is None or metric.change is None:
        return ""
    return f" ({' '.join(units.change_with_interval(metric.change, metric.low, metric.high)).strip()})"


def explained(costs: Sequence[CompressionCost]) -> Iterator[str]:
    """How to read the tables."""
    yield (
        "of 1,000 images, in batches and alone (one image a request): CPU of the answering process, energy of the "
        "process tree; start-up, conversion and warm-up are apart. CPU and latency: mean over runs with its 95 % "
        "range. p50, p95, p99: latency alone"
    )
    origins = sorted({one.batched.energy_j.origin.value for one in costs if one.batched and one.batched.energy_j})
    if origins:
        yield f"energy: median over runs, its range that of the reading; origin: {', '.join(origins)}"
    yield (
        "points: accuracy against the float weights as trained, on the same images; their range is about other images, "
        "for these weights (Bonett and Price 2012). images: what that says; quality below: what the runs say"
    )
    yield "convert: wall time of compressing; pays back: inferences in batches after which it has saved what it took"
    lacking = [f"p{percent}" for percent in PERCENTILES if any(percent not in one.latency_s for one in costs)]
    if lacking:
        yield f"no {', '.join(lacking)} where a run has too few requests (p50 takes 2, p95 20, p99 100)"


# -- rows and cells --------------------------------------------------------------------------------------------------


def _cost_row(cost: CompressionCost) -> tuple[str, ...]:
    return (
        cost.name,
        NOT_MEASURED if cost.batched is None else mean_in_unit(cost.batched.cpu_s, "s"),
        _energy(cost.batched),
        NOT_MEASURED if cost.single is None else mean_in_unit(cost.single.cpu_s, "s"),
        _energy(cost.single),
    )


def _model_row(cost: CompressionCost) -> tuple[str, ...]:
    return (
        cost.name,
        units.memory(cost.size_b),
        f"{cost.parameters:,}",
        f"{_percent(cost.nonzero / cost.parameters)}",
        f"{cost.accuracy:.4f}",
        *_points(cost.change),
        NOT_MEASURED if cost.convert_s is None else units.duration(cost.convert_s),
        _pays_back(cost.pays_back),
    )


def _points(change: PairedShare | None) -> tuple[str, str]:
    if change is None:
        return NOT_MEASURED, NOT_MEASURED
    if change.state is QualityState.IDENTICAL:
        return "0", "identical"
    shown = units.difference(100 * change.difference, 100 * change.low, 100 * change.high)
    return " ".join(shown), change.state.value


def _energy(cost: Cost | None) -> str:
    if cost is None or cost.energy_j is None:
        return NOT_MEASURED
    return " ".join(units.with_range(cost.energy_j, "J"))


def _pays_back(inferences: float | None) -> str:
    if inferences is None:
        return NOT_MEASURED
    return f"{float(f'{inferences:.2g}'):,.0f}" if inferences >= 1 else "at once"


def _percent(fraction: float) -> str:
    return f"{units.number(100 * fraction)} %"


def _change_document(change: PairedShare | None) -> dict[str, Any] | None:
    return None if change is None else {**asdict(change), "state": change.state.value}


def _cost_document(cost: Cost | None) -> dict[str, Any] | None:
    if cost is None:
        return None
    return {
        "cpu_s": asdict(cost.cpu_s),
        "duration_s": asdict(cost.duration_s),
        "energy_j": range_document(cost.energy_j),
    }
