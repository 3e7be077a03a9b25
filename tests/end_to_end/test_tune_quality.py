"""A number format that is cheap and learns less does not win a search that has a margin for quality."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import CommandLine

# float16 is the cheapest and loses 20 points; bfloat16 costs half of float32 and is as good within half a point.
PROGRAM = """
import json, os, sys, time
precision = sys.argv[1]
time.sleep({"float32": 0.4, "bfloat16": 0.2, "float16": 0.02}[precision])
luck = int(os.environ["WATTLEAK_SEED"]) % 7 / 1000  # the same for all runs of a block
score = {"float32": 0.9, "bfloat16": 0.899, "float16": 0.7}[precision]
print("WATTLEAK " + json.dumps({"accuracy": score + luck}))
"""


def test_the_cheapest_setting_that_is_as_good_is_chosen(wattleak: CommandLine) -> None:
    (wattleak.folder / "train.py").write_text(PROGRAM)
    search = ("-F", "precision=float32,bfloat16,float16", "--quality", "accuracy:max:0.01", "--metric", "duration_s")
    short = ("--blocks", "4", "--confirm", "0", "--warmups", "0", "--meters", "cpu-model")
    document = wattleak.document("tune", *search, *short, "--", sys.executable, "-S", "train.py", "{precision}")
    assert document["chosen"]["name"] == "precision=bfloat16"
    known = {item["levels"]["precision"]: item for item in document["curve"]}
    assert known["float16"]["standing"] == "loses_quality"
    assert known["float16"]["quality"] == "worse"
    assert known["bfloat16"]["quality"] == "equivalent"
