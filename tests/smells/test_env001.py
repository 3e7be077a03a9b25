"""ENV001: what it finds in programs, scripts, images and configuration, what it leaves alone, fix and inverse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.model import Confidence, Persona, Severity
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module, Problem
from wattleak.source.reading import notebook_of, parse, read
from wattleak.source.variables.reading import VariableFile, kind_of, variable_file_of

ROOM = find_room("ENV001")
PAIRS = pairs(ROOM.smell)


def module(code: str) -> Module:
    parsed = parse(textwrap.dedent(code), Path("train.py"))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return [finding for finding in ROOM.detect(module(code), cpus=2) if finding.persona is Persona.DEFAULT]


def in_file(name: str, text: str):
    kind = kind_of(name)
    assert kind is not None
    file = variable_file_of(Path(name), textwrap.dedent(text).encode(), kind)
    assert isinstance(file, VariableFile), file
    assert ROOM.detect_variables is not None
    return list(ROOM.detect_variables(file, cpus=2))


def marked(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if "HERE" in line]


SET = "os.environ['LD_LIBRARY_PATH'] = '/opt/cuda/lib64'  # HERE"

IN_VAIN = {
    "before torch": f"import os\n{SET}\nimport torch",
    "before tensorflow": f"import os\n{SET}\nimport tensorflow as tf",
    "before a part": f"import os\n{SET}\nfrom torch.nn import functional",
    "before an import in a function": f"import os\n{SET}\ndef main():\n    import jax\n    jax.devices()",
    "before ctypes": f"import os, ctypes\n{SET}\nctypes.CDLL('libcudart.so.12')",
    "environ renamed": "from os import environ as env\nenv['LD_LIBRARY_PATH'] = '/usr/local/cuda/lib64'  # HERE\n"
    "import torch",
    "setdefault": "import os\nos.environ.setdefault('LD_LIBRARY_PATH', '/opt/lib')  # HERE\nimport torch",
    "update": "import os\nos.environ.update({'A': '1', 'LD_LIBRARY_PATH': '/opt/lib'})  # HERE\nimport torch",
    "update by keyword": "import os\nos.environ.update(LD_LIBRARY_PATH='/opt/lib')  # HERE\nimport torch",
    "or-equals": "import os\nos.environ |= {'LD_LIBRARY_PATH': '/opt/lib'}  # HERE\nimport torch",
    "putenv": "import os\nos.putenv('LD_LIBRARY_PATH', '/opt/lib')  # HERE\nimport torch",
    "appended": "import os\nos.environ['LD_LIBRARY_PATH'] += ':/opt/lib'  # HERE\nimport torch",
    "in front of what was there": "import os\n"
    "os.environ['LD_LIBRARY_PATH'] = '/opt/lib:' + os.environ.get('LD_LIBRARY_PATH', '')  # HERE\nimport torch",
    "an f-string": "import os\nroot = input()\nos.environ['LD_LIBRARY_PATH'] = f'{root}/lib64'  # HERE\nimport torch",
    "a constant": "import os\nFOLDER = '/opt/lib'\nos.environ['LD_LIBRARY_PATH'] = FOLDER  # HERE\nimport torch",
    "the name in a constant": "import os\nN = 'LD_LIBRARY_PATH'\nos.environ[N] = '/opt/lib'  # HERE\nimport torch",
}

TOO_LATE = {
    "after a tensor on the GPU": "import os, torch\nx = torch.ones(1).cuda()\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "after .to": "import os, torch\nx = torch.ones(1).to('cuda:0')\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "after a tensor made there": "import os, torch\nx = torch.ones(1, device='cuda')\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "after the question": "import os, torch\ndevice = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "inside the question": "import os, torch\nif torch.cuda.is_available():\n"
    "    os.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "in a function below": "import os, torch\ndevice = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n"
    "def main(args):\n    os.environ['CUDA_VISIBLE_DEVICES'] = args.gpu  # HERE",
    "tensorflow": "import os\nimport tensorflow as tf\ngpus = tf.config.list_physical_devices('GPU')\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
    "jax": "import os\nimport jax\nprint(jax.devices())\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'  # HERE",
}

HIDDEN = {
    "minus one": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '-1'  # HERE\nimport torch\n"
    "n = torch.nn.Linear(2, 2)\nn.cuda()",
    "nothing": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = ''  # HERE\nimport torch\n"
    "if torch.cuda.is_available():\n    torch.ones(1).to('cuda')",
    "tensorflow": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '-1'  # HERE\nimport tensorflow as tf\n"
    "with tf.device('/GPU:0'):\n    x = tf.ones(2)",
}

DISAGREEING = {
    "home and libraries": "import os, subprocess\nos.environ['CUDA_HOME'] = '/usr/local/cuda-11.8'\n"
    "os.environ['LD_LIBRARY_PATH'] = '/usr/local/cuda-12.1/lib64'  # HERE\nsubprocess.run(['python', 'train.py'])",
    "home and programs": "import os\nos.environ['CUDA_HOME'] = '/usr/local/cuda-11.8'  # HERE\n"
    "os.environ['PATH'] = '/usr/local/cuda-10.1/bin:' + os.environ['PATH']",
}

NEGATIVES = {
    "read": "import os\nprint(os.environ['LD_LIBRARY_PATH'])\nimport torch",
    "read with a default": "import os\npath = os.environ.get('LD_LIBRARY_PATH', '/usr/lib')\nimport torch",
    "compared": "import os\nif os.environ['LD_LIBRARY_PATH'] == '/usr/local/cuda/lib64':\n    print(1)\nimport torch",
    "docstring": '"""\nos.environ["LD_LIBRARY_PATH"] = "/opt/lib"\n"""\nimport os, torch',
    "comment": "import os\n# os.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch",
    "for a child": "import os, subprocess\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch\n"
    "subprocess.run(['nvidia-smi'])",
    "started again": "import os, sys\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nos.execv(sys.executable, sys.argv)",
    "environment of a child": "import os\nenv = dict(os.environ)\nenv['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch",
    "workers": "import os, multiprocessing\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch",
    "a build": "import os\nfrom setuptools import setup\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch",
    "put back": "import os\nold = os.environ.get('LD_PATH_ORIG')\nos.environ['LD_LIBRARY_PATH'] = old\nimport torch",
    "taken away": "import os\nos.environ.pop('LD_LIBRARY_PATH', None)\nimport torch",
    "another variable": "import os\nos.environ['PYTHONPATH'] = '/opt/lib'\nimport torch",
    "no program of machine learning": "import os\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport gui",
    "a browser": "import os, torch\nfrom playwright import sync_api\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'",
    "never": "import os\nif False:\n    os.environ['LD_LIBRARY_PATH'] = '/opt/lib'\nimport torch",
    "a choice of device": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'\nimport torch\ntorch.ones(1).cuda()",
    "a choice by argument": "import argparse, os\np = argparse.ArgumentParser()\np.add_argument('--gpu')\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = p.parse_args().gpu\nimport torch\ntorch.ones(1).cuda()",
    "after the import alone": "import os, torch\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\ntorch.ones(1).cuda()",
    "a device object": "import os, torch\ndevice = torch.device('cuda')\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'",
    "used in another branch": "import os, sys, torch\nif sys.argv[1:]:\n    torch.ones(1).cuda()\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'",
    "used in a function": "import os, torch\ndef later():\n    torch.ones(1).cuda()\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'",
    "used below": "import os, torch\ndef main():\n    os.environ['CUDA_VISIBLE_DEVICES'] = '1'\nmain()\n"
    "torch.ones(1).cuda()",
    "one GPU for each child": "import os, subprocess, torch\nn = torch.cuda.is_available()\n"
    "os.environ['CUDA_VISIBLE_DEVICES'] = '1'\nsubprocess.Popen(['python', 'worker.py'])",
    "asks NVML": "import os\nos.environ['PYTORCH_NVML_BASED_CUDA_CHECK'] = '1'\nimport torch\n"
    "print(torch.cuda.is_available())\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'",
    "CPU on purpose": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '-1'\nimport tensorflow as tf\ntf.ones(2)",
    "CPU if asked": "import os, sys\nif '--cpu' in sys.argv:\n    os.environ['CUDA_VISIBLE_DEVICES'] = '-1'\n"
    "import torch\ntorch.ones(1).cuda()",
    "a GPU if asked": "import argparse, os\nos.environ['CUDA_VISIBLE_DEVICES'] = '-1'\nimport torch\n"
    "args = argparse.ArgumentParser().parse_args()\nif args.gpu:\n    torch.ones(1).cuda()",
    "one version": "import os, subprocess\nos.environ['CUDA_HOME'] = '/usr/local/cuda-12.1'\n"
    "os.environ['LD_LIBRARY_PATH'] = '/usr/local/cuda-12.1/lib64'",
    "either version": "import os, sys, subprocess\nif sys.argv[1:]:\n    os.environ['CUDA_HOME'] = '/opt/cuda-11.8'\n"
    "os.environ['LD_LIBRARY_PATH'] = '/usr/local/cuda-12.1/lib64'",
}


@pytest.mark.parametrize(
    "code", (IN_VAIN | TOO_LATE | HIDDEN | DISAGREEING).values(), ids=IN_VAIN | TOO_LATE | HIDDEN | DISAGREEING
)
def test_finds_it_at_its_line(code: str) -> None:
    findings = found(code)
    assert [finding.line for finding in findings] == marked(code)
    assert findings[0].severity is Severity.WARNING


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


def test_without_anything_that_would_use_it_a_path_in_vain_is_a_note() -> None:
    (finding,) = found(f"import os\nimport torch\n{SET}\nprint(torch.ones(1))")
    assert finding.severity is Severity.INFO
    opened = "import ctypes, os, torch\n{}\nctypes.CDLL('/opt/cuda/lib64/libcudart.so.12')"
    (finding,) = found(opened.format(SET))
    assert finding.severity is Severity.INFO  # a library that is opened by its full path is not looked for


def test_the_message_names_what_does_not_see_it() -> None:
    (finding,) = found(IN_VAIN["before torch"])
    assert "import of torch in line 3" in finding.message
    (finding,) = found(TOO_LATE["inside the question"])
    assert "torch.cuda.is_available in line 2" in finding.message
    (finding,) = found(HIDDEN["minus one"])
    assert ".cuda() in line 5" in finding.message


def test_a_test_and_a_document_are_no_program(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    for name in ("tests/test_paths.py", "docs/conf.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(IN_VAIN["before torch"])
        assert list(ROOM.detect(read(path), cpus=2)) == []


def notebook(*cells: str) -> Module:
    body = {
        "cells": [
            {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
            for cell in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    parts = notebook_of(Path("train.ipynb"), json.dumps(body).encode())
    assert not isinstance(parts, Problem)
    return parts.module


def test_a_notebook_tells_the_cell_and_knows_what_it_starts() -> None:
    written = "import os\nos.environ['LD_LIBRARY_PATH'] = '/opt/lib'"
    (finding,) = ROOM.detect(notebook(written, "import torch"), cpus=2)
    assert "line 1 of cell 2" in finding.message
    assert list(ROOM.detect(notebook(written, "import torch", "!python train.py"), cpus=2)) == []


FILES = {
    "home and libraries": (
        "run.sh",
        "export CUDA_HOME=/usr/local/cuda-11.8\nexport LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64  # HERE\npython t\n",
    ),
    "two in one path": (
        "run.sh",
        "export LD_LIBRARY_PATH=/usr/local/cuda-10.1/lib64:/usr/local/cuda-12.1/lib64:$LD_LIBRARY_PATH  # HERE\n",
    ),
    "libraries and wheel": (
        "job.sbatch",
        (
            "#!/bin/bash\n#SBATCH --gres=gpu:1\nexport CUDA_HOME=/usr/local/cuda-10.1\n"
            "export LD_LIBRARY_PATH=$CUDA_HOME/lib64:$LD_LIBRARY_PATH\n"
            "pip install torch==2.4.0+cu121\npython train.py\n# marks line 3: HERE comes from CUDA_HOME\n"
        ),
    ),
    "for one command": (
        "run.sh",
        "LD_LIBRARY_PATH=/usr/local/cuda-11.8/lib64 CUDA_HOME=/usr/local/cuda-12.4 python train.py  # HERE\n",
    ),
    "image and variable": (
        "Dockerfile",
        "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nENV CUDA_HOME=/usr/local/cuda-11.8\n# HERE is line 2\n",
    ),
    "image and wheel": (
        "Dockerfile",
        (
            "FROM nvidia/cuda:11.8.0-runtime-ubuntu22.04\n"
            "RUN pip install torch --index-url https://download.pytorch.org/whl/cu121\n"
        ),
    ),
    "two wheels": ("setup.sh", "pip install torch==2.4.0+cu118 torchvision==0.19.0+cu121  # HERE\n"),
    "wheel and libraries of NVIDIA": ("setup.sh", "pip install torch==2.4.0+cu118 nvidia-cublas-cu12  # HERE\n"),
    "a CPU build on an image of CUDA": (
        "Dockerfile",
        "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch==2.6.0+cpu\n",
    ),
    "a CPU index": (
        "Dockerfile",
        (
            "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\n"
            "RUN pip install torch --index-url https://download.pytorch.org/whl/cpu\n"
        ),
    ),
    "Compose": (
        "compose.yaml",
        (
            "services:\n  train:\n    image: nvidia/cuda:12.4.1-runtime-ubuntu22.04\n    environment:\n"
            "      LD_LIBRARY_PATH: /usr/local/cuda-11.8/lib64  # HERE\n"
        ),
    ),
    "Kubernetes": (
        "pod.yaml",
        (
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - name: train\n"
            "      image: pytorch/pytorch:2.4.0-cuda12.1-cudnn9-runtime\n      env:\n"
            "        - name: LD_LIBRARY_PATH\n          value: /usr/local/cuda-11.8/lib64  # HERE\n"
        ),
    ),
    "dotenv": (".env", "CUDA_HOME=/usr/local/cuda-11.8\nLD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64\n"),
    "TOML": (
        "job.toml",
        '[job.env]\nCUDA_HOME = "/usr/local/cuda-11.8"\nLD_LIBRARY_PATH = "/usr/local/cuda-12.1/lib64"  # HERE\n',
    ),
    "JSON": (
        "job.json",
        '{"env": {"CUDA_HOME": "/usr/local/cuda-11.8",\n "LD_LIBRARY_PATH": "/usr/local/cuda-12.1/lib64"}}\n',
    ),
}
LINES = {
    "libraries and wheel": [3],
    "image and variable": [2],
    "image and wheel": [2],
    "a CPU build on an image of CUDA": [2],
    "a CPU index": [2],
    "dotenv": [2],
    "JSON": [2],
}

FILES_LEFT_ALONE = {
    "one version": (
        "run.sh",
        (
            "export CUDA_HOME=/usr/local/cuda-12.1\nexport PATH=$CUDA_HOME/bin:$PATH\n"
            "export LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64:$LD_LIBRARY_PATH\npip install torch==2.4.0+cu121\n"
        ),
    ),
    "no version": ("run.sh", "export CUDA_HOME=/usr/local/cuda\nexport LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64\n"),
    "a comment": (
        "run.sh",
        "# export CUDA_HOME=/usr/local/cuda-11.8\nexport LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64\n",
    ),
    "by condition": (
        "run.sh",
        (
            "if [ $OLD ]; then export CUDA_HOME=/usr/local/cuda-11.8; fi\n"
            "export LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64\n"
        ),
    ),
    "switched": (
        "run.sh",
        "export CUDA_HOME=/usr/local/cuda-11.8\nmake old\nexport CUDA_HOME=/usr/local/cuda-12.1\nmake new\n",
    ),
    "one wheel or the other": (
        "setup.sh",
        "if [ $OLD ]; then\n  pip install torch==2.4.0+cu118\nelse\n  pip install cupy-cuda12x\nfi\n",
    ),
    "two commands": (
        "run.sh",
        "CUDA_HOME=/usr/local/cuda-11.8 make old\nLD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64 make new\n",
    ),
    "two stages": (
        "Dockerfile",
        (
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS build\nFROM ubuntu:22.04 AS run\n"
            "ENV CUDA_HOME=/usr/local/cuda-11.8\n"
        ),
    ),
    "installed beside it": (
        "Dockerfile",
        (
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nRUN apt-get install -y cuda-toolkit-11-8\n"
            "ENV CUDA_HOME=/usr/local/cuda-11.8\n"
        ),
    ),
    "image by argument": (
        "Dockerfile",
        "ARG CUDA=12.4.1\nFROM nvidia/cuda:${CUDA}-devel-ubuntu22.04\nENV CUDA_HOME=/usr/local/cuda-11.8\n",
    ),
    "a CPU build on a plain image": ("Dockerfile", "FROM python:3.12\nRUN pip install torch==2.6.0+cpu\n"),
    "two services": (
        "compose.yaml",
        (
            "services:\n  a:\n    image: nvidia/cuda:12.4.1-runtime-ubuntu22.04\n  b:\n    image: ubuntu\n"
            "    environment:\n      CUDA_HOME: /usr/local/cuda-11.8\n"
        ),
    ),
    "a choice of device": ("run.sh", "CUDA_VISIBLE_DEVICES=0 python train.py\nexport CUDA_VISIBLE_DEVICES=''\n"),
    "the driver for older machines": (
        "run.sh",
        "export CUDA_HOME=/usr/local/cuda-12.1\nexport LD_LIBRARY_PATH=/usr/local/cuda-13.0/compat:$LD_LIBRARY_PATH\n",
    ),
    "a matrix": (
        "ci.yaml",
        (
            "jobs:\n  test:\n    strategy:\n      matrix:\n        cuda: ['11.8', '12.1']\n    env:\n"
            "      CUDA_HOME: /usr/local/cuda-${{ matrix.cuda }}\n      LD_LIBRARY_PATH: /usr/local/cuda-12.1/lib64\n"
        ),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_finds_it_in_a_file_at_its_line(case: str) -> None:
    name, text = FILES[case]
    findings = in_file(name, text)
    assert [finding.line for finding in findings] == LINES.get(case, marked(text))
    assert findings[0].severity is Severity.WARNING


@pytest.mark.parametrize(("name", "text"), FILES_LEFT_ALONE.values(), ids=FILES_LEFT_ALONE)
def test_leaves_a_file_alone(name: str, text: str) -> None:
    assert in_file(name, text) == []


def test_versions_of_one_major_version_are_less_of_a_conflict() -> None:
    (finding,) = in_file("a.sh", "export CUDA_HOME=/usr/local/cuda-12.1\nexport PATH=/usr/local/cuda-12.4/bin:$PATH\n")
    assert finding.severity is Severity.INFO
    (finding,) = in_file(
        "a.sh", "export CUDA_HOME=/usr/local/cuda-12.1\nexport LD_LIBRARY_PATH=/usr/local/cuda-12.4/lib64\n"
    )
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.MEDIUM)


def test_the_system_before_the_wheels_is_a_note() -> None:
    (finding,) = in_file(
        "setup.sh",
        "export LD_LIBRARY_PATH=/usr/local/cuda/lib64:$LD_LIBRARY_PATH\npip install torch\npython train.py\n",
    )
    assert finding.line == 1
    assert finding.severity is Severity.INFO


def test_the_message_names_both_places() -> None:
    (finding,) = in_file(*FILES["image and variable"])
    assert "CUDA_HOME leads to CUDA 11.8" in finding.message
    assert "the image is that of CUDA 12.4 (line 1)" in finding.message


@pytest.mark.parametrize(
    "code",
    [
        f"import os\n\n{SET}\n\nimport torch\n",
        f"import os\nif os.name == 'posix':\n    {SET}\nimport torch\n",
        "import os\nx = 1; os.environ['LD_LIBRARY_PATH'] = '/opt/lib'; y = 2\nimport torch\n",
        "import os\nos.environ[\n    'LD_LIBRARY_PATH'\n] = '/opt/lib'\nimport torch\n",
        "import os\r\nos.putenv('LD_LIBRARY_PATH', '/opt/lib')\r\nimport torch\r\n",
    ],
)
def test_the_fix_takes_it_away_and_keeps_the_rest(code: str) -> None:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert not finding.fix.safe
    assert finding.fix.why_unsafe
    after = apply(before, finding.fix.edits)
    assert found(after) == []
    assert "LD_LIBRARY_PATH" not in after
    assert "import torch" in after
    assert ("y = 2" in after) is ("y = 2" in code)


def test_what_sets_other_variables_too_has_no_fix() -> None:
    (finding,) = found(IN_VAIN["update"])
    assert finding.fix is None


@pytest.mark.parametrize("framework", PAIRS)
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\n\nprint(torch.ones(1))\n",
        "import os\nimport torch\n",
        "import os as system\nimport tensorflow as tf\n",
        '"""Doc."""\nfrom __future__ import annotations\n\nimport keras\n',
        "import numpy as np\nfrom torch import nn\n",
    ],
)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert found(code) == []
    (finding,) = found(apply(clean, ROOM.inject(clean)))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("code", ["import numpy\n", "os = 'linux'\nimport torch\n", "def f():\n    import torch\n"])
def test_inject_says_when_it_cannot(code: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(module(code))


@pytest.mark.skipif(sys.platform != "linux", reason="the loader of Linux reads LD_LIBRARY_PATH")
def test_setting_it_inside_a_process_really_changes_nothing_but_its_children(tmp_path: Path) -> None:
    """What the rule rests on, with a library of our own: not found in the process, found in the child."""
    compiler = next((name for name in ("cc", "gcc", "clang") if _is_there(name)), None)
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "answer.c"
    source.write_text("int answer(void) { return 42; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "libanswer.so", source], check=True)
    code = (
        "import ctypes, os, subprocess, sys\n"
        "if 'child' not in sys.argv:\n"
        f"    os.environ['LD_LIBRARY_PATH'] = {str(tmp_path)!r}\n"
        "try:\n    print(ctypes.CDLL('libanswer.so').answer())\nexcept OSError:\n    print('not found')\n"
        "if 'child' not in sys.argv:\n    sys.stdout.flush()\n    subprocess.run([sys.executable, __file__, 'child'])\n"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split("\n") == ["not found", "42", ""]


def _is_there(program: str) -> bool:
    import shutil

    return shutil.which(program) is not None
