"""Write docs/explanation/worked-example-published-runs.md from the published runs.

    python tools/make_published_runs_page.py FOLDER [PAGE]

FOLDER holds `smell1_experiment.csv` and `smell2_experiment.csv`, the published runs of the study "Hidden ML Cost -
Milestone 1" (10 runs of a baseline and 10 of a program with one smell each; a CNN on CIFAR-10 in TensorFlow). The
files state no licence and are not part of this repository; figures from them are quoted with their source. Every number of the
page is computed here, and every statement in words is checked before it is written.
"""

# ruff: noqa: E501 - it writes a page of prose

from __future__ import annotations

import hashlib
import math
import statistics
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.analysis.unpaired import unpaired_change
from wattleak.analysis.verdict import decide
from wattleak.archive.imported import Archive, RunOrder, Source
from wattleak.archive.judging import ImportedComparison, judge
from wattleak.archive.reading import read
from wattleak.archive.tables import TableOptions
from wattleak.archive.weaknesses import follows, ratio_spread
from wattleak.model import MetricComparison, QualityState, Verdict
from wattleak.reports import units, words

if TYPE_CHECKING:
    from wattleak.analysis.effect import Change

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "worked-example-published-runs.md"
FILES = ("smell1_experiment.csv", "smell2_experiment.csv")
SMALLEST_EFFECT = 0.02


def main(folder: Path, page: Path = PAGE) -> None:
    """Analyse both files and write the page."""
    first, second = (_judge(folder / name) for name in FILES)
    page.write_text(_reflowed(_page(folder, first, second)), encoding="utf-8")


def _judge(path: Path) -> ImportedComparison:
    archive = read([Source(path)], None, TableOptions())
    assert isinstance(archive, Archive)
    return judge(archive, smallest_effect=SMALLEST_EFFECT)


