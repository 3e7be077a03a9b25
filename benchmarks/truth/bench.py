"""The truth bench: the same scripted joules through wattleak and its peers, and how often wattleak's range holds.

    python -m benchmarks truth [--quick] [--only short|long|ranges]... [--tool NAME]... [--refresh]

Three parts. `short`: windows of 0.1 and 1 s, one tool at a time. `long`: 10 and 60 s, all at once, for they mostly
sleep. `ranges`: 500 windows of random length through wattleak alone. Each part keeps its result in the cache folder;
docs/results/truth.md is written when all three parts have been run in full, by whatever run completes them.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from datetime import UTC, datetime

from benchmarks import peers
from benchmarks.truth import results
from benchmarks.truth.results import SOURCES, Row
from benchmarks.truth.signals import SIGNALS
from benchmarks.truth.stage import Client, Stage, private_mounts

SHORT_WRAP_J, LONG_WRAP_J = 150.0, 9000.0  # at 90 W: a wrap every 1.7 s, and one within the window of 60 s
SEED = 20260101
STATE = peers.CACHE / "truth"


def run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks truth")
    parser.add_argument("--quick", action="store_true", help="few windows, no page: to see that it works")
    parser.add_argument("--only", action="append", choices=tuple(PARTS), help="run this part; may be repeated")
    parser.add_argument("--tool", action="append", choices=peers.TOOLS, help="only this tool; no page")
    parser.add_argument("--refresh", action="store_true", help="install the newest releases of the peers anew")
    asked = parser.parse_args(arguments)
    why_not = private_mounts()
    versions = {"wattleak": "this one"} if asked.tool == ["wattleak"] or why_not else peers.prepare(asked.refresh)
    tools = ["wattleak"] if why_not else [t for t in peers.usable(versions) if not asked.tool or t in asked.tool]
    if why_not:
        print(f"the peers cannot be shown the emulated machine here: {why_not}", flush=True)
    print(", ".join(f"{peers.title(tool)} {version}" for tool, version in versions.items()), flush=True)
    full = not asked.quick and not asked.tool and not why_not
    for part in asked.only or PARTS:
        started_s = time.monotonic()
        result = PARTS[part](tools, asked.quick, why_not is None)
        result |= {"versions": versions, "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
        print(f"-- {part}: {time.monotonic() - started_s:.0f} s", flush=True)
        print(SHOW[part](result), flush=True)
        STATE.mkdir(parents=True, exist_ok=True)
        if full:
            (STATE / f"{part}.json").write_text(json.dumps(result), encoding="utf-8")
    kept = {part: STATE / f"{part}.json" for part in PARTS}
    missing = [part for part, path in kept.items() if not path.exists()]
    if not full:
        print("no page: that needs a full run")
    elif missing:
        print(f"no page yet: parts that were not run in full: {', '.join(missing)}")
    else:
        results.write_page({part: json.loads(path.read_text(encoding="utf-8")) for part, path in kept.items()})


# -- the parts ---------------------------------------------------------------------------------------------------------


def short(tools: list[str], quick: bool, private: bool) -> Row:
    dice = random.Random(SEED)
    with Stage(SHORT_WRAP_J) as stage:
        rows: list[Row] = []
        for number, signal in enumerate(SIGNALS):
            print(f"   {signal.name}: {', '.join(tools)}", flush=True)
            clients = []
            for tool in tools:
                repeats = ((1.0, 2), (0.1, 3)) if quick else ((1.0, 6), (0.1, 14))
                lengths = [length_s for length_s, times in repeats for _ in range(times)]
                clients.append(Client(tool, number, [(dice.uniform(0.03, 0.2), s) for s in lengths], private))
                clients[-1].start(stage)
            for client in clients:
                client.wait_ready()
            for client in clients:  # one at a time: two cores are few
                if client.failure is None:
                    client.go()
                rows += _rows(client, stage)
    return _checked(rows, stage)


def long(tools: list[str], quick: bool, private: bool) -> Row:
    lengths = (3.0,) if quick else (60.0, 10.0, 10.0)
    dice = random.Random(SEED + 1)
    with Stage(LONG_WRAP_J) as stage:
        print(f"   {len(SIGNALS)} signals x {len(tools)} tools at once: {sum(lengths):.0f} s and more", flush=True)
        clients = [
            Client(tool, number, [(dice.uniform(0.1, 1.0), s) for s in lengths], private)
            for number in range(len(SIGNALS))
            for tool in tools
        ]
        for client in clients:
            client.start(stage)
            client.wait_ready()
        for client in clients:
            if client.failure is None:
                client.go()
        rows = [row for client in clients for row in _rows(client, stage)]
    return _checked(rows, stage)


def ranges(_tools: list[str], quick: bool, private: bool) -> Row:
    """Random windows through wattleak: all signals at once, a window at a random moment of a random length."""
    dice = random.Random(SEED + 2)
    each = 6 if quick else math.ceil(500 / (len(SIGNALS) - 1))
    with Stage(SHORT_WRAP_J) as stage:
        print(f"   {each} windows on each of {len(SIGNALS)} signals", flush=True)
        clients = []
        for number in range(len(SIGNALS)):
            windows = [(dice.uniform(0.01, 0.3), math.exp(dice.uniform(math.log(0.05), 0.7))) for _ in range(each)]
            clients.append(Client("wattleak", number, windows, private))
            clients[-1].start(stage)
            clients[-1].wait_ready()
        for client in clients:
            if client.failure is None:
                client.go()
        rows = [row for client in clients for row in _rows(client, stage)]
    return _checked(rows, stage)


def _rows(client: Client, stage: Stage) -> list[Row]:
    """The answers of a client beside the truth."""
    answers = client.answers() if client.failure is None else []
    base = {"tool": client.tool, "signal": client.number}
    if client.failure is not None:
        print(f"   {client.tool} on {SIGNALS[client.number].name}: {client.failure}", flush=True)
        return [base | {"length_s": length_s, "error": client.failure} for _, length_s in client.windows]
    rows: list[Row] = []
    for (_, length_s), answer in zip(client.windows, answers, strict=True):
        row = base | {"length_s": length_s, **answer}
        for source, (_, scale, period_s) in SOURCES.items():
            for name, (start_s, end_s) in {"true": (answer["start"], answer["end"])}.items() | (
                {"edge_true": tuple(answer["edges"])}.items() if "edges" in answer else set()
            ):
                row[f"{source}_{name}_j"] = scale * _energy(client.number, stage, start_s, end_s)
            if "edges" in answer:
                row[f"{source}_explained_j"] = scale * explained(client.number, stage, answer["edges"], period_s)
        rows.append(row)
    return rows


def _energy(number: int, stage: Stage, start_s: float, end_s: float) -> float:
    signal = SIGNALS[number]
    return signal.energy_j(end_s - stage.zero_s) - signal.energy_j(start_s - stage.zero_s)


def explained(number: int, stage: Stage, edges: list[float], period_s: float) -> float:
    """What reading explains: the half-width that holds 95 % of the errors of this very window, were the counter's
    updates to fall at any moment of their period.
    """
    steps = [(step + 0.5) / 40 * period_s for step in range(40)]
    behind = [[_energy(number, stage, edge_s - step_s, edge_s) for step_s in steps] for edge_s in edges]
    errors = sorted(abs(first_j - last_j) for first_j in behind[0] for last_j in behind[1])
    return errors[int(0.95 * len(errors))]


def _checked(rows: list[Row], stage: Stage) -> Row:
    """Set aside the windows at whose edges the emulator itself was late, and say how many."""
    kept = [row for row in rows if "error" in row or not (stage.late(row["start"]) or stage.late(row["end"]))]
    return {"rows": kept, "set_aside": len(rows) - len(kept), "emulator": stage.report}


PARTS = {"short": short, "long": long, "ranges": ranges}
SHOW = {"short": results.show_table, "long": results.show_table, "ranges": results.show_coverage}
