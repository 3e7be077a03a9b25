"""Tables and page of the truth bench, from the rows that its parts kept."""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks import page, peers
from benchmarks.truth.signals import GPU_SCALE, SIGNALS

Row = dict[str, Any]
SOURCES = {
    "cpu": ("CPU: a counter that moves every millisecond", 1.0, 0.001),
    "gpu": ("GPU: a counter that moves every 100 ms", GPU_SCALE, 0.1),
}
"""Source -> (what it is, times the signal, update period in seconds)."""


def error_of(row: Row, source: str) -> float | None:
    if f"{source}_j" not in row:
        return None
    return float(row[f"{source}_j"] / row[f"{source}_true_j"] - 1)


def table(results: list[Row], source: str) -> tuple[list[str], list[list[str]]]:
    """A line for each signal and length, a column for each tool: true, reported, error of its median window."""
    rows = [row for result in results for row in result["rows"]]
    tools = [tool for tool in peers.TOOLS if any(row["tool"] == tool for row in rows)]
    lines = []
    for number, signal in enumerate(SIGNALS):
        for length_s in sorted({row["length_s"] for row in rows}):
            cells = []
            for tool in tools:
                here = [r for r in rows if (r["tool"], r["signal"], r["length_s"]) == (tool, number, length_s)]
                cells.append(_cell(here, source))
            lines.append([signal.name, f"{length_s:g} s", *cells])
    return ["signal", "window", *(f"{peers.title(tool)}: true, reported (error; worst)" for tool in tools)], lines


