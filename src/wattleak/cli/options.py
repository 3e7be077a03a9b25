"""Options that several verbs share, so that a name means the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.cli import protocol

if TYPE_CHECKING:
    from argparse import ArgumentParser


def add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no text, only what --json or the verb's exit code says"
    )
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours (default: auto)")


def add_store(parser: ArgumentParser) -> None:
    parser.add_argument("--store", metavar="DIR", help="folder of the store (default: .wattleak)")


def add_against(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--against",
        metavar="REF",
        help="hold one command against what it was: a git branch or commit, run beside it in a worktree; or stored "
        "runs: the id of a run or experiment, ID:VARIANT, name:NAME",
    )
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="PATH",
        help="with --against of a commit: a file or folder that git does not have, to be seen from its worktree too",
    )


def add_measuring(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("measuring")
    group.add_argument("--meters", metavar="NAMES", help="meters to use, by comma: rapl, nvml, cpu-model, replay:FILE")
    group.add_argument(
        "--idle-power",
        metavar="CHANNEL=WATTS",
        action="append",
        help="what a channel draws when the machine rests, for the share of this process tree",
    )
    group.add_argument(
        "--instance-type",
        metavar="TYPE",
        help="what the cloud calls this machine, as n2-standard-8, for a CPU without a counter",
    )
    group.add_argument("--interval", metavar="SECONDS", help="time between samples (default: as the meters need)")
    group.add_argument(
        "--region",
        metavar="PLACE",
        help="place for the carbon intensity: DE, US-CA, gcp:europe-west1, aws:eu-north-1, azure:westus2, world; "
        "auto asks the cloud that this machine runs in",
    )
    group.add_argument("--pue", metavar="RATIO", help="energy of the building over energy of the machine")
    group.add_argument(
        "--intensity",
        dest="stated_intensity",
        metavar="G_PER_KWH",
        help="the carbon intensity itself: 350, or '350 [300, 420]'",
    )
    group.add_argument(
        "--intensity-table",
        dest="stated_intensity_table",
        metavar="FILE",
        help="a table of your own for --region: CSV with region,g_per_kwh,low,high,year,source",
    )
    group.add_argument(
        "--provider",
        dest="stated_provider",
        metavar="NAME[:ZONE]",
        help="ask who publishes intensities by the hour: uk-carbon-intensity, electricity-maps:DE, watttime:ZONE",
    )


def add_footprint(parser: ArgumentParser) -> None:
    """What a run comes to besides joules: only what is stated here is computed."""
    group = parser.add_argument_group("footprint (nothing is assumed)")
    for name, metavar, text in (
        ("price", "MONEY", "of a kWh with its currency: '0.30 EUR', '0.25..0.40 EUR'"),
        ("wue", "LITRES", "water on site per kWh of the computers: 1.8, '0.2..1.8'"),
        ("grid-water", "LITRES", "water at the power station per kWh generated"),
        ("embodied", "KG", "emissions of making the device: '1200 kg', '900..1600 kg'"),
        ("device-life", "YEARS", "in which the device is used"),
        ("utilisation", "SHARE", "of its life in which it works for somebody (default: 1)"),
        ("device-share", "SHARE", "of the device that this run reserves (default: 1)"),
        ("sci", "UNITS", "Software Carbon Intensity per functional unit: '1000 prediction', run, step, sample"),
    ):
        group.add_argument(f"--{name}", dest=f"stated_{name.replace('-', '_')}", metavar=metavar, help=text)
    group.add_argument(
        "--equivalents",
        dest="stated_equivalents",
        action="store_true",
        default=None,
        help="emissions as km driven, coal burned, phones charged, trees grown (US EPA)",
    )


def add_experiment(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("experiment")
    group.add_argument(
        "-n",
        "--blocks",
        "--runs",
        dest="blocks",
        metavar="N",
        help="blocks: runs of each variant that count (default: 20)",
    )
    group.add_argument("--warmups", metavar="N", help="blocks that are run first and thrown away (default: 1)")
    group.add_argument(
        "--cooldown",
        metavar="SECONDS",
        help="rest before each run (default: 0); auto: until the machine is as cool and as idle as at the start",
    )
    group.add_argument("--seed", metavar="N", help="seed of order and training seeds (default: drawn and stored)")
    group.add_argument("--metric", metavar="NAME", help="primary metric (default: measured energy, else cpu_s)")
    group.add_argument(
        "--smallest-effect", metavar="X", help="a smaller change is called equal: 0.02 or 2%% (default: 2%%)"
    )
    group.add_argument(
        "--quality", metavar="METRIC[:max|min[:MARGIN]]", help="figure that must not get worse, as accuracy:max:0.005"
    )
    group.add_argument(
        "--quality-regex", metavar="REGEX", help="finds figures in the output: 'acc=(?P<accuracy>[0-9.]+)'"
    )
    group.add_argument(
        "--sessions",
        metavar="N",
        help="planned sessions of that many blocks, each on another boot, node or day (default: 1)",
    )
    group.add_argument(
        "--stop", choices=("pocock", "obrien-fleming"), help="end early at a planned look that decides (alpha is kept)"
    )
    group.add_argument(
        "--looks", metavar="N,N,...", help="complete blocks after which --stop looks (default: quarters)"
    )
    group.add_argument(
        "--eliminate", action="store_true", help="with --stop: a variant that a look shows to cost more is dropped"
    )
    group.add_argument("--add-session", action="store_true", help="with --resume: one session more than was planned")
    group.add_argument(
        "--order",
        choices=("random", "sequential"),
        help="sequential runs all of one variant before the next, as published work does; it proves nothing "
        "(default: random)",
    )
    group.add_argument(
        "--declare",
        action="append",
        default=[],
        metavar="KIND[:NAME]",
        help="what may differ besides the commands: packages, source, config, data, environment, python",
    )
    group.add_argument("--timeout", metavar="SECONDS", help="a run that takes longer is ended and does not count")
    group.add_argument(
        "--require",
        choices=("saving", "equal", "not-worse", "costs-more"),
        help="exit with 1 unless the verdict is this, with 4 when there are not enough runs to say",
    )
    group.add_argument(
        "--probes",
        action="store_true",
        help="send the agent of `measure` into every run too, and say which smells were seen (off: it costs a little)",
    )
    group.add_argument("--report", action="store_true", help="write the HTML report at the end, and say where")
    protocol.configure(parser)
    group.add_argument("--dry-run", action="store_true", help="print order, expected time and energy; run nothing")
