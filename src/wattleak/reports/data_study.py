"""`study data`, part by part: what delivering samples cost, what was read from where, and what each level changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wattleak.documents import range_document
from wattleak.reports import units
from wattleak.reports.columns import columns
from wattleak.reports.means import NOT_MEASURED
from wattleak.reports.parts import part_document, parts_document, render_part
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wattleak.analysis.data_costs import DataCost, LevelEffect, Passing
    from wattleak.model import Comparison, Estimate, Experiment
    from wattleak.reports.style import Style

_COLD = 0.95  # of the files' bytes must have come from storage in an epoch that was to be cold
_Cells = tuple[tuple[str, "Callable[[DataCost], str]"], ...]


def _bytes(amount: float | None) -> str:
    return NOT_MEASURED if amount is None else units.memory(amount)


def _joules(estimate: Estimate | None) -> str:
    return NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "J"))


def _right(cost: DataCost) -> str:
    return "all" if not cost.wrong_samples else f"{cost.wrong_samples:.0f} wrong"


def label(name: str, levels: Mapping[str, str]) -> str:
    """A variant as a row is called: its levels, without the names of their factors where there are several."""
    if len(levels) == 1:
        return " ".join(next(iter(levels.items())))
    return ", ".join(levels.values()) if levels else name


_COSTS: _Cells = (
    ("", lambda cost: label(cost.name, cost.levels)),
    ("samples/s", lambda cost: units.number(cost.later.samples_per_s)),
    ("CPU/1000", lambda cost: units.duration(cost.later.cpu_per_1000_s)),
    ("energy/1000", lambda cost: _joules(cost.later.energy_per_1000_j)),
    ("first epoch", lambda cost: f"x {units.number(cost.first_over_later)}"),
    ("its CPU/1000", lambda cost: units.duration(cost.first.cpu_per_1000_s)),
    ("peak memory", lambda cost: _bytes(cost.peak_memory_b)),
    ("samples", _right),
)
_IO: _Cells = (
    ("", lambda cost: label(cost.name, cost.levels)),
    ("files", lambda cost: _bytes(cost.size_b)),
    ("on disk", lambda cost: _bytes(cost.on_disk_b)),
    ("first epoch", lambda cost: _bytes(cost.first.storage_b)),
    ("a later one", lambda cost: _bytes(cost.later.storage_b)),
    ("whole run", lambda cost: _bytes(cost.read_b)),
    ("read calls", lambda cost: _bytes(cost.later.called_b)),
)


def table(costs: Sequence[DataCost], cells: _Cells) -> list[tuple[str, ...]]:
    """Head and rows as text."""
    return [tuple(name for name, _ in cells), *(tuple(write(cost) for _, write in cells) for cost in costs)]


def cost_table(costs: Sequence[DataCost]) -> list[tuple[str, ...]]:
    return table(costs, _COSTS)


def io_table(costs: Sequence[DataCost]) -> list[tuple[str, ...]]:
    return table(costs, _IO)


def notes(costs: Sequence[DataCost]) -> tuple[str, ...]:
    """What must be known to read the tables."""
    origins = sorted({energy.origin.value for one in costs if (energy := one.later.energy_per_1000_j) is not None})
    costs_of = (
        "costs: of 1,000 samples in the epochs after the first, medians over the runs that count; first epoch: how "
        "many times as long it takes, its files not being in memory"
    )
    lines = [costs_of]
    if origins:
        lines.append(
            f"energy: of the process tree, origin {', '.join(origins)}, with its 95 % range; no meter here sees "
            "storage, whose energy is in no figure"
        )
        if any(one.later.energy_per_1000_j is None for one in costs):
            lines.append("no energy: a run used too little CPU time (less than 0.1 s) to be billed for any")
    lines.append(
        "I/O, apart from energy: bytes that had to come from storage in the first epoch, in a later one and in the "
        "whole run (by the recorder: imports and the check of the samples too); read calls: bytes handed over in a "
        "later epoch, from memory as well, but not through a memory map"
    )
    dropping = max((one.dropping_share for one in costs), default=0.0)
    if dropping:
        lines.append(
            "dropping the pages before a cold epoch is left out of all figures but energy and the verdict: there it is "
            f"{100 * dropping:.0f} % of the CPU time at most"
        )
    return (*lines, *_doubts(costs))


def _doubts(costs: Sequence[DataCost]) -> list[str]:
    """Where what was to be cold was not, or what was to be the same was not."""
    found = []
    for one in costs:
        name = label(one.name, one.levels)
        if one.least_storage_share is None and one.resident_share is None:
            found.append(f"{name}: this system does not say whether the files had left the page cache")
        elif one.resident_share:
            found.append(f"{name}: not cold, {100 * one.resident_share:.0f} % of its pages stayed in memory")
        elif one.least_storage_share is not None and one.least_storage_share < _COLD:
            found.append(
                f"{name}: of an epoch that was to be cold, only {100 * one.least_storage_share:.0f} % of the bytes "
                "came from storage"
            )
        if one.wrong_samples:
            found.append(
                f"{name}: {one.wrong_samples:.0f} of {one.samples:.0f} samples are not what was stored: "
                "what it saves is no saving"
            )
    return found


def render_data_part(
    title: str,
    experiment: Experiment,
    comparison: Comparison,
    costs: Sequence[DataCost],
    effects: Mapping[str, Sequence[LevelEffect]],
    *,
    style: Style,
) -> str:
    """One experiment of the study. `effects` by what they are of ("CPU time"). Ends without a line end."""
    blocks = []
    for heading, rows in (("costs", cost_table(costs)), ("bytes read", io_table(costs))):
        head, *body = rows
        blocks += [
            style.paint(heading, "strong"),
            *columns(body, style, head=head, right=range(1, len(head))),
            "",
        ]
    shown = [line for note in notes(costs) for line in wrapped(note, style, role="faint")]
    return render_part(
        title, experiment, comparison, "\n".join([*blocks, *shown]), _effect_lines(effects, style), style=style
    )


def effect_tables(effects: Mapping[str, Sequence[LevelEffect]]) -> list[list[tuple[str, ...]]]:
    """A table for each factor, head first: one row for each move, one column for each figure."""
    figures = list(effects)
    moves = effects[figures[0]] if figures else ()
    tables = []
    for factor in dict.fromkeys(one.factor for one in moves):
        places = [place for place, one in enumerate(moves) if one.factor == factor]
        others = ", ".join(moves[places[0]].others)
        share = f"[{100 * moves[places[0]].confidence:.1f} %]"
        head = (factor, f"at {others}" if others else "", *(f"{figure} {share}" for figure in figures))
        rows = [
            (
                f"{moves[place].base} → {moves[place].level}",
                ", ".join(moves[place].others.values()),
                *(_change(effects[figure][place]) for figure in figures),
            )
            for place in places
        ]
        tables.append([head, *rows])
    return tables


def _effect_lines(effects: Mapping[str, Sequence[LevelEffect]], style: Style) -> list[str]:
    tables = effect_tables(effects)
    if not tables:
        return []
    lines = [style.paint("what a level changes, per sample, dropping of pages left out", "strong")]
    for head, *rows in tables:
        lines += columns(rows, style, head=head)
    return [*lines, style.paint("  the intervals of one column hold together at 95 %", "faint")]


def _change(effect: LevelEffect) -> str:
    if effect.change is None:
        return NOT_MEASURED
    return " ".join(units.change_with_interval(effect.change, effect.low, effect.high)).strip()


# -- JSON ------------------------------------------------------------------------------------------------------------


def data_part_document(
    name: str,
    experiment: Experiment,
    comparison: Comparison,
    costs: Sequence[DataCost],
    effects: Mapping[str, Sequence[LevelEffect]],
) -> dict[str, Any]:
    """One experiment with every run, the row of each variant in SI units, and what each level changes."""
    return part_document(
        name,
        experiment,
        comparison,
        costs=[_cost_document(one) for one in costs],
        effects={figure: [_effect_document(one) for one in found] for figure, found in effects.items()},
    )


def study_document(
    identity: str, parts: Sequence[dict[str, Any]], data: str, samples: str, left_out: Sequence[str]
) -> dict[str, Any]:
    """What `study data --json` prints."""
    return parts_document("data", identity, parts, data=data, samples=samples, left_out=list(left_out))


def _cost_document(cost: DataCost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "levels": dict(cost.levels),
        "runs": cost.runs,
        "samples": cost.samples,
        "files_b": cost.size_b,
        "on_disk_b": cost.on_disk_b,
        "first_epoch": _passing_document(cost.first),
        "later_epochs": _passing_document(cost.later),
        "first_over_later": cost.first_over_later,
        "wrong_samples": cost.wrong_samples,
        "dropping_share": cost.dropping_share,
        "resident_share": cost.resident_share,
        "least_storage_share": cost.least_storage_share,
        "read_b": cost.read_b,
        "peak_memory_b": cost.peak_memory_b,
    }


def _passing_document(passing: Passing) -> dict[str, Any]:
    return {
        "samples_per_s": passing.samples_per_s,
        "cpu_per_1000_s": passing.cpu_per_1000_s,
        "energy_per_1000_j": range_document(passing.energy_per_1000_j),
        "storage_b": passing.storage_b,
        "called_b": passing.called_b,
    }


def _effect_document(effect: LevelEffect) -> dict[str, Any]:
    return {**asdict(effect), "others": dict(effect.others)}
