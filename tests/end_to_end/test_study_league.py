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
    words = ("study", "unreleased-tensor-references,REF001", "--blocks", "2", "--warmups", "0")
    first = wattleak(*words, *SMALL)
    assert first.returncode == 0, first.stderr
    identity = re.search(r"--resume (\w+)", first.stderr)
    assert identity is not None
    again = wattleak(*words, "--resume", identity[1], *SMALL)

    assert again.stdout == first.stdout
    assert "experiment " not in again.stderr.replace("experiment  ", "")  # nothing was run again
    assert first.stdout.count("unreleased-tensor-references") == 1  # named twice, run once
    assert re.search(r"unreleased-tensor-references +torch +NOT ENOUGH RUNS", first.stdout)
    assert "neither a difference nor its absence is shown" in first.stdout


def test_a_framework_that_is_not_here_is_named(wattleak: CommandLine) -> None:
    done = wattleak("study", "all", "--framework", "mxnet")

    assert done.returncode == 2
    assert "'mxnet'" in done.stderr
    assert "--framework" in done.stderr


def test_the_sequential_order_is_shown_beside_what_it_cannot_tell_apart(wattleak: CommandLine) -> None:
    words = ("study", "unreleased-tensor-references", "--blocks", "4", "--warmups", "0", "--order", "sequential")
    done = wattleak(*words, *SMALL)

    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "The order of these runs was not drawn" in shown
    assert "randomised not run yet: wattleak study unreleased-tensor-references --framework torch" in shown
    assert "good against itself, second half of its 4 runs against the first" in shown
    assert "never graded above observed" in shown


def test_the_published_setting_is_the_published_one(wattleak: CommandLine) -> None:
    plan = wattleak.document("study", "PAR001", "--published", "--data", "fashion-mnist", "--dry-run")

    for variant in plan["design"]["variants"]:
        assert " ".join(variant["command"]).endswith("--data fashion-mnist --epochs 50 --train-images 50000")
    assert plan["design"]["blocks"] == 10


CLEAN = """
import json
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(64, 10)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(512, 64), torch.randint(10, (512,))
for _ in range(20):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
print("WATTLEAK " + json.dumps({"loss": float(loss)}))
"""


def test_a_smell_is_put_into_a_clean_program_of_ones_own(wattleak: CommandLine) -> None:
    (wattleak.folder / "train.py").write_text(CLEAN)
    words = ("study", "unnecessary-parallelism", "--into", "train.py", "--blocks", "2", "--warmups", "0")
    done = wattleak(*words)

    assert done.returncode == 0, done.stderr
    assert "+torch.set_num_threads(8 * len(os.sched_getaffinity(0)))" in done.stderr  # the difference comes first
    assert re.search(r"reference +original", done.stdout)
    assert re.search(r"candidate +unnecessary-parallelism", done.stdout)
    assert "train.py → train.py (+2 " in done.stdout
    assert (wattleak.folder / "train.py").read_text() == CLEAN  # the user's own file is as it was


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("PAR001", "--into", "missing.py"), "there is no script missing.py"),
        (("PAR001", "--into", "plain.py"), "no place where the threads of PyTorch or TensorFlow can be set"),
        (("all", "--into", "plain.py"), "--into takes one smell"),
        (
            ("PAR001", "--into", "plain.py", "--published"),
            "--published belongs to the programs that come with wattleak",
        ),
    ],
)
def test_what_cannot_have_the_smell_is_refused(wattleak: CommandLine, words: tuple[str, ...], why: str) -> None:
    (wattleak.folder / "plain.py").write_text("print('no framework here')\n")
    done = wattleak("study", *words)

    assert done.returncode == 2
    assert why in done.stderr
    assert "try:" in done.stderr
