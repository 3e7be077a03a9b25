"""A walk over every JSON document: no joule, watt or gram without its origin and its range beside it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

QUANTITY = re.compile(r"(^|_)(energy|power|carbon|intensity)(_|$)|_(j|w|g|g_per_kwh)$")
ORIGINS = {"counter", "sampled", "modelled", "constant", "quoted", "simulated"}
# Not readings: the ends of a range themselves, the number at which a counter starts again, the probability of a
# statistical test, what a fitted line leaves over.
ENDS = re.compile(r"(^|_)(low|high)(_|$)|_low$|_high$")
NO_READING = {"wrap_j", "power", "residual_w"}


def bare_numbers(value: Any, path: str = "") -> Iterator[str]:
    """Paths of numbers of energy, power or carbon that stand without origin and range."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from bare_numbers(item, f"{path}[{place}]")
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        here = f"{path}.{key}"
        if isinstance(item, bool) or not isinstance(item, int | float):
            yield from bare_numbers(item, here)
        elif QUANTITY.search(key) and not ENDS.search(key) and key not in NO_READING and not _ranged(value):
            yield here
    parent = path.rpartition(".")[2]
    if (
        QUANTITY.search(parent)
        and any(key in value for key in ("value", "reference", "typical"))
        and not _ranged(value)
    ):
        yield path


def _ranged(holder: dict[str, Any]) -> bool:
    low = any(re.fullmatch(r"(\w+_)?low(_\w+)?", key) for key in holder)
    high = any(re.fullmatch(r"(\w+_)?high(_\w+)?", key) for key in holder)
    return low and high and (holder.get("origin") in ORIGINS)


def counted(value: Any) -> int:
    """How many numbers the walk judges: it must not pass for want of any."""
    if isinstance(value, list):
        return sum(map(counted, value))
    if not isinstance(value, dict):
        return 0
    own = sum(
        1
        for key, item in value.items()
        if isinstance(item, int | float) and not isinstance(item, bool) and QUANTITY.search(key)
    )
    return own + sum(map(counted, value.values()))


@pytest.mark.parametrize(
    "bad",
    [
        {"energy_j": 5.0},
        {"energy_j": 5.0, "low_j": 4.0, "high_j": 6.0},
        {"energy_j": 5.0, "origin": "counter"},
        {"attributed_energy_j": {"value": 5.0, "origin": "counter"}},
        {"runs": [{"carbon_g": {"value": 1.0, "low": 0.5, "high": 2.0}}]},
        {"idle": {"power_w": 3.0, "low_w": 2.0, "high_w": 4.0, "origin": "guessed"}},
    ],
)
def test_the_walk_finds_what_is_bare(bad: dict[str, Any]) -> None:
    assert list(bare_numbers(bad))


SPANS = "import wattleak\nwith wattleak.measure('part'):\n    sum(range(2_000_000))\n"


def test_measure_list_and_report(wattleak: CommandLine) -> None:
    (wattleak.folder / "spans.py").write_text(SPANS)
    words = ("measure", "--region", "DE", "--", sys.executable, "spans.py")
    document = wattleak.document(*words)
    documents = [document, wattleak.document("report", document["run_id"]), wattleak.document("list")]

    assert counted(document) >= 4
    assert [path for item in documents for path in bare_numbers(item)] == []


def test_compare_and_its_report(wattleak: CommandLine) -> None:
    row = {"name": "cpu0", "part": "cpu", "quantity": "energy_j", "period_s": 0.01, "points": [[0, 0], [1, 5], [2, 10]]}
    (wattleak.folder / "script.json").write_text(json.dumps({"channels": [row]}))
    small = f"{sys.executable} -c pass"
    words = ("compare", small, small, "--runs", "2", "--warmups", "0", "--meters", "replay:script.json")
    document = wattleak.document(*words)
    identity = wattleak.document("list")["experiments"][0]["id"]
    documents = [document, wattleak.document("report", identity), wattleak.document("list")]

    assert counted(document) >= 4
    assert [path for item in documents for path in bare_numbers(item)] == []


def test_doctor(wattleak: CommandLine) -> None:
    document = wattleak.document("doctor", "--noise-seconds", "0.1")

    assert list(bare_numbers(document)) == []
    for row in document["meters"]:
        for channel in row["channels"]:
            assert channel["origin"] in ORIGINS
            assert channel["relative_low"] <= 1 <= channel["relative_high"]
            assert re.search(r"(19|20)\d\d|counter|script|sensor|NVML", channel["source"]), channel["source"]
