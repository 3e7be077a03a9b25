"""One page in one file that works offline: verdict, evidence, where, trust, how.

The page loads nothing: scripts, styles and data are inside, and its Content-Security-Policy lets only those scripts
run. Everything that is said is in the HTML; scripts only draw.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from string import Template
from typing import TYPE_CHECKING

from wattleak import __version__
from wattleak.reports import assets, charting, charts, units, words
from wattleak.reports.comparison_story import tell_comparison
from wattleak.reports.figures import run_rows
from wattleak.reports.front import front_section
from wattleak.reports.markup import Html, figure, join, json_script, safe, safe_lines, table, tag
from wattleak.reports.measurement_story import tell_measurement
from wattleak.reports.provenance import (
    carbon_table,
    channel_medians,
    channel_table,
    design_table,
    environment_table,
    lacking_table,
    run_table,
    span_medians,
)
from wattleak.reports.strip import interval_strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.analysis.pareto import Front
    from wattleak.model import Comparison, Experiment, Measurement, PairComparison
    from wattleak.reports.observed import ObservedStory
    from wattleak.reports.story import Amount, ComparisonStory, Line, PairStory

_SYMBOLS = {"saving": "▼", "costs_more": "▲", "equal": "=", "not_enough_runs": "?", "trade_off": "⇄"}
_MARK_A_SPAN = 'with wattleak.measure("train"):'


def render_html(
    experiment: Experiment, comparison: Comparison, *, front: Front | None = None, first: Sequence[Html] = ()
) -> str:
    """The page of an experiment, with its Pareto front where one was asked for. The same input gives the same bytes.

    `first`: sections (`section`) of a study, which stand before the verdicts.
    """
    story = tell_comparison(experiment, comparison)
    primary = comparison.pairs[0].primary_metric  # in a short plan its rule may have chosen another than the plan's
    body = [
        head_of("experiment", story.identity, story.title, story.facts, story.incomplete, story.exploratory),
        *first,
        *(
            _verdict(told, pair, first=place == 0)
            for place, (told, pair) in enumerate(zip(story.pairs, comparison.pairs, strict=True))
        ),
        *_curve(experiment),
        *_effects(experiment),
        *(() if front is None else (section("pareto-front", "Is the dearer one worth it?", front_section(front)),)),
        section("evidence", "Evidence", *_evidence(_shown(experiment), comparison, story, primary)),
        section("where", "Where it goes", *_where(experiment)),
        section("trust", "Can it be trusted?", *_trust(experiment, story, primary)),
        section("how", "How it was measured", *_how(experiment, story)),
    ]
    return page(f"{story.title}: {', '.join(pair.headline for pair in story.pairs)}", body)


def render_measurement_html(measurement: Measurement) -> str:
    """The page of one recorded stretch of work. The same input gives the same bytes."""
    story = tell_measurement(measurement)
    head = ("", "value", "95 % range", "origin")
    energy = () if measurement.attributed_energy_j is None else (replace(story.own[0], label="energy"),)
    carbon = () if story.carbon is None else (story.carbon,)
    quality = (replace(amount, note="reported by the program") for amount in story.quality)
    cost = map(_amount, (*energy, *carbon, *story.footprint, *story.costs, *quality))
    body = [
        head_of("run", story.identity, story.title, story.facts, story.incomplete),
        section(
            "cost",
            "What it cost",
            _remark(story.remark),
            tag("p", words.ONE_RUN, class_="lead"),
            table(head, cost, numbers=(1, 2), label="cost"),
            _lines(story.carbon_lines),
        ),
        section("where", "Where it goes", *_where_measured(measurement, story.machine, story.own)),
        *_observed(story.observed),
        section(
            "how",
            "How it was measured",
            channel_table([measurement]),
            lacking_table(story.lacking),
            bullets("notes", story.notes),
            tag("h3", "Command"),
            _command(shlex.join(measurement.command)),
            tag("h3", "What to do next"),
            *map(_command, story.following),
        ),
    ]
    return page(story.title, body)


# -- sections of an experiment ---------------------------------------------------------------------------------------


def _verdict(told: PairStory, pair: PairComparison, *, first: bool) -> Html:
    value = told.verdict.value
    return tag(
        "section",
        tag(
            "p",
            tag("span", _SYMBOLS[value], class_="symbol", aria_hidden="true"),
            tag("strong", told.headline),
            tag("span", told.grade, class_="grade", title=words.GRADES[pair.grade]),
            class_="word",
        ),
        tag("p", told.sentence, class_="lead"),
        interval_strip(pair),
        tag("p", tag("b", "Quality. "), told.quality, class_="warning" if told.quality_is_a_warning else None),
        _remark(told.remark),
        *(tag("p", tag("b", "Doubt. "), doubt, class_="warning") for doubt in told.doubts),
        class_=f"verdict {value}",
        id="verdict" if first else None,
        aria_label=f"verdict on {told.candidate}",
    )


def _curve(experiment: Experiment) -> Iterable[Html]:
    """Every setting of a search; nothing for other experiments."""
    if experiment.plan.design.search is not None:
        from wattleak.reports.tune import curve_section  # noqa: PLC0415 - scipy, which a single run does not need

        yield section("curve", "Which setting?", curve_section(experiment))


def _effects(experiment: Experiment) -> Iterable[Html]:
    """Main effects and interactions of a run table; nothing for other experiments."""
    if len(experiment.plan.design.factors) > 1:
        from wattleak.reports.factorial import effects_of, effects_section  # noqa: PLC0415 - see above

        found = effects_of(experiment)
        if found is not None:
            yield section("effects", "Which factor does it, and which two together?", effects_section(found))


def _shown(experiment: Experiment) -> Experiment:
    """The runs that the verdict stands on: of a search, the fresh ones."""
    if experiment.plan.design.search is None:
        return experiment
    from wattleak.analysis.tuning import shown  # noqa: PLC0415 - see above

    return shown(experiment)


def _evidence(experiment: Experiment, comparison: Comparison, story: ComparisonStory, primary: str) -> Iterable[Html]:
    for place, (told, pair) in enumerate(zip(story.pairs, comparison.pairs, strict=True), start=1):
        rows = _metric_table(told)
        yield tag("h3", f"{told.candidate} against {told.reference}")
        if not told.rows:
            yield tag("p", "No block is complete yet, so there is nothing to compare.")
            continue
        yield rows
        if any(metric.change is not None for metric in pair.metrics.values()):
            caption = (
                f"Change of every metric with its {told.level} interval; {words.title(primary)} decides. "
                f"The band of ±{units.margin(pair.smallest_effect)} counts as equal; pale metrics add no evidence."
            )
            yield figure(f"change-{place}", charts.estimation(pair), caption, _change_table(told))
        yield _lines(told.lines)
    counted = [row for row in run_rows(experiment) if row.status == "counted" and primary in row.values]
    if counted:
        caption = f"{words.title(primary)} of every run that counts. Lines join blocks; bars mark medians."
        symbol, size = units.fitting([row.values[primary] for row in counted], words.unit(primary))
        data = table(
            ("block", "variant", f"{words.title(primary)}, {symbol}".rstrip(", "), "run"),
            [
                (str(row.run.block + 1), row.run.variant, units.number(row.values[primary] / size, 4), row.run.id)
                for row in sorted(counted, key=lambda row: (row.run.block, row.run.position))
            ],
            numbers=(0, 2),
        )
        yield figure("runs", charts.paired_runs(experiment, primary), caption, data)


def _metric_table(told: PairStory) -> Html:
    head = ("", f"{told.reference} (reference)", told.candidate, "change", f"{told.level} interval", "origin")
    rows = [(row.label, row.reference, row.candidate, row.change, row.interval, row.note) for row in told.rows]
    classes = ["primary" if row.primary else None if row.measured else "modelled" for row in told.rows]
    return table(head, rows, numbers=(1, 2, 3, 4), classes=classes, caption="medians over the runs that count")


def _change_table(told: PairStory) -> Html:
    rows = [(row.label, row.change, row.interval, row.note) for row in told.rows if row.change]
    return table(("metric", "change", f"{told.level} interval", "origin"), rows, numbers=(1, 2))


def _where(experiment: Experiment) -> Iterable[Html]:
    by_span, by_channel = span_medians(experiment), channel_medians(experiment)
    if by_channel is not None:
        yield by_channel
    if by_span is not None:
        yield by_span
    else:
        yield tag("p", "No spans were recorded. Mark the phases of the program to see them here: ",
                  tag("code", _MARK_A_SPAN))  # fmt: skip


def _trust(experiment: Experiment, story: ComparisonStory, primary: str) -> Iterable[Html]:
    rows = [row for row in run_rows(experiment) if primary in row.values]
    if rows:
        symbol, size = units.fitting([row.values[primary] for row in rows], words.unit(primary))
        caption = (
            f"{words.title(primary)} against run order. A slope would be drift. "
            "Pale runs do not count; a cross marks a failure."
        )
        data = table(
            ("order", "variant", f"{words.title(primary)}, {symbol}".rstrip(", "), "counts"),
            [
                (str(row.order), row.run.variant, units.number(row.values[primary] / size, 4), row.why_not or "yes")
                for row in rows
            ],
            numbers=(0, 2),
        )
        yield figure("order", charts.run_order(experiment, primary), caption, data)
    yield bullets("doubts", story.doubts)
    yield tag("h3", "Every run")
    yield run_table(experiment)


def _how(experiment: Experiment, story: ComparisonStory) -> Iterable[Html]:
    measurements = [run.measurement for run in experiment.runs]
    yield tag("h3", "Variants")
    rows = [(line.label, words.role(place), tag("code", line.text)) for place, line in enumerate(story.variants)]
    yield table(("variant", "role", "command"), rows)
    for difference in experiment.differences:
        if difference.diff:
            yield tag("h3", f"What differs in {difference.candidate}")
            yield tag("pre", tag("code", difference.diff))
    yield tag("h3", "Design")
    yield design_table(experiment)
    yield channel_table(measurements)
    yield lacking_table(story.lacking)
    yield carbon_table(measurements)
    yield environment_table(experiment.environment)
    yield bullets("notes", story.notes)
    yield tag("h3", "Repeat it")
    yield tag("p", "The same seed gives the same order. Secrets in commands are hidden; put them back first.")
    yield _command(words.repeat_command(experiment.plan))


# -- what was seen inside ----------------------------------------------------------------------------------------------


def _observed(story: ObservedStory | None) -> Iterable[Html]:
    """A section of its own; none where nothing is to be said."""
    if story is None or not (story.places or story.phases):
        return
    parts: list[Html] = []
    if story.places:
        rows = [
            (place.level.value, f"{place.code} {place.name}", place.where, "\n".join(place.text))
            for place in story.places
        ]
        parts.append(table(("level", "smell", "where", "what was seen"), rows, label="seen at run time"))
    if story.phases:
        rows = [(item.name, item.energy, item.interval, item.note) for item in story.phases]
        head = ("phase", "attributed energy", "95 % range", "time and origin")
        parts += [tag("h3", "Where the joules went"), table(head, rows, numbers=(1, 2), label="phases")]
    yield section("seen", "What was seen inside", *parts)


# -- sections of a measurement ---------------------------------------------------------------------------------------


def _where_measured(measurement: Measurement, machine: Sequence[Amount], own: Sequence[Amount]) -> Iterable[Html]:
    head = ("", "value", "95 % range", "origin")
    if machine or own:
        tables = join(
            table(head, map(_amount, amounts), numbers=(1, 2), caption=caption)
            for caption, amounts in (("energy of the machine", machine), ("energy of this process tree", own))
            if amounts
        )
        caption = "Energy by channel with its 95 % range. Channels may contain one another: do not add them up."
        yield figure("channels", charts.channels(measurement), caption, tables)
    if measurement.spans:
        yield figure("spans", charts.spans(measurement), _span_caption(measurement), _span_table(measurement))
    else:
        yield tag("p", "No spans were recorded. Mark the phases of the program to see them here: ",
                  tag("code", _MARK_A_SPAN))  # fmt: skip


def _span_caption(measurement: Measurement) -> str:
    total = len(measurement.spans)
    if total <= charts.MOST_SPANS:
        return "Spans in time."
    return f"Spans in time: the {charts.MOST_SPANS} longest of {total}. The table sums up all of them."


def _span_table(measurement: Measurement) -> Html:
    """Spans of one name and depth together."""
    groups: dict[tuple[int, str], list[tuple[float, float, float | None]]] = {}
    for span in measurement.spans:
        attributed = None if span.attributed_energy_j is None else span.attributed_energy_j.value
        groups.setdefault((span.depth, span.name), []).append((span.duration_s, span.cpu_s, attributed))
    rows = []
    for (depth, name), items in groups.items():
        joules = [item[2] for item in items if item[2] is not None]
        rows.append(
            (
                "\N{NO-BREAK SPACE}" * (3 * depth) + name,
                str(len(items)),
                units.duration(sum(item[0] for item in items)),
                units.duration(sum(item[1] for item in items)),
                units.energy(sum(joules)) if len(joules) == len(items) else "not measured",
            )
        )
    head = ("span", "times", "wall time", "CPU time", f"attributed energy ({_attributed_origin(measurement)})")
    return table(head, rows, numbers=(1, 2, 3, 4))


def _attributed_origin(measurement: Measurement) -> str:
    total = measurement.attributed_energy_j
    return "none" if total is None else str(total.origin.value)


def _amount(amount: Amount) -> tuple[str, ...]:
    return (amount.label, amount.value, amount.interval, amount.note)


# -- shared ----------------------------------------------------------------------------------------------------------


def head_of(
    kind: str,
    identity: str,
    title: str,
    facts: Sequence[str],
    incomplete: str | None,
    exploratory: str | None = None,
) -> Html:
    return tag(
        "header",
        tag("p", f"wattleak {kind} {identity}", class_="kicker"),
        tag("h1", title),
        tag("p", " · ".join(facts), class_="facts"),
        tag("p", tag("b", "INCOMPLETE. "), incomplete, class_="warning") if incomplete is not None else Html(""),
        tag("p", tag("b", "EXPLORATORY. "), exploratory, class_="warning") if exploratory is not None else Html(""),
    )


def section(identity: str, title: str, *parts: Html) -> Html:
    """A part of a page under its heading."""
    return tag("section", tag("h2", title), *parts, id=identity)


def _remark(remark: str | None) -> Html:
    return Html("") if remark is None else tag("p", remark, class_="remark")


def _lines(lines: Iterable[Line]) -> Html:
    pairs = [tag("dt", line.label) + tag("dd", line.text) for line in lines]
    return tag("dl", Html("".join(pairs))) if pairs else Html("")


def bullets(title: str, items: Sequence[str]) -> Html:
    """A list under a small heading; nothing of no items."""
    if not items:
        return Html("")
    return Html(tag("h3", title.capitalize()) + tag("ul", *(tag("li", item) for item in items)))


def _command(command: str) -> Html:
    return tag("pre", tag("code", command))


def page(title: str, body: Iterable[Html]) -> str:
    """The whole file around a body: styles, scripts and their licences inside, nothing loaded."""
    before, after = assets.template("fold.js"), assets.template("charts.js")
    scripts = [*assets.libraries(), after]
    allowed = " ".join(assets.script_hash(script) for script in (before, *scripts))
    variables = {name: f"var(--{name})" for name in charting.LIGHT}
    used = " · ".join(f"{entry['package']} {entry['version']}" for entry in assets.vendored_files())
    return Template(assets.template("page.html")).substitute(
        title=safe(title),
        policy=safe(
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        light=_variables(charting.LIGHT),
        dark=_variables(charting.DARK),
        style=assets.template("page.css"),
        body=join(body, "\n"),
        made_by=safe(f"Made by wattleak {__version__}. Charts: {used}."),
        config=json_script("chart-config", charting.config(variables)),
        fold=before,
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
        licences=safe_lines(assets.licence_notice()),
    )


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
