"""How much of a training on a device its own process spends on making batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

WAITS = 0.10  # of the training's time, for batches (PyTorch's tuning guide names no figure; this one is ours)
_FEWEST = 50  # batches


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each loader without workers that an accelerator waited for. On a CPU nobody waits for it."""
    trained_s: dict[str, float] = {}
    for fact in signals.of("phase"):
        if fact.text("name") == "training":
            trained_s[fact.process.name] = fact.number("s") or 0.0
    for fact in signals.of("loader"):
        whole_s = trained_s.get(fact.process.name, 0.0)
        wait_s, device = fact.number("wait_s") or 0.0, fact.text("device")
        if device is None or device == "cpu" or fact.number("workers") != 0.0 or not whole_s:
            continue
        if (fact.number("batches") or 0.0) >= _FEWEST and wait_s > WAITS * whole_s:
            yield _of_loader(fact, wait_s, wait_s / whole_s, device)


def _of_loader(fact: Fact, wait_s: float, share: float, device: str) -> Evidence:
    return evidence_at(
        fact,
        "DAT001",
        "share of the training in which batches were made",
        share,
        f"{device} waited {wait_s:.3g} s ({100 * share:.0f} % of the training) while the process that trains "
        "made batches; the loader has no workers",
        threshold=WAITS,
        cost_s=wait_s,
    )
