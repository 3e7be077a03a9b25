"""How text looks on this terminal, and progress for those who watch."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from wattleak.reports.text import Style

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from wattleak.experiment.runner import Progress


def style_for(stream: TextIO, args: Namespace) -> Style:
    """Colour as asked, or on a terminal without NO_COLOR; box characters where the encoding has them."""
    if args.color == "auto":
        color = bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and not os.environ.get("NO_COLOR"))
    else:
        color = args.color == "always"
    return Style(color=color, unicode="utf" in (stream.encoding or "").lower())


@contextmanager
def experiment_progress(total: int, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Runs done of a plan and the time that is left; the label is the run that was made last."""
    with _bar(total, "warming up", "runs", quiet=quiet) as show:
        if show is None:
            yield None
            return
        done = 0

        def watch(progress: Progress) -> None:
            nonlocal done
            run = progress.run
            done += 0 if run.failure else 1
            show(done, f"{'warm-up' if run.block < 0 else f'block {run.block + 1}'}: {run.variant}")

        yield watch


@contextmanager
def work_progress(total: int, label: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Steps done of `total`; the step is called after each."""
    with _bar(total, label, "", quiet=quiet) as show:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            if show is not None:
                show(done, label)

        yield step


@contextmanager
def noise_progress(*, quiet: bool) -> Iterator[Callable[[int, float], None] | None]:
    """The pairs of the control workload so far, and the part of its time that is spent, 0 to 1."""
    with _bar(100, "noise of this machine", "%", quiet=quiet) as show:
        yield (
            None
            if show is None
            else lambda pairs, spent: show(min(round(100 * spent), 100), f"noise of this machine: {pairs} pairs")
        )


@contextmanager
def _bar(total: int, label: str, unit: str, *, quiet: bool) -> Iterator[Callable[[int, str], None] | None]:
    """A bar on standard error, on a terminal only: it is told what is done and the label."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} " + unit if unit != "%" else "{task.completed} %"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, now: bar.update(task, completed=done, description=now)
