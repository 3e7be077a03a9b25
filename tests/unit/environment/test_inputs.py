"""Which files a command reads, on real folders; what is imported is checked against what Python itself loads."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pytest

from wattleak.environment.inputs import find_inputs
from wattleak.environment.interpreter import Interpreter, find_interpreter

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "train.py": "import models.net, json\nfrom lib import utils\ndef late():\n    import lazy\n"
    "import importlib\nimportlib.import_module('named')\nlate()\n",
    "models/__init__.py": "from . import base\n",
    "models/base.py": "",
    "models/net.py": "from .base import *\nfrom models import deep\n",
    "models/deep/__init__.py": "",
    "lib/utils.py": "import train_other\n",  # lib is a package without __init__
    "train_other.py": "",
    "lazy.py": "",
    "named.py": "",
    "unused.py": "",
    "json/notes.txt": "no module",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path.resolve()


def names(paths: tuple[Path, ...], project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in paths}


@pytest.mark.parametrize(
    "words", [["train.py"], ["-m", "train"], ["-c", "import train"]], ids=["script", "module", "code"]
)
def test_the_same_files_are_found_as_python_loads(project: Path, words: list[str]) -> None:
    report = "; import sys; print(*[getattr(m, '__file__', None) for m in sys.modules.values()], sep='\\n')"
    ran = subprocess.run(
        [sys.executable, "-B", "-c", "import train" + report], cwd=project, capture_output=True, text=True, check=True
    )
    loaded = {line for line in ran.stdout.splitlines() if line.startswith(str(project))}
    found = find_inputs([sys.executable, *words], os.environ, None, project).source

    assert {str(path) for path in found} == loaded


def test_the_words_say_what_is_data_configuration_and_output(project: Path) -> None:
    for name in ("conf.yaml", "big.json", "images/a.png", "images/.hidden", "old.pt", "log.txt", "weights.bin"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("x")
    with (project / "big.json").open("w") as file:
        file.truncate(2_000_000)
    command = "python train.py --config=conf.yaml --data images --labels big.json --save-to old.pt -o log.txt lr=0.1"
    found = find_inputs([*command.split(), "init=weights.bin", ".", "/dev/null"], {}, None, project)

    assert names(found.config, project) == {"conf.yaml"}
    assert names(found.data, project) == {"images/a.png", "big.json", "weights.bin"}


def test_a_shell_script_and_the_python_in_it_are_seen(project: Path) -> None:
    (project / "run.sh").write_text("#!/bin/sh\npython train.py\n")
    (project / "run.sh").chmod(0o755)
    script = find_inputs([str(project / "run.sh")], os.environ, None, project)
    line = find_inputs(["/bin/sh", "-c", f"{sys.executable} lazy.py && ls named.py"], os.environ, None, project)

    assert names(script.source, project) == {"run.sh"}
    assert names(line.source, project) == {"lazy.py", "named.py"}


def test_the_data_folder_of_the_environment_is_data(project: Path) -> None:
    (project / "sets").mkdir()
    (project / "sets" / "x.npz").write_text("x")
    found = find_inputs(["true"], {"PATH": os.environ["PATH"], "WATTLEAK_DATA_DIR": "sets"}, None, project)

    assert names(found.data, project) == {"sets/x.npz"}


def test_the_packages_of_a_python_are_those_that_its_own_metadata_names() -> None:
    found = find_interpreter([sys.executable, "train.py"], os.environ)
    expected = {
        item.metadata["Name"].replace("_", "-").replace(".", "-").lower(): item.version for item in distributions()
    }

    assert isinstance(found, Interpreter)
    assert found.version.endswith(sys.version.split()[0])
    assert dict(found.packages) == expected


def test_the_python_of_an_installed_command_is_in_its_first_line(tmp_path: Path) -> None:
    tool = tmp_path / "torchrun"
    tool.write_text(f"#!{sys.executable}\nprint(1)\n")
    tool.chmod(0o755)

    assert find_interpreter([str(tool), "train.py"], os.environ) == find_interpreter([sys.executable], os.environ)


@pytest.mark.parametrize("command", [["true"], ["/bin/sh", "-c", "echo 'unclosed"], ["no-such-program"]])
def test_where_no_python_is_named_none_is_known(command: list[str]) -> None:
    assert find_interpreter(command, os.environ) == "the command names no Python"


def test_modules_of_the_python_path_are_the_users_own(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere").resolve()
    (other / "shared_code.py").write_text("")
    (project / "uses.py").write_text("import shared_code\n")
    env = {**os.environ, "PYTHONPATH": str(other)}
    interpreter = find_interpreter([sys.executable, "uses.py"], env)
    assert isinstance(interpreter, Interpreter)
    found = find_inputs([sys.executable, "uses.py"], env, interpreter, project)

    assert other / "shared_code.py" in found.source
