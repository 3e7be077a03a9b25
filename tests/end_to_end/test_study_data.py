"""`study data`: its plan, what it refuses, and a small one to the end."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

needs_pillow = pytest.mark.skipif(find_spec("PIL") is None, reason="needs pillow: pip install pillow")


def test_the_plan_has_a_part_for_each_question(wattleak: CommandLine) -> None:
    done = wattleak("study", "data", "--only", "npy,npz,access", "--dry-run", "--json", "--", "--batch", "32")
    assert done.returncode == 0, done.stderr
    formats, access = (json.loads(line)["design"] for line in done.stdout.splitlines())
    assert [variant["name"] for variant in formats["variants"]] == ["npy", "npz"]
    assert list(access["factors"]) == ["access", "page-cache"]
    assert len(access["variants"]) == 8
    assert (formats["blocks"], access["blocks"]) == (6, 9)  # the fewest that an interval of 95 % takes
    for design in (formats, access):
        assert design["metric"] == "cpu_per_sample_s"
        assert design["quality"] == {"metric": "wrong_samples", "direction": "min", "margin": 0.0}
        assert all(variant["command"][-2:] == ["--batch", "32"] for variant in design["variants"])
    assert "1820 of 96x96x1" in done.stderr
    assert not (wattleak.folder / ".wattleak" / "data").exists()  # a dry run stores nothing


@needs_pillow
def test_a_small_one_to_the_end(wattleak: CommandLine) -> None:
    words = ("--raw-mb", "1", "--side", "64", "--blocks", "1", "--warmups", "0", "--json")
    done = wattleak("study", "data", "--only", "npy,jpeg,access", *words, "--", "--seconds", "0")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "study_data"
    formats, access = document["parts"]
    assert [len(part["runs"]) for part in (formats, access)] == [2, len(access["design"]["variants"])]
    npy, jpeg = formats["costs"]
    assert (npy["wrong_samples"], jpeg["wrong_samples"]) == (0, 256)
    assert npy["files_b"] > 256 * 64 * 64
    assert jpeg["later_epochs"]["cpu_per_1000_s"] > npy["later_epochs"]["cpu_per_1000_s"]
    assert formats["comparisons"][0]["quality"]["state"] != "identical"  # JPEG delivers other pixels
    for part in (formats, access):
        for run in part["runs"]:  # what the program saw of itself is in what the recorder saw of the whole
            if run["read_b"] is not None and "first_storage_b" in run["quality"]:
                assert run["read_b"] >= run["quality"]["first_storage_b"] + run["quality"]["later_storage_b"]
    assert {one["wrong_samples"] for one in access["costs"]} == {0}
    assert all(one["quality"]["state"] == "identical" for one in access["comparisons"])
    if len(access["design"]["factors"]) == 2:  # the files could be dropped from the page cache
        cold = [one for one in access["costs"] if one["levels"]["page-cache"] == "cold"]
        assert all(one["later_epochs"]["storage_b"] >= one["files_b"] for one in cold)
        assert {effect["factor"] for effect in access["effects"]["CPU time"]} == {"access", "page-cache"}
    assert len(list((wattleak.folder / ".wattleak" / "reports").glob("*.html"))) == 2
    assert not (wattleak.folder / ".wattleak" / "data" / document["study_id"]).exists()  # cleaned up

    again = wattleak("study", "data", "--resume", document["study_id"], "--only", "npy,jpeg,access", *words[:-1])
    assert again.returncode == 0, again.stderr
    assert "256 of 256 samples are not what was stored" in again.stdout.replace("\n  ", " ")
    assert formats["experiment_id"] in again.stdout  # taken from the store


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "npy"), "a comparison takes two formats, and here is npy"),
        (("--only", "zarr,npy"), "there is no 'zarr' in this study"),
        (("--raw-mb", "0"), "--raw-mb 0 is no whole number from 1 to 4096"),
        (("--", "--access", "shuffled"), "--access after -- would make all variants one"),
        (("--steps", "5"), "this study counts whole epochs"),
        (("--require", "saving"), "--require judges one comparison"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", "data", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 6
