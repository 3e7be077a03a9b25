"""What a program says about its result, in the forms that programs use."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

import wattleak
from wattleak.recorder.reported import Reported, read_reported, reported_in, reported_on_stdout

if TYPE_CHECKING:
    from pathlib import Path


def test_numbers_are_figures_and_texts_with_a_hash_name_are_outputs() -> None:
    said = reported_in('{"accuracy": 0.5, "predictions_sha256": "ab12", "weights_hash": "x", "note": "hash"}')

    assert said == Reported({"accuracy": 0.5}, {"predictions_sha256": "ab12", "weights_hash": "x"})


@pytest.mark.parametrize("value", ['""', "17", "null", "true", '["ab"]', json.dumps("a" * 300)])
def test_a_hash_that_is_none_is_passed_over(value: str) -> None:
    assert reported_in(f'{{"model_sha256": {value}}}').outputs == {}


def test_the_last_value_wins_on_standard_output_too(tmp_path: Path) -> None:
    path = tmp_path / "stdout.txt"
    path.write_text('epoch 1 WATTLEAK {"model_hash": "old"}\nacc=0.1\nWATTLEAK {"model_hash": "new"}\nacc=0.9\n')

    assert reported_on_stdout(path, r"acc=(?P<acc>[0-9.]+)") == Reported({"acc": 0.9}, {"model_hash": "new"})


def test_report_output_writes_the_sha256_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "predictions.npy"
    output.write_bytes(b"\0\1\2" * 1000)
    expected = hashlib.sha256(b"\0\1\2" * 1000).hexdigest()
    monkeypatch.delenv("WATTLEAK_METRICS", raising=False)
    heard_by_nobody = wattleak.report_output(output)
    monkeypatch.setenv("WATTLEAK_METRICS", str(tmp_path / "metrics.jsonl"))
    heard = [wattleak.report_output(output), wattleak.report_output(str(output), "test_set")]

    assert (heard_by_nobody, heard) == (False, [True, True])
    assert read_reported(tmp_path / "metrics.jsonl").outputs == {
        "predictions_sha256": expected,
        "test_set_sha256": expected,
    }
    with pytest.raises(FileNotFoundError):
        wattleak.report_output(tmp_path / "nothing")
