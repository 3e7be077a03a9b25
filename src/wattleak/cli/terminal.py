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
    """A progress bar on standard error, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} runs"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("warming up", total=total)

        def watch(progress: Progress) -> None:
            run = progress.run
            label = "warm-up" if run.block < 0 else f"block {run.block + 1}"
            bar.update(task, advance=0 if run.failure else 1, description=f"{label}: {run.variant}")

        yield watch


@contextmanager
def work_progress(total: int, label: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar of `total` steps on standard error, on a terminal only; the step is called after each."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
