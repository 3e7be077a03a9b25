"""A project of large files: what is in them is found, and they need not all fit into memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from wattleak.scanner.cache import Cache
from wattleak.scanner.scan import scan
from wattleak.smells.registry import rooms
from wattleak.source import project as projects
from wattleak.source.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MB = 1_000_000


def memory_b(work: Callable[[], object]) -> tuple[int, int]:
    """What is held afterwards, and the most that was held meanwhile."""
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found


def notebook(code: str, picture_b: int) -> str:
    outputs = [{"output_type": "display_data", "data": {"image/png": "A" * picture_b}, "metadata": {}}]
    cell = {"cell_type": "code", "source": code, "outputs": outputs, "metadata": {}, "execution_count": 1}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_data_beside_a_program_does_not_stay_in_memory(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("import torch\n\ndef train(model):\n    model.fit(1)\n\ntrain(torch.nn.Linear(1, 1))\n")
    for number in range(10):
        (code / f"{number}.json").write_text(json.dumps({"x": "A" * 4 * MB}))
    files = sorted(code.iterdir())

    _, most_b = memory_b(lambda: Project(files).fingerprint())
    assert most_b < 20 * MB
    _, most_b = memory_b(lambda: scan(code, cpus=2, cache=Cache.open(tmp_path / "cache", rooms(), 2)))
    assert most_b < 40 * MB


def test_pictures_of_notebooks_do_not_stay_in_memory_and_their_code_is_found(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.ipynb").write_text(notebook(f"train_{number}(\n'größer')", 4 * MB))
    made = Project(sorted(tmp_path.iterdir()))

    held_b, _ = memory_b(lambda: list(made.mentioning("train_of_nobody")))
    assert held_b < 4 * MB
    assert [module.path.name for module in made.mentioning("train_3")] == ["3.ipynb"]
    assert [module.path.name for module in made.mentioning("größer")] == [f"{number}.ipynb" for number in range(10)]


@pytest.mark.parametrize("limit", ["_KEPT", "_KEPT_B", "_SEARCHED_B"])
def test_what_finds_no_room_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    (tmp_path / "a.py").write_text("def fit(): ...\n")
    (tmp_path / "b.py").write_text("import a\na.fit()\n")
    monkeypatch.setattr(projects, limit, 1)
    made = Project(sorted(tmp_path.iterdir()))

    for name, expected in (("fit", ["a.py", "b.py"]), ("a", ["b.py"]), ("import", ["b.py"]), ("fit", ["a.py", "b.py"])):
        assert [module.path.name for module in made.mentioning(name)] == expected


def test_the_digest_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    """Those of `sha256sum`."""
    (tmp_path / "a.py").write_text("x = 1\n")
    made = Project([tmp_path / "a.py"])

    assert made.content_of(tmp_path / "a.py") == "9e26bf369911c45c243c684147b23fc9e1dcfcf257d299a1c632016a6fcd33f4"
    assert made.content_of(tmp_path / "b.py") is None
