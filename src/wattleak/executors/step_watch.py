"""How many steps a running program has marked: read from its rings of marks, beside the recorder.

The recorder moves marks into the journal when it suits it; a plan that ends a run after so many steps must know them
as they come. Reading changes nothing in the rings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.recorder import ring

if TYPE_CHECKING:
    from pathlib import Path


class StepWatch:
    """Counts the marks of one run, each once, for each thread and name."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._read: dict[str, int] = {}  # ring -> the first mark that was not counted yet
        self._marks: dict[tuple[str, object, object], int] = {}

    def steps(self) -> int:
        """Steps that have ended so far: of the thread and name that marked most, its first mark apart."""
        for path in ring.rings_in(self._folder):
            try:
                reader = ring.RingReader(path)
            except (OSError, ValueError):
                continue  # the recorder has just emptied and removed it
            try:
                self._count(path, reader)
            finally:
                reader.close()
        return max(self._marks.values(), default=0) - 1

    def _count(self, path: str, reader: ring.RingReader) -> None:
        tail = reader.at
        head = tail + reader.waiting()
        # Marks that the recorder has taken already still stand in their slots, until the ring has gone round.
        reader.at = max(self._read.get(path, 0), head - ring.SLOTS)
        while (chunk := reader.read(everything=True)) is not None:
            for run in chunk[2]:
                key = (reader.stem, run[0], run[1])
                self._marks[key] = self._marks.get(key, 0) + int(str(run[2]))
        self._read[path] = reader.at
