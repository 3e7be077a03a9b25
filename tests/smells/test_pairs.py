"""The two programs of every room, in every framework: what a scan says of them, and that they do the same work."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import pytest

from wattleak.scanner.fixing import changes, write
from wattleak.scanner.scan import scan
from wattleak.smells.registry import Pair, Room, pairs, rooms
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wattleak.model import Finding

NEEDS = {"torch": ("torch",), "keras": ("tensorflow", "keras"), "sklearn": ("sklearn",)}
REQUIRED = os.environ.get("WATTLEAK_REQUIRE_FRAMEWORKS") == "1"
CPUS = 2
ROUNDS = 5  # of fixing; each may offer what the one before was in the way of
MOST_CHANGED_LINES = 15  # of a good program, to make the bad one
SHORT = ("--train-images", "128", "--epochs", "2")  # a second epoch: some build or read again in each

# Every program as __main__ of a fork of one Python that has imported the framework, which takes longer than they do. As
# many at a time as there are CPUs, each on its own: threads of two that share one spin for one another, for long.
EACH_A_FORK = """
import importlib, json, os, runpy, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
free, running, failed = sorted(os.sched_getaffinity(0)), {}, []

def wait():
    pid, status = os.wait()
    name, cpu = running.pop(pid)
    free.append(cpu)
    if status:
        failed.append(name)

for name, path in json.loads(sys.argv[2]).items():
    while not free:
        wait()
    cpu = free.pop(0)
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {cpu})
        for number, end in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{end}", os.O_CREAT | os.O_WRONLY), number)
        sys.argv = [path, *sys.argv[3:]]
        sys.path[0] = os.path.dirname(path)
        runpy.run_path(path, run_name="__main__")
        sys.exit()
    running[pid] = name, cpu
while running:
    wait()
