"""Say what can be measured here, what is in the way, and how small an effect this machine can show.

    wattleak doctor
    wattleak doctor --quick --strict && wattleak compare ...

Every meter with its origin, period and error, or the reason and the remedy; checks of the machine (wattleak explain
NAME says more about each); the noise of a control workload, run for about 20 seconds, and the smallest change that 6,
12, 24 and 48 blocks can show. With --calibrate, the channels are set against a wall meter instead.

Exit code 3: a check found an error, or the control workload failed (nothing can be measured here). 1: --strict, and a
check warns. 0: otherwise.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.cli.settings import Settings
    from wattleak.experiment.noise import Noise
    from wattleak.meters.probe import Probed
    from wattleak.reports.doctor import Diagnosis

SUMMARY = "say what can be measured here, and what is in the way"

_NOISE_S = 20.0


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="leave out the control workload")
    parser.add_argument(
        "--noise-seconds",
        metavar="SECONDS",
        type=float,
        help=f"how long to run the control workload (default: {_NOISE_S:g}; at least 6 pairs of runs)",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a check warns")
    parser.add_argument(
        "--meters", metavar="NAMES", help="meters that a run would use, by comma (default: all real ones)"
    )
    parser.add_argument(
        "--calibrate",
        metavar="READINGS",
        help="set the channels against a wall meter and keep the line: idle=12.5,load=48 (watts that it showed), "
        "pairs as 4.1:12.5,30.2:48, or plug",
    )
    parser.add_argument(
        "--calibrate-seconds", metavar="SECONDS", type=float, help="how long to rest, and to load (default: 30 each)"
    )
    parser.add_argument("--instance-type", metavar="TYPE", help="what the cloud calls this machine, as n2-standard-8")
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.cli.settings import Settings
    from wattleak.cli.tune import put_back
    from wattleak.environment.checks import State
    from wattleak.reports.doctor import doctor_document, render_doctor

    if args.calibrate is not None:
        from wattleak.cli.calibrate import run_calibration

        return run_calibration(args)
    if args.calibrate_seconds is not None:
        raise UsageError("--calibrate-seconds goes with --calibrate", "--calibrate idle=WATTS,load=WATTS")
    budget_s = _NOISE_S if args.noise_seconds is None else args.noise_seconds
    if not 0 < budget_s < float("inf"):
        raise UsageError(f"--noise-seconds {budget_s:g} is no time", "give seconds, or --quick to leave it out")
    put_back(args)
    found = _diagnose(Settings.resolve(args), None if args.quick else budget_s, quiet=args.quiet)
    if args.json:
        print(json.dumps(doctor_document(found)))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for

        print(render_doctor(found, style=style_for(sys.stdout, args)))
    if found.worst is State.ERROR:
        return ExitCode.NOT_TRUSTWORTHY
    return ExitCode.FINDINGS if args.strict and found.worst is State.WARNING else ExitCode.DONE


def _diagnose(settings: Settings, budget_s: float | None, *, quiet: bool) -> Diagnosis:
    from wattleak.analysis.metrics import choose_primary
    from wattleak.environment.calibration_store import read_calibration
    from wattleak.environment.checks import run_checks, this_machine
    from wattleak.environment.checks.gpu import read_gpus
    from wattleak.environment.fingerprint import fingerprint
    from wattleak.environment.sources import in_use, survey
    from wattleak.errors import WattleakError
    from wattleak.meters.probe import probe_meters
    from wattleak.reports.doctor import Diagnosis

    # Asked before anything else opens a library: the second time would be faster than what a run meets.
    sources = survey(settings.meters or ())
    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    calibration, problem = read_calibration([channel.name for channel in probed.channels])
    checks = run_checks(this_machine(settings.store, gpus=read_gpus()))
    noise, failure = None, None
    try:
        noise = None if budget_s is None else _noise(probed, budget_s, quiet=quiet)
    except WattleakError as error:
        failure = f"{error.message}; try: {error.remedy}"
    return Diagnosis(
        machine=fingerprint(channel.name for channel in probed.channels),
        sources=in_use(sources, probed),
        primary_metric=choose_primary(probed.channels),
        checks=checks,
        noise=noise,
        noise_failure=failure,
        calibration=calibration,
        calibration_problem=problem,
    )


def _noise(probed: Probed, budget_s: float, *, quiet: bool) -> Noise:
    from wattleak.cli.terminal import noise_progress
    from wattleak.experiment.noise import measure_noise

    with noise_progress(quiet=quiet) as watch:
        return measure_noise(probed, budget_s, watch)
