"""Several studies end with a table and can be gone on with; the order of published work is shown for what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

pytestmark = pytest.mark.torch
SMALL = ("--framework", "torch", "--", "--train-images", "64")


def test_a_league_goes_on_where_it_stopped(wattleak: CommandLine) -> None:
    words = ("study", "unnecessary-parallelism,PAR001", "--blocks", "2", "--warmups", "0")
    first = wattleak(*words, *SMALL)
    assert first.returncode == 0, first.stderr
    identity = re.search(r"--resume (\w+)", first.stderr)
    assert identity is not None
    again = wattleak(*words, "--resume", identity[1], *SMALL)

    assert again.stdout == first.stdout
    assert "experiment " not in again.stderr.replace("experiment  ", "")  # nothing was run again
    assert first.stdout.count("unnecessary-parallelism") == 1  # named twice, run once
    assert re.search(r"unnecessary-parallelism +torch +NOT ENOUGH RUNS", first.stdout)
    assert "neither a difference nor its absence is shown" in first.stdout


def test_a_framework_that_is_not_here_is_named(wattleak: CommandLine) -> None:
    done = wattleak("study", "all", "--framework", "mxnet")

    assert done.returncode == 2
    assert "'mxnet'" in done.stderr
    assert "--framework" in done.stderr


def test_the_sequential_order_is_shown_beside_what_it_cannot_tell_apart(wattleak: CommandLine) -> None:
    words = ("study", "unnecessary-parallelism", "--blocks", "4", "--warmups", "0", "--order", "sequential")
    done = wattleak(*words, *SMALL)

    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "The order of these runs was not drawn" in shown
    assert "randomised not run yet: wattleak study unnecessary-parallelism --framework torch" in shown
    assert "good against itself, second half of its 4 runs against the first" in shown
    assert "never graded above observed" in shown


def test_the_published_setting_is_the_published_one(wattleak: CommandLine) -> None:
    plan = wattleak.document("study", "PAR001", "--published", "--data", "fashion-mnist", "--dry-run")

    for variant in plan["design"]["variants"]:
        assert " ".join(variant["command"]).endswith("--data fashion-mnist --epochs 50 --train-images 50000")
    assert plan["design"]["blocks"] == 10