sys.exit(f"failed: {failed}" if failed else 0)
"""

OTHER_THREADS = {"PAR001"}  # the smell is the number of threads: sums in another order
OTHER_STEPS = {"BAT001"}  # the smell is the size of a batch: other steps, and other images in the first
ROUNDING = 1e-5  # a sum of the loss in another order, where the smell is the number of threads


class Case(NamedTuple):
    room: Room
    framework: str
    pair: Pair

    @property
    def code(self) -> str:
        return self.room.smell.code


CASES = [Case(room, framework, pair) for room in rooms() for framework, pair in pairs(room.smell).items()]


def each_case(function: Callable[..., None]) -> Callable[..., None]:
    parameters = [pytest.param(case, id=f"{case.code}-{case.framework}") for case in CASES]
    return pytest.mark.parametrize("case", parameters)(function)


def each_case_trains(function: Callable[..., None]) -> Callable[..., None]:
    parameters = [
        pytest.param(case, id=f"{case.code}-{case.framework}", marks=getattr(pytest.mark, case.framework))
        for case in CASES
    ]
    return pytest.mark.parametrize("case", parameters)(function)


def test_the_rooms_were_found() -> None:
    assert len(CASES) >= 3
    assert {case.framework for case in CASES} <= set(NEEDS)


def changed_lines(old: list[str], new: list[str]) -> set[int]:
    """Return the lines of `new`, from 1, that are not in `old`, and those beside what `new` leaves out.

    The docstring at the top says what the program is, and is no line of it.
    """
    found: set[int] = set()
    for kind, _, _, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            found |= set(range(first + 1, last + 1)) or {first, first + 1}
    return found - {1}


def findings(path: Path, code: str) -> list[Finding]:
    result = scan([path], cpus=CPUS)
    assert not result.problems
    return [finding for finding in result.findings if finding.code == code]


@each_case
def test_the_bad_program_is_flagged_where_it_differs(case: Case) -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in case.pair)
    near = {line + step for line in changed_lines(good, bad) for step in (-1, 0, 1)}
    found = findings(case.pair.bad, case.code)
    assert found
    assert [finding.line for finding in found if near.isdisjoint(range(finding.line, finding.end_line + 1))] == []


@each_case
def test_a_scan_says_nothing_about_the_good_program(case: Case) -> None:
    result = scan([case.pair.good], cpus=CPUS)
    assert [(finding.code, finding.line) for finding in result.findings] == []


@each_case
def test_the_bad_program_has_no_other_smell(case: Case) -> None:
    result = scan([case.pair.bad], cpus=CPUS)
    assert {finding.code for finding in result.findings} == {case.code}


@each_case
def test_the_fix_leaves_a_program_without_the_smell(case: Case, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    shutil.copyfile(case.pair.bad, program)
    for _ in range(ROUNDS):
        made = changes(scan([program], cpus=CPUS, select=[case.code]), unsafe=True)
        if not made:
            break
        write(made[0])
    assert findings(program, case.code) == []
    compile(program.read_text(encoding="utf-8"), str(program), "exec")


@each_case
def test_inject_puts_the_smell_into_the_good_program(case: Case, tmp_path: Path) -> None:
    good = read(case.pair.good)
    assert isinstance(good, Module)
    smelly = apply(good, case.room.inject(good))
    assert isinstance(parse(smelly, case.pair.good), Module)
    program = tmp_path / "train.py"
    program.write_text(smelly, encoding="utf-8")
    assert findings(program, case.code)


@each_case
def test_the_programs_differ_little(case: Case) -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in case.pair)
    assert 1 <= len(changed_lines(good, bad)) <= MOST_CHANGED_LINES
    assert 1 <= len(changed_lines(bad, good)) <= MOST_CHANGED_LINES


def installed(framework: str) -> None:
    """Skip the test, or fail it where `make test-full` asks for everything, when a framework is not installed."""
    missing = [name for name in NEEDS[framework] if find_spec(name) is None]
    if missing and REQUIRED:
        pytest.fail(f"WATTLEAK_REQUIRE_FRAMEWORKS=1, and this Python has no {' and no '.join(missing)}")
    if missing:
        pytest.skip(f"this Python has no {' and no '.join(missing)}: make test-full installs it")


Said = dict[tuple[str, str], dict[str, float]]


@pytest.fixture(scope="module")
def said_by_programs_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Said]:
    """What each program of a framework said in its last line, by the code of its room and by being good or bad."""

    @cache
    def said(framework: str) -> Said:
        folder = tmp_path_factory.mktemp(framework)
        programs = {
            f"{case.code}-{kind}": str(path)
            for case in CASES
            if case.framework == framework
            for kind, path in zip(("good", "bad"), case.pair, strict=True)
        }
        words = (json.dumps(NEEDS[framework]), json.dumps(programs), *SHORT)
        env = {**os.environ, "OMP_NUM_THREADS": "1", "WATTLEAK_SEED": "3", "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(
            [sys.executable, "-c", EACH_A_FORK, *words],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        errors = "".join(path.read_text()[-2000:] for path in folder.glob("*.err"))
        assert done.returncode == 0, done.stderr[-500:] + errors
        return {tuple(name.split("-")): last_line(folder / f"{name}.out") for name in programs}  # type: ignore[misc]

    return said


def last_line(path: Path) -> dict[str, float]:
    last = path.read_text(encoding="utf-8").rstrip().splitlines()[-1]
    assert last.startswith("WATTLEAK "), last
    found: dict[str, float] = json.loads(last.removeprefix("WATTLEAK "))
    return found


@each_case_trains
def test_both_programs_do_the_same_work(case: Case, said_by_programs_of: Callable[[str], Said]) -> None:
    installed(case.framework)
    said = said_by_programs_of(case.framework)
    good, bad = said[case.code, "good"], said[case.code, "bad"]
    assert set(good) == set(bad) >= {"accuracy", "steps"}
    assert ("first_loss" in good) is (case.framework != "sklearn")
    assert good["steps"] >= 1
    if case.code in OTHER_STEPS:
        assert bad["steps"] != good["steps"]
        return
    assert bad["steps"] == good["steps"]
    assert bad.get("first_loss", 0.0) == pytest.approx(good.get("first_loss", 0.0), rel=ROUNDING, abs=0)
    threads = case.code in OTHER_THREADS
    assert bad["accuracy"] == pytest.approx(good["accuracy"], rel=0, abs=0.02 if threads else 0)
