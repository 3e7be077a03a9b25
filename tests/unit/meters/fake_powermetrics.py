"""A stand-in for powermetrics(1) of macOS, with the shape of what it prints on an Apple chip.

$FAKE_POWERMETRICS names a JSON file: {"intervals": [[elapsed_ns, cpu_mw, gpu_mw, ane_mw], ...]; null leaves a value
out}, "then": "die" | "repeat", "piece": bytes at a time, "pause_s": between intervals, "refuse": what to print on
standard error before it fails}. Beside that file it leaves its process id and the words that it was called with.
"""

import json
import os
import sys
import time
from pathlib import Path

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
<key>is_delta</key><true/>
<key>elapsed_ns</key><integer>{elapsed_ns}</integer>
<key>hw_model</key><string>Mac14,2</string>
<key>kern_osversion</key><string>23F79</string>
<key>timestamp</key><date>2026-11-21T06:00:00Z</date>
<key>processor</key>
<dict>
<key>clusters</key>
<array><dict><key>name</key><string>E-Cluster</string><key>freq_hz</key><real>1.02e+09</real>
<key>power</key><integer>17</integer><key>cpus</key><array><dict><key>cpu</key><integer>0</integer>
<key>idle_ratio</key><real>0.91</real></dict></array></dict></array>
"""
TAIL = """</dict>
<key>gpu</key><dict><key>freq_hz</key><real>444</real><key>idle_ratio</key><real>0.97</real></dict>
</dict>
</plist>
"""


def document(elapsed_ns, *powers_mw):
    text = HEAD.format(elapsed_ns=elapsed_ns)
    for name, power_mw in zip(("cpu", "gpu", "ane"), powers_mw, strict=True):
        if power_mw is not None:
            energy = round(power_mw * elapsed_ns / 1e9)
            text += (
                f"<key>{name}_energy</key><integer>{energy}</integer>\n<key>{name}_power</key><real>{power_mw}</real>\n"
            )
    return (text + TAIL).encode()


def put(data, piece):
    for start in range(0, len(data), piece):
        os.write(1, data[start : start + piece])


def main():
    path = Path(os.environ["FAKE_POWERMETRICS"])
    play = json.loads(path.read_text())
    path.with_suffix(".words").write_text(json.dumps(sys.argv[1:]))
    if "refuse" in play:
        sys.exit(play["refuse"])
    piece = play.get("piece", 1 << 20)
    intervals = [document(*interval) for interval in play["intervals"]]
    if "-n" in sys.argv:
        put(intervals[0], piece)
        return
    path.with_suffix(".pid").write_text(str(os.getpid()))
    number = 0
    while number < len(intervals) or play.get("then") == "repeat":
        if number:
            put(b"\0", piece)  # it ends no list with one, it begins the next with one
        put(intervals[min(number, len(intervals) - 1)], piece)
        number += 1
        time.sleep(play.get("pause_s", 0.02))


if __name__ == "__main__":
    main()