def _page(folder: Path, first: ImportedComparison, second: ImportedComparison) -> str:
    one, two = _metrics(first), _metrics(second)
    # What the words below say. If the files were others, this would not be written.
    assert first.order is second.order is RunOrder.SEQUENTIAL
    assert _verdict(one["train_time_s"]) is Verdict.COSTS_MORE
    assert _verdict(one["train_energy_j"]) is Verdict.NOT_ENOUGH_RUNS
    assert _verdict(one["eval_time_s"]) is Verdict.EQUAL
    assert {_verdict(two[name]) for name in ("train_time_s", "train_energy_j", "eval_time_s", "eval_energy_j")} == {
        Verdict.NOT_ENOUGH_RUNS
    }
    assert {_verdict(two[name]) for name in ("cpu_peak_train_b", "cpu_peak_eval_b")} == {Verdict.COSTS_MORE}
    assert first.pairs[0].quality.state is QualityState.IDENTICAL
    assert second.pairs[0].quality.state is QualityState.WORSE
    assert "train_energy_j" not in follows(first.archive)
    assert one["eval_energy_j"].low is None
    assert one["eval_co2_g"].low is None
    assert follows(second.archive)["train_energy_j"] == "train_time_s"
    counts = {number for found in (first, second) for number in found.runs.values()}
    assert len(counts) == 1
    halves = _halves(first.archive, "base", "train_time_s")
    assert 0.0 < (halves.change or 0.0) < (one["train_time_s"].change or 0.0)
    quality = second.pairs[0].quality
    accuracy = units.figures((quality.reference or math.nan, quality.candidate or math.nan))
    difference = " ".join(units.difference(quality.difference or 0.0, quality.low, quality.high))
    spread = ratio_spread(second.archive, "train_energy_j", "train_time_s")
    assert spread is not None
    co2 = [_factor(found.archive) for found in (first, second)]
    return f"""# Worked example: runs that somebody published

<!-- Made by tools/make_published_runs_page.py; do not edit. Every number is computed from the two files. -->

Two tables of the study "Hidden ML Cost - Milestone 1" hold {counts.pop()} runs of a baseline and as many of the same
program with one smell: a CNN trained on CIFAR-10 with TensorFlow, energy by CodeCarbon. The files state no licence and
are not shipped with wattleak; what follows are figures quoted from them. Put them into a folder and type

```
wattleak import {FILES[0]}
wattleak import {FILES[1]}
```

The columns are recognised by the units that end their names, the variants by the column `variant`, the quality by
`test_accuracy`. The first metric, energy of the training, decides; `--primary train_time_s` lets another one decide. Below,
the verdict is given for each metric, at a smallest effect of {units.margin(SMALLEST_EFFECT)}. That is reading with hindsight:
{len(one)} metrics were looked at, no plan named one before the runs, and that at least one of {len(one)} intervals of 95 % misses
the truth happens more often than 5 % of the time. All are graded *observed*, and no import ever gets a higher grade.

## The first file

{_table(first)}

- **There is an effect on the time of the training**: {_range(one["train_time_s"])}. A run with the smell is the slower one
  with probability A12 = {_a12(one["train_time_s"])}.
- **There is no effect to be seen on its energy**: {_range(one["train_energy_j"])}, which allows a saving as well as a cost.
  More time at unchanged energy is odd; [below](#energy-against-time) is what that energy was.
- **Evaluation takes the same time**, {_range(one["eval_time_s"])}. Its energy was written in steps of
  {_step(first.archive, "eval_energy_j")} J at a median of {statistics.median(_all(first.archive, "eval_energy_j")):.3g} J, and its CO2 is the same number
  in every run: these columns can show nothing, and no interval is given for them.
- **Accuracy is the same number, {first.pairs[0].quality.reference:g}, in all {len(first.archive.runs)} runs.** The runs repeat one
  training with one seed. That is good for comparing cost, and says nothing of another seed.

## The second file

{_table(second)}

- **Neither time nor energy shows an effect**: training time {_range(two["train_time_s"])}, energy
  {_range(two["train_energy_j"])}. The medians are almost equal, and the runs with the smell are far apart:
  {_spread(second.archive, "smell2", "train_time_s")} against {_spread(second.archive, "baseline", "train_time_s")} of
  the baseline (longest over shortest). Those that stand out are named in the report and count: nothing is dropped by its value.
- **Peak memory is higher**: {_range(two["cpu_peak_train_b"])} in training, {_range(two["cpu_peak_eval_b"])} in evaluation. It is the
  one thing in this file that the noise does not hide; whether the smell or the later hour is the reason, the order hides.
- **Accuracy is worse**: {accuracy[0]} → {accuracy[1]}, difference {difference}. Even a saving would have been a trade-off; and a
  program whose result differs may not have done the same work.

## Energy against time

Energy divided by time is the mean power that was booked for a training:

{_power_table(first, second)}

In the second file it is {_watts(second.archive):.1f} W, from {min(_powers(second.archive)):.1f} to {max(_powers(second.archive)):.1f} W, whatever the run did (standard deviation of the
logarithm {100 * spread:.1f} %, while the times vary by {100 * _log_spread(_all(second.archive, "train_time_s")):.0f} %). A constant was booked:
**this energy is the time in another unit, and a second test of it is no second piece of evidence.** wattleak says so in
the column *origin* (`follows train_time_s; adds no evidence`).

In the first file the power falls from run to run within the baseline, from {_runs(first, "base")[0]:.1f} W in its first run to
{_runs(first, "base")[-1]:.1f} W in its last (Kendall's test finds that), with the same program and the same result. Whatever
moved it was not the smell. CO2 is energy times {co2[0]:.0f} and {co2[1]:.0f} g/kWh in the two files, so it is no finding of its own
either.

## What the order of the runs allows one to claim

In both files all runs of the baseline came first, then all runs of the smell. The first file can be asked what the mere
place in the order does: the second half of its *baseline* against the first half, where nothing was changed, differs in
training time by {_range(halves)}. The effect of the smell, {units.percent(one["train_time_s"].change or 0.0)}, is larger than that
and of the same kind. So the most that can be said is

> In these runs, on this machine, in this order, training with the smell took longer. That the smell is the reason cannot
> be told from a warmer machine, another user, or whatever made the baseline itself slower from run to run.

Other things the data do not carry: that the smell costs energy (first file), that it saves or costs anything (second
file), and that either would happen on another day.

## How to ask so that it can be answered

```
wattleak compare "python baseline.py" "python smell.py" --blocks 20 --quality accuracy:max:0.005
```

runs both variants in every block, in random order, each in a fresh process, so that what changes over the hours meets both
alike; measures energy where there is a counter and says so where there is none; and gives higher grades for more sessions.

Files: {_digests(folder)}.
"""


