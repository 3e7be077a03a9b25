"""Whose GPU joules, through the real NVML binding and a stand-in for the driver's library that is compiled here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import CommandLine

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the stand-in library"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the loader of Linux (LD_LIBRARY_PATH)"),
]
SOURCE = Path(__file__).parents[1] / "unit" / "meters" / "fake_nvml.c"
WATTS = (100, 150, 200, 250)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    target = folder / "libnvidia-ml.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, SOURCE], check=True)
    return folder


class Cards:
    """Four cards whose counters rise by the clock; `pids` are read from the files that their holders write."""

    def __init__(self, folder: Path, lines: Callable[[dict[str, int]], list[str]]) -> None:
        self._state = folder / "state"
        self._folder = folder
        self._lines = lines
        self._began_s = time.monotonic()
        self._stop = Event()
        self._write()
        self._thread = Thread(target=self._play)
        self._thread.start()

    def _play(self) -> None:
        while not self._stop.wait(0.02):
            self._write()

    def _write(self) -> None:
        past_s = time.monotonic() - self._began_s
        held = {path.stem: int(path.read_text() or 0) for path in self._folder.glob("*.pid")}
        lines = [
            "count 4",
            *(f"gpu{n}.energy {int(1000 * (500 + watts * past_s))}" for n, watts in enumerate(WATTS)),
            *self._lines(held),
        ]
        new = self._folder / "state.new"
        new.write_text("\n".join(lines) + "\n")
        new.replace(self._state)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def cards(wattleak: CommandLine, library: Path, tmp_path: Path) -> Iterator[Callable[..., None]]:
    playing: list[Cards] = []

    def play(lines: Callable[[dict[str, int]], list[str]]) -> None:
        (tmp_path / "runtime").mkdir()
        wattleak.env |= {
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML": str(tmp_path / "state"),
            "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
        }
        playing.append(Cards(tmp_path, lines))

    yield play
    for cards in playing:
        cards.close()


def measure(wattleak: CommandLine, name: str, seconds: float) -> subprocess.Popen[str]:
    """A run whose workload writes its process id to NAME.pid, for the cards to show, and sleeps."""
    work = f"echo $$ > {name}.tmp; mv {name}.tmp {name}.pid; sleep {seconds}"
    options = ("--json", "--interval", "0.25", "--meters", "nvml")
    return wattleak.start("measure", *options, "--", "sh", "-c", work)


def energies(document: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {entry["channel"]: entry for entry in document[key]}


def test_four_ranks_on_four_cards_are_billed_one_card_each(wattleak: CommandLine, cards: Callable[..., None]) -> None:
    """Each rank sees all four cards, as NVML shows them whatever CUDA_VISIBLE_DEVICES says."""

    def lines(held: dict[str, int]) -> list[str]:
        return [
            f"gpu{name[-1]}.pids {pid}\ngpu{name[-1]}.busy 90\ngpu{name[-1]}.use {pid}:90" for name, pid in held.items()
        ]

    cards(lines)
    ranks = [measure(wattleak, f"rank{rank}", 4) for rank in range(4)]
    documents = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]

    for rank, document in enumerate(documents):
        (own,) = document["attributed"]
        assert own["channel"] == f"gpu{rank}"
        assert own["energy_j"] == pytest.approx(WATTS[rank] * document["duration_s"], rel=0.05)
    counted_j = sum(e.get("counted_j", e)["energy_j"] for d in documents for e in d["energy"])
    longest_s = max(document["duration_s"] for document in documents)
    assert counted_j == pytest.approx(sum(WATTS) * longest_s, rel=0.2)  # they start up to a second apart


def test_two_runs_that_share_a_card_split_it_by_whose_kernels_run(
    wattleak: CommandLine, cards: Callable[..., None]
) -> None:
    def lines(held: dict[str, int]) -> list[str]:
        shares = {"mine": 60, "theirs": 20}
        use = ",".join(f"{pid}:{shares[name]}" for name, pid in held.items())
        pids = ",".join(str(pid) for pid in held.values())
        return [f"gpu0.pids {pids}\ngpu0.busy 80\ngpu0.use {use}"] if held else []

    cards(lines)
    runs = [measure(wattleak, name, 4) for name in ("mine", "theirs")]
    mine, theirs = (energies(json.loads(run.communicate(timeout=120)[0]), "attributed")["gpu0"] for run in runs)

    assert mine["energy_j"] / (mine["energy_j"] + theirs["energy_j"]) == pytest.approx(0.75, abs=0.08)
    assert mine["low_j"] <= mine["energy_j"] <= mine["high_j"]
    assert mine["high_j"] < WATTS[0] * 8


def test_a_starving_card_shows_what_it_waited(wattleak: CommandLine, cards: Callable[..., None]) -> None:
    def lines(held: dict[str, int]) -> list[str]:
        return [f"gpu0.pids {pid}\ngpu0.busy 10\ngpu0.use {pid}:10" for pid in held.values()]

    cards(lines)
    document = json.loads(measure(wattleak, "starving", 4).communicate(timeout=120)[0])
    own = energies(document, "attributed")["gpu0"]
    report = wattleak("report", document["run_id"], "--format", "text").stdout

    assert own["waiting_j"]["energy_j"] + own["active_j"]["energy_j"] == pytest.approx(own["energy_j"])
    assert own["waiting_j"]["high_j"] > 0.8 * own["energy_j"]
    assert "waiting" in report
