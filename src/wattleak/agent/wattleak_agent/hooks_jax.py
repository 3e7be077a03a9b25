"""JAX: what was compiled, for whom, how long it took, and which of it had been compiled before.

    {"k": "programs", "key": name and place, "name": "train_step", "file", "line", "function",
     "times": compilations, "s": seconds in XLA, "trace_s": seconds of tracing and lowering,
     "again": of them the very same program for the same devices, "again_s",
     "unlike": different programs, "first_s", "last_s", "now_s": moments}

By the public listener for durations (`jax.monitoring`), which is called below the line that asked for the compilation.
Whether a program is the very same is told by its text (StableHLO, large constants left out), which is read from the
frame that compiles; where a version of JAX keeps it elsewhere, `again` stays 0 and nothing is said of it.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .agent import Agent

    Site = tuple[str, int, str]

_COMPILED = "/jax/core/compile/backend_compile_duration"
_BEFORE = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration")
_PROGRAM = "computation"  # the local name of the module, in the frame that compiles it
_DEVICES = ("da", "devices", "dev")
_DEEPEST = 8
_MOST_SITES = 256
_MOST_PROGRAMS = 20_000
_LARGE = 16  # elements of a constant that are not read
_READ_SHARE = 0.05  # of the seconds of compiling that reading programs may take: long ones are passed over
_monotonic = time.monotonic


def register(agent: Agent) -> None:
    agent.when_imported("jax", _Jax(agent).install)


class _Jax:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._sites: dict[tuple[str, Site | None], dict[str, Any]] = {}
        self._programs: set[tuple[str, Site | None, int]] = set()
        self._before_s = 0.0  # of tracing and lowering since the last compilation
        self._compiled_s = self._read_s = 0.0

    def install(self, jax: Any) -> None:
        monitoring = sys.modules.get("jax.monitoring") or getattr(jax, "monitoring", None)
        if monitoring is not None:
            monitoring.register_event_duration_secs_listener(self._agent.guard(self._heard))

    def _heard(self, event: str, seconds: float, **facts: Any) -> None:
        if event in _BEFORE:
            self._before_s += seconds
        elif event == _COMPILED:
            self._compiled(str(facts.get("fun_name") or ""), seconds)

    def _compiled(self, name: str, seconds: float) -> None:
        now_s = _monotonic()
        site = self._agent.site()
        key = name, site
        fact = self._sites.get(key)
        if fact is None:
            if len(self._sites) >= _MOST_SITES:
                return
            file, line, function = site or (None, None, None)
            fact = self._sites[key] = {
                "k": "programs",
                "key": f"{name} {file}:{line}",
                "name": name[4:-1] if name.startswith("jit(") and name.endswith(")") else name,
                "file": file,
                "line": line,
                "function": function,
                "times": 0,
                "s": 0.0,
                "trace_s": 0.0,
                "again": 0,
                "again_s": 0.0,
                "unlike": 0,
                "first_s": now_s - seconds,
            }
        fact["times"] += 1
        fact["s"] += seconds
        fact["trace_s"] += self._before_s
        fact["last_s"] = now_s
        self._compiled_s += seconds + self._before_s
        program = self._program()
        if program is not None:
            if (name, site, program) in self._programs:
                fact["again"] += 1
                fact["again_s"] += seconds + self._before_s
            else:
                fact["unlike"] += 1
                if len(self._programs) < _MOST_PROGRAMS:
                    self._programs.add((name, site, program))
        self._before_s = 0.0
        self._agent.tick()

    def _program(self) -> int | None:
        """A checksum of what is being compiled and for which devices; None: it is not to be had, or takes too long."""
        if self._read_s > _READ_SHARE * self._compiled_s:
            return None
        began_s = _monotonic()
        try:
            return self._checksum(sys._getframe(2))
        finally:
            self._read_s += _monotonic() - began_s

    @staticmethod
    def _checksum(frame: FrameType | None) -> int | None:
        for _ in range(_DEEPEST):
            if frame is None:
                return None
            if _PROGRAM in frame.f_code.co_varnames[: frame.f_code.co_argcount]:
                held = frame.f_locals
                operation = getattr(held[_PROGRAM], "operation", None)
                if operation is None:
                    return None
                text = operation.get_asm(large_elements_limit=_LARGE)
                devices = next((str(held[name]) for name in _DEVICES if name in held), "")
                return hash((text, devices))
            frame = frame.f_back
        return None

    def _facts(self) -> list[dict[str, Any]]:
        now_s = _monotonic()
        return [dict(fact, now_s=now_s) for fact in self._sites.values()]
