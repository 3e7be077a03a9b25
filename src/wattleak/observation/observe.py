"""From the folder of a run that has ended to what was seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.phases import TRAINING, Noted, around_best, phases
from wattleak.model import Observations
from wattleak.observation.also_seen import also_seen
from wattleak.observation.best import best_of, noted_best
from wattleak.observation.linking import link
from wattleak.observation.per_sample import per_sample
from wattleak.observation.program import names_python, prove_command
from wattleak.observation.ranks import note_of, ranks_of, told_once
from wattleak.recorder.journal import JOURNAL
from wattleak.recorder.trace import read_recording
from wattleak.signals import SIGNALS, read_signals
from wattleak.smells.registry import all_smells, rooms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wattleak.model import Evidence, Finding, Phase
    from wattleak.signals import Fact, Process, Signals

NO_AGENT = "no agent reported: the Python of this command does not read PYTHONPATH (-I, -E or -S), or did not start"
_OWN = frozenset({"boot", "fork", "failure", "full"})  # what the agent says of itself


def observe(
    folder: Path, command: Sequence[str] = (), findings: Sequence[Finding] = (), weak: Sequence[Finding] = ()
) -> Observations:
    """What was seen in the run of `folder`; `findings` are those of a scan of the script in its command.

    `weak` ones, which a scan shows to auditors alone, are told only where something was seen.
    """
    signals = read_signals(folder / SIGNALS)
    evidence, notes = judge(signals)
    ranks = ranks_of(signals)
    seen = {item.code for item in evidence}
    went = _phases(folder, signals)
    processes = sum(process.pid is not None for process in signals.processes)
    return Observations(
        processes=processes,
        places=link(
            findings,
            evidence,
            _names(used=bool(evidence or findings)),
            weak=weak,
            corroborating=corroborating(signals, findings),
        ),
        phases=went,
        also=also_seen(signals),
        per_sample=per_sample(signals, _trainer(signals), went),
        ranks=tuple(ranks),
        world=max((process.world or 0 for process in ranks.values()), default=None),
        notes=(
            *note_of(ranks, _trainer(signals)),
            *([] if processes or not names_python(command) else [NO_AGENT]),
            *_failures(signals),
            *_noticed(signals),
            *notes,
        ),
        # Only what a scan finds has a fix that could be proved.
        prove=prove_command(command) if any(finding.code in seen for finding in findings) else None,
    )


def judge(signals: Signals) -> tuple[list[Evidence], list[str]]:
    """Evidence of every smell that has a probe, and which of the probes failed."""
    found: list[Evidence] = []
    notes: list[str] = []
    if all(fact.kind in _OWN for fact in signals.facts):
        return found, notes  # no framework was used: the rooms need not be loaded
    for room in rooms():
        if room.probe is None:
            continue
        try:
            found += room.probe(signals)
        except Exception as error:  # noqa: BLE001 - a probe may be anybody's; it must not take the others down with it
            notes.append(f"the probe of {room.smell.code} failed: {type(error).__name__}: {error}")
    return told_once(found, signals), notes


def corroborating(signals: Signals, findings: Iterable[Finding]) -> list[Evidence]:
    """What says something only of lines that are suspected: asked of the smells that are."""
    suspected = {finding.code for finding in findings}
    found: list[Evidence] = []
    for room in rooms() if suspected else ():
        if room.corroborate is not None and room.smell.code in suspected:
            found += room.corroborate(signals)
    return found


def _names(*, used: bool) -> dict[str, str]:
    return {smell.code: smell.name for smell in all_smells()} if used else {}


def _failures(signals: Signals) -> Iterable[str]:
    """Hooks that were turned off, each once, however many processes they failed in."""
    told = (
        f"a hook was turned off: {fact.text('hook')} ({fact.text('where')}): {fact.text('error')}"
        for fact in signals.of("failure")
    )
    cut = ("a process noted more than fits; the rest was left out" for _ in signals.of("full"))
    return dict.fromkeys((*told, *cut))


def _noticed(signals: Signals) -> Iterable[str]:
    """What hooks noticed that no room is for: what was left on from debugging. Each once, with its line."""
    return dict.fromkeys(
        f"{fact.text('text')} ({fact.text('file')}:{fact.line})" if fact.text("file") else str(fact.text("text"))
        for fact in signals.of("note")
        if fact.text("text")
    )


def _phases(folder: Path, signals: Signals) -> tuple[Phase, ...]:
    noted = _noted(signals)
    best = best_of(signals, _trainer(signals))
    if not noted and best is None:
        return ()
    recording = read_recording(folder / JOURNAL)
    start_s = recording.started_s if recording.started_s is not None else float(recording.start["t"])
    end_s = float(recording.exited["t"]) if recording.exited is not None else recording.last_s
    if best is not None and not noted:
        return around_best(recording.trace, best.figure, best.best_s, best.last_s, start_s, end_s)
    after_best = None if best is None else noted_best(best, noted)
    return phases(recording.trace, noted if after_best is None else [*noted, after_best], start_s, end_s)


def _trainer(signals: Signals) -> Process | None:
    """The process that trained longest."""
    trained = [fact for fact in signals.of("phase") if fact.text("name") == TRAINING and fact.number("s") is not None]
    return max(trained, key=lambda fact: fact.number("s") or 0.0).process if trained else None


def _noted(signals: Signals) -> list[Noted]:
    """The phases of the process that trained longest: ranks do the same at the same time, workers do not train."""
    trainer = _trainer(signals)
    facts = [fact for fact in signals.of("phase") if fact.number("s") is not None and fact.text("name")]
    return [
        Noted(
            str(fact.text("name")),
            fact.number("s") or 0.0,
            _moments(fact.values.get("intervals")),
            fact.text("in"),
            _range(fact),
        )
        for fact in facts
        if trainer is not None and fact.process == trainer
    ]


def _range(fact: Fact) -> tuple[float, float] | None:
    low_s, high_s = fact.number("low_s"), fact.number("high_s")
    return None if low_s is None or high_s is None else (low_s, high_s)


def _moments(value: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list):
        return ()
    found = []
    for item in value:
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(end, int | float) for end in item)):
            return ()
        if item[1] >= item[0]:
            found.append((float(item[0]), float(item[1])))
    return tuple(sorted(found))
