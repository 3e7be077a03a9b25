"""Keras on TensorFlow: how long the steps of fit wait for their batches, though they ask for them inside a graph.

Before some steps, TensorFlow's own model of the pipeline (`tf.data.experimental.get_model_proto`) is asked whether a
batch lies in the buffer at its end. Where none does, the step would have to wait for it: we wait in its place, asking
again and again, and it finds the batch there. So a wait is measured on some steps, chosen at random, and what they
give on average is told of all, with the range that a sample of this size leaves: the mean weighted by how many steps
each one stands for (Hajek's estimator), and Student's t.

The first step of each way through the data starts the pipeline, so nothing can be asked before it: what it took longer
than the others counts, too; one in which fit is traced is left out.

Said of pipelines with a buffer at their end alone (`prefetch`; Keras and tf.data put one behind most): what others
hold is not known, and nothing is told of them. The same of a buffer of size 0, which is how an operation that must be
deterministic turns one off: there each batch is made when it is asked for, and none would ever come.

A wait at whose end no batch has come may have been in vain: such waits take a second in all, and one per cent of the
time. Beyond that nothing is asked until they may take longer again.
"""

from __future__ import annotations

import sys
import time
import weakref

from .interrupting import is_programs_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHARE = 0.005  # of the time that asking may take, where
_DELAYS = 10  # a question counts so often that the step would not have had to wait for anyway
_BUFFER = "Prefetch"
_FEWEST = 8  # steps that were asked before anything is told; for these the time of the questions counts once
_UNASKED = 8  # steps that tell what one takes
_REST_S = 4e-3  # between two questions, at first;
_REST_SHARE = 1 / 8  # later this part of the wait so far
_CAP_S = 0.1  # of a wait, at first: behind the last batch nothing comes any more
_MOST_CAP_S = 10.0
_VAIN_S, _VAIN_SHARE = 1.0, 0.01  # that waits at whose end no batch had come may take, and of the time
_monotonic, _sleep = time.monotonic, time.sleep


