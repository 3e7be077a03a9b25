"""Devices that processes hold (GPUs): who holds them, and how busy they are, written down when it changes.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Meter
    from wattleak.recorder.journal import JournalWriter
    from wattleak.recorder.tree import ProcessTree

_HOLDERS_EVERY_S = 5.0
_FIRST_LOOK_S = 0.3  # then half as often each time: a run of a second holds a device too
_USE_EVERY_S = 0.2  # the drivers themselves look no more often (NVML: every 1/6 s to 1 s)


class DeviceWatch:
    """Asks the meters about their devices, each question as often as its answer can change."""

    def __init__(self, meters: list[Meter], journal: JournalWriter, tree: ProcessTree) -> None:
        self._meters = meters
        self._journal = journal
        self._tree = tree
        self._holding: dict[str, tuple[int, int]] = {}
        self._holders_at_s = 0.0
        self._look_again_s = _FIRST_LOOK_S
        self._were_ours: set[int] = set()  # a driver lists a process for a while after its death: it is no stranger
        self._users = [meter for meter in meters if hasattr(meter, "use")]
        self._used_at_s = 0.0
        self._used_by: frozenset[int] = frozenset()

    def look(self, now_s: float, *, first: bool = False) -> None:
        """After a sample: note what is due."""
        if now_s - self._holders_at_s >= self._look_again_s or first:
            self.note_holders(now_s)
            self._look_again_s = min(2 * self._look_again_s, _HOLDERS_EVERY_S)
        if self._users and now_s - self._used_at_s >= _USE_EVERY_S:
            self._note_use(now_s, write=not first)  # the first answer tells of the time before the recording

    def note_holders(self, now_s: float) -> None:
        """Who holds each device now, written when it changed."""
        self._holders_at_s = now_s
        pids = self._tree.pids()
        for meter in self._meters:
            for channel, holders in meter.holders().items():
                self._were_ours |= holders & pids
                ours = len(holders & self._were_ours)
                seen = (ours, len(holders) - ours)
                if self._holding.get(channel) != seen:
                    self._holding[channel] = seen
                    self._journal.write({"k": "hold", "t": now_s, "ch": channel, "ours": seen[0], "others": seen[1]})

    def _note_use(self, now_s: float, *, write: bool) -> None:
        self._used_at_s, before, self._used_by = now_s, self._used_by, self._tree.pids()
        mine = before | self._used_by | self._were_ours  # who died since the last look worked in this stretch too
        for meter in self._users:
            for channel, (busy, shares) in meter.use().items():  # an optional member
                ours = None if shares is None else sum(share for pid, share in shares.items() if pid in mine)
                others = None if shares is None else sum(share for pid, share in shares.items() if pid not in mine)
                record = {"k": "use", "t": now_s, "ch": channel, "busy": busy, "ours": ours, "others": others}
                if write:
                    self._journal.write(record)
