"""`wattleak doctor --calibrate`: set this machine's own channels against a wall meter, and keep the line.

    wattleak doctor --calibrate idle=12.5,load=48        watts that the wall meter showed at rest and at full load
    wattleak doctor --calibrate idle=12.5,half=31,load=48
    wattleak doctor --calibrate 4.1:12.5,30.2:48         pairs of the channels' own watts and the wall's
    wattleak doctor --meters rapl,plug:http://192.168.1.50 --calibrate plug     the plug is read along

In all but the third, wattleak rests, or keeps CPUs busy, for --calibrate-seconds each, and reads its meters meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, MeasurementError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from wattleak.meters.probe import Probed
    from wattleak.model import Calibration, Sample

SECONDS = 30.0
"""How long each step lasts unless the user says otherwise."""

_STEPS = {"idle": 0.0, "half": 0.5, "load": 1.0}  # name -> fraction of the allowed CPUs that are kept busy
_SETTLE = 0.2  # of a step, before it is measured: clocks, fans and the wall meter's display follow a change slowly
_EVERY_S = 0.5
_AT_REST_CPUS = 0.1
_EXAMPLE = "idle=12.5,load=48, or pairs as 4.1:12.5,30.2:48"


def run_calibration(args: Namespace) -> int:
    """Take the readings, fit the line, keep it, say it. Returns an exit code; raises what `cli.main` reports."""
    import json

    from wattleak.analysis.calibration import calibrated_channels, describe, fit
    from wattleak.cli.settings import Settings
    from wattleak.documents import calibration_document, envelope
    from wattleak.environment.calibration_store import hardware, save_calibration
    from wattleak.meters.probe import probe_meters

    seconds = SECONDS if args.calibrate_seconds is None else float(args.calibrate_seconds)
    if not 1 <= seconds < float("inf"):
        raise UsageError(f"--calibrate-seconds {seconds:g} is too short", "a second at least; 30 let the fans settle")
    settings = Settings.resolve(args)
    pairs, steps = _asked(args.calibrate)
    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    channels = calibrated_channels(probed.channels)
    if not channels:
        raise MeasurementError("no channel can be read here: there is nothing to calibrate", "wattleak doctor")
    if not pairs:
        say = None if args.quiet else lambda words: print(f"wattleak: {words}", file=sys.stderr)
        for name, wall_w in steps:
            if say:
                say(f"{name}: {seconds:g} s")
            before = _busy()
            power_w, seen_w = _measure(probed, channels, _STEPS[name], seconds)
            busy = _cpus_busy(before, _busy())
            if say and not _STEPS[name] and busy is not None and busy > _AT_REST_CPUS:
                say(f"the machine was not at rest: {busy:.1f} CPUs busy. Does the wall meter's reading hold for that?")
            wall = wall_w if wall_w is not None else seen_w
            if wall is None:
                raise MeasurementError("the plug gave no reading", "check it with wattleak doctor")
            pairs.append((power_w, wall))
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    calibration = fit(pairs, machine=hardware(), channels=channels, made_at=made_at)
    path = save_calibration(calibration)
    if args.json:
        print(json.dumps({**envelope("calibration"), **calibration_document(calibration), "path": str(path)}))
    elif not args.quiet:
        print("\n".join([*_text(calibration), f"kept in {path}", "", describe(calibration)]))
    return ExitCode.DONE


def _asked(text: str) -> tuple[list[tuple[float, float]], list[tuple[str, float | None]]]:
    """Pairs that are given whole, or the steps that are to be measured, each with its wall reading."""
    if text.strip() == "plug":
        return [], [(name, None) for name in _STEPS]
    pairs: list[tuple[float, float]] = []
    steps: list[tuple[str, float | None]] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, equals, watts = part.partition("=")
        power, colon, wall = part.partition(":")
        try:
            if equals and name.strip() in _STEPS:
                steps.append((name.strip(), float(watts)))
            elif colon and not equals:
                pairs.append((float(power), float(wall)))
            else:
                raise UsageError(f"--calibrate {part!r} is no reading", _EXAMPLE)
        except ValueError as error:
            raise UsageError(f"--calibrate {part!r} is no reading: {error}", _EXAMPLE) from error
    if pairs and steps:
        raise UsageError("--calibrate takes named readings or pairs, not both at once", _EXAMPLE)
    if len(pairs) + len(steps) < 2:
        raise UsageError("--calibrate needs two readings at least, one at rest and one under load", _EXAMPLE)
    return pairs, steps


def _measure(probed: Probed, channels: Sequence[str], busy: float, seconds: float) -> tuple[float, float | None]:
    """Mean watts of the channels, summed, and of a wall meter that is read along, while CPUs are kept busy."""
    from wattleak.analysis.calibration import WALL_METERS
    from wattleak.analysis.energy import machine_energy
    from wattleak.model import Trace

    with _load(busy):
        time.sleep(seconds * _SETTLE)
        samples = _samples(probed, seconds * (1 - _SETTLE))
    trace = Trace(probed.channels, tuple(samples))
    first_s, last_s = samples[0].time_s, samples[-1].time_s
    found = {item.channel.name: item for item in machine_energy(trace, first_s, last_s)}
    silent = [name for name in channels if name not in found]
    if silent:
        raise MeasurementError(f"{', '.join(silent)} gave no readings", "see wattleak doctor, or choose other --meters")
    power_w = sum(found[name].energy_j.value for name in channels) / (last_s - first_s)
    wall_j = [item.energy_j.value for item in found.values() if item.channel.meter in WALL_METERS]
    return power_w, max(wall_j) / (last_s - first_s) if wall_j else None


def _samples(probed: Probed, seconds: float) -> list[Sample]:
    from wattleak.model import Sample

    meters = [meter for _, meter in probed.meters]
    for meter in meters:
        meter.open(meter.spec())
    try:
        samples: list[Sample] = []
        end_s = time.monotonic() + seconds
        while True:
            now_s = time.monotonic()
            raw = {name: value for meter in meters for name, value in meter.read().items()}
            samples.append(Sample(now_s, raw, 0.0, None, 0, 0, 0, 0))
            if now_s >= end_s:
                return samples
            time.sleep(min(_EVERY_S, max(0.01, end_s - now_s)))
    finally:
        for meter in meters:
            meter.close()


@contextmanager
def _load(fraction: float) -> Iterator[None]:
    """Keep a fraction of the CPUs that we may use busy, with a process each."""
    from wattleak.environment.fingerprint import fingerprint

    allowed = int(fingerprint()["cpus_allowed"])
    count = max(1, round(fraction * allowed)) if fraction else 0
    command = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    workers = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()


def _busy() -> tuple[float, float] | None:
    """The moment, and the CPU-seconds that this machine has worked so far (proc_stat(5)); None where it is not told."""
    import os
    from pathlib import Path

    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        ticks = sum(int(words[field]) for field in (1, 2, 3, 6, 7))
    except (OSError, ValueError, IndexError):
        return None
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK")


def _cpus_busy(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    if before is None or after is None or after[0] <= before[0]:
        return None
    return (after[1] - before[1]) / (after[0] - before[0])


def _text(calibration: Calibration) -> list[str]:
    lines = [f"  {'+'.join(calibration.channels):>16}   at the wall"]
    lines += [f"  {power:>14.2f} W   {wall:.2f} W" for power, wall in calibration.readings]
    if calibration.residual_w is None:
        lines.append("Two readings leave no residual: ranges are +-20 % at least. A third (half=WATTS) narrows them.")
    return lines
