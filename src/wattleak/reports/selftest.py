"""The calibration of the statistics, as a table and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.documents import envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.experiment.selftest import Trial
    from wattleak.reports.style import Style

_FALSE = "Nothing changed: how often does an interval leave out zero? (promised: 5 %)"
_FOUND = "Something changed: how often is it found in the promised number of blocks? (promised: 80 %)"


def render_selftest(trials: Sequence[Trial], *, style: Style) -> str:
    """Two tables: experiments in which nothing changed, and experiments in which something did."""
    experiments, seed = trials[0].experiments, trials[0].seed
    lines = [
        f"{experiments} synthetic experiments of each kind through the whole pipeline, seed {seed}",
        "",
        style.paint(_FALSE, "strong"),
        "",
        f"  {'machine':<12} {'blocks':>6}  {'false':>7}  {'allowed':>7}  {'coverage':>8}",
    ]
    for trial in (trial for trial in trials if trial.effect == 0.0):
        mark = "" if trial.is_within else style.paint("  NOT KEPT", "strong")
        sessions = f" x {trial.model.sessions}" if trial.model.sessions > 1 else ""
        lines.append(
            f"  {trial.model.name:<12} {str(trial.blocks) + sessions:>6}  {_percent(trial.claims, trial):>7}  "
            f"{_percent(trial.most_claims, trial):>7}  {_percent(trial.covered, trial):>8}{mark}"
        )
    lines += _about_sessions(trials)
    lines += [
        "",
        style.paint(
            "Something changed: how often is it found in the promised number of blocks? (promised: 80 %)", "strong"
        ),
        "",
        f"  {'change':<12} {'blocks':>6}  {'found':>7}  {'coverage':>8}  {'wrong sign':>10}",
    ]
    for trial in (trial for trial in trials if trial.effect != 0.0):
        mark = "" if trial.is_within else style.paint("  NOT KEPT", "strong")
        lines.append(
            f"  {f'{trial.effect:+.0%}':<12} {trial.blocks:>6}  {_percent(trial.excluded_zero, trial):>7}  "
            f"{_percent(trial.covered, trial):>8}  {trial.wrong_sign:>10}{mark}"
        )
    kept = all(trial.is_within for trial in trials)
    lines += ["", "Every promise is kept." if kept else "Some promise is NOT kept: see above."]
    return "\n".join(lines)


def selftest_document(trials: Sequence[Trial]) -> dict[str, Any]:
    """What `selftest --json` prints."""
    return {
        **envelope("selftest"),
        "seed": trials[0].seed,
        "kept": all(trial.is_within for trial in trials),
        "trials": [
            {
                "machine": trial.model.name,
                "noise": trial.model.title,
                "sessions": trial.model.sessions,
                "blocks": trial.blocks,
                "true_change": trial.effect,
                "experiments": trial.experiments,
                "excluded_zero": trial.excluded_zero,
                "covered": trial.covered,
                "wrong_sign": trial.wrong_sign,
                "confirmed": trial.confirmed,
                "proved": trial.proved,
                "claims": trial.claims,
                "most_claims": trial.most_claims,
                "fewest_covered": trial.fewest_covered,
                "kept": trial.is_within,
            }
            for trial in trials
        ],
    }


def _about_sessions(trials: Sequence[Trial]) -> list[str]:
    several = [trial for trial in trials if trial.model.sessions > 1]
    if not several:
        return []
    worst = max(trial.excluded_zero / trial.experiments for trial in several)
    return [
        "",
        "  sessions: claims are those graded confirmed or proved. The interval over all blocks of such a machine",
        f"  leaves out zero in up to {worst:.0%} of experiments, which is why one session is graded observed.",
    ]


def _percent(count: int, trial: Trial) -> str:
    return f"{100 * count / trial.experiments:.2f} %"
