"""What other tools measured, as text, Markdown and a document. Every number keeps the origin `quoted`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from wattleak.archive.imported import RunOrder
from wattleak.documents import envelope, pair_document
from wattleak.model import QualityState
from wattleak.reports import markdown, text, units, words
from wattleak.reports.comparison_story import pair_story
from wattleak.reports.story import ComparisonStory, Line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.archive.imported import DeviceEnergy, PowerLog
    from wattleak.archive.judging import ImportedComparison
    from wattleak.model import PairComparison, QualityComparison
    from wattleak.reports.story import PairStory
    from wattleak.reports.style import Style

_ORDERS = {
    RunOrder.SEQUENTIAL: "sequential, one variant after another",
    RunOrder.MIXED: "variants alternate",
    RunOrder.UNKNOWN: "not known",
}
_QUOTED = (
    "Every number is quoted: somebody else measured it, and nothing here can check how. No plan fixed the question "
    "before the runs, so this is exploratory."
)
_NOT_STORED = "imported figures are printed and not stored: keep the files, or what --json prints"
_GRADE = "observed: it holds for these runs; imported runs are never graded higher, whatever their interval"


def tell_imported(found: ImportedComparison) -> ComparisonStory:
    """Everything that is to be said of imported runs."""
    archive = found.archive
    total = words.count(len(archive.runs), "run")
    excluded = [f"does not count: {item}" for item in archive.excluded]
    return ComparisonStory(
        title=" against ".join(found.runs),
        identity=archive.format,
        facts=(total, f"order {_ORDERS[found.order]}", "origin quoted", "unpaired"),
        incomplete=None,
        variants=tuple(Line(name, words.count(number, "run")) for name, number in found.runs.items()),
        pairs=tuple(_pair(pair, found.runs) for pair in found.pairs),
        doubts=found.doubts,
        lacking=(),
        notes=(*archive.notes, *excluded, _NOT_STORED),
        following=("wattleak compare A B    # the same question, in randomised blocks and fresh processes",),
    )


def render_imported(found: ImportedComparison, *, style: Style) -> str:
    """The comparison for the terminal. Ends without a line end."""
    return text.render_story(tell_imported(found), _aside(found), style=style)


def render_imported_markdown(found: ImportedComparison) -> str:
    """The comparison as Markdown. Ends with a line end."""
    return markdown.render_story(tell_imported(found), markdown.escape(_aside(found)))


def render_power(logs: Sequence[PowerLog], energies: Sequence[DeviceEnergy], *, style: Style) -> str:
    """Joules of each device and file, with what is known of them. Ends without a line end."""
    rows: list[tuple[str, ...]] = [("file", "device", "energy", "95 % range", "wall time", "mean power", "readings")]
    rows += [_energy_row(item) for item in energies]
    widths = [max(len(style.text(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for place, row in enumerate(rows):
        shown = "  ".join(style.text(cell).ljust(widths[column]) for column, cell in enumerate(row)).rstrip()
        lines.append(style.paint(shown, "faint") if place == 0 else shown)
    lines.append("")
    for note in power_notes(logs, energies):
        head, *rest = textwrap.wrap(style.text(note), 98, break_long_words=False, break_on_hyphens=False)
        lines += [f"  note      {head}", *(" " * 12 + line for line in rest)]
    return "\n".join(lines)


def power_notes(logs: Sequence[PowerLog], energies: Sequence[DeviceEnergy]) -> tuple[str, ...]:
    """What must be known of joules from a log: window of the source, gaps, missing readings."""
    notes = [f"origin quoted; {note}" for item in energies for note in item.notes]
    notes += [f"{log.source.path.name}: {note}" for log in logs for note in log.notes]
    for item in energies:
        if item.gaps:
            length = units.duration(sum(end - start for start, end in item.gaps))
            starts = ", ".join(f"{start:.4g} s" for start, _ in item.gaps[:5])
            notes.append(
                f"{item.file}, {item.device}: {words.count(len(item.gaps), 'gap')} without readings, {length} in all "
                f"(from {starts}); bridged, and the range allows the lowest and the highest power of the log there"
            )
        if item.missing:
            notes.append(f"{item.file}, {item.device}: {words.count(item.missing, 'reading')} without a number")
    return tuple(dict.fromkeys(notes))


def import_document(
    kind: str,
    files: Sequence[str],
    *,
    found: ImportedComparison | None = None,
    logs: Sequence[PowerLog] = (),
    energies: Sequence[DeviceEnergy] = (),
) -> dict[str, Any]:
    """What `import --json` prints. Without variants there are `energies` and no `comparisons`."""
    document: dict[str, Any] = {
        **envelope("import"),
        "format": kind,
        "files": list(files),
        "origin": "quoted",
        "stored": False,
        "order": None if found is None else found.order.value,
        "variants": None if found is None else dict(found.runs),
        "comparisons": [] if found is None else [_pair_document(pair, found) for pair in found.pairs],
        "runs": []
        if found is None
        else [
            {"variant": run.variant, "place": run.place, "values": dict(run.values), "quality": dict(run.quality)}
            for run in found.archive.runs
        ],
        "excluded": [] if found is None else list(found.archive.excluded),
        "energies": [_energy_document(item) for item in energies],
        "doubts": [] if found is None else list(found.doubts),
        "notes": [*([] if found is None else found.archive.notes), *power_notes(logs, energies)],
    }
    return document


# -- inside ----------------------------------------------------------------------------------------------------------


def _aside(found: ImportedComparison) -> str:
    files = found.archive.files
    names = [file.rpartition("/")[2] for file in files]
    return f"{found.archive.format}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"


def _pair(pair: PairComparison, runs: Mapping[str, int]) -> PairStory:
    return pair_story(
        pair,
        sorted(pair.metrics, key=lambda name: name != pair.primary_metric),
        sentence=_sentence(pair, runs),
        quality=_quality(pair.quality),
        remark=_QUOTED,
        lines=(*_test(pair), Line("grade", _GRADE)),
        quality_measured=False,
    )


def _sentence(pair: PairComparison, runs: Mapping[str, int]) -> str:
    """As `words.sentence`, of runs that are not in blocks."""
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.change is None:
        return f"{pair.primary_metric} of {pair.reference} and {pair.candidate} cannot be set against each other."
    if primary.low is not None:
        return words.sentence(pair)
    change, _ = units.change_with_interval(primary.change, None, None)
    return (
        f"The change in {words.noun(primary.name)} from {pair.reference} to {pair.candidate} looks like {change}, and "
        f"{runs[pair.reference]} against {words.count(runs[pair.candidate], 'run')} give it no interval."
    )


def _quality(quality: QualityComparison) -> str:
    """As `words.quality_sentence`, of runs that are not in blocks."""
    if quality.state is QualityState.IDENTICAL and quality.reference is not None:
        return f"{quality.metric} is identical in every run ({units.figures((quality.reference,))[0]})."
    if quality.state is QualityState.NOT_MEASURED and quality.metric is not None:
        return f"{quality.metric} was not recorded for both variants: nothing says that the result is as good."
    return words.quality_sentence(quality)


def _test(pair: PairComparison) -> tuple[Line, ...]:
    primary = pair.metrics.get(pair.primary_metric)
    if primary is None or primary.p_value is None:
        return ()
    said = f"{words.title(primary.name)}: Brunner-Munzel p = {units.probability(primary.p_value)}"
    sizes = primary.sizes
    if sizes is not None and sizes.a12 is not None and sizes.cliffs_delta is not None:
        ranged = "" if sizes.a12_low == sizes.a12_high else f" [{sizes.a12_low:.2f}, {sizes.a12_high:.2f}]"
        said += (
            f"; a run of {pair.candidate} is the higher one with probability A12 = {sizes.a12:.2f}{ranged}, "
            f"Cliff's delta {sizes.cliffs_delta:+.2f}"
        )
    return (Line("test", said),)


def _energy_row(item: DeviceEnergy) -> tuple[str, ...]:
    value, interval = units.with_range(item.energy_j, "J")
    duration_s = item.duration_s
    time = "not known" if duration_s is None else units.duration(duration_s)
    power = units.power(item.energy_j.value / duration_s) if duration_s else "not known"
    name = item.file if item.variant is None else f"{item.variant}: {item.file}"
    return (name, item.device, value, interval, time, power, str(item.readings))


def _energy_document(item: DeviceEnergy) -> dict[str, Any]:
    return {
        "file": item.file,
        "variant": item.variant,
        "device": item.device,
        "energy_j": item.energy_j.value,
        "low_j": item.energy_j.low,
        "high_j": item.energy_j.high,
        "origin": item.energy_j.origin.value,
        "start_s": item.start_s,
        "end_s": item.end_s,
        "duration_s": item.duration_s,
        "readings": item.readings,
        "missing": item.missing,
        "gaps": [{"start_s": start, "end_s": end} for start, end in item.gaps],
        "notes": list(item.notes),
    }


def _pair_document(pair: PairComparison, found: ImportedComparison) -> dict[str, Any]:
    runs = {"reference_runs": found.runs[pair.reference], "candidate_runs": found.runs[pair.candidate]}
    return {**pair_document(pair), **runs}
