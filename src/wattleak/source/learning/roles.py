"""What a file is for."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning.memory import of_module

if TYPE_CHECKING:
    from wattleak.source.module import Module


class FileRole(Enum):
    """What a file is for, as far as its place and its text tell."""

    PROGRAM = "program"
    TEST = "test"
    DOCUMENTATION = "documentation"


_TEST_FOLDERS = frozenset({"tests", "test", "unittests", "unit_tests", "testing", "testcases"})
_DOCUMENT_FOLDERS = frozenset({"docs", "doc", "documentation"})
_TESTS = re.compile(
    r"^\s*(?:import|from)\s+(?:pytest|unittest)\b|^def test_\w+\(|\(unittest\.TestCase\)|\(TestCase\)", re.MULTILINE
)


@of_module
def file_role(module: Module) -> FileRole:
    """Return what a file is for. `test.py` is a program (it evaluates a model) unless it holds tests."""
    *_, root = module.home.import_folders(module.path)
    try:
        parts = module.path.resolve().relative_to(root).parts
    except ValueError:
        parts = module.path.parts[-1:]
    folders = {part.lower() for part in parts[:-1]}
    stem = module.path.stem
    if stem == "conftest" or folders & _TEST_FOLDERS:
        return FileRole.TEST
    if (stem.startswith("test_") or stem.endswith("_test") or stem in {"test", "tests"}) and _TESTS.search(module.text):
        return FileRole.TEST
    return FileRole.DOCUMENTATION if folders & _DOCUMENT_FOLDERS else FileRole.PROGRAM
