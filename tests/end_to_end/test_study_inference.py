"""`study inference` and `wattleak.inference`: plan, what they refuse, and real runs of a model whose cost is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from wattleak.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
needs_keras = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow and Keras")

# Works for 1 ms of CPU time, whatever the size of the batch: a request in a batch of 8 costs an eighth.
MODEL = """
import time

def load():
    def predict(batch):
        until = time.process_time() + 0.001
        while time.process_time() < until:
            pass
        return batch
    return predict, lambda size: [0] * size
"""


@needs_torch
def test_the_plan_has_a_variant_for_each_batch_and_rate(wattleak: CommandLine) -> None:
    words = ("--batches", "1,4", "--rates", "5,20:8", "--arrivals", "even", "--data", "jets")
    done = wattleak("study", "inference", "--dry-run", "--json", *words, "--", "--model", "cnn")
    assert done.returncode == 0, done.stderr
    design = json.loads(done.stdout)["design"]
    assert [variant["name"] for variant in design["variants"]] == ["batch-1", "batch-4", "5-per-s", "20-per-s-up-to-8"]
    commands = [" ".join(variant["command"]) for variant in design["variants"]]
    assert all("--data jets" in command and command.endswith("--model cnn") for command in commands)
    assert "--batch 4" in commands[1]
    assert "--rate" not in commands[1]
    assert "--batch 8 --rate 20 --seconds 5 --arrivals even" in commands[3]
    assert "--rate 5 --seconds 20" in commands[2]  # a hundred requests, which a p99 takes
    assert design["metric"] == "cpu_per_sample_s"
    assert design["quality"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inference", "--batches", "1", "--rates", "none"), "a comparison takes two settings"),
        (("inference", "--batches", "0,8"), "--batches '0' does not fit"),
        (("inference", "--rates", "often"), "'often' is no number of requests a second"),
        (("inference", "--rates", "20:0"), "--rates '0' does not fit"),
        (("inference", "--", "--batch", "16"), "--batch after -- would make all variants one"),
        (("inference", "--", "--rat=3"), "--rate after -- would make all variants one"),
        (("inference", "--resume", "ffff"), "no part of a study inference ffff is stored here"),
        (("inference", "--steps", "5"), "--steps and --for end a training early"),
        (("inference", "--framework", "jax"), "--framework jax: no program serves with it"),
        (("inference", "--training", "ffff"), "nothing in .wattleak has the id 'ffff'"),
        (("inference", "--training-j", "3 kg"), "'3 kg' is a mass, not an energy"),
        (("inference", "--training-j", "0"), "a training that cost nothing is no training"),
        (("inference", "--training", "a", "--training-cpu-s", "3"), "and its cost is stated too"),
        (("inference", "--requests", "many"), "--requests: 'many' is no number"),
        (("inference", "--", "--model", "absent.py:load"), "there is no such file"),
        (("PAR001", "--rates", "5"), "--rates belongs to study inference"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) <= 6


def test_a_model_of_ones_own_from_the_plan_to_break_even(wattleak: CommandLine) -> None:
    (wattleak.folder / "mine.py").write_text(MODEL)
    trained = wattleak.document("measure", "--", sys.executable, "-c", "sum(range(3_000_000))")
    words = ("--batches", "1,8", "--rates", "25,3000", "--blocks", "2", "--requests", "1000000")
    training = ("--training", trained["run_id"])
    program = ("--", "--model", "mine.py:load", "--seconds", "0.8", "--warm-up", "0.02")
    done = wattleak("study", "inference", "--json", *words, *training, *program)
    assert done.returncode == 0, done.stderr

    document = json.loads(done.stdout)
    assert document["kind"] == "study_inference"
    (part,) = document["parts"]
    assert len(part["runs"]) == 8
    one, eight, slow, flooded = part["settings"]
    assert one["cpu_per_request_s"]["value"] == pytest.approx(0.001, rel=0.2)
    assert eight["cpu_per_request_s"]["value"] == pytest.approx(0.000125, rel=0.2)
    assert slow["cpu_per_request_s"]["value"] == pytest.approx(0.001, rel=0.5)
    assert slow["waiting_cpu_per_request_s"] < 0.0005
    assert slow["requests"] == 20
    assert set(slow["latency_s"]) == {"p50", "p95"}  # 20 requests carry no p99
    assert slow["saturated_runs"] == 0
    assert flooded["saturated_runs"] == 2
    assert flooded["unanswered"] > 0
    assert flooded["latency_s"] == {}
    assert one["load"] is None
    assert all(row["warm_up"]["first_answer_s"] >= 0.001 for row in part["settings"])

    costs = part["break_even"]
    assert costs["training"]["cpu_s"]["value"] == pytest.approx(trained["cpu_s"])
    even = costs["settings"][0]
    assert even["unit"] == "s"  # both energies are modelled, so CPU-seconds are set against each other
    assert even["after_requests"]["value"] == pytest.approx(trained["cpu_s"] / one["cpu_per_request_s"]["value"])
    assert even["total"]["inference"]["value"] == pytest.approx(1000, rel=0.2)
    assert "Wrote" in done.stderr

    again = wattleak("study", "inference", *words, "--resume", document["study_id"], *program)
    assert again.returncode == 0, again.stderr
    assert "SATURATED: 3000/s is more than it can do in 2 of 2 runs" in again.stdout
    assert "1,000,000 requests" in again.stdout
    assert "break-even with" not in again.stdout


def test_inference_of_a_function_in_ones_own_program(tmp_path: Path) -> None:
    program = """
