"""Where a program computes, and what a file is for."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - a fixture

import pytest
from tests.unit.source.learning_programs import read

from wattleak.source.learning import FileRole, file_role, importers, on_accelerator
from wattleak.source.project import Project

ACCELERATED = {
    "cuda()": "import torch\nmodel.cuda()",
    "device": "import torch\ndevice = torch.device('cuda:1')",
    "if there is one": "import torch\ndevice = 'gpu' if torch.cuda.is_available() else 'cpu'",
    "apple": "import torch\nd = torch.device('mps')",
    "any accelerator": "import torch\nif torch.accelerator.is_available():\n"
    "    d = torch.accelerator.current_accelerator()",
    "default of an argument": "import torch\np.add_argument('--device', default='cuda')",
    "formatted": "import torch\nd = f'cuda:{rank}'",
    "accelerate": "from accelerate import Accelerator\na = Accelerator()",
    "lightning": "import lightning as L\nt = L.Trainer(accelerator='gpu', devices=2)",
    "tensorflow": "import tensorflow as tf\nwith tf.device('/GPU:0'):\n    f()",
    "list of devices": "import tensorflow as tf\ng = tf.config.list_physical_devices('GPU')",
    "strategy": "import tensorflow as tf\ns = tf.distribute.MirroredStrategy()",
    "tpu": "import torch_xla.core.xla_model as xm\nd = xm.xla_device()",
    "autocast": "import torch\nwith torch.autocast('cuda'):\n    f()",
    "device map": "from transformers import AutoModel\nm = AutoModel.from_pretrained('a', device_map='auto')",
}
NOT_ACCELERATED = {
    "cpu": "import torch\nmodel.to('cpu')",
    "comment": "import torch\n# model.cuda()",
    "page": '"""Runs on cuda."""\nimport torch',
    "seeds": "import torch\nif torch.cuda.is_available():\n    torch.cuda.manual_seed_all(1)",
    "accelerate on the CPU": "from accelerate import Accelerator\na = Accelerator(cpu=True)",
    "lightning on the CPU": "import lightning as L\nt = L.Trainer(accelerator='cpu')",
    "hidden": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = ''\nimport torch\n"
    "if torch.cuda.is_available():\n    f()",
    "compared": "import torch\nif device == 'cuda':\n    f()",
    "choices": "import torch\np.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])",
    "nothing": "import torch\nmodel.train()",
    "gpu in a name": "import torch\nn_gpu = 0",
}


@pytest.mark.parametrize("name", ACCELERATED)
def test_an_accelerator_is_used(tmp_path: Path, name: str) -> None:
    assert on_accelerator(read(tmp_path, ACCELERATED[name]))


@pytest.mark.parametrize("name", NOT_ACCELERATED)
def test_no_accelerator_is_known(tmp_path: Path, name: str) -> None:
    assert not on_accelerator(read(tmp_path, NOT_ACCELERATED[name]))


def test_the_device_may_be_named_in_the_file_that_imports_this_one(tmp_path: Path) -> None:
    module = read(
        tmp_path, "import torch\ndef train(m): pass", run="from main import train\nimport torch\ntrain(m.cuda())"
    )
    assert [other.path.name for other in importers(module)] == ["run.py"]
    assert on_accelerator(module)


def test_the_device_may_be_named_in_a_file_that_this_one_imports(tmp_path: Path) -> None:
    assert on_accelerator(read(tmp_path, "from lib.device import DEVICE", lib__device="DEVICE = 'cuda'\n"))


def test_a_file_that_nobody_imports_says_nothing(tmp_path: Path) -> None:
    assert not on_accelerator(read(tmp_path, "import torch", other="import torch\nmain = torch.zeros(1).cuda()\n"))


@pytest.mark.parametrize(
    ("path", "code", "role"),
    [
        ("train.py", "import torch", FileRole.PROGRAM),
        ("test.py", "import torch\nmodel.eval()", FileRole.PROGRAM),
        ("test.py", "import unittest", FileRole.TEST),
        ("test_model.py", "def test_a():\n    pass", FileRole.TEST),
        ("test_model.py", "evaluate(model)", FileRole.PROGRAM),
        ("tests/helpers.py", "x = 1", FileRole.TEST),
        ("pkg/conftest.py", "x = 1", FileRole.TEST),
        ("docs/conf.py", "x = 1", FileRole.DOCUMENTATION),
        ("docs/tests/a.py", "x = 1", FileRole.TEST),
        ("examples/mnist.py", "x = 1", FileRole.PROGRAM),
        ("latest/run.py", "x = 1", FileRole.PROGRAM),
    ],
)
def test_what_a_file_is_for(tmp_path: Path, path: str, code: str, role: FileRole) -> None:
    folder = tmp_path / "tests"  # the folder that the project lies in is not its own
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(code, encoding="utf-8")
    (folder / "pyproject.toml").touch()
    module = Project([folder / path]).module_at(folder / path)
    assert module is not None
    assert file_role(module) is role
