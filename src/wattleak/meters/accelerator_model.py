"""Accelerators whose energy nothing here can read (TPU, Gaudi, Intel data-centre GPUs): a published power x time.

    energy of a chip = mean power x time

The mean is the maker's own, measured in production, where one is published (TPU v3 and v4), and the range is its least
and most. Where only a thermal design power is published, the mean is taken as 0.49 of it, which is what the one chip
with both figures shows (TPU v3: 220 W of 450 W, Jouppi et al. 2021), and the range reaches from a tenth of it (at
rest; an assumption) to all of it. A chip of which nothing is published has no figure.

The figure is the same whether the chip works or waits, so it says nothing about a saving in a shorter time than the
chip was held. A process that is a descendant of the recorder and has the chip's device file open holds the chip.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.meters.accelerator_watts import Found, Watts
    from wattleak.model import Channel, Unavailable

_MEAN_OF_TDP = 0.49
_REST_OF_TDP = 0.1
_MOST_CHIPS = 256
_INTEL = ("max-", "flex-")


class AcceleratorModelMeter:
    """One modelled channel for each chip: `tpu0`, `gaudi0`, `max0`, ...

    `stated` names what the machine has when it cannot be seen: (`tpu-v4`, 4). `host` is the folder in which /dev and
    /sys lie. `read_already` are channels of other meters: an Intel GPU that one of them measures is left out.
    """

    name = "accelerator-model"

    def __init__(
        self, stated: tuple[str, int] | None = None, host: str = "/", read_already: Sequence[Channel] = ()
    ) -> None:
        self._measured = any(channel.name.startswith("intel-gpu") for channel in read_already)
        self._stated = stated
        self._host = host
        self._watts: dict[str, float] = {}
        self._nodes: dict[str, str] = {}  # device file -> channel
        self.absent = False  # after a probe: this machine has no such part
        self.losses: tuple[Unavailable, ...] = ()

    @classmethod
    def from_argument(cls, argument: str) -> AcceleratorModelMeter:
        """The meter of `accelerator-model:tpu-v4x4`: a name of the table, x, how many. Raises UsageError."""
        from wattleak.errors import UsageError  # noqa: PLC0415 - the recorder reads without it
        from wattleak.meters.accelerator_watts import read_table  # noqa: PLC0415 - as above

        table = read_table()
        name, _, number = argument.rpartition("x")
        if argument in table:
            name, number = argument, "1"
        if name not in table or not number.isdigit() or not 1 <= int(number) <= _MOST_CHIPS:
            raise UsageError(
                f"{argument!r} states no accelerator whose power is published",
                f"NAMExNUMBER, as tpu-v4x4; names: {', '.join(table)}",
            )
        return cls((name, int(number)))

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """A channel for each chip of a kind whose power is published."""
        from wattleak.meters import accelerators  # noqa: PLC0415 - the recorder reads without it
        from wattleak.model import Unavailable  # noqa: PLC0415 - as above

        if self._stated is None:
            cloud = accelerators.accelerator_type_of_environment()
            seen = accelerators.count_accelerators(self._host, cloud)
            counts = {name: n for name, n in seen.items() if not (self._measured and name.startswith(_INTEL))}
        else:
            counts = dict([self._stated])
        if not counts:
            self.absent = True
            reason = "no TPU, Gaudi, Trainium, Inferentia or Intel data-centre GPU is seen on the PCI bus"
            return Unavailable(self.name, reason, "state it: --meters accelerator-model:tpu-v4x4")
        from wattleak.meters.accelerator_watts import look_up  # noqa: PLC0415 - most machines have none

        found = look_up(counts, self._host)
        known = [(item, item.known) for item in found if item.known is not None]
        unknown = tuple(self._unpublished(item) for item in found if item.known is None)
        if not known:
            return unknown[0]
        self.losses = unknown
        return tuple(channel for item, watts in known for channel in self._channels(item, watts))

    def _unpublished(self, found: Found) -> Unavailable:
        from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

        older = found.name == "TPU v2 or v3"
        lost = f"the energy of {found.chips} x {found.name} is missing from every figure"
        reason = "the chip does not say which of the two it is" if older else "its maker publishes no power"
        remedy = "--meters accelerator-model:tpu-v3x4, or set TPU_ACCELERATOR_TYPE" if older else "measure at the wall"
        return Unavailable(self.name, f"{found.name}: {reason}; {lost}", remedy)

    def _channels(self, found: Found, watts: Watts) -> list[Channel]:
        from wattleak.meters.accelerator_watts import TABLE_VERSION  # noqa: PLC0415 - the recorder reads without it
        from wattleak.model import Channel, Origin, Part, Quantity  # noqa: PLC0415 - as above

        if watts.mean_w is not None and watts.low_w is not None:
            mean_w, low_w, how = watts.mean_w, watts.low_w, "published mean power"
        else:
            mean_w, low_w = _MEAN_OF_TDP * watts.high_w, _REST_OF_TDP * watts.high_w
            how = f"{_MEAN_OF_TDP} of the thermal design power (an assumption)"
        family = found.name.partition("-")[0].rstrip("0123456789")
        names = [f"{family}{number}" for number in range(found.chips)]
        self._watts |= dict.fromkeys(names, mean_w)
        self._nodes |= dict(zip(found.nodes, names, strict=False))
        return [
            Channel(
                name=name,
                meter=self.name,
                part=Part.GPU,
                origin=Origin.MODELLED,
                quantity=Quantity.ENERGY_J,
                period_s=0.001,  # the clock's: the figure is a multiple of time
                relative_low=low_w / mean_w,
                relative_high=watts.high_w / mean_w,
                device=found.name,
                source=f"{how} x time: {watts.source}, {watts.year}; table {TABLE_VERSION}",
            )
            for name in names
        ]

    def spec(self) -> dict[str, object]:
        """Watts by channel, and the channel of each device file."""
        return {"watts": dict(self._watts), "nodes": dict(self._nodes)}

    def open(self, spec: dict[str, object]) -> None:
        self._watts = dict(spec["watts"])  # type: ignore[call-overload]  # plain data, written by spec()
        self._nodes = dict(spec["nodes"])  # type: ignore[call-overload]  # as above

    def read(self) -> dict[str, float]:
        """Joules since boot of every chip, by the model."""
        now_s = time.monotonic()
        return {name: watts * now_s for name, watts in self._watts.items()}

    def holders(self) -> dict[str, frozenset[int]]:
        """Descendants of this process that have a chip's device file open. Other people's processes are not seen."""
        held: dict[str, set[int]] = {name: set() for name in self._nodes.values()}
        for pid in _descendants(os.getpid()) if held else ():
            for name in _open_nodes(pid, self._nodes):
                held[name].add(pid)
        return {name: frozenset(pids) for name, pids in held.items()}

    def close(self) -> None:
        """Nothing is held."""


def _descendants(root: int) -> list[int]:
    found: list[int] = []
    queue = [root]
    while queue:
        pid = queue.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib is not for the recorder
        except OSError:
            continue
        for task in tasks:
            try:
                with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123 - as above
                    children = [int(word) for word in file.read().split()]
            except OSError:
                continue
            found += children
            queue += children
    return found


def _open_nodes(pid: int, nodes: dict[str, str]) -> set[str]:
    """Channels whose device file the process has open."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)  # noqa: PTH208 - pathlib is not for the recorder
    except OSError:
        return set()
    found: set[str] = set()
    for descriptor in descriptors:
        try:
            target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - as above
        except OSError:
            continue
        if target in nodes:
            found.add(nodes[target])
    return found
