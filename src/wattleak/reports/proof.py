"""A proof: what was found in a script, how it is fixed, and what the experiment says of each fix."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wattleak.documents import comparison_document, envelope
from wattleak.experiment.proof import FIXED, ORIGINAL
from wattleak.experiment.yearly import J_PER_KWH, Yearly
from wattleak.model import Origin, QualityState, Verdict
from wattleak.reports import units, words
from wattleak.reports.comparison_story import tell_comparison
from wattleak.reports.measurement_story import source_of
from wattleak.reports.story import Line
from wattleak.reports.text import render_story

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wattleak.experiment.copies import Survey
    from wattleak.experiment.proof import Proof, Suspect, Treatment
    from wattleak.model import Comparison, Experiment, PairComparison
    from wattleak.reports.story import PairStory
    from wattleak.reports.style import Style

_G_PER_KG = 1000.0
_PYTHON_STARTS = 2  # words of a command before the arguments: the interpreter and the script
_DIFF_ROLES = {"+": "good", "-": "bad", "@": "faint"}
_REPORT_QUALITY = (
    'to have it measured, let the script print a line such as WATTLEAK {"accuracy": 0.91}, or give --quality-regex'
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An experiment on a proof, judged."""

    proof: Proof
    experiment: Experiment
    comparison: Comparison
    yearly: Mapping[str, Yearly | str]  # by candidate; a text says why there is none; empty: nobody asked
    never_imported: Mapping[str, list[str]] | None  # by candidate: fixed files that no run imported; None: not known


# -- before the first run --------------------------------------------------------------------------------------------


def render_findings(proof: Proof, *, style: Style) -> str:
    """What was found, and each fix as a diff. Ends without a line end."""
    diffs = {treatment.numbers: treatment for treatment in reversed(proof.treatments)}
    whole = proof.treatments[0] if proof.treatments else None
    lines = [style.paint(_headline(proof), "strong")]
    for suspect in proof.suspects:
        lines += ["", *_suspect(suspect, style)]
        alone = diffs.get((suspect.number,))
        if alone is not None:
            lines += _diff(alone, style)
    if whole is not None and any((number,) not in diffs for number in whole.numbers):
        lines += ["", "all together", *_diff(whole, style)]
    lines += ["", *(f"note: {style.text(note)}" for note in proof.notes)] if proof.notes else []
    return "\n".join(lines)


def render_copies(proof: Proof, found: Survey) -> str:
    """What a copy of the project will hold."""
    linked = ""
    if found.large:
        named = ", ".join(map(str, found.large[:3])) + (", ..." if len(found.large) > 3 else "")
        linked = f"; too large to copy, and linked: {named}"
    size = units.memory(found.size_b)
    return f"each variant runs in a copy of {proof.root} ({words.count(len(found.files), 'file')}, {size}{linked})"


def _headline(proof: Proof) -> str:
    imported = proof.files - 1
    looked_at = proof.script + (f" and {words.count(imported, 'file')} that it imports" if imported else "")
    if not proof.suspects:
        return f"{looked_at}: nothing was found, there is nothing to prove."
    found = words.count(len(proof.suspects), "finding")
    if not proof.treatments:
        return f"{looked_at}: {found}, and no fix to prove."
    tried = len({number for treatment in proof.treatments for number in treatment.numbers})
    return f"{looked_at}: {found}, {words.count(tried, 'fix').replace('fixs', 'fixes')} to prove."


def _suspect(suspect: Suspect, style: Style) -> Iterator[str]:
    finding = suspect.finding
    cell = f":cell {finding['cell']}" if "cell" in finding else ""
    yield (
        f"[{suspect.number}] {style.paint(finding['code'], 'warning')} {style.text(finding['name'])}  "
        f"{style.text(finding['path'])}{cell}:{finding['line']}:{finding['column']}  "
        f"{style.paint(finding['confidence'] + ' confidence', 'faint')}"
    )
    yield f"    {style.text(finding['message'])}"
    if suspect.excerpt:
        yield f"    {style.paint(str(finding['line']) + ' |', 'faint')} {style.text(suspect.excerpt)}"
    fix = finding["fix"]
    if fix is not None and suspect.left_out is None:
        why = f" (unsafe: {fix['why_unsafe']})" if fix["why_unsafe"] else ""
        yield f"    fix: {style.text(fix['title'] + why)}"
    if suspect.left_out is not None:
        yield f"    {style.paint('not tried', 'warning')}: {style.text(suspect.left_out)}"
        yield f"    try: {style.text(suspect.remedy or '')}"


def _diff(treatment: Treatment, style: Style) -> Iterator[str]:
    for line in treatment.diff.splitlines():
        role = _DIFF_ROLES.get(line[:1])
        yield "    " + (style.paint(line, role) if role and line[:3] not in {"+++", "---"} else style.text(line))


