"""scikit-learn: fits and predictions as phases, fits that were made again, joblib's jobs and the pools inside them.

phase      training (first fit begin .. last fit end), fitting, predicting, transforming: of calls by the program, with
           all that these call themselves (a search contains its fits)
fitted     sklearn_refits
jobs       joblib.Parallel by place: {"number", "asked", "backend"}
pools      libraries with threads of their own in this process, and how many: {"kind": "openmp", "threads", "job"}

scikit-learn's callbacks (1.8) are of one estimator and have to be set by the program. Methods of its own classes are
wrapped as the classes come to be; classes of the user's own are left alone, for joblib may send them by value.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from .sklearn_refits import Refits
from .spent import Spent
from .steps import steps_so_far

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .agent import Agent

    Site = tuple[str, int, str]

_FITS = ("fit", "partial_fit", "fit_predict", "fit_transform")
_PREDICTS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
_KIND_OF = {
    **dict.fromkeys(_FITS, "fitting"),
    **dict.fromkeys(_PREDICTS, "predicting"),
    "transform": "transforming",
}
_MOST_SITES = 64
_WHOLE = 0.98  # of the training: fitting that is all of it needs no line of its own
_LEAST = 0.005  # of it: what takes less needs none either
_monotonic = time.monotonic


def register(agent: Agent) -> None:
    sklearn = _Sklearn(agent)
    agent.when_imported("sklearn.base", sklearn.install)
    agent.when_imported("joblib.parallel", sklearn.install_jobs)


class _Sklearn:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._refits = Refits(agent)
        self._jobs: dict[tuple[Site | None, str], dict[str, Any]] = {}
        self._pools: dict[str, dict[str, Any]] = {}
        self._spent = {kind: Spent(kind, f"{kind} after the training") for kind in dict.fromkeys(_KIND_OF.values())}
        self._told: set[str] = set()  # phases that stand in the notes
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._inside: dict[int, bool] = {}  # threads that are in a call
        self._first_s: float | None = None
        self._last_s = 0.0
        self._fitting_s = 0.0
        self._asked_pools = False
        self._jobs.clear()
        self._pools.clear()
        self._told.clear()
        self._refits.clear()
        for spent in self._spent.values():
            spent.clear()

    def install(self, base: Any) -> None:
        # Without the hook of Python for new subclasses (before 1.3) there is nothing to be told by.
        if any("__init_subclass__" in vars(cls) for cls in base.BaseEstimator.__mro__[:-1]):
            self._agent.around(base.BaseEstimator, "__init_subclass__", after=self._defined)

    def install_jobs(self, parallel: Any) -> None:
        self._agent.around(parallel.Parallel, "__call__", before=self._run_jobs)

    def _defined(self, _token: object, args: Any, _kwargs: Any, _result: object) -> None:
        """A class of estimators was made."""
        cls = args[0]
        if not cls.__module__.startswith("sklearn."):
            return
        for name in _KIND_OF:
            if type(vars(cls).get(name)) is _FUNCTION:
                self._agent.around(cls, name, *self._hooks(name))

    def _hooks(self, name: str) -> tuple[Any, Any, Any]:
        kind = _KIND_OF[name]

        def after(token: Any, args: Any, kwargs: Any, _result: Any) -> None:
            if token is not None:
                self._end(kind, token)
                if name == "fit" and args:
                    self._refits.fitted(args[0], args[1:], kwargs, _monotonic() - token[0], self._agent.site())

        def failed(token: Any) -> None:
            if token is not None:
                self._end(kind, token)

        return self._begin, after, failed

    def _begin(self, _args: Any, _kwargs: Any) -> tuple[float, bool] | None:
        """None: another method called this one."""
        thread = get_ident()
        if thread in self._inside:
            return None
        first = not self._inside  # of all threads; what others do meanwhile has no time of its own
        self._inside[thread] = True
        return _monotonic(), first

    def _end(self, kind: str, token: tuple[float, bool]) -> None:
        now_s = _monotonic()
        self._inside.pop(get_ident(), None)
        began_s, first = token
        if first:
            self._spent[kind].add(began_s, now_s)
        if kind == "fitting":
            if self._first_s is None or began_s < self._first_s:
                self._first_s = began_s
            self._last_s = max(self._last_s, now_s)
            self._fitting_s += now_s - began_s if first else 0.0
            if not self._asked_pools:
                self._asked_pools = True
                self._ask_pools()
        self._agent.tick()

    # -- side by side --------------------------------------------------------------------------------------------------

    def _run_jobs(self, args: Any, _kwargs: Any) -> None:
        parallel = args[0]
        asked = getattr(parallel, "n_jobs", None)
        if not isinstance(asked, int) or isinstance(asked, bool) or not asked:
            return
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        number = asked if asked > 0 else max(1, cpus + 1 + asked)  # as joblib says of numbers below zero
        kind = type(getattr(parallel, "_backend", None)).__name__.lower()
        backend = next((name for name in ("loky", "threading", "multiprocessing") if name in kind), kind)
        site = self._agent.site()
        known = self._jobs.get((site, backend))
        if number <= 1 or (known is not None and known["number"] >= number) or len(self._jobs) >= _MOST_SITES:
            return
        file, line, function = site or (None, None, None)
        self._jobs[site, backend] = {
            "k": "jobs",
            "key": f"{file}:{line} {backend}",
            "file": file,
            "line": line,
            "function": function,
            "asked": asked,
            "number": number,
            "backend": backend,
        }

    def _ask_pools(self) -> None:
        """Once, after the first fit: of the libraries that are loaded by then, if threadpoolctl is one of them."""
        threadpoolctl = sys.modules.get("threadpoolctl")
        if threadpoolctl is None:
            return
        job = _is_worker()
        for pool in threadpoolctl.threadpool_info():
            kind, threads = pool.get("user_api"), pool.get("num_threads")
            if isinstance(kind, str) and isinstance(threads, int):
                threads = max(threads, self._pools.get(kind, {}).get("threads", 0))
                self._pools[kind] = {"k": "pools", "key": kind, "kind": kind, "threads": threads, "job": job}

    # -- facts ---------------------------------------------------------------------------------------------------------

    def _facts(self) -> Iterator[dict[str, Any]]:
        yield from self._jobs.values()
        yield from self._pools.values()
        yield from self._refits.facts()
        found = list(self._phases()) if self._first_s is not None and not steps_so_far(self._agent) else []
        names = {fact["key"] for fact in found}
        for key in self._told - names:  # a framework with steps has begun to train, or a figure was overtaken
            if key != "training":
                yield {"k": "phase", "key": key, "name": key, "s": 0.0}
        self._told = names
        yield from found

    def _phases(self) -> Iterator[dict[str, Any]]:
        assert self._first_s is not None
        whole_s = self._last_s - self._first_s
        yield {
            "k": "phase",
            "key": "training",
            "name": "training",
            "s": whole_s,
            "intervals": [[self._first_s, self._last_s]],
        }
        for kind, spent in self._spent.items():
            if kind != "fitting" or self._fitting_s < _WHOLE * whole_s:
                yield from (fact for fact in spent.facts(self._last_s) if fact["s"] > _LEAST * whole_s)


def _is_worker() -> bool:
    """Whether this process was started to do jobs: joblib's loky, or multiprocessing."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


_FUNCTION = type(_is_worker)
