"""A host with RAPL counters, played by a process of its own: 50 W at rest, 3 W for each busy CPU of this machine.

    python emulated_host.py POWERCAP_FOLDER IDLE_W WATTS_PER_BUSY_CPU

What is busy is the kernel's answer for the real machine, so whatever runs here is a neighbour, as on a real host.
"""

import os
import sys
import time
from pathlib import Path


def busy_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return sum(int(fields[place]) for place in (1, 2, 3, 6, 7)) / os.sysconf("SC_CLK_TCK")


def main(folder: Path, idle_w: float, watts_per_cpu: float) -> None:
    zone = folder / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text("262143328850\n")
    counter = os.open(zone / "energy_uj", os.O_RDWR | os.O_CREAT)
    first_s = busy_s()
    began_s = time.monotonic()
    while True:
        joules = 1000 + idle_w * (time.monotonic() - began_s) + watts_per_cpu * (busy_s() - first_s)
        os.pwrite(counter, b"%020d\n" % int(joules * 1e6), 0)
        time.sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
