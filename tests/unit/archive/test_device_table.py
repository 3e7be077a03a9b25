"""Tables of devices that somebody states: what is read, and that nothing is shown without its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wattleak.archive.device_table import read_device_table
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CSV = """# from the closed division
device,power_w,power_low_w,power_high_w,samples_per_s,source,accuracy
NVIDIA T4,70,60,72,1250,"MLPerf v4.1, closed",
NVIDIA L4,72,,,2900,data sheet,0.91
"""
TOML = """
[[device]]
device = "TPU v5e"
energy_per_sample_j = 0.031
source = "a paper, table 3"
job = "fine_tuning.py --batch 32"
"""


def test_csv_and_toml_are_read_and_what_is_not_stated_is_absent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    (tmp_path / "t.toml").write_text(TOML)
    t4, l4 = read_device_table(tmp_path / "t.csv")
    assert (t4.device, t4.source, t4.place) == ("NVIDIA T4", "MLPerf v4.1, closed", "t.csv:3")
    assert t4.figures == {"power_w": 70, "power_low_w": 60, "power_high_w": 72, "samples_per_s": 1250}
    assert l4.figures == {"power_w": 72, "samples_per_s": 2900, "accuracy": 0.91}
    (tpu,) = read_device_table(tmp_path / "t.toml")
    assert tpu.figures == {"energy_per_sample_j": 0.031}
    assert (tpu.job, tpu.place) == ("fine_tuning.py --batch 32", "t.toml, device 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("device,power_w,samples_per_s,source\nT4,70,1250,\n", "does not state its source"),
        ("device,power_w,samples_per_s,source\nT4,seventy,1250,me\n", "is no number"),
        ("device,power_w,samples_per_s,source\nT4,70 W,1250,me\n", "without a unit"),
        ("device,power_w,samples_per_s,source\nT4,-70,1250,me\n", "above zero"),
        ("device,power_w,source\nT4,70,me\n", "say nothing of a sample"),
        ("device,samples_per_s,source\nT4,1250,me\n", "both or neither"),
        ("device,watts,samples_per_s,source\nT4,70,1250,me\n", "no column 'watts'"),
        ("device,power_w,power_low_w,power_high_w,samples_per_s,source\nT4,70,80,90,5,me\n", "lie in their range"),
        ("device,power_w,power_low_w,samples_per_s,source\nT4,70,60,5,me\n", "one end of the range"),
        ("device,power_w,samples_per_s,source,accuracy\nT4,70,1250,me,91\n", "from 0 to 1"),
        ("device,power_w,samples_per_s,source\nT4,70,1250,me,they\n", "has 5 cells"),
        ("device,power_w,samples_per_s,source\n", "has no row"),
        ("# nothing\n", "has no row"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as refused:
        read_device_table(path)
    assert refused.value.remedy


def test_broken_toml_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text("device = 3\n")
    with pytest.raises(UsageError, match=r"no \[\[device\]\]"):
        read_device_table(path)
    path.write_text("[[device]\n")
    with pytest.raises(UsageError, match="is no TOML"):
        read_device_table(path)
