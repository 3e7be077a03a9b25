"""From a recording to the Measurement that people read: pure but for reading the run's own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.analysis.attribution import attribute
from wattleak.analysis.calibration import at_the_wall
from wattleak.analysis.counting import count, counted_by
from wattleak.analysis.cpu_time import cpu_in, cpu_seconds
from wattleak.analysis.energy import machine_energy
from wattleak.analysis.step_window import counted_steps
from wattleak.analysis.steps import step_costs
from wattleak.documents import calibration_from_document
from wattleak.footprint.intensity import carbon
from wattleak.model import Measurement, SpanCost, StepWindow
from wattleak.recorder.gaps import gap_notes
from wattleak.recorder.journal import JOURNAL, METRICS
from wattleak.recorder.reported import Reported, read_reported
from wattleak.recorder.trace import Recording, read_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wattleak.analysis.attribution import Attribution
    from wattleak.footprint.intensity import Intensity
    from wattleak.model import ChannelEnergy, Span, Trace

PLANNED = "the plan: "  # begins the reason of an end that is part of a short plan
_SIGKILL = 9
_EDGE_S = 0.01  # a span's end is written right after its reading
_LEAST_UNSEEN_S = 0.01  # what CPU time is counted in on most systems


def read_measurement(
    folder: Path, *, region: str | Intensity | None, pue: float | None, more: Reported | None = None
) -> Measurement:
    """The Measurement of one run folder. `more` is what the program reported another way than in the metrics file."""
    recording = read_recording(folder / JOURNAL)
    reported = (more or Reported()).then(read_reported(folder / METRICS))
    return summarise(recording, quality=reported.quality, outputs=reported.outputs, region=region, pue=pue)


def read_span(folder: Path, span_id: int) -> SpanCost:
    """Cost of one span of a recording that may still go on."""
    recording = read_recording(folder / JOURNAL)
    span = next(span for span in recording.trace.spans if span.id == span_id)
    started_s = recording.started_s if recording.started_s is not None else float(recording.start["t"])
    return _span_cost(recording, span, started_s, recording.last_s)


def summarise(
    recording: Recording,
    *,
    quality: dict[str, float],
    region: str | Intensity | None,
    pue: float | None,
    outputs: dict[str, str] | None = None,
) -> Measurement:
    """Everything that the recording says, as numbers with range and origin."""
    trace, start = recording.trace, recording.start
    started_s = recording.started_s if recording.started_s is not None else float(start["t"])
    ended_s = _ended_s(recording)
    # The first reading lies before the start, by as long as a busy machine makes it: what is between is nobody's.
    window = (max(started_s, trace.samples[0].time_s) if trace.samples else started_s, ended_s)
    energy, attribution = _energies(recording, *window)
    reason = _incomplete_reason(recording)
    end, exited = recording.end or {}, recording.exited or {}
    total_j = attribution.total_j
    return Measurement(
        id=start["run"],
        name=start["name"],
        command=tuple(start["command"]),
        started_at=start["started_at"],
        complete=reason is None,
        incomplete_reason=reason,
        exit_code=exited.get("code"),
        signal=exited.get("signal"),
        duration_s=max(0.0, ended_s - started_s),
        cpu_s=trace.samples[-1].cpu_s if trace.samples else 0.0,
        user_s=end.get("user_s"),
        system_s=end.get("system_s"),
        peak_memory_b=max([end.get("peak_b", 0), *(sample.memory_b for sample in trace.samples)]),
        read_b=_most(sample.read_b for sample in trace.samples),
        written_b=_most(sample.written_b for sample in trace.samples),
        processes=max([1, *(sample.processes for sample in trace.samples)]),
        energy=energy,
        attributed=attribution.channels,
        attributed_energy_j=total_j,
        idle_energy_j=attribution.idle_j,
        carbon_g=None if total_j is None else carbon(total_j, region, pue, _during(start, ended_s - started_s)),
        unavailable=recording.unavailable,
        spans=tuple(_span_cost(recording, span, started_s, ended_s) for span in trace.spans),
        gaps=trace.gaps,
        notes=(*attribution.notes, *_notes(recording)),
        quality=quality,
        outputs=outputs or {},
        journal=recording.path,
        machine_counted_by=counted_by(trace),
        steps=step_costs(trace),
        window=_step_window(recording, started_s),
        planned_end=_planned_end(recording),
    )


def _during(start: dict[str, Any], duration_s: float) -> tuple[float, float]:
    """When the work was, in seconds since 1970."""
    from datetime import datetime  # noqa: PLC0415 - a recording that begins does without

    began_s = datetime.fromisoformat(start["started_at"]).timestamp()
    return began_s, began_s + max(0.0, duration_s)


def _energies(recording: Recording, start_s: float, end_s: float) -> tuple[tuple[ChannelEnergy, ...], Attribution]:
    """Energy of the machine by channel and what of it is the tree's: at the wall too, where a calibration holds."""
    trace = recording.trace
    energy = count(trace, machine_energy(trace, start_s, end_s), start_s, end_s)
    attribution = attribute(trace, start_s, end_s)
    kept = recording.start.get("calibration")
    if kept is None:
        return energy, attribution
    return at_the_wall(calibration_from_document(kept), energy, attribution, end_s - start_s)


def _ended_s(recording: Recording) -> float:
    """When the work ended: the workload's own exit, or the end of what it left behind."""
    if recording.exited is None or recording.end is None:
        return recording.last_s
    trailing = [sample for sample in recording.trace.samples if sample.time_s > recording.exited["t"]]
    if any(sample.processes for sample in trailing):
        return recording.last_s
    return float(recording.exited["t"])


