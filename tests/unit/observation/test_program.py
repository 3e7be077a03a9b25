"""The script in a command, and what could be typed to prove it."""

import os
import shlex
import subprocess
import sys

import pytest

from wattleak.observation.agent import agent_environment, agent_off
from wattleak.observation.program import names_python, prove_command, script_of


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("")
    (tmp_path / "jobs/night").mkdir(parents=True)
    (tmp_path / "jobs/run.py").write_text("")
    (tmp_path / "jobs/night/__main__.py").write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python train.py --epochs 2", "train.py"),
        ("python -u -X dev train.py", "train.py"),
        ("torchrun --nproc-per-node 2 train.py", "train.py"),
        ("python3.9 -m jobs.run --fast", "jobs/run.py"),
        ("python -m jobs.night", "jobs/night/__main__.py"),
        ("python -m torch.distributed.run train.py", "train.py"),
        ("python missing.py", None),
        ("python -c pass", None),
        ("make -m jobs.run", None),
        ("python -m", None),
    ],
)
def test_the_script_of_a_command(command, script):
    found = script_of(shlex.split(command))
    assert (None if found is None else found.as_posix()) == script


def test_a_command_that_says_that_it_is_python(tmp_path):
    console = tmp_path / "console"
    console.write_text("#!/usr/bin/env python3\n")
    console.chmod(0o755)
    assert names_python(["python3", "-c", "pass"])
    assert names_python(["nice", "/opt/venv/bin/python"])
    assert names_python([str(console)])
    assert not names_python(["/bin/sh", "-c", "true"])
    assert not names_python(["nowhere-at-all"])


def test_prove_takes_the_script_its_arguments_and_its_python():
    assert prove_command([sys.executable, "train.py"]) == "wattleak prove train.py"
    assert prove_command(["/opt/python3", "my train.py", "--lr", "1 2"]) == (
        "wattleak prove 'my train.py' --python /opt/python3 -- --lr '1 2'"
    )
    for command in ("torchrun train.py", "python -m jobs.run", "python -u train.py", "python", ""):
        assert prove_command(command.split()) is None


def test_the_agent_goes_first_and_once(tmp_path):
    first = agent_environment(tmp_path, {"PYTHONPATH": "/mine:/other"})
    agent, *rest = first["PYTHONPATH"].split(":")
    assert rest == ["/mine", "/other"]
    assert agent_environment(tmp_path, first)["PYTHONPATH"] == first["PYTHONPATH"]
    assert agent_environment(tmp_path, {"PYTHONPATH": ""})["PYTHONPATH"] == agent  # an empty word would be the folder
    assert agent_environment(tmp_path, {"PYTHONPATH": ":/mine:"})["PYTHONPATH"] == f"{agent}::/mine:"
    assert (tmp_path / "signals").is_dir()
    assert agent_off(first) == {"WATTLEAK_SIGNALS": ""}
    assert agent_off({}) == {}


@pytest.mark.parametrize("search", ["", ":", "/nowhere:", ":/nowhere", "lib::/nowhere"])
def test_python_looks_where_it_would_look_without_the_agent(tmp_path, search):
    """An empty entry is the folder that the program starts in, and an empty variable is none."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "program.py").write_text("import sys\nprint(sys.path)")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLEAK", "PYTHON"))}
    env = {**clean, "PYTHONPATH": search}

    def printed(given):
        words = [sys.executable, "below/program.py"]
        return subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=True).stdout

    assert printed({**env, **agent_environment(tmp_path, env)}) == printed(env)
