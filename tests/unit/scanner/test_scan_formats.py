"""What a user reads: the full text, the concise one, and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wattleak.scanner import formats
from wattleak.scanner.formats import finding_document, render_concise, render_full, result_document
from wattleak.scanner.scan import ScanResult, scan


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScanResult:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(
        "import os\nimport torch\n\n\tx = 1\n".replace("\tx = 1\n", "") + "torch.set_num_threads(64)\n"
    )
    Path("bad.py").write_text("(\n")
    return scan(["train.py", "bad.py"], cpus=2)


def test_full(result: ScanResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "measured", lambda _code: ["torch: CPU time +1.0 % [+0.5, +1.5]; quality equivalent"])
    assert render_full(result) == (
        "PAR001 unnecessary-parallelism: torch.set_num_threads asks for 64 threads where 2 CPUs are allowed; "
        "OpenMP threads that find no CPU spin while they wait\n"
        " --> train.py:4:23\n"
        "  |\n"
        "4 | torch.set_num_threads(64)\n"
        "  |                       ^^\n"
        "  |\n"
        "  = note: high confidence\n"
        "  = fix: use the number of CPUs that the process may use (unsafe: the number may be right on the machine that "
        "it was meant for, and the number of threads decides in which order floating-point numbers are added)\n"
        "  = the study's programs: torch: CPU time +1.0 % [+0.5, +1.5]; quality equivalent\n"
        "  = help: wattleak explain PAR001\n"
        "\n"
        "bad.py:1: does not parse: '(' was never closed\n"
        "\n"
        "1 finding in 1 file, 1 path not scanned, 1 has a fix. Thread numbers were compared with 2 CPUs."
    )


def test_concise(result: ScanResult) -> None:
    first, second, last = render_concise(result).splitlines()
    assert first.startswith("train.py:4:23: PAR001 torch.set_num_threads asks for 64 threads")
    assert second.startswith("bad.py:1: does not parse")
    assert last.startswith("1 finding in 1 file")


def test_color_changes_nothing_but_color(result: ScanResult) -> None:
    colored = render_full(result, color=True)
    assert colored != render_full(result)
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == render_full(result)


def test_json_has_the_promised_keys_and_positions_from_one(result: ScanResult) -> None:
    document = json.loads(json.dumps(result_document(result)))
    (finding,) = document["findings"]
    assert list(finding) == [
        *("code", "name", "path", "line", "column", "end_line", "end_column"),
        *("message", "severity", "confidence", "fix", "measured"),
    ]
    assert (finding["path"], finding["line"], finding["column"], finding["end_column"]) == ("train.py", 4, 23, 25)
    assert (finding["severity"], finding["confidence"]) == ("warning", "high")
    assert finding["fix"]["safe"] is False
    assert finding["fix"]["edits"] == [
        {"line": 4, "column": 23, "end_line": 4, "end_column": 25, "text": "len(os.sched_getaffinity(0))"}
    ]
    assert document["problems"] == [{"path": "bad.py", "line": 1, "message": "does not parse: '(' was never closed"}]
    assert (document["files"], document["cpus"], document["suppressed"]) == (1, 2, [])


def test_a_finding_without_a_fix_says_null(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nos = 1\ntorch.set_num_threads(64)\n")
    (finding,) = scan(tmp_path, cpus=2).findings
    assert finding_document(finding)["fix"] is None


@pytest.mark.parametrize("before", ["\t", "日本 = 1; ", "é = 1; ", "e\u0301 = 1; ", "x = '\u202e'; ", "x = 1; " * 60])
def test_carets_stand_below_the_number(tmp_path: Path, before: str) -> None:
    prefix = "if True:\n" if before == "\t" else ""
    (tmp_path / "a.py").write_text(f"import torch\n{prefix}{before}torch.set_num_threads(64)\n", encoding="utf-8")
    _, _, _, source, carets, *_ = render_full(scan(tmp_path, cpus=2)).splitlines()
    # As a terminal counts: Japanese characters take two columns, a combining accent none.
    columns = source[: source.index("64)")].replace("日本", "....").replace("\u0301", "")
    assert "\u202e" not in source
    assert carets.index("^") == len(columns)
    assert carets.count("^") == 2
