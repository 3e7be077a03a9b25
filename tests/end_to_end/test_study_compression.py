"""`study compression`: its plan, a real run of two variants, and what it refuses."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")


@pytest.fixture
def stripes(tmp_path: Path) -> str:
    """Two classes of 8 x 8 pixels: a bright stripe at one of two places."""
    rng = np.random.default_rng(0)
    kept = {}
    for name, count in (("train", 128), ("test", 64)):
        labels = rng.integers(0, 2, count)
        pixels = rng.integers(0, 60, (count, 8, 8, 1))
        for label in range(2):
            pixels[labels == label, :, 3 * label : 3 * label + 3] += 120
        kept |= {f"{name}_images": pixels.astype(np.uint8), f"{name}_labels": labels}
    path = tmp_path / "stripes.npz"
    np.savez(path, **kept)
    return str(path)


@needs_torch
def test_the_plan_has_every_way_of_pytorch_against_float32_and_trains_nothing(
    wattleak: CommandLine, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    done = wattleak("study", "compression", "--dry-run", "--json", "--store", str(store), "--", "--batch", "8")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    design = json.loads(line)["design"]
    assert [variant["name"] for variant in design["variants"]] == [
        "float32",
        "bfloat16",
        "float16",
        "int8-dynamic",
        "int8-static",
        "pruned-weights",
        "pruned-channels",
        "pruned-channels-tuned",
    ]
    assert design["blocks"] == 9  # 2 / 2**9 is below 0.05 / 7, and 2 / 2**8 is not
    assert design["warmups"] == 0
    assert design["quality"] == {"metric": "accuracy", "direction": "max", "margin": 0.005}
    assert "_per_sample_" in design["metric"]
    weights = {variant["command"][variant["command"].index("--weights") + 1] for variant in design["variants"]}
    assert len(weights) == 1  # the same for all
    assert all(" ".join(variant["command"]).endswith("--batch 8") for variant in design["variants"])
    assert not (store / "models").exists()
    assert "Fashion-MNIST" in done.stderr
    assert "trained once by torch" in done.stderr


@pytest.mark.torch
@needs_torch
def test_a_real_run_from_training_to_report(wattleak: CommandLine, stripes: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = wattleak(
        *("study", "compression", "--json", "--store", str(store), "--data", stripes, "--blocks", "1"),
        *("--only", "float32,int8-static", "--", "--epochs", "1", "--inferences", "640", "--requests", "100"),
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "study_compression"
    assert "trained by torch" in done.stderr
    (model,) = (store / "models").iterdir()
    (part,) = document["parts"]
    assert len(part["runs"]) == 2  # every run is there
    float32, int8 = part["compressed"]
    assert (float32["name"], int8["name"]) == ("float32", "int8-static")
    assert int8["parameters"] == float32["parameters"]
    assert int8["size_b"] < float32["size_b"] / 2
    for row in (float32, int8):
        assert row["batched_per_1000"]["cpu_s"]["value"] > 0
        assert 0 < row["latency_p50_s"]["value"] <= row["latency_p99_s"]["value"]
        assert row["convert_cpu_s"] >= 0
    assert float32["accuracy_on_the_same_images"]["state"] == "identical"
    for run in part["runs"]:
        names = [span["name"] for span in run["spans"]]
        assert names == ["convert", "warm-up", "inference", "warm-up", "requests"]  # no training among them
        assert str(model) in " ".join(run["command"])
    assert list((store / "reports").glob("*.html"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--framework", "jax"), "has no programs for 'jax'"),
        (("--only", "float32,int4"), "--only: there is no 'int4' in this study"),
        (("--only", "int8-dynamic,int8-static"), "the reference is float32"),
        (("--steps", "5"), "end a run before its accuracy is known"),
        (("--", "--variant", "float16"), "--variant after -- would make all variants one"),
        (("--", "--no-such-option"), "unrecognized arguments: --no-such-option"),
    ],
)
@needs_torch
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", "compression", "--dry-run", *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 6
