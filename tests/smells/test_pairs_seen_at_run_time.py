"""The programs of two rooms through a real `wattleak measure`: each bad one is seen, each good one is silent.

One measurement holds a good and a bad program, one after the other, each as __main__ of a fork of a Python that has
imported the framework: only the seconds of the import are shared. Where the number of threads is read when a library is
loaded (sklearn), each is a Python of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.smells.registry import find_room, pairs

if TYPE_CHECKING:
    from tests.conftest import CommandLine

ALONE = (
    "-c",
    "import subprocess, sys\nfor word in sys.argv[1:]: subprocess.run([sys.executable, *word.split('?')], check=True)",
)
FORKED = (
    "-c",
    """
import importlib, os, runpy, sys
importlib.import_module(sys.argv[1])
for word in sys.argv[2:]:
    pid = os.fork()
    if pid == 0:
        sys.argv = word.split("?")
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()
    assert os.waitpid(pid, 0)[1] == 0
""",
)
# Neighbours must not decide whether a second or ten pass while a program trains.
FIRST = """
import os, sys
try:
    open("/proc/self/autogroup", "w").write("-20")
except OSError:
    pass
os.execv(sys.executable, [sys.executable, "-m", "wattleak", *sys.argv[1:]])
"""


def needs(framework: str) -> None:
    module = {"torch": "torch", "keras": "tensorflow", "sklearn": "sklearn"}[framework]
    if find_spec(module) is None:
        if os.environ.get("WATTLEAK_REQUIRE_FRAMEWORKS") == "1":
            pytest.fail(f"{module} is required and not installed")
        pytest.skip(f"{module} is not installed")


def measured(wattleak: CommandLine, *words: str, **more: str) -> dict[str, Any]:
    env = {**{name: value for name, value in wattleak.env.items() if name != "OMP_NUM_THREADS"}, **more}
    done = subprocess.run(
        [sys.executable, "-c", FIRST, "measure", "--json", "--", sys.executable, *words],
        cwd=wattleak.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def evidence(document: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [item for place in document["observed"]["places"] if place["code"] == code for item in place["evidence"]]


@pytest.mark.parametrize(
    ("framework", "arguments", "setter"),
    [
        pytest.param("torch", "--train-images?700", "torch.set_num_threads", marks=pytest.mark.torch),
        pytest.param("keras", "--train-images?4000", "set_intra_op_parallelism_threads", marks=pytest.mark.keras),
        pytest.param("sklearn", "--train-images?300?--epochs?6", "OMP_NUM_THREADS", marks=pytest.mark.sklearn),
    ],
)
def test_each_bad_program_is_seen_and_each_good_one_is_silent(
    wattleak: CommandLine, framework: str, arguments: str, setter: str
) -> None:
    needs(framework)
    threads = pairs(find_room("PAR001").smell)[framework]
    paths = pairs(find_room("ENV001").smell).get(framework)
    words = [f"{program}?{arguments}" for program in (threads.good, threads.bad)]
    words += [f"{program}?--help" for program in paths or ()]  # their path is set before anything else is done
    how = ALONE if framework == "sklearn" else (*FORKED, framework)

    document = measured(wattleak, *how, *words)

    (seen,) = evidence(document, "PAR001")
    assert seen["path"] == str(threads.bad)
    assert setter in threads.bad.read_text().splitlines()[seen["line"] - 1]
    assert f"asked for {8 * len(os.sched_getaffinity(0))}" in seen["message"]
    assert seen["threshold"] == {"threads": 2, "1/s": 20_000}[seen["unit"]] * len(os.sched_getaffinity(0))
    assert seen["value"] > seen["threshold"]
    assert seen["cost_s"] > 0
    found = evidence(document, "ENV001")
    assert [item["path"] for item in found] == ([] if paths is None else [str(paths.bad)])
    for item in found:
        assert "LD_LIBRARY_PATH" in paths.bad.read_text().splitlines()[item["line"] - 1]
        assert item["value"] == 2  # folders that the program added
