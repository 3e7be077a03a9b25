"""The journal survives what happens to files: torn tails, damaged lines, a full disk."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.namespaces import with_small_disk

from wattleak.errors import OwnFailure
from wattleak.recorder.journal import JournalWriter, encode
from wattleak.recorder.trace import read_recording

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

START = {
    "k": "start",
    "t": 10.0,
    "run": "abcd",
    "name": None,
    "mode": "spawn",
    "started_at": "2026-01-01T00:00:00+00:00",
    "command": ["true"],
    "channels": [],
    "unavailable": [],
    "cpus": 2,
    "settings": {"interval_s": 1.0},
}


def sample(t: float) -> dict[str, object]:
    return {"k": "s", "t": t, "r": {}, "c": t - 10, "m": 1000, "i": 0, "o": 0, "p": 1, "b": t}


def write(path: Path, count: int = 20) -> None:
    journal = JournalWriter(str(path))
    journal.write(dict(START))
    journal.write({"k": "spawn", "t": 10.0, "pid": 1})
    for second in range(count):
        journal.write(sample(10.0 + second))
    journal.close()


@given(PLAIN)
def test_the_encoder_writes_what_json_reads_back(value: object) -> None:
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reading_that_is_not_a_number_is_never_written(value: float) -> None:
    with pytest.raises(ValueError, match="absent"):
        encode({"r": value})


def test_a_journal_cut_anywhere_gives_all_that_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    head = len(lines[0]) + len(lines[1])
    rng = random.Random(4)
    for _ in range(60):
        cut = rng.randrange(head, len(whole))
        path.write_bytes(whole[:cut])
        intact = sum(1 for line in whole[head:cut].split(b"\n")[:-1] if line)
        recording = read_recording(path)

        assert len(recording.trace.samples) in (intact, intact + 1)  # the last may lack only its line feed
        assert recording.end is None


@settings(max_examples=60)
@given(st.data())
def test_whatever_bits_flip_only_what_was_hit_is_lost(data: st.DataObject) -> None:
    """Random flips and a random cut behind the head: each sample that was not touched is read, exactly, once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        write(path)
        whole = bytearray(path.read_bytes())
        starts = [0, *(place + 1 for place, byte in enumerate(whole) if byte == ord("\n"))][:-1]
        head = starts[2]
        flips = data.draw(st.lists(st.tuples(st.integers(head, len(whole) - 1), st.integers(0, 7)), max_size=8))
        cut = data.draw(st.integers(head, len(whole)))
        hit = set()
        for place, bit in set(flips):
            whole[place] ^= 1 << bit
            hit |= {max(start for start in starts if start <= place), place + 1 if place + 1 in starts else -1}
        path.write_bytes(whole[:cut])
        ends = [*starts[1:], len(whole)]
        intact = {
            10.0 + number - 2
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
            if number >= 2 and start not in hit and end <= cut
        }
        read = [found.time_s for found in read_recording(path).trace.samples]

        assert intact <= set(read)
        assert len(read) == len(set(read)) <= 20


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path)
    lines = path.read_bytes().split(b"\n")
    lines[5] = lines[5].replace(b'"c":', b'"C":')
    path.write_bytes(b"\n".join(lines))
    recording = read_recording(path)

    assert recording.damaged == 1
    assert len(recording.trace.samples) == 19


def test_junk_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\x00\xff" * 500)
    with pytest.raises(OwnFailure) as failure:
        read_recording(path)

    assert failure.value.remedy


def test_a_full_disk_stops_the_writing_not_the_work(tmp_path: Path) -> None:
    """A real full disk: a file system of 64 KiB, in a mount namespace of its own."""
    program = (
        "import sys; from wattleak.recorder.journal import JournalWriter\n"
        "j = JournalWriter(sys.argv[1])\n"
        "for n in range(5000): j.write({'k': 's', 'n': n, 'pad': 'x' * 100})\n"
        "print(j.failure)"
    )
    script = f'{sys.executable} -c "$0" disk/journal && tail -c 1 disk/journal | od -c'
    done = with_small_disk(script, program, folder=tmp_path)

    assert "No space left on device" in done.stdout or "no space left" in done.stdout
    assert "\\n" in done.stdout  # it ends with a whole line


def test_a_recording_in_progress_is_known_as_such(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JournalWriter(str(path))
    journal.write(dict(START))

    assert read_recording(path).running
    journal.close()
    assert not read_recording(path).running


def test_a_silence_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JournalWriter(str(path))
    journal.write(dict(START))
    for t in (10.0, 11.0, 12.0, 72.0, 73.0):
        journal.write(sample(t))
    journal.close()
    (gap,) = read_recording(path).trace.gaps

    assert (gap.start_s, gap.end_s) == (2.0, 62.0)
