"""PAR001: what it finds, what it leaves alone, its fix and its inverse, and its two programs."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wattleak.model import Confidence, Severity
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse, read

ROOM = find_room("PAR001")
PAIR = pairs(ROOM.smell)["torch"]


def module(code: str) -> Module:
    parsed = parse(textwrap.dedent(code), Path("train.py"))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str, cpus: int = 2):
    return list(ROOM.detect(module(code), cpus=cpus))


POSITIVES = {
    "literal": "import torch\ntorch.set_num_threads(64)  # HERE",
    "alias of the module": "import torch as th\nth.set_num_threads(64)  # HERE",
    "imported function": "from torch import set_num_threads\nset_num_threads(64)  # HERE",
    "renamed function": "from torch import set_num_threads as threads\nthreads(64)  # HERE",
    "submodule import": "import torch.nn\ntorch.set_num_threads(64)  # HERE",
    "function in a variable": "import torch\nsetter = torch.set_num_threads\nsetter(64)  # HERE",
    "optional import": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\ntorch.set_num_threads(64)  # HERE"
    ),
    "import_module": "import importlib\nt = importlib.import_module('torch')\nt.set_num_threads(64)  # HERE",
    "inter-op": "import torch\ntorch.set_num_interop_threads(16)  # HERE",
    "constant": "import torch\nTHREADS = 64\ntorch.set_num_threads(THREADS)  # HERE",
    "annotated constant": "import torch\nTHREADS: int = 64\ntorch.set_num_threads(THREADS)  # HERE",
    "constant of a class": "import torch\nclass C:\n    threads = 8\ntorch.set_num_threads(C.threads)  # HERE",
    "constant of a tuple": "import torch\nBATCH, THREADS = 1, 64\ntorch.set_num_threads(THREADS)  # HERE",
    "constant seen in a function": "import torch\nN = 64\ndef main():\n    torch.set_num_threads(N)  # HERE",
    "local constant": "import torch\ndef main():\n    n = 4 * 4\n    torch.set_num_threads(n)  # HERE",
    "arithmetic": "import torch\ntorch.set_num_threads(2 ** 5 - 1)  # HERE",
    "int of a string": "import torch\ntorch.set_num_threads(int('64'))  # HERE",
    "walrus": "import torch\ntorch.set_num_threads(n := 64)  # HERE",
    "times cpu_count": "import os, torch\ntorch.set_num_threads(4 * os.cpu_count())  # HERE",
    "cpu_count renamed": "import torch\nfrom os import cpu_count as n\ntorch.set_num_threads(n() * 2)  # HERE",
    "cpu_count or one": "import os, torch\ntorch.set_num_threads((os.cpu_count() or 1) * 4)  # HERE",
    "multiprocessing": "import torch, multiprocessing as mp\ntorch.set_num_threads(mp.cpu_count() * 2)  # HERE",
    "times affinity": "import os, torch\ntorch.set_num_threads(8 * len(os.sched_getaffinity(0)))  # HERE",
    "psutil affinity": (
        "import psutil, torch\ntorch.set_num_threads(2 * len(psutil.Process().cpu_affinity()))  # HERE"
    ),
    "through a name": "import os, torch\ncpus = os.cpu_count()\ntorch.set_num_threads(cpus * 3)  # HERE",
    "factor in a name": "import os, torch\nK = 6\ntorch.set_num_threads(int(K * os.cpu_count() / 2))  # HERE",
    "tensorflow": "import tensorflow as tf\ntf.config.threading.set_intra_op_parallelism_threads(64)  # HERE",
    "tensorflow keyword": (
        "from tensorflow import config\nconfig.threading.set_inter_op_parallelism_threads(num_threads=64)  # HERE"
    ),
    "threadpoolctl": (
        "from threadpoolctl import threadpool_limits\nwith threadpool_limits(limits=64):  # HERE\n    pass"
    ),
    "threadpoolctl by library": (
        "import threadpoolctl\nthreadpoolctl.threadpool_limits({'blas': 64, 'openmp': 1})  # HERE"
    ),
    "environ": "import os\nos.environ['OMP_NUM_THREADS'] = '64'  # HERE",
    "environ renamed": "from os import environ as env\nenv['MKL_NUM_THREADS'] = '64'  # HERE",
    "environ in a name": "import os\nenv = os.environ\nenv['MKL_NUM_THREADS'] = '64'  # HERE",
    "environ str": "import os\nN = 64\nos.environ['OPENBLAS_NUM_THREADS'] = str(N)  # HERE",
    "environ f-string": "import os\nN = 64\nos.environ['OMP_NUM_THREADS'] = f'{N}'  # HERE",
    "environ times cpus": "import os\nos.environ['OMP_NUM_THREADS'] = str(2 * os.cpu_count())  # HERE",
    "environ setdefault": "import os\nos.environ.setdefault('NUMEXPR_NUM_THREADS', '64')  # HERE",
    "environ update": "import os\nos.environ.update({'A': 'b',\n 'TF_NUM_INTRAOP_THREADS': '64'})  # HERE",
    "environ update keyword": "import os\nos.environ.update(OMP_NUM_THREADS='64')  # HERE",
    "environ or-equals": "import os\nos.environ |= {'OMP_NUM_THREADS': '64'}  # HERE",
    "putenv": "import os\nos.putenv('OMP_NUM_THREADS', '64')  # HERE",
    "name of the variable in a constant": "import os\nNAME = 'OMP_' + 'NUM_THREADS'\nos.environ[NAME] = '64'  # HERE",
    "loop over variables": (
        "import os\nfor name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):\n    os.environ[name] = '64'  # HERE"
    ),
    "default for the user": (
        "import os\nif 'OMP_NUM_THREADS' not in os.environ:\n    os.environ['OMP_NUM_THREADS'] = '64'  # HERE"
    ),
    "under a condition that is not about the machine": (
        "import torch\ndef main(args):\n    if args.device == 'cpu':\n        torch.set_num_threads(64)  # HERE"
    ),
    "main guard": "import torch\nif __name__ == '__main__':\n    torch.set_num_threads(64)  # HERE",
    "usage check before": (
        "import sys, torch\nif len(sys.argv) < 2:\n    sys.exit('usage')\ntorch.set_num_threads(64)  # HERE"
    ),
    "non-ASCII before it": "import torch\nx = 'größer 日本'; torch.set_num_threads(64)  # HERE",
}

NEGATIVES = {
    "as many as the CPUs": "import os, torch\ntorch.set_num_threads(len(os.sched_getaffinity(0)))",
    "cpu_count": "import os, torch\ntorch.set_num_threads(os.cpu_count())",
    "half": "import os, torch\ntorch.set_num_threads(os.cpu_count() // 2)",
    "one and a half": "import os, torch\ntorch.set_num_threads(int(1.5 * os.cpu_count()))",
    "one more": "import os, torch\ntorch.set_num_threads(os.cpu_count() + 1)",
    "equal to allowed": "import torch\ntorch.set_num_threads(2)",
    "one": "import torch\ntorch.set_num_threads(1)",
    "zero, as TensorFlow's own choice": (
        "import tensorflow as tf\ntf.config.threading.set_intra_op_parallelism_threads(0)"
    ),
    "capped": "import os, torch\ntorch.set_num_threads(min(64, os.cpu_count()))",
    "capped multiple": "import os, torch\ntorch.set_num_threads(min(8, 4 * os.cpu_count()))",
    "capped later": "import os, torch\nn = 64\nn = min(n, os.cpu_count())\ntorch.set_num_threads(n)",
    "argument of a function": "import torch\ndef main(threads=64):\n    torch.set_num_threads(threads)",
    "argparse": (
        "import argparse, torch\np = argparse.ArgumentParser()\np.add_argument('--threads', default=64)\n"
        "torch.set_num_threads(p.parse_args().threads)"
    ),
    "environment variable": "import os, torch\ntorch.set_num_threads(int(os.environ.get('N', '64')))",
    "environment variable or": "import os, torch\ntorch.set_num_threads(int(os.environ.get('N') or 64))",
    "conditional value": "import torch, sys\ntorch.set_num_threads(64 if len(sys.argv) > 1 else 1)",
    "two assignments": "import torch, sys\nN = 2\nif sys.argv[1:]:\n    N = 64\ntorch.set_num_threads(N)",
    "added to": "import torch\nN = 64\nN -= 63\ntorch.set_num_threads(N)",
    "global rewritten": (
        "import torch\nN = 64\ndef f(n):\n    global N\n    N = n\ndef main():\n    torch.set_num_threads(N)"
    ),
    "star import afterwards": "import torch\nN = 64\nfrom settings import *\ntorch.set_num_threads(N)",
    "loop variable": "import torch\nfor n in (1, 2, 64):\n    torch.set_num_threads(n)",
    "class attribute set from outside": (
        "import torch\nclass C:\n    threads = 64\nC.threads = 2\ntorch.set_num_threads(C.threads)"
    ),
    "guarded by cpu_count": "import os, torch\nif os.cpu_count() >= 64:\n    torch.set_num_threads(64)",
    "guarded by a name": "import os, torch\nn = os.cpu_count()\nif n > 64:\n    torch.set_num_threads(64)",
    "guarded by an early return": (
        "import os, torch\ndef main():\n    if os.cpu_count() < 64:\n        return\n    torch.set_num_threads(64)"
    ),
    "guarded by an unknown size": (
        "import torch\ndef main(num_cpus):\n    if num_cpus >= 64:\n        torch.set_num_threads(64)"
    ),
    "guarded by the host": ("import socket, torch\nif socket.gethostname() == 'big':\n    torch.set_num_threads(64)"),
    "guarded by Slurm": "import os, torch\nif 'SLURM_JOB_ID' in os.environ:\n    torch.set_num_threads(64)",
    "never runs": "import torch\nif False:\n    torch.set_num_threads(64)",
    "comment": "import torch\n# torch.set_num_threads(64)",
    "string": "import torch\ns = 'torch.set_num_threads(64)'",
    "docstring": '"""\nimport torch\ntorch.set_num_threads(64)\nos.environ["OMP_NUM_THREADS"] = "64"\n"""',
    "method of something else": "def main(pool):\n    pool.set_num_threads(64)",
    "function of one's own": "def set_num_threads(n):\n    pass\nset_num_threads(64)",
    "torch is something else": "from fake import torch\ntorch.set_num_threads(64)",
    "torch of the package": "from . import torch\ntorch.set_num_threads(64)",
    "torch as an argument": "import torch\ndef main(torch):\n    torch.set_num_threads(64)",
    "replaced": "import torch\ntorch.set_num_threads = print\ntorch.set_num_threads(64)",
    "no import": "torch.set_num_threads(64)",
    "splat": "import torch\nargs = [64]\ntorch.set_num_threads(*args)",
    "reading the number": "import torch\ntorch.get_num_threads()",
    "another variable": "import os\nos.environ['WORKERS'] = '64'",
    "another environment": "env = {}\nenv['OMP_NUM_THREADS'] = '64'",
    "variable set to one": "import os\nos.environ['OMP_NUM_THREADS'] = '1'",
    "variable passed on": "import os\nos.environ['OMP_NUM_THREADS'] = os.environ['SLURM_CPUS_PER_TASK']",
    "variable set to cpu_count": "import os\nos.environ['OMP_NUM_THREADS'] = str(os.cpu_count())",
    "physical cores doubled": "import psutil, torch\ntorch.set_num_threads(2 * psutil.cpu_count(logical=False))",
    "no limit": "from threadpoolctl import threadpool_limits\nthreadpool_limits(limits=None)",
    "own len": "import os, torch\ndef len(x):\n    return 1\ntorch.set_num_threads(8 * len(os.sched_getaffinity(0)))",
    "number of its own making": "import torch\nn = n + 64\ntorch.set_num_threads(n)",
    "bool": "import torch\ntorch.set_num_threads(True)",
    "huge power": "import torch\ntorch.set_num_threads(9 ** 9 ** 9)",
}


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_finds_it_at_its_line(code: str) -> None:
    findings = found(code)
    marked = [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]
    assert [finding.line for finding in findings] == marked
    assert findings[0].severity is Severity.WARNING


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


def test_the_marked_text_is_the_number() -> None:
    code = "import torch\nx = 'größer 日本'; torch.set_num_threads(6 * 11)\n"
    (finding,) = found(code)
    line = code.splitlines()[finding.line - 1]
    assert line[finding.column - 1 : finding.end_column - 1] == "6 * 11"


@pytest.mark.parametrize(
    ("number", "cpus", "confidence"),
    [
        ("8 * os.cpu_count()", 2, Confidence.HIGH),
        ("8 * os.cpu_count()", 1024, Confidence.HIGH),
        ("64", 2, Confidence.HIGH),
        ("33", 32, Confidence.HIGH),
        ("32", 2, Confidence.MEDIUM),
        ("3", 2, Confidence.MEDIUM),
        ("3", 3, None),
        ("64", 64, None),
    ],
)
def test_confidence_follows_the_cpus_compared_with(number: str, cpus: int, confidence: Confidence | None) -> None:
    findings = found(f"import os, torch\ntorch.set_num_threads({number})", cpus=cpus)
    assert [finding.confidence for finding in findings] == ([confidence] if confidence else [])


def test_the_message_says_what_was_compared_and_what_is_known() -> None:
    (torch_finding,) = found("import torch\ntorch.set_num_threads(64)", cpus=3)
    assert "64 threads" in torch_finding.message
    assert "3 CPUs" in torch_finding.message
    assert "spin" in torch_finding.message
    (blas_finding,) = found("import os\nos.environ['OPENBLAS_NUM_THREADS'] = '64'")
    assert "cuts it down" in blas_finding.message


@pytest.mark.parametrize(
    "code", [code for name, code in POSITIVES.items() if name != "walrus"], ids=[n for n in POSITIVES if n != "walrus"]
)
def test_fixed_code_is_silent_and_parses(code: str) -> None:
    before = module(code)
    findings = list(ROOM.detect(before, cpus=2))
    assert all(finding.fix is not None and not finding.fix.safe and finding.fix.why_unsafe for finding in findings)
    after = apply(before, [edit for finding in findings for edit in finding.fix.edits])
    assert found(after) == []
    assert found(after, cpus=1) == []


def test_a_fix_that_would_lose_a_name_is_not_offered() -> None:
    (finding,) = found(POSITIVES["walrus"])
    assert finding.fix is None


def test_a_fix_brings_the_import_it_needs_below_docstring_and_future() -> None:
    before = module('"""Doc."""\nfrom __future__ import annotations\n\nimport torch\ntorch.set_num_threads(64)\n')
    (finding,) = ROOM.detect(before, cpus=2)
    after = apply(before, finding.fix.edits)
    assert after == (
        '"""Doc."""\nfrom __future__ import annotations\n\nimport os\nimport torch\n'
        "torch.set_num_threads(len(os.sched_getaffinity(0)))\n"
    )


def test_a_fix_does_not_take_the_name_os_from_somebody() -> None:
    (finding,) = found("import torch\nos = 'linux'\ntorch.set_num_threads(64)\n")
    assert finding.fix is None


def test_a_fix_keeps_line_ends() -> None:
    before = module("import torch\r\ntorch.set_num_threads(64)\r\n")
    (finding,) = ROOM.detect(before, cpus=2)
    assert "\n" not in apply(before, finding.fix.edits).replace("\r\n", "")


def test_the_programs_differ_by_the_smell_alone() -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in PAIR)
    changed = [line for line in difflib.ndiff(good, bad) if line[0] in "+-"]
    assert changed == [
        f"- {good[0]}",
        f"+ {bad[0]}",
        "-     torch.set_num_threads(len(os.sched_getaffinity(0)))",
        "+     torch.set_num_threads(8 * len(os.sched_getaffinity(0)))",
    ]
    assert good[0].startswith('"""')


