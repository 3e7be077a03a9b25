"""Checks of the rest of the system: power supply, clock, limits, the store, Python."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.checks.check import Outcome, error, info, not_known, ok, warning
from wattleak.environment.checks.reading import whole
from wattleak.errors import OwnFailure
from wattleak.shipped import REMEDY, TABLES, shipped_text

if TYPE_CHECKING:
    from wattleak.environment.checks.host import Host

_POWER = "sys/class/power_supply"
_FULL_DISK_B = 100e6  # an experiment of 60 runs leaves some megabytes of journals and outputs: an assumption
_SMALL_DISK_B = 1e9  # an assumption
_FEW_FILES = 1024
_NETWORK_FILES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "9p", "afs"}
)


def power_supply(host: Host) -> Outcome:
    """On battery, laptops slow the processor down and dim what they can.

    ok: mains power, or no battery. warning: the machine runs on its battery. not known: the kernel shows no
    information on power supplies.

    Remedy: plug it in.
    Source: kernel documentation, ABI/testing/sysfs-class-power.
    """
    supplies = host.names(_POWER)
    if supplies is None:
        return not_known("the kernel shows no power supplies")
    kinds = [(name, host.read(f"{_POWER}/{name}/type")) for name in supplies]
    # A mouse or a pen has a battery too: its scope is "Device".
    batteries = [n for n, kind in kinds if kind == "Battery" and host.read(f"{_POWER}/{n}/scope") != "Device"]
    if not batteries:
        return ok("no battery")
    states = {host.read(f"{_POWER}/{name}/status") for name in batteries}
    plugged = any(kind == "Mains" and host.number(f"{_POWER}/{name}/online") == 1 for name, kind in kinds)
    if "Discharging" in states and not plugged:
        return warning("the machine runs on its battery", "plug it in")
    if plugged or states & {"Charging", "Full", "Not charging"}:
        return ok("mains")
    return not_known("the battery does not say whether it is in use")


def clock_sync(host: Host) -> Outcome:
    """Whether the kernel holds its wall clock for synchronised (NTP). Durations do not depend on it (they are read
    from the monotonic clock); times of day do, as soon as results of several machines, a smart plug or a scheduler are
    put side by side.

    ok: synchronised. info: not. not known: the kernel does not say.

    Remedy: `sudo timedatectl set-ntp true`, or chrony. In containers and guests the host may keep the clock right.
    Source: adjtimex(2).
    """
    if host.clock_synchronised is None:
        return not_known("the kernel does not say whether its clock is synchronised")
    if host.clock_synchronised:
        return ok("yes")
    return info("no: times of day may be off (durations are not)", "sudo timedatectl set-ntp true")


def resource_limits(host: Host) -> Outcome:
    """Limits that the shell hands on to what it starts: open files, CPU time, memory, processes. A program that meets
    one ends in the middle of a run.

    ok: at least 1,024 open files (Linux' own default), no limit of CPU time or address space. warning: less.
    not known: /proc/self/limits cannot be read.

    Remedy: `ulimit -n 4096`, `ulimit -t unlimited`, `ulimit -v unlimited`.
    Source: getrlimit(2), proc_pid_limits(5).
    """
    text = host.read("proc/self/limits")
    if not text:
        return not_known("/proc/self/limits cannot be read")
    soft = {line[:26].strip(): (line[26:].split() or [""])[0] for line in text.splitlines()[1:]}
    files = whole(soft.get("Max open files"))
    short = [
        (f"{files} open files", "ulimit -n 4096") if files is not None and files < _FEW_FILES else None,
        _limited(soft, "Max cpu time", "s of CPU time", "ulimit -t unlimited"),
        _limited(soft, "Max address space", "bytes of address space", "ulimit -v unlimited"),
    ]
    found = [item for item in short if item is not None]
    if found:
        return warning("at most " + ", ".join(what for what, _ in found), "; ".join(remedy for _, remedy in found))
    if "Max open files" not in soft:
        return not_known("/proc/self/limits is not as expected")
    return ok(f"{soft['Max open files']} open files, no limit of CPU time or memory")


def store_writable(host: Host) -> Outcome:
    """Whether runs can be kept: the folder of the store takes files, and its disk has room.

    ok: it does. warning: less than 1 GB is free. error: nothing can be written, or less than 100 MB is free (both
    sizes are assumptions).

    Remedy: `--store DIR`, `WATTLEAK_STORE=DIR`, or `store` in `[tool.wattleak]`.
    """
    remedy = "choose another one: --store DIR or WATTLEAK_STORE=DIR"
    folder = host.store.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free_b = shutil.disk_usage(folder).free
    except OSError as failure:
        return error(f"{host.store} cannot be written: {failure.strerror}", remedy)
    said = f"{free_b / 1e9:.1f} GB free for {host.store}"
    if free_b < _FULL_DISK_B:
        return error(said, remedy)
    return warning(said, remedy) if free_b < _SMALL_DISK_B else ok(said)


def store_filesystem(host: Host) -> Outcome:
    """The store is a SQLite file and journals that are synced once a second. On a network file system locks may not
    hold and every sync waits for the server, which shows in what is measured.

    ok: a local file system. warning: NFS, CIFS, Lustre, GPFS, BeeGFS, CephFS, AFS, 9p or sshfs. not known: the mounts
    cannot be read.

    Remedy: a folder on a local disk, as `--store /tmp/wattleak` (and copy it home afterwards).
    Source: sqlite.org/faq.html, question 5.
    """
    mounts = host.read("proc/self/mountinfo")
    if not mounts:
        return not_known("the mounts cannot be read")
    folder = Path(os.path.normpath(host.store.absolute()))
    kind, longest = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words, behind = before.split(), after.split()
        if len(words) < 5 or not behind:
            continue
        point = Path(words[4].replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= longest:  # the last mount on a point hides the others
            kind, longest = behind[0], len(point.parts)
    if kind is None:
        return not_known("no mount holds the store")
    if kind in _NETWORK_FILES:
        return warning(f"{kind}: a network file system under {host.store}", "--store DIR on a local disk")
    return ok(kind)


def perf_events(host: Host) -> Outcome:
    """Who may use the kernel's performance counters: at 1 or more only root (or CAP_PERFMON) may watch the whole
    machine, which is what reading RAPL through perf needs. Where /sys/class/powercap is readable, nothing is lost.

    ok: 0 or less. info: 1 or more. not known: the kernel does not say.

    Remedy: `sudo sysctl kernel.perf_event_paranoid=0` until the next boot.
    Source: kernel documentation, admin-guide/perf-security and admin-guide/sysctl/kernel.
    """
    level = host.number("proc/sys/kernel/perf_event_paranoid")
    if level is None:
        return not_known("the kernel does not say who may use perf")
    if level <= 0:
        return ok(f"perf_event_paranoid is {level}")
    return info(
        f"perf_event_paranoid is {level}: only root reads RAPL through perf",
        "sudo sysctl kernel.perf_event_paranoid=0",
    )


def python_environment(host: Host) -> Outcome:
    """Which Python runs wattleak, and whether its packages are its own. An update of the system's packages between two
    sessions changes what is measured.

    ok: a virtual environment (or conda). info: the system's Python. warning: a debug build, or switches that slow
    every program down (PYTHONDEVMODE, PYTHONMALLOC=debug, PYTHONTRACEMALLOC, PYTHONPROFILEIMPORTTIME).

    Remedy: `python -m venv .venv`; unset the variable.
    """
    said = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    slow = [
        f"{name}={host.environ[name]}"
        for name in ("PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME")
        if host.environ.get(name, "0") not in {"", "0", "default", "pymalloc", "malloc"}
    ]
    if hasattr(sys, "gettotalrefcount"):
        return warning(f"{said}, a debug build: several times slower", "use a release build of Python")
    if slow:
        return warning(f"{said} with {', '.join(slow)}: slower than usual", f"unset {slow[0].partition('=')[0]}")
    if sys.prefix != sys.base_prefix:
        return ok(f"{said} in the virtual environment {sys.prefix}")
    if host.environ.get("CONDA_PREFIX"):
        return ok(f"{said} of conda in {host.environ['CONDA_PREFIX']}")
    return info(f"{said} of the system: an update changes what is measured", "python -m venv .venv")


def shipped_tables(_host: Host) -> Outcome:
    """Whether the tables behind modelled watts and grams of CO2, which come with wattleak, are there and whole. What is
    made from one that is missing is absent from every result; no other number takes its place.

    ok: all of them. warning: some cannot be read.

    Remedy: install wattleak again.
    """
    missing = [name for package, name in TABLES if not _is_whole(package, name)]
    if missing:
        return warning(f"cannot be read: {', '.join(missing)}", REMEDY)
    return ok(f"all {len(TABLES)} are there")


def _is_whole(package: str, name: str) -> bool:
    try:
        shipped_text(package, "data", name)
    except OwnFailure:
        return False
    return True


def _limited(soft: dict[str, str], name: str, unit: str, remedy: str) -> tuple[str, str] | None:
    number = whole(soft.get(name))
    return None if number is None else (f"{number} {unit}", remedy)
