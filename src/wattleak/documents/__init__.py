"""The JSON documents: one place that says which keys the world may rely on.

Every document carries `schema_version` and `kind`. Units end the names of keys. Keys are added, never renamed. What
was not measured is null or absent, never zero. The same documents are what the store keeps, so each has a way back.

Names are taken from here, `from wattleak.documents import envelope`; the file that holds one is read when it is first
asked for, so that a recording begins without the documents of experiments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.lazily import names_in

if TYPE_CHECKING:
    from wattleak.documents.comparisons import (
        comparison_document as comparison_document,
    )
    from wattleak.documents.comparisons import (
        pair_document as pair_document,
    )
    from wattleak.documents.comparisons import (
        quality_document as quality_document,
    )
    from wattleak.documents.head import Document as Document
    from wattleak.documents.head import envelope as envelope
    from wattleak.documents.listing import list_document as list_document
    from wattleak.documents.measurements import (
        carbon_document as carbon_document,
    )
    from wattleak.documents.measurements import (
        measurement_document as measurement_document,
    )
    from wattleak.documents.measurements import (
        measurement_from_document as measurement_from_document,
    )
    from wattleak.documents.meters import (
        calibration_document as calibration_document,
    )
    from wattleak.documents.meters import (
        calibration_from_document as calibration_from_document,
    )
    from wattleak.documents.meters import (
        channel_document as channel_document,
    )
    from wattleak.documents.meters import (
        channel_from_document as channel_from_document,
    )
    from wattleak.documents.meters import (
        estimate_document as estimate_document,
    )
    from wattleak.documents.meters import (
        estimate_from_document as estimate_from_document,
    )
    from wattleak.documents.meters import (
        range_document as range_document,
    )
    from wattleak.documents.meters import (
        unavailable_document as unavailable_document,
    )
    from wattleak.documents.meters import (
        unavailable_from_document as unavailable_from_document,
    )
    from wattleak.documents.observations import evidence_document as evidence_document
    from wattleak.documents.plans import (
        design_document as design_document,
    )
    from wattleak.documents.plans import (
        design_from_document as design_from_document,
    )
    from wattleak.documents.plans import (
        order_document as order_document,
    )
    from wattleak.documents.plans import (
        plan_document as plan_document,
    )
    from wattleak.documents.plans import (
        plan_from_document as plan_from_document,
    )
    from wattleak.documents.plans import (
        run_document as run_document,
    )
    from wattleak.documents.plans import (
        run_from_document as run_from_document,
    )

_HOLDS = {
    "head": (  # no file may be called what it holds: importing it would put the file in the place of the name
        "Document",
        "envelope",
    ),
    "meters": (
        "calibration_document",
        "calibration_from_document",
        "channel_document",
        "channel_from_document",
        "estimate_document",
        "estimate_from_document",
        "range_document",
        "unavailable_document",
        "unavailable_from_document",
    ),
    "measurements": (
        "carbon_document",
        "measurement_document",
        "measurement_from_document",
    ),
    "observations": ("evidence_document",),
    "plans": (
        "design_document",
        "design_from_document",
        "order_document",
        "plan_document",
        "plan_from_document",
        "run_document",
        "run_from_document",
    ),
    "comparisons": (
        "comparison_document",
        "pair_document",
        "quality_document",
    ),
    "listing": ("list_document",),
}

if not TYPE_CHECKING:  # a checker would take any name for one that is held
    __getattr__, __dir__ = names_in(__name__, _HOLDS)
