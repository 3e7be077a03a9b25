"""The meters as the recorder has them: twins of those that the command line has probed.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Meter


def open_meters(specs: list[tuple[str, dict[str, object]]]) -> list[Meter]:
    """Re-create the probed meters. `module:Class` is what the command line found; its code is light."""
    meters: list[Meter] = []
    for reference, spec in specs:
        module, _, name = reference.partition(":")
        meter: Meter = getattr(__import__(module, fromlist=[name]), name)()
        meter.open(spec)
        meters.append(meter)
    return meters
