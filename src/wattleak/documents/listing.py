"""What `wattleak list --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.documents.head import envelope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.documents.head import Document
    from wattleak.model import StoredExperiment, StoredRun


def list_document(runs: Iterable[StoredRun], experiments: Iterable[StoredExperiment]) -> Document:
    """What `wattleak list --json` prints."""
    return {
        **envelope("list"),
        "runs": [
            {
                "id": row.id,
                "run_id": row.id,
                "experiment_id": row.experiment,
                "started_at": row.started_at,
                "complete": row.complete,
                **{
                    key: row.document.get(key)
                    for key in (
                        "name",
                        "command",
                        "incomplete_reason",
                        "exit_code",
                        "duration_s",
                        "cpu_s",
                        "variant",
                        "block",
                    )
                },
                "attributed_energy_j": row.document.get("attributed_energy_j"),
            }
            for row in runs
        ],
        "experiments": [
            {
                "id": row.id,
                "experiment_id": row.id,
                "title": row.title,
                "created_at": row.created_at,
                "complete": row.complete,
                "verdict": row.verdict,
                "runs": row.runs,
            }
            for row in experiments
        ],
    }