def _cell(rows: list[Row], source: str) -> str:
    read = ((abs(error), error, row) for row in rows if (error := error_of(row, source)) is not None and row)
    found = sorted(read, key=lambda item: item[:2])
    refused = [row["error"] for row in rows if "error" in row]
    if not found:
        return _shorten(refused[0]) if refused else "no figure"
    _, error, row = found[(len(found) - 1) // 2]
    text = f"{row[f'{source}_true_j']:.2f} J, {row[f'{source}_j']:.2f} J ({error:+.2%}; {found[-1][1]:+.2%})"
    missing = len(rows) - len(found)
    return text + (f"; no figure for {missing} of {len(rows)}" if missing else "")


def _shorten(text: str, most: int = 90) -> str:
    text = text.replace("|", "/").replace("\n", " ")
    return text if len(text) <= most else text[: most - 1] + "…"


def coverage(rows: list[Row], source: str) -> dict[str, float]:
    """How often the truth between the moments of reading lay in the part of the range that reading explains."""
    read = [row for row in rows if f"{source}_resolution_j" in row]
    held = [abs(row[f"{source}_j"] - row[f"{source}_edge_true_j"]) <= row[f"{source}_resolution_j"] for row in read]
    whole = [row[f"{source}_low_j"] <= row[f"{source}_true_j"] <= row[f"{source}_high_j"] for row in read]
    stated = sum(row[f"{source}_resolution_j"] for row in read)
    return {
        "windows": len(read),
        "asked": len(rows),
        "held": sum(held) / len(read) if read else math.nan,
        "whole": sum(whole) / len(read) if read else math.nan,
        "width": stated / sum(row[f"{source}_explained_j"] for row in read) if read else math.nan,
    }


def readable(rows: list[Row]) -> list[Row]:
    """Without the signal whose readings fail: what a reading that is not there explains, no source resolves."""
    return [row for row in rows if SIGNALS[row["signal"]].dropped is None]


def coverage_table(result: Row) -> tuple[list[str], list[list[str]]]:
    lines = []
    for source, (name, _, _) in SOURCES.items():
        for number, signal in [*enumerate(SIGNALS), (None, None)]:
            rows = [row for row in result["rows"] if row["signal"] == number] if signal else readable(result["rows"])
            found = coverage(rows, source)
            lines.append(
                [
                    name.partition(":")[0],
                    "**all but dropped readings**" if signal is None else signal.name,
                    f"{found['windows']} of {found['asked']}",
                    f"{found['held']:.1%}",
                    f"{found['width']:.2f}",
                    f"{found['whole']:.1%}",
                ]
            )
    header = ["source", "signal", "windows with a figure", "truth in the resolution range", "width", "in the whole"]
    return header, lines


def _text(header: list[str], lines: list[list[str]]) -> str:
    head = f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def show_table(result: Row) -> str:
    return "\n".join(f"{name}\n{_text(*table([result], source))}" for source, (name, _, _) in SOURCES.items())


def show_coverage(result: Row) -> str:
    return _text(*coverage_table(result))


def targets(results: dict[str, Row]) -> list[list[str]]:
    """The targets of wattleak and what came out, over all signals but the one whose readings fail.

    A window of 0.1 s with an edge in a spike is off by up to a millisecond of it, which no reader can help: the limit
    is for 95 % of the windows, as the range is, and the worst is shown.
    """
    rows = [row for part in ("short", "long") for row in readable(results[part]["rows"]) if row["tool"] == "wattleak"]
    lines = []
    for what, least_s, most_s, limit in (
        ("error of windows of 1 s and more, CPU counter", 1.0, 1e9, 0.005),
        ("error of windows of 0.1 s, CPU counter", 0.0, 1.0, 0.02),
    ):
        asked = [row for row in rows if least_s <= row["length_s"] < most_s]
        errors = sorted(abs(error) for row in asked if (error := error_of(row, "cpu")) is not None)
        most = errors[math.ceil(0.95 * len(errors)) - 1] if errors else math.inf
        met = len(errors) == len(asked) and most <= limit
        seen = (
            f"median {statistics.median(errors):.2%}, 95 % within {most:.2%}, worst {errors[-1]:.2%} of {len(asked)}"
            if errors
            else "no figure"
        )
        lines.append([what, f"{limit:.1%}", seen, "met" if met else "**missed**"])
    for source, (name, _, _) in SOURCES.items():
        found = coverage(readable(results["ranges"]["rows"]), source)
        lines.append(
            [
                f"truth inside the range, {name.partition(':')[0]}",
                "at least 93 %",
                f"{found['held']:.1%} of {found['windows']} windows",
                "met" if found["held"] >= 0.93 and found["windows"] == found["asked"] else "**missed**",
            ]
        )
        lines.append(
            [
                f"width of the range over what reading explains, {name.partition(':')[0]}",
                "at most 2",
                f"{found['width']:.2f}",
                "met" if found["width"] <= 2 else "**missed**",
            ]
        )
    return lines


def write_page(results: dict[str, Row]) -> None:
    """docs/results/truth.md from the results of the three parts."""
    both = [results["short"], results["long"]]
    versions = results["short"]["versions"]
    emulators = [result["emulator"] for result in results.values()]
    dates = ", ".join(f"{part} {result['date']}" for part, result in results.items())
    signals = "\n".join(f"- {signal.name}: {signal.what}" for signal in SIGNALS)
    tables = "\n".join(f"### {name}\n\n{_text(*table(both, source))}" for source, (name, _, _) in SOURCES.items())
    after = f"""## Each tool beside the truth

In each cell: true joules, reported joules, in brackets the error of that window, which is the one with the median error,
and the worst error of all windows of that kind. Each tool measures windows of its own, so the true joules differ.

{tables}
## How often the range holds

Windows of 0.05 to 2 s at random moments. "Resolution range": the part of wattleak's range that reading a counter
explains (`resolution_j`), against the truth between the moments of reading. "Width": its half-width over the half-width
that holds 95 % of the errors when the counter's updates fall at any moment, worked out from the script. "In the whole":
the range as users see it, with the accuracy of the source, against the truth between the program's own edges.

{_text(*coverage_table(results["ranges"]))}
## How it was done

Signals of the CPU (the GPU draws {GPU_SCALE:g} times as much):

{signals}

A separate process rewrites an emulated powercap tree every millisecond with the exact energy of that moment; its own
lateness: median {statistics.median(e["median_s"] for e in emulators) * 1e3:.2f} ms, 99 % within
{max(e["p99_s"] for e in emulators) * 1e3:.2f} ms, worst {max(e["max_s"] for e in emulators) * 1e3:.1f} ms. Windows at
whose edges it was late by more than 2 ms are set aside: {sum(result["set_aside"] for result in results.values())}. The
GPU is a stand-in libnvidia-ml.so.1 whose energy counter and power move every 100 ms; every tool calls it through its
usual library. Each tool sees the tree at /sys/class/powercap, in mounts of its own, without a network. The truth is the
integral of the script between two readings of CLOCK_MONOTONIC: one after the tool said that the window is open, one
before it was asked to close it.

- wattleak: a `with wattleak.measure()` inside another. Whoever reads is another process; in "stalled reader" that
  process is stopped by a signal, and the program keeps Python's lock, for a third of the window (at most 5 s).
- CodeCarbon: `start_task`/`stop_task` of one tracker, `measure_power_secs=1`. RAM, which it models, is not in the figure.
- Zeus: `begin_window`/`end_window` of one monitor, `approx_instant_energy=True`.
- carbontracker: one epoch for each window. It is made for epochs of minutes: its reading of the CPU takes a second. The
  figure is the one before its PUE. An epoch of which it says that it was too short to be read has no figure.
- For these three "stalled reader" means that the program keeps Python's lock for a third of the window (at most 5 s).

When the parts were run: {dates}.
"""
    page.write(
        "truth",
        "The truth bench",
        "Scripted power, of which every joule is known, measured by "
        + ", ".join(f"{peers.title(tool)} {version}" for tool, version in versions.items())
        + ", through the same emulated counters.",
        ["target of wattleak", "limit", "what came out", ""],
        targets(results),
        after,
    )
