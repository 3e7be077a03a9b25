"""The fake that is shipped: a meter that plays a script. Its channels are `simulated`, whatever they imitate.

In one process, on a scripted clock:

    clock = FakeClock()
    meter = ReplayMeter([channel], {"cpu0": [(0, 0.0), (10, 500.0)]}, clock)

On the command line and in the recorder, on the real clock: `replay:FILE.json` with

    {"channels": [{"name": "cpu0", "part": "cpu", "quantity": "energy_j", "period_s": 0.001,
                   "wrap_j": 262143.3, "idle_w": 50, "points": [[0, 0], [10, 500], [12, null], [13, 700]]}]}

A script is a list of points (seconds since `open`, reading), times rising from 0. The reading goes in straight lines
from value to value, as if the nulls were not there; a null hides it from its time until the next point (a drop-out;
a last null hides it for good). After the last value an energy counter goes on at its last rate, a power stays. Energy
never falls and is written without its wraps: with `wrap_j` the reading is the remainder.
"""

from __future__ import annotations

from wattleak.meters.clock import MonotonicClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Channel, Clock

    Script = Sequence[tuple[float, float | None]]


class ReplayMeter:
    """Plays `script` (points by channel name) on `clock`. Without arguments, what `open` brings is played."""

    name = "replay"

    def __init__(
        self,
        channels: Sequence[Channel] = (),
        script: Mapping[str, Script] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises UsageError when a channel has no script, or a script breaks a rule above."""
        self._channels = tuple(channels)
        self._script = {name: [(float(t), v) for t, v in points] for name, points in (script or {}).items()}
        self._clock: Clock = clock or MonotonicClock()
        self._played: list[tuple[str, bool, float | None, list[tuple[float, float | None]]]] = []
        self._opened_s = 0.0
        if channels:
            from wattleak.meters.replay_file import check_scripts  # noqa: PLC0415 - the recorder plays checked scripts

            check_scripts(self._channels, self._script)

    @classmethod
    def from_file(cls, path: str) -> ReplayMeter:
        """Read a script from a JSON file. Raises UsageError that says which channel and point is wrong."""
        from wattleak.meters.replay_file import read_script  # noqa: PLC0415 - needs json

        channels, script = read_script(path)
        return cls(channels, script)

    def probe(self) -> tuple[Channel, ...]:
        """The scripted channels, with origin `simulated`."""
        from wattleak.model import Origin  # noqa: PLC0415 - not for the recorder

        return tuple(channel._replace(meter=self.name, origin=Origin.SIMULATED) for channel in self._channels)

    def spec(self) -> dict[str, object]:
        """The whole script, as plain data."""
        return {
            "channels": [
                {
                    "name": channel.name,
                    "energy": str(channel.quantity) == "energy_j",
                    "wrap_j": channel.wrap_j,
                    "points": [list(point) for point in self._script[channel.name]],
                }
                for channel in self._channels
            ]
        }

    def open(self, spec: dict[str, object]) -> None:
        """Start to play: the script's time 0 is now."""
        channels: list[dict[str, object]] = spec["channels"]  # type: ignore[assignment]  # plain data from spec()
        self._played = [
            (str(c["name"]), bool(c["energy"]), c["wrap_j"], [(p[0], p[1]) for p in c["points"]])  # type: ignore[attr-defined,misc]  # as above
            for c in channels
        ]
        self._opened_s = self._clock.now_s()

    def read(self) -> dict[str, float]:
        """What the script shows now; a channel in a drop-out is left out."""
        elapsed_s = self._clock.now_s() - self._opened_s
        raw: dict[str, float] = {}
        for name, energy, wrap_j, points in self._played:
            value = _at(points, elapsed_s, energy)
            if value is not None:
                raw[name] = value % wrap_j if wrap_j else value
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: a script cannot know process ids."""
        return {}

    def close(self) -> None:
        self._played = []


def _at(points: list[tuple[float, float | None]], time_s: float, energy: bool) -> float | None:
    """The reading of a script at a time, or None in a drop-out."""
    reached = [value for t, value in points if t <= time_s]
    if not reached or reached[-1] is None:
        return None
    values = [(t, value) for t, value in points if value is not None]
    after = next((number for number, (t, _) in enumerate(values) if t > time_s), len(values))
    if after == len(values):
        if not energy or len(values) == 1:
            return values[-1][1]
        after = len(values) - 1
    (t0, v0), (t1, v1) = values[after - 1], values[after]
    return v0 + (v1 - v0) * (time_s - t0) / (t1 - t0)
