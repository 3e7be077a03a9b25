"""Tables and page of the cost bench, from what its parts kept."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks import page, peers

Result = dict[str, Any]
START_LIMIT_S, IDLE_LIMIT, MARK_LIMIT, EQUAL_LIMIT = 0.030, 0.0005, 0.005, 0.02


def show(part: str, result: Result) -> str:
    return "\n".join(f"   {' | '.join(line)}" for line in _lines(part, result))


def _lines(part: str, result: Result) -> list[list[str]]:
    return {"import": _imports, "start": _start, "idle": _idle, "marks": _marks, "beside": _beside, "training": _alone}[
        part
    ](result)


def _imports(result: Result) -> list[list[str]]:
    return [[peers.title(tool), f"{_ms(taken)}"] for tool, taken in result["seconds"].items()]


def _start(result: Result) -> list[list[str]]:
    lines = []
    for tool, runs in result["seconds"].items():
        parts = [[run[part] for run in runs] for part in range(3)]
        lines.append([peers.title(tool), *map(_ms, parts), _ms(first(runs)), _ms(again(runs))])
    return lines


def first(runs: list[list[float]]) -> list[float]:
    """Start and stop of the first tracker of a process, with what it imports only then."""
    return [run[1] + run[2] for run in runs]


def again(runs: list[list[float]]) -> list[float]:
    """Construct, start and stop of the second one."""
    return [sum(run[3:6]) for run in runs]


def _idle(result: Result) -> list[list[str]]:
    return [[peers.title(tool), f"{share:.4%}", f"{share * 3600:.2f} s"] for tool, share in result["share"].items()]


def _marks(result: Result) -> list[list[str]]:
    return [["`wattleak.step()`", f"{result['mark_s'] * 1e6:.2f} µs"]]


def _beside(result: Result) -> list[list[str]]:
    lines = []
    for pair in pairs(result["document"]):
        tool = pair["candidate"]
        found = [result["loop"][tool], pair["metrics"]["cpu_s"], pair["metrics"]["duration_s"]]
        lines.append([peers.title(tool), *map(_change, found), _said(pair["verdict"])])
    return lines


def _alone(result: Result) -> list[list[str]]:
    return [["wattleak", _change(result["loop"]), f"{result['loop']['blocks']} blocks"]]


def _said(verdict: str) -> str:
    return verdict.upper().replace("_", " ")


def pairs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry for each candidate: the first is the document itself."""
    found: list[dict[str, Any]] = document.get("comparisons") or [document]
    return found


def _change(found: dict[str, Any]) -> str:
    if found["change"] is None:
        return "-"
    if found["low"] is None:
        return f"{found['change']:+.2%}"
    return f"{found['change']:+.2%} ({found['low']:+.2%} to {found['high']:+.2%})"


def _ms(values: list[float]) -> str:
    return f"{median(values) * 1e3:.1f} ms ({min(values) * 1e3:.1f} - {max(values) * 1e3:.1f})"


def _table(header: list[str], lines: list[list[str]]) -> str:
    head = f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def step_s(result: Result) -> float:
    """Seconds of one training step without a tracker: the median of the runs that reported their loop."""
    return float(result["step_s"])


def targets(results: dict[str, Result]) -> list[list[str]]:
    runs = results["start"]["seconds"]["wattleak"]
    once_s, again_s = median(first(runs)), median(again(runs))
    share = results["idle"]["share"]["wattleak"]
    slower = results["marks"]["mark_s"] / step_s(results["training"])
    alone = results["training"]["loop"]
    equal = alone["low"] is not None and alone["low"] > -EQUAL_LIMIT and alone["high"] < EQUAL_LIMIT
    limit = f"{START_LIMIT_S * 1e3:.0f} ms"
    return [
        ["start and stop, first in a process", limit, f"{once_s * 1e3:.1f} ms", _met(once_s <= START_LIMIT_S)],
        ["start and stop, again", limit, f"{again_s * 1e3:.1f} ms", _met(again_s <= START_LIMIT_S)],
        ["CPU of the recorder at 1 Hz", f"{IDLE_LIMIT:.2%} of a core", f"{share:.4%}", _met(share <= IDLE_LIMIT)],
        [
            "slow-down of a step: cost per mark x marks per step",
            f"{MARK_LIMIT:.1%}",
            f"{slower:.3%} (one mark in a step of {step_s(results['training']) * 1e3:.1f} ms)",
            _met(slower <= MARK_LIMIT),
        ],
        [
            f"training loop with and without, by `wattleak compare`, {alone['blocks']} blocks",
            f"EQUAL within {EQUAL_LIMIT:.0%}",
            _change(alone),
            _met(equal),
        ],
    ]


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def write_page(results: dict[str, Result]) -> None:
    """docs/results/overhead.md."""
    versions = results["import"]["versions"]
    document = results["beside"]["document"]
    where = (
        "an emulated RAPL counter in mounts of their own, without a network"
        if results["start"]["emulated"]
        else "the meters of this machine"
    )
    nvml = _ms(results["start"]["nvml_s"])
    dates = ", ".join(f"{part} {result['date']}" for part, result in results.items())
    after = f"""## Import

What a user of each tool imports, net of a bare start of the same interpreter; fresh processes in turn, median (range).

{_table(["tool", "import"], _imports(results["import"]))}
## Start and stop

In fresh processes, with {where}. Some tools import only when they are constructed or started; "again" is a second
tracker in the same process, construction included.

{_table(["tool", "import and construct", "start", "stop", "start and stop", "again"], _start(results["start"]))}
Opening NVML is not in it, and takes, with a stand-in library that answers at once: {nvml}, most of it the import of
`pynvml`. A real driver takes longer to open; this machine has no GPU to measure that.

## CPU of the tracker

All processes of the tracker while the program under it sleeps, reading once a second, over
{results["idle"]["seconds"]:.0f} s; the CPU-seconds of an hour are scaled from that. Zeus reads at the edges of a window only.

{_table(["tool", "share of a core", "CPU-seconds an hour"], _idle(results["idle"]))}
## Training

A small convolutional network on the embedded images, {results["training"]["steps"]} steps of 64 images, one thread, with
and without each tracker, by `wattleak compare`: {document_blocks(document)} blocks in random order; change and interval.
"Loop" is the wall time of the training loop alone (95 %, paired by block). In the columns beside it each run counts
whole, from the start of its process to the end, with the imports and the start of the tracker and all processes that it
starts, at the level {pairs(document)[0]["level"]:.2%} that `compare` takes for so many candidates; the verdict is its
verdict on CPU time. wattleak's training marks every step with `wattleak.step()`
({results["marks"]["mark_s"] * 1e6:.1f} µs a mark) and starts a recorder of its own beside the one of the experiment.

{_table(["tool", "loop", "CPU time", "wall time", "verdict"], _beside(results["beside"]))}
wattleak alone against none, in {results["training"]["loop"]["blocks"]} blocks: loop {_change(results["training"]["loop"])}; \
whole run, with the first start of the recorder in it: CPU time {_change(pairs(results["training"]["document"])[0]["metrics"]["cpu_s"])}.

When the parts were run: {dates}.
"""
    page.write(
        "overhead",
        "What it costs to be measured",
        ", ".join(f"{peers.title(tool)} {version}" for tool, version in versions.items()) + ", side by side.",
        ["target of wattleak", "limit", "what came out", ""],
        targets(results),
        after,
    )


def document_blocks(document: dict[str, Any]) -> int:
    return int(pairs(document)[0]["metrics"]["cpu_s"]["blocks"])