# -- the answer ------------------------------------------------------------------------------------------------------


def render_outcome(outcome: Outcome, *, style: Style) -> str:
    """The comparison, with the finding of each candidate, and what its saving comes to. Ends without a line end."""
    story = tell_comparison(outcome.experiment, outcome.comparison)
    pairs = tuple(
        _with_finding(told, pair, outcome) for told, pair in zip(story.pairs, outcome.comparison.pairs, strict=True)
    )
    variants = tuple(Line(told.label, f"{told.text}  ({_what(outcome.proof, told.label)})") for told in story.variants)
    story = replace(story, variants=variants, pairs=pairs, following=_following(outcome))
    return render_story(story, f"experiment {story.identity}", style=style)


def _what(proof: Proof, variant: str) -> str:
    """What a variant is: the commands are the same for all, in copies of their own."""
    if variant == ORIGINAL:
        return "as it is"
    numbers = _treatment(proof, variant).numbers
    return f"with the {'fix' if len(numbers) == 1 else 'fixes'} of {', '.join(f'[{number}]' for number in numbers)}"


def _with_finding(told: PairStory, pair: PairComparison, outcome: Outcome) -> PairStory:
    treatment = _treatment(outcome.proof, pair.candidate)
    lines = [*(_finding_line(outcome.proof.suspect(number)) for number in treatment.numbers), *told.lines]
    yearly = outcome.yearly.get(pair.candidate)
    if yearly is not None:
        lines += _yearly_lines(yearly)
    if pair.quality.state is QualityState.NOT_MEASURED and outcome.experiment.plan.design.short is None:
        lines.insert(0, Line("", _REPORT_QUALITY))
    missing = (outcome.never_imported or {}).get(pair.candidate, [])
    doubts = [f"{name} was never imported from the copy: its fix had no part in these runs" for name in missing]
    return replace(told, lines=tuple(lines), doubts=(*told.doubts, *doubts))


def _finding_line(suspect: Suspect) -> Line:
    fix = suspect.finding["fix"] or {}
    kind = "" if fix.get("safe") else ", an unsafe fix"
    return Line("finding", f"[{suspect.number}] {suspect.finding['code']} at {suspect.where}: {fix.get('title')}{kind}")


def _yearly_lines(yearly: Yearly | str) -> list[Line]:
    if isinstance(yearly, str):
        return [Line("yearly", f"no saving is claimed: {yearly}")]
    energy, carbon = yearly.energy_j, yearly.carbon_g
    kwh = _with_range(energy.value / J_PER_KWH, energy.low / J_PER_KWH, energy.high / J_PER_KWH, "kWh")
    kg = _with_range(carbon.value_g / _G_PER_KG, carbon.low_g / _G_PER_KG, carbon.high_g / _G_PER_KG, "kg CO2e")
    runs = f"{yearly.runs_per_year:,.0f} runs" if yearly.runs_per_year >= 1 else f"{yearly.runs_per_year:g} runs"
    whole = "" if yearly.full_steps is None else f" of {yearly.full_steps:,} steps"
    lines = [Line("yearly", f"{runs}{whole} save {kwh} and {kg} ({energy.origin.value})")]
    if energy.origin not in words.MEASURED:
        lines.append(Line("", _basis(energy.origin)))
    place = f"{units.number(carbon.intensity_g_per_kwh)} g/kWh, {carbon.region}, {source_of(carbon)}"
    lines.append(Line("", place + (f"; {carbon.note}" if carbon.note else "")))
    return lines


def _basis(origin: Origin) -> str:
    if origin is Origin.SIMULATED:
        return "the energy comes from a scripted meter: it is simulated, and nothing was measured"
    return "no energy was measured: it is modelled from CPU time, and the range holds what the model leaves open"


def _with_range(value: float, low: float, high: float, unit: str) -> str:
    return f"{units.number(value)} {unit} [{units.number(low)}, {units.number(high)}]"