import json, wattleak, mine
predict, make_batch = mine.load()
with wattleak.measure("train") as training:
    for _ in range(300):
        predict([0])
served = wattleak.inference(predict, make_batch, batches=[1, 8], rates=[(50, 4)], seconds=0.4, repeats=2, warm_up_s=0)
print(json.dumps(served.against(training, requests=1000).document()))
print(served.against(training))
"""
    (tmp_path / "mine.py").write_text(MODEL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr

    first, table = done.stdout.split("\n", 1)
    document = json.loads(first)
    one, eight, at_rate = document["settings"]
    assert one["runs"] == 2
    assert one["cpu_per_request_s"]["value"] == pytest.approx(0.001, rel=0.2)
    assert eight["cpu_per_request_s"]["value"] == pytest.approx(0.000125, rel=0.2)
    assert at_rate["requests"] == 20
    assert at_rate["load"] < 1
    # Three hundred answers of training: inference is even with it after as many requests.
    assert document["break_even"]["settings"][0]["after_requests"]["value"] == pytest.approx(300, rel=0.3)
    assert "break-even with the training (the measured block" in table
    assert "50/s, up to 4 together" in table


def answered(*words: str) -> dict[str, float]:
    """What the program of the study prints about its own run."""
    from wattleak.workloads import serving

    program = serving.__file__.replace("serving.py", "serve.py")
    done = subprocess.run(
        [sys.executable, program, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.rpartition("WATTLEAK ")[2])
    return found


@pytest.mark.torch
@needs_torch
def test_the_network_that_comes_with_it_answers_in_pytorch() -> None:
    found = answered("--rate", "100", "--batch", "4", "--seconds", "0.3", "--warm-up", "0.05", "--image-size", "8")
    assert found["requests"] == 30
    assert found["latency_p95_s"] >= found["latency_p50_s"] > 0
    assert found["working_s"] + found["waiting_s"] == pytest.approx(found["serving_s"])


@pytest.mark.keras
@needs_keras
def test_the_same_in_keras() -> None:
    found = answered("--framework", "keras", "--batch", "4", "--seconds", "0.1", "--warm-up", "0")
    assert found["requests"] == 4 * found["batches"]
