"""Scanning: which files, what is allowed, and that no file whatever makes it fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattleak.errors import UsageError
from wattleak.scanner.formats import render_concise, render_full
from wattleak.scanner.scan import ScanResult, scan
from wattleak.smells.registry import find_room
from wattleak.source.module import Module
from wattleak.source.reading import parse

SMELLY = "import torch\ntorch.set_num_threads(64)\n"


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def lines(result: ScanResult) -> list[tuple[str, int]]:
    return [(finding.path.name, finding.line) for finding in result.findings]


def test_folders_are_walked_in_order_without_those_that_are_not_the_users(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "deep/er/c.py"):
        write(tmp_path, name, SMELLY)
    for name in (".git/x.py", ".hidden/x.py", "node_modules/x.py", "__pycache__/x.py", "env/lib/x.py", "notes.txt"):
        write(tmp_path, name, SMELLY)
    write(tmp_path, "env/pyvenv.cfg", "")
    result = scan(tmp_path, cpus=2)
    assert [path.name for path in result.files] == ["a.py", "b.py", "c.py"]
    assert lines(result) == [("a.py", 2), ("b.py", 2), ("c.py", 2)]
    assert result.problems == ()


def test_a_hidden_folder_that_is_named_is_scanned(tmp_path: Path) -> None:
    write(tmp_path, ".hidden/x.py", SMELLY)
    assert lines(scan(tmp_path / ".hidden", cpus=2)) == [("x.py", 2)]


def test_a_file_that_is_reached_twice_is_scanned_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a.py", SMELLY)
    (tmp_path / "link.py").symlink_to(path)
    assert len(scan([tmp_path, path, str(path)], cpus=2).findings) == 1


def test_the_cpus_of_this_process_are_the_default(tmp_path: Path) -> None:
    allowed = len(os.sched_getaffinity(0))
    write(tmp_path, "a.py", f"import torch\ntorch.set_num_threads({allowed})\ntorch.set_num_threads({allowed + 1})\n")
    result = scan(tmp_path)
    assert result.cpus == allowed
    assert lines(result) == [("a.py", 3)]
    assert lines(scan(tmp_path, cpus=allowed + 1)) == []


@pytest.mark.parametrize("paths", [["missing"], ["missing.py"], ["a\0b"], []])
def test_paths_that_do_not_exist_are_usage_errors(tmp_path: Path, paths: list[str]) -> None:
    with pytest.raises(UsageError):
        scan([tmp_path / path for path in paths])


def test_bad_settings_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CPUs"):
        scan(tmp_path, cpus=0)
    with pytest.raises(UsageError, match="smell"):
        scan(tmp_path, select=["nothing"])
    assert scan(tmp_path, select=["par001"]).findings == ()


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("torch.set_num_threads(64)  # wattleak: allow unnecessary-parallelism", 0),
        ("torch.set_num_threads(64)  # wattleak: allow PAR001", 0),
        ("torch.set_num_threads(64)  # noqa # type: ignore", 1),
        ("torch.set_num_threads(64)  # wattleak:allow par001 because the node has 64", 0),
        ("# wattleak: allow unnecessary-parallelism\ntorch.set_num_threads(64)", 0),
        ("x = 1  # wattleak: allow unnecessary-parallelism\ntorch.set_num_threads(64)", 1),
        ("# wattleak: allow unnecessary-parallelism\n\ntorch.set_num_threads(64)", 1),
        ("x = '# wattleak: allow PAR001'; torch.set_num_threads(64)", 1),
        ("torch.set_num_threads(\n    64,  # wattleak: allow PAR001\n)", 0),
    ],
)
def test_comments_allow_a_smell_and_are_counted(tmp_path: Path, code: str, kept: int) -> None:
    write(tmp_path, "a.py", f"import torch\n{code}\n")
    result = scan(tmp_path, cpus=2)
    assert (len(result.findings), len(result.suppressed)) == (kept, 1 - kept)
    assert ("1 more allowed by comments" in render_full(result)) == (kept == 0)


def test_a_comment_that_allows_nothing_known_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "import torch\ntorch.set_num_threads(64)  # wattleak: allow paralelism\n")
    result = scan(tmp_path, cpus=2)
    assert len(result.findings) == 1
    (problem,) = result.problems
    assert problem.line == 2
    assert "'paralelism'" in problem.message


DEEP = 100_000
JUNK = {
    "binary.py": (bytes(range(256)) * 10, "binary"),
    "null.py": (b"import torch\nx = 1\0\n", "binary"),
    "utf16.py": ("import torch\n".encode("utf-16"), "binary"),
    "latin1.py": ("x = 'größer'\n".encode("latin-1"), "utf-8"),
    "cookie.py": (b"# -*- coding: nonsense -*-\nx = 1\n", "encoding"),
    "hexcookie.py": (b"# coding: hex\nx = 1\n", "encoding"),
    "syntax.py": (b"def f(:\n", "does not parse"),
    "python2.py": (b"print 'x'\n", "does not parse"),
    "indent.py": (b"if x:\n\ty = 1\n        z = 2\n", "does not parse"),
    "parentheses.py": (b"(" * DEEP, "too deeply"),
    "closed.py": (b"(" * DEEP + b")" * DEEP, "too deeply"),
    "minus.py": (b"x = " + b"-" * DEEP + b"1\n", "too deeply"),
    "sum.py": (b"x = " + b"+".join([b"1"] * DEEP), "too deeply"),
    "attributes.py": (b"a" + b".b" * DEEP, "too deeply"),
    "surrogate.py": (b"# coding: unicode_escape\nx = '\\ud800'\n", "parse"),
    "huge.py": (b"x = 1\n" * 1_000_000, "larger than"),
}


@pytest.mark.parametrize(("name", "data", "reason"), [(name, *rest) for name, rest in JUNK.items()], ids=JUNK)
def test_junk_is_one_problem_and_the_rest_is_scanned(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    write(tmp_path, name, data)
    write(tmp_path, "zz.py", SMELLY)
    result = scan(tmp_path, cpus=2)
    (problem,) = result.problems
    assert problem.path.name == name
    assert reason in problem.message
    assert "\n" not in problem.message
    assert lines(result) == [("zz.py", 2)]
    assert f"{name}" in render_concise(result)
    assert "1 path not scanned" in render_full(result)


@pytest.mark.parametrize(
    "data",
    [
        "﻿" + SMELLY,
        SMELLY.replace("\n", "\r\n"),
        SMELLY.replace("\n", "\r"),
        "# coding: latin-1\ntorch = __import__('torch')  # größer\ntorch.set_num_threads(64)\n".encode("latin-1"),
        SMELLY + "\f\nx = '\\d'\n",
        SMELLY.rstrip(),
        SMELLY + "x = " + " + ".join(["'a'"] * 2000) + "\n",
    ],
)
def test_odd_but_valid_files_are_scanned(tmp_path: Path, data: str | bytes) -> None:
    write(tmp_path, "a.py", data)
    result = scan(tmp_path, cpus=2)
    assert result.problems == ()
    assert len(result.findings) == 1
    assert "64" in render_full(result)


def test_an_empty_file_and_an_empty_folder_hold_nothing(tmp_path: Path) -> None:
    assert "0 findings in 0 files" in render_full(scan(tmp_path, cpus=2))
    write(tmp_path, "a.py", "")
    assert "0 findings in 1 file" in render_full(scan(tmp_path, cpus=2))


def test_links_that_lead_nowhere_or_in_circles_are_problems(tmp_path: Path) -> None:
    (tmp_path / "broken.py").symlink_to(tmp_path / "gone.py")
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    result = scan(tmp_path, cpus=2)
    assert sorted(problem.path.name for problem in result.problems) == ["broken.py", "loop.py", "pipe.py"]
    with pytest.raises(UsageError, match="loop"):
        scan(tmp_path / "loop.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_what_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    closed = write(tmp_path, "closed/a.py", SMELLY).parent
    secret = write(tmp_path, "secret.py", SMELLY)
    secret.chmod(0)
    closed.chmod(0)
    try:
        result = scan(tmp_path, cpus=2)
    finally:
        closed.chmod(0o700)
    assert sorted(problem.path.name for problem in result.problems) == ["closed", "secret.py"]


def test_a_file_name_of_any_bytes_can_be_shown(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\x1b[31m\n.py")
    (tmp_path / name).write_text(SMELLY)
    result = scan(tmp_path, cpus=2)
    text = render_full(result) + render_concise(result)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert r"caf\xe9\x1b[31m\n.py" in text


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "notes.txt", "torch.set_num_threads(64)")
    (problem,) = scan(path, cpus=2).problems
    assert "only Python, notebooks" in problem.message


def test_the_scanned_code_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    code = f"import torch\nopen({str(mark)!r}, 'w')\nN = open({str(mark)!r}, 'w')\ntorch.set_num_threads(N)\n"
    write(tmp_path, "a.py", code)
    scan(tmp_path, cpus=2)
    assert not mark.exists()


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "import torch\n",
                    "import os, torch as t\n",
                    "torch.set_num_threads(",
                    "os.environ['OMP_NUM_THREADS'] = ",
                ),
                *(
                    "os.cpu_count()",
                    "64",
                    "'8'",
                    "f'{",
                    "}'",
                    ")",
                    "(",
                    "*",
                    " ** ",
                    " or ",
                    "lambda x: ",
                    "[x for x in ",
                ),
                *(
                    "\n",
                    "    ",
                    "def f(a=",
                    "):\n",
                    "class A:\n",
                    "A.x",
                    "global n\n",
                    "n := ",
                    "# wattleak: allow PAR001\n",
                ),
                *(
                    "match n:\n",
                    " case {'a': n}:\n",
                    "del n\n",
                    "if ",
                    ":\n",
                    "é",
                    "\r",
                    "\0",
                    "\ud800",
                    "\\",
                    '"""',
                    "**",
                    "n",
                ),
            ]
        )
        | st.text(max_size=5),
        max_size=30,
    )
)
def test_no_text_whatever_makes_a_smell_fail(pieces: list[str]) -> None:
    parsed = parse("".join(pieces), Path("x.py"))
    if not isinstance(parsed, Module):
        assert "\n" not in parsed.message
        return
    for finding in find_room("PAR001").detect(parsed, cpus=2):
        assert 1 <= finding.line <= finding.end_line <= len(parsed.lines)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_whatever_make_a_scan_fail(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, "a.py", data)
    result = scan(tmp_path, cpus=2)
    assert len(result.files) + len(result.problems) == 1
    render_full(result, color=True).encode("utf-8")
