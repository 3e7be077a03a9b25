"""What is stored, as a table for the terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from wattleak.model import Verdict
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.style import width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import StoredExperiment, StoredRun
    from wattleak.reports.style import Style

_LONGEST_TITLE = 48


def render_list(runs: Sequence[StoredRun], experiments: Sequence[StoredExperiment], *, style: Style) -> str:
    """Experiments, then the runs that belong to none, or all the runs where no experiment is listed or only one.

    Ends without a line end.
    """
    shown = [run for run in runs if run.experiment is None] if len(experiments) != 1 else list(runs)
    if not experiments:
        shown = list(runs)
    blocks = []
    if experiments:
        blocks.append(_table(("EXPERIMENT", "BEGUN", "RUNS", "VERDICT", "TITLE"), map(_experiment, experiments), style))
    if shown:
        blocks.append(_table(("RUN", "BEGUN", "WALL TIME", "CPU TIME", "ENDED", "COMMAND"), map(_run, shown), style))
    if not blocks:
        return style.text("Nothing is stored yet. Next: wattleak measure -- COMMAND")
    folded = len(runs) - len(shown)
    if folded:
        first = shlex.quote(experiments[0].id)
        blocks.append([style.paint(f"{folded} runs belong to experiments: wattleak list --runs-of {first}", "faint")])
    return "\n\n".join("\n".join(block) for block in blocks)


def _experiment(row: StoredExperiment) -> tuple[str, ...]:
    verdict = words.VERDICTS[Verdict(row.verdict)] if row.verdict is not None else "none yet"
    if not row.complete:
        verdict = f"INCOMPLETE, {verdict}" if row.verdict is not None else "INCOMPLETE"
    return (row.id, _moment(row.created_at), str(row.runs), verdict, row.title)


def _run(row: StoredRun) -> tuple[str, ...]:
    document = row.document
    ended = "INCOMPLETE" if not row.complete else f"exit {document.get('exit_code')}"
    if row.complete and document.get("exit_code") is None:
        ended = "exit unknown"
    what = document.get("name") or shlex.join(document.get("command") or ())
    if document.get("variant") is not None:
        block = document.get("block")
        place = f"block {block + 1}" if isinstance(block, int) and block >= 0 else "warm-up"
        what = f"{document['variant']} ({place})"
    return (row.id, _moment(row.started_at), _seconds(row, "duration_s"), _seconds(row, "cpu_s"), ended, what)


def _seconds(row: StoredRun, key: str) -> str:
    value = row.document.get(key)
    return units.duration(value) if isinstance(value, int | float) else "not known"


def _moment(iso: str) -> str:
    """Day and minute; the store keeps UTC."""
    return iso[:16].replace("T", " ")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], style: Style) -> list[str]:
    return columns((_cut(row, style) for row in rows), style, head=head, indent="")


def _cut(row: tuple[str, ...], style: Style) -> tuple[str, ...]:
    """The last column is free text: it is cut where it would run on, the id in the first never is."""
    last = style.text(row[-1])
    return row if width(last) <= _LONGEST_TITLE else (*row[:-1], f"{last[: _LONGEST_TITLE - 1]}…")
