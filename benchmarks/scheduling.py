"""When does batching save energy, and does the claimed 31 % follow? A sweep of simulated fleets, paired by seed.

About two minutes on two cores. `python -m benchmarks scheduling` writes docs/results/scheduling.md.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import page
from wattleak.footprint.simulation.fleet import simulate
from wattleak.footprint.simulation.generator import Workload, draw_jobs
from wattleak.footprint.simulation.place import NEVER, Nodes, Site
from wattleak.footprint.simulation.policies import Kind, Options
from wattleak.footprint.simulation.profile import profile_of_region
from wattleak.footprint.simulation.summary import summarise

if TYPE_CHECKING:
    from wattleak.footprint.simulation.summary import Figure, PolicySummary

CLAIM = 0.31
SEEDS = range(1, 6)
JOBS = 800  # of each stream, on average
NODES, CORES, ACTIVE_W, LENGTH_S = 10, 4, 300.0, 300.0

LOADS = (0.005, 0.02, 0.1, 0.4, 0.8)
IDLE = (0.1, 0.4)  # idle power as a part of the power at work
START_S = (20.0, 180.0)  # at the power of a node at work
REST_S = (60.0, 600.0, NEVER)  # until a node is powered down
WINDOW_S = (300.0, 900.0, 3600.0)
MERGED = (1, 8)  # jobs of a launch in the large sweep: all at once, or eight after another on one core
SETUP = (0.0, 0.1, 0.25, 0.5, 1.0)  # of each launch, as a part of a job's own length
MERGE = (1, 2, 4, 16)
SWING = (0.1, 0.3, 0.6)
SLACK_H = (2, 6, 24)


@dataclass(frozen=True)
class Cell:
    """One fleet and one stream of jobs, as the sweep varies them."""

    kind: Kind = Kind.BATCHED
    load: float = 0.2
    idle: float = 0.4
    start_s: float = 180.0
    rest_s: float = 600.0
    window_s: float = 900.0
    setup: float = 0.0
    merge: int = 1
    swing: float = 0.0
    slack_h: float = 0.0


def play(cell: Cell) -> PolicySummary:
    """The policy of a cell against first-come, over all seeds."""
    nodes = Nodes(NODES, CORES, cell.idle * ACTIVE_W, ACTIVE_W, ACTIVE_W * cell.start_s, cell.start_s, cell.rest_s)
    sites = [Site("home", nodes, profile_of_region("DE", cell.swing))]
    per_day = cell.load * NODES * CORES / (LENGTH_S * (1 + cell.setup)) * 86_400
    days = max(JOBS / per_day, 2.0 if cell.slack_h else 0.5)
    workload = Workload(per_day, days, LENGTH_S, slack_s=3600.0 * cell.slack_h)
    options = Options(setup_s=cell.setup * LENGTH_S, window_s=cell.window_s, merge=cell.merge)
    streams = [
        simulate([Kind.FIRST_COME, cell.kind], sites, options, draw_jobs(workload, sites, seed)) for seed in SEEDS
    ]
    return summarise(streams)[1]


def run() -> None:
    sweep = [
        Cell(load=load, idle=idle, start_s=start, rest_s=rest, window_s=window, merge=merge)
        for load, idle, start, rest, window, merge in product(LOADS, IDLE, START_S, REST_S, WINDOW_S, MERGED)
    ]
    setups = [Cell(setup=setup, merge=merge) for setup, merge in product(SETUP, MERGE)]
    shifts = [
        Cell(Kind.SHIFTED_IN_TIME, swing=swing, slack_h=slack, load=load)
        for swing, slack, load in product(SWING, SLACK_H, (0.2, 0.5))
    ]
    cells = [*sweep, *setups, *shifts]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = dict(zip(cells, pool.map(play, cells, chunksize=4), strict=True))
    page.write(
        "scheduling",
        "Does batching save 31 %?",
        (
            f"A published table says that batching saves 31 % of the energy of jobs and says nothing of the fleet. Here it is "
            f"simulated (`wattleak simulate`; all numbers below are **simulated**): {NODES} nodes of {CORES} cores, {ACTIVE_W:.0f} W "
            f"with all cores at work, jobs of one core and {LENGTH_S:.0f} s on average (lognormal, sigma 1), Poisson arrivals, "
            f"{len(SEEDS)} streams of half a day or more and about {JOBS} jobs or more for each setting, the same ones with and without batching. Batched: jobs are "
            "held until a time (the window) after the first of them and go together, all at once or eight in a row on one core. Change of the whole energy (jobs, idle nodes, "
            "starts), 95 % interval over the streams. A job that finds no room has a node started. A start takes the stated time at the power of a node at work.\n\n"
            f"First table: idle power {Cell.idle:.0%} of the power at work, starts of {Cell.start_s:.0f} s, nodes powered down after "
            f"{Cell.rest_s / 60:.0f} minutes of rest."
        ),
        ["load", "batch", *(f"window {window / 60:.0f} min" for window in WINDOW_S), "mean wait at these windows"],
        [
            [
                f"{load:.1%}",
                "all at once" if merge == 1 else f"{merge} in a row on a core",
                *(_saving(each.changes["energy_j"]) for each in each_window),
                ", ".join(f"{each.figures['wait_mean_s'].value / 60:.0f}" for each in each_window) + " min",
            ]
            for load, merge in product(LOADS, MERGED)
            for each_window in [[found[Cell(load=load, window_s=window, merge=merge)] for window in WINDOW_S]]
        ],
        _after(found, sweep),
    )


def _after(found: dict[Cell, PolicySummary], sweep: list[Cell]) -> str:
    change = {cell: found[cell].changes["energy_j"] for cell in sweep}
    reaching = [cell for cell in sweep if _high(change[cell]) <= -CLAIM]
    saving = [cell for cell in sweep if _high(change[cell]) < 0]
    costing = [cell for cell in sweep if _low(change[cell]) > 0]
    best = min(sweep, key=lambda cell: change[cell].value)
    worst = max(sweep, key=lambda cell: change[cell].value)
    lines = [
        f"## All {len(sweep)} settings\n",
        (
            f"Load x idle power x start-up x rest x window x at once or in a row: batching saves in **{len(saving)}**, costs more in **{len(costing)}**, "
            f"and shows neither in {len(sweep) - len(saving) - len(costing)}. It saves 31 % or more (whole interval) in "
            f"**{len(reaching)} of {len(sweep)}**. Median change {median(each.value for each in change.values()):+.1%}; "
            f"best {_saving(change[best])} ({_words(best)}); worst {_saving(change[worst])} ({_words(worst)}).\n"
        ),
        "| by | value | median change | best | worst | settings that save 31 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, values, write in (
        ("load", LOADS, lambda value: f"{value:.1%}"),
        ("idle", IDLE, lambda value: f"{value:.0%} of the power at work"),
        ("start_s", START_S, lambda value: f"start of {value:.0f} s"),
        ("rest_s", REST_S, lambda value: "nodes always on" if value == NEVER else f"off after {value:.0f} s of rest"),
        ("window_s", WINDOW_S, lambda value: f"window of {value / 60:.0f} min"),
        ("merge", MERGED, lambda value: "all at once" if value == 1 else f"{value} in a row on a core"),
    ):
        for value in values:
            some = [cell for cell in sweep if getattr(cell, name) == value]
            changes = [change[cell].value for cell in some]
            lines.append(
                f"| {name.removesuffix('_s')} | {write(value)} | {median(changes):+.1%} | {min(changes):+.1%} | "
                f"{max(changes):+.1%} | {sum(cell in reaching for cell in some)} of {len(some)} |"
            )
    if reaching:
        lines += ["", "Settings that save 31 % or more: " + "; ".join(_words(cell) for cell in reaching[:40]) + "."]
    lines += ["", *_setups(found), "", *_shifts(found), "", *_answer(found, reaching, sweep)]
    return "\n".join(lines)


def _setups(found: dict[Cell, PolicySummary]) -> list[str]:
    lines = [
        "## Batches that share a set-up\n",
        (
            "Each launch has a set-up (imports, loading the model) that lasts a part of a job's own length and draws the same "
            "power; jobs of one launch run one after the other and pay it once. In brackets the part of the jobs' and set-ups' own "
            "joules that sharing can save at most: set-up / (set-up + job) x (1 - 1 / jobs of a launch).\n"
        ),
        f"| set-up | {' | '.join(f'{merge} jobs a launch' for merge in MERGE)} |",
        f"|---|{'---|' * len(MERGE)}",
    ]
    for setup in SETUP:
        cells = []
        for merge in MERGE:
            change = found[Cell(setup=setup, merge=merge)].changes["energy_j"]
            cells.append(f"{_saving(change)} ({setup / (1 + setup) * (1 - 1 / merge):.0%})")
        lines.append(f"| {setup:.0%} | {' | '.join(cells)} |")
    return lines


def _shifts(found: dict[Cell, PolicySummary]) -> list[str]:
    lines = [
        "## Shifting to greener hours\n",
        (
            "Germany's yearly average with an assumed daily cosine (±10 %, ±30 %, ±60 %), all jobs may wait so long. Change of CO2e, "
            "idle nodes and starts included.\n"
        ),
        "| load | slack | ±10 % | ±30 % | ±60 % | energy at ±30 % |",
        "|---|---|---|---|---|---|",
    ]
    for load, slack in product((0.2, 0.5), SLACK_H):
        cells = [found[Cell(Kind.SHIFTED_IN_TIME, swing=swing, slack_h=slack, load=load)] for swing in SWING]
        lines.append(
            f"| {load:.0%} | {slack} h | {' | '.join(_saving(cell.changes['carbon_g']) for cell in cells)} | "
            f"{_saving(cells[1].changes['energy_j'])} |"
        )
    return lines


def _answer(found: dict[Cell, PolicySummary], reaching: list[Cell], sweep: list[Cell]) -> list[str]:
    always_on = [found[cell].changes["energy_j"].value for cell in sweep if cell.rest_s == NEVER]
    busy = [found[cell].changes["energy_j"].value for cell in sweep if cell.load >= 0.4]
    shared = [
        cell
        for cell in (Cell(setup=setup, merge=merge) for setup, merge in product(SETUP, MERGE))
        if _high(found[cell].changes["energy_j"]) <= -CLAIM
    ]
    least = {merge: CLAIM / (1 - 1 / merge) / (1 - CLAIM / (1 - 1 / merge)) for merge in MERGE if merge > 1}
    where = (
        f"; all of those have a load of {max(cell.load for cell in reaching):.1%} or less and nodes that are powered down, and jobs "
        f"wait {min(_minutes(found[cell]) for cell in reaching):.0f} to {max(_minutes(found[cell]) for cell in reaching):.0f} minutes on average"
        if reaching
        else ""
    )
    return [
        "## The answer\n",
        (
            f"31 % is no property of batching. Holding jobs back saves that much in {len(reaching)} of {len(sweep)} settings{where}. Where "
            f"nodes are always on it changes the energy by {min(always_on):+.2%} to {max(always_on):+.2%}: what a node draws at rest is "
            f"paid anyway. From 40 % load on it changes it by {min(busy):+.1%} to {max(busy):+.1%}. Where a batch starts many nodes at once "
            "that its longest jobs then keep on, it costs more than it saves: first-come on well-filled nodes is hard to beat. "
            "Other ways to batch (longer rows, fewer nodes than a batch asks for, backfilling) were not tried; another grid of settings "
            "gives another count.\n"
        ),
        (
            "Sharing set-ups saves 31 % nowhere in the table above."
            if not shared
            else f"Sharing set-ups saves 31 % or more where a set-up lasts at least {min(cell.setup for cell in shared):.0%} of the job "
            "itself (in the table above, packing included). By the formula, of the jobs' own joules, it takes a set-up of "
            + ", ".join(f"{part:.0%} of the job with {merge} jobs a launch" for merge, part in least.items())
            + f", and {CLAIM / (1 - CLAIM):.0%} with endless batches."
        ),
        "",
        (
            "The published figure names neither load, nor idle power, nor start-up, nor set-up. It does not follow from batching as such; "
            "it can be had on a fleet that suits it. `wattleak simulate` with your own numbers gives yours."
        ),
    ]


def _minutes(summary: PolicySummary) -> float:
    return summary.figures["wait_mean_s"].value / 60


def _words(cell: Cell) -> str:
    rest = "always on" if cell.rest_s == NEVER else f"rest {cell.rest_s:.0f} s"
    return (
        f"load {cell.load:.1%}, idle {cell.idle:.0%}, start {cell.start_s:.0f} s, {rest}, "
        f"window {cell.window_s / 60:.0f} min, {'at once' if cell.merge == 1 else 'in a row'}"
    )


def _saving(figure: Figure) -> str:
    return f"{figure.value:+.1%} [{_low(figure):+.1%}, {_high(figure):+.1%}]".replace("%", " %")


def _low(figure: Figure) -> float:
    assert figure.low is not None
    return figure.low


def _high(figure: Figure) -> float:
    assert figure.high is not None
    return figure.high
