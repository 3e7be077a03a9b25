"""Smells are found in their folders, and two of one name are refused where they stand."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from wattleak.errors import OwnFailure, UsageError
from wattleak.smells.explain import explain
from wattleak.smells.registry import all_smells, collect, find_smell, modules_in, pairs

if TYPE_CHECKING:
    from pathlib import Path

HEADINGS = ["What it does", "Why it costs", "Example", "Use instead", "When it is fine", "Evidence", "Fix safety"]

ROOM = '''"""Page of {code}."""

from pathlib import Path

from wattleak.model import Smell

SMELL = Smell(code="{code}", name="{name}", summary="s", page=__doc__, folder=Path(__file__).parent)


def detect(module, *, cpus):
    return ()


def inject(module):
    return ()
'''


def house(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch, **rooms: str):
    for name, text in rooms.items():
        room = folder / package / name
        room.mkdir(parents=True)
        (room / "__init__.py").write_text("")
        (room / "smell.py").write_text(text)
    (folder / package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    return modules_in(folder / package, package)


def test_every_smell_has_its_page_and_a_pair_of_programs() -> None:
    assert [smell.code for smell in all_smells()] == sorted({smell.code for smell in all_smells()})
    for smell in all_smells():
        lines = smell.page.splitlines()
        assert [line for line in lines if line in HEADINGS] == HEADINGS
        assert "torch" in pairs(smell)


@pytest.mark.parametrize("asked", ["PAR001", "par001", "unnecessary-parallelism", " Unnecessary-Parallelism "])
def test_a_smell_is_found_by_code_and_name(asked: str) -> None:
    assert find_smell(asked).code == "PAR001"


def test_an_unknown_smell_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_smell("unnecesary-paralelism")
    assert "unnecessary-parallelism" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        find_smell("zzz")
    assert "unnecessary-parallelism" in caught.value.remedy


def test_a_folder_is_all_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = house(
        tmp_path,
        "two_rooms",
        monkeypatch,
        later=ROOM.format(code="ZZZ002", name="later"),
        sooner=ROOM.format(code="AAA001", name="sooner"),
    )
    assert [room.smell.code for room in collect(modules)] == ["AAA001", "ZZZ002"]


@pytest.mark.parametrize(
    ("package", "second", "key"),
    [("same_code", ("AAA001", "second"), "AAA001"), ("same_name", ("BBB002", "first"), "first")],
)
def test_a_second_smell_of_one_code_or_name_is_refused_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, second: tuple[str, str], key: str
) -> None:
    texts = {"one": ROOM.format(code="AAA001", name="first"), "two": ROOM.format(code=second[0], name=second[1])}
    modules = house(tmp_path, package, monkeypatch, **texts)
    with pytest.raises(OwnFailure) as caught:
        collect(modules)
    for room in ("one", "two"):
        assert f"{tmp_path / package / room / 'smell.py'}:7" in caught.value.message
    assert key in caught.value.message


def test_a_folder_that_is_no_smell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = house(tmp_path, "half_a_room", monkeypatch, room="SMELL = 1\n")
    with pytest.raises(OwnFailure, match=r"smell\.py:1: this smell lacks"):
        collect(modules)


def test_a_smell_of_another_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "guest.py").write_text(ROOM.format(code="GST001", name="guest"))
    info = tmp_path / "guest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wattleak.smells]\nguest = guest\n")
    code = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from wattleak.smells.registry import all_smells
        print([smell.code for smell in all_smells()])
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "GST001" in done.stdout


def test_explain_shows_the_page_and_the_difference() -> None:
    text = explain("PAR001")
    assert "Why it costs" in text
    assert "+    torch.set_num_threads(8 * len(os.sched_getaffinity(0)))" in text
    assert "-    torch.set_num_threads(len(os.sched_getaffinity(0)))" in text