def _incomplete_reason(recording: Recording) -> str | None:
    end, exited = recording.end, recording.exited
    signal = None if exited is None else exited["signal"]
    attached = recording.start["mode"] == "attach"
    shortage = _out_of_memory(exited)
    planned = _planned_end(recording) is not None
    reasons = (
        (recording.running, "still running"),
        (recording.lost is not None, recording.lost),
        (end is None, "the recorder was killed"),
        (
            end is not None and end.get("killed") and signal is not None and not planned,
            f"ended by wattleak: {(end or {}).get('killed')}",
        ),
        (exited is None and not attached, "nobody saw the end of the workload"),
        (signal == _SIGKILL and shortage is not None and not planned, f"the workload was killed: {shortage}"),
        (signal is not None and not planned, f"the workload was ended by signal {signal}"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _planned_end(recording: Recording) -> str | None:
    """When a short plan ended this run; None: it ended by itself, or for another reason."""
    killed = (recording.end or {}).get("killed") or ""
    return killed.removeprefix(PLANNED) if killed.startswith(PLANNED) else None


def _step_window(recording: Recording, started_s: float) -> StepWindow | None:
    """What the steps cost from the first mark to the last; None: fewer than two marks."""
    trace = recording.trace
    counted = counted_steps(trace.steps)
    cpu_s = None if counted is None else cpu_in(trace, [(counted.start_s, counted.end_s)])
    if counted is None or cpu_s is None:
        return None
    energy, attribution = _energies(recording, counted.start_s, counted.end_s)
    return StepWindow(
        name=counted.name,
        writers=counted.writers,
        steps=counted.steps,
        samples=counted.samples,
        duration_s=counted.end_s - counted.start_s,
        cpu_s=cpu_s,
        energy=energy,
        attributed=attribution.channels,
        attributed_energy_j=attribution.total_j,
        start_up_s=counted.start_s - started_s,
        start_up_cpu_s=cpu_seconds(trace.samples, started_s, counted.start_s),
        start_up_energy_j=_energies(recording, started_s, counted.start_s)[1].total_j,
    )


def _out_of_memory(exited: dict[str, Any] | None) -> str | None:
    """What the kernel says about processes that it killed for lack of memory during the run; None: it killed none.

    A cgroup counts its own. The machine's count (/proc/vmstat) includes strangers, so there it is only likely.
    """
    kills = (exited or {}).get("oom") or {}
    if kills.get("cgroup"):
        return f"its memory limit was reached, and the kernel ended {kills['cgroup']} process(es) of this control group"
    if kills.get("machine"):
        return f"probably for lack of memory: the kernel ended {kills['machine']} process(es) of this machine for that"
    return None


def _notes(recording: Recording) -> list[str]:
    notes = [*recording.start.get("allocation", ()), *recording.notes]
    if recording.start.get("calibration_note"):
        notes.append(recording.start["calibration_note"])
    others = counted_by(recording.trace)
    if others:
        notes.append(
            f"run {', '.join(others)} of this node ran at the same time and counts the machine's energy: "
            "add up attributed figures, not machine figures"
        )
    killed = _out_of_memory(recording.exited)
    if killed is not None and (recording.exited or {}).get("signal") != _SIGKILL:
        notes.append(f"a process was killed: {killed}")
    notes += recording.start["settings"].get("notes", ())
    notes += gap_notes(recording.trace)
    if recording.damaged:
        notes.append(f"{recording.damaged} damaged line(s) of the journal were left out")
    end = recording.end or {}
    if end.get("left"):
        pids = ", ".join(map(str, end["left"]))
        notes.append(f"left running and counted only up to the end: process {pids}")
    if end.get("unwaited_s"):
        notes.append(
            f"{end['unwaited_s']:.2f} CPU-seconds are of processes that nobody waited for: "
            "exact to the last sample only"
        )
    notes += _portable_notes(recording)
    return notes


def _portable_notes(recording: Recording) -> Iterator[str]:
    """What the portable recorder cannot see on its platform (recorder.platforms), and how much that may be here."""
    told = recording.start.get("portable")
    if not told:
        return
    yield f"read through psutil (portable recorder, {told['name']}): {told['loses']}"
    samples = recording.trace.samples
    if samples and samples[-1].unseen_s >= _LEAST_UNSEEN_S:
        yield (
            f"up to {samples[-1].unseen_s:.2f} CPU-seconds may be missing from the CPU time; "
            "the ranges of attributed energy reach that far"
        )


def _most(amounts: Iterable[int | None]) -> int | None:
    return max((amount for amount in amounts if amount is not None), default=None)


def _span_cost(recording: Recording, span: Span, started_s: float, ended_s: float) -> SpanCost:
    trace = recording.trace
    end_s = ended_s if span.end_s is None else span.end_s
    energy, attribution = _energies(recording, span.start_s, end_s)
    return SpanCost(
        name=span.name,
        start_s=span.start_s - started_s,
        duration_s=end_s - span.start_s,
        cpu_s=cpu_seconds(trace.samples, span.start_s, end_s),
        energy=energy,
        attributed_energy_j=attribution.total_j,
        depth=_depth(trace, span),
        # A program that outlived its recorder ended the span itself: it has an end, and was not read to its end.
        complete=span.end_s is not None and bool(trace.samples) and span.end_s <= trace.samples[-1].time_s + _EDGE_S,
    )


def _depth(trace: Trace, span: Span) -> int:
    by_id = {other.id: other for other in trace.spans}
    depth = 0
    while span.parent is not None and span.parent in by_id:
        span = by_id[span.parent]
        depth += 1
    return depth
