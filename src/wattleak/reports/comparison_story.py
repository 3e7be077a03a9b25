"""What a report says of an experiment, and of each candidate in it."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from wattleak.documents.own_cost import own_cost
from wattleak.footprint import context
from wattleak.model import CONTROL, QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.observed import places_seen
from wattleak.reports.story import ComparisonRow, ComparisonStory, Line, PairStory, distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.model import Comparison, Experiment, MetricComparison, PairComparison, QualityComparison

_FEWEST_FOR_A_SPREAD = 6  # blocks, below which their spread is a guess


def tell_comparison(experiment: Experiment, comparison: Comparison) -> ComparisonStory:
    """Everything that is to be said of an experiment; of a search, of the fresh runs that its claim stands on."""
    whole = experiment
    if experiment.plan.design.search is not None:
        from wattleak.analysis.tuning import shown  # noqa: PLC0415 - scipy, which a single run does not need

        experiment = shown(experiment)
    design = experiment.plan.design
    blocks = max((m.blocks for pair in comparison.pairs for m in pair.metrics.values()), default=0)
    runs = words.count(sum(run.variant != CONTROL for run in experiment.runs), "run")
    notes = (
        *(f"failed: {words.failed_run(run)}" for run in experiment.runs if run.failure is not None),
        *(note for run in experiment.runs for note in run.measurement.notes),
    )
    return ComparisonStory(
        title=design.title or " against ".join(variant.name for variant in design.variants),
        identity=experiment.plan.experiment,
        facts=(
            f"{blocks} of {design.blocks * design.sessions} blocks",
            *([f"{design.sessions} sessions"] if design.sessions > 1 else []),
            *(
                [f"any difference at all: Friedman p = {units.probability(comparison.omnibus_p)}"]
                if comparison.omnibus_p is not None
                else []
            ),
            f"{runs} in fresh processes, order {words.order_in_words(design)} (seed {design.seed})",
        ),
        incomplete=None if experiment.complete else f"the plan is not finished: {runs} so far",
        variants=tuple(Line(variant.name, words.variant_command(variant)) for variant in design.variants),
        pairs=tuple(_tell_pair(experiment, pair) for pair in comparison.pairs),
        doubts=comparison.doubts,
        lacking=distinct(item for run in experiment.runs for item in run.measurement.unavailable),
        notes=(
            *_control(comparison),
            *_own_cost(whole, comparison),
            *_seen(experiment),
            *experiment.notes,
            *(note for note in distinct(notes) if note not in experiment.notes),
        ),
        following=_after_comparison(experiment, comparison),
        exploratory="; ".join(experiment.exploratory) or None,
    )


def _seen(experiment: Experiment) -> Iterator[str]:
    """What the run-time probes saw in the runs of each variant, where they were asked for."""
    for variant in experiment.plan.design.variants:
        looked = [run.measurement.observed for run in experiment.runs if run.variant == variant.name]
        runs = [places_seen(observed) for observed in looked if observed is not None]
        counts = Counter(place for places in runs for place in places)
        found = [f"{place} ({count} of {len(runs)})" for place, count in sorted(counts.items())]
        if runs:
            yield f"seen in the runs of {variant.name}: {', '.join(found) or 'no smell'}"


def _control(comparison: Comparison) -> tuple[str, ...]:
    """What the reference program showed, whether or not it gives rise to a doubt."""
    check = comparison.control
    if check is None:
        return ()
    trend = "too few runs for a trend" if check.drift is None else f"{units.percent(check.drift)} over the session"
    if check.p_value is not None:
        trend += f" (Kendall p = {units.probability(check.p_value)})"
    value = units.same_unit((check.median, check.median), words.unit(check.metric))[0]
    spread = units.percent(check.spread).removeprefix("+")
    said = f"{words.count(check.runs, 'run')}, {words.title(check.metric)} {value}, spread {spread}"
    return (f"reference program: {said}, farthest {units.percent(check.largest)}, {trend}",)


def pair_story(
    pair: PairComparison,
    names: Iterable[str],
    *,
    sentence: str,
    quality: str,
    remark: str | None,
    lines: Iterable[Line],
    quality_measured: bool = True,
) -> PairStory:
    """One candidate against the reference, with the metrics of those names and, where both have it, their quality."""
    rows = [_row(pair.metrics[name], primary=name == pair.primary_metric) for name in names]
    if pair.quality.metric is not None and pair.quality.reference is not None and pair.quality.candidate is not None:
        shown = _quality_row(pair.quality, pair.quality.reference, pair.quality.candidate, measured=quality_measured)
        rows.append(shown)
    return PairStory(
        reference=pair.reference,
        candidate=pair.candidate,
        verdict=pair.verdict,
        headline=words.headline(pair),
        grade=str(pair.grade.value),
        sentence=sentence,
        level=units.margin(pair.level),
        rows=tuple(rows),
        quality=quality,
        quality_is_a_warning=pair.quality.state
        in {QualityState.WORSE, QualityState.UNDECIDED, QualityState.NOT_MEASURED},
        remark=remark,
        lines=tuple(lines),
        doubts=pair.doubts,
    )


def _tell_pair(experiment: Experiment, pair: PairComparison) -> PairStory:
    return pair_story(
        pair,
        (
            name
            for name in words.reading_order(list(pair.metrics), pair.primary_metric)
            if not words.is_repeated(pair.metrics, name, pair.primary_metric)
        ),
        sentence=words.sentence(pair),
        quality=words.quality_sentence(pair.quality),
        remark=words.energy_remark(pair),
        lines=(
            *_difference(experiment, pair.candidate),
            *(Line(label, text) for label, text in words.origins_summary(pair)),
            *_agreement(experiment, pair),
            Line("grade", f"{pair.grade.value}: {words.GRADES[pair.grade]}"),
        ),
    )


def _difference(experiment: Experiment, candidate: str) -> list[Line]:
    """What was made different on purpose."""
    for item in experiment.differences:
        if item.candidate == candidate:
            return [Line("differs", "; ".join(item.summary) or "in nothing: the same program twice")]
    return []


def _row(metric: MetricComparison, *, primary: bool) -> ComparisonRow:
    before, after = units.same_unit((metric.reference, metric.candidate), words.unit(metric.name))
    change, interval = "", ""
    if metric.change is not None:
        change, interval = units.change_with_interval(metric.change, metric.low, metric.high)
    return ComparisonRow(
        label=words.title(metric.name),
        reference=before,
        candidate=after,
        change=change,
        interval=interval,
        note=words.origin_note(metric),
        primary=primary,
        measured=metric.origin in words.MEASURED and metric.derived_from is None,
    )


def _quality_row(quality: QualityComparison, reference: float, candidate: float, *, measured: bool) -> ComparisonRow:
    before, after = units.figures((reference, candidate))
    change, interval = "", ""
    if quality.difference is not None:
        change, interval = units.difference(quality.difference, quality.low, quality.high)
    note = f"quality, difference: {quality.state.value.replace('_', ' ')}"
    return ComparisonRow(str(quality.metric), before, after, change, interval, note, measured=measured)


def _agreement(experiment: Experiment, pair: PairComparison) -> tuple[Line, ...]:
    """How many blocks go the way of the estimate; the exact test beside it."""
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None:
        return ()
    if experiment.plan.design.against:
        return _unpaired(experiment, pair, primary)
    from wattleak.reports.figures import block_changes  # noqa: PLC0415 - loads numpy, which a single run does not need

    changes = block_changes(experiment, pair.reference, pair.candidate, pair.primary_metric)
    same = sum(change * primary.change > 0 for change in changes)
    text = f"{words.title(pair.primary_metric)} goes the way of the estimate in {same} of {len(changes)} blocks"
    if primary.p_value is not None:
        text += f"; exact sign-flip test p = {units.probability(primary.p_value)}"
    sizes = primary.sizes
    if sizes is not None and sizes.wilcoxon_p is not None and sizes.rank_biserial is not None:
        text += f", Wilcoxon p = {units.probability(sizes.wilcoxon_p)}, rank-biserial {sizes.rank_biserial:+.2f}"
    lines = [Line("blocks", text)]
    if pair.minimal_detectable is not None and len(changes) >= _FEWEST_FOR_A_SPREAD:
        seen = units.percent(pair.minimal_detectable)
        blocks = words.count(len(changes), "block")
        lines.append(Line("power", f"{blocks} as noisy as these find a change of {seen} four times out of five"))
    return tuple(lines)


def _unpaired(experiment: Experiment, pair: PairComparison, primary: MetricComparison) -> tuple[Line, ...]:
    """Runs of now beside stored ones: there are no blocks to agree."""
    counts = [
        sum(run.variant == name and run.block >= 0 and run.failure is None for run in experiment.runs)
        for name in (pair.reference, pair.candidate)
    ]
    text = f"{words.count(counts[1], 'run')} of now against {words.count(counts[0], 'stored run')}, not in blocks"
    if primary.p_value is not None:
        text += f"; Brunner-Munzel test p = {units.probability(primary.p_value)}"
    sizes = primary.sizes
    if sizes is not None and sizes.a12 is not None:
        text += f", a run of now is the higher one with probability {sizes.a12:.2f}"
    return (Line("unpaired", text),)


def _own_cost(experiment: Experiment, comparison: Comparison) -> list[str]:
    """What finding this out has cost, and after how many runs that is given back."""
    cost = own_cost(experiment)
    if not cost.runs:
        return []
    energies = [f"{' '.join(units.with_range(energy, 'J'))} ({energy.origin.value})" for energy in cost.energy_j]
    parts = [*energies, f"{units.duration(cost.cpu_s)} of CPU time (counter)"]
    said = f"this experiment itself cost {' and '.join(parts)} over {words.count(cost.runs, 'run')}"
    if len(cost.energy_j) != 1 or cost.unknown:
        return [said]
    (spent,) = cost.energy_j
    said += f"; {context.matters(spent)}"
    for pair in comparison.pairs:
        energy = pair.metrics.get("attributed_energy_j")
        if energy is None or pair.verdict not in {Verdict.SAVING, Verdict.COSTS_MORE}:
            continue
        if energy.low is None or energy.high is None or energy.low <= 0 <= energy.high:
            continue  # the verdict is about something else, and the energy is not shown to differ
        saved_j = energy.reference - energy.candidate
        more = "less" if saved_j > 0 else "more"
        said += f"; a million runs of {pair.candidate} use {context.of_a_million(abs(saved_j))} {more}"
        runs = context.pays_after(spent.value, saved_j)
        if pair.verdict is Verdict.SAVING and runs is not None:
            said += f", and {words.count(runs, 'run')} of it give back what finding that cost"
    return [said]


def _after_comparison(experiment: Experiment, comparison: Comparison) -> tuple[str, ...]:
    plan = experiment.plan
    commands = []
    further = [pair.further_blocks for pair in comparison.pairs if pair.further_blocks]
    if not experiment.complete:
        commands.append(f"wattleak compare --resume {shlex.quote(plan.experiment)}")
    elif further:
        commands.append(words.repeat_command(plan, plan.design.blocks + max(further)))
    commands.append(f"wattleak report {shlex.quote(plan.experiment)}")
    return tuple(commands)