class FitWaits:
    """Of the train function of one model: `before` and `after` each of its calls."""

    def __init__(self, model: Any) -> None:
        self.batches = 0
        self.iterator: Any = None  # of this way through the data, by weak reference; None: it does not matter any more
        self.due: float = 2  # batches after which one is asked again,
        self._gap = 1  # and for how many steps it stands
        self._known = True
        self._traces = True  # the next first step, which says nothing of its batch
        self._began_s = self._asking_s = 0.0
        self._began = 0  # batches, by then
        self._random = 12345  # of our own: the program's numbers stay what they are
        self._cap_s = _CAP_S
        self._vain_s = 0.0
        self.asked = 0
        self._took_s = 0.0  # by the steps that were asked, their waits counted in; weighted, as is what follows
        self._weights = self._waited_s = 0.0
        self._squares = (0.0, 0.0, 0.0)  # of weights; of these by waits; by squares of waits
        self._firsts, self._firsts_s = 0, 0.0  # first steps of later ways through the data
        if getattr(model, "steps_per_execution", 1) != 1:
            self._give_up()  # a step asks for several

    def before(self, args: Any) -> tuple[int, float, float] | None:
        """A step is about to ask for its batch. A token for `after`, where something is to be noted of this step: how
        many steps it stands for (0: it is the first one of a way through the data), its wait, and when it began.
        """
        if not self._known or not args:
            return None
        iterator = args[0]
        self.batches = count = self.batches + 1
        if self.iterator is None or self.iterator() is not iterator:
            return self._begun(iterator)
        return None if count < self.due else self._asked(iterator, count)

    def _asked(self, iterator: Any, count: int) -> tuple[int, float, float] | None:
        began_s, weight = _monotonic(), self._gap
        if not self._began:  # the step before was traced
            self._began, self._began_s = count, began_s
            self._gap, self.due = _UNASKED, count + _UNASKED
            return None
        if self._vain_s + self._cap_s > _VAIN_S + _VAIN_SHARE * (began_s - self._began_s):
            self._plan()
            return None
        waited_s = self._wait(iterator)
        if waited_s is None:
            self._give_up()
            return None
        self._plan()
        return weight, waited_s, began_s

    def _begun(self, iterator: Any) -> tuple[int, float, float] | None:
        if type(iterator).__name__ != "OwnedIterator":
            self._give_up()  # train_on_batch, or a strategy's own
            return None
        self.iterator = weakref.ref(iterator)
        self.due = max(self.due, self.batches + 1)
        traces, self._traces = self._traces, False
        return None if traces else (0, 0.0, _monotonic())

    def _give_up(self) -> None:
        self._known, self.iterator, self.due = False, None, float("inf")

    def made_anew(self) -> None:
        """Another train function takes over, which will be traced."""
        self._traces = True

    def after(self, token: tuple[int, float, float]) -> None:
        """That step was made. One that raised, at the end of the data, is forgotten."""
        weight, waited_s, began_s = token
        took_s = _monotonic() - began_s
        if not weight:
            self._firsts += 1
            self._firsts_s += took_s
            return
        if waited_s >= self._cap_s:  # the step went on waiting
            self._cap_s = min(2 * self._cap_s, _MOST_CAP_S)
            usual_s = (self._took_s - self._waited_s) / self._weights if self._weights else took_s
            waited_s = max(waited_s, took_s - usual_s)
        self.asked += 1
        self._took_s += weight * took_s
        self._weights += weight
        self._waited_s += weight * waited_s
        ones, waits, squares = self._squares
        square = weight * weight
        self._squares = ones + square, waits + square * waited_s, squares + square * waited_s * waited_s

    def _wait(self, iterator: Any) -> float | None:
        """Seconds until a batch is there; None: it cannot be known."""
        began_s = _monotonic()
        ready = self._is_there(iterator)
        asked_s = missing_s = began_s
        now_s = _monotonic()
        if self.asked:  # the first question of all takes longer than others ever will
            self._asking_s += _DELAYS * (now_s - began_s)
        while ready is False and asked_s - began_s < self._cap_s:
            missing_s = asked_s
            _sleep(max(_REST_S, (now_s - began_s) * _REST_SHARE))
            asked_s = _monotonic()
            ready = self._is_there(iterator)
            now_s = _monotonic()
            self._asking_s += now_s - asked_s
        if ready is None:
            return None
        if not ready:
            self._vain_s += now_s - began_s
            return max(self._cap_s, asked_s - began_s)
        return (asked_s + missing_s) / 2 - began_s

    def _plan(self) -> None:
        """Choose the next step that is asked, so that asking takes its share of the time and no more."""
        step_s = (_monotonic() - self._began_s) / (self.batches - self._began)
        counts = 1 if self.asked >= _FEWEST else _DELAYS
        self._gap = gap = max(1, round(self._asking_s / max(1, self.asked) / counts / (_SHARE * step_s)))
        self._random = (1103515245 * self._random + 12345) & 0x7FFFFFFF  # as in ISO C
        self.due = self.batches + 1 + (self._random >> 8) % (2 * gap - 1)

    @staticmethod
    def _is_there(iterator: Any) -> bool | None:
        try:
            model = sys.modules["tensorflow"].data.experimental.get_model_proto(iterator)
            root = model.nodes[model.output]
            buffer = model.nodes[root.inputs[0]] if len(root.inputs) == 1 else root
        except Exception as error:  # a pipeline without such a model, a version that says it otherwise
            if is_programs_own(error):
                raise
            return None
        is_off = any(item.name == "buffer_size" and not item.value for item in buffer.parameters)
        return None if buffer.name != _BUFFER or is_off else buffer.buffered_elements > 0

    def waited(self) -> tuple[float, float, float] | None:
        """Seconds that all steps so far waited, and their range; None: too little is known."""
        count = self.asked
        if count < _FEWEST or not self._known:
            return None
        mean_s = self._waited_s / self._weights
        ones, waits, squares = self._squares
        squared = max(0.0, squares - 2 * mean_s * waits + mean_s * mean_s * ones) * count / (count - 1)
        freedom = max(1.0, self._weights * self._weights / ones - 1)
        t = 1.96 + 2.8 / freedom  # Student's, two-sided 95 %: at most 1 % too large from 7 degrees of freedom on
        error_s = t * squared**0.5 / self._weights
        more_s = max(0.0, self._firsts_s - self._firsts * self._took_s / self._weights)
        low_s, high_s = (max(0.0, self.batches * (mean_s + side * error_s)) + more_s for side in (-1, 1))
        return self.batches * mean_s + more_s, low_s, high_s
