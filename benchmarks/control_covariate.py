"""Would a short run of the reference program before each run make comparisons sharper? (docs/decisions/0011)

    python -m benchmarks.control_covariate simulate            one to two minutes, no hardware
    python -m benchmarks.control_covariate record 240 10000000 real runs on this machine for 240 s; then what they say

The adjusted analysis takes from each block's log ratio d what its control runs' log ratio x foretells, d - b x with b by
least squares through the origin. Exchanging the two variants of a block turns the sign of d and of x and leaves b as it
is, so the sign-flip test of what is left keeps its level exactly; whether it gains anything is the question.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time

import numpy as np

from wattleak.experiment.control import control_variant

_BLOCKS = 12
_SIGNS = np.array(list(itertools.product((1, -1), repeat=_BLOCKS)))[: 2 ** (_BLOCKS - 1)]
_GRID_S = 0.25
_SPREAD = 0.12  # of log CPU cost at a moment: what this project's cloud machines show over seconds
_OWN_NOISE = 0.01
_EFFECT = 0.05


def machine_states(
    rng: np.random.Generator, runs: int, run_s: float, control_s: float, tau_s: float, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean log cost in each control run and in each run, of a machine whose state wanders with a memory of tau."""
    steps, control_steps = round((control_s + run_s) / _GRID_S), round(control_s / _GRID_S)
    rho = np.exp(-_GRID_S / tau_s)
    state = rng.standard_normal(repeats)
    control, run = np.zeros((repeats, runs)), np.zeros((repeats, runs))
    for number in range(runs):
        for step in range(steps):
            state = rho * state + np.sqrt(1 - rho**2) * rng.standard_normal(repeats)
            (control if step < control_steps else run)[:, number] += _SPREAD * state
    noise = _OWN_NOISE * rng.standard_normal((2, repeats, runs))
    return control / control_steps + noise[0], run / (steps - control_steps) + noise[1]


def adjusted(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    return d - ((x * d).sum(-1) / (x * x).sum(-1))[..., None] * x


def p_values(d: np.ndarray) -> np.ndarray:
    return (np.abs(d @ _SIGNS.T) >= np.abs(d.sum(1))[:, None] - 1e-12).mean(1)


def simulate(repeats: int = 4000, seed: int = 20261121) -> None:
    rng = np.random.default_rng(seed)
    print(
        "| memory of the machine | length of a run | SD of d | adjusted | false alarms | adjusted | 5 % found | adjusted |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for tau_s, run_s in itertools.product((0.5, 2.0, 10.0, 60.0, 600.0), (2.0, 20.0)):
        control, run = machine_states(rng, 2 * _BLOCKS, run_s, 1.0, tau_s, repeats)
        flip = rng.choice((1, -1), (repeats, _BLOCKS))
        d, x = (run[:, 1::2] - run[:, ::2]) * flip, (control[:, 1::2] - control[:, ::2]) * flip
        rates = [
            (p_values(differences) <= 0.05).mean()
            for effect in (0.0, _EFFECT)
            for differences in (d + effect, adjusted(d + effect, x))
        ]
        shown = " | ".join(f"{100 * rate:.1f} %" for rate in rates)
        print(f"| {tau_s:g} s | {run_s:g} s | {100 * d.std():.1f} % | {100 * adjusted(d, x).std():.1f} % | {shown} |")


def cpu_s(program: str) -> float:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
    usage = os.wait4(process.pid, 0)[2]
    return usage.ru_utime + usage.ru_stime


def record(seconds: float, turns: int) -> None:
    reference = control_variant().command[-1]
    program = f"s = 0\nd = {{}}\nfor i in range({turns}):\n s += i * i\n d[i & 4095] = s"
    end = time.monotonic() + seconds
    found = []
    while time.monotonic() < end:
        found.append((cpu_s(reference), cpu_s(program)))
    control, run = np.log(np.array(found[: len(found) // 2 * 2])).T
    d, x = run[1::2] - run[::2], control[1::2] - control[::2]
    drawn = np.random.default_rng(0).integers(0, len(d), (4000, len(d)))
    rs = [np.corrcoef(d[rows], x[rows])[0, 1] for rows in drawn]
    low, high = np.percentile(rs, [2.5, 97.5])
    print(f"{len(found)} runs of {np.exp(np.median(run)):.1f} CPU-seconds, control {np.exp(np.median(control)):.2f}")
    print(f"SD of log cost: control {control.std(ddof=1):.3f}, runs {run.std(ddof=1):.3f}")
    print(f"correlation of run and control before it: {np.corrcoef(control, run)[0, 1]:+.2f}")
    print(f"correlation of their block differences: {np.corrcoef(d, x)[0, 1]:+.2f} [{low:+.2f}, {high:+.2f}]")
    print(f"SD of d {d.std(ddof=1):.4f}, adjusted {adjusted(d, x).std(ddof=1):.4f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(float(sys.argv[2]), int(sys.argv[3]))
    else:
        simulate()
