"""Power and energy sensors of Linux hwmon: ACPI power meters, power supplies, GPUs and CPUs without another meter.

Which drivers are understood, what their sensors see and how exact they are is the table in `hwmon_sensors`. A sensor
that is not in it is not read: a number whose place in the machine nobody knows may be inside another one.

Readings are microwatts (`power*_input`, `power*_average`) or microjoules since some start (`energy*_input`), as the
kernel's Documentation/hwmon/sysfs-interface.rst says. Several power supplies of a machine are summed; when one of
them cannot be read the sum is absent. Sensors that show what another meter reads already (a CPU package that RAPL
counts, a GPU that amd-smi reads) are left out.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Channel, Unavailable

_ROOT = "/sys/class/hwmon"


class HwmonMeter:
    """Reads the sensors under a hwmon folder (default: $WATTLEAK_HWMON, else /sys/class/hwmon).

    `read_already` are the channels of the meters that were probed before this one.
    """

    name = "hwmon"
    common = True  # what one process reads of sensors, another would read too

    def __init__(self, root: str | None = None, read_already: Sequence[Channel] = ()) -> None:
        self._root = root or os.environ.get("WATTLEAK_HWMON") or _ROOT
        self._read_already = tuple(read_already)
        self._paths: dict[str, list[str]] = {}
        self._fds: dict[str, list[int]] = {}
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Channels of the sensors that are understood, can be read, and are not read by another meter."""
        if not _has_entries(self._root):
            self.absent = True
            return self._none()
        from wattleak.meters import hwmon_sensors  # noqa: PLC0415 - the recorder reads without finding again

        sensors, losses = hwmon_sensors.find_sensors(self._root, self._read_already)
        channels, self._paths = hwmon_sensors.channels_of(sensors)
        if channels:
            self.losses = losses
            return channels
        self.absent = not losses
        return losses[0] if losses else hwmon_sensors.explain(self._root) or self._none()

    def _none(self) -> Unavailable:
        """Nothing is lost by it: most machines have no sensor."""
        from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

        reason = f"this machine has no power sensor under {self._root}"
        remedy = "on a server: sudo modprobe acpi_power_meter, or ask its BMC: --meters ipmi"
        return Unavailable(self.name, reason, remedy)

    def spec(self) -> dict[str, object]:
        """Paths of the files that make up each channel."""
        return {"paths": {name: list(paths) for name, paths in self._paths.items()}}

    def open(self, spec: dict[str, object]) -> None:
        self.close()
        paths: dict[str, list[str]] = spec["paths"]  # type: ignore[assignment]  # plain data, written by spec()
        for channel, files in paths.items():
            fds: list[int] = []
            try:
                for path in files:
                    fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401 - what was opened must be closed when the next one fails
            except OSError:
                for fd in fds:
                    os.close(fd)
                continue  # absent, as a reading that fails later
            self._fds[channel] = fds

    def read(self) -> dict[str, float]:
        """Watts, or joules since some start; a channel is absent when one of its files cannot be read now."""
        raw: dict[str, float] = {}
        for channel, fds in self._fds.items():
            try:
                millionths = [int(os.pread(fd, 32, 0)) for fd in fds]
            except (OSError, ValueError):
                continue
            if min(millionths) >= 0:  # firmware that does not know says -1
                raw[channel] = sum(millionths) / 1e6
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: hwmon does not know who uses a device."""
        return {}

    def close(self) -> None:
        for fds in self._fds.values():
            for fd in fds:
                os.close(fd)
        self._fds = {}


def _has_entries(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))  # noqa: PTH208 - pathlib is slow to start
    except OSError:
        return False