def _following(outcome: Outcome) -> tuple[str, ...]:
    """What to type next: go on, run more, or make the fixes that save."""
    plan, proof = outcome.experiment.plan, outcome.proof
    further = [pair.further_blocks for pair in outcome.comparison.pairs if pair.further_blocks]
    commands = []
    if not outcome.experiment.complete:
        commands.append(f"wattleak prove --resume {plan.experiment}")
    elif further:
        arguments = plan.design.variants[0].command[_PYTHON_STARTS:]
        python = [] if proof.python == sys.executable else ["--python", proof.python]
        again = ["wattleak", "prove", proof.script, "--runs", str(plan.design.blocks + max(further)), *python]
        commands.append(shlex.join([*again, *(["--", *arguments] if arguments else [])]))
    saving = [pair.candidate for pair in outcome.comparison.pairs if pair.verdict is Verdict.SAVING]
    numbers = sorted({number for name in saving for number in _treatment(proof, name).numbers})
    if numbers:
        found = [proof.suspect(number).finding for number in numbers]
        unsafe = any(item["fix"] and not item["fix"]["safe"] for item in found)
        paths = dict.fromkeys(item["path"] for item in found)
        codes = ",".join(dict.fromkeys(item["code"] for item in found))
        option = ["--unsafe-fixes"] if unsafe else []
        commands.append(shlex.join(["wattleak", "scan", *paths, "--select", codes, "--fix", *option]))
    return (*commands, f"wattleak report {plan.experiment}")


def _treatment(proof: Proof, name: str) -> Treatment:
    return next(treatment for treatment in proof.treatments if treatment.name == name)


# -- as documents ----------------------------------------------------------------------------------------------------


def findings_document(proof: Proof) -> dict[str, Any]:
    """What `prove --json` says of the script, whether or not anything is run."""
    return {
        "script": proof.script,
        "root": proof.root,
        "files": proof.files,
        "findings": [
            {**suspect.finding, "number": suspect.number, "left_out": suspect.left_out, "remedy": suspect.remedy}
            for suspect in proof.suspects
        ],
        "fixes": [
            {
                "candidate": treatment.name,
                "findings": list(treatment.numbers),
                "changed": list(treatment.changed),
                "diff": treatment.diff,
            }
            for treatment in proof.treatments
        ],
        "scan_notes": list(proof.notes),
    }


def nothing_document(proof: Proof) -> dict[str, Any]:
    """What `prove --json` prints where there is nothing to run."""
    return {
        **envelope("prove"),
        **findings_document(proof),
        "experiment_id": None,
        "verdict": None,
        "per_finding": [],
        "yearly": None,
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """What `prove --json` prints: the document of `compare`, the findings, and a verdict for each."""
    compared = comparison_document(outcome.experiment, outcome.comparison, "prove")
    document = {**compared, **findings_document(outcome.proof)}
    unused = outcome.never_imported
    for item in document["fixes"]:
        item["never_imported"] = None if unused is None else unused[item["candidate"]]
    document["per_finding"] = [
        _per_finding(pair, outcome)
        for pair in outcome.comparison.pairs
        if len(_treatment(outcome.proof, pair.candidate).numbers) == 1
    ]
    document["yearly"] = _yearly_document(outcome.yearly.get(FIXED))
    return document


def _per_finding(pair: PairComparison, outcome: Outcome) -> dict[str, Any]:
    (number,) = _treatment(outcome.proof, pair.candidate).numbers
    primary = pair.metrics.get(pair.primary_metric)
    carbon = pair.metrics.get("carbon_g")
    return {
        "finding": number,
        "candidate": pair.candidate,
        "verdict": pair.verdict.value,
        "grade": pair.grade.value,
        "primary_metric": pair.primary_metric,
        "change": None if primary is None else primary.change,
        "low": None if primary is None else primary.low,
        "high": None if primary is None else primary.high,
        "quality": pair.quality.state.value,
        "carbon_change": None if carbon is None else carbon.change,
        "yearly": _yearly_document(outcome.yearly.get(pair.candidate)),
    }


def _yearly_document(yearly: Yearly | str | None) -> dict[str, Any] | None:
    """Null: nobody asked. Without a saving, why there is none."""
    if yearly is None:
        return None
    if isinstance(yearly, str):
        return {"energy_kwh": None, "carbon_kg": None, "why_none": yearly}
    energy, carbon = yearly.energy_j, yearly.carbon_g
    return {
        "candidate": yearly.candidate,
        "runs_per_year": yearly.runs_per_year,
        "full_steps": yearly.full_steps,
        "energy_kwh": {
            "value": energy.value / J_PER_KWH,
            "low": energy.low / J_PER_KWH,
            "high": energy.high / J_PER_KWH,
            "origin": energy.origin.value,
        },
        "carbon_kg": {
            "value": carbon.value_g / _G_PER_KG,
            "low": carbon.low_g / _G_PER_KG,
            "high": carbon.high_g / _G_PER_KG,
            "origin": carbon.origin.value,
            "intensity_g_per_kwh": carbon.intensity_g_per_kwh,
            "region": carbon.region,
            "source": carbon.source,
            "year": carbon.year,
            "pue": carbon.pue,
            "note": carbon.note,
            **({"table": carbon.table} if carbon.table else {}),
        },
        "metric": yearly.metric,
        "level": yearly.level,
        "why_none": None,
    }
