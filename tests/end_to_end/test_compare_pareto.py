"""`compare --pareto`: which of several programs is worth its price, from real runs and from files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

# Burns the CPU for so many milliseconds, and is as good as it is told to be, give or take a little by its seed.
PROGRAM = """
import os, sys, time
until = time.process_time() + float(sys.argv[1]) / 1000
while time.process_time() < until:
    pass
jitter = (int(os.environ["WATTLEAK_SEED"]) + len(sys.argv[1])) % 7 / 1e5
print('WATTLEAK {"auc": %f}' % (float(sys.argv[2]) + jitter))
"""


def words(wattleak: CommandLine, *more: str) -> list[str]:
    (wattleak.folder / "program.py").write_text(PROGRAM)
    named = {"small": "40 0.90", "large": "300 0.95", "wasteful": "900 0.92"}
    variants = [w for name, args in named.items() for w in ("--variant", f"{name}=python -S program.py {args}")]
    return ["compare", *variants, "--blocks", "4", "--warmups", "0", "--quality", "auc", "--metric", "cpu_s", *more]


def test_from_commands_to_front_report_and_back_from_the_store(wattleak: CommandLine) -> None:
    document = wattleak.document(*words(wattleak, "--pareto", "--report"))
    pareto = document["pareto"]
    # How sure that is depends on how busy this machine is; unit tests hold the intervals against scipy.
    assert {one["name"]: one["on_points"] for one in pareto["candidates"]} == {
        "small": True,
        "large": True,
        "wasteful": False,
    }
    assert {one["name"]: one["standing"] for one in pareto["candidates"]}["wasteful"] != "front"
    (step,) = pareto["steps"]
    assert (step["cheaper"], step["dearer"]) == ("small", "large")
    assert step["more_quality"] == pytest.approx(0.05, abs=0.001)
    assert step["cost_per_quality"] == pytest.approx(step["more_cost"] / step["more_quality"])
    assert len(document["runs"]) == 12
    identity = document["experiment_id"]
    page = (wattleak.folder / ".wattleak" / "reports" / f"{identity}.html").read_text()
    assert "Is the dearer one worth it?" in page
    assert "for each further point" in page

    (wattleak.folder / "kept.json").write_text(json.dumps(document))
    kept = wattleak.document("compare", "--from", "kept.json")
    stored = wattleak.document("compare", "--from", identity)
    assert kept["candidates"] == stored["candidates"]
    assert stored["kind"] == "pareto"
    assert [one["standing"] for one in stored["candidates"]] == [one["standing"] for one in pareto["candidates"]]
    shown = wattleak("compare", "--from", identity, "--metric", "duration_s")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"small → large: \+.* for 5(\.\d+)? points, .* for each further point", shown.stdout)
    assert "large has the best auc, and no cheaper one comes within 0.5 points of it." in " ".join(shown.stdout.split())


def test_from_a_table_of_somebody_elses_runs(wattleak: CommandLine) -> None:
    rows = ["model,auc,energy_kJ"]
    for run in range(5):
        rows += [
            f"ResNet-18,{0.9715 + 0.0002 * run},{20 + 0.1 * run}",
            f"DenseNet-201,{0.976 - 0.0002 * run},{137 + 0.5 * run}",
        ]
    (wattleak.folder / "runs.csv").write_text("\n".join(rows) + "\n")
    shown = wattleak("compare", "--from", "runs.csv", "--quality", "auc:max:0.01", "--pareto")
    assert shown.returncode == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    assert "ResNet-18 is within 1 point of the best (DenseNet-201) and costs 14.6 % [" in text
    assert "DenseNet-201 137" not in shown.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--from", "nothing.csv"), "there is no file nothing.csv"),
        (("--from", "none.csv"), "no column of quality"),
        (("--from", "odd.json"), "holds no full runs"),
        (("--from", "none.csv", "true"), "a command would do nothing"),
        (("--pareto", "--steps", "5", "true", "false"), "a run that is ended early has none"),
    ],
)
def test_what_cannot_be_weighed_is_one_clear_error(wattleak: CommandLine, more: tuple[str, ...], message: str) -> None:
    (wattleak.folder / "none.csv").write_text("model,energy_J\na,1\nb,2\n")
    (wattleak.folder / "odd.json").write_text('{"kind": "compare"}')
    done = wattleak("compare", *more)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 2
