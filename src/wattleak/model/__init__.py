"""Domain model: what wattleak knows, in one package that imports nothing of ours.

SI units only (seconds, joules, watts, bytes; carbon in grams of CO2 equivalent), and the unit ends the name.
Everything is frozen: what was measured is never edited, only derived from. A reading that does not exist is absent
from its mapping; it is never zero and never NaN.

Names are taken from here: `from wattleak.model import Channel`. The file that holds one is read when it is first asked
for, because a recording that begins needs six of these classes and not all seventy (40 ms of its start).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.lazily import names_in

if TYPE_CHECKING:
    from wattleak.model.calibrations import Calibration as Calibration
    from wattleak.model.comparisons import (
        Comparison as Comparison,
    )
    from wattleak.model.comparisons import (
        ControlCheck as ControlCheck,
    )
    from wattleak.model.comparisons import (
        EffectSizes as EffectSizes,
    )
    from wattleak.model.comparisons import (
        Grade as Grade,
    )
    from wattleak.model.comparisons import (
        MetricComparison as MetricComparison,
    )
    from wattleak.model.comparisons import (
        PairComparison as PairComparison,
    )
    from wattleak.model.comparisons import (
        QualityComparison as QualityComparison,
    )
    from wattleak.model.comparisons import (
        QualityState as QualityState,
    )
    from wattleak.model.comparisons import (
        Verdict as Verdict,
    )
    from wattleak.model.experiments import (
        CONTROL as CONTROL,
    )
    from wattleak.model.experiments import (
        Design as Design,
    )
    from wattleak.model.experiments import (
        Difference as Difference,
    )
    from wattleak.model.experiments import (
        Direction as Direction,
    )
    from wattleak.model.experiments import (
        Executor as Executor,
    )
    from wattleak.model.experiments import (
        Experiment as Experiment,
    )
    from wattleak.model.experiments import (
        Factor as Factor,
    )
    from wattleak.model.experiments import (
        NoiseFloor as NoiseFloor,
    )
    from wattleak.model.experiments import (
        Order as Order,
    )
    from wattleak.model.experiments import (
        Plan as Plan,
    )
    from wattleak.model.experiments import (
        PlannedRun as PlannedRun,
    )
    from wattleak.model.experiments import (
        QualityTarget as QualityTarget,
    )
    from wattleak.model.experiments import (
        Run as Run,
    )
    from wattleak.model.experiments import (
        RunContext as RunContext,
    )
    from wattleak.model.experiments import (
        RunSink as RunSink,
    )
    from wattleak.model.experiments import (
        Search as Search,
    )
    from wattleak.model.experiments import (
        Session as Session,
    )
    from wattleak.model.experiments import (
        ShortPlan as ShortPlan,
    )
    from wattleak.model.experiments import (
        Stopping as Stopping,
    )
    from wattleak.model.experiments import (
        StoppingRule as StoppingRule,
    )
    from wattleak.model.experiments import (
        StoredExperiment as StoredExperiment,
    )
    from wattleak.model.experiments import (
        StoredRun as StoredRun,
    )
    from wattleak.model.experiments import (
        Variant as Variant,
    )
    from wattleak.model.footprints import Term as Term
    from wattleak.model.meters import (
        Channel as Channel,
    )
    from wattleak.model.meters import (
        Clock as Clock,
    )
    from wattleak.model.meters import (
        Meter as Meter,
    )
    from wattleak.model.meters import (
        Part as Part,
    )
    from wattleak.model.meters import (
        Quantity as Quantity,
    )
    from wattleak.model.meters import (
        Unavailable as Unavailable,
    )
    from wattleak.model.numbers import Estimate as Estimate
    from wattleak.model.numbers import Interval as Interval
    from wattleak.model.numbers import Origin as Origin
    from wattleak.model.observations import AlsoSeen as AlsoSeen
    from wattleak.model.observations import Observations as Observations
    from wattleak.model.observations import PerSample as PerSample
    from wattleak.model.observations import Phase as Phase
    from wattleak.model.observations import Place as Place
    from wattleak.model.recordings import (
        Carbon as Carbon,
    )
    from wattleak.model.recordings import (
        ChannelEnergy as ChannelEnergy,
    )
    from wattleak.model.recordings import (
        Counting as Counting,
    )
    from wattleak.model.recordings import (
        DeviceUse as DeviceUse,
    )
    from wattleak.model.recordings import (
        Gap as Gap,
    )
    from wattleak.model.recordings import (
        Holders as Holders,
    )
    from wattleak.model.recordings import (
        Measurement as Measurement,
    )
    from wattleak.model.recordings import (
        Sample as Sample,
    )
    from wattleak.model.recordings import (
        Span as Span,
    )
    from wattleak.model.recordings import (
        SpanCost as SpanCost,
    )
    from wattleak.model.recordings import (
        StepCost as StepCost,
    )
    from wattleak.model.recordings import (
        StepRun as StepRun,
    )
    from wattleak.model.recordings import (
        StepWindow as StepWindow,
    )
    from wattleak.model.recordings import (
        Trace as Trace,
    )
    from wattleak.model.smells import (
        Confidence as Confidence,
    )
    from wattleak.model.smells import (
        Edit as Edit,
    )
    from wattleak.model.smells import (
        Evidence as Evidence,
    )
    from wattleak.model.smells import (
        EvidenceLevel as EvidenceLevel,
    )
    from wattleak.model.smells import (
        Finding as Finding,
    )
    from wattleak.model.smells import (
        Fix as Fix,
    )
    from wattleak.model.smells import (
        Persona as Persona,
    )
    from wattleak.model.smells import (
        Severity as Severity,
    )
    from wattleak.model.smells import (
        Smell as Smell,
    )

SCHEMA_VERSION = 1
"""Version of every JSON document and of the store. Keys are added, never renamed, within one version."""

_HOLDS = {
    "calibrations": ("Calibration",),
    "footprints": ("Term",),
    "numbers": ("Estimate", "Interval", "Origin"),
    "meters": ("Channel", "Clock", "Meter", "Part", "Quantity", "Unavailable"),
    "observations": ("AlsoSeen", "Observations", "PerSample", "Phase", "Place"),
    "recordings": (
        "Carbon",
        "ChannelEnergy",
        "Counting",
        "DeviceUse",
        "Gap",
        "Holders",
        "Measurement",
        "Sample",
        "Span",
        "SpanCost",
        "StepCost",
        "StepRun",
        "StepWindow",
        "Trace",
    ),
    "experiments": (
        "CONTROL",
        "Design",
        "Difference",
        "Direction",
        "Executor",
        "Experiment",
        "Factor",
        "NoiseFloor",
        "Order",
        "Plan",
        "PlannedRun",
        "QualityTarget",
        "Run",
        "RunContext",
        "RunSink",
        "Search",
        "Session",
        "ShortPlan",
        "Stopping",
        "StoppingRule",
        "StoredExperiment",
        "StoredRun",
        "Variant",
    ),
    "comparisons": (
        "Comparison",
        "ControlCheck",
        "EffectSizes",
        "Grade",
        "MetricComparison",
        "PairComparison",
        "QualityComparison",
        "QualityState",
        "Verdict",
    ),
    "smells": ("Confidence", "Edit", "Evidence", "EvidenceLevel", "Finding", "Fix", "Persona", "Severity", "Smell"),
}

if not TYPE_CHECKING:  # a checker would take any name for one that is held
    __getattr__, __dir__ = names_in(__name__, _HOLDS)
