"""`wattleak.inference`: what a model of yours costs when it answers requests, measured in this process.

    served = wattleak.inference(predict, make_batch, batches=[1, 8, 32], rates=[5, 20, (20, 8)])
    print(served)
    print(served.against(training, requests=1_000_000))  # `training` is an ended `with wattleak.measure("train")`

`wattleak study inference -- --model FILE.py:FUNCTION` is the same as an experiment: fresh processes, a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from wattleak.analysis.break_even import BreakEven, Training, break_even
from wattleak.analysis.estimates import scaled
from wattleak.analysis.plane import Mean
from wattleak.analysis.serving import SERVING, WARM_UP, Setting, figures
from wattleak.analysis.serving_costs import ServingCost, Stretch, cpu_seconds, energy_of, serving_cost, waiting_energy
from wattleak.analysis.serving_costs import WarmUp as WarmUpCost
from wattleak.errors import UsageError
from wattleak.model import Part
from wattleak.recorder.client import measure
from wattleak.workloads.arrivals import ARRIVALS, POISSON, schedule
from wattleak.workloads.serving import Service, back_to_back, on_schedule, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wattleak.model import Estimate
    from wattleak.workloads.serving import WarmedUp


class Costed(Protocol):
    """An ended `measure` block, a Measurement, or anything else that knows what it cost."""

    @property
    def cpu_s(self) -> float: ...
    @property
    def attributed_energy_j(self) -> Estimate | None: ...


@dataclass(frozen=True, slots=True)
class Inference:
    """What requests cost at each setting, over the repetitions; `print` it for the tables."""

    settings: tuple[ServingCost, ...]
    run_id: str  # of the recording, for `wattleak report`
    training: Training | None = None
    requests: float | None = None

    def against(self, training: Costed | None = None, *, requests: float | None = None) -> Inference:
        """The same with a training beside it, and with what `requests` requests come to."""
        known = None
        if training is not None:
            cpu = Mean(training.cpu_s, training.cpu_s, training.cpu_s)
            known = Training("the measured block", cpu, training.attributed_energy_j)
        return replace(self, training=known, requests=requests)

    @property
    def break_even(self) -> tuple[tuple[ServingCost, BreakEven | str], ...]:
        """Each setting against the training; in words where the two have no unit in common. Empty without `against`."""
        if self.training is None and self.requests is None:
            return ()
        return tuple((cost, break_even(cost, self.training, self.requests)) for cost in self.settings)

    def document(self) -> dict[str, Any]:
        """The same as JSON: the keys `settings` and `break_even` of `study inference --json`."""
        from wattleak.reports.inference_document import break_even_document, settings_document  # noqa: PLC0415

        return {
            "run_id": self.run_id,
            "settings": settings_document(self.settings),
            "break_even": break_even_document(self.break_even, self.training),
        }

    def __str__(self) -> str:
        from wattleak.reports.inference import render_break_even, render_serving  # noqa: PLC0415 - who prints pays
        from wattleak.reports.style import Style  # noqa: PLC0415

        style = Style()
        lines = render_break_even(self.break_even, self.training, style=style)
        return "\n".join([render_serving(self.settings, style=style), *([""] if lines else []), *lines])


def inference(
    predict: Callable[[Any], object],
    make_batch: Callable[[int], Any],
    *,
    batches: Sequence[int] = (1, 8, 32),
    rates: Sequence[float | tuple[float, int]] = (),
    arrivals: str = POISSON,
    seconds: float = 2.0,
    repeats: int = 3,
    warm_up_s: float = 0.5,
    seed: int = 0,
    store: str | Path | None = None,
) -> Inference:
    """Measure what answering requests costs: energy, CPU time and latency of each, waiting and warm-up apart.

    Args:
        predict: answers a batch. It must return when the answer is there: on a GPU, copy it to the host.
        make_batch: `make_batch(8)` makes the input of eight requests. Its time is part of the answer.
        batches: back to back, so many requests at a time.
        rates: requests a second, whether or not anybody is free for them; (20, 8): up to 8 that wait are answered
            together. Latency runs from the moment for which a request was scheduled.
        arrivals: poisson (independent users, drawn from `seed`) or even.
        seconds: of each repetition of each setting; a p99 takes 100 latencies in one.
        repeats: of every setting, in random order; without two there is no range.
        warm_up_s: before each repetition, apart; three batches of each size at least.
        seed: of the order and of Poisson arrivals.
        store: folder of the store; default $WATTLEAK_STORE or `.wattleak`.

    Ranges are over repetitions in this one process: another process, day or machine may differ, and a difference
    between settings is no verdict. A program that runs under `wattleak measure` gets spans in that recording.

    Raises:
        UsageError: nothing to measure, or a number that does not fit.
        OwnFailure: no recorder can be started.
    """
    settings = _settings(batches, rates)
    if arrivals not in ARRIVALS or seconds <= 0 or repeats < 1 or warm_up_s < 0:
        raise UsageError(
            f"inference(arrivals={arrivals!r}, seconds={seconds:g}, repeats={repeats}, warm_up_s={warm_up_s:g})",
            f"arrivals is one of {', '.join(ARRIVALS)}, seconds above 0, repeats 1 or more, warm_up_s 0 or more",
        )
    service, draw = Service(predict, make_batch), Random(seed)  # noqa: S311 - an order, not a secret
    with measure("inference", store=store) as whole:
        runs = [
            _run(service, setting, arrivals, seconds, warm_up_s, seed + repetition)
            for repetition in range(repeats)
            for setting in draw.sample(settings, len(settings))
        ]
    recording = whole.measurement
    rest_w = None if recording.idle_energy_j is None else scaled(recording.idle_energy_j, 1 / recording.duration_s)
    return Inference(
        tuple(
            serving_cost(setting, [run.stretch(rest_w) for run in runs if run.setting == setting])
            for setting in settings
        ),
        whole.run_id,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One repetition of one setting; what it cost is read when all is over."""

    setting: Setting
    figures: dict[str, float]
    warmed: WarmedUp
    warm_up: measure
    serving: measure

    def stretch(self, rest_w: Estimate | None) -> Stretch:
        tree_s = self.serving.cpu_s
        cpu_s = cpu_seconds(self.figures, tree_s)
        # Which part of a device's energy was waiting the recording of a block does not say.
        devices = any(item.channel.part is Part.GPU for item in self.serving.energy)
        energy_j = energy_of(self.serving.attributed_energy_j, cpu_s, tree_s, devices=devices)
        return Stretch(
            figures=self.figures,
            cpu_s=cpu_s,
            energy_j=energy_j,
            waiting_j=None if devices else waiting_energy(energy_j, (), self.figures),
            rest_j=None if rest_w is None else scaled(rest_w, self.serving.duration_s),
            warm_up=WarmUpCost(
                self.warm_up.duration_s, self.warm_up.cpu_s, self.warm_up.attributed_energy_j, self.warmed.first_s
            ),
        )


