"""What numbers mean, in words: the same sentences for terminal, Markdown and page."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from wattleak.analysis.metrics import METRICS, per_name
from wattleak.experiment.factors import combinations
from wattleak.model import Direction, Grade, Order, Origin, QualityState, Verdict
from wattleak.reports import units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model import (
        Design,
        Measurement,
        MetricComparison,
        PairComparison,
        Plan,
        QualityComparison,
        Run,
        Variant,
    )

MEASURED = frozenset({Origin.COUNTER, Origin.SAMPLED})
VERDICTS = {
    Verdict.SAVING: "SAVING",
    Verdict.COSTS_MORE: "COSTS MORE",
    Verdict.EQUAL: "EQUAL",
    Verdict.NOT_ENOUGH_RUNS: "NOT ENOUGH RUNS",
    Verdict.TRADE_OFF: "TRADE-OFF",
}
GRADES = {
    Grade.OBSERVED: "it holds for these runs; another day, machine or data set may differ",
    Grade.CONFIRMED: "the same direction in at least three sessions",
    Grade.PROVED: "exact test over at least six sessions, with a measured primary metric",
}
ONE_RUN = "One run shows a cost, not a saving."
_ENERGIES = ("energy_j", "gpu_energy_j", "attributed_energy_j")
ENERGY_METRICS = (*_ENERGIES, *(per_name(name, per) for per in ("step", "sample") for name in _ENERGIES))

_TITLES = {metric.name: metric.title for metric in METRICS}
_PLACES = {metric.name: place for place, metric in enumerate(METRICS)}
_SI_ENDINGS = {"_j": "J", "_s": "s", "_b": "B", "_g": "g", "_w": "W"}
_HOW_USED = {  # verb and noun of sentences; what is not here "uses" its title
    "duration_s": ("takes", "wall time"),
    "peak_memory_b": ("needs", "memory at its peak"),
    "read_b": ("does", "reading from storage"),
    "written_b": ("does", "writing to storage"),
    "carbon_g": ("causes", "CO2e"),
    "duration_per_step_s": ("takes", "wall time per step"),
    "duration_per_sample_s": ("takes", "wall time per sample"),
}


# -- metrics ---------------------------------------------------------------------------------------------------------


def title(metric: str) -> str:
    """What people call a metric: "CPU time"."""
    return _TITLES.get(metric) or metric.rpartition("_")[0].replace("_", " ") or metric


def unit(metric: str) -> str:
    """The SI unit that ends the name: s, J, B, g, W; empty for a figure without one."""
    return _SI_ENDINGS.get(metric[-2:], "")


def noun(metric: str) -> str:
    """The metric inside a sentence: "more memory at its peak"."""
    return _HOW_USED[metric][1] if metric in _HOW_USED else title(metric)


def reading_order(metrics: list[str], primary: str) -> list[str]:
    """The primary metric, then the others in the order in which people read them."""
    return sorted(metrics, key=lambda name: (name != primary, _PLACES.get(name, len(_PLACES)), name))


def is_repeated(metrics: Mapping[str, MetricComparison], name: str, primary: str) -> bool:
    """Whether this row says again what "attributed energy" says: where nothing was measured the two are one figure."""
    own, attributed = metrics[name], metrics.get(f"attributed_{name}")
    return name.startswith("energy_") and name != primary and own.derived_from is not None and attributed is not None


def origin_note(metric: MetricComparison) -> str:
    """How a row of a comparison came to be: "counter", "modelled, follows cpu_s; adds no evidence"."""
    if metric.derived_from is None:
        return str(metric.origin.value)
    return f"{metric.origin.value}, follows {metric.derived_from}; adds no evidence"


# -- verdicts --------------------------------------------------------------------------------------------------------


def headline(pair: PairComparison) -> str:
    """The verdict and, when more runs are needed, how many."""
    word = VERDICTS[pair.verdict]
    if pair.verdict is not Verdict.NOT_ENOUGH_RUNS:
        return word
    if pair.further_blocks is None:
        return f"{word} (how many more cannot be told from these)"
    return f"{word} (about {count(pair.further_blocks, 'more block')})"


def sentence(pair: PairComparison) -> str:
    """The verdict in words with its numbers."""
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None:
        return (
            f"{pair.primary_metric} of {pair.reference} and {pair.candidate} cannot be set against each other yet: "
            "no complete block has it."
        )
    change, interval = units.change_with_interval(primary.change, primary.low, primary.high)
    band = f"±{units.margin(pair.smallest_effect)}"
    ranged = f"{change} {interval}".strip()
    what = noun(pair.primary_metric)
    if pair.verdict is Verdict.EQUAL:
        verb = _HOW_USED.get(pair.primary_metric, ("use", ""))[0]
        return (
            f"{pair.reference} and {pair.candidate} {_plural(verb)} the same {what} to within {band}: "
            f"the change is {ranged}."
        )
    if pair.verdict is Verdict.NOT_ENOUGH_RUNS:
        between = f"from {pair.reference} to {pair.candidate}"
        if not interval:
            return f"The change in {what} {between} looks like {change}, and {_blocks(primary)} give it no interval."
        return (
            f"The change in {what} {between} is {ranged}: these runs cannot tell whether it leaves the band of {band}."
        )
    worse = ", but its result is worse" if pair.verdict is Verdict.TRADE_OFF else ""
    return (
        f"{pair.candidate} {_uses(pair.primary_metric, primary.change)} {pair.reference}{worse}: "
        f"{_from_to(primary)}{_each(pair.primary_metric)}; change {ranged}, smallest effect {band}."
    )


def _uses(metric: str, change: float) -> str:
    """Verb and amount: "uses 78.9 % less CPU time than", "uses 4.74 times as much CPU time as"."""
    verb, what = _HOW_USED[metric] if metric in _HOW_USED else ("uses", title(metric))
    if change >= 1:
        return f"{verb} {units.number(1 + change)} times as much {what} as"
    size = units.percent(abs(change)).removeprefix("+")
    return f"{verb} {size} {'less' if change < 0 else 'more'} {what} than"


def _from_to(metric: MetricComparison) -> str:
    before, after = units.same_unit((metric.reference, metric.candidate), unit(metric.name))
    return f"{before} → {after}"


def _each(metric: str) -> str:
    """What the figures of a sentence are of: a run, unless the metric says it."""
    return "" if "_per_" in metric else " per run"


def _plural(verb: str) -> str:
    return {"does": "do", "uses": "use"}.get(verb, verb.removesuffix("s"))


def energy_remark(pair: PairComparison) -> str | None:
    """What must be said so that nobody takes a model, or less time, for measured energy."""
    energies = [pair.metrics[name] for name in ENERGY_METRICS if name in pair.metrics]
    primary = pair.metrics.get(pair.primary_metric)
    origins = {metric.origin for metric in energies} | ({primary.origin} if primary else set())
    if Origin.SIMULATED in origins:
        return "These figures come from a scripted meter: they are simulated, and nothing was measured."
    if any(metric.origin in MEASURED for metric in energies):
        return None
    if any(metric.derived_from for metric in energies):
        said = "No energy was measured. Energy and CO2e are modelled from CPU time, follow it, and add no evidence."
    elif energies:
        said = "No energy was measured: what is shown is modelled, and adds no evidence."
    else:
        said = "No energy was measured."
    if pair.primary_metric.startswith("duration_"):
        return f"{said} Less wall time is a time saving, not an energy saving."
    return f"{said} The verdict is about {noun(pair.primary_metric)}."


def origins_summary(pair: PairComparison) -> list[tuple[str, str]]:
    """Which rows were measured and which were not: ("measured", "CPU time (counter), peak memory (sampled)")."""
    names = reading_order(list(pair.metrics), pair.primary_metric)
    measured = [pair.metrics[name] for name in names if pair.metrics[name].origin in MEASURED]
    independent = [f"{title(m.name)} ({m.origin.value})" for m in measured if m.derived_from is None]
    summary = [("measured", ", ".join(independent))] if independent else []
    for origin in (Origin.MODELLED, Origin.CONSTANT, Origin.QUOTED, Origin.SIMULATED):
        rows = [pair.metrics[name] for name in names if pair.metrics[name].origin is origin]
        if rows:
            summary.append((origin.value, ", ".join(map(_followed, rows))))
    if derived := [metric for metric in measured if metric.derived_from is not None]:
        summary.append(("derived", ", ".join(map(_followed, derived))))
    return summary


def _followed(metric: MetricComparison) -> str:
    return title(metric.name) + (f" (follows {metric.derived_from})" if metric.derived_from else "")


def quality_sentence(quality: QualityComparison) -> str:
    """Did the result stay as good? In words, with its numbers."""
    name = quality.metric
    outputs = ", ".join(quality.outputs)
    if outputs and quality.state is QualityState.IDENTICAL and not quality.outputs_differ:
        return f"The results are identical: {outputs} is the same in both runs of {_every_block(quality.blocks)}."
    said = _quality_of_figures(quality, name)
    if outputs:
        differ = f"{quality.outputs_differ} of {count(quality.blocks, 'block')}"
        return f"{said} The results are not identical: {outputs} differs in {differ}."
    return said


def quality_move(quality: QualityComparison) -> str:
    """The state in a cell of a table, and by how much the figure moved."""
    state = quality.state.value.replace("_", " ")
    if quality.difference is None or quality.state is QualityState.IDENTICAL:
        return state
    return f"{state} {' '.join(units.difference(quality.difference, quality.low, quality.high))}".strip()


def _every_block(blocks: int) -> str:
    return "the one block" if blocks == 1 else f"all {blocks} blocks"


def _quality_of_figures(quality: QualityComparison, name: str | None) -> str:
    if quality.state is QualityState.NOT_MEASURED or name is None:
        said = "Quality was not measured: nothing says that the result is as good."
        return said if name is None else f"{said} ({name} was not reported in both runs of any block.)"
    if quality.state is QualityState.IDENTICAL:
        value = "" if quality.reference is None else f" ({units.figures((quality.reference,))[0]})"
        return f"{name} is identical in every block{value}."
    numbers = _quality_numbers(quality)
    words = {
        QualityState.EQUIVALENT: "is equivalent",
        QualityState.BETTER: "is better",
        QualityState.WORSE: "is worse",
        QualityState.UNDECIDED: "is undecided: too few runs to say that it is as good",
    }
    return f"{name} {words[quality.state]}{numbers}."


def _quality_numbers(quality: QualityComparison) -> str:
    parts = []
    if quality.reference is not None and quality.candidate is not None:
        before, after = units.figures((quality.reference, quality.candidate))
        parts.append(f"{before} → {after}")
    if quality.difference is not None:
        parts.append("difference " + " ".join(units.difference(quality.difference, quality.low, quality.high)).strip())
    if quality.margin is not None and quality.direction is not None:
        better = "more" if quality.direction is Direction.MAX else "less"
        parts.append(f"{better} is better, tolerated {units.plain(quality.margin)}")
    return f" ({'; '.join(parts)})" if parts else ""


def count(number: int, thing: str) -> str:
    """A number of things: "1 run", "8 runs"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _blocks(metric: MetricComparison) -> str:
    return count(metric.blocks, "complete block")


