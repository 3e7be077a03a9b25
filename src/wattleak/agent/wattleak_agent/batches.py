"""What a batch consists of, whichever framework made it; and whether anybody keeps the batches that were read."""

from __future__ import annotations

import time
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Between the end of a reading and the end of a list that was made to be counted the iterator is taken apart, which may
# have to wait for others: what counts is the CPU time of the thread. Using a list of batches takes longer.
_AT_ONCE_S = 2e-3
_thread_time = time.thread_time


class Kept:
    """What becomes of the batches of one reading. Whole ones that are dropped, as they come or as a list at the end,
    were for nothing, if nothing was done in between; where a part of each is kept, they were read for that part.
    """

    __slots__ = ("__weakref__", "_died_s", "_ended_s", "_first", "_last", "_some")

    def __init__(self) -> None:
        self._first: list[Any] = []  # tensors of the first batch, by weak reference
        self._last: Any = None  # of the last one, the first tensor
        self._died_s: float | None = None
        self._ended_s: float | None = None
        self._some = self._first  # that were alive at the end

    def given(self, batch: Any) -> None:
        """A batch has come."""
        tensors = tensors_of(batch)
        if not self._first:
            self._first = [weakref.ref(item) for item in tensors]
        if tensors:
            self._died_s = None
            self._last = weakref.ref(tensors[0], self._died)

    def _died(self, last: Any) -> None:
        if last is self._last:
            self._died_s = _thread_time()

    def ended(self) -> None:
        """There are no more."""
        self._ended_s = _thread_time()
        self._some = [item for item in self._first if item() is not None]

    @property
    def has_ended(self) -> bool:
        return self._ended_s is not None

    @property
    def for_nothing(self) -> bool:
        """Whether they were read to the end and dropped."""
        if self._ended_s is None or not self._first:
            return False
        if not self._some:
            return True
        at_once = self._died_s is not None and self._died_s - self._ended_s <= _AT_ONCE_S
        return len(self._some) == len(self._first) and at_once


def tensors_of(batch: Any, most: int = 8) -> list[Any]:
    """What a batch consists of."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    if not isinstance(batch, (list, tuple)):
        return [batch] if hasattr(batch, "shape") else []
    found: list[Any] = []
    for part in batch[:most]:
        found += tensors_of(part, most)
    return found[:most]


def rows_of(data: Any) -> int | None:
    """Rows of a batch, or of data that lie in memory; None: they come in batches of their own."""
    for _ in range(4):
        if isinstance(data, (list, tuple)):
            data = data[0] if data else None
        elif isinstance(data, dict):
            data = next(iter(data.values()), None)
        else:
            break
    shape = getattr(data, "shape", None)
    try:
        return int(shape[0]) if shape is not None and len(shape) else None
    except (TypeError, ValueError):
        return None
