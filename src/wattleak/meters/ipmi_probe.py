"""Asking a BMC for the first time, and saying why it does not answer. Imported by probes only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from wattleak.meters.ipmi_reader import watts_of
from wattleak.model import Unavailable

_METER = "ipmi"
_LIMIT_S = 10.0
_LOST = "without it the power of the whole machine is not in any figure, unless another meter sees it"
_OPEN_UP = (
    "sudo groupadd -f ipmi; sudo usermod -aG ipmi $USER; and a file /etc/udev/rules.d/60-ipmi.rules with the line: "
    'KERNEL=="ipmi*", GROUP="ipmi", MODE="0660"; then reboot. Only for people you trust: who opens this device can '
    "switch the machine off and change the BMC's passwords"
)


def ask(host: str = "/") -> str | Unavailable:
    """Path of the ipmitool that answers, or why none does."""
    tool = shutil.which("ipmitool")
    if tool is None:
        remedy = "sudo apt install ipmitool (or dnf install ipmitool), on a server with a BMC"
        return Unavailable(_METER, f"ipmitool is not installed; {_LOST}", remedy)
    try:
        done = subprocess.run(
            [tool, "dcmi", "power", "reading"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"the BMC did not answer ipmitool in {_LIMIT_S:.0f} s; {_LOST}"
        return Unavailable(
            _METER, reason, f"time {tool} dcmi power reading shows how long it takes; mc reset cold helps"
        )
    except OSError as error:
        return Unavailable(_METER, f"{tool} cannot be run: {error.strerror}; {_LOST}", f"ls -l {tool}")
    if done.returncode == 0 and watts_of(done.stdout) is not None:
        return tool
    return _explain(done.stdout, done.stderr, host)


def _explain(stdout: bytes, stderr: bytes, host: str) -> Unavailable:
    said = (stderr or stdout).decode("utf-8", "replace").strip()
    if "Could not open device" in said:
        # ipmitool tells of the last of three paths it tries, so a device that it may not open "does not exist".
        device = next(iter(sorted((Path(host) / "dev").glob("ipmi*"))), None)
        if device is None:
            reason = f"there is no /dev/ipmi0: no BMC, or its driver is not loaded; {_LOST}"
            return Unavailable(_METER, reason, "sudo modprobe -a ipmi_si ipmi_devintf, on a server with a BMC")
        if not os.access(device, os.R_OK | os.W_OK):
            return Unavailable(_METER, f"only root may open {device}; {_LOST}", _OPEN_UP)
    if watts_of(stdout) is None and b"Instantaneous" in stdout:
        idle = b"deactivated" in stdout
        reason = "the BMC says that it does not measure power now" if idle else "the BMC gives 0 W: it does not measure"
        return Unavailable(_METER, f"{reason}; {_LOST}", "the BMC's own web page shows whether it measures power")
    if "DCMI request failed" in said:
        reason = f"this BMC has no DCMI power reading ({said.splitlines()[-1].strip()}); {_LOST}"
        return Unavailable(_METER, reason, "nothing to type here: a smart plug sees the machine too")
    last = said.splitlines()[-1].strip() if said else "nothing"
    return Unavailable(_METER, f"ipmitool gives no power reading and says: {last}; {_LOST}", "sudo ipmitool mc info")
