"""What `wattleak doctor` found, as text and as a JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.calibration import describe
from wattleak.analysis.noise import EFFECT_FORMULA, LEVEL, POWER, SPREAD_FORMULA
from wattleak.documents import Document, calibration_document, channel_document, envelope, unavailable_document
from wattleak.environment.checks.check import State
from wattleak.reports import units, words
from wattleak.reports.columns import columns
from wattleak.reports.style import Style, pad, width
from wattleak.reports.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.noise import Detectable, Spread
    from wattleak.environment.checks.check import CheckResult
    from wattleak.environment.sources import Source
    from wattleak.experiment.noise import Noise
    from wattleak.model import Calibration, Channel

_ROLES = {
    State.ERROR: "bad",
    State.WARNING: "warning",
    State.INFO: "same",
    State.NOT_KNOWN: "faint",
    State.OK: "good",
}
_SAID = {State.NOT_KNOWN: "not known"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that doctor looked at. `noise` is None when it was skipped, or when it failed (`noise_failure`)."""

    machine: Mapping[str, str]  # fingerprint
    sources: tuple[Source, ...]
    primary_metric: str  # that an experiment decides by here
    checks: tuple[CheckResult, ...]
    noise: Noise | None
    noise_failure: str | None
    calibration: Calibration | None  # of this machine, for the channels that a run reads
    calibration_problem: str | None  # why the one that is kept cannot be used

    @property
    def worst(self) -> State:
        """The worst state of all checks; an error too when not even the control workload could be measured."""
        if self.noise_failure is not None:
            return State.ERROR
        order = list(State)
        return min((check.state for check in self.checks), key=order.index, default=State.OK)


# -- JSON ------------------------------------------------------------------------------------------------------------


def doctor_document(found: Diagnosis) -> Document:
    """What `wattleak doctor --json` prints."""
    return {
        **envelope("doctor"),
        "machine": dict(found.machine),
        "primary_metric": found.primary_metric,
        "meters": [_source_document(source) for source in found.sources],
        "calibration_problem": found.calibration_problem,
        "calibration": None if found.calibration is None else calibration_document(found.calibration),
        "checks": [
            {
                "name": check.name,
                "test": check.test,
                "state": check.state.value,
                "finding": check.finding,
                "remedy": check.remedy,
            }
            for check in found.checks
        ],
        "worst": found.worst.value,
        "noise": None if found.noise is None else _noise_document(found.noise),
        "noise_failure": found.noise_failure,
    }


def _source_document(source: Source) -> Document:
    return {
        "meter": source.meter,
        "usable": bool(source.channels),
        "used": source.used,
        "absent": source.absent,
        "channels": [channel_document(channel) for channel in source.channels],
        "unavailable": None if source.unavailable is None else unavailable_document(source.unavailable),
        "losses": [unavailable_document(loss) for loss in source.losses],
        "probe_s": source.probe_s,
        "open_s": source.open_s,
    }


def _noise_document(noise: Noise) -> Document:
    return {
        "workload": noise.workload,
        "pairs": noise.pairs,
        "duration_s": noise.duration_s,
        "level": LEVEL,
        "power": POWER,
        "spread_formula": SPREAD_FORMULA,
        "effect_formula": EFFECT_FORMULA,
        "metrics": {
            spread.metric: {
                "origin": spread.origin.value,
                "typical": spread.typical,
                "spread": spread.spread,
                "low": spread.low,
                "high": spread.high,
                "values": [list(pair) for pair in spread.values],
                "detectable": [
                    {"blocks": item.blocks, "change": item.change, "low": item.low, "high": item.high}
                    for item in spread.detectable
                ],
            }
            for spread in noise.spreads
        },
    }


# -- text ------------------------------------------------------------------------------------------------------------


def render_doctor(found: Diagnosis, *, style: Style) -> str:
    """The same for people. Ends without a line end."""
    machine = found.machine
    allowed, all_cpus = machine.get("cpus_allowed"), machine.get("cpus")
    cpus = f"{all_cpus} CPUs" if allowed in {None, all_cpus} else f"{allowed} of {all_cpus} CPUs"
    aside = " · ".join(part for part in (machine.get("node"), machine.get("cpu"), cpus, machine.get("system")) if part)
    lines = [style.paint("wattleak doctor", "strong"), style.paint("  " + aside, "faint")]
    lines += ["", style.paint("METERS", "faint"), *_meters(found, style)]
    lines += ["", style.paint("CHECKS", "faint"), *_checks(found.checks, style)]
    lines += ["", style.paint("NOISE", "faint"), *_noise(found, style)]
    return "\n".join([*lines, "", *(_next(found, style))])


def _meters(found: Diagnosis, style: Style) -> list[str]:
    usable = [source for source in found.sources if source.channels]
    rows: list[tuple[str, ...]] = [("meter", "channel", "origin", "moves every", "truth within", "device")]
    painted: list[list[str]] = [[]]
    for source in usable:
        for channel in source.channels:
            name = source.meter if channel is source.channels[0] else ""
            rows.append((name, *_channel(channel)))
            painted.append(wrapped(channel.source, style, " " * 6, role="faint"))
        if not source.used:
            painted[-1] += wrapped("not used unless named: --meters " + source.meter, style, " " * 6, role="faint")
        for loss in source.losses:
            painted[-1] += _lacking(loss.reason, loss.remedy, style)
    table = columns(rows[1:], style, head=rows[0])
    lines = [line for row, below in zip(table, painted, strict=True) for line in (row, *below)]
    if not usable:
        lines = wrapped(
            "No meter can be read here: energy is absent; time, CPU-seconds and memory are measured.", style
        )
    for source in found.sources:
        if source.unavailable is not None:
            said, role = ("nothing to read here", "faint") if source.absent else ("cannot be read", "warning")
            lines += [f"  {style.paint(source.meter, 'strong')}  {style.paint(said, role)}"]
            lines += _lacking(source.unavailable.reason, source.unavailable.remedy, style)
    opened = [f"{s.meter} {units.duration(s.open_s)}" for s in usable if s.open_s is not None]
    if opened:
        said = "Opening a meter, from its import to the first reading in a process like the recorder's: "
        lines += ["", *wrapped(said + ", ".join(opened) + ".", style)]
    unanswered = [source.meter for source in usable if source.open_s is None]
    if unanswered:
        lines += wrapped(
            f"No first reading came from {', '.join(unanswered)} in a process like the recorder's.",
            style,
            role="warning",
        )
    lines += wrapped(f"An experiment here decides by {words.title(found.primary_metric)}.", style)
    return lines + _calibration(found, style)


