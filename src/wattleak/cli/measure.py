"""Run a command and say what it cost: time, CPU-seconds, energy by channel with range and origin, CO2e, memory, I/O.

    wattleak measure -- python train.py --epochs 2

A small agent goes along into every Python that the command starts, and notes which cost smells really happen, where,
and what they cost so far (--no-probes: it stays out).

The command's output and exit code are passed through; the report goes to standard error. With --json, one document
goes to standard output and what the command prints there goes to standard error.
"""

from __future__ import annotations

import sys
from argparse import REMAINDER
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.model import Measurement

SUMMARY = "run a command and say what it cost"


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak measure [options] -- COMMAND [ARGUMENT...]"
    parser.add_argument("command", nargs=REMAINDER, metavar="-- COMMAND", help="the command to run")
    parser.add_argument("--name", metavar="TEXT", help="what to call the run")
    parser.add_argument("--shell", action="store_true", help="hand the command to /bin/sh as one string")
    parser.add_argument(
        "--output", metavar="FILE", help="write the JSON document to FILE, and leave standard output alone"
    )
    parser.add_argument(
        "--linger", metavar="SECONDS", help="how long to wait for processes that outlive the command (default: 30)"
    )
    parser.add_argument(
        "--no-probes", action="store_true", help="look at nothing inside the program: no agent, no smells, no phases"
    )
    parser.add_argument(
        "--loader-trace",
        action="store_true",
        help="at the end, import its frameworks once more in a Python of their own, for the loader's own statistics",
    )
    options.add_measuring(parser)
    options.add_footprint(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from dataclasses import replace
    from secrets import token_hex

    from wattleak.cli.footprint import stated, with_footprint
    from wattleak.cli.observing import begin, observed, watched
    from wattleak.cli.proofs import with_proofs
    from wattleak.cli.settings import Settings
    from wattleak.meters.probe import probe_meters
    from wattleak.recorder.configuration import new_run_folder
    from wattleak.recorder.launch import Streams, check_program, launch
    from wattleak.recorder.summary import read_measurement
    from wattleak.store.sqlite import SqliteStore

    command = _command(args)
    settings = Settings.resolve(args)
    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    check_region(settings.region)
    asked = stated(settings)
    check_program(command[0], {})
    run_id = token_hex(4)
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        folder = new_run_folder(settings.store, run_id)
        probes = begin(folder, args)
        recording = launch(
            folder,
            command,
            probed,
            run_id=run_id,
            name=args.name,
            env=probes,
            streams=Streams(stdout=2 if args.json else None),
            interval_s=settings.interval,
            linger_s=settings.linger,
        )
        with recording:
            ended = watched(recording, folder, args)
        measurement = read_measurement(folder, region=settings.region, pue=settings.pue)
        measurement = with_footprint(measurement, asked)
        store.save_measurement(measurement)
        if not args.no_probes:
            seen = observed(folder, command, measurement.command)
            measurement = replace(measurement, observed=with_proofs(seen, store, settings))
            store.save_measurement(measurement)
    if ended.journal_failure:
        print(f"wattleak: the journal is not whole: {ended.journal_failure}", file=sys.stderr)
    _print(measurement, args)
    signal = ended.signal if ended.recorder_lost else measurement.signal
    code = ended.exit_code if ended.recorder_lost else measurement.exit_code
    if signal is not None:
        return 128 + signal
    return ExitCode.OWN_FAILURE if code is None else code


def check_region(region: str | None) -> None:
    """Refuse a place that no table knows before anything is run."""
    from wattleak.footprint.intensity import intensity

    intensity(region)


def _command(args: Namespace) -> list[str]:
    command: list[str] = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("there is no command to measure", "wattleak measure -- python train.py")
    if command[0].startswith("-"):
        raise UsageError(f"unknown option {command[0]}", "options come first, then --, then the command")
    return ["/bin/sh", "-c", " ".join(command)] if args.shell else command


def _print(measurement: Measurement, args: Namespace) -> None:
    import json
    from pathlib import Path

    from wattleak.cli.footprint import in_context
    from wattleak.documents import measurement_document

    document = {**measurement_document(measurement), **in_context(measurement)}
    if args.output:
        try:
            Path(args.output).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            print(
                f"wattleak: cannot write {args.output}: {error.strerror}; the run is stored as {measurement.id}",
                file=sys.stderr,
            )
    if args.json:
        print(json.dumps(document))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.text import render_measurement

        print(render_measurement(measurement, style=style_for(sys.stderr, args)), file=sys.stderr)
