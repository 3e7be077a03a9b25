"""Power rails of NVIDIA Jetson modules, measured by the INA3221 chips on them.

One channel for each rail that sees a part of the machine, named after the rail: `vdd_in` (what the module takes in,
where the board measures it), `vdd_cpu_gpu_cv`, `vdd_gpu_soc`, `vdd_cpu_cv`, `vddq_vdd2_1v8ao` (memory), ... `vdd_in`
contains the other rails. Volts times amperes of the two sensors of a rail; older kernels (L4T up to 32) give the
product themselves.

NVIDIA's development guides list the rails of each module and promise no accuracy: +-5 % is an assumption, and below
some 100 mA the chip's offset makes it worse. Boards without a rail for the input (AGX) measure neither carrier board
nor converter losses: what their rails miss is in `losses`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.meters.jetson_rails import Rail
    from wattleak.model import Channel, Unavailable

_ROOT = "/sys/bus/i2c/drivers"
_DRIVERS = ("ina3221", "ina3221x")  # mainline's, and the one of older kernels for Jetson
_PERIOD_S = 0.1  # an assumption where the driver does not say: three rails, averaged, take tens of milliseconds
_ERROR = 0.05


class Ina3221Meter:
    """Reads the rails of a Jetson. `root` is the folder of I2C drivers (default: $WATTLEAK_INA3221, else sysfs)."""

    name = "ina3221"
    common = True  # what one process reads of sensors, another would read too

    def __init__(self, root: str | None = None) -> None:
        self._root = root or os.environ.get("WATTLEAK_INA3221") or _ROOT
        self._rails: dict[str, tuple[list[str], float]] = {}
        self._fds: dict[str, tuple[list[int], float]] = {}
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel for each rail whose part is known and whose sensors can be read."""
        from wattleak.model import Channel, Origin, Part, Quantity, Unavailable  # noqa: PLC0415 - the recorder reads without

        rails: list[Rail] = []
        if any(os.path.isdir(f"{self._root}/{driver}") for driver in _DRIVERS):  # noqa: PTH112 - pathlib is slow to start
            from wattleak.meters import jetson_rails  # noqa: PLC0415 - for a Jetson alone

            rails = jetson_rails.find_rails(self._root)
        known = [rail for rail in rails if rail.part is not None]
        readable = [rail for rail in known if all(os.access(path, os.R_OK) for path in rail.paths)]
        if not known:
            self.absent = True
            reason = f"no power rails of a Jetson module under {self._root}"
            return Unavailable(self.name, reason, "nothing to type unless this is a Jetson")
        if len(readable) < len(known):
            closed = [rail for rail in known if rail not in readable]
            names = ", ".join(rail.label for rail in closed)
            remedy = f"sudo chmod a+r {' '.join(path for rail in closed for path in rail.paths)}"
            loss = Unavailable(self.name, f"this user may not read the rails {names}: their energy is missing", remedy)
            if not readable:
                return loss
            self.losses += (loss,)
        if not any(rail.part is Part.MACHINE for rail in readable):
            missed = ", ".join(rail.label for rail in rails if rail.part is None) or "carrier board and converters"
            reason = f"this board does not measure what it takes in; not in any figure: {missed}"
            self.losses += (Unavailable(self.name, reason, "a plug or a meter at the supply sees everything"),)
        self._rails = {rail.channel: (list(rail.paths), rail.scale_w) for rail in readable}
        inside = frozenset(rail.channel for rail in readable if rail.part is not Part.MACHINE)
        return tuple(
            Channel(
                name=rail.channel,
                meter=self.name,
                part=rail.part,
                origin=Origin.SAMPLED,
                quantity=Quantity.POWER_W,
                period_s=rail.period_s or _PERIOD_S,
                relative_low=1 - _ERROR,
                relative_high=1 + _ERROR,
                contains=inside if rail.part is Part.MACHINE else frozenset(),
                device=f"Jetson rail {rail.label}",
                source=f"INA3221 rail {rail.label} ({rail.sees}); accuracy +-{_ERROR:.0%} assumed, none is published",
            )
            for rail in readable
            if rail.part is not None
        )

    def spec(self) -> dict[str, object]:
        """Files of each rail and watts of one unit of their product."""
        return {
            "rails": {name: {"paths": list(paths), "scale_w": scale} for name, (paths, scale) in self._rails.items()}
        }

    def open(self, spec: dict[str, object]) -> None:
        self.close()
        rails: dict[str, dict[str, object]] = spec["rails"]  # type: ignore[assignment]  # plain data, written by spec()
        for channel, rail in rails.items():
            fds: list[int] = []
            self._fds[channel] = (fds, float(rail["scale_w"]))  # type: ignore[arg-type]  # as above
            for path in rail["paths"]:  # type: ignore[attr-defined]  # as above
                try:
                    fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                except OSError:
                    fds.append(-1)  # reading it fails too: the channel is absent

    def read(self) -> dict[str, float]:
        """Watts of each rail; one whose sensor does not answer now is absent."""
        raw: dict[str, float] = {}
        for channel, (fds, scale_w) in self._fds.items():
            watts = scale_w
            try:
                for fd in fds:
                    watts *= int(os.pread(fd, 32, 0))
            except (OSError, ValueError):
                continue
            if watts >= 0:  # a rail without load may read a few milliamperes below zero, which is no power
                raw[channel] = watts
        return raw

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: rails do not know processes."""
        return {}

    def close(self) -> None:
        for fds, _scale_w in self._fds.values():
            for fd in fds:
                if fd >= 0:
                    os.close(fd)
        self._fds = {}
