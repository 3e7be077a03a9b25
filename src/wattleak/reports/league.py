"""The league table of `wattleak study all`: smells and frameworks side by side, those without an effect included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import envelope, pair_document
from wattleak.experiment.league import ranked
from wattleak.reports import units, words
from wattleak.reports.columns import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.experiment.league import Entry
    from wattleak.model import MetricComparison
    from wattleak.reports.style import Style

_SHOWN = ("cpu_s", "energy_j", "gpu_energy_j", "duration_s", "peak_memory_b")
_HEAD = ("smell", "framework", "verdict")


def render_league(entries: Sequence[Entry], *, style: Style) -> str:
    """A table for the terminal. Ends without a line end."""
    head, *body = league_table(entries)
    lines = columns(body, style, head=head, indent="")
    absent = [
        f"{entry.smell} ({entry.framework}): {entry.absent_because}" for entry in entries if entry.comparison is None
    ]
    if absent:
        lines += ["", *(style.paint(f"not run  {line}", "warning") for line in absent)]
    lines += [
        "",
        style.text(
            "Change of the bad program against the good one, with its 95 % interval. " + words_on_equal(entries)
        ),
    ]
    return "\n".join(lines)


def league_table(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Head and rows as text, the dearest smell first; what was not run is left out."""
    done = [entry for entry in ranked(entries) if entry.pair is not None]
    shown = [name for name in _SHOWN if any(_counts(entry, name) for entry in done)]
    head = (*_HEAD, *(words.title(name) for name in shown), "quality", "experiment")
    rows = []
    for entry in done:
        pair, experiment = entry.pair, entry.experiment
        if pair is None or experiment is None:
            continue
        cells = [_change(pair.metrics[name]) if _counts(entry, name) else "" for name in shown]
        quality = pair.quality.state.value.replace("_", " ")
        rows.append((entry.smell, entry.framework, words.headline(pair), *cells, quality, experiment.plan.experiment))
    return [head, *rows]


def words_on_equal(entries: Sequence[Entry]) -> str:
    """What the reader must know of the verdicts that are not COSTS MORE."""
    blocks = {entry.experiment.plan.design.blocks for entry in entries if entry.experiment is not None}
    runs = f"{min(blocks)} runs each" if len(blocks) == 1 else "so many runs"
    return (
        "EQUAL: the interval lies inside the smallest effect. NOT ENOUGH RUNS: with "
        f"{runs} on this machine neither a difference nor its absence is shown."
    )


def league_document(entries: Sequence[Entry]) -> dict[str, Any]:
    """What `study all --json` prints: an entry for each smell and framework."""
    return {
        **envelope("study_all"),
        "league": [
            {
                "smell": entry.smell,
                "code": entry.code,
                "framework": entry.framework,
                "experiment_id": None if entry.experiment is None else entry.experiment.plan.experiment,
                "created_at": None if entry.experiment is None else entry.experiment.plan.created_at,
                "blocks": None if entry.experiment is None else entry.experiment.plan.design.blocks,
                "environment": {} if entry.experiment is None else dict(entry.experiment.environment),
                "absent_because": entry.absent_because or None,
                **({} if entry.pair is None else pair_document(entry.pair)),
            }
            for entry in ranked(entries)
        ],
    }


def _counts(entry: Entry, name: str) -> bool:
    """Whether the metric was read, and is no function of another one."""
    metric = None if entry.pair is None else entry.pair.metrics.get(name)
    return metric is not None and metric.derived_from is None and metric.change is not None


def _change(metric: MetricComparison) -> str:
    if metric.change is None:
        return ""
    change, interval = units.change_with_interval(metric.change, metric.low, metric.high)
    return f"{change} {interval}".strip()
