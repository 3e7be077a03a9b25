"""What was observed while a program ran, as data: the facts that the agent and the outside probes noted.

    signals = read_signals(run_folder / SIGNALS)
    for fact in signals.of("models"):
        fact.text("file"), fact.number("builds"), fact.process.pid

A fact that lacks what a reader needs is as absent as one that was never noted: `number` and `text` answer None.
"""

from wattleak.signals.reading import SIGNALS, read_signals
from wattleak.signals.seen import Fact, Process, Signals

__all__ = ["SIGNALS", "Fact", "Process", "Signals", "read_signals"]
