"""Places of a script that an earlier `wattleak prove` has measured: what its experiment says of the same line."""

from __future__ import annotations

import linecache
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.cli.settings import Settings
    from wattleak.experiment.proof import Proof, Suspect
    from wattleak.model import Comparison, Observations, Place
    from wattleak.store.sqlite import SqliteStore

_NEWEST = 5  # proofs that are looked into


def with_proofs(observed: Observations, store: SqliteStore, settings: Settings) -> Observations:
    """The same, with what the newest finished proof says of each place whose line, word for word, it had a fix for.

    Such a place is measured, unless the proof says that it cannot tell.
    """
    places = list(observed.places)
    open_ = [number for number, place in enumerate(places) if place.path is not None]
    if not open_:
        return observed
    for identity, proof in _proofs(store, settings):
        matches = {number: treatment_of(proof, places[number]) for number in open_}
        named = {number: name for number, name in matches.items() if name is not None}
        if not named:
            continue
        comparison = _comparison(store, identity)
        for number, name in named.items():
            pair = next((pair for pair in comparison.pairs if pair.candidate == name), None)
            if pair is not None and pair.metrics:
                places[number] = _measured(places[number], identity, comparison, name)
                open_.remove(number)
        if not open_:
            break
    return replace(observed, places=tuple(places))


def _proofs(store: SqliteStore, settings: Settings) -> Iterator[tuple[str, Proof]]:
    """Finished proofs of this store, the newest first."""
    from wattleak.cli.prove import kept

    stored = [item for item in store.experiments() if item.title.startswith("prove ") and item.complete]
    for item in stored[: -_NEWEST - 1 : -1]:
        proof = kept(store.experiment(item.id).plan.design.variants, settings.store)
        if proof is not None:
            yield item.id, proof


def treatment_of(proof: Proof, place: Place) -> str | None:
    """The variant that tried a fix of this place: of it alone where there is one."""
    suspect = next((suspect for suspect in proof.suspects if _is_at(suspect, place, proof.root)), None)
    if suspect is None:
        return None
    tried = [treatment for treatment in proof.treatments if suspect.number in treatment.numbers]
    return min(tried, key=lambda treatment: len(treatment.numbers)).name if tried else None


def _is_at(suspect: Suspect, place: Place, root: str) -> bool:
    """Whether it is the same line of the same file, which reads as it did."""
    if suspect.finding["code"] != place.code or suspect.finding["line"] != place.line or place.path is None:
        return False
    told = str(suspect.finding["path"])
    same = place.path in {os.path.realpath(told), os.path.realpath(Path(root) / told)}
    return same and linecache.getline(place.path, place.line or 0).strip() == suspect.excerpt


def _comparison(store: SqliteStore, identity: str) -> Comparison:
    from wattleak.analysis.comparison import compare

    return compare(store.experiment(identity))


def _measured(place: Place, identity: str, comparison: Comparison, name: str) -> Place:
    from wattleak.model import EvidenceLevel, Verdict
    from wattleak.reports import words

    pair = next(pair for pair in comparison.pairs if pair.candidate == name)
    said = f"experiment {identity}, {name} against original: {words.headline(pair)}. {words.sentence(pair)}"
    level = place.level if pair.verdict is Verdict.NOT_ENOUGH_RUNS else EvidenceLevel.MEASURED
    return replace(place, level=level, proof=identity, measured=said)