# -- commands --------------------------------------------------------------------------------------------------------


def role(place: int) -> str:
    """What the variant at this place of a design is."""
    return "reference" if place == 0 else "candidate"


def variant_command(variant: Variant) -> str:
    """The command of a variant as it is typed, its own environment in front."""
    env = [f"{name}={shlex.quote(value)}" for name, value in variant.env.items()]
    return " ".join([*env, shlex.join(variant.command)])


def order_in_words(design: Design) -> str:
    """How the runs were ordered, to follow the word "order"."""
    return "randomised in each block" if design.order is Order.RANDOM else "sequential, one variant after another"


def repeat_command(plan: Plan, blocks: int | None = None) -> str:
    """What to type for the same experiment in the same order; with `blocks` given, for a longer one."""
    design = plan.design
    words = ["wattleak", "compare", "--blocks", str(blocks or design.blocks), "--seed", str(design.seed)]
    if design.search is not None and design.stopping is not None:
        race = str(design.stopping.looks[-1])
        words[1:4] = ["tune", "--blocks", race, "--confirm", str(design.search.confirmations)]
    if design.short is None or not design.short.metric_by_rule:
        words += ["--metric", design.metric]
    words += ["--smallest-effect", f"{design.smallest_effect:g}"]
    words += ["--warmups", str(design.warmups), "--cooldown", "auto" if design.gated else f"{design.cooldown_s:g}"]
    words += _optional(design, blocks)
    if design.template is not None:
        return shlex.join([*words, *_run_table(design, design.template)])
    if any(variant.folder for variant in design.variants):  # a copy of the project, which is there still
        words.append("--shell")
    for variant in design.variants:
        enter = f"cd {shlex.quote(variant.folder)} && " if variant.folder else ""
        words += ["--variant", f"{variant.name}={enter}{variant_command(variant)}"]
    return shlex.join(words)


