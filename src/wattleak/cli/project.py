"""From the energy of one job to a day and a year of a fleet: kWh, CO2e, money and water, with intervals.

wattleak project 7f3a91c2 --jobs-per-day 1000 --region DE        # a stored run, several, or name:NAME
wattleak project 1f2e3d4c --jobs-per-day 1000                    # every variant of an experiment, and its saving
wattleak project --job '15 Wh ± 20%' --jobs-per-day 1M --pue 1.3 --price '0.30 EUR'
wattleak project --scenario lhc                                  # a TOML file, or one that is shipped
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from wattleak.cli.settings import Settings
    from wattleak.footprint.projected import Projection
    from wattleak.footprint.scenario import Scenario

SUMMARY = "project the energy of a job to a day and a year of a fleet"
_KINDS = ("job", "training", "inference")
_OF_KEY = "scenario_"  # in the parsed arguments: `pue` is a range here and one number where a machine is measured


def configure(parser: ArgumentParser) -> None:
    from wattleak.footprint.scenario_table import KEYS, LISTS

    parser.add_argument("ids", nargs="*", metavar="ID", help="stored runs of one program, name:NAME, or an experiment")
    parser.add_argument("--as", dest="as_", choices=_KINDS, default="job", help="what a stored run is (default: job)")
    parser.add_argument(
        "--scenario", action="append", default=[], metavar="FILE", help="TOML file of scenarios, or a shipped one: lhc"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these scenarios of the file alone")
    parser.add_argument("--seed", type=int, default=0, help="seed of the Monte Carlo draws (default: 0)")
    parser.add_argument("--html", metavar="FILE", help="write the page with its charts to a file")
    group = parser.add_argument_group("what is projected; these go before the keys of a scenario file")
    for key, text in KEYS.items():
        more: dict[str, Any] = {"action": "append"} if key in LISTS else {}
        group.add_argument(f"--{key.replace('_', '-')}", dest=_OF_KEY + key, metavar="X", help=text, **more)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.cli.terminal import style_for
    from wattleak.footprint.outlook import project
    from wattleak.reports.projection import render_projections
    from wattleak.reports.projection_document import projection_document

    if args.seed < 0:
        raise UsageError(f"a seed of {args.seed} cannot be", "--seed 0, or any whole number above it")
    projections = [project(scenario, args.seed) for scenario in _scenarios(args)]
    if args.html:
        _write_page(args, projections)
    if args.json:
        print(json.dumps(projection_document(projections)))
    elif not args.quiet:
        print(render_projections(projections, style=style_for(sys.stdout, args)))
    if args.html and not args.json and not args.quiet:
        print(f"Wrote {args.html}")
    return ExitCode.DONE


def _write_page(args: Namespace, projections: list[Projection]) -> None:
    from pathlib import Path

    from wattleak.cli.report import write
    from wattleak.reports.projection_html import render_projection_html

    write(Path(args.html), render_projection_html(projections))


def _scenarios(args: Namespace) -> Iterator[Scenario]:
    from wattleak.cli.project_sources import Stored, tables_of_ids
    from wattleak.cli.settings import Settings
    from wattleak.footprint.changes import whole_scenario
    from wattleak.footprint.scenario_file import merged

    asked = _asked(args)
    tables = _tables_of_files(args)
    stored = Stored(args)
    if args.ids:
        if tables:
            raise UsageError(
                "stored runs and a scenario file are both given", 'write job = "run:ID" into the file\'s tables'
            )
        tables = tables_of_ids(args, stored)
    if not args.scenario:  # a scenario file says where it plays; what is set for this machine does not enter it
        place = place_of(Settings.resolve(args))
        tables = {name: merged(place, table) for name, table in (tables or {"stated": {"title": "as stated"}}).items()}
    for name, table in tables.items():
        yield whole_scenario(name, merged(table, asked), stored.work, stored.changes)


def _asked(args: Namespace) -> dict[str, Any]:
    from wattleak.footprint.scenario_table import KEYS

    return {key: value for key in KEYS if (value := getattr(args, _OF_KEY + key)) is not None}


def place_of(settings: Settings) -> dict[str, Any]:
    """What is configured of this place, as keys of a scenario."""
    names = ("region", "pue", "price", "wue", "grid_water")
    return {name: value for name in names if (value := getattr(settings, name)) is not None}


def _tables_of_files(args: Namespace) -> dict[str, dict[str, Any]]:
    from difflib import get_close_matches

    from wattleak.footprint.scenario_file import read_scenarios

    tables: dict[str, dict[str, Any]] = {}
    for file in args.scenario:
        found = read_scenarios(file)
        if twice := tables.keys() & found.keys():
            raise UsageError(f"two scenarios are called {min(twice)!r}", "rename one of them")
        tables |= found
    for name in args.only:
        if name not in tables:
            near = get_close_matches(name, tables, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(tables) or 'none'}"
            raise UsageError(f"there is no scenario {name!r}", hint)
    return {name: table for name, table in tables.items() if not args.only or name in args.only}
