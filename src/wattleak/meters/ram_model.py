"""Memory that has no counter: a fixed power per GiB. It says what the memory costs by being there, nothing more.

    energy = 0.392 W/GiB x installed memory x time

0.392 W/GB is the coefficient of Cloud Carbon Footprint (methodology, 2021, Apache-2.0): the mean of what Crucial
(0.375) and Micron (0.408) publish for DDR4; a module "of 8 GB" holds 8 GiB. What was measured spreads far about it:
the RAPL readings behind the Teads data set (turbostat, 2021) lie between 0.13 W/GiB at rest and 1.1 W/GiB under a
memory stress test. That is the range.

The figure does not react to work: its origin is `constant`, it has no idle power to set apart, it is never attributed
to a process tree and never a saving. In a container with a memory limit, the memory is what the limit allows.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Channel, Unavailable

_CHANNEL = "ram"
_W_PER_GIB = 0.392
_W_PER_GIB_LOW, _W_PER_GIB_HIGH = 0.13, 1.1
_B_PER_GIB = 1 << 30


class RamModelMeter:
    """One constant channel, `ram`. `host` is the folder in which /proc and /sys lie."""

    name = "ram-model"

    def __init__(self, host: str = "/") -> None:
        self._host = host
        self._power_w = 0.0

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel; unavailable where the size of memory cannot be read."""
        from wattleak.meters.allowance import memory_allowance_b  # noqa: PLC0415 - the recorder reads without it
        from wattleak.model import Channel, Origin, Part, Quantity, Unavailable  # noqa: PLC0415 - as above

        memory_b = _memory_b(self._host)
        if memory_b is None:
            reason = f"the size of memory cannot be read from {self._host}proc/meminfo; no memory energy is given"
            return Unavailable(self.name, reason, "run on Linux with /proc mounted")
        allowed_b = memory_allowance_b(self._host)
        limited = allowed_b is not None and allowed_b < memory_b
        gib = (allowed_b if allowed_b is not None and limited else memory_b) / _B_PER_GIB
        self._power_w = gib * _W_PER_GIB
        place = "that this container may use" if limited else "of memory"
        return (
            Channel(
                name=_CHANNEL,
                meter=self.name,
                part=Part.DRAM,
                origin=Origin.CONSTANT,
                quantity=Quantity.ENERGY_J,
                period_s=0.001,  # the clock's, not the memory's: the figure is a multiple of time
                relative_low=_W_PER_GIB_LOW / _W_PER_GIB,
                relative_high=_W_PER_GIB_HIGH / _W_PER_GIB,
                device=f"{gib:.1f} GiB {place}",
                source=(
                    f"{gib:.1f} GiB {place} x {_W_PER_GIB} W/GiB at all times: Cloud Carbon Footprint (2021), after "
                    f"Crucial and Micron; range {_W_PER_GIB_LOW}-{_W_PER_GIB_HIGH} W/GiB, Teads (turbostat, 2021)"
                ),
            ),
        )

    def spec(self) -> dict[str, object]:
        return {"power_w": self._power_w}

    def open(self, spec: dict[str, object]) -> None:
        self._power_w = float(spec["power_w"])  # type: ignore[arg-type]  # plain data, written by spec()

    def read(self) -> dict[str, float]:
        """Joules since boot at the fixed power."""
        return {_CHANNEL: self._power_w * time.monotonic()}

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the memory."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def _memory_b(host: str) -> int | None:
    """MemTotal of /proc/meminfo: what was installed, less what firmware and kernel keep (1 to 4 %)."""
    try:
        with open(f"{host.rstrip('/')}/proc/meminfo", "rb") as file:  # noqa: PTH123 - pathlib is not for the recorder
            for line in file:
                if line.startswith(b"MemTotal:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None
