"""Keras: steps of fit and of loops of one's own, rows, models, evaluations, predictions, what followed the best epoch.

steps, memory, holder    of fit, and of optimizers that a program calls itself
models, compiled         keras_models
predict                  by place: calls, rows, seconds
phase                    evaluation; after the best epoch, by the loss of the validation
"""

from __future__ import annotations

import time

from .batches import rows_of
from .fit_waits import FitWaits
from .hooks_debugging import debugging_of
from .hooks_tensorflow import functions_of, is_eager
from .keras_models import ModelsOfKeras
from .spent import Spent
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .spent import Prepared
    from .steps import Loop, Site, Steps

_monotonic = time.monotonic
_MOST_SITES = 256
_TRACE_S = 10e-3  # less is the noise of a step
_LATER = 16  # steps that tell what one takes that is not traced


def register(agent: Agent) -> None:
    agent.when_imported("keras", _Keras(agent).install)


class _Fit:
    """One call of fit."""

    __slots__ = ("began_s", "calls", "counted", "ends_s", "loop", "model", "rows", "told")

    def __init__(self, model: Any, loop: Loop, told: int | None, rows: int | None) -> None:
        self.model = model
        self.loop = loop
        self.told = told
        self.rows = rows  # in a step, where the data are arrays
        self.began_s = _monotonic()
        self.calls = 0
        self.counted: float | None = None  # rows of the last epoch, from the metric of the loss
        self.ends_s: list[float] = []  # of validations


class _Keras:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._steps = steps_of(agent)
        self._functions = functions_of(agent)
        self._fits: list[_Fit] = []
        self._sites: dict[Site | None, dict[str, Any]] = {}
        self._evaluations = Spent("evaluation", "evaluation after the training")
        self._after_best = Spent("after the best epoch", "after the best epoch")
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._fits = []
        self._sites.clear()
        self._evaluations.clear()
        self._after_best.clear()

    def install(self, keras: Any) -> None:
        self._models = ModelsOfKeras(self._agent, keras)
        self._models.install()
        around, model = self._agent.around, keras.Model
        around(model, "fit", self._before_fit, self._after_fit, self._failed_fit)
        around(model, "make_train_function", after=self._after_making)
        around(model, "evaluate", self._before_evaluate, self._after_evaluate)
        around(model, "predict", self._before_predict, self._after_predict)
        around(keras.optimizers.Optimizer, "apply", after=self._applied)

    # -- fit -----------------------------------------------------------------------------------------------------------

    def _before_fit(self, args: Any, kwargs: Any) -> _Fit:
        model = args[0]
        self._models.settle(model)
        self._models.used()
        loop = self._steps.loop_of(model, "keras", "fit", lambda: self._agent._places.innermost(caller(3)))
        data = args[1] if len(args) > 1 else kwargs.get("x")
        told = args[3] if len(args) > 3 else kwargs.get("batch_size")
        rows = rows_of(data)
        if not loop.count:
            loop.first_s = loop.last_s = _monotonic()
        fit = _Fit(model, loop, told if isinstance(told, int) else None, None)
        if rows is not None:
            fit.rows = min(rows, fit.told or 32)
        self._fits.append(fit)
        self._attend(model)
        self._functions.fitting += 1
        return fit

    def _after_fit(self, fit: _Fit, _args: Any, _kwargs: Any, history: Any) -> None:
        self._leave(fit)
        self._models.used()
        timed = fit.model.train_function
        if isinstance(timed, _Timed):
            timed.settle()
        epochs = len(getattr(history, "epoch", ()))
        loop = fit.loop
        if fit.rows is not None:
            loop.rows += fit.rows * fit.calls
            loop.rows_steps += fit.calls
        elif epochs and fit.calls:
            counted = fit.counted if fit.counted is not None else _counted(fit.model)
            if counted:
                loop.rows += round(counted * epochs)
                loop.rows_steps += fit.calls * int(getattr(fit.model, "steps_per_execution", 1) or 1)
                loop.told_rows = fit.told
        loop.noted = 0  # its fact has changed, though no step was made
        if getattr(fit.model, "run_eagerly", False) and loop.count:
            text = "run_eagerly is on: the step is not traced into a graph, each of its operations is run alone"
            debugging_of(self._agent).tell("run_eagerly", text, loop.count, loop.site)
        self._note_best(fit, getattr(history, "history", {}).get("val_loss") or [])

    def _failed_fit(self, fit: _Fit | None) -> None:
        if fit is not None:
            self._leave(fit)

    @staticmethod
    def _attend(model: Any) -> None:
        """The next step is not only counted: another fit makes it, or none."""
        timed = getattr(model, "train_function", None)
        if isinstance(timed, _Timed):
            timed.counting = None

    def _leave(self, fit: _Fit) -> None:
        self._attend(fit.model)
        while self._fits and self._fits[-1] is not fit:
            self._fits.pop()
        if self._fits:
            self._fits.pop()
        self._functions.fitting = len(self._fits)

    def _note_best(self, fit: _Fit, losses: Any) -> None:
        if len(losses) < 2 or len(losses) != len(fit.ends_s):
            return
        best = min(range(len(losses)), key=lambda number: losses[number])
        if best < len(losses) - 1:
            self._after_best.add(fit.ends_s[best], fit.ends_s[-1])

    def _after_making(self, _token: Any, args: Any, _kwargs: Any, _result: Any) -> None:
        model = args[0]
        function = model.train_function
        if function is not None and not isinstance(function, _Timed):
            stepped = self._agent.guard(self._stepped)
            timed = _Timed(function, stepped, model, self._models, self._functions.prepared, self._steps)
            fit = self._fits[-1] if self._fits else None
            if fit is not None and fit.model is model:
                waits = fit.loop.waits = fit.loop.waits or FitWaits(model)
                waits.made_anew()
                timed.ask(self._agent.guard(waits.before), self._agent.guard(waits.after))
            model.train_function = timed

    def _stepped(self, model: Any, now_s: float) -> _Fit | None:
        """Note a step; the fit that made it."""
        fit = self._fits[-1] if self._fits else None
        if fit is not None and fit.model is model:
            fit.calls += 1
            self._steps.step(fit.loop, now_s)
            return fit
        self._steps.step(self._steps.loop_of(model, "keras", "train_on_batch", self._site), now_s)
        return None

    def _site(self) -> Site | None:
        return self._agent._places.innermost(caller(1))

    # -- the rest ------------------------------------------------------------------------------------------------------

    def _before_evaluate(self, args: Any, _kwargs: Any) -> float:
        fit = self._fits[-1] if self._fits else None
        if fit is None:
            self._models.settle(args[0])
        elif fit.model is args[0] and fit.rows is None:
            fit.counted = _counted(fit.model)
        return _monotonic()

    def _after_evaluate(self, token: float, args: Any, _kwargs: Any, _result: Any) -> None:
        now_s = _monotonic()
        fit = self._fits[-1] if self._fits else None
        if fit is not None and fit.model is args[0]:
            fit.ends_s.append(now_s)
        if self._steps.total:
            self._evaluations.add(token, now_s)

    def _before_predict(self, args: Any, _kwargs: Any) -> float:
        self._models.settle(args[0])
        return _monotonic()

    def _after_predict(self, token: float, args: Any, kwargs: Any, _result: Any) -> None:
        rows = rows_of(args[1] if len(args) > 1 else kwargs.get("x"))
        if rows is None:
            return
        site = self._agent._places.innermost(caller(2))
        fact = self._sites.get(site)
        if fact is None:
            if len(self._sites) >= _MOST_SITES or site is None:
                return
            file, line, function = site
            fact = self._sites[site] = {"k": "predict", "key": f"{file}:{line}", "file": file, "line": line}
            fact.update(function=function, calls=0, rows=0, s=0.0)
        fact["calls"] += 1
        fact["rows"] += rows
        fact["s"] += _monotonic() - token
        self._agent.tick()

    def _applied(self, _token: Any, args: Any, _kwargs: Any, _result: Any) -> None:
        if self._fits:
            return
        if not is_eager():
            self._functions.applied(args[0])
            return
        now_s = _monotonic()
        self._models.used()
        loop = self._steps.loop_of(args[0], "keras", "optimizer", self._site)
        self._functions.pipelines.stepped(loop)
        self._steps.step(loop, now_s)

    def _facts(self) -> list[dict[str, Any]]:
        return [
            *(dict(fact) for fact in self._sites.values()),
            *self._evaluations.facts(self._steps.last_s),
            *self._after_best.facts(float("inf")),
        ]


