"""What the gate found: one line for each reason, for people, for GitHub and as a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattleak.analysis.check import Outcome
from wattleak.documents import envelope, pair_document
from wattleak.documents.comparisons import quality_document
from wattleak.model import Origin
from wattleak.reports import units, words
from wattleak.reports.style import pad

if TYPE_CHECKING:
    from wattleak.analysis.budgets import BudgetCheck
    from wattleak.analysis.check import Judged
    from wattleak.model import PairComparison
    from wattleak.reports.style import Style

_WORDS = {
    Outcome.MET: ("ok", "good"),
    Outcome.NOT_MET: ("NOT MET", "bad"),
    Outcome.NOT_ENOUGH_RUNS: ("not enough runs", "unsure"),
    Outcome.NOT_TRUSTWORTHY: ("not trustworthy", "warning"),
}
_LEVELS = {
    Outcome.MET: "notice",
    Outcome.NOT_MET: "error",
    Outcome.NOT_ENOUGH_RUNS: "warning",
    Outcome.NOT_TRUSTWORTHY: "error",
}
_OF_BUDGET = {
    Outcome.MET: "kept",
    Outcome.NOT_MET: "exceeded",
    Outcome.NOT_ENOUGH_RUNS: "not enough runs to say",
    Outcome.NOT_TRUSTWORTHY: "cannot be judged",
}


@dataclass(frozen=True, slots=True)
class GateReport:
    """What `wattleak check` says of one job."""

    job: str  # the name of the job, or the command
    subject: str  # "experiment 1f2e3d4c", "run 7f3a91c2"
    outcome: Outcome
    judged: tuple[Judged, ...]
    notes: tuple[str, ...] = ()


def render_gate(report: GateReport, *, style: Style) -> str:
    """One line for each reason, then the answer. Ends without a line end."""
    columns = max((len(word) for word, _ in (_WORDS[item.outcome] for item in report.judged)), default=0)
    lines = []
    for item in report.judged:
        word, role = _WORDS[item.outcome]
        lines.append(style.paint(pad(word, columns), role) + "  " + style.text(reason(item)))
    lines += [style.text(f"note: {note}") for note in report.notes]
    word, role = _WORDS[report.outcome]
    lines.append(style.paint(f"{word}: {report.job}", role) + style.paint(f"  {report.subject}", "faint"))
    return "\n".join(lines)


def render_github(report: GateReport) -> str:
    """Workflow commands: GitHub shows them beside the job and in its summary."""
    title = _property(f"wattleak check: {report.job}")
    return "\n".join(f"::{_LEVELS[item.outcome]} title={title}::{_message(reason(item))}" for item in (*report.judged,))


def gate_document(report: GateReport) -> dict[str, Any]:
    """What `check --json` prints."""
    return {
        **envelope("check"),
        "job": report.job,
        "subject": report.subject,
        "outcome": report.outcome.value,
        "checks": [_check_document(item) for item in report.judged],
        "notes": list(report.notes),
    }


def reason(item: Judged) -> str:
    """One line, with the numbers that decided."""
    if item.budget is not None:
        return _budget(item.budget, _OF_BUDGET[item.outcome])
    if item.pair is not None:
        return _pair(item.pair, item.why)
    if item.quality is not None:
        return words.quality_sentence(item.quality)
    return item.why


def _budget(check: BudgetCheck, word: str) -> str:
    budget = check.budget
    text = f"budget {budget.metric} {budget.written}: {word}"
    if check.value is not None and check.origin is not None:
        unit = words.unit(budget.metric)
        shown, interval = units.quantity(check.value, unit), ""
        if check.low is not None and check.high is not None:
            shown, interval = units.interval_in_unit(check.value, check.low, check.high, unit)
        text += f"; a run costs {shown}{' ' + interval if interval else ''} ({check.origin.value}"
        if check.origin not in {Origin.COUNTER, Origin.SAMPLED}:
            text += ", judged with its whole range"
        text += f", {words.count(check.runs, 'run')})"
    return f"{text}: {check.why}" if check.why else text


def _pair(pair: PairComparison, why: str) -> str:
    text = f"{words.headline(pair)} [{pair.grade.value}]: {words.sentence(pair)}"
    return f"{text} {why[:1].upper()}{why[1:]}." if why else text


def _check_document(item: Judged) -> dict[str, Any]:
    document: dict[str, Any] = {"outcome": item.outcome.value, "reason": reason(item)}
    if item.budget is not None:
        check = item.budget
        document |= {
            "kind": "budget",
            "metric": check.budget.metric,
            "budget": check.budget.most,
            "state": check.state.value,
            "value": check.value,
            "low": check.low,
            "high": check.high,
            "origin": None if check.origin is None else check.origin.value,
            "runs": check.runs,
        }
    elif item.pair is not None:
        document |= {"kind": "regression", "comparison": pair_document(item.pair)}
    elif item.quality is not None:
        document |= {"kind": "quality", "quality": quality_document(item.quality)}
    else:
        document |= {"kind": "measurement"}
    return document


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