def _reflowed(page: str) -> str:
    """Paragraphs and list items in lines of at most 120 columns; tables, code and headings as they are."""
    blocks = []
    for block in page.split("\n\n"):
        if block.lstrip().startswith(("|", "`" * 3, "#", "<!--", ">")):
            blocks.append(block.strip("\n"))
            continue
        items = block.strip("\n").split("\n- ")
        marked = [item if place == 0 else f"- {item}" for place, item in enumerate(items)]
        lines = [
            textwrap.fill(
                " ".join(item.split()),
                120,
                subsequent_indent="  " if item.startswith("- ") else "",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for item in marked
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _metrics(found: ImportedComparison) -> dict[str, MetricComparison]:
    return dict(found.pairs[0].metrics)


def _verdict(metric: MetricComparison) -> Verdict:
    return decide(metric, SMALLEST_EFFECT)


def _table(found: ImportedComparison) -> str:
    pair = found.pairs[0]
    rows = [
        f"| | {pair.reference} | {pair.candidate} | change | 95 % interval | Brunner-Munzel p | verdict |",
        "|:--|--:|--:|--:|--:|--:|:--|",
    ]
    for metric in pair.metrics.values():
        before, after = units.same_unit((metric.reference, metric.candidate), words.unit(metric.name))
        change, interval = units.change_with_interval(metric.change or 0.0, metric.low, metric.high)
        p = "" if metric.p_value is None else units.probability(metric.p_value)
        said = words.VERDICTS[_verdict(metric)]
        if metric.derived_from is not None:
            said += f" (follows `{metric.derived_from}`)"
        rows.append(f"| {words.title(metric.name)} | {before} | {after} | {change} | {interval} | {p} | {said} |")
    quality = pair.quality
    before, after = units.figures((quality.reference or math.nan, quality.candidate or math.nan))
    change, interval = units.difference(quality.difference or 0.0, quality.low, quality.high)
    rows.append(f"| {quality.metric} | {before} | {after} | {change} | {interval} | | {quality.state.value} |")
    return "\n".join(rows)


def _range(metric: MetricComparison | Change) -> str:
    change, interval = units.change_with_interval(metric.change or 0.0, metric.low, metric.high)
    return f"{change} {interval}"


def _a12(metric: MetricComparison) -> str:
    assert metric.sizes is not None
    assert metric.sizes.a12 is not None
    return f"{metric.sizes.a12:.2f} [{metric.sizes.a12_low:.2f}, {metric.sizes.a12_high:.2f}]"


def _all(archive: Archive, metric: str) -> list[float]:
    return [run.values[metric] for run in archive.runs]


def _step(archive: Archive, metric: str) -> str:
    distinct = sorted(set(_all(archive, metric)))
    return f"{min(after - before for before, after in pairwise(distinct)):.3g}"


def _spread(archive: Archive, variant: str, metric: str) -> str:
    values = archive.values(variant, metric)
    return f"{max(values) / min(values):.2f} times"


def _log_spread(values: list[float]) -> float:
    return statistics.stdev(math.log(value) for value in values)


def _powers(archive: Archive) -> list[float]:
    return [run.values["train_energy_j"] / run.values["train_time_s"] for run in archive.runs]


def _watts(archive: Archive) -> float:
    return statistics.median(_powers(archive))


def _runs(found: ImportedComparison, variant: str) -> list[float]:
    return [
        power for power, run in zip(_powers(found.archive), found.archive.runs, strict=True) if run.variant == variant
    ]


def _power_table(*both: ImportedComparison) -> str:
    columns = [(variant, _runs(found, variant)) for found in both for variant in found.runs]
    rows = [
        "| run | " + " | ".join(name for name, _ in columns) + " |",
        "|--:|" + "--:|" * len(columns),
    ]
    for number, powers in enumerate(zip(*(values for _, values in columns), strict=True), start=1):
        rows.append(f"| {number} | " + " | ".join(f"{power:.1f} W" for power in powers) + " |")
    return "\n".join(rows)


def _halves(archive: Archive, variant: str, metric: str) -> Change:
    values = archive.values(variant, metric)
    half = len(values) // 2
    return unpaired_change(values[:half], values[half:], 0.95)


def _factor(archive: Archive) -> float:
    """Grams of CO2 for each kWh."""
    ratios = [run.values["train_co2_g"] / (run.values["train_energy_j"] / 3.6e6) for run in archive.runs]
    return statistics.median(ratios)


def _digests(folder: Path) -> str:
    return ", ".join(
        f"`{name}` (SHA-256 {hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16]}…)" for name in FILES
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
