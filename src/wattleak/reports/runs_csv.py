"""Runs as a table for a spreadsheet: one row for each run, SI units at the end of the names of columns.

What was not measured is an empty cell. Runs that do not count are there too, with the reason.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from wattleak.reports.figures import run_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Estimate, Experiment, Measurement

Cell = str | int | float | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute, or run


def experiment_csv(experiment: Experiment) -> str:
    """All runs of an experiment but those of the reference program, in the order in which they began."""
    variants = {variant.name: variant for variant in experiment.plan.design.variants}
    factors = [factor.name for factor in experiment.plan.design.factors]
    rows = []
    for row in run_rows(experiment):
        run = row.run
        levels = variants[run.variant].levels if run.variant in variants else {}
        place: dict[str, Cell] = {
            "experiment_id": run.experiment,
            "variant": run.variant,
            **{f"factor_{name}": levels.get(name) for name in factors},
            "session": run.session,
            "block": run.block,
            "position": run.position,
            "attempt": run.attempt,
            "seed": run.seed,
            "counts": "yes" if row.status == "counted" else "no",
            "why_not": row.why_not or None,
        }
        rows.append({**place, **_cells(run.measurement)})
    return _table(rows)


def measurement_csv(measurement: Measurement) -> str:
    """A single run."""
    return _table([_cells(measurement)])


def _cells(measurement: Measurement) -> dict[str, Cell]:
    carbon = measurement.carbon_g
    return {
        "run_id": measurement.id,
        "name": measurement.name,
        "started_at": measurement.started_at,
        "complete": "yes" if measurement.complete else "no",
        "exit_code": measurement.exit_code,
        "signal": measurement.signal,
        "duration_s": measurement.duration_s,
        "cpu_s": measurement.cpu_s,
        "user_s": measurement.user_s,
        "system_s": measurement.system_s,
        "peak_memory_b": measurement.peak_memory_b,
        "read_b": measurement.read_b,
        "written_b": measurement.written_b,
        **_estimate("attributed_energy", measurement.attributed_energy_j),
        "carbon_g": None if carbon is None else carbon.value_g,
        "carbon_low_g": None if carbon is None else carbon.low_g,
        "carbon_high_g": None if carbon is None else carbon.high_g,
        **{
            name: cell
            for item in measurement.energy
            for name, cell in _estimate(f"{item.channel.name}_energy", item.energy_j).items()
        },
        **{f"quality_{name}": value for name, value in sorted(measurement.quality.items())},
        **{f"output_{name}": value for name, value in sorted(measurement.outputs.items())},
    }


def _estimate(name: str, estimate: Estimate | None) -> dict[str, Cell]:
    if estimate is None:
        return {f"{name}_j": None}
    return {
        f"{name}_j": estimate.value,
        f"{name}_low_j": estimate.low,
        f"{name}_high_j": estimate.high,
        f"{name}_origin": estimate.origin.value,
    }


def _table(rows: Sequence[dict[str, Cell]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_safe, columns))
    writer.writerows([_safe(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    """A text that a spreadsheet would take for a formula is marked as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
