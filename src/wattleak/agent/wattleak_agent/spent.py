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


class Prepared:
    """Moments in which something was made ready to run: compiled, or traced into a graph."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.clear()

    def clear(self) -> None:
        self._moments: list[tuple[float, float]] = []
        self._older_s = 0.0

    def add(self, start_s: float, end_s: float) -> None:
        self._moments.append((start_s, end_s))
        if len(self._moments) > _MOST:
            start_s, end_s = self._moments.pop(0)
            self._older_s += end_s - start_s

    def facts(self, first_step_s: float | None, last_step_s: float) -> list[dict[str, Any]]:
        """As facts of kind phase: before the first step, and again and again behind it."""
        if first_step_s is None:
            return []
        before = [moment for moment in self._moments if moment[0] < first_step_s]
        inside = [moment for moment in self._moments if first_step_s <= moment[0] < last_step_s]
        facts = []
        for name, where, moments, older_s in (
            (self._name, "start-up", before, 0.0),
            (f"{self._name} again" if before else self._name, "training", inside, self._older_s),
        ):
            seconds = older_s + sum(end_s - start_s for start_s, end_s in moments)
            if seconds:
                facts.append({"k": "phase", "key": f"{self._name} {where}", "name": name, "s": seconds, "in": where})
                if not older_s:
                    facts[-1]["intervals"] = [list(moment) for moment in moments]
        return facts
