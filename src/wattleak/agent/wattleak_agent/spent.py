"""Seconds that went into something beside the steps themselves: moments, before and after the last step."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 200  # moments that are kept one by one


class Spent:
    """Moments of one phase of a training. `after` is what those behind the last step are called."""

    def __init__(self, name: str, after: str) -> None:
        self._name, self._after = name, after
        self.clear()

    def clear(self) -> None:
        self._moments: list[tuple[float, float]] = []
        self._older_s = 0.0  # of moments that are too many to keep

    def add(self, start_s: float, end_s: float) -> None:
        self._moments.append((start_s, end_s))
        if len(self._moments) > _MOST:
            start_s, end_s = self._moments.pop(0)
            self._older_s += end_s - start_s

    def facts(self, last_step_s: float, running: tuple[float, float] | None = None) -> list[dict[str, Any]]:
        """As facts of kind phase; `running` is a moment that has not ended."""
        moments = [*self._moments, running] if running else self._moments
        inside = [moment for moment in moments if moment[0] < last_step_s]
        behind = [moment for moment in moments if moment[0] >= last_step_s]
        facts = []
        if inside or self._older_s:
            seconds = self._older_s + sum(end_s - start_s for start_s, end_s in inside)
            facts.append({"k": "phase", "key": self._name, "name": self._name, "s": seconds, "in": "training"})
            if not self._older_s:
                facts[-1]["intervals"] = [list(moment) for moment in inside]
        if behind:
            seconds = sum(end_s - start_s for start_s, end_s in behind)
            facts.append({"k": "phase", "key": self._after, "name": self._after, "s": seconds})
            facts[-1]["intervals"] = [list(moment) for moment in behind]
        return facts
