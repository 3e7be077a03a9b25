"""Copies of a project: what is in them, what is linked, what a program finds from where it stands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wattleak.errors import OwnFailure, UsageError
from wattleak.experiment import copies
from wattleak.experiment.copies import Layout, make_copy, place_of, places, survey

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "train.py": "import lib.model\n",
        "lib/model.py": "A = 1\n",
        "data/images.bin": "0123456789" * 10,
        "data/labels.csv": "1,2\n",
        ".env": "A=1\n",
        ".git/HEAD": "ref\n",
        "lib/__pycache__/model.pyc": "x",
        "env/pyvenv.cfg": "",
        "env/lib/torch.py": "",
        ".wattleak/wattleak.db": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def copied(layout: Layout, *whole: Path, texts: dict[Path, bytes] | None = None) -> Path:
    (place,) = places(layout.store, "token", 1)
    make_copy(layout, survey(layout, whole), place, texts or {})
    return place


def below(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_it_holds_the_project_and_not_what_tools_made(project: Path) -> None:
    layout = Layout(project, project, project / ".wattleak")
    place = copied(layout, texts={project / "lib" / "model.py": b"A = 2\n"})

    assert below(place) == {"train.py", "lib/model.py", "data/images.bin", "data/labels.csv", ".env"}
    assert (place / "lib" / "model.py").read_text() == "A = 2\n"
    assert (project / "lib" / "model.py").read_text() == "A = 1\n"
    assert place_of(layout.folder(place), layout.store) == place


def test_a_program_that_writes_into_it_writes_nowhere_else(project: Path) -> None:
    place = copied(Layout(project, project, project / ".wattleak"))
    (place / "data" / "labels.csv").write_text("changed")

    assert (project / "data" / "labels.csv").read_text() == "1,2\n"


def test_large_files_and_folders_are_links(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LARGE_FILE_B", 50)
    (project / "many").mkdir()
    monkeypatch.setattr(copies, "LARGE_FOLDER_FILES", 5)
    for number in range(6):
        (project / "many" / f"{number}.png").write_text("")
    layout = Layout(project, project, project / ".wattleak")
    found = survey(layout, [project / "train.py"])
    place = copied(layout)

    assert set(map(str, found.large)) == {"data/images.bin", "many"}
    assert (place / "data" / "images.bin").readlink() == project / "data" / "images.bin"
    assert (place / "many").readlink() == project / "many"
    assert not (place / "data" / "labels.csv").is_symlink()


def test_the_source_that_runs_is_never_linked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LARGE_FILE_B", 3)
    monkeypatch.setattr(copies, "LARGE_FOLDER_B", 5)
    place = copied(Layout(project, project, project / ".wattleak"), project / "train.py", project / "lib" / "model.py")

    assert not (place / "lib").is_symlink()
    assert not (place / "lib" / "model.py").is_symlink()
    assert (place / ".env").is_symlink()


def test_links_lead_into_the_copy_or_out_of_the_project_as_before(project: Path, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text("far")
    (project / "to_far").symlink_to("../far.txt")
    (project / "to_labels").symlink_to(project / "data" / "labels.csv")
    (project / "data" / "to_model").symlink_to("../lib/model.py")
    (project / "to_env").symlink_to("env/lib/torch.py")
    (project / "to_nothing").symlink_to("gone")
    place = copied(Layout(project, project, project / ".wattleak"))

    assert (place / "to_far").read_text() == "far"
    assert (place / "to_labels").resolve() == place / "data" / "labels.csv"
    assert (place / "data" / "to_model").resolve() == place / "lib" / "model.py"
    assert (place / "to_env").resolve() == project / "env" / "lib" / "torch.py"
    assert (place / "to_nothing").is_symlink()


def test_what_is_neither_file_nor_folder_is_left_out(project: Path) -> None:
    os.mkfifo(project / "pipe")
    place = copied(Layout(project, project, project / ".wattleak"))

    assert not (place / "pipe").exists()


@pytest.mark.parametrize(
    ("here", "inside", "word"),
    [("project", ".", "train.py"), ("project/lib", ".", "../train.py"), (".", "project", "project/train.py")],
)
def test_a_program_is_called_by_the_same_words_from_the_same_folder(
    project: Path, tmp_path: Path, here: str, inside: str, word: str
) -> None:
    layout = Layout(project, (tmp_path / here).resolve(), tmp_path / "store")
    place = copied(layout)

    assert layout.inside == inside
    assert layout.word(project / "train.py") == word
    assert (layout.folder(place) / word).resolve() == place / inside / "train.py"


def test_from_elsewhere_everything_there_is_seen_beside_the_copy(project: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    (start / "project").mkdir(parents=True)  # another one of the same name
    (start / "data.csv").write_text("1")
    layout = Layout(project, start, start / ".wattleak")
    place = copied(layout)

    assert layout.folder(place) == place
    assert layout.word(project / "train.py") == "project_/train.py"
    assert (place / "data.csv").read_text() == "1"
    assert (place / "project").readlink() == start / "project"
    assert (place / "project_" / "train.py").is_file()


def test_from_above_only_the_way_to_the_project_is_made(project: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "beside.txt").write_text("beside")
    project = project.rename(tmp_path / "deep" / "er" / "project")
    layout = Layout(project, tmp_path, tmp_path / ".wattleak")
    place = copied(layout)

    assert (place / "deep" / "beside.txt").is_symlink()
    assert not (place / "deep" / "er").is_symlink()
    assert not (place / "deep" / "er" / "project" / "train.py").is_symlink()
    assert not (place / ".wattleak").exists()


def test_a_project_that_is_no_project_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_MOST_FILES", 3)

    with pytest.raises(UsageError, match="more than 3 files") as refused:
        survey(Layout(project, project, project / ".wattleak"), [])
    assert "--root" in refused.value.remedy


def test_a_place_that_cannot_be_written_is_our_failure(project: Path) -> None:
    layout = Layout(project, project, project / ".wattleak")
    place = copied(layout)

    with pytest.raises(OwnFailure, match="cannot copy"):
        make_copy(layout, survey(layout, []), place, {})
