"""Device, number format and compile mode of the programs: what they do to a real torch, and what is refused."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'wattleak[torch]'")

from wattleak.workloads.computing import Computing, add_options, computing_from  # noqa: E402 - where torch is there

CPU = torch.device("cpu")


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_products_of_matrices_are_done_in_the_format_that_is_asked_for(precision: str) -> None:
    computing = computing_from(asked("--device", "cpu", "--precision", precision))
    layer, rows = torch.nn.Linear(3, 2), torch.ones(4, 3)
    with computing.autocast():
        answer = layer(rows)
    assert str(answer.dtype) == f"torch.{precision}"
    assert layer.weight.dtype is torch.float32  # what is trained stays as it is
    assert computing.scaler().is_enabled() is (precision == "float16")  # only there can small gradients vanish
    assert precision in computing.describe()


def test_a_recorded_run_compiles_for_itself_and_any_other_as_torch_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Linear(3, 2)
    assert Computing(CPU).compiled(model) is model
    for name in ("WATTLEAK_RUN_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    trained = Computing(CPU, mode="default").compiled(model)  # nothing is compiled before the first batch
    assert {id(one) for one in trained.parameters()} == {id(one) for one in model.parameters()}
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv("WATTLEAK_RUN_DIR", str(tmp_path))
    Computing(CPU, mode="reduce-overhead").compiled(model)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--precision", "int3"), "there is no --precision int3"),
        (("--compile", "fast"), "there is no --compile fast"),
        (("--device", "abacus"), "torch cannot compute on 'abacus'"),
        (("--device", "cuda:99"), "torch cannot compute on 'cuda:99'"),
    ],
)
def test_what_torch_does_not_know_or_have_is_one_clear_error(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        computing_from(asked(*words))
    assert refused.value.remedy


@pytest.mark.skipif(find_spec("torch_xla") is not None, reason="it is installed")
def test_a_package_that_is_lacking_is_named() -> None:
    with pytest.raises(UsageError, match="needs torch_xla, which is not installed"):
        computing_from(asked("--device", "xla"))


def test_a_compiler_that_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "nonesuch-c++")
    assert computing_from(asked("--device", "cpu")).mode == "none"  # who does not compile needs none
    with pytest.raises(UsageError, match="there is no nonesuch-c"):
        computing_from(asked("--device", "cpu", "--compile", "default"))


@pytest.mark.vision
@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision: pip install 'wattleak[vision]'")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_real_training_in_16_bits_learns_and_reports(
    precision: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wattleak.workloads import fine_tuning

    small = ["--image-size", "32", "--train-images", "16", "--test-images", "8", "--batch", "8", "--epochs", "3"]
    words = ["--model", "resnet18", "--device", "cpu", *small, "--weights", "none", "--precision", precision]
    monkeypatch.setattr(sys, "argv", ["fine_tuning.py", *words])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("WATTLEAK_RUN_DIR", raising=False)
    fine_tuning.main()
    told = capsys.readouterr().out
    losses = [float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith("epoch ")]
    assert f"CPU, {precision}" in told
    assert len(losses) == 3
    assert losses[-1] < losses[0]  # sixteen images, seen three times
    assert '"samples": 48' in told