def _run_table(design: Design, template: Variant) -> list[str]:
    """The factors, what was left out of their combinations, the reference, and the one command."""
    kept = [variant.levels for variant in design.variants]
    every = combinations(design.factors)

    def joined(levels: Mapping[str, str]) -> str:
        return ",".join(f"{name}={level}" for name, level in levels.items())

    words = [word for factor in design.factors for word in ("-F", f"{factor.name}={','.join(factor.levels)}")]
    words += [word for levels in every if levels not in kept for word in ("--exclude", joined(levels))]
    if kept[0] != next(levels for levels in every if levels in kept):
        words += ["--reference", joined(kept[0])]
    words += [word for name, value in template.env.items() for word in ("--env", f"*:{name}={value}")]
    return [*words, "--", *template.command]


def _optional(design: Design, blocks: int | None) -> list[str]:
    words = []
    if design.quality is not None:
        target = design.quality
        words += ["--quality", f"{target.metric}:{target.direction.value}:{target.margin:g}"]
    if design.stopping is not None:
        words += ["--stop", design.stopping.rule.value]
        if blocks is None and design.search is None:
            words += ["--looks", ",".join(map(str, design.stopping.looks))]
    words += ["--eliminate"] if design.eliminate else []
    if design.short is not None:
        short = design.short
        words += ["--steps", str(short.steps)] if short.steps is not None else ["--for", f"{short.duration_s:g}s"]
    words += ["--control-every", str(design.control_every)] if design.control_every else []
    words += [word for pattern in design.shared for word in ("--shared", pattern)]
    if design.sessions > 1:
        words += ["--sessions", str(design.sessions)]
    if design.order is not Order.RANDOM:
        words += ["--order", design.order.value]
    if design.quality_regex is not None:
        words += ["--quality-regex", design.quality_regex]
    if design.timeout_s is not None:
        words += ["--timeout", f"{design.timeout_s:g}"]
    return words


def failed_run(run: Run) -> str:
    """Which run cannot count, and why: "block 3, variant B, attempt 1: exit code 1 (run 1a2b3c4d)"."""
    where = "warm-up" if run.block < 0 else f"block {run.block + 1}"
    return f"{where}, variant {run.variant}, attempt {run.attempt}: {run.failure} (run {run.id}); it does not count"


def moment(iso: str) -> str:
    """A stored moment (ISO 8601 in UTC) as people read it: "2026-11-21 09:00:00 UTC"."""
    return iso[:19].replace("T", " ") + " UTC"


def how_it_ended(measurement: Measurement) -> str:
    """How the command ended: "exit 0", "ended by signal 9", "exit code unknown"."""
    if measurement.signal is not None:
        return f"ended by signal {measurement.signal}"
    if measurement.exit_code is not None:
        return f"exit {measurement.exit_code}"
    return "exit code unknown"
