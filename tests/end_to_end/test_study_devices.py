"""`study devices`: its plan, a real tiny run, what is shown beside it without a verdict, and what it refuses."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from wattleak.cli import study_devices
from wattleak.cli.main import main
from wattleak.cli.study_devices import Device, Looked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

needs_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="needs torchvision: pip install 'wattleak[vision]'"
)
pytestmark = [pytest.mark.vision, needs_torchvision]

TINY = ("--train-images", "16", "--test-images", "16", "--epochs", "1", "--batch", "8")
TABLE = "device,power_w,samples_per_s,source\nNVIDIA T4,70,1250,a data sheet\n"


def on_two_cpus() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU leaves nothing to compare")
def test_a_real_run_and_beside_it_what_was_measured_before_or_is_stated(wattleak: CommandLine) -> None:
    small = ("--blocks", "1", "--warmups", "0", "--only", "cpu-2,cpu-1")
    done = wattleak("study", "devices", *small, "--json", "--", *TINY, preexec_fn=on_two_cpus)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (part,) = document["parts"]
    assert document["kind"] == "study_devices"
    assert [row["name"] for row in part["devices"]] == ["cpu-2", "cpu-1"]
    assert len(part["runs"]) == 2
    runs = {run["variant"]: run for run in part["runs"]}
    for row in part["devices"]:
        run = runs[row["name"]]
        (epoch,) = [span for span in run["spans"] if span["name"] == "epoch"]
        assert row["samples_per_s"] == pytest.approx(16 / epoch["duration_s"])
        assert row["energy_per_sample_j"]["value"] == pytest.approx(epoch["attributed_energy_j"]["value"] / 16)
        assert row["accuracy"] == run["quality"]["accuracy"]
        assert row["why_no_verdict"] == ""
    assert {entry["kind"] for entry in document["absent"]} <= {"cuda", "rocm", "mps", "xpu", "tpu"}

    (wattleak.folder / "there.json").write_text(done.stdout)
    (wattleak.folder / "t4.csv").write_text(TABLE)
    assert wattleak("export", part["experiment_id"], "--output", "there.zip").returncode == 0
    elsewhere = ("--import", "there.json", "--import", "there.zip", "--table", "t4.csv")
    beside = ("--stored", f"{part['experiment_id']}:cpu-1", *elsewhere)
    again = wattleak(
        "study", "devices", "--resume", document["study_id"], *small, *beside, "--", *TINY, preexec_fn=on_two_cpus
    )
    assert again.returncode == 0, again.stderr
    rows = [line.split() for line in again.stdout.splitlines() if line.startswith("  ")]
    named = [row[0] for row in rows if row[0] in {"cpu-2", "cpu-1", "NVIDIA"}]
    assert named == ["cpu-2", "cpu-1", "cpu-1", "cpu-2", "cpu-1", "cpu-2", "cpu-1", "NVIDIA"]
    assert "56.0 mJ quoted" in again.stdout  # 70 W at 1250 samples a second
    assert again.stdout.count("no verdict") == 6  # one stored, twice two imported, one stated
    told = " ".join(again.stdout.split())
    assert "there.json, experiment" in told
    assert "there.zip, experiment" in told
    assert "measured in another experiment of this machine, not in random order with the others" in told
    assert "t4.csv:2, a data sheet. No verdict: stated, and not seen to run here; what the job was is not said" in told
    page = (wattleak.folder / ".wattleak" / "reports" / f"{part['experiment_id']}.html").read_text()
    assert "The same job on each device" in page
    assert "a data sheet" in page


def test_an_accelerator_without_counters_on_both_sides_is_judged_by_wall_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan alone: what the probe would say on such a machine is written down."""
    twice = [Device(f"cuda-{index}", f"cuda:{index}", "cuda", "NVIDIA T4") for index in (0, 1)]
    monkeypatch.setattr(study_devices, "_look", lambda: Looked(tuple(twice), (("mps", "no Mac"),)))
    monkeypatch.chdir(tmp_path)
    assert main(["study", "devices", "--dry-run", "--json", "--meters", "cpu-model", "--only", "cpu-1,cuda-0"]) == 0
    told = capsys.readouterr()
    design = json.loads(told.out)["design"]
    assert design["metric"] == "duration_per_sample_s"
    assert "wall time decides here: what is faster, and not what takes less energy" in told.err
    assert "no mps: no Mac" in told.err
    commands = {variant["name"]: " ".join(variant["command"]) for variant in design["variants"]}
    assert "--device cpu " in commands["cpu-1"]
    assert "--device cuda:0 " in commands["cuda-0"]
    assert len({command.partition("--model")[2] for command in commands.values()}) == 1  # the same job
    assert main(["study", "devices", "--dry-run", "--json", "--meters", "cpu-model"]) == 0
    names = [variant["name"] for variant in json.loads(capsys.readouterr().out)["design"]["variants"]]
    assert names[-1] == "cuda-0"  # of two alike, one


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--table", "none.csv"), "there is no file none.csv"),
        (("--import", "plan.json"), "is no result of study devices"),
        (("--stored", "1f2e3d4c"), "nothing in"),
        (("--only", "cuda-7,cpu-1"), "there is no 'cuda-7' in this study"),
        (("--steps", "5"), "end a run before its accuracy is known"),
        (("--", "--device", "cuda"), "--device after -- would make all variants one"),
        (("--weights", "none"), "--weights belongs to study models"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "plan.json").write_text('{"kind": "plan"}')
    monkeypatch.chdir(tmp_path)
    assert main(["study", "devices", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "try: " in told
