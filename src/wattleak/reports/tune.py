"""The answer of a search: the whole curve, the setting to use and how sure that is, what it saves; as text and JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from wattleak.analysis.comparison import compare
from wattleak.analysis.racing import Ending
from wattleak.analysis.tuning import Standing, judge
from wattleak.documents import comparison_document, pair_document
from wattleak.executors.device_settings import by_hand, without_settings
from wattleak.model import Comparison, QualityState
from wattleak.reports import choice_charts, units, words
from wattleak.reports.columns import columns
from wattleak.reports.comparison_story import tell_comparison
from wattleak.reports.markup import Html, figure, join, table, tag
from wattleak.reports.style import pad, width
from wattleak.reports.text import render_story
from wattleak.reports.wrapping import COLUMNS, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.tuning import Setting, Tuning
    from wattleak.model import Experiment, Variant
    from wattleak.reports.story import ComparisonStory
    from wattleak.reports.style import Style

_DECADES = 50.0  # ratio of costs beyond which each has a unit of its own
_BAR = 16  # blocks of the longest bar
_ROLES = {
    Standing.CHOSEN: "good",
    Standing.LEFT: "same",
    Standing.RACING: "unsure",
    Standing.UNSURE: "unsure",
    Standing.DEARER: "faint",
    Standing.WORSE: "bad",
    Standing.FAILED: "bad",
}


def render_tuning(experiment: Experiment, tuning: Tuning, *, style: Style) -> str:
    """For the terminal. Ends without a line end."""
    design = experiment.plan.design
    title, aside = design.title, f"experiment {experiment.plan.experiment}"
    lines = [
        style.paint(title, "strong")
        + " " * max(2, COLUMNS - width(style.text(title)) - width(aside))
        + style.paint(aside, "faint"),
        style.paint("  " + " · ".join(facts(experiment, tuning)), "faint"),
        *([] if tuning.finished else [style.paint("  INCOMPLETE: the search is not finished", "warning")]),
        "",
        *_curve(tuning, style),
        "",
    ]
    headline, *rest = answer(experiment, tuning)
    lines += [style.paint(headline, "good" if tuning.chosen else "warning")]
    lines += [line for text in rest for line in wrapped(text, style)]
    story = _saving_story(experiment, tuning)
    if story is not None:
        return "\n".join(lines) + "\n\n" + render_story(story, "", style=style)
    following = [f"wattleak report {shlex.quote(experiment.plan.experiment)}"]
    if not tuning.finished:
        following.insert(0, f"wattleak tune --resume {shlex.quote(experiment.plan.experiment)}")
    lines += ["", *(f"{'Next:' if place == 0 else '     '} {style.text(c)}" for place, c in enumerate(following))]
    return "\n".join(lines)


def facts(experiment: Experiment, tuning: Tuning) -> tuple[str, ...]:
    """What was done, in a line."""
    design = experiment.plan.design
    blocks = f"{words.count(tuning.blocks, 'block')} of the race and {tuning.fresh} fresh"
    return (
        f"{words.title(tuning.metric)}{'' if '_per_' in tuning.metric else ' per run'}, {tuning.origin or 'not read'}",
        f"{words.count(len(design.variants), 'setting')}, {blocks}",
        f"{words.count(tuning.runs, 'run')} of {tuning.full_grid} in the full grid",
        f"seed {design.seed}",
    )


def answer(experiment: Experiment, tuning: Tuning) -> list[str]:
    """The setting to use and how sure that is, in sentences; the first is a headline."""
    if tuning.problem is not None:
        return ["No setting can be named.", tuning.problem + "."]
    if tuning.chosen is None:
        return [
            "No setting can be named yet.",
            "The race goes on: " + ", ".join(tuning.best or ("no look so far",)) + ".",
        ]
    variant = next(item for item in experiment.plan.design.variants if item.name == tuning.chosen)
    said = [f"Use {tuning.chosen}", _how_sure(tuning)]
    said += [_quality(experiment, tuning)]
    if tuning.chosen == tuning.reference:
        said.append("It is the reference: there is nothing to save by another setting.")
    elif tuning.saving is None:
        said.append("What it saves was not asked for (--confirm 0).")
    if tuning.chosen != tuning.reference:
        said += [f"Set: {command}" for command in by_hand(variant)]
    said.append(f"Type: {words.variant_command(replace(variant, env=without_settings(variant.env)))}")
    return said


def curve_table(tuning: Tuning) -> list[tuple[str, ...]]:
    """Head and one row for each setting."""
    unit = words.unit(tuning.metric)
    known = [end for item in tuning.settings for end in (item.cost, item.cost_low, item.cost_high) if end is not None]
    decades = bool(known) and max(known) > _DECADES * min(known)  # one unit would turn the cheap end to dust
    symbol, size = units.fitting(known, unit)
    label, labels = _labels(tuning)
    rows: list[tuple[str, ...]] = []
    for item in tuning.settings:
        cost = cost_range = dearer = dearer_range = ""
        if item.cost is not None:
            if decades:
                symbol, size = units.fitting((item.cost,), unit)
            cost = f"{units.number(item.cost / size)} {symbol}".rstrip()
        if item.cost_low is not None and item.cost_high is not None:
            cost_range = f"[{units.number(item.cost_low / size)}, {units.number(item.cost_high / size)}]"
        if item.change is not None:
            dearer, dearer_range = units.change_with_interval(item.change, item.low, item.high)
        than = labels.get(item.against or "", "")
        said = _standing(item, tuning.reference)
        rows.append((labels[item.name], cost, cost_range, dearer, dearer_range, than, str(item.blocks), said))
    head = (label, words.title(tuning.metric), "[95 %]", "dearer by", "[race interval]", "than", "blocks", "")
    return [head, *rows]


def _labels(tuning: Tuning) -> tuple[str, dict[str, str]]:
    """What the column of the settings is called, and each setting in it: of a single factor its level is enough."""
    factors = {name for item in tuning.settings for name in item.levels}
    if len(factors) != 1:
        return "setting", {item.name: item.name for item in tuning.settings}
    (factor,) = factors
    return factor, {item.name: item.levels[factor] for item in tuning.settings}


def tuning_document(experiment: Experiment, tuning: Tuning) -> dict[str, Any]:
    """What `tune --json` prints. `verdict` is of the fresh blocks; null when there are none."""
    comparison = compare(experiment)
    document = comparison_document(experiment, comparison, "tune")
    for key in pair_document(comparison.pairs[0]):  # those at the top would be of whichever setting comes first
        document.pop(key, None)
    saving = None if tuning.saving is None else pair_document(tuning.saving)
    variants = {item.name: item for item in experiment.plan.design.variants}
    chosen = None if tuning.chosen is None else variants[tuning.chosen]
    return {
        **document,
        "verdict": None if saving is None else saving["verdict"],
        "primary_metric": tuning.metric,
        "origin": None if tuning.origin is None else tuning.origin.value,
        "reference": tuning.reference,
        "chosen": None if chosen is None else _setting_document(chosen),
        "ending": None if tuning.ending is None else tuning.ending.value,
        "best": list(tuning.best),
        "probability": tuning.level,
        "at_most": tuning.at_most,
        "curve": [
            {**asdict(item), "standing": item.standing.value, "quality": item.quality.value} for item in tuning.settings
        ],
        "race_blocks": tuning.blocks,
        "fresh_blocks": tuning.fresh,
        "runs_made": tuning.runs,
        "runs_of_full_grid": tuning.full_grid,
        "saving": saving,
        "problem": tuning.problem,
        "finished": tuning.finished,
    }


def _setting_document(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.name,
        "levels": dict(variant.levels),
        "command": list(variant.command),
        "env": dict(variant.env),
    }


def curve_section(experiment: Experiment) -> Html:
    """The part of the page that shows the curve and the setting to use."""
    tuning = judge(experiment)
    headline, *rest = answer(experiment, tuning)
    caption = (
        f"{words.title(tuning.metric)} of each setting in the race, with the 95 % interval of each by itself. The race "
        "intervals in the table hold together over all settings and looks."
    )
    head, *rows = curve_table(tuning)
    known = [item for item in tuning.settings if item.cost is not None]
    drawn = table(head, rows, numbers=(1, 2, 3, 4, 6))
    return join(
        [
            tag("p", tag("b", headline), class_="lead"),
            tag("ul", *(tag("li", line) for line in rest)),
            figure("search", choice_charts.curve(tuning), caption, drawn) if known else drawn,
        ],
        "\n",
    )


def _curve(tuning: Tuning, style: Style) -> list[str]:
    head, *rows = curve_table(tuning)
    costs = [item.cost for item in tuning.settings]
    longest = max((cost for cost in costs if cost is not None), default=0.0)
    glyph = "█" if style.unicode else "#"
    bars = ["" if cost is None else glyph * max(1, round(_BAR * cost / longest)) for cost in costs]
    marked = [
        (f"{'▸' if item.standing is Standing.CHOSEN else ' '} {row[0]}", *row[1:3], pad(bar, _BAR), *row[3:])
        for item, row, bar in zip(tuning.settings, rows, bars, strict=True)
    ]
    return columns(
        marked,
        style,
        head=(f"  {head[0]}", *head[1:3], "", *head[3:]),
        right={1, 2, 4, 5, 7},
        roles=[_ROLES[item.standing] for item in tuning.settings],
    )


def _standing(item: Setting, reference: str) -> str:
    said = {
        Standing.CHOSEN: "use this",
        Standing.LEFT: "not told apart from it",
        Standing.DEARER: "dearer",
        Standing.WORSE: "loses quality: cannot win",
        Standing.UNSURE: "quality undecided: cannot win",
        Standing.FAILED: f"failed: {item.failure}",
        Standing.RACING: "in the race",
    }
    return said[item.standing] + (" (reference)" if item.name == reference else "")


def _how_sure(tuning: Tuning) -> str:
    level = units.margin(tuning.level)
    many = len([item for item in tuning.settings if item.standing is not Standing.FAILED])
    others = [name for name in tuning.best if name != tuning.chosen]
    if tuning.ending is Ending.ONE_LEFT and not others:
        return f"With a probability of at least {level} it is the cheapest of the {many} settings that could win."
    bound = "" if tuning.at_most is None else f" {tuning.chosen} costs at most {units.margin(tuning.at_most)} more."
    said = f"With a probability of at least {level} the cheapest is {_either([str(tuning.chosen), *others])}.{bound}"
    if tuning.ending is Ending.BLOCKS_SPENT:
        said += f" {tuning.blocks} blocks cannot tell them apart; --blocks says how many there may be."
    return said


def _quality(experiment: Experiment, tuning: Tuning) -> str:
    states = {item.name: item.quality for item in tuning.settings}
    if all(state is QualityState.NOT_MEASURED for state in states.values()):
        remedy = "--quality accuracy:max:0.01 makes it count."
        if experiment.plan.design.short is not None:
            remedy = "A short plan has no result: a few full runs with --quality say it."
        return f"Quality was not measured: cost alone decided, and nothing says that the result is as good. {remedy}"
    worse = [name for name, state in states.items() if state is QualityState.WORSE]
    unsure = [item.name for item in tuning.settings if item.standing is Standing.UNSURE]
    target = experiment.plan.design.quality
    name = "Quality" if target is None else target.metric
    said = f"{name} was held against the reference."
    said += f" Worse, so out: {', '.join(worse)}." if worse else " No setting was shown to be worse."
    open_ = [name for name, state in states.items() if state is QualityState.UNDECIDED and name not in unsure]
    if open_ and target is not None and target.margin > 0:
        said += f" Out for the cost before {name} was decided: {', '.join(open_)}."
    elif open_:
        said += f" Not decided, for want of a margin (--quality NAME:min:MARGIN): {', '.join(open_)}."
    if unsure:
        said += f" Not decided, so they could not win: {', '.join(unsure)}."
    return said


def _either(names: Sequence[str]) -> str:
    return " or ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + " or " + names[-1]


def _saving_story(experiment: Experiment, tuning: Tuning) -> ComparisonStory | None:
    """The chosen setting against the reference, told from the fresh blocks alone."""
    if tuning.saving is None or tuning.chosen is None:
        return None
    story = tell_comparison(experiment, Comparison(experiment.plan.experiment, (tuning.saving,)))
    design = experiment.plan.design
    pair = {tuning.chosen, tuning.reference}
    identity = experiment.plan.experiment
    commands = [variant for variant in design.variants if variant.name in pair]
    again = shlex.join(["wattleak", "compare", "--sessions", "3", *(words.variant_command(item) for item in commands)])
    return replace(
        story,
        title=f"What it saves: {tuning.chosen} against {tuning.reference}",
        facts=(f"{words.count(tuning.fresh, 'fresh block')}, which no choice was made on",),
        incomplete=None,
        following=(
            f"wattleak report {shlex.quote(identity)}",
            *(() if any(by_hand(item) for item in commands) else (again,)),  # compare changes no device
        ),
    )
