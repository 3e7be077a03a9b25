"""The recorder's side of step marks: looks for rings, and moves what was marked into the journal.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.recorder.journal import JournalWriter
    from wattleak.recorder.ring import RingReader

_MARKS = "marks"  # recorder.ring.FOLDER; the module is imported when there is such a folder
_NEVER = float("inf")
_LOOK_S = 1.0  # how often it is looked how full the rings are
_SEARCH_S = 5.0  # how often it is looked for rings while there are none
_MOVE_S = 10.0  # what lies in a ring is safe there; moving it seldom keeps the journal small
_SETTLED_NS = 1_000_000_000
_FULL = 1 << 14  # marks: a quarter of a ring (recorder.ring)


class StepCollector:
    """Reads every ring of one run."""

    def __init__(self, folder: str, journal: JournalWriter, now_s: float) -> None:
        self._folder = folder
        self._journal = journal
        self._rings: dict[str, RingReader] = {}
        self._changed_ns = 0
        self._moved_s = now_s
        self._dropped = 0
        self.next_s = now_s + _LOOK_S

    def look(self, now_s: float) -> None:
        """Find new rings; move what is there when much is there, or when it has been there for long."""
        self._find()
        overdue = now_s - self._moved_s >= _MOVE_S
        if overdue:
            self._moved_s = now_s
        for path, reader in list(self._rings.items()):
            dead = overdue and reader.abandoned()
            if dead or overdue or reader.waiting() >= _FULL:
                self._move(reader, everything=dead)
            reader.settle()
            if dead and self._journal.failure is None:
                self._forget(path)
        self.next_s = now_s + (_LOOK_S if self._rings else _SEARCH_S)

    def finish(self) -> None:
        """Move all that is left. The files stay when the journal could not take it."""
        self._changed_ns = 0
        self._find()
        for path, reader in list(self._rings.items()):
            self._move(reader, everything=True)
            if self._journal.failure is None:
                self._forget(path)
        self.next_s = _NEVER
        if self._journal.failure is None:
            try:
                os.rmdir(f"{self._folder}/{_MARKS}")  # noqa: PTH106 - pathlib costs the recorder 6 ms
            except OSError:
                return  # there is none, or something else lies in it

    def _find(self) -> None:
        try:
            changed_ns = os.stat(f"{self._folder}/{_MARKS}").st_mtime_ns  # noqa: PTH116 - as above
        except OSError:
            return
        if changed_ns == self._changed_ns:
            return
        # Times of folders tick in milliseconds: one that has just changed may change again within its tick.
        self._changed_ns = changed_ns if time.time_ns() - changed_ns > _SETTLED_NS else 0
        from wattleak.recorder.ring import RingReader, rings_in  # noqa: PLC0415 - most runs mark nothing

        for path in rings_in(self._folder):
            if path not in self._rings:
                try:
                    self._rings[path] = RingReader(path)
                except (OSError, ValueError):
                    continue  # no room for one more open file, or no ring: whoever reads the journal tries again

    def _move(self, reader: RingReader, *, everything: bool) -> None:
        while True:
            chunk = reader.read(everything=everything)
            if chunk is None:
                return
            begin, end, runs = chunk
            written = self._journal.write({"k": "steps", "w": reader.stem, "from": begin, "to": end, "runs": runs})
            if not written:
                reader.at = begin
                return
            reader.release()

    def _forget(self, path: str) -> None:
        reader = self._rings.pop(path)
        dropped = reader.dropped()
        if dropped:
            self._journal.write({"k": "dropped", "w": reader.stem, "count": dropped})
        reader.close(remove=True)
