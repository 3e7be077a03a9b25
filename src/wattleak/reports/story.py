"""What a report says, before anybody decides how it looks: rows and lines of plain text.

Terminal, Markdown and page are three ways of setting the same story, so that they can never tell different ones.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wattleak.documents.own_cost import own_cost
from wattleak.footprint import context
from wattleak.footprint.places import with_name
from wattleak.model import CONTROL, Origin, QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.observed import places_seen, tell_observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.model import (
        Carbon,
        ChannelEnergy,
        Comparison,
        Estimate,
        Experiment,
        Measurement,
        MetricComparison,
        PairComparison,
        QualityComparison,
        StepCost,
        Term,
        Unavailable,
    )
    from wattleak.reports.observed import ObservedStory

_Item = TypeVar("_Item")

_FEWEST_FOR_A_SPREAD = 6  # blocks, below which their spread is a guess


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled statement."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One line of the table of a comparison."""

    label: str
    reference: str
    candidate: str
    change: str
    interval: str
    note: str
    primary: bool = False
    measured: bool = True


@dataclass(frozen=True, slots=True)
class PairStory:
    """One candidate against the reference."""

    reference: str
    candidate: str
    verdict: Verdict
    headline: str
    grade: str
    sentence: str
    level: str  # "95 %"
    rows: tuple[ComparisonRow, ...]
    quality: str
    quality_is_a_warning: bool
    remark: str | None  # what must be said about energy that was not measured
    lines: tuple[Line, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComparisonStory:
    title: str
    identity: str
    facts: tuple[str, ...]  # "8 of 8 blocks", "seed 4187"
    incomplete: str | None
    variants: tuple[Line, ...]  # name and command, the reference first
    pairs: tuple[PairStory, ...]
    doubts: tuple[str, ...]
    lacking: tuple[Unavailable, ...]
    notes: tuple[str, ...]
    following: tuple[str, ...]  # what to type next
    exploratory: str | None = None  # in what the runs are not what was planned


@dataclass(frozen=True, slots=True)
class Amount:
    """A labelled number with what is known about it."""

    label: str
    value: str
    interval: str = ""
    note: str = ""
    measured: bool = True


@dataclass(frozen=True, slots=True)
class MeasurementStory:
    title: str
    identity: str
    facts: tuple[str, ...]  # "exit 0", "2026-11-21 09:00:00 UTC"
    incomplete: str | None
    costs: tuple[Amount, ...]
    machine: tuple[Amount, ...]  # energy of the whole machine, by channel
    own: tuple[Amount, ...]  # energy of the process tree
    carbon: Amount | None
    carbon_lines: tuple[Line, ...]  # how the emissions were made, and whether the energy matters
    remark: str | None
    quality: tuple[Amount, ...]
    spans: tuple[Amount, ...]
    steps: tuple[Amount, ...]
    lacking: tuple[Unavailable, ...]
    notes: tuple[str, ...]
    following: tuple[str, ...]
    observed: ObservedStory | None = None  # None: nothing was looked at, or nothing is to be said of it
    footprint: tuple[Amount, ...] = ()  # money, water, embodied emissions: what the user stated


# -- comparisons -----------------------------------------------------------------------------------------------------


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
        lacking=_distinct(item for run in experiment.runs for item in run.measurement.unavailable),
        notes=(
            *_control(comparison),
            *_own_cost(whole, comparison),
            *_seen(experiment),
            *experiment.notes,
            *(note for note in _distinct(notes) if note not in experiment.notes),
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


def _tell_pair(experiment: Experiment, pair: PairComparison) -> PairStory:
    rows = [
        _row(pair.metrics[name], primary=name == pair.primary_metric)
        for name in words.reading_order(list(pair.metrics), pair.primary_metric)
        if not words.is_repeated(pair.metrics, name, pair.primary_metric)
    ]
    if pair.quality.metric is not None and pair.quality.reference is not None and pair.quality.candidate is not None:
        rows.append(_quality_row(pair.quality, pair.quality.reference, pair.quality.candidate))
    return PairStory(
        reference=pair.reference,
        candidate=pair.candidate,
        verdict=pair.verdict,
        headline=words.headline(pair),
        grade=str(pair.grade.value),
        sentence=words.sentence(pair),
        level=units.margin(pair.level),
        rows=tuple(rows),
        quality=words.quality_sentence(pair.quality),
        quality_is_a_warning=pair.quality.state
        in {QualityState.WORSE, QualityState.UNDECIDED, QualityState.NOT_MEASURED},
        remark=words.energy_remark(pair),
        lines=(
            *_difference(experiment, pair.candidate),
            *(Line(label, text) for label, text in words.origins_summary(pair)),
            *_agreement(experiment, pair),
            Line("grade", f"{pair.grade.value}: {words.GRADES[pair.grade]}"),
        ),
        doubts=pair.doubts,
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


def _quality_row(quality: QualityComparison, reference: float, candidate: float) -> ComparisonRow:
    before, after = units.figures((reference, candidate))
    change, interval = "", ""
    if quality.difference is not None:
        change, interval = units.difference(quality.difference, quality.low, quality.high)
    note = f"quality, difference: {quality.state.value.replace('_', ' ')}"
    return ComparisonRow(str(quality.metric), before, after, change, interval, note)


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


# -- measurements ----------------------------------------------------------------------------------------------------


def tell_measurement(measurement: Measurement) -> MeasurementStory:
    """Everything that is to be said of one recorded stretch of work."""
    total = measurement.attributed_energy_j
    own = [amount for item in measurement.attributed for amount in (_energy(item), *_use(item))]
    if total is not None:
        own.insert(0, _estimate("attributed", total, "of this process tree"))
    if measurement.idle_energy_j is not None:
        own.append(_estimate("idle", measurement.idle_energy_j, "of the machine at rest over the same time, apart"))
    carbon = measurement.carbon_g
    observed = None if measurement.observed is None else tell_observed(measurement.observed)
    return MeasurementStory(
        title=measurement.name or shlex.join(measurement.command),
        identity=measurement.id,
        facts=(words.how_it_ended(measurement), words.moment(measurement.started_at)),
        incomplete=None if measurement.complete else (measurement.incomplete_reason or "the recording stopped early"),
        costs=_costs(measurement),
        machine=tuple(_energy(item) for item in measurement.energy),
        own=tuple(own),
        carbon=None if carbon is None else _carbon(carbon),
        carbon_lines=(*(() if carbon is None else carbon_lines(carbon)), *_context(measurement)),
        remark=_energy_remark(measurement),
        quality=tuple(Amount(name, units.figures((value,))[0]) for name, value in sorted(measurement.quality.items())),
        spans=tuple(
            Amount(
                "  " * span.depth + span.name,
                units.duration(span.duration_s),
                note=_span_note(span.cpu_s, span.attributed_energy_j, complete=span.complete),
            )
            for span in measurement.spans
        ),
        steps=tuple(
            Amount(item.name, words.count(item.count, "step"), note=_step_note(item)) for item in measurement.steps
        ),
        lacking=_distinct(measurement.unavailable),
        notes=(*_gaps(measurement), *_distinct(measurement.notes), *([] if observed is None else observed.notes)),
        following=_after_measurement(measurement),
        footprint=tuple(map(_term, measurement.footprint)),
        observed=observed,
    )


def carbon_lines(carbon: Carbon) -> tuple[Line, ...]:
    """Everything that it takes to check the emissions."""
    low, high = units.number(carbon.intensity_low), units.number(carbon.intensity_high)
    place = "as stated" if carbon.region.endswith("g/kWh") else with_name(carbon.region)
    lines = [
        Line("intensity", f"{units.number(carbon.intensity_g_per_kwh)} g/kWh [{low}, {high}], {place}"),
        Line("source", source_of(carbon)),
        Line("PUE", units.plain(carbon.pue)),
    ]
    if carbon.note:
        lines.append(Line("note", carbon.note))
    return tuple(lines)


def _context(measurement: Measurement) -> list[Line]:
    """Whether the energy matters, and when it pays to measure it better."""
    if measurement.attributed_energy_j is None:
        return []
    return [Line("context", context.one_run(measurement.attributed_energy_j, measurement.carbon_g))]


def _term(term: Term) -> Amount:
    """A named part of a footprint in its own unit."""
    amount = term.amount
    value, interval = units.interval_in_unit(amount.value, amount.low, amount.high, term.unit)
    about = (str(amount.origin.value), term.source + (f", {term.year}" if term.year else ""), term.note)
    return Amount(term.name, value, interval, " · ".join(filter(None, about)), measured=amount.origin in words.MEASURED)


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


def source_of(carbon: Carbon) -> str:
    """Who published the intensity, when, and in which edition: "Ember (2026), ..., 2025 (ember-2026-06-30)"."""
    year = "" if carbon.year is None else f", {carbon.year}"
    return f"{carbon.source}{year}" + (f" ({carbon.table})" if carbon.table else "")


def _costs(measurement: Measurement) -> tuple[Amount, ...]:
    busy = measurement.cpu_s / measurement.duration_s if measurement.duration_s > 0 else None
    split = [
        f"{name} {units.duration(value)}"
        for name, value in (("user", measurement.user_s), ("system", measurement.system_s))
        if value is not None
    ]
    if busy is not None:
        split.append(f"{units.number(busy)} CPUs busy on average")
    processes = "1 process" if measurement.processes == 1 else f"{measurement.processes} processes at most"
    return (
        Amount("wall time", units.duration(measurement.duration_s), note="counter"),
        Amount("CPU time", units.duration(measurement.cpu_s), note=" · ".join(["counter", *split])),
        Amount("peak memory", units.memory(measurement.peak_memory_b), note=f"sampled · {processes}"),
        *(
            Amount(name, units.memory(amount_b), note=f"counter · {way} storage")
            for name, amount_b, way in (("read", measurement.read_b, "from"), ("written", measurement.written_b, "to"))
            if amount_b is not None
        ),
    )


def _energy(item: ChannelEnergy) -> Amount:
    return _estimate(item.channel.name, item.energy_j, item.channel.device or "")


def _use(item: ChannelEnergy) -> list[Amount]:
    """How a device that was held spent what it is billed for; a starving one must show."""
    parts = (("  at work", item.active_j), ("  waiting", item.waiting_j))
    shown = [(label, part) for label, part in parts if part is not None]
    if item.waiting_j is None or item.energy_j.value <= 0:
        return []
    return [_estimate(label, part, f"{part.value / item.energy_j.value:.0%} of it") for label, part in shown]


def _estimate(label: str, estimate: Estimate, about: str) -> Amount:
    value, interval = units.with_range(estimate, "J")
    origin = str(estimate.origin.value)
    note = f"{origin} · {about}" if about else origin
    return Amount(label, value, interval, note, measured=estimate.origin in words.MEASURED)


def _carbon(carbon: Carbon) -> Amount:
    value, interval = units.interval_in_unit(carbon.value_g, carbon.low_g, carbon.high_g, "g")
    note = f"{carbon.origin.value} · of the attributed energy"
    return Amount("CO2e", value, interval, note, measured=carbon.origin in words.MEASURED)


def _energy_remark(measurement: Measurement) -> str | None:
    origins = {item.energy_j.origin for item in measurement.energy}
    if Origin.SIMULATED in origins:
        return "This energy comes from a scripted meter: it is simulated, and nothing was measured."
    if origins & words.MEASURED:
        return None
    if not origins:
        return "No energy was measured or modelled."
    return "No energy was measured: what is shown is modelled from activity, and its range is wide."


def _span_note(cpu_s: float, attributed: Estimate | None, *, complete: bool) -> str:
    parts = [f"CPU {units.duration(cpu_s)}"]
    if attributed is not None:
        parts.append(f"{units.energy(attributed.value)} attributed ({attributed.origin.value})")
    if not complete:
        parts.append("still open at the end")
    return " · ".join(parts)


def _step_note(steps: StepCost) -> str:
    parts = []
    if steps.steps_per_s is not None:
        parts.append(f"{units.number(steps.steps_per_s)} /s")
    if steps.median_s is not None and steps.p95_s is not None:
        parts.append(f"median {units.duration(steps.median_s)}, 95 % below {units.duration(steps.p95_s)}")
    each = []
    if steps.energy_per_step_j is not None:
        value, interval = units.with_range(steps.energy_per_step_j, "J")
        each.append(f"{value} {interval} {steps.energy_per_step_j.origin.value}")
    if steps.cpu_per_step_s is not None:
        value, interval = units.with_range(steps.cpu_per_step_s, "s")
        each.append(f"CPU {value} {interval}")
    return " · ".join([*parts, *(["each " + ", ".join(each)] if each else [])])


def _gaps(measurement: Measurement) -> list[str]:
    """Gaps by channel, with how long nothing was read in all."""
    lost: dict[str, float] = {}
    for gap in measurement.gaps:
        lost[gap.channel or "anything"] = lost.get(gap.channel or "anything", 0.0) + gap.end_s - gap.start_s
    return [f"{channel} was not read for {units.duration(seconds)}" for channel, seconds in lost.items()]


def _after_measurement(measurement: Measurement) -> tuple[str, ...]:
    command = shlex.quote(shlex.join(measurement.command)) if measurement.command else "COMMAND"
    scripts = [word for word in measurement.command if word.endswith(".py")]
    prove = None if measurement.observed is None else measurement.observed.prove
    return (
        *([prove] if prove else [f"wattleak scan {shlex.quote(script)}" for script in scripts[:1]]),
        f"wattleak compare {command} 'ANOTHER COMMAND'",
        f"wattleak report {shlex.quote(measurement.id)}",
    )


def _distinct(items: Iterable[_Item]) -> tuple[_Item, ...]:
    """Each item once, in the order of its first appearance."""
    return tuple(dict.fromkeys(items))
