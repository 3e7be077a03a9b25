"""RAPL through Linux powercap: energy counters of CPU packages, their memory, and the platform (Intel, AMD).

Channels: `cpu0`, `cpu1` (packages; `cpu0-die1` where a package has several dies with counters of their own), `dram0`
(memory behind a package, not inside its counter), `machine` (psys: the platform, which contains them all). The zones
core and uncore are parts of a package and are left out. A package that shows twice (MSR and MMIO, or one counter
mirrored by several dies) counts once.

Facts: the counter moves about once a millisecond in steps of 15 to 61 uJ and wraps at `max_energy_range_uj`; since
the PLATYPUS attack (CVE-2020-8694, kernel 5.10) only root may read it; with SGX on, Intel filters it. Clouds do not
pass it to guests. Since Haswell the package is measured by the voltage regulator (Khan et al., "RAPL in Action",
2018: follows plug power closely); AMD's is a model. No vendor states an accuracy: +-10 % for an Intel package and
+-20 % for AMD, psys and memory (Desrochers et al., MEMSYS 2016: right trend, constant offset) are assumptions.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.meters.cpuinfo import Processor
    from wattleak.model import Channel, Unavailable

_ROOT = "/sys/class/powercap"
_PERIOD_S = 0.001
_PACKAGE_ERROR = {"intel": 0.10}
_OTHER_ERROR = 0.20


class RaplMeter:
    """Reads `energy_uj` of powercap zones.

    `root` is the powercap folder (default: $WATTLEAK_POWERCAP, else /sys/class/powercap), `host` where /proc and
    /sys of the machine are, to say why there are no counters.
    """

    name = "rapl"
    common = True  # hardware counts: what one process reads, another would read too

    def __init__(self, root: str | None = None, host: str = "/") -> None:
        self._root = root or os.environ.get("WATTLEAK_POWERCAP") or _ROOT
        self._host = host
        self._zones: dict[str, str] = {}
        self._fds: dict[str, int] = {}
        self.losses: tuple[Unavailable, ...] = ()

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Channels of the zones that can be read. Zones that cannot, beside some that can, are left in `losses`."""
        from wattleak.meters.rapl_reasons import why_no_zone, zones_lost  # noqa: PLC0415 - the recorder does not look

        if not zone_names(self._root):
            return why_no_zone(self._root, (), self._host)
        from wattleak.meters import powercap  # noqa: PLC0415 - as above
        from wattleak.meters.cpuinfo import read_processor  # noqa: PLC0415 - as above

        zones = powercap.find_zones(self._root)
        readable = powercap.distinct(zone for zone in zones if zone.energy_j is not None)
        if not readable:
            return why_no_zone(self._root, zones, self._host)
        names = powercap.channel_names(readable)
        self._zones = {names[zone]: zone.path for zone in readable}
        seen = {zone.key for zone in readable}
        self.losses = zones_lost([zone for zone in zones if zone.key not in seen])
        processor = read_processor(self._host)
        inside = frozenset(names[zone] for zone in readable if zone.kind != "psys")
        return tuple(
            rapl_channel(
                names[zone],
                self.name,
                zone.kind,
                processor,
                inside=inside,
                wrap_j=zone.range_j,
                where=f"powercap zone {zone.id}",
            )
            for zone in readable
        )

    def spec(self) -> dict[str, object]:
        """Path of the counter of each channel."""
        return {"zones": dict(self._zones)}

    def open(self, spec: dict[str, object]) -> None:
        self.close()
        zones: dict[str, str] = spec["zones"]  # type: ignore[assignment]  # plain data, written by spec()
        for channel, path in zones.items():
            try:
                self._fds[channel] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # absent, as a reading that fails later

    def read(self) -> dict[str, float]:
        """Joules of each counter as it stands."""
        raw: dict[str, float] = {}
        for channel, fd in self._fds.items():
            try:
                raw[channel] = int(os.pread(fd, 32, 0)) / 1e6
            except (OSError, ValueError):
                continue
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the CPU."""
        return {}

    def close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}


def zone_names(root: str) -> list[str]:
    """Names below a powercap folder that zones of RAPL have, sorted: `intel-rapl:0`."""
    try:
        listed = os.listdir(root)  # noqa: PTH208 - pathlib is not for the recorder
    except OSError:
        return []
    return sorted(name for name in listed if "rapl" in name.partition(":")[0] and ":" in name)


def rapl_channel(
    name: str, meter: str, kind: str, processor: Processor, *, inside: frozenset[str], wrap_j: float | None, where: str
) -> Channel:
    """Describe a RAPL counter: `kind` is package, dram or psys; `inside` is used for psys, which holds the others."""
    from wattleak.model import Channel, Origin, Part, Quantity  # noqa: PLC0415 - only the probe builds channels

    part = {"package": Part.CPU, "dram": Part.DRAM, "psys": Part.MACHINE}[kind]
    error = _PACKAGE_ERROR.get(processor.vendor or "", _OTHER_ERROR) if kind == "package" else _OTHER_ERROR
    return Channel(
        name=name,
        meter=meter,
        part=part,
        origin=Origin.COUNTER,
        quantity=Quantity.ENERGY_J,
        period_s=_PERIOD_S,
        relative_low=1 - error,
        relative_high=1 + error,
        wrap_j=wrap_j,
        contains=inside if kind == "psys" else frozenset(),
        device=processor.name,
        source=f"RAPL {kind} counter, {where}; accuracy +-{error:.0%} assumed, none is published",
    )
