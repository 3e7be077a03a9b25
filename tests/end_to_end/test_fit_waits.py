"""How long fit waits for its batches, which it asks for inside of a graph: what the agent notes of real trainings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from scipy import stats

import wattleak
from wattleak.signals import read_signals

if TYPE_CHECKING:
    from wattleak.signals import Fact, Signals

AGENT = Path(wattleak.__file__).parent / "agent"
ONE_BY_ONE = Path(__file__).parents[1] / "smells" / "probed" / "one_by_one.py"
HEAD = """
import time
import keras, numpy as np, tensorflow as tf
rows, targets = np.zeros((8, 4), "float32"), np.zeros((8, 1), "float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
signature = (tf.TensorSpec((None, 4)), tf.TensorSpec((None, 1)))
"""
SLOW = """
def slow():
    for _ in range(100):
        time.sleep(0.02)
        yield rows, targets
data = tf.data.Dataset.from_generator(slow, output_signature=signature)
"""
PROGRAMS = {
    "starved": HEAD + SLOW + "model.fit(data.prefetch(2), epochs=2, verbose=0)",
    "fed": HEAD
    + "rest = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.02))\n"
    + "model.fit(np.zeros((800, 4)), np.zeros((800, 1)), batch_size=8, callbacks=[rest], verbose=0)",
    "not known": HEAD
    + SLOW
    + "options = tf.data.Options()\noptions.autotune.enabled = False\n"
    + "model.fit(data.with_options(options), verbose=0)",
    "deterministic": """
import keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.zeros((6400, 784), "float32"), np.zeros((6400, 1), "float32"), batch_size=64, verbose=0)
""",
}


class Noted(NamedTuple):
    steps: float | None
    wait: Fact | None


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Noted]:
    """By program, what was noted of its steps and of its data wait."""
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        pytest.skip("needs Keras on TensorFlow (make test-full installs them)")
    folder = tmp_path_factory.mktemp("waits")
    (folder / "signals").mkdir()
    for name, text in PROGRAMS.items():
        (folder / f"{name}.py").write_text(text)
    paths = [str(folder / f"{name}.py") for name in PROGRAMS]
    given = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLEAK", "PYTHON", "COV"))}
    done = subprocess.run(
        [sys.executable, ONE_BY_ONE, "tensorflow,keras", folder / "results.json", *paths],
        env={
            **given,
            "PYTHONPATH": str(AGENT),
            "WATTLEAK_SIGNALS": str(folder / "signals"),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    ended = json.loads((folder / "results.json").read_text())
    assert [item["exit_code"] for item in ended] == [0] * len(PROGRAMS), done.stderr
    signals = read_signals(folder / "signals")
    assert [fact.text("error") for fact in signals.of("failure")] == []
    return {name: noted_of(signals, item["pid"]) for name, item in zip(PROGRAMS, ended, strict=True)}


def noted_of(signals: Signals, pid: int) -> Noted:
    (steps,) = (fact for fact in signals.of("steps") if fact.process.pid == pid)
    phases = {fact.text("name"): fact for fact in signals.of("phase") if fact.process.pid == pid}
    assert "training" in phases
    return Noted(steps.number("steps"), phases.get("data wait"))


@pytest.mark.keras
def test_each_step_is_counted_though_most_are_only_counted(noted: dict[str, Noted]) -> None:
    assert [noted[name].steps for name in PROGRAMS] == [200, 100, 100, 100]


@pytest.mark.keras
def test_a_training_that_waits_for_a_slow_source_is_told_how_long(noted: dict[str, Noted]) -> None:
    """200 batches of which each is 20 ms in the making, and a step that takes a few."""
    wait = noted["starved"].wait

    assert wait is not None
    seconds, low_s, high_s = (wait.number(name) for name in ("s", "low_s", "high_s"))
    assert seconds is not None
    assert low_s is not None
    assert high_s is not None
    assert low_s < seconds < high_s
    assert seconds > 200 * 0.02 / 4  # a busy machine has slower steps, which wait for less


@pytest.mark.keras
@pytest.mark.parametrize("name", ["fed", "deterministic"])
def test_a_training_whose_batches_are_there_does_not_wait(noted: dict[str, Noted], name: str) -> None:
    """Nor is waiting told where TensorFlow makes each batch when it is asked for, as it may with determinism."""
    wait = noted[name].wait

    assert wait is None or (wait.number("s") or 0.0) < 100 * 0.02 / 4


@pytest.mark.keras
def test_of_a_pipeline_that_does_not_tell_nothing_is_told(noted: dict[str, Noted]) -> None:
    assert noted["not known"].wait is None


def test_a_program_is_not_held_up_for_batches_that_never_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the test: 5,000 steps of 20 ms, before none of which a batch is there."""
    monkeypatch.syspath_prepend(str(AGENT))
    from wattleak_agent import fit_waits

    class OwnedIterator: ...

    now_s, slept_s, iterator = 1000.0, 0.0, OwnedIterator()

    def sleep(seconds: float) -> None:
        nonlocal now_s, slept_s
        now_s, slept_s = now_s + seconds, slept_s + seconds

    monkeypatch.setattr(fit_waits, "_monotonic", lambda: now_s)
    monkeypatch.setattr(fit_waits, "_sleep", sleep)
    monkeypatch.setattr(fit_waits.FitWaits, "_is_there", staticmethod(lambda _: False))
    waits = fit_waits.FitWaits(model=None)
    for _ in range(5000):
        token = waits.before((iterator,))
        now_s += 0.02
        if token is not None:
            waits.after(token)

    assert 0.5 < slept_s < 1.2 + 0.01 * 5000 * 0.02


@pytest.mark.parametrize("waited", [[0.02, 0.03, 0.01, 0.02, 0.05, 0.0, 0.02, 0.04], [0.01, 0.03] * 30])
def test_the_range_is_that_of_a_sample(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    """Each step is asked: Student's interval of the mean, by scipy."""
    monkeypatch.syspath_prepend(str(AGENT))
    from wattleak_agent.fit_waits import FitWaits

    waits = FitWaits(model=None)
    for seconds in waited:
        assert waits.waited() is None or waits.asked >= 8
        waits.after((1, seconds, 0.0))
    waits.batches = 1000
    low, high = stats.t.interval(0.95, len(waited) - 1, sum(waited) / len(waited), stats.sem(waited))

    found = waits.waited()

    assert found == pytest.approx((1000 * sum(waited) / len(waited), 1000 * max(low, 0.0), 1000 * high), rel=0.02)
