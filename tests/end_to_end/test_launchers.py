"""Ways in which trainings are launched: the agent is in each process, and what ranks do alike is told once."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

BIN = Path(sys.executable).parent
RANKS = """\
import io, os
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
torch.manual_seed(0)
rows = torch.utils.data.DataLoader(torch.ones(32, 32), 8, num_workers=1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(32, 32))
saved = io.BytesIO()
torch.save(model.module.state_dict(), saved)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for batch in rows:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
for _ in range(4):
    saved.seek(0)
    judge = torch.nn.Linear(32, 32)
    judge.load_state_dict(torch.load(saved))
    judge(torch.ones(1, 32))
os.write(1, f"rank {dist.get_rank()} of {dist.get_world_size()}\\n".encode())  # in one piece: both write at once
dist.destroy_process_group()
"""
SAYS_ITS_RANK = """
import os
os.write(1, f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']}\\n".encode())
"""


def lines_of(text: str) -> list[str]:
    """Sorted: ranks print when they like."""
    return sorted(line for line in text.splitlines() if line.startswith("rank"))


@pytest.mark.torch
def test_torchrun_with_two_ranks(wattleak: CommandLine) -> None:
    (wattleak.folder / "train.py").write_text(RANKS)
    words = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", "train.py"]

    done = wattleak("measure", "--output", "document.json", "--", *words)

    assert done.returncode == 0, done.stderr
    assert lines_of(done.stdout) == ["rank 0 of 2", "rank 1 of 2"]
    document: dict[str, Any] = json.loads((wattleak.folder / "document.json").read_text())
    observed = document["observed"]
    assert (observed["ranks"], observed["world_size"]) == ([0, 1], 2)
    assert observed["processes"] >= 7  # torchrun, two ranks, and a loader's worker in each of their two epochs
    names = [phase["name"] for phase in observed["phases"]]
    assert names.count("training") == 1
    assert sum(phase["share"] for phase in observed["phases"] if phase["inside"] is None) == pytest.approx(1.0)
    (place,) = [place for place in observed["places"] if place["code"] == "MOD001"]
    (item,) = place["evidence"]  # of both ranks
    assert (Path(place["path"]).name, place["line"]) == ("train.py", 19)
    assert "seen in ranks 0, 1)" in item["message"]
    assert any(note.startswith("ranks 0, 1 of 2 had an agent inside") for note in observed["notes"])
    assert "ranks 0, 1 of 2" in done.stderr


def needs(module: str) -> None:
    if find_spec(module) is None:
        assert os.environ.get("WATTLEAK_REQUIRE_FRAMEWORKS") != "1", f"{module} is required and not installed"
        pytest.skip(f"{module} is not installed (make test-full installs it)")


@pytest.mark.torch
def test_accelerate_with_two_ranks(wattleak: CommandLine) -> None:
    needs("accelerate")
    (wattleak.folder / "train.py").write_text(SAYS_ITS_RANK)
    options = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    words = [sys.executable, "-m", "accelerate.commands.launch", *options, "--dynamo_backend", "no", "train.py"]

    done = wattleak("measure", "--output", "document.json", "--", *words)

    assert done.returncode == 0, done.stderr
    assert lines_of(done.stdout) == ["rank 0 of 2", "rank 1 of 2"]
    observed = json.loads((wattleak.folder / "document.json").read_text())["observed"]
    assert (observed["ranks"], observed["world_size"]) == ([0, 1], 2)


KERNEL = """
from jupyter_client.manager import start_new_kernel

cells = (
    "import numpy as np\\nfrom sklearn.linear_model import Ridge\\nrows = np.eye(50)",
    "for _ in range(4):\\n    Ridge().fit(rows, rows[:, 0])",
)
manager, client = start_new_kernel()
for cell in cells:
    reply = client.execute_interactive(cell, timeout=60)
    print(reply["content"]["status"])
client.stop_channels()
manager.shutdown_kernel()
"""


@pytest.mark.sklearn
def test_a_jupyter_kernel_and_the_cell_of_what_was_seen(wattleak: CommandLine) -> None:
    needs("ipykernel")
    (wattleak.folder / "client.py").write_text(KERNEL)

    done = wattleak("measure", "--output", "document.json", "--", sys.executable, "client.py")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok\nok\n")
    observed = json.loads((wattleak.folder / "document.json").read_text())["observed"]
    assert [(place["code"], place["path"], place["line"]) for place in observed["places"]] == [("MOD001", "In [2]", 2)]
    assert "MOD001 improper-model-reuse  In [2]:2" in done.stderr
