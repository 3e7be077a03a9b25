"""Looking after every run whether what the variants are made of is still what it was.

A file that changes while a run goes on makes it a run of nobody knows what: it is saved as failed, and the experiment
stops with the name of the file. Files that only look different (touched, or written again with the same content) are
read again and pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.checksums import FileMark, look, sha256_of
from wattleak.environment.interpreter import installed
from wattleak.environment.provenance import FILE_KINDS
from wattleak.errors import MeasurementError
from wattleak.experiment.differences import file_changed, in_words, kinds_of, left, packages_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wattleak.environment.provenance import Provenance
    from wattleak.experiment.differences import Undeclared
    from wattleak.experiment.runner import Progress
    from wattleak.model import Clock, Executor, Measurement, PlannedRun, RunContext, Variant


class WatchedExecutor:
    """An executor whose runs fail when an input changed; `then_stop` ends the experiment."""

    def __init__(self, executor: Executor, provenance: Provenance, declared: tuple[str, ...] = ()) -> None:
        self._executor = executor
        self._inputs = _Inputs(provenance)
        self._declared = declared
        self._changed: tuple[Undeclared, ...] = ()

    @property
    def clock(self) -> Clock:
        return self._executor.clock

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Run it, and look: a change before or during the run makes it fail, whatever else it did."""
        measurement, failure = self._executor.run(variant, planned, context)
        self._changed = left(self._inputs.changes(), self._declared)
        if self._changed:
            return measurement, f"undeclared change: {in_words(self._changed)}"
        return measurement, failure

    def then_stop(self, watch: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        """`watch`, and after it the end of the experiment if an input changed: the run has been saved by then."""

        def tell(progress: Progress) -> None:
            if watch is not None:
                watch(progress)
            self._stop_if_changed(progress)

        return tell

    def _stop_if_changed(self, progress: Progress) -> None:
        """Raises MeasurementError that names what changed."""
        if self._changed:
            experiment = progress.run.experiment
            raise MeasurementError(
                f"stopped, because something changed that was not declared: {in_words(self._changed)}",
                f"put it back, then wattleak compare --resume {experiment}; or begin again. If the program itself "
                f"writes it, or the change is meant: {kinds_of(self._changed)}",
            )


@dataclass(slots=True)
class _Inputs:
    """Every file of all variants by kind, as it was found, and the packages by the folders that they are in."""

    provenance: Provenance
    marks: dict[tuple[str, str], FileMark] = field(init=False)
    folder_times: dict[str, int | None] = field(init=False)
    packages: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.marks = {
            (kind, path): mark
            for record in self.provenance.records
            for kind in FILE_KINDS
            for path, mark in record.files(kind).items()
        }
        self.folder_times = {folder: _time_of(folder) for folder in self.provenance.package_folders}
        self.packages = installed(self.provenance.package_folders)

    def changes(self) -> list[Undeclared]:
        return [*self._files(), *self._packages()]

    def _files(self) -> Iterator[Undeclared]:
        for (kind, path), mark in self.marks.items():
            now = look(Path(path))
            if now is None:
                yield file_changed(kind, path, "is gone")
            elif (now.size_b, now.mtime_ns) != (mark.size_b, mark.mtime_ns):
                if now.size_b != mark.size_b or mark.sha256 is None or sha256_of(Path(path)) != mark.sha256:
                    yield file_changed(kind, path, "changed while the experiment ran")
                else:
                    self.marks[kind, path] = FileMark(now.size_b, now.mtime_ns, mark.sha256)

    def _packages(self) -> Iterator[Undeclared]:
        """Installing or removing a package changes the folder that it is in."""
        if any(_time_of(folder) != before for folder, before in self.folder_times.items()):
            yield from packages_changed(self.packages, installed(self.provenance.package_folders))


def _time_of(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None
