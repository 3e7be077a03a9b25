"""The end of a study in the order of published work: beside it, the randomised result of the same two programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from wattleak.cli.settings import Settings
    from wattleak.model import Comparison, Experiment
    from wattleak.store.sqlite import SqliteStore


def beside_randomised(
    args: Namespace, settings: Settings, smell: str, framework: str
) -> Callable[[SqliteStore, Experiment], int]:
    """Print the sequential answer, and then what a drawn order of the same runs said, if there was one."""

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        import json

        from wattleak.analysis.comparison import compare
        from wattleak.analysis.halves import halves
        from wattleak.cli.ending import end, tell
        from wattleak.documents import comparison_document
        from wattleak.reports.beside import beside_document, render_beside

        comparison = compare(finished)
        pair = comparison.pairs[0]
        store.save_verdict(finished.plan.experiment, pair.verdict.value)
        found = [halves(finished, name, pair.primary_metric) for name in (pair.reference, pair.candidate)]
        same_program = [item for item in found if item is not None]
        randomised = _randomised(store, finished)
        if args.json:
            document = comparison_document(finished, comparison, "study")
            print(json.dumps({**document, "beside": beside_document(same_program, randomised)}))
            return end(finished, comparison, settings, args)
        code = tell(finished, comparison, settings, args, "study")
        if not args.quiet:
            command = f"wattleak study {smell} --framework {framework}"
            print("\n" + render_beside(comparison, same_program, randomised, command))
        return code

    return conclude


def _randomised(store: SqliteStore, finished: Experiment) -> tuple[Experiment, Comparison] | None:
    """The latest complete experiment in a drawn order with the same programs and arguments."""
    from wattleak.analysis.comparison import compare
    from wattleak.model import Order

    wanted = [variant.command for variant in finished.plan.design.variants]
    for row in sorted(store.experiments(), key=lambda row: row.created_at, reverse=True):
        if not row.complete or row.id == finished.plan.experiment:
            continue
        found = store.experiment(row.id)
        design = found.plan.design
        if design.order is Order.RANDOM and [variant.command for variant in design.variants] == wanted:
            return found, compare(found)
    return None
