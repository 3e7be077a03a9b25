"""Where numbers come from: channels, meters, clocks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from wattleak.model.numbers import Estimate, Origin


class Part(StrEnum):
    """Which part of the machine a channel sees."""

    CPU = "cpu"
    DRAM = "dram"
    GPU = "gpu"
    MACHINE = "machine"


class Quantity(StrEnum):
    """What the raw readings of a channel are."""

    ENERGY_J = "energy_j"  # cumulative joules since some start; differenced, with wrap
    POWER_W = "power_w"  # watts at the moment of reading; integrated by trapezoid


class Channel(NamedTuple):
    """One thing that a meter reads: `cpu0`, `dram0`, `gpu0`, `machine`.

    `relative_low` and `relative_high` bound the truth as multiples of the reading (95 %): 0.5 and 2.0 say that the
    true energy lies between half and twice what the channel shows. They cover the accuracy of the source; the error
    from reading a counter that moves only every `period_s` is added by whoever takes a difference.
    """

    name: str
    meter: str
    part: Part
    origin: Origin
    quantity: Quantity
    period_s: float  # how often the source itself moves
    relative_low: float
    relative_high: float
    wrap_j: float | None = None  # the counter restarts from zero after this many joules
    contains: frozenset[str] = frozenset()  # names of channels that are already inside this one
    idle_w: Estimate | None = None  # power of this channel when the machine does nothing
    device: str | None = None  # what the user calls it: "NVIDIA A10G", "Intel Xeon (Ice Lake)"
    source: str = ""  # where the number comes from, with year
    watts_per_busy_cpu: Estimate | None = None  # modelled CPUs: watts above idle for each CPU-second of work


class Unavailable(NamedTuple):
    """Why a meter cannot be used here, what that loses, and what would make it usable."""

    meter: str
    reason: str
    remedy: str


class Meter(Protocol):
    """A source of energy or power. One file per meter; `meters.replay` is the fake that is shipped.

    A meter lives twice. In the process of the user's command line it is asked `probe()`; in the recorder, a separate
    process that must start in milliseconds, it is re-created without arguments, given the `spec()` of its twin
    through `open()`, and read. So a meter's module may import nothing at its top but light standard-library modules
    (not this one, not json, not dataclasses, not enum): what probing needs is imported inside `probe`.
    """

    @property
    def name(self) -> str: ...

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Say which channels can be read here, or why none can. Called once."""
        ...

    def spec(self) -> dict[str, object]:
        """After a successful probe: plain data (str, int, float, bool, None, list, dict) that `open` needs."""
        ...

    def open(self, spec: dict[str, object]) -> None:
        """Make `read` work without probing again."""
        ...

    def read(self) -> dict[str, float]:
        """Raw reading by channel name: joules since some start, or watts. A channel that fails now is left out."""
        ...

    def holders(self) -> dict[str, frozenset[int]]:
        """Process ids that hold each device channel now. Channels that everybody shares (a CPU) are left out."""
        ...

    def close(self) -> None: ...

    # More members are optional, asked for with getattr so that outsiders need not have them:
    #   absent: bool    after a probe that gave Unavailable: this machine has no such part, so no figure lacks anything
    #   common: bool    what one process reads, another would read too: recorders of one node may share the readings
    #   losses: tuple[Unavailable, ...]    after a probe: parts that a usable meter cannot read here
    #   use() -> dict[str, tuple[float | None, dict[int, float] | None]]
    #       by device channel: the fraction of the last stretch in which the device worked for anybody, and the
    #       fraction in which it worked for each process id; None where the device does not say


class Clock(Protocol):
    """Time. The real one is `CLOCK_MONOTONIC`; tests and simulations script theirs."""

    def now_s(self) -> float: ...

    def sleep(self, duration_s: float) -> None: ...
