"""Runs of the framework study read back: the parts that its programs mark, and whether all began alike. Pure.

The parts are spans that the programs of workloads.frameworks open; what comes before the first mark is start-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.stretches import Stretch, of_span

if TYPE_CHECKING:
    from wattleak.model import Carbon, Experiment, Measurement

FIRST_STEP, EPOCH, EVALUATION, INFERENCE = "first step", "epoch", "evaluation", "inference"  # spans of the programs
LARGEST_DIFFERENCE = 1e-4  # relative, of the loss of the first batch: sums of 32 bits in another order differ by less


@dataclass(frozen=True, slots=True)
class Course:
    """One run."""

    start_up: Stretch | None
    first_step: Stretch
    epochs: tuple[Stretch, ...]
    inference: Stretch
    inferences: float
    accuracies: tuple[float, ...]  # after each epoch
    first_loss: float
    accelerated: bool
    carbon: Carbon | None  # of the whole run


@dataclass(frozen=True, slots=True)
class Beginnings:
    """Did all begin alike? The loss of the first batch, before any training, in every run of a block."""

    blocks: int
    largest: float  # relative difference within a block, the largest over the blocks

    @property
    def alike(self) -> bool:
        return self.largest <= LARGEST_DIFFERENCE


def courses_of(experiment: Experiment) -> dict[str, dict[int, Course]]:
    """The runs that count and are whole, by variant in the order of the design, and by block."""
    from wattleak.analysis.blocks import counting_blocks  # noqa: PLC0415 - scipy: the programs only take names from here

    blocks = counting_blocks(experiment)
    found: dict[str, dict[int, Course]] = {}
    for variant in experiment.plan.design.variants:
        runs = {block.number: block.runs[variant.name].measurement for block in blocks if variant.name in block.runs}
        courses = {number: course for number, run in runs.items() if (course := course_of(run)) is not None}
        if courses:
            found[variant.name] = courses
    return found


def course_of(run: Measurement) -> Course | None:
    """What a program of the study says; None where spans or figures are lacking."""
    spans: dict[str, list[Stretch]] = {}
    for span in run.spans:
        if span.complete:
            spans.setdefault(span.name, []).append(of_span(span))
    epochs = spans.get(EPOCH, [])
    accuracies = [run.quality.get(f"accuracy_after_{epoch}") for epoch in range(1, len(epochs) + 1)]
    known = tuple(one for one in accuracies if one is not None)
    figures = ("first_loss", "inferences", "accelerated")
    if not epochs or len(known) < len(epochs) or FIRST_STEP not in spans or INFERENCE not in spans:
        return None
    if any(name not in run.quality for name in figures):
        return None
    window = run.window
    return Course(
        start_up=None
        if window is None
        else Stretch(window.start_up_s, window.start_up_cpu_s, window.start_up_energy_j),
        first_step=spans[FIRST_STEP][0],
        epochs=tuple(epochs),
        inference=spans[INFERENCE][0],
        inferences=run.quality["inferences"],
        accuracies=known,
        first_loss=run.quality["first_loss"],
        accelerated=bool(run.quality["accelerated"]),
        carbon=run.carbon_g,
    )


def beginnings(experiment: Experiment) -> Beginnings | None:
    """None where fewer than two candidates of a block reported their first loss."""
    losses: dict[int, list[float]] = {}
    for courses in courses_of(experiment).values():
        for block, course in courses.items():
            losses.setdefault(block, []).append(course.first_loss)
    compared = [found for found in losses.values() if len(found) > 1]
    if not compared:
        return None
    return Beginnings(len(compared), max((max(found) - min(found)) / abs(max(found)) for found in compared))
