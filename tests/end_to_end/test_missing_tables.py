"""No silent default: every file that comes with wattleak is removed, and emptied, in turn.

Each verb then either gives the very numbers that it gave before, or lacks them and says which file is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wattleak
from wattleak import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(wattleak.__file__).parent
SOURCES = {".py", ".pyc", ".typed"}
NOT_READ = {"NOTICE", ".gitattributes", "fold.js"}  # texts for people; fold.js: only in pages with long tables
TABLES = sorted(
    str(path.relative_to(PACKAGE))
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix not in SOURCES and path.name not in NOT_READ and "__pycache__" not in path.parts
)
POWER_TABLES = [name for name in TABLES if name.startswith(("meters/", "footprint/"))]
PAGE_FILES = [name for name in TABLES if name.startswith("reports/")]
REGIONS = ["DE", "US-CA", "gcp:europe-west1"]
READ_FOR = {  # what of footprint/data a measurement reads, and for which place; the rest is for projections
    **{f"footprint/data/{name}.json": REGIONS for name in ("ember_countries", "egrid_us_states", "gcp_regions")},
    **{f"footprint/data/{name}.json": ["aws:eu-north-1"] for name in ("cloud_grids", "iso3166")},
}
LOOKED_AT = [f"{package.partition('.')[2]}/data/{name}" for package, name in shipped.TABLES]
DATA_SETS = [name for name in TABLES if name.startswith("workloads/")]


class Installation:
    """A copy of the package that a test may damage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(PACKAGE, folder / "wattleak", ignore=shutil.ignore_patterns("__pycache__"))

    def __call__(self, *words: str, program: tuple[str, ...] = ("-m", "wattleak")) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
        env = {**kept, "PYTHONPATH": str(self.folder), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *program, *words]
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=120
        )

    @cache  # noqa: B019 - one object for the module, and the whole installation always answers alike
    def whole(self, *words: str) -> str:
        """What a verb prints while nothing is damaged."""
        return self(*words).stdout

    @contextmanager
    def damaged(self, table: str, how: str) -> Iterator[str]:
        """Its file removed or emptied, and put back at the end; gives the name of the file."""
        path = self.folder / "wattleak" / table
        path.unlink()
        if how == "emptied":
            path.write_text("")
        try:
            yield path.name
        finally:
            shutil.copyfile(PACKAGE / table, path)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="module")
def run_id(installation: Installation) -> str:
    document = json.loads(installation("measure", "--json", "--", "true").stdout)
    return str(document["run_id"])


def models(document: dict[str, Any]) -> dict[str, Any]:
    """Everything that a table decides in a measurement: how each channel was made, the grid, its range and source."""
    made: dict[str, Any] = {channel["name"]: channel for channel in document["channels"]}
    if document["carbon_g"] is not None:
        carbon = document["carbon_g"].items()
        made["grid"] = {key: value for key, value in carbon if key.startswith("intensity") or key in {"source", "year"}}
    return made


def plain(done: subprocess.CompletedProcess[str], name: str) -> bool:
    """It failed in one line that names the file and what brings it back."""
    return (
        done.returncode == 125
        and name in done.stderr
        and "pip install" in done.stderr
        and "internal error" not in done.stderr
        and "Traceback" not in done.stderr
    )


def test_the_tables_are_found() -> None:
    """Otherwise the tests below would test nothing."""
    assert {"meters/data/cpu_watts.csv", *READ_FOR, *LOOKED_AT} <= set(POWER_TABLES)
    assert {name for name in POWER_TABLES if name.startswith("meters/")} <= set(LOOKED_AT)
    assert "reports/templates/page.html" in PAGE_FILES
    assert DATA_SETS


@pytest.mark.parametrize("how", ["removed", "emptied"])
@pytest.mark.parametrize(
    ("table", "region"),
    [
        (table, region)
        for table in POWER_TABLES
        for region in READ_FOR.get(table, [] if table.startswith("footprint/") else ["DE"])
    ],
)
def test_a_measurement_has_the_same_numbers_or_says_which_table_is_missing(
    installation: Installation, table: str, region: str, how: str
) -> None:
    words = ("measure", "--json", "--region", region, "--", "true")
    whole = models(json.loads(installation.whole(*words)))
    with installation.damaged(table, how) as name:
        done = installation(*words)
    if plain(done, name):
        return
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    told = any(name in item["reason"] for item in document["unavailable"])
    now = models(document)
    for what, before in whole.items():
        assert now[what] == before if what in now else told, what
    assert set(now) <= set(whole)


@pytest.mark.parametrize("how", ["removed", "emptied"])
@pytest.mark.parametrize("table", LOOKED_AT)
def test_doctor_names_the_missing_table_and_what_brings_it_back(
    installation: Installation, table: str, how: str
) -> None:
    whole = {row["meter"]: row for row in json.loads(installation.whole("doctor", "--quick", "--json"))["meters"]}
    with installation.damaged(table, how) as name:
        done = installation("doctor", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (check,) = [row for row in document["checks"] if row["name"] == "shipped-tables"]
    assert check["state"] == "warning"
    assert name in check["finding"]
    assert "pip install" in check["remedy"]
    for row in document["meters"]:
        before = whole[row["meter"]]
        if row["channels"] != before["channels"] or row["unavailable"] != before["unavailable"]:
            assert name in row["unavailable"]["reason"]
            assert "pip install" in row["unavailable"]["remedy"]


@pytest.mark.parametrize("how", ["removed", "emptied"])
@pytest.mark.parametrize("table", PAGE_FILES)
def test_a_report_is_whole_or_says_what_is_missing(
    installation: Installation, run_id: str, table: str, how: str
) -> None:
    words = ("report", run_id, "--output", "-")
    whole = installation.whole(*words)
    with installation.damaged(table, how) as name:
        done = installation(*words)

    assert plain(done, name) or (done.returncode == 0 and done.stdout == whole), done.stderr


@pytest.mark.parametrize("how", ["removed", "emptied"])
@pytest.mark.parametrize("table", DATA_SETS)
def test_a_study_never_goes_on_without_its_images(installation: Installation, table: str, how: str) -> None:
    load = "from wattleak.workloads.data import load; load(None, download=False)"
    with installation.damaged(table, how) as name:
        done = installation(program=("-c", load))

    assert done.returncode != 0
    assert name in done.stderr
