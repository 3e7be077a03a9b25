"""Equal outputs are stronger than any test of quality: shown with programs that write and hash real files."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import CommandLine

WRITES = """
import os, sys, wattleak
path = os.path.join(os.environ["WATTLEAK_RUN_DIR"], "predictions.bin")
open(path, "wb").write(sys.argv[1].encode() * 1000)
wattleak.report_output(path)
wattleak.report_metric("accuracy", float(sys.argv[2]))
"""


def compare(wattleak: CommandLine, reference: str, candidate: str, *options: str) -> dict:
    (wattleak.folder / "writes.py").write_text(WRITES)
    commands = [f"{sys.executable} writes.py {words}" for words in (reference, candidate)]
    return wattleak.document("compare", *commands, "--blocks", "2", "--warmups", "0", *options)


def test_equal_hashes_in_every_block_are_identical_results(wattleak: CommandLine) -> None:
    document = compare(wattleak, "x 0.9", "x 0.9")
    page = wattleak("report", document["experiment_id"], "--format", "text").stdout

    assert document["quality"]["state"] == "identical"
    assert document["quality"]["outputs"] == ["predictions_sha256"]
    assert {run["outputs"]["predictions_sha256"] for run in document["runs"]} == {
        hashlib.sha256(b"x" * 1000).hexdigest()
    }
    assert "The results are identical: predictions_sha256 is the same" in " ".join(page.split())


def test_hashes_that_differ_leave_the_judgement_to_the_figure(wattleak: CommandLine) -> None:
    document = compare(wattleak, "x 0.9", "y 0.8", "--quality", "accuracy:max:0.005")
    page = " ".join(wattleak("report", document["experiment_id"], "--format", "text").stdout.split())

    assert document["quality"]["state"] == "undecided"  # two blocks say nothing of accuracy
    assert document["quality"]["outputs_differ"] == 2
    assert "not identical: predictions_sha256 differs in 2 of 2 blocks" in page


def test_hashes_alone_say_that_quality_is_the_same_and_nothing_when_they_differ(wattleak: CommandLine) -> None:
    (wattleak.folder / "says.py").write_text('import sys; print(\'WATTLEAK {"model_hash": "%s"}\' % sys.argv[1])')
    say = f"{sys.executable} says.py"
    same = wattleak.document("compare", f"{say} a", f"{say} a", "--blocks", "1", "--warmups", "0")
    other = wattleak.document("compare", f"{say} a", f"{say} b", "--blocks", "1", "--warmups", "0")

    assert (same["quality"]["state"], other["quality"]["state"]) == ("identical", "not_measured")
