"""Hold an experiment to its one declared difference: look at what the variants are made of before the first run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.environment.provenance import Provenance, provenance_document, record_provenance
from wattleak.errors import UsageError
from wattleak.experiment.differences import (
    between_variants,
    check_declared,
    declared_difference,
    difference_document,
    in_words,
    kinds_of,
    left,
    since,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.model import Plan
    from wattleak.store.sqlite import SqliteStore


def declared(args: Namespace) -> tuple[str, ...]:
    """What --declare says, on the command line or in a file (there a single text too). Raises UsageError."""
    texts = [args.declare] if isinstance(args.declare, str) else args.declare
    return check_declared([str(text) for text in texts])


def hold_to_declared(
    store: SqliteStore, plan: Plan, args: Namespace, roots: Mapping[str, Path]
) -> tuple[Provenance, tuple[str, ...]]:
    """Record what the variants are made of; what has been found, and the declarations that hold.

    Raises UsageError, before anything is run, for a difference that nobody declared: between the variants, or between
    the start of an experiment that is resumed and now.
    """
    allowed = (*plan.design.declared, *declared(args))
    if args.resume and store.experiment(plan.experiment).complete:
        return Provenance("", ()), allowed  # nothing more is run
    found = record_provenance(plan.design.variants, store, roots)
    undeclared = left(between_variants(found), allowed)
    if undeclared:
        raise UsageError(
            f"the variants differ in more than their commands say: {in_words(undeclared)}",
            f"make it the same for all; or, if it belongs to what is compared: {kinds_of(undeclared)}",
        )
    before = store.provenances(plan.experiment) if args.resume else []
    changed = since(before[-1], found) if before else ()
    undeclared = left(changed, allowed)
    if undeclared:
        raise UsageError(
            f"since experiment {plan.experiment} began, something changed that was not declared: "
            f"{in_words(undeclared)}",
            f"put it back, or begin a new experiment; or, to go on and have the report say it: {kinds_of(undeclared)}",
        )
    reference, *others = found.records
    store.save_provenance(
        plan.experiment,
        {
            **provenance_document(found),
            "declared": list(allowed),
            "accepted": [item.what for item in changed],
            "differences": [difference_document(declared_difference(reference, other)) for other in others],
        },
    )
    return found, allowed
