"""The calibration of the statistics in full: 10,000 experiments of each kind, three seeds, and the stop rules.

About an hour on two cores. `wattleak selftest` is the same with 200 experiments of each kind.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binom

import wattleak
from benchmarks import page
from wattleak.analysis.effect import paired_change
from wattleak.analysis.sequential import look_levels
from wattleak.experiment.selftest import Trial, plan_trials, run_trial
from wattleak.model import Stopping, StoppingRule

EXPERIMENTS = 10_000
SIZES = (8, 12, 20)
SEEDS = (1, 2, 3)
LOOKS = (10, 20, 30, 40)
KEPT = Path(__file__).parent / ".cache" / "selftest.json"
_DECIDING = (  # files whose change makes counted trials worthless
    *(f"analysis/{name}.py" for name in ("blocks", "effect", "feasibility", "verdict")),
    *(f"experiment/{name}.py" for name in ("design", "noise_models", "selftest")),
)


def run() -> None:
    rows, kept = [], True
    for seed in SEEDS:
        for trial in plan_trials(EXPERIMENTS, SIZES, seed):
            done = _once(trial)
            kept &= done.is_within
            share = [100 * count / done.experiments for count in (done.claims, done.excluded_zero, done.covered)]
            claims = f"{share[0]:.2f} %" if done.effect == 0.0 else ""
            found = f"{share[1]:.2f} %" if done.effect else ""
            print(done.model.name, done.blocks, done.effect, seed, share, done.is_within, file=sys.stderr, flush=True)
            rows.append(
                [
                    done.model.name,
                    f"{done.blocks} x {done.model.sessions}" if done.model.sessions > 1 else str(done.blocks),
                    f"{done.effect:+.0%}" if done.effect else "none",
                    str(seed),
                    str(done.experiments),
                    claims,
                    found,
                    f"{share[2]:.2f} %",
                    str(done.wrong_sign) if done.effect else "",
                    "yes" if done.is_within else "**no**",
                ]
            )
    most = int(binom.ppf(0.995, EXPERIMENTS, 0.05))
    page.write(
        "selftest",
        "Are verdicts right as often as they say?",
        (
            f"{EXPERIMENTS} synthetic experiments of each kind without a change, a tenth as many with one, through the whole "
            "pipeline (plan, order, runner, scripted meter, attribution, interval, grade; `wattleak selftest`). Every fiftieth is played so, and "
            "must give the same interval and grade as the short way that the others take: order of the plan, what its runs "
            "cost, interval, grade. 'False': "
            "claims where nothing changed; under session effects only what is graded confirmed or proved is claimed. "
            f"Allowed: {100 * most / EXPERIMENTS:.2f} % (99 % band of 5 %). 'Found': changes that were found in the number "
            "of blocks that is promised to find them four times out of five."
        ),
        ["machine", "blocks", "true change", "seed", "experiments", "false", "found", "coverage", "wrong sign", "kept"],
        rows,
        f"{'Every promise is kept.' if kept else '**Some promise is not kept.**'}\n\n{_early_stopping()}",
    )


def _once(trial: Trial) -> Trial:
    """The trial, counted; taken from an earlier try of this source that was interrupted, if there is one."""
    source = Path(wattleak.__file__).parent
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in _DECIDING)).hexdigest()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    key = f"{digest[:16]} {trial.model.name} {trial.blocks} {trial.effect} {trial.seed} {trial.experiments}"
    if key not in kept:
        done = run_trial(trial, spared=True)
        kept[key] = [done.excluded_zero, done.covered, done.wrong_sign, done.confirmed, done.proved]
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    excluded, covered, wrong, confirmed, proved = kept[key]
    return replace(trial, excluded_zero=excluded, covered=covered, wrong_sign=wrong, confirmed=confirmed, proved=proved)


def _early_stopping() -> str:
    """False positives and saved runs of the stop rules, on normal noise drawn by numpy."""
    lines = [
        (
            f"## Stopping early\n\nFour looks after {', '.join(map(str, LOOKS))} blocks, {EXPERIMENTS} experiments without "
            "a change and 1,000 at each standardised effect (mean over standard deviation of the log ratios).\n"
        ),
        "| rule | false | mean blocks at 0.5 | at 0.8 | at 1.2 | at 2.0 |",
        "|---|---|---|---|---|---|",
    ]
    for rule in StoppingRule:
        levels = look_levels(Stopping(rule, LOOKS), 0.95)
        noise = np.random.default_rng(1).standard_normal((EXPERIMENTS, LOOKS[-1]))
        false = sum(_end(row, levels)[1] for row in noise)
        means = [
            f"{np.mean([_end(row + effect, levels)[0] for row in noise[:1000]]):.1f}" for effect in (0.5, 0.8, 1.2, 2.0)
        ]
        lines.append(f"| {rule.value} | {100 * false / EXPERIMENTS:.2f} % | {' | '.join(means)} |")
    return "\n".join(lines)


def _end(differences: np.ndarray, levels: tuple[float, ...]) -> tuple[int, bool]:
    """After how many blocks an experiment ends, and whether it claims a change."""
    for look, level in zip(LOOKS, levels, strict=True):
        change = paired_change(np.ones(look), np.exp(differences[:look]), level, test=False)
        if change.low is not None and change.high is not None and not change.low <= 0.0 <= change.high:
            return look, True
    return LOOKS[-1], False
