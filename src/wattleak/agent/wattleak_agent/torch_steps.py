"""PyTorch: steps of optimizers, and the batches that loaders give. Through the public hooks of torch.optim."""

from __future__ import annotations

import functools
import sys
import time
import weakref

from .batches import Kept, rows_of
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .agent import Agent
    from .steps import Loop, Site, Steps
    from .torch_evaluation import Evaluations

_monotonic = time.monotonic
_MOST_UPDATES = 48  # of a loop that are timed; then another loop has to begin
_FEWEST = 4  # batches of a reading that is judged
_STEADY = 16  # steps that one optimizer alone has made, after which batches are only counted,
_COUNTED = 15  # so many in a row
_NOTHING_S = 10e-6  # between two batches, on average, where nobody does anything with them; our own time is in it


class Optimizers:
    """Counts the steps of all optimizers."""

    def __init__(self, agent: Agent, torch: Any) -> None:
        self._agent = agent
        self._torch = torch
        self.steps: Steps = steps_of(agent)
        self.steps.sizes.append(_sizes(torch.Tensor, torch._C.DisableTorchFunction))
        self.steps.device_reader = self._device
        self.loop: Loop | None = None  # of the step that was made last
        self._begun_s = 0.0  # 0: nobody noted it
        self._handle: Any = None  # of the hook that notes it
        self.waited_s = 0.0  # for batches since the last step
        self.rows = 0  # read since the last step
        self.alone = 0  # steps that one optimizer has made, and no other
        self.at_change: list[Callable[[], object]] = []  # called before another optimizer makes a step

    def install(self, optim: Any) -> None:
        """`optim` is torch.optim.optimizer."""
        optim.register_optimizer_step_post_hook(self._counting(self._agent.guard(self._after)))
        self._before_each = optim.register_optimizer_step_pre_hook, self._agent.guard(self._before)
        self._time_updates()

    def _time_updates(self) -> None:
        if self._handle is None:
            register, hook = self._before_each
            self._handle = register(hook)

    def _counting(self, attend: Callable[..., Any]) -> Callable[..., Any]:
        """A hook that counts most steps itself, and calls `attend` where there is more to do.

        A training has emptied the caches when it runs: each instruction counts.
        """
        steps = self.steps

        def stepped(optimizer: Any, args: Any, kwargs: Any) -> None:
            loop = self.loop
            if (
                loop is None
                or loop.count + 1 >= loop.due
                or self.rows
                or loop.ref() is not optimizer
                or self._begun_s
                or steps.leader is not loop
            ):
                attend(optimizer, args, kwargs)
                return
            loop.count += 1
            loop.last_s = steps.last_s = _monotonic()
            steps.total += 1

        return stepped

    def _before(self, _optimizer: Any, _args: Any, _kwargs: Any) -> None:
        self._begun_s = _monotonic()

    def _after(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        now_s = _monotonic()
        loop = self.loop
        self.alone += 1
        if loop is None or loop.ref() is not optimizer:
            for told in self.at_change:
                told()
            self.alone = 0
            loop = self.loop = self.steps.loop_of(optimizer, "torch", "optimizer", self._site)
            if not loop.count:
                loop.device = self._device_of(optimizer)
                self._time_updates()
        if self._begun_s:
            loop.update_s += now_s - self._begun_s
            loop.updates += 1
            self._begun_s = 0.0
            if loop.updates >= _MOST_UPDATES and self._handle is not None:
                self._handle.remove()
                self._handle = None
        if self.rows:
            loop.rows += self.rows
            loop.rows_steps += 1
            loop.wait_s += self.waited_s
            self.rows, self.waited_s = 0, 0.0
        self.steps.step(loop, now_s)

    def _site(self) -> Site | None:
        return self._agent._places.innermost(caller(1))

    @staticmethod
    def _device_of(optimizer: Any) -> str:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                return str(parameter.device)
        return "cpu"

    def _device(self, loop: Loop) -> tuple[str, Callable[[], int], int | None] | None:
        if not loop.device.startswith("cuda"):
            return None
        cuda = self._torch.cuda
        device = self._torch.device(loop.device)
        capacity = int(cuda.get_device_properties(device).total_memory)
        return loop.device, lambda: int(cuda.memory_allocated(device)), capacity

    def facts(self) -> Iterator[dict[str, Any]]:
        """What the allocator of each device has seen, which the driver does not know."""
        cuda = self._torch.cuda
        devices = {loop.device for loop in self.steps.loops() if loop.device.startswith("cuda")}
        for device in devices:
            stats = cuda.memory_stats(device)
            yield {
                "k": "allocator",
                "key": device,
                "device": device,
                "capacity_b": int(cuda.get_device_properties(device).total_memory),
                "peak_b": stats.get("reserved_bytes.all.peak", 0),
                "retries": stats.get("num_alloc_retries", 0),
                "ooms": stats.get("num_ooms", 0),
            }


def _sizes(tensor: type, unseen: Callable[[], Any]) -> Callable[[Any], tuple[int, int, bool] | None]:
    def sizes(value: Any) -> tuple[int, int, bool] | None:
        if not isinstance(value, tensor):
            return None
        with unseen():  # by classes and modes of the program, which are told of every question
            try:
                storage = value.untyped_storage()  # type: ignore[attr-defined]
                size = storage.data_ptr() or id(value), storage.nbytes()
            except Exception:  # sparse, fake, of another device type: no memory that could be told
                size = id(value), 0
            return size[0], size[1], value.grad_fn is not None  # type: ignore[attr-defined]

    return sizes


class Loaders:
    """Times the batches of all loaders, and knows which are read for nothing."""

    def __init__(self, agent: Agent, optimizers: Optimizers, evaluations: Evaluations) -> None:
        self._agent = agent
        self._optimizers = optimizers
        self._evaluations = evaluations
        self._readings: weakref.WeakKeyDictionary[Any, _Reading] = weakref.WeakKeyDictionary()
        self._reading: _Reading | None = None  # that gave the last batch
        self._iterator: Any = None  # of that reading, by weak reference
        self._known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()
        self._sites: dict[Site | None, dict[str, Any]] = {}
        self._counted = _Counted()
        optimizers.at_change.append(self._settle)
        optimizers.steps.at_facts.append(self._settle)
        evaluations.at_begin.append(self._settle)
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._sites.clear()
        self._reading = self._iterator = None
        self._counted.number = 0

    def install(self, data: Any) -> None:
        torch = sys.modules["torch"]
        self._is_grad_enabled, self._tensor = torch.is_grad_enabled, torch.Tensor
        self._agent.around(data.DataLoader, "__iter__", self.begin, self.begun)
        self._watch_next(data._BaseDataLoaderIter)

    def _watch_next(self, iterators: Any) -> None:
        """As `Agent.around` does, with less around each batch."""
        original = vars(iterators).get("__next__")
        if original is None:
            return
        given, ended = self._agent.guard(self.given), self._agent.guard(self.ended)
        counted, tensor = self._counted, self._tensor

        @functools.wraps(original)
        def watched(iterator: Any) -> Any:
            asked_s = _monotonic()
            try:
                batch = original(iterator)
            except BaseException:
                ended(iterator)
                raise
            if (
                counted.number == id(iterator)
                and counted.left
                and type(batch) is list
                and batch
                and type(batch[0]) is tensor
            ):
                counted.left -= 1
                shape = batch[0].shape
                counted.rows += shape[0] if shape else 0
                counted.waited_s += _monotonic() - asked_s
            else:
                given(asked_s, iterator, batch)
            return batch

        iterators.__next__ = watched

    def begin(self, _args: Any, _kwargs: Any) -> float:
        return _monotonic()

    def begun(self, token: float, args: Any, _kwargs: Any, iterator: Any) -> None:
        """A loader was asked for an iterator: `for batch in loader`, list(loader)."""
        self._settle()
        if self._reading is not None:
            self._judge(self._reading)
        loader = args[0]
        fact = self._fact(self._agent._places.innermost(caller(2)))
        if fact is None:
            return
        fact["readings"] += 1
        fact["start_s"] += _monotonic() - token
        fact["workers"] = getattr(loader, "num_workers", None)
        known = self._known.get(loader)
        if known is None:
            known = self._known[loader] = _Known()
            fact["loaders"] += 1
        started = bool(fact["workers"]) and iterator not in self._readings  # persistent workers keep their iterator
        fact["started"] += started
        fact["persistent"] = bool(getattr(loader, "persistent_workers", False))
        fact["data"] = type(getattr(loader, "dataset", None)).__name__
        self._readings[iterator] = reading = _Reading(fact, known, self._optimizers.steps.total, started=started)
        reading.gradients = self._evaluations.gradients
        if self._iterator is not None and self._iterator() is iterator:
            self._iterator = None  # of persistent workers: another way through

    def _fact(self, site: Site | None) -> dict[str, Any] | None:
        fact = self._sites.get(site)
        if fact is None and len(self._sites) < 256:
            file, line, function = site or (None, None, None)
            fact = self._sites[site] = {
                "k": "loader",
                "key": f"{file}:{line}",
                "file": file,
                "line": line,
                "function": function,
                "readings": 0,
                "batches": 0,
                "rows": 0,
                "wait_s": 0.0,  # until a batch came
                "start_s": 0.0,  # until the iterator was there
                "loaders": 0,  # different ones
                "started": 0,  # readings that workers were started for
                "first_wait_s": 0.0,  # of those, for the first batch
                "idle": 0,  # readings to the end in which nothing was done with the batches, after a training
                "idle_s": 0.0,
                "device": None,
            }
        return fact

    def ended(self, iterator: Any) -> None:
        """The iterator raised: it is at its end, or broken."""
        self._settle()
        reading = self._readings.get(iterator)
        if reading is not None:
            reading.kept.ended()
            reading.stepped = reading.stepped or self._optimizers.steps.total > reading.step
            if not reading.stepped and self._evaluations.gradients == reading.gradients:
                self._optimizers.rows -= reading.rows  # nothing was trained with them
                self._optimizers.waited_s -= reading.waited_s

    def given(self, asked_s: float, iterator: Any, batch: Any) -> None:
        """A batch has come."""
        wait_s = _monotonic() - asked_s
        self._settle()
        reading = self._reading
        if self._iterator is None or self._iterator() is not iterator:
            if reading is not None:
                self._judge(reading)
            reading = self._reading = self._readings.get(iterator)
            self._iterator = weakref.ref(iterator)
        rows = rows_of(batch) or 0
        optimizers = self._optimizers
        training = not self._evaluations.running and self._is_grad_enabled()
        if training:
            optimizers.rows += rows  # of an evaluation they are no rows of the next step
            optimizers.waited_s += wait_s
            if reading is not None:
                reading.rows += rows
                reading.waited_s += wait_s
        if reading is None:
            return
        fact = reading.fact
        fact["batches"] += 1
        fact["rows"] += rows
        fact["wait_s"] += wait_s
        if reading.batches:
            reading.between_s += asked_s - reading.last_s
        elif reading.started:
            fact["first_wait_s"] += wait_s
        if reading.known.trained and optimizers.steps.total == reading.step:
            reading.kept.given(batch)
        reading.batches += 1
        reading.wait_s += wait_s
        if reading.batches == 2 and optimizers.steps.total > reading.step:
            reading.known.trained = True
            fact["device"] = None if optimizers.loop is None else optimizers.loop.device
        stepped = optimizers.steps.total > reading.step
        if training and stepped and optimizers.alone > _STEADY and not self._evaluations.began:
            self._counted.begin(iterator, reading, optimizers.steps.total)
        reading.last_s = _monotonic()

    def _settle(self) -> None:
        """Book the batches that were only counted: to their reading, and to the steps that were made with them."""
        counted = self._counted
        if not counted.number:
            return
        batches, rows, waited_s = _COUNTED - counted.left, counted.rows, counted.waited_s
        reading, counted.number = counted.reading, 0
        counted.reading = None
        if not batches or reading is None:
            return
        fact = reading.fact
        fact["batches"] += batches
        fact["rows"] += rows
        fact["wait_s"] += waited_s
        reading.batches += batches
        reading.wait_s += waited_s
        loop = self._optimizers.loop
        steps = self._optimizers.steps.total - counted.total - 1  # the first one was made with the batch before
        if loop is None or steps < 1:
            self._optimizers.rows += rows
            self._optimizers.waited_s += waited_s
            return
        loop.rows += rows
        loop.rows_steps += min(steps, batches)
        loop.wait_s += waited_s

    def _judge(self, reading: _Reading) -> None:
        """Was this way through the loader for nothing? To its end, no time between batches, and nobody has them."""
        if reading.judged or not reading.kept.has_ended or reading.batches < _FEWEST:
            return
        reading.judged = True
        idle = reading.between_s <= _NOTHING_S * (reading.batches - 1) and not reading.stepped
        if idle and reading.kept.for_nothing:
            reading.fact["idle"] += 1
            reading.fact["idle_s"] += reading.wait_s

    def _facts(self) -> list[dict[str, Any]]:
        if self._reading is not None:
            self._judge(self._reading)
        return [dict(fact) for fact in self._sites.values()]


class _Counted:
    """Batches of a training under way that are only counted, with few instructions; `Loaders._settle` books them."""

    __slots__ = ("left", "number", "reading", "rows", "total", "waited_s")

    def __init__(self) -> None:
        self.number = 0  # id of the iterator; 0: none. Another one may have it only after a reading has begun.
        self.left = self.rows = self.total = 0
        self.waited_s = 0.0
        self.reading: _Reading | None = None

    def begin(self, iterator: Any, reading: _Reading, total: int) -> None:
        """The next batches of this iterator are counted. `total` steps have been made."""
        self.number, self.reading, self.total = id(iterator), reading, total
        self.left, self.rows, self.waited_s = _COUNTED, 0, 0.0
        reading.stepped = True


class _Known:
    """What is known of a loader."""

    __slots__ = ("__weakref__", "trained")

    def __init__(self) -> None:
        self.trained = False  # steps were made with its batches


class _Reading:
    """One way through a loader."""

    __slots__ = (
        *("batches", "between_s", "fact", "judged", "kept", "known"),
        *("gradients", "last_s", "rows", "started", "step", "stepped", "wait_s", "waited_s"),
    )

    def __init__(self, fact: dict[str, Any], known: _Known, step: int, *, started: bool) -> None:
        self.fact = fact
        self.known = known
        self.step = step  # the number of steps that were made when it began
        self.started = started  # together with workers
        self.gradients = 0  # times that some had been computed when it began
        self.batches = self.rows = 0  # rows, and seconds of waiting, that may be those of the next step
        self.wait_s = self.waited_s = 0.0
        self.between_s = 0.0  # from a batch to the request for the next, summed
        self.last_s = 0.0
        self.kept = Kept()
        self.stepped = False  # steps were made meanwhile
        self.judged = False