@pytest.mark.parametrize("cpus", [1, 2, 512])
def test_the_bad_program_is_flagged_and_the_good_one_is_not(cpus: int) -> None:
    good, bad = (read(path) for path in PAIR)
    (finding,) = ROOM.detect(bad, cpus=cpus)
    assert bad.lines[finding.line - 1].strip() == "torch.set_num_threads(8 * len(os.sched_getaffinity(0)))"
    assert list(ROOM.detect(good, cpus=cpus)) == []


def test_fix_and_inject_turn_one_program_into_the_other() -> None:
    good, bad = (read(path) for path in PAIR)
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


CLEAN = {
    "nothing set": "import torch\n\nmodel = torch.nn.Linear(2, 2)\n",
    "renamed": "import numpy as np\nimport torch as th\nfrom torch import nn\n\nmodel = th.nn.Linear(2, 2)\n",
    "only a part": "from torch import nn  # layers\n\nmodel = nn.Linear(2, 2)\n",
    "os imported": "import os\nimport torch\nprint(os.getcwd(), torch.ones(1))\n",
    "os imported later": "import torch\nprint(torch.ones(1))\nimport os\n",
    "no line end": "import torch",
    "shared line": "import torch; x = (1,\n  2)\nprint(x)\n",
    "argument": "import torch\ndef main(n):\n    torch.set_num_threads(n)\n",
    "tensorflow": "import tensorflow as tf\nprint(tf.constant(1))\n",
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    smelly = apply(clean, ROOM.inject(clean))
    (finding,) = found(smelly, cpus=64)
    assert finding.confidence is Confidence.HIGH


def test_inject_says_when_it_cannot() -> None:
    from wattleak.errors import UsageError

    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(module("import numpy\n"))


def test_an_injected_program_really_uses_the_threads(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    clean = module("import torch\nprint(torch.get_num_threads())\n")
    script = tmp_path / "train.py"
    script.write_text(apply(clean, ROOM.inject(clean)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 8 * len(os.sched_getaffinity(0))


def test_a_wrong_data_name_is_one_clear_line() -> None:
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, PAIR.good, "--data", "cifar11"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean cifar10?" in done.stderr
    assert "Traceback" not in done.stderr
