"""wattleak finds, measures, proves and fixes the hidden cost of machine-learning code.

The public API, and nothing else. Every name is loaded when it is first used, so that `import wattleak` stays
within the standard library and a few milliseconds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.inferring import inference as inference
    from wattleak.recorder.client import measure as measure
    from wattleak.recorder.client import measured as measured
    from wattleak.recorder.client import report_metric as report_metric
    from wattleak.recorder.client import report_output as report_output
    from wattleak.recorder.marks import step as step
    from wattleak.scanner.scan import scan as scan

__version__ = "0.1.0"

__all__ = ["__version__", "inference", "measure", "measured", "report_metric", "report_output", "scan", "step"]

_HOME = {
    "inference": "wattleak.inferring",
    "measure": "wattleak.recorder.client",
    "measured": "wattleak.recorder.client",
    "report_metric": "wattleak.recorder.client",
    "report_output": "wattleak.recorder.client",
    "scan": "wattleak.scanner.scan",
    "step": "wattleak.recorder.marks",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'wattleak' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - costs 5 ms that a plain import must not pay

    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
