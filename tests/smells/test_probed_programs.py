"""The probes on real programs, through `wattleak measure`: what has a smell is seen at its line, the rest is silent.

`probed/seen` has the line in a comment (`also` is for what has no room), `probed/silent` holds what looks like a smell
and is none; and the bad and good programs of the studies. All of one framework run under one measurement, each in a
process of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

HERE = Path(__file__).parent / "probed"
SMELLS = Path(__file__).parents[2] / "src" / "wattleak" / "smells"
STUDIES = {
    "MOD001": (SMELLS / "improper_model_reuse", ("--epochs", "4", "--train-images", "128", "--batch", "16")),
    "REF001": (SMELLS / "unreleased_tensor_references", ("--train-images", "1984", "--batch", "32")),
    "BAT001": (SMELLS / "minibatch_mismatch", ("--train-images", "300")),
    "DAT006": (SMELLS / "data_read_to_count", ("--train-images", "160", "--batch", "32")),
}


class Seen:
    """What one measurement of many programs said."""

    def __init__(self, wattleak: CommandLine, framework: str, modules: str, marks: tuple[str, ...]) -> None:
        self.silent = sorted((HERE / "silent").glob(f"{framework}_*.py"))
        self.seen = sorted((HERE / "seen").glob(f"{framework}_*.py"))
        self.studies = {
            (code, kind): (folder / framework / f"{kind}.py", words)
            for code, (folder, words) in STUDIES.items()
            for kind in marks
        }
        words = [str(path) for path in (*self.silent, *self.seen)]
        images = str(small_images(wattleak.folder))
        words += ["?".join((str(path), "--data", images, *more)) for path, more in self.studies.values()]
        results = wattleak.folder / "results.json"
        driver = [sys.executable, str(HERE / "one_by_one.py"), modules, str(results), *words]
        env = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [*wattleak.command, "measure", "--output", "document.json", "--", *driver],
            cwd=wattleak.folder,
            env={**wattleak.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=290,
        )
        assert done.returncode == 0, done.stderr
        ended = json.loads(results.read_text())
        assert {item["program"]: item["exit_code"] for item in ended if item["exit_code"]} == {}, done.stderr[-4000:]
        self.document: dict[str, Any] = json.loads((wattleak.folder / "document.json").read_text())
        programs = {item["pid"]: item["program"].partition("?")[0] for item in ended}
        self.by_program: dict[str, set[tuple[str, str, int]]] = {}
        for place in self.document["observed"]["places"]:
            for item in place["evidence"]:
                where = (place["code"], Path(item["path"] or "").name, item["line"])
                self.by_program.setdefault(programs[item["pid"]], set()).add(where)
        for also in self.document["observed"]["also"]:
            item = also["evidence"]
            where = (also["name"], Path(item["path"] or "").name, item["line"])
            self.by_program.setdefault(programs[item["pid"]], set()).add(where)

    def of(self, path: Path) -> set[tuple[str, str, int]]:
        """(code, file, line) of what was seen in a program."""
        return self.by_program.get(str(path), set())


def small_images(folder: Path) -> Path:
    """Fewer and smaller images than the studies have: enough to train on, and quick."""
    random = np.random.default_rng(0)
    arrays = {
        f"{part}_{what}": random.integers(0, top, size, dtype=np.uint8)
        for part, count in (("train", 1984), ("test", 64))
        for what, top, size in (("images", 256, (count, 24, 24)), ("labels", 10, (count,)))
    }
    path = folder / "small.npz"
    np.savez(path, **arrays)
    return path


def marked(path: Path) -> set[tuple[str, str, int]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    marks = ((number, re.search(r"# (?:seen|also): ([\w-]+)", line)) for number, line in enumerate(lines, 1))
    return {(mark[1], path.name, number) for number, mark in marks if mark}


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    from tests.conftest import CommandLine

    return Seen(CommandLine(tmp_path_factory.mktemp("torch")), "torch", "torch,torch._dynamo", ("bad", "good"))


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    from tests.conftest import CommandLine

    if find_spec("tensorflow") is None or find_spec("keras") is None:
        pytest.skip("needs Keras on TensorFlow (make test-full installs them)")

    return Seen(CommandLine(tmp_path_factory.mktemp("keras")), "keras", "tensorflow,keras", ("bad", "good"))


@pytest.mark.torch
def test_torch_what_has_a_smell_is_seen_at_its_line(torch: Seen) -> None:
    assert {path.name: torch.of(path) for path in torch.seen} == {path.name: marked(path) for path in torch.seen}


@pytest.mark.torch
def test_torch_hard_negatives_are_silent(torch: Seen) -> None:
    assert len(torch.silent) >= 20
    assert {path.name: torch.of(path) for path in torch.silent if torch.of(path)} == {}


@pytest.mark.torch
def test_torch_anomaly_mode_is_told_with_its_steps(torch: Seen) -> None:
    (told,) = [
        item["evidence"] for item in torch.document["observed"]["also"] if "anomaly" in item["evidence"]["message"]
    ]
    assert (told["counter"], told["value"]) == ("steps made with anomaly mode on", 10)


@pytest.mark.torch
def test_torch_studies(torch: Seen) -> None:
    expected = {"MOD001": "model = build_model(data)", "REF001": "kept.append(", "BAT001": "optimizer.step()"}
    expected["DAT006"] = "len(list(loader))"
    for (code, kind), (path, _) in torch.studies.items():
        wanted = {(code, path.name, line_of(path, expected[code]))} if kind == "bad" else set()
        assert torch.of(path) == wanted, path


@pytest.mark.keras
def test_keras_what_has_a_smell_is_seen_at_its_line(keras: Seen) -> None:
    assert {path.name: keras.of(path) for path in keras.seen} == {path.name: marked(path) for path in keras.seen}


@pytest.mark.keras
def test_keras_hard_negatives_are_silent(keras: Seen) -> None:
    assert {path.name: keras.of(path) for path in keras.silent if keras.of(path)} == {}


@pytest.mark.keras
def test_keras_studies(keras: Seen) -> None:
    expected = {"MOD001": "model = build_model(data)", "REF001": "kept.append(", "BAT001": "model.fit("}
    expected["DAT006"] = "len(list(batches))"
    for (code, kind), (path, _) in keras.studies.items():
        wanted = {(code, path.name, line_of(path, expected[code]))} if kind == "bad" else set()
        assert keras.of(path) == wanted, path
