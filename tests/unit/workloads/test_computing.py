"""Device, number format and compile mode of the programs: what they do to a real torch, and what is refused."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'wattleak[torch]'")

from wattleak.workloads import fine_tuning  # noqa: E402 - where torch is there
from wattleak.workloads.computing import Computing, add_options, computing_from, own_cache  # noqa: E402 - the same

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
    own_cache()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv("WATTLEAK_RUN_DIR", str(tmp_path))
    own_cache()
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


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_training_learns_in_every_format(precision: str) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8)
    labels = (images.float().mean((1, 2, 3)) > 127).long()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    constants = (torch.full((1, 3, 1, 1), value) for value in (0.45, 0.22))
    prepare, computing = fine_tuning.Preparation(8, *constants), Computing(CPU, precision)
    optimizer, scaler = torch.optim.Adam(model.parameters(), lr=0.01), computing.scaler()
    losses = [
        fine_tuning.train_one_epoch(model, optimizer, prepare, images, labels, 8, computing, scaler) for _ in range(10)
    ]
    assert [samples for _, samples in losses] == [16] * 10
    assert losses[-1][0] < losses[0][0]
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    scores = fine_tuning.class_scores(model, prepare, images, computing)
    assert scores.dtype == "float32"
    assert scores.sum(axis=1) == pytest.approx([1.0] * 16)  # probabilities are formed in full precision
