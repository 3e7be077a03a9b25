"""--fix and --diff, the baseline, the cache, and what pipelines read; on the command line, as a user sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wattleak.errors import OwnFailure, UsageError
from wattleak.model import Confidence, Edit, Finding, Fix, Severity
from wattleak.scanner.baseline import read_baseline, write_baseline
from wattleak.scanner.cache import Cache, digest
from wattleak.scanner.fixing import changes, render_diff, write
from wattleak.scanner.pipelines import render_github, sarif_document
from wattleak.scanner.scan import ScanResult, scan
from wattleak.smells.registry import rooms

SMELLY = "import os\nimport torch\ntorch.set_num_threads(64)\n"
FIXED = SMELLY.replace("64", "len(os.sched_getaffinity(0))")


def wattleak(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wattleak", "scan", *words, "--cpus", "2"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(folder / ".cache"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def result_of(path: Path, *fixes: Fix) -> ScanResult:
    """What a scan returns when a rule has fixes of its own."""
    found = tuple(Finding("X001", "x", path, 1, 1, 1, 2, "m", Severity.WARNING, Confidence.HIGH, fix) for fix in fixes)
    return ScanResult(found, (path,), (), 2, digests={path: digest(path.read_bytes())})


def test_fix_leaves_what_is_unsafe_until_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(SMELLY)
    first = wattleak(tmp_path, "a.py", "--fix")
    assert (first.returncode, path.read_text()) == (1, SMELLY)
    assert "1 more has an unsafe fix (--unsafe-fixes)" in first.stderr
    second = wattleak(tmp_path, "a.py", "--fix", "--unsafe-fixes")
    assert (second.returncode, path.read_text()) == (0, FIXED)
    assert "fixed 1 finding in 1 file" in second.stderr
    assert "0 findings" in second.stdout


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not there to apply it")
@pytest.mark.parametrize("text", [SMELLY, SMELLY.rstrip("\n"), SMELLY.replace("\n", "\r\n"), "# é\n" + SMELLY])
def test_a_diff_is_a_patch_that_changes_what_fix_changes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(text.encode())
    done = wattleak(tmp_path, "a.py", "--diff", "--unsafe-fixes")
    assert (done.returncode, path.read_bytes()) == (1, text.encode())
    patch = render_diff(changes(scan(path, cpus=2), unsafe=True)).replace(str(tmp_path) + "/", "")
    subprocess.run(["patch", "-p1", "--binary", "-s"], cwd=tmp_path, input=patch.encode(), check=True)
    assert path.read_bytes() == text.replace("64", "len(os.sched_getaffinity(0))").encode()


def test_safe_fixes_are_made_and_the_first_of_two_that_overlap(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    one = Fix("one", safe=True, edits=(Edit(1, 4, 1, 5, "2"),))
    same_text = Fix("other", safe=True, edits=(Edit(1, 0, 1, 5, "y = 3"),))
    broken = Fix("broken", safe=True, edits=(Edit(1, 0, 1, 1, "x ("),))
    unsafe = Fix("unsafe", safe=False, edits=(Edit(1, 5, 1, 5, "0"),), why_unsafe="because")
    (change,) = changes(result_of(path, one, same_text, broken, unsafe))
    write(change)
    assert path.read_text() == "x = 2\n"
    assert [finding.fix.title for finding in change.fixed if finding.fix] == ["one"]


@pytest.mark.parametrize(
    "data",
    [
        SMELLY.encode("utf-8-sig"),
        ("# coding: latin-1\n# größer\n" + SMELLY).encode("latin-1"),
        SMELLY.replace("\n", "\r\n").encode(),
    ],
)
def test_a_fix_keeps_encoding_and_line_ends(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(data)
    for change in changes(scan(path, cpus=2), unsafe=True):
        write(change)
    assert path.read_bytes() == data.replace(b"64", b"len(os.sched_getaffinity(0))")


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(SMELLY)
    result = scan(path, cpus=2)
    (change,) = changes(result, unsafe=True)
    path.write_text(SMELLY + "# mine\n")
    assert changes(result, unsafe=True) == []
    with pytest.raises(OwnFailure, match="changed"):
        write(change)
    assert path.read_text() == SMELLY + "# mine\n"


def test_a_link_stays_a_link_and_no_other_file_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.py").write_text(SMELLY)
    (tmp_path / "link.py").symlink_to(tmp_path / "real/a.py")
    for change in changes(scan(tmp_path / "link.py", cpus=2), unsafe=True):
        write(change)
    assert (tmp_path / "link.py").is_symlink()
    assert (tmp_path / "real/a.py").read_text() == FIXED
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["a.py"]


def test_a_baseline_hides_what_was_there_and_shows_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(SMELLY)
    made = wattleak(tmp_path, ".", "--write-baseline", "base.json")
    assert made.returncode == 0
    known = wattleak(tmp_path, ".", "--baseline", "base.json")
    assert known.returncode == 0
    assert "1 known from the baseline" in known.stdout
    path.write_text("# a line above\n" + SMELLY + "torch.set_num_threads(64)\n")
    new = wattleak(tmp_path, ".", "--baseline", "base.json")
    assert new.returncode == 1
    assert new.stdout.count("PAR001 unnecessary-parallelism") == 1
    path.write_text("x = 1\n")
    assert "1 of the baseline were not met" in wattleak(tmp_path, ".", "--baseline", "base.json").stderr


def test_a_baseline_moves_with_its_project(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.py").write_text(SMELLY)
    write_baseline(tmp_path / "one/base.json", scan(tmp_path / "one", cpus=2))
    (tmp_path / "one").rename(tmp_path / "two")
    baseline = read_baseline(tmp_path / "two/base.json")
    assert scan(tmp_path / "two", cpus=2, baseline=baseline).findings == ()
    assert baseline.gone == 0


@pytest.mark.parametrize("text", [None, "", "[]", '{"baseline_version": 99, "findings": {}}', "\0"])
def test_a_baseline_that_is_none_is_a_usage_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "base.json").write_text(text)
    with pytest.raises(UsageError, match="baseline"):
        read_baseline(tmp_path / "base.json")


def test_a_cache_gives_the_same_answer_and_notices_changes(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    for number in range(3):
        (code / f"{number}.py").write_text(f"{SMELLY}torch.set_num_threads({number})  # wattleak: allow PAR001\n")
    (code / "broken.py").write_text("(")
    (code / "run.sh").write_text("export OMP_NUM_THREADS=64\n")

    def run(cpus: int = 2) -> ScanResult:
        return scan(code, cpus=cpus, cache=Cache.open(tmp_path / "cache", rooms(), cpus))

    fresh = scan(code, cpus=2)
    assert run() == fresh
    assert run() == fresh
    (code / "0.py").write_text("x = 1\n")
    assert run() == scan(code, cpus=2)
    assert len(run().findings) == len(fresh.findings) - 1
    assert run(64).findings == ()
    for file in (tmp_path / "cache").iterdir():
        file.write_text('{"x": [')
    assert run() == scan(code, cpus=2)


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SMELLY)
    (tmp_path / "file").write_text("")
    assert len(scan(tmp_path / "a.py", cpus=2, cache=Cache.open(tmp_path / "file/cache", rooms(), 2)).findings) == 1


def test_sarif_points_at_the_text_and_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("größer a.py").write_text(f"{SMELLY}torch.set_num_threads(8)  # wattleak: allow PAR001\n")
    Path("broken.py").write_text("(")
    document = json.loads(json.dumps(sarif_document(scan(".", cpus=2))))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    first, excused = run["results"]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "PAR001"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "gr%C3%B6%C3%9Fer%20a.py"}
    assert place["region"] == {"startLine": 3, "startColumn": 23, "endLine": 3, "endColumn": 25}
    replaced = first["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replaced == [{"deletedRegion": place["region"], "insertedContent": {"text": "len(os.sched_getaffinity(0))"}}]
    assert excused["suppressions"] == [{"kind": "inSource"}]
    assert "suppressions" not in first
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "does not parse" in note["message"]["text"]


def test_github_commands_are_one_line_each_whatever_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a,b:100%.py").write_text(SMELLY)
    (line,) = render_github(scan(".", cpus=2)).splitlines()
    properties, _, message = line.removeprefix("::warning ").partition("::")
    assert properties == (
        "file=a%2Cb%3A100%25.py,line=3,endLine=3,col=23,endColumn=25,title=PAR001 unnecessary-parallelism"
    )
    assert message.startswith("torch.set_num_threads asks for 64 threads")


@pytest.mark.parametrize(
    "words",
    [
        ("--fix", "--diff"),
        ("--unsafe-fixes",),
        ("--json", "--format", "sarif"),
        ("--baseline", "gone.json"),
        ("--persona", "nobody"),
    ],
)
def test_words_that_do_not_fit_are_usage_errors(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "a.py").write_text(SMELLY)
    done = wattleak(tmp_path, "a.py", *words)
    assert done.returncode == 2
    assert done.stderr


@pytest.mark.parametrize("form", ["json", "sarif", "github", "concise", "text"])
def test_every_format_says_it_on_standard_output(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.py").write_text(SMELLY)
    done = wattleak(tmp_path, "a.py", "--format", form)
    assert (done.returncode, done.stderr) == (1, "")
    assert "PAR001" in done.stdout
    if form in {"json", "sarif"}:
        json.loads(done.stdout)
