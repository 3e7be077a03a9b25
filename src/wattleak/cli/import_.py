"""Read what other tools measured, and say what it can and cannot carry.

    wattleak import runs.csv --variant-column variant --metric energy=energy_kwh:kWh --metric time=seconds:s
    wattleak import emissions.csv                          # CodeCarbon: a variant for each project_name
    wattleak import bench.json                             # hyperfine, pyperf, pytest-benchmark
    wattleak import before=old.json after=new.json         # a variant for each file
    wattleak import gpu.csv --from "2026/11/21 09:00:10" --to "2026/11/21 09:05:10"    # joules from a power log
    wattleak import good=run1.csv good=run2.csv bad=run3.csv bad=run4.csv              # a power log for each run

The format is recognised from the content. Runs are compared unpaired; every number is `quoted`, and no verdict is
graded above `observed`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.archive.imported import DeviceEnergy, PowerLog, Source

SUMMARY = "read what other tools measured"

_SMALLEST_EFFECT = 0.02


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="[VARIANT=]FILE", nargs="+", help="files of one format")
    parser.add_argument("--format", metavar="NAME", help="what the files are (default: recognised from the content)")
    table = parser.add_argument_group("tables")
    table.add_argument("--variant-column", metavar="COLUMN", help="column that tells variants apart (default: variant)")
    table.add_argument(
        "--metric",
        metavar="NAME=COLUMN[:UNIT]",
        action="append",
        help="figure to compare, the first decides (default: every column whose name ends in a unit)",
    )
    table.add_argument(
        "--order-column", metavar="COLUMN", help="moment or number of each run (default: order of the rows)"
    )
    group = parser.add_argument_group("comparison")
    group.add_argument("--reference", metavar="VARIANT", help="what the others are compared with (default: the first)")
    group.add_argument("--primary", metavar="METRIC", help="the metric that decides (default: the first)")
    group.add_argument(
        "--quality", metavar="COLUMN[:max|min[:MARGIN]]", help="figure that must not get worse, as accuracy:max:0.005"
    )
    group.add_argument(
        "--smallest-effect", metavar="X", help="a smaller change is called equal: 0.02 or 2%% (default: 2%%)"
    )
    power = parser.add_argument_group("power logs")
    power.add_argument("--from", metavar="MOMENT", help="as the log writes it, or seconds from its start")
    power.add_argument("--to", metavar="MOMENT", help="the same")
    power.add_argument("--period", metavar="SECONDS", help="between the lines of a log without times (dcgmi dmon -d)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.analysis.quality import parse_quality
    from wattleak.archive.imported import Archive
    from wattleak.archive.judging import judge
    from wattleak.archive.reading import FORMATS, read, runs_of_logs
    from wattleak.archive.tables import TableOptions
    from wattleak.cli.terminal import style_for
    from wattleak.reports.imported import import_document, render_imported, render_imported_markdown, render_power

    if args.format is not None and args.format not in FORMATS:
        raise UsageError(f"there is no format {args.format!r}", "choose one of " + ", ".join(FORMATS))
    quality = None if args.quality is None else parse_quality(args.quality)
    columns = TableOptions(
        args.variant_column, args.order_column, tuple(args.metric or ()), None if quality is None else quality.metric
    )
    sources = [_source(word) for word in args.files]
    found = read(sources, args.format, columns, _period(args.period))
    logs: tuple[PowerLog, ...] = () if isinstance(found, Archive) else found
    energies = tuple(item for log in logs for item in _energies(log, getattr(args, "from"), args.to))
    archive = found if isinstance(found, Archive) else runs_of_logs(logs, energies)
    kind = archive.format if archive is not None else logs[0].format
    _refuse_idle(args, kind, compared=archive is not None)
    comparison = None
    if archive is not None:
        comparison = judge(
            archive,
            reference=args.reference,
            metric=args.primary,
            smallest_effect=_effect(args.smallest_effect),
            quality=quality,
        )
    if args.json:
        files = [str(source.path) for source in sources]
        print(json.dumps(import_document(kind, files, found=comparison, logs=logs, energies=energies)))
        return ExitCode.DONE
    if args.quiet:
        return ExitCode.DONE
    style = style_for(sys.stdout, args)
    if energies:
        shown = render_power(logs, energies, style=style)
        print(f"```\n{shown}\n```\n" if args.markdown else f"{shown}\n")
    if comparison is not None:
        print(render_imported_markdown(comparison) if args.markdown else render_imported(comparison, style=style))
    elif energies:
        print("One log shows a cost, not a saving. To compare, give a log for each run: A=FILE A=FILE B=FILE")
    return ExitCode.DONE


def _source(word: str) -> Source:
    from pathlib import Path

    from wattleak.archive.imported import Source

    name, equals, path = word.partition("=")
    if not equals or Path(word).exists():
        return Source(Path(word))
    if not name.strip() or not path:
        raise UsageError(f"cannot read {word!r}", "write FILE or VARIANT=FILE")
    return Source(Path(path), name.strip())


def _energies(log: PowerLog, begin: str | None, end: str | None) -> tuple[DeviceEnergy, ...]:
    from wattleak.archive.integration import device_energies

    return device_energies(log, _offset(log, begin, "--from"), _offset(log, end, "--to"))


def _offset(log: PowerLog, text: str | None, option: str) -> float | None:
    """Seconds since the first reading of the log."""
    from wattleak.archive.tables import moment_s

    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    moment = moment_s(text, option)
    if log.start is None or log.start == "0":
        raise UsageError(f"{option}: {log.source.path} has no dates", "give seconds from its start")
    return moment - moment_s(log.start, option)


def _refuse_idle(args: Namespace, kind: str, *, compared: bool) -> None:
    """An option that would do nothing for these files is an error, never silence."""
    from wattleak.archive.reading import POWER_FORMATS, TABLE_FORMATS

    idle = []
    if kind not in TABLE_FORMATS:
        idle += ["variant_column", "metric", "order_column", "quality"]
    if kind not in POWER_FORMATS:
        idle += ["from", "to", "period"]
    if not compared:
        idle += ["reference", "primary", "smallest_effect", "markdown"]
    given = [name for name in idle if getattr(args, name) is not None and getattr(args, name) is not False]
    if given:
        option = "--" + given[0].replace("_", "-")
        why = f"files of {kind} have no use for it" if compared else "one log without a variant is not compared"
        raise UsageError(f"{option} does nothing here: {why}", f"leave {option} out")


def _period(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise UsageError(f"--period {text!r} is no number of seconds above zero", "give seconds: --period 1")
    return value


def _effect(text: str | None) -> float:
    if text is None:
        return _SMALLEST_EFFECT
    percent = text.strip().endswith("%")
    try:
        value = float(text.strip().rstrip("%")) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        raise UsageError(f"--smallest-effect {text!r} is no fraction between 0 and 1", "write 0.02 or 2%")
    return value
