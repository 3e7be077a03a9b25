"""What a program reports of its own result, with the moment: `wattleak.report_metric`, the file $WATTLEAK_METRICS, and
lines `WATTLEAK {"accuracy": 0.91}` on standard output.

    {"k": "reported", "key": name, "name": name, "at": [seconds...], "values": [...], "loops": [number or None...]}

The recorder reads the figures themselves; here it is only noted when they came, and after steps of which loop. The file
is looked at every few steps and has the moment of its last line; a line on standard output is seen when it is written.
"""

from __future__ import annotations

import os
import sys
import time

from .steps import steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent

_MARK = "WATTLEAK"
_MOST_NAMES = 32
_MOST = 2000  # of one name
_LARGEST_B = 1 << 20  # that is read at once
_LONGEST = 1 << 16  # characters of a line that is being put together
_monotonic, _time, _stat, _open = time.monotonic, time.time, os.stat, open

_begun: list[Reports] = []  # one for one process: several packages load this module


def register(agent: Agent) -> None:
    path = os.environ.get("WATTLEAK_METRICS")
    if _begun or not path:
        return
    reports = Reports(agent, path)
    _begun.append(reports)
    agent.when_imported("wattleak.recorder.client", reports.listen_to_wattleak)
    agent.guard(reports.listen_to_stdout)()


class Reports:
    """Notes reports as they come."""

    def __init__(self, agent: Agent, path: str) -> None:
        self._agent = agent
        self._path = path
        self._steps = steps_of(agent)
        self._line = ""  # of standard output, from the mark on
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)
        self._steps.polls.append(agent.guard(self.poll))

    def _clear(self) -> None:
        self._names: dict[str, dict[str, Any]] = {}
        self._polled_s = _monotonic()
        self._line = ""
        try:
            self._read_b = _stat(self._path).st_size
        except OSError:
            self._read_b = 0

    def listen_to_wattleak(self, client: Any) -> None:
        self._agent.around(client, "_report", after=lambda _token, _args, _kwargs, _result: self.poll())

    def listen_to_stdout(self) -> None:
        stream: Any = sys.stdout
        original = getattr(stream, "write", None)
        if original is None:
            return
        note = self._agent.guard(self._written)

        def write(text: Any, *others: Any) -> Any:
            result = original(text, *others)
            if type(text) is str and (self._line or _MARK in text):
                note(text)
            return result

        try:
            stream.write = write
        except (AttributeError, TypeError):
            pass  # a stream of another kind: its lines are not timed

    def _written(self, text: str) -> None:
        """`print("WATTLEAK", figures)` writes its words one by one."""
        self._line += text if self._line else text[text.index(_MARK) :]
        line, ended, _ = self._line.partition("\n")
        if ended or len(self._line) > _LONGEST:
            self._line = ""
            self._note(line[len(_MARK) :], _monotonic())

    def poll(self) -> None:
        """Has the file grown? 1 microsecond where it has not."""
        now_s = _monotonic()
        try:
            status = _stat(self._path)
            if status.st_size <= self._read_b:
                self._polled_s = now_s
                return
            with _open(self._path, "rb") as file:
                file.seek(self._read_b)
                text = file.read(_LARGEST_B)
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read_b += len(whole)
        at_s = min(now_s, max(self._polled_s, now_s - (_time() - status.st_mtime)))
        self._polled_s = now_s
        for line in whole.decode("utf-8", "replace").split("\n"):
            self._note(line, at_s)

    def _note(self, text: str, at_s: float) -> None:
        import json

        try:
            figures = json.loads(text)
        except ValueError:
            return
        if not isinstance(figures, dict):
            return
        loop = self._steps.leader_number()
        for name, value in figures.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            fact = self._names.get(name)
            if fact is None:
                if len(self._names) >= _MOST_NAMES:
                    return
                fact = {"k": "reported", "key": name, "name": name, "more": 0, "at": [], "values": [], "loops": []}
                self._names[name] = fact
            if len(fact["at"]) >= _MOST:
                fact["more"] += 1
                continue
            fact["at"].append(at_s)
            fact["values"].append(value)
            fact["loops"].append(loop)

    def _facts(self) -> list[dict[str, Any]]:
        self.poll()
        return [dict(fact) for fact in self._names.values() if len(fact["at"]) > 1]