def _channel(channel: Channel) -> tuple[str, ...]:
    low, high = units.plain(channel.relative_low), units.plain(channel.relative_high)
    period = units.duration(channel.period_s)
    return channel.name, channel.origin.value, period, f"{low} to {high} of it", channel.device or "not named"


def _calibration(found: Diagnosis, style: Style) -> list[str]:
    if found.calibration_problem is not None:
        return wrapped(found.calibration_problem, style, role="warning")
    if found.calibration is None:
        return []
    slope, offset = found.calibration.slope, found.calibration.offset_w
    ends = ", ".join(units.number(end) for end in (slope.low, slope.high))
    watts, within = units.with_range(offset, "W")
    said = f"{describe(found.calibration)}. Slope {units.number(slope.value)} [{ends}], offset {watts} {within}."
    return wrapped(f"{said[0].upper()}{said[1:]}", style)


def _checks(checks: Sequence[CheckResult], style: Style) -> list[str]:
    """Worst first; the remedy on a line of its own, ready to be copied."""
    order = list(State)
    ordered = sorted(checks, key=lambda check: order.index(check.state))
    states = [_SAID.get(check.state, check.state.value) for check in ordered]
    first = max((width(state) for state in states), default=0)
    second = max((width(check.name) for check in ordered), default=0)
    third = max((width(check.test) for check in ordered), default=0)
    indent = " " * (2 + first + 2 + second + 2 + third + 2)
    lines = []
    for check, state in zip(ordered, states, strict=True):
        head = f"  {style.paint(pad(state, first), _ROLES[check.state])}  {pad(check.name, second)}  "
        text = wrapped(check.finding, style, indent)
        lines += [head + pad(check.test, third) + "  " + text[0][len(indent) :], *text[1:]]
        if check.remedy and check.state is not State.OK:
            lines += _remedy(check.remedy, style, indent)
    count = {state: sum(check.state is state for check in checks) for state in State}
    summed = " · ".join(f"{_SAID.get(state, state.value)} {number}" for state, number in count.items() if number)
    return [*lines, "", *wrapped(f"{summed}. A check in full: wattleak explain NAME", style)]


def _noise(found: Diagnosis, style: Style) -> list[str]:
    noise = found.noise
    if found.noise_failure is not None:
        return wrapped(found.noise_failure, style, role="bad")
    if noise is None:
        return wrapped("Not measured (--quick).", style)
    lines = wrapped(
        f"{noise.pairs} pairs of runs of one fixed program ({noise.workload}) in {units.duration(noise.duration_s)}.",
        style,
    )
    lines.append("")
    if not noise.spreads:
        return lines + wrapped("The runs gave no figure that can be compared.", style, role="warning")
    blocks = [item.blocks for item in next((s.detectable for s in noise.spreads if s.detectable), ())]
    head = ("", "one run", "spread of a pair", *(f"{number} blocks" for number in blocks))
    lines += columns((_spread_row(spread, len(blocks)) for spread in noise.spreads), style, head=head)
    lines += [
        "",
        *wrapped(
            "So many blocks show a change of that size with 80 % power at the 95 % level; in brackets the 95 % range. "
            "It holds for programs like this one, on this machine as it is now: longer runs are steadier, another "
            "session or node differs more.",
            style,
            role="faint",
        ),
        *wrapped(f"Spread: {SPREAD_FORMULA}.", style, role="faint"),
        *wrapped(f"Change: {EFFECT_FORMULA}.", style, role="faint"),
    ]
    return lines


def _spread_row(spread: Spread, columns: int) -> tuple[str, ...]:
    typical = units.quantity(spread.typical, words.unit(spread.metric))
    if not spread.detectable:
        return (words.title(spread.metric), typical, "below what its source resolves", *[""] * columns)
    cells = [_percent_range(item.change, item) for item in spread.detectable]
    return (words.title(spread.metric), typical, _percent_range(spread.spread, spread), *cells)


def _percent_range(value: float, ends: Spread | Detectable) -> str:
    shown = [units.number(100 * number, 2) for number in (value, ends.low, ends.high)]
    return f"{shown[0]} % [{shown[1]}, {shown[2]}]"


def _next(found: Diagnosis, style: Style) -> list[str]:
    for check in sorted(found.checks, key=lambda check: list(State).index(check.state)):
        if check.state in {State.ERROR, State.WARNING}:
            return [style.text(f"Next: wattleak explain {check.name}")]
    return [style.text("Next: wattleak measure -- COMMAND")]


def _lacking(reason: str, remedy: str, style: Style) -> list[str]:
    return wrapped(reason, style, " " * 6) + (_remedy(remedy, style, " " * 6) if remedy else [])


def _remedy(remedy: str, style: Style, indent: str) -> list[str]:
    """Not wrapped where it is a short command: it is there to be copied."""
    return wrapped(f"→ {remedy}", style, indent)