class _Timed:
    """The train function of a model, with the time of its first call set against that of the others.

    Most steps are only counted, by few instructions: a training has emptied the caches.
    """

    def __init__(
        self, function: Any, stepped: Any, model: Any, models: ModelsOfKeras, prepared: Prepared, steps: Steps
    ) -> None:
        import weakref

        self._function = function
        self._stepped = stepped
        self._model = weakref.ref(model)
        self._models = models
        self._prepared = prepared
        self._steps = steps
        self.counting: _Fit | None = None  # the fit of which most steps are only counted
        self._first_s: float | None = None
        self._begun_s = 0.0
        self._later: list[float] = []
        self._settled = False
        self._before: Any = None
        self._after: Any = None

    def ask(self, before: Any, after: Any) -> None:
        """Have these called around each call, the second one where the first one gave a token and the call returned."""
        self._before, self._after = before, after

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        fit, steps = self.counting, self._steps
        if fit is not None:
            loop, waits = fit.loop, fit.loop.waits
            if (
                loop.count + 1 < loop.due
                and waits is not None
                and waits.batches + 1 < waits.due
                and (waits.iterator is None or (args and waits.iterator() is args[0]))
                and steps.leader is loop
            ):
                result = self._function(*args, **kwargs)
                waits.batches += 1
                fit.calls += 1
                loop.count += 1
                steps.total += 1
                loop.last_s = steps.last_s = _monotonic()
                return result
        begun_s = _monotonic()
        token = None if self._before is None else self._before(args)
        result = self._function(*args, **kwargs)
        now_s = _monotonic()
        if token is not None:
            self._after(token)
        if self._first_s is None:
            self._first_s = now_s - begun_s
            self._begun_s = begun_s
        elif len(self._later) < _LATER:
            self._later.append(now_s - begun_s)
        fit = self._stepped(self._model(), now_s)
        self.counting = fit if len(self._later) == _LATER else None
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def settle(self) -> None:
        """Once there are calls to set it against: what the first one took more was tracing."""
        model = self._model()
        if self._settled or self._first_s is None or not self._later or model is None:
            return
        self._settled = True
        usual_s = sorted(self._later)[len(self._later) // 2]
        traced_s = max(0.0, self._first_s - usual_s)
        self._models.traced(model, traced_s)
        if traced_s > _TRACE_S:
            self._prepared.add(self._begun_s, self._begun_s + traced_s)


def _counted(model: Any) -> float | None:
    """Rows of the epoch: the metric of the loss is a mean over rows, and counts them."""
    for metric in model.metrics:
        if metric.name == "loss" and hasattr(metric, "count"):
            return float(metric.count)
    return None
