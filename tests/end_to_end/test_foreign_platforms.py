"""wattleak where the names are missing that only Linux has: see foreign_platform.py for what this is, and is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wattleak

SOURCE = Path(wattleak.__file__).parent
FOREIGN = Path(__file__).with_name("foreign_platform.py")
PLATFORMS = pytest.mark.parametrize("platform", ["win32", "darwin"])


# Programs that train, as a user's do, and what Python itself imports when it starts.
NOT_OURS = {"bad.py", "good.py", "__main__.py", "sitecustomize.py"}
FRAMEWORK = re.compile(
    r"^(?:import|from) (?:PIL|jax|keras|pyarrow|tensorflow|torch|wattleak\.workloads\.data_pipeline\.pictures)\b",
    re.MULTILINE,
)


def modules() -> list[str]:
    """Every module of the package that wattleak imports."""
    names = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        trains = "workloads" in parts and FRAMEWORK.search(path.read_text(encoding="utf-8"))
        if path.name not in NOT_OURS and "vendor" not in parts and not trains:
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def foreign(platform: str, verb: str, given: list[Any], folder: Path) -> Any:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(FOREIGN), platform, verb],
        input=json.dumps(given),
        cwd=folder,
        env={**inherited, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@PLATFORMS
def test_every_module_can_be_imported(platform: str, tmp_path: Path) -> None:
    assert foreign(platform, "import", modules(), tmp_path) == {}


def test_the_stand_in_notices_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "linux_only.py").write_text("import os\nTICKS = os.sysconf('SC_CLK_TCK')\n")

    assert set(foreign("win32", "import", ["fcntl", "linux_only"], tmp_path)) == {"fcntl", "linux_only"}


@PLATFORMS
def test_the_verbs_work(platform: str, tmp_path: Path) -> None:
    (tmp_path / "burn.py").write_text("import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass")
    command = f"{sys.executable} burn.py"
    measured, failing, missing, compared, *others = foreign(
        platform,
        "run",
        [
            ["measure", "--json", "--", sys.executable, "burn.py"],
            ["measure", "-q", "--", sys.executable, "-c", "raise SystemExit(7)"],
            ["measure", "-q", "--", "no-such-program"],
            ["compare", "--json", "--blocks", "2", "--warmups", "0", command, command],
            ["list", "--json"],
            ["list"],
            ["scan", "."],
            ["explain", "PAR001"],
            ["doctor", "--quick"],
        ],
        tmp_path,
    )
    code, out, errors = measured
    assert code == 0, errors
    document = json.loads(out)
    assert document["complete"]
    assert 0.1 < document["cpu_s"] < 0.6
    assert any("portable recorder" in note for note in document["notes"])
    assert (document["read_b"] is None) == (platform == "darwin")  # missing is absent, never zero
    assert failing[0] == 7
    assert missing[0] == 127
    assert compared[0] == 0, compared[2]
    for code, out, errors in others:
        assert code in {0, 1}, errors
        assert "internal error" not in errors
        assert out
    ids = [row["id"] for row in json.loads(others[0][1])["runs"]]
    ((code, out, errors),) = foreign(platform, "run", [["report", ids[0]]], tmp_path)
    assert code == 0, errors


@PLATFORMS
def test_a_block_of_a_program(platform: str, tmp_path: Path) -> None:
    """As a module run by the stand-in: `with wattleak.measure()` in a process where the names are missing."""
    program = (
        f"import sys; sys.path.insert(0, {str(FOREIGN.parent)!r})\n"
        f"import foreign_platform; foreign_platform.become({platform!r})\n"
        "import json, time, wattleak\n"
        "with wattleak.measure('job') as job:\n"
        "    with wattleak.measure('part') as part:\n"
        "        t = time.process_time()\n"
        "        while time.process_time() - t < 0.3: pass\n"
        "    wattleak.report_metric('accuracy', 0.5)\n"
        "print(json.dumps([job.cpu_s, part.cpu_s, job.measurement.complete, job.measurement.quality['accuracy']]))\n"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        env={**inherited},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    cpu_s, part_s, complete, accuracy = json.loads(done.stdout)

    assert 0.28 < part_s <= cpu_s < 0.5
    assert complete
    assert accuracy == 0.5
