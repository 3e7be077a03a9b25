"""Finding the RAPL zones of a powercap tree. Imported by probes only, where there are some."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ZONE = r"(?P<control>[\w-]*rapl[\w-]*):\d+(:\d+)?"
_PACKAGE = r"package-(?P<package>\d+)(-die-(?P<die>\d+))?"
_MIRROR_J = 1.0  # two reads of one counter lie microseconds apart; two counters differ by this much after a second


class Zone(NamedTuple):
    """One counter: `kind` is package, dram or psys; `energy_j` is None when it could not be read (see `failure`)."""

    id: str  # "intel-rapl:0:1"
    control: str  # "intel-rapl", "intel-rapl-mmio"
    path: str  # of energy_uj
    kind: str
    package: int
    die: int | None
    range_j: float | None
    energy_j: float | None
    failure: OSError | ValueError | None

    @property
    def key(self) -> tuple[str, int, int | None]:
        """What is counted. Two zones with one key show the same energy."""
        return self.kind, self.package, self.die


def find_zones(root: str) -> list[Zone]:
    """All package, dram and psys zones under a powercap folder, readable or not, MSR before MMIO, in order."""
    base = Path(root).absolute()
    folders: dict[str, Path] = {}
    for pattern in ("*rapl*:*", "*rapl*:*/*rapl*:*"):  # sysfs lists zones flat and nested; a copied tree may do either
        for folder in base.glob(pattern):
            if re.fullmatch(ZONE, folder.name):
                folders.setdefault(folder.name, folder)
    labels = {name: _read(folder / "name") for name, folder in folders.items()}
    zones = [_zone(name, folder, labels) for name, folder in folders.items()]
    return sorted(
        (zone for zone in zones if zone is not None),
        key=lambda zone: (zone.kind != "package", zone.kind, zone.package, zone.die or 0, len(zone.control), zone.id),
    )


def _zone(name: str, folder: Path, labels: dict[str, str | None]) -> Zone | None:
    label = labels[name] or ""
    own = re.fullmatch(_PACKAGE, label)
    if own:
        kind, where = "package", own
    elif label == "dram":
        parent = re.fullmatch(_PACKAGE, labels.get(name.rpartition(":")[0]) or "")
        if parent is None:
            return None
        kind, where = "dram", parent
    elif label == "psys":
        # The kernel calls the platform zones of further sockets psys-1, ...: only the first is wired to the platform.
        kind, where = "psys", None
    else:
        return None
    energy_j: float | None = None
    failure: OSError | ValueError | None = None
    try:
        energy_j = int((folder / "energy_uj").read_text(encoding="utf-8")) / 1e6
    except (OSError, ValueError) as error:
        failure = error
    spread = _read(folder / "max_energy_range_uj") or ""
    return Zone(
        id=name,
        control=name.partition(":")[0],
        path=str(folder / "energy_uj"),
        kind=kind,
        package=int(where["package"]) if where else 0,
        die=int(where["die"]) if where and where["die"] else None,
        range_j=int(spread) / 1e6 if spread.isdigit() and int(spread) > 0 else None,
        energy_j=energy_j,
        failure=failure,
    )


def distinct(zones: Iterable[Zone]) -> list[Zone]:
    """Each counter once: the first zone of a key, and of the dies of one package only those that differ."""
    kept: dict[tuple[str, int, int | None], Zone] = {}
    for zone in zones:
        if zone.key not in kept and not any(_mirrors(zone, other) for other in kept.values()):
            kept[zone.key] = zone
    return list(kept.values())


def _mirrors(zone: Zone, other: Zone) -> bool:
    """Do two dies of one package show one counter? Some processors have one per package, shown once per die."""
    same = (zone.kind, zone.package, zone.range_j) == (other.kind, other.package, other.range_j)
    if not same or zone.energy_j is None or other.energy_j is None:
        return False
    return other.energy_j > _MIRROR_J and abs(zone.energy_j - other.energy_j) <= _MIRROR_J


def channel_names(zones: Sequence[Zone]) -> dict[Zone, str]:
    """`cpu0`, `dram0`, `machine`; with the die behind it where a package keeps several counters."""
    names: dict[Zone, str] = {}
    for zone in zones:
        if zone.kind == "psys":
            names[zone] = "machine"
            continue
        several = sum((other.kind, other.package) == (zone.kind, zone.package) for other in zones) > 1
        base = f"{'cpu' if zone.kind == 'package' else zone.kind}{zone.package}"
        names[zone] = f"{base}-die{zone.die}" if several else base
    return names


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
