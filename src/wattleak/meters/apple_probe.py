"""Finding out what powermetrics gives on this Mac, and why it gives nothing. For probes only.

powermetrics is part of macOS and needs root (powermetrics(1)). It calls its own power figures estimates, not to be
compared between devices (the note that it prints since macOS 13). Apple states no accuracy: +-20 % is an assumption.
The property list of an Apple chip has, under `processor`, the milliwatts `cpu_power`, `gpu_power` and `ane_power`,
averaged over the `elapsed_ns` of the interval. An Intel Mac has none of them.

Password prompts are never made (`sudo -n`). What an administrator has to allow is two commands with fixed options,
not powermetrics as such: as root, with other options, it can write any file.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

METER = "apple"

_INTERVAL_MS = 1000
_OPTIONS = ("-b", "0", "-f", "plist", "--samplers", "cpu_power,gpu_power")
_ONCE = (*_OPTIONS, "-i", "100", "-n", "1")
_STREAM = (*_OPTIONS, "-i", str(_INTERVAL_MS))
_ERROR = 0.20
_TIMEOUT_S = 20.0
_CHANNELS = {
    "cpu": ("cpu_power", Part.CPU, "CPU"),
    "gpu": ("gpu_power", Part.GPU, "GPU"),
    "ane": ("ane_power", Part.GPU, "Neural Engine"),
}
_LOST = "without it the energy of this Mac is not measured"


class Found(NamedTuple):
    """What can be read, and the command that streams it."""

    channels: tuple[Channel, ...]
    command: tuple[str, ...]
    losses: tuple[Unavailable, ...]


def look(*, root: bool | None = None) -> Found | Unavailable:
    """Ask powermetrics for one interval of a tenth of a second."""
    import shutil  # noqa: PLC0415 - only on a Mac: elsewhere these modules cost every start
    import subprocess  # noqa: PLC0415 - only on a Mac

    program = shutil.which("powermetrics")
    if program is None:
        reason = f"powermetrics is not on the PATH; {_LOST}"
        return Unavailable(METER, reason, "add /usr/bin to PATH: macOS has it there")
    is_root = os.geteuid() == 0 if root is None else root
    before = () if is_root else (shutil.which("sudo") or "sudo", "-n")
    try:
        done = subprocess.run(
            [*before, program, *_ONCE], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except OSError as error:
        reason = f"powermetrics does not start: {error.strerror}; {_LOST}"
        return Unavailable(METER, reason, f"see what happens: {program}")
    except subprocess.TimeoutExpired:
        reason = f"powermetrics said nothing for {_TIMEOUT_S:.0f} s; {_LOST}"
        return Unavailable(METER, reason, f"see what it does: sudo {program} {' '.join(_ONCE)}")
    if done.returncode != 0:
        return _why_refused(done.stderr.decode("utf-8", "replace"), program)
    return _understand(done.stdout, (*before, program, *_STREAM))


def _understand(output: bytes, command: tuple[str, ...]) -> Found | Unavailable:
    import plistlib  # noqa: PLC0415 - only on a Mac

    try:
        document: dict[str, Any] = plistlib.loads(output.strip(b"\0 \r\n"))
        processor: dict[str, Any] = document["processor"]
        elapsed_ns = document["elapsed_ns"]
    except (plistlib.InvalidFileException, ValueError, KeyError, TypeError) as error:
        reason = f"powermetrics gave something that is not understood ({type(error).__name__}); {_LOST}"
        remedy = f"file a report with the output of: sudo {' '.join(command)}"
        return Unavailable(METER, reason, remedy)
    device = str(document.get("hw_model") or "Mac")
    given = {name: row for name, row in _CHANNELS.items() if isinstance(processor.get(row[0]), int | float)}
    if not given or not isinstance(elapsed_ns, int | float):
        reason = f"powermetrics of this {device} gives no power of CPU, GPU or Neural Engine (an Intel Mac?); {_LOST}"
        return Unavailable(METER, reason, "use a Mac with an Apple chip, or a plug meter")
    losses = [
        Unavailable(METER, f"powermetrics of this {device} gives no {row[0]}", "nothing to type: this Mac has none")
        for name, row in _CHANNELS.items()
        if name not in given
    ]
    return Found(tuple(_channel(name, device) for name in given), command, tuple(losses))


def _channel(name: str, device: str) -> Channel:
    key, part, what = _CHANNELS[name]
    return Channel(
        name=name,
        meter=METER,
        part=part,
        origin=Origin.SAMPLED,
        quantity=Quantity.ENERGY_J,
        period_s=_INTERVAL_MS / 1000,
        relative_low=1 - _ERROR,
        relative_high=1 + _ERROR,
        device=f"{device} {what}",
        source=f"powermetrics {key}, average power of each interval x its length; Apple calls it an estimate, "
        f"+-{_ERROR:.0%} assumed",
    )


def _why_refused(said: str, program: str) -> Unavailable:
    last = (said.strip().splitlines() or ["it said nothing"])[-1].strip()
    words = said.lower()
    if any(part in words for part in ("password", "terminal is required", "superuser", "not allowed", "not permitted")):
        reason = f"powermetrics needs root, and sudo asks for a password ({last}); {_LOST}"
        return Unavailable(METER, reason, f"sudo visudo -f /etc/sudoers.d/wattleak, with the line: {sudoers(program)}")
    return Unavailable(METER, f"powermetrics failed: {last}; {_LOST}", f"sudo {program} {' '.join(_ONCE)} shows why")


def sudoers(program: str) -> str:
    """The line that allows exactly what is run here (sudoers(5): commas inside a command are escaped)."""
    import getpass  # noqa: PLC0415 - only on a Mac

    allowed = (" ".join((program, *options)).replace(",", r"\,") for options in (_ONCE, _STREAM))
    return f"{getpass.getuser()} ALL=(root) NOPASSWD: {', '.join(allowed)}"
