"""The table of `study models`: what each model is and what its training cost; as text, Markdown and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import range_document
from wattleak.reports import units
from wattleak.reports.columns import columns
from wattleak.reports.means import NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wattleak.analysis.model_costs import ModelCost
    from wattleak.model import Estimate
    from wattleak.reports.style import Style


def _energy(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_MEASURED
    return " ".join(units.with_range(estimate, "J"))


def _carbon(estimate: Estimate | None) -> str:
    return NOT_MEASURED if estimate is None else " ".join(units.with_range(estimate, "g"))


def _time(seconds: float | None) -> str:
    return NOT_MEASURED if seconds is None else units.duration(seconds)


def _share(fraction: float | None) -> str:
    return NOT_MEASURED if fraction is None else f"{100 * fraction:.0f} %"


def _figure(cost: ModelCost, name: str) -> str:
    return f"{cost.quality[name]:.3f}" if name in cost.quality else NOT_MEASURED


def _devices(cost: ModelCost) -> str:
    if not cost.device_mean:
        return NOT_MEASURED
    return ", ".join(
        f"{name} {_share(mean)} ({_share(cost.device_weighted[name])})" for name, mean in cost.device_mean.items()
    )


def _flops(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{units.number(value / 1e9)} G"


_COLUMNS: tuple[tuple[str, Callable[[ModelCost], str]], ...] = (
    ("model", lambda cost: cost.shape.title),
    ("accuracy", lambda cost: _figure(cost, "accuracy")),
    ("AUC", lambda cost: _figure(cost, "auc")),
    ("runtime", lambda cost: _time(cost.duration_s)),
    ("time/sample", lambda cost: _time(cost.duration_per_sample_s)),
    ("CPU/sample", lambda cost: _time(cost.cpu_per_sample_s)),
    ("energy/sample", lambda cost: _energy(cost.energy_per_sample_j)),
    ("energy/epoch", lambda cost: _energy(cost.energy_per_epoch_j)),
    ("energy", lambda cost: _energy(cost.energy_j)),
    ("CO2e", lambda cost: _carbon(cost.carbon_g)),
    ("CPU use", lambda cost: f"{_share(cost.cpu_mean)} ({_share(cost.cpu_weighted)})"),
    ("GPU use", _devices),
    ("peak memory", lambda cost: units.memory(cost.peak_memory_b)),
    ("GPU memory", lambda cost: "-" if cost.gpu_peak_memory_b is None else units.memory(cost.gpu_peak_memory_b)),
    ("parameters", lambda cost: f"{units.number(cost.shape.parameters / 1e6)} M"),
    ("FLOPs", lambda cost: _flops(cost.shape.forward_flops)),
    ("training FLOPs", lambda cost: _flops(cost.shape.training_flops)),
    ("achieved FLOP/s", lambda cost: _flops(cost.achieved_flops_s)),
)


def model_table(costs: Sequence[ModelCost]) -> list[tuple[str, ...]]:
    """Head and rows as text; columns that no model has are left out."""
    rows = [tuple(write(cost) for _, write in _COLUMNS) for cost in costs]
    kept = [place for place in range(len(_COLUMNS)) if any(_is_known(row[place]) for row in rows)]
    head = tuple(name for name, _ in _COLUMNS)
    return [tuple(row[place] for place in kept) for row in (head, *rows)]


def explained(costs: Sequence[ModelCost]) -> tuple[str, ...]:
    """What must be known to read the table."""
    origins = sorted({one.energy_per_sample_j.origin.value for one in costs if one.energy_per_sample_j is not None})
    short = all(one.duration_s is None for one in costs)
    lines = ["medians over the runs that count; per sample: training alone, start-up and evaluation apart"]
    if origins:
        lines.append(f"energy, with its 95 % range, is of the process tree; origin: {', '.join(origins)}")
    lines.append("use: mean of the readings, in brackets weighted by time; of all CPUs of the machine")
    lines.append("FLOPs: of one image, a multiplication and an addition being two; achieved: training FLOPs per second")
    if short:
        lines.append("quality: not measured, each run was ended after some steps; a cheaper step may need more of them")
    return tuple(lines)


def render_models(costs: Sequence[ModelCost], *, style: Style) -> str:
    """One column for each model: there are more figures than models. Ends without a line end."""
    turned = list(zip(*model_table(costs), strict=True))
    head, *lines = columns(turned, style, right=range(1, len(turned[0])))
    return "\n".join(
        [style.paint(head, "strong"), *lines, "", *(style.paint(f"  {line}", "faint") for line in explained(costs))]
    )


def models_document(costs: Sequence[ModelCost]) -> list[dict[str, Any]]:
    """The key `models` of a study: a row for each, in SI units."""
    return [
        {
            "name": cost.name,
            "title": cost.shape.title,
            "runs": cost.runs,
            "parameters": cost.shape.parameters,
            "forward_flops": cost.shape.forward_flops,
            "training_flops": cost.shape.training_flops,
            "achieved_flops_s": cost.achieved_flops_s,
            "quality": dict(cost.quality),
            "duration_s": cost.duration_s,
            "duration_per_sample_s": cost.duration_per_sample_s,
            "cpu_per_sample_s": cost.cpu_per_sample_s,
            "energy_j": range_document(cost.energy_j),
            "energy_per_epoch_j": range_document(cost.energy_per_epoch_j),
            "energy_per_sample_j": range_document(cost.energy_per_sample_j),
            "carbon_g": range_document(cost.carbon_g),
            "cpu_utilisation": {"mean": cost.cpu_mean, "time_weighted": cost.cpu_weighted},
            "device_utilisation": {
                name: {"mean": mean, "time_weighted": cost.device_weighted[name]}
                for name, mean in cost.device_mean.items()
            },
            "peak_memory_b": cost.peak_memory_b,
            "gpu_peak_memory_b": cost.gpu_peak_memory_b,
        }
        for cost in costs
    ]


def _is_known(cell: str) -> bool:
    return cell not in {NOT_MEASURED, f"{NOT_MEASURED} ({NOT_MEASURED})"}
