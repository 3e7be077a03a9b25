"""Notebooks: read as one module, told by cell and line, and written back with nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - as in every test here

import pytest

from wattleak.scanner.fixing import changes, render_diff, write
from wattleak.scanner.scan import ScanResult, scan


def notebook(path: Path, *sources: object, **settings: object) -> Path:
    """Write a notebook as Jupyter does; a source that is a list stays one. Outputs and counts are there to be kept."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": 7,
            "id": f"c{number}",
            "metadata": {"tags": ["größer"]},
            "outputs": [{"data": {"text/plain": ["<é>\n"]}, "metadata": {}, "output_type": "display_data"}],
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    document = {
        "cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# torch.set_num_threads(64)\n"]}, *cells],
        "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, **settings) + "\n", encoding="utf-8")
    return path


def places(result: ScanResult) -> list[tuple[int | None, int, int]]:
    return [(finding.cell, finding.line, finding.column) for finding in result.findings]


def test_a_finding_is_told_by_cell_and_line(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "n.ipynb", ["import torch as t\n", "N = 64\n"], ["x = 1\n", "\n", "t.set_num_threads(N)"]
    )
    result = scan(path, cpus=2)
    assert places(result) == [(3, 3, 19)]
    assert result.excerpt(result.findings[0]) == "t.set_num_threads(N)"
    assert result.problems == ()


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\nimport torch\ntorch.set_num_threads(64)",
        "import torch\n!pip install 'torch\ntorch.set_num_threads(64)",
        "import torch\nif True:\n    !ls {x}\n    torch.set_num_threads(64)",
        "import torch\nfiles = !ls *.py\ntorch.set_num_threads(64)",
        "import torch\nx = %who_ls\ntorch.set_num_threads(64)",
        "import torch\ntorch?\ntorch.set_num_threads(64)",
        "%%time\nimport torch\ntorch.set_num_threads(64)",
        "\n%%capture out\nimport torch\ntorch.set_num_threads(64)",
        "import torch\n%time torch.set_num_threads(64)",
        "import torch\ntext = '''\n!not a shell %line\n'''\n!ls \\\n  -l\ntorch.set_num_threads(64)",
        "import torch\nawait thing()\n%pip list\ntorch.set_num_threads(64)",
        "import torch\nx = (5\n % 3)\n!ls\ntorch.set_num_threads(64)",
    ],
)
def test_what_ipython_adds_does_not_stop_a_scan(tmp_path: Path, cell: str) -> None:
    result = scan(notebook(tmp_path / "n.ipynb", cell), cpus=2)
    assert result.problems == ()
    line = next(number for number, text in enumerate(cell.split("\n"), 1) if "set_num_threads" in text)
    column = cell.split("\n")[line - 1].index("64") + 1
    assert places(result) == [(2, line, column)]


@pytest.mark.parametrize("magic", ["%%html", "%%writefile train.py", "%%javascript", "%%R", "%%cython"])
def test_cells_in_other_languages_are_not_python(tmp_path: Path, magic: str) -> None:
    result = scan(notebook(tmp_path / "n.ipynb", f"{magic}\nimport torch\ntorch.set_num_threads(64)"), cpus=2)
    assert (result.findings, result.problems) == ((), ())


def test_a_cell_that_does_not_parse_is_told_and_the_others_are_scanned(tmp_path: Path) -> None:
    result = scan(notebook(tmp_path / "n.ipynb", "import torch", "print 'old'", "torch.set_num_threads(64)"), cpus=2)
    (problem,) = result.problems
    assert (problem.cell, problem.line) == (3, 1)
    assert "does not parse" in problem.message
    assert places(result) == [(4, 1, 23)]


def test_what_a_broken_cell_may_have_changed_is_not_known(tmp_path: Path) -> None:
    cells = "import torch\nN = 64", "N = 2 if", "torch.set_num_threads(N)"
    assert scan(notebook(tmp_path / "n.ipynb", *cells), cpus=2).findings == ()


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ("!OMP_NUM_THREADS=64 python train.py", (2, 1, 18)),
        ("%env OMP_NUM_THREADS=64", (2, 1, 22)),
        ("%env OMP_NUM_THREADS 64", (2, 1, 22)),
        ("%%bash\nexport OMP_NUM_THREADS=64\npython train.py", (2, 2, 24)),
    ],
)
def test_variables_in_magics_are_found(tmp_path: Path, cell: str, place: tuple[int, int, int]) -> None:
    assert places(scan(notebook(tmp_path / "n.ipynb", cell), cpus=2)) == [place]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "no cells"),
        ("[1]", "no cells"),
        ("{", "not a notebook"),
        ("", "not a notebook"),
        ('{"cells": [{"cell_type": "code", "source": 3}]}', "no cells"),
        ('{"cells": 3}', "no cells"),
        ('{"cells": [], "metadata": {"kernelspec": {"language": "julia"}}}', "julia"),
        ("[" * 100_000, "nested too deeply"),
        ("\udcff", "utf-8"),
    ],
)
def test_a_broken_notebook_is_one_note(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "n.ipynb").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "z.py").write_text("import torch\ntorch.set_num_threads(64)\n")
    result = scan(tmp_path, cpus=2)
    (problem,) = result.problems
    assert reason in problem.message
    assert len(result.findings) == 1


def test_a_fix_changes_the_source_of_its_cell_and_nothing_else(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "n.ipynb",
        ["%matplotlib inline\n", "import torch, os\n"],
        ["# größer\n", "torch.set_num_threads(64)"],
    )
    before = path.read_bytes()
    path.chmod(0o640)
    (change,) = changes(scan(path, cpus=2), unsafe=True)
    assert "cell 3" in render_diff([change])
    write(change)
    new = "torch.set_num_threads(len(os.sched_getaffinity(0)))"
    assert path.read_bytes() == before.replace(b'torch.set_num_threads(64)"', f'{new}"'.encode())
    assert path.stat().st_mode & 0o777 == 0o640
    assert scan(path, cpus=2).findings == ()


@pytest.mark.parametrize("settings", [{}, {"separators": (",", ":")}, {"sort_keys": True}])
@pytest.mark.parametrize(
    "source", ["import torch\ntorch.set_num_threads(64)\n", ["import torch\n", "torch.set_num_threads(64)\n"]]
)
def test_a_fixed_notebook_is_the_same_document_but_for_the_source(
    tmp_path: Path, source: object, settings: dict[str, object]
) -> None:
    path = notebook(tmp_path / "n.ipynb", source, "pass", **settings)
    before = json.loads(path.read_bytes())
    (change,) = changes(scan(path, cpus=2), unsafe=True)
    write(change)
    after = json.loads(path.read_bytes())
    fixed = "import os\nimport torch\ntorch.set_num_threads(len(os.sched_getaffinity(0)))\n"
    assert type(after["cells"][1]["source"]) is type(source)
    assert "".join(after["cells"][1]["source"]) == fixed
    before["cells"][1]["source"] = after["cells"][1]["source"]
    assert after == before


def test_an_old_notebook_is_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": ["import torch\n", "torch.set_num_threads(64)"], "outputs": []}
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [cell]}]}))
    assert places(scan(path, cpus=2)) == [(1, 2, 23)]


def test_comments_allow_in_a_cell(tmp_path: Path) -> None:
    path = notebook(tmp_path / "n.ipynb", "import torch\ntorch.set_num_threads(64)  # wattleak: allow PAR001")
    result = scan(path, cpus=2)
    assert (len(result.findings), len(result.suppressed)) == (0, 1)
