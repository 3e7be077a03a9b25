"""PAR001 beyond one number in one file: across files, jobs and workers, two levels at once, Keras and scikit-learn."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from wattleak.errors import UsageError
from wattleak.model import Confidence
from wattleak.scanner.scan import scan
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse, read

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.model import Finding

ROOM = find_room("PAR001")


def project(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def scanned(folder: Path, cpus: int = 2, persona: str = "default") -> list[Finding]:
    result = scan([folder], cpus=cpus, persona=persona, select=["PAR001"])
    assert not result.problems
    return list(result.findings)


def found(code: str, folder: Path, cpus: int = 2, persona: str = "default") -> list[Finding]:
    project(folder, {"train.py": code})
    return scanned(folder, cpus, persona)


ACROSS_FILES = {
    "constant of another file": {
        "config.py": "THREADS = 64\n",
        "train.py": "import torch\nfrom config import THREADS\ntorch.set_num_threads(THREADS)  # HERE\n",
    },
    "module of constants": {
        "package/__init__.py": "",
        "package/config.py": "class Settings:\n    threads = 64\n",
        "package/train.py": "import torch\nfrom .config import Settings as S\ntorch.set_num_threads(S.threads)  # HERE",
    },
    "function re-exported": {
        "compat.py": "from torch import set_num_threads\n",
        "train.py": "from compat import set_num_threads\nset_num_threads(64)  # HERE\n",
    },
    "environment re-exported": {
        "compat.py": "from os import environ\n",
        "train.py": "from compat import environ\nenviron['OMP_NUM_THREADS'] = '64'  # HERE\n",
    },
    "name of the variable in another file": {
        "names.py": "OMP = 'OMP_NUM_THREADS'\n",
        "train.py": "import os\nfrom names import OMP\nos.environ[OMP] = '64'  # HERE\n",
    },
    "argument that the only caller gives": {
        "setup.py": "import torch\ndef prepare(threads):\n    torch.set_num_threads(threads)  # HERE\n",
        "train.py": "from setup import prepare\nprepare(64)\n",
    },
    "dict of another file": {
        "config.py": "LOADER = {'num_workers': 64}\n",
        "train.py": (
            "from torch.utils.data import DataLoader\nfrom config import LOADER\n"
            "loader = DataLoader([], **LOADER)  # HERE\n"
        ),
    },
    "loader through a function of the project": {
        "data.py": "from torch.utils.data import DataLoader\n",
        "train.py": "from data import DataLoader\nloader = DataLoader([], num_workers=64)  # HERE\n",
    },
    "estimator of another file": {
        "models.py": "from lightgbm import LGBMClassifier\ndef build():\n    return LGBMClassifier(num_leaves=31)\n",
        "train.py": (
            "from sklearn.model_selection import GridSearchCV\nfrom models import build\n"
            "search = GridSearchCV(build(), {}, n_jobs=-1)  # HERE\n"
        ),
    },
}

NOT_ACROSS_FILES = {
    "two callers that differ": {
        "setup.py": "import torch\ndef prepare(threads):\n    torch.set_num_threads(threads)\n",
        "train.py": "from setup import prepare\nprepare(64)\n",
        "serve.py": "from setup import prepare\nprepare(1)\n",
    },
    "caller on a large machine": {
        "setup.py": "import torch\ndef prepare(threads):\n    torch.set_num_threads(threads)\n",
        "train.py": "import os\nfrom setup import prepare\nif os.cpu_count() > 60:\n    prepare(64)\n",
    },
    "a question in another file": {
        "machine.py": "import os\ndef is_large():\n    return os.cpu_count() > 60\n",
        "train.py": "import torch\nfrom machine import is_large\nif is_large():\n    torch.set_num_threads(64)\n",
    },
    "only a test gives it": {
        "setup.py": "import torch\ndef prepare(threads):\n    torch.set_num_threads(threads)\n",
        "tests/test_setup.py": "from setup import prepare\ndef test_it():\n    prepare(64)\n",
    },
    "torch of the project": {
        "torch.py": "def set_num_threads(n):\n    pass\n",
        "train.py": "import torch\ntorch.set_num_threads(64)\n",
    },
    "a sweep": {
        "train.py": "import torch\nfor threads in (1, 2, 4, 8, 16, 32, 64):\n    torch.set_num_threads(threads)\n",
    },
}

JOBS = {
    "loader": "from torch.utils.data import DataLoader\nDataLoader([], num_workers=64)  # HERE",
    "loader by position": "from torch.utils.data import DataLoader\nDataLoader([], 1, True, None, None, 64)  # HERE",
    "loader by its module": "import torch\ntorch.utils.data.DataLoader([], num_workers=64)  # HERE",
    "loader through a dict": (
        "from torch.utils.data import DataLoader\nkw = dict(batch_size=4, num_workers=64)  # HERE\nDataLoader([], **kw)"
    ),
    "workers for each CPU": (
        "import os\nfrom torch.utils.data import DataLoader\nDataLoader([], num_workers=4 * os.cpu_count())  # HERE"
    ),
    "forest": "from sklearn.ensemble import RandomForestClassifier\nRandomForestClassifier(n_jobs=64)  # HERE",
    "search": ("from sklearn import model_selection as ms\nms.GridSearchCV(make(), {}, cv=3,\n  n_jobs=100)  # HERE"),
    "function of scikit-learn": (
        "from sklearn.model_selection import cross_val_score\ncross_val_score(m, x, y, n_jobs=64)  # HERE"
    ),
    "lightgbm": "from lightgbm import LGBMClassifier\nLGBMClassifier(num_threads=16)  # HERE",
    "lightgbm, dict of parameters": "import lightgbm as lgb\nlgb.cv({'num_threads': 16}, data)  # HERE",
    "lightgbm, dict with a name": (
        "import lightgbm as lgb\nparams = {'eta': 0.1,\n 'nthread': 16}  # HERE\nlgb.train(params, data)"
    ),
    "fit of Keras 2": ("from tensorflow import keras\nmodel = keras.Sequential()\nmodel.fit(x, workers=64)  # HERE"),
    "session of TensorFlow 1": (
        "import tensorflow as tf\ntf.compat.v1.ConfigProto(intra_op_parallelism_threads=64)  # HERE"
    ),
}

NOT_JOBS = {
    "all CPUs": "from sklearn.ensemble import RandomForestClassifier\nRandomForestClassifier(n_jobs=-1)",
    "all CPUs at two levels": (
        "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.model_selection import GridSearchCV\n"
        "GridSearchCV(RandomForestClassifier(n_jobs=-1), {}, n_jobs=-1)"
    ),
    "as many as the CPUs": "from sklearn.ensemble import RandomForestClassifier\nRandomForestClassifier(n_jobs=2)",
    "none": "from torch.utils.data import DataLoader\nDataLoader([], num_workers=0)",
    "the usual four": "from torch.utils.data import DataLoader\nDataLoader([], num_workers=4)",
    "cpu_count": "import os\nfrom torch.utils.data import DataLoader\nDataLoader([], num_workers=os.cpu_count())",
    "argument": "from torch.utils.data import DataLoader\ndef load(n=64):\n    return DataLoader([], num_workers=n)",
    "from the command line": (
        "import argparse\nfrom torch.utils.data import DataLoader\np = argparse.ArgumentParser()\n"
        "p.add_argument('--workers', type=int, default=64)\nDataLoader([], num_workers=p.parse_args().workers)"
    ),
    "capped": (
        "import os\nfrom torch.utils.data import DataLoader\nDataLoader([], num_workers=min(64, os.cpu_count()))"
    ),
    "changed": ("import os, lightgbm\np = {'nthread': 64}\np['nthread'] = os.cpu_count()\nlightgbm.train(p, data)"),
    "XGBoost cuts it down": "from xgboost import XGBClassifier\nXGBClassifier(n_jobs=64)",
    "CatBoost cuts it down": "from catboost import CatBoostClassifier\nCatBoostClassifier(thread_count=64)",
    "a loader of one's own": (
        "class DataLoader:\n    def __init__(self, num_workers):\n        pass\nDataLoader(num_workers=64)"
    ),
    "joblib may wait for a network": "from joblib import Parallel\nParallel(n_jobs=64)(jobs)",
    "thread pool": "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor(max_workers=64)",
    "a fit of something else": "def main(model):\n    model.fit(workers=64)",
    "large machines only": (
        "import os\nfrom torch.utils.data import DataLoader\nif os.cpu_count() > 64:\n  DataLoader([], num_workers=64)"
    ),
}

SEARCH = "from sklearn.model_selection import GridSearchCV\nfrom sklearn.pipeline import Pipeline, make_pipeline\n"

TWO_LEVELS = {
    "threads given": "from lightgbm import LGBMClassifier as L\nGridSearchCV(L(n_jobs=2), {}, n_jobs=-1)  # HERE",
    "threads and jobs given": "import lightgbm as lg\nGridSearchCV(lg.LGBMRegressor(nthread=2), {}, n_jobs=2)  # HERE",
    "its own default": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(), {}, n_jobs=-1)  # HERE",
    "all CPUs": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(n_jobs=-1), {}, n_jobs=2)  # HERE",
    "pools of its own": (
        "from catboost import CatBoostClassifier\nGridSearchCV(CatBoostClassifier(), {}, n_jobs=-1)  # HERE"
    ),
    "by name": "from lightgbm import LGBMClassifier as L\nm = L()\nGridSearchCV(estimator=m, n_jobs=-1)  # HERE",
    "in a pipeline": (
        "from lightgbm import LGBMClassifier\n"
        "GridSearchCV(Pipeline([('a', scale), ('b', LGBMClassifier())]), {}, n_jobs=-1)  # HERE"
    ),
    "in a pipeline without names": (
        "from lightgbm import LGBMClassifier as L\nGridSearchCV(make_pipeline(scale, L()), {}, n_jobs=-1)  # HERE"
    ),
    "cross-validation": (
        "from sklearn.model_selection import cross_val_score\nfrom lightgbm import LGBMClassifier\n"
        "cross_val_score(LGBMClassifier(n_jobs=2), x, y, cv=5, n_jobs=2)  # HERE"
    ),
}

NOT_TWO_LEVELS = {
    "XGBoost does what joblib says": (
        "from xgboost import XGBClassifier\nGridSearchCV(XGBClassifier(n_jobs=8), {}, n_jobs=-1)"
    ),
    "one thread each": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(n_jobs=1), {}, n_jobs=-1)",
    "one fit at a time": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(), {})",
    "one fit at a time, said": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(), {}, n_jobs=1)",
    "jobs not known": "from lightgbm import LGBMClassifier as L\ndef f(n):\n    GridSearchCV(L(), {}, n_jobs=n)",
    "threads not known": (
        "from lightgbm import LGBMClassifier\ndef f(n):\n    GridSearchCV(LGBMClassifier(n_jobs=n), {}, n_jobs=-1)"
    ),
    "parameters not known": (
        "from lightgbm import LGBMClassifier\ndef f(kw):\n    GridSearchCV(LGBMClassifier(**kw), {}, n_jobs=-1)"
    ),
    "an estimator not known": "def f(m):\n    GridSearchCV(m, {}, n_jobs=-1)",
    "one of several": (
        "from lightgbm import LGBMClassifier\nfrom sklearn.svm import SVC\n"
        "for m in [SVC(), LGBMClassifier()]:\n    GridSearchCV(m, {}, n_jobs=-1)"
    ),
    "all but the last CPU of two": "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(), {}, n_jobs=-2)",
}


@pytest.mark.parametrize("files", ACROSS_FILES.values(), ids=ACROSS_FILES)
def test_finds_it_across_files(files: dict[str, str], tmp_path: Path) -> None:
    project(tmp_path, files)
    marked = [
        (tmp_path / name, number)
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if "# HERE" in line
    ]
    assert [(finding.path, finding.line) for finding in scanned(tmp_path)] == marked


@pytest.mark.parametrize("files", NOT_ACROSS_FILES.values(), ids=NOT_ACROSS_FILES)
def test_leaves_it_alone_across_files(files: dict[str, str], tmp_path: Path) -> None:
    project(tmp_path, files)
    assert scanned(tmp_path) == []


def lines_marked(code: str) -> list[int]:
    return [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]


@pytest.mark.parametrize("code", JOBS.values(), ids=JOBS)
def test_finds_too_many_jobs_and_takes_them_back(code: str, tmp_path: Path) -> None:
    (finding,) = found(code, tmp_path)
    assert [finding.line] == lines_marked(code)
    assert finding.fix is not None
    assert not finding.fix.safe
    before = read(tmp_path / "train.py")
    assert isinstance(before, Module)
    after = apply(before, finding.fix.edits)
    ast.parse(after)
    assert found(after, tmp_path, persona="auditor") == []


@pytest.mark.parametrize("code", NOT_JOBS.values(), ids=NOT_JOBS)
def test_leaves_jobs_alone(code: str, tmp_path: Path) -> None:
    assert found(code, tmp_path) == []


@pytest.mark.parametrize("code", TWO_LEVELS.values(), ids=TWO_LEVELS)
def test_finds_two_levels_that_multiply_and_leaves_one(code: str, tmp_path: Path) -> None:
    (finding,) = found(SEARCH + code, tmp_path)
    assert [finding.line] == lines_marked(SEARCH + code)
    assert finding.fix is not None
    before = read(tmp_path / "train.py")
    assert isinstance(before, Module)
    after = apply(before, finding.fix.edits)
    ast.parse(after)
    assert found(after, tmp_path, persona="auditor") == []


@pytest.mark.parametrize("code", NOT_TWO_LEVELS.values(), ids=NOT_TWO_LEVELS)
def test_leaves_two_levels_alone(code: str, tmp_path: Path) -> None:
    assert found(SEARCH + code, tmp_path) == []


def test_two_levels_that_fit_into_the_cpus_are_no_smell(tmp_path: Path) -> None:
    code = SEARCH + "from lightgbm import LGBMClassifier\nGridSearchCV(LGBMClassifier(n_jobs=4), {}, n_jobs=4)\n"
    assert found(code, tmp_path, cpus=16) == []
    (finding,) = found(code, tmp_path, cpus=12)
    assert "4 threads" in finding.message


def test_the_message_says_who_asks_for_how_much(tmp_path: Path) -> None:
    (finding,) = found(JOBS["loader"], tmp_path)
    assert "num_workers of DataLoader asks for 64 workers where 2 CPUs are allowed" in finding.message
    (finding,) = found(JOBS["lightgbm, dict with a name"], tmp_path)
    assert "nthread of lightgbm.train asks for 16 threads" in finding.message
    (finding,) = found(SEARCH + TWO_LEVELS["its own default"], tmp_path)
    assert "GridSearchCV" in finding.message
    assert "n_jobs=-1" in finding.message
    assert "LGBMClassifier" in finding.message


@pytest.mark.parametrize(
    ("workers", "cpus", "confidence"),
    [(4, 2, Confidence.LOW), (16, 2, Confidence.MEDIUM), (33, 32, Confidence.MEDIUM), (4, 4, None)],
)
def test_what_only_waits_is_shown_where_it_is_far_too_many(
    workers: int, cpus: int, confidence: Confidence | None, tmp_path: Path
) -> None:
    code = f"from torch.utils.data import DataLoader\nDataLoader([], num_workers={workers})\n"
    seen = found(code, tmp_path, cpus, persona="auditor")
    assert [finding.confidence for finding in seen] == ([confidence] if confidence else [])


def test_what_a_caller_gives_is_not_rewritten_where_it_is_used(tmp_path: Path) -> None:
    project(tmp_path, ACROSS_FILES["argument that the only caller gives"])
    (finding,) = scanned(tmp_path)
    assert finding.fix is None


@pytest.mark.parametrize("framework", ["keras", "sklearn"])
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in pairs(ROOM.smell)[framework])
    assert isinstance(good, Module)
    assert isinstance(bad, Module)
    (finding,) = ROOM.detect(bad, cpus=2)
    assert finding.fix is not None
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


CLEAN = {
    "scikit-learn": "from sklearn.svm import SVC\nprint(SVC())\n",
    "scikit-learn below other imports": '"""Doc."""\nimport os\nimport numpy\nfrom sklearn import svm\nprint(svm)\n',
    "scikit-learn on a shared line": "import numpy; import sklearn\nprint(sklearn)\n",
    "variable set already": ("import os\nos.environ['OMP_NUM_THREADS'] = '2'\nimport sklearn\nprint(sklearn)\n"),
    "variable set too late": "import os\nimport sklearn\nos.environ['OMP_NUM_THREADS'] = '2'\nprint(sklearn)\n",
    "keras": "import keras\nprint(keras.Sequential())\n",
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str, tmp_path: Path) -> None:
    assert found(code, tmp_path) == []
    clean = read(tmp_path / "train.py")
    assert isinstance(clean, Module)
    smelly = apply(clean, ROOM.inject(clean))
    (finding,) = found(smelly, tmp_path, cpus=64)
    assert finding.confidence >= Confidence.MEDIUM


def test_inject_says_when_the_name_os_is_taken(tmp_path: Path) -> None:
    taken = parse("import sklearn\nos = 'linux'\n", tmp_path / "train.py")
    assert isinstance(taken, Module)
    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(taken)


@pytest.mark.sklearn
def test_an_injected_program_really_uses_the_threads(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    code = (
        "from sklearn.utils._openmp_helpers import _openmp_effective_n_threads\nprint(_openmp_effective_n_threads())\n"
    )
    clean = parse(code, tmp_path / "train.py")
    assert isinstance(clean, Module)
    script = tmp_path / "train.py"
    script.write_text(apply(clean, ROOM.inject(clean)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 8 * len(os.sched_getaffinity(0))