def _run(service: Service, setting: Setting, arrivals: str, seconds: float, warm_up_s: float, seed: int) -> _Run:
    with measure(f"{WARM_UP} of {setting.name}") as before:
        warmed = warm_up(service, setting.sizes, warm_up_s)
    with measure(f"{SERVING} {setting.name}") as serving:
        if setting.rate_per_s is None:
            served = back_to_back(service, setting.batch, seconds)
        else:
            count = max(1, round(seconds * setting.rate_per_s))
            times_s = schedule(arrivals, setting.rate_per_s, count, seed)
            served = on_schedule(service, setting.batch, times_s, count / setting.rate_per_s)
    return _Run(setting, figures(served), warmed, before, serving)


def _settings(batches: Sequence[int], rates: Sequence[float | tuple[float, int]]) -> tuple[Setting, ...]:
    at_rates = (rate if isinstance(rate, tuple) else (rate, 1) for rate in rates)
    found = (*(Setting(batch) for batch in batches), *(Setting(batch, rate) for rate, batch in at_rates))
    chosen = tuple(dict.fromkeys(found))
    if not chosen:
        raise UsageError("inference() has neither batches nor rates", "batches=[1, 8], or rates=[20]")
    for setting in chosen:
        if setting.batch < 1 or (setting.rate_per_s is not None and setting.rate_per_s <= 0):
            raise UsageError(f"inference(): {setting.title} cannot be", "batches are 1 or more, rates above 0")
    return chosen
