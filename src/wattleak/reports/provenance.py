"""Where the numbers of a page come from, as tables: channels, missing meters, intensity, design, machine, every run."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from wattleak.reports import units, words
from wattleak.reports.figures import RunRow, origin_of, run_rows
from wattleak.reports.markup import Html, table, tag
from wattleak.reports.measurement_story import source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.model import Channel, ChannelEnergy, Experiment, Measurement, Unavailable

_RUN_METRICS = (
    "cpu_s",
    "duration_s",
    "energy_j",
    "gpu_energy_j",
    "attributed_energy_j",
    "peak_memory_b",
    "carbon_g",
)
_NOTHING = "–"  # noqa: RUF001 - an en dash for an empty cell


# -- meters ----------------------------------------------------------------------------------------------------------


def channel_table(measurements: Iterable[Measurement]) -> Html:
    """Every channel that was read in any of the measurements."""
    channels: dict[str, Channel] = {}
    for measurement in measurements:
        channels |= {item.channel.name: item.channel for item in (*measurement.energy, *measurement.attributed)}
    if not channels:
        return _titled("Channels", tag("p", "No energy channel could be read: energy is missing, not zero."))
    rows = [
        (
            channel.name,
            channel.device or _NOTHING,
            str(channel.origin.value),
            units.duration(channel.period_s),
            f"{units.plain(channel.relative_low)} to {units.plain(channel.relative_high)} x the reading",
            _NOTHING if channel.idle_w is None else " ".join(units.with_range(channel.idle_w, "W")),
            ", ".join(sorted(channel.contains)) or _NOTHING,
            channel.source or _NOTHING,
        )
        for channel in channels.values()
    ]
    head = ("channel", "device", "origin", "period", "95 % range", "idle power", "contains", "source")
    return _titled("Channels", table(head, rows, numbers=(3,), label="channels"))


def lacking_table(lacking: Sequence[Unavailable]) -> Html:
    """Meters that could not be read, why, and what to type."""
    if not lacking:
        return Html("")
    rows = [(item.meter, item.reason, tag("code", item.remedy) if item.remedy else _NOTHING) for item in lacking]
    return _titled("Not measured", table(("meter", "reason", "remedy"), rows, label="meters that could not be read"))


def carbon_table(measurements: Iterable[Measurement]) -> Html:
    """Every carbon intensity that was used."""
    used = dict.fromkeys(
        (
            carbon.region,
            f"{units.number(carbon.intensity_g_per_kwh)} g/kWh",
            f"[{units.number(carbon.intensity_low)}, {units.number(carbon.intensity_high)}]",
            source_of(carbon),
            units.plain(carbon.pue),
            str(carbon.origin.value),
            carbon.note or _NOTHING,
        )
        for measurement in measurements
        if (carbon := measurement.carbon_g) is not None
    )
    if not used:
        return Html("")
    head = ("region", "intensity", "range", "source, year", "PUE", "origin of the energy", "note")
    return _titled("Carbon intensity", table(head, used, numbers=(1, 2, 4), label="carbon intensity"))


# -- experiment ------------------------------------------------------------------------------------------------------


def design_table(experiment: Experiment) -> Html:
    """What was fixed before the first run."""
    plan = experiment.plan
    design = plan.design
    rows = [
        ("blocks", f"{design.blocks}, and {design.warmups} for warming up, thrown away"),
        ("order", f"{words.order_in_words(design)}, seed {design.seed}; every run in a fresh process"),
        ("primary metric", f"{words.title(design.metric)} ({design.metric})"),
        (
            "smallest effect",
            f"±{units.margin(design.smallest_effect)}"
            + (f" ({design.smallest_effect_reason})" if design.smallest_effect_reason else ""),
        ),
        ("level", units.margin(design.level) + (", shared by the candidates" if len(design.variants) > 2 else "")),
        ("cool-down", "until as cool and idle as at the start" if design.gated else units.duration(design.cooldown_s)),
        ("time limit", _NOTHING if design.timeout_s is None else units.duration(design.timeout_s)),
    ]
    if design.quality is not None:
        wanted = f"{design.quality.metric}, {design.quality.direction.value}"
        rows.append(("quality", f"{wanted}, tolerated {units.plain(design.quality.margin)}"))
    rows += [("planned", words.moment(plan.created_at)), ("plan digest", tag("code", plan.digest))]
    return table(("", "fixed before the first run"), rows, label="design", kind="facts")


def environment_table(environment: Mapping[str, str]) -> Html:
    """The machine as it was found."""
    if not environment:
        return Html("")
    rows = [
        (name.removesuffix("_b").replace("_", " "), _fact(name, value)) for name, value in sorted(environment.items())
    ]
    return _titled("Machine", table(("", "found"), rows, label="machine", kind="facts"))


def run_table(experiment: Experiment) -> Html:
    """Every run, in the order in which they were made, and whether it counts."""
    rows = run_rows(experiment)
    metrics = [name for name in _RUN_METRICS if any(name in row.values for row in rows)]
    if "energy_j" in metrics and all(r.values.get("energy_j") == r.values.get("attributed_energy_j") for r in rows):
        metrics.remove("attributed_energy_j")
    scales = {
        name: units.fitting([row.values[name] for row in rows if name in row.values], words.unit(name))
        for name in metrics
    }
    quality = sorted({name for row in rows for name in row.run.measurement.quality})
    heads = [
        tag("span", f"{words.title(name)}, {scales[name][0]}", title=f"origin: {origin_of(experiment, name)}")
        + tag("small", origin_of(experiment, name))
        for name in metrics
    ]
    head = ("", "run", "block", "place", "try", "variant", "counts", *map(Html, heads), *quality, "seed")
    body = [_run_cells(row, metrics, scales, quality) for row in rows]
    if len({row.run.session for row in rows}) > 1:
        head = (*head, "session")
        body = [(*cells, row.run.session) for cells, row in zip(body, rows, strict=True)]
    classes = [None if row.status == "counted" else "pale" for row in rows]
    numbers = [2, 3, 4, *range(7, 7 + len(metrics) + len(quality) + 1)]
    return table(head, body, numbers=numbers, classes=classes, label="every run", kind="runs")


def _run_cells(
    row: RunRow, metrics: Sequence[str], scales: Mapping[str, tuple[str, float]], quality: Sequence[str]
) -> tuple[str, ...]:
    run = row.run
    values = (
        units.number(row.values[name] / scales[name][1], 4) if name in row.values else _NOTHING for name in metrics
    )
    figures = run.measurement.quality
    return (
        str(row.order),
        tag("code", run.id),
        "warm-up" if run.block < 0 else str(run.block + 1),
        str(run.position + 1),
        str(run.attempt),
        run.variant,
        row.why_not or "yes",
        *values,
        *(units.figures((figures[name],))[0] if name in figures else _NOTHING for name in quality),
        str(run.seed),
    )


# -- where -----------------------------------------------------------------------------------------------------------


def channel_medians(experiment: Experiment) -> Html | None:
    """Energy by channel and variant: medians over the runs that count. None where no channel was read."""
    names = [variant.name for variant in experiment.plan.design.variants]
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in run_rows(experiment):
        if row.status != "counted":
            continue
        measurement = row.run.measurement
        for whose, items in (("machine", measurement.energy), ("this process tree", measurement.attributed)):
            for item in items:
                key = (item.channel.name, whose, _origin(item))
                found.setdefault(key, {}).setdefault(row.run.variant, []).append(item.energy_j.value)
    if not found:
        return None
    rows = [
        (channel, whose, origin, *_shared_unit([values.get(name) for name in names], "J"))
        for (channel, whose, origin), values in found.items()
    ]
    columns = range(3, 3 + len(names))
    return _titled(
        "Energy by channel",
        table(
            ("channel", "energy of", "origin", *names),
            rows,
            numbers=columns,
            caption="medians over the runs that count",
        ),
    )


def span_medians(experiment: Experiment) -> Html | None:
    """Wall and CPU time by span and variant: medians over the runs that count. None where no span was recorded."""
    names = [variant.name for variant in experiment.plan.design.variants]
    wall: dict[str, dict[str, list[float]]] = {}
    cpu: dict[str, dict[str, list[float]]] = {}
    for row in run_rows(experiment):
        if row.status != "counted":
            continue
        for span in dict.fromkeys(span.name for span in row.run.measurement.spans):
            alike = [item for item in row.run.measurement.spans if item.name == span]
            wall.setdefault(span, {}).setdefault(row.run.variant, []).append(sum(item.duration_s for item in alike))
            cpu.setdefault(span, {}).setdefault(row.run.variant, []).append(sum(item.cpu_s for item in alike))
    if not wall:
        return None
    rows = [
        (span, what, *_shared_unit([values[span].get(name) for name in names], "s"))
        for span in wall
        for what, values in (("wall time", wall), ("CPU time", cpu))
    ]
    columns = range(2, 2 + len(names))
    return _titled(
        "Spans", table(("span", "", *names), rows, numbers=columns, caption="medians over the runs that count")
    )


def _shared_unit(samples: Sequence[list[float] | None], unit: str) -> list[str]:
    middles = [None if not sample else median(sample) for sample in samples]
    shown = iter(units.same_unit([value for value in middles if value is not None], unit))
    return [_NOTHING if value is None else next(shown) for value in middles]


def _origin(item: ChannelEnergy) -> str:
    return str(item.energy_j.origin.value)


def _fact(name: str, value: str) -> str:
    return units.memory(int(value)) if name.endswith("_b") and value.isdigit() else value


def _titled(title: str, content: Html) -> Html:
    return Html(tag("h3", title) + content)
