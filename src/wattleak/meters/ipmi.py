"""The machine's power as its management controller (BMC) tells it, by `ipmitool dcmi power reading`: `machine-ipmi`.

Slow, and used only when it is named. The controller needs up to a second for an answer and refreshes it about once a
second, so a reader of its own (`ipmi_reader`) asks in the background; `read` takes the newest answer and waits for
nothing. Only `open` waits, two seconds at most, so that the work does not start before there is a first answer. An
answer that has grown old is absent: a controller that hangs leaves a hole, not a straight line.

The reader is no child of the recorder, whose children are the workload; it ends when the recorder closes its pipe or
dies. What it costs is not in any figure of the workload, but in the machine's power like everything else.

Neither the DCMI specification nor vendors promise an accuracy: +-10 % is an assumption. Readings are whole watts of
what the power supplies take in. A controller that says 0 W does not measure: that is no reading.
"""

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Channel, Unavailable

_CHANNEL = "machine-ipmi"
_EVERY_S = 1.0
_PERIOD_S = 2.0  # what is read is up to a second old, and was measured up to a second before that
_FIRST_ANSWER_S = 2.0
_LIMIT_S = 5.0  # for one answer
_STALE_S = 5.0
_ERROR = 0.10


class IpmiMeter:
    """Asks a BMC through ipmitool. `host` is where /dev is looked for, to say why the controller cannot be reached."""

    name = "ipmi"
    common = True  # what one process reads of the BMC, another would read too

    def __init__(self, host: str = "/") -> None:
        self._host = host
        self._tool = ""
        self._fd = -1
        self._unread = b""
        self._newest: tuple[float, float] | None = None  # watts, and the CLOCK_MONOTONIC time of the answer

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Ask once, with a time limit, and say why there is no answer if there is none."""
        from wattleak.meters import ipmi_probe  # noqa: PLC0415 - the recorder reads without probing
        from wattleak.model import Channel, Origin, Part, Quantity, Unavailable  # noqa: PLC0415 - as above

        answer = ipmi_probe.ask(self._host)
        if isinstance(answer, Unavailable):
            return answer
        self._tool = answer
        return (
            Channel(
                name=_CHANNEL,
                meter=self.name,
                part=Part.MACHINE,
                origin=Origin.SAMPLED,
                quantity=Quantity.POWER_W,
                period_s=_PERIOD_S,
                relative_low=1 - _ERROR,
                relative_high=1 + _ERROR,
                device="power supplies, by the BMC",
                source=f"IPMI DCMI power reading through ipmitool; accuracy +-{_ERROR:.0%} assumed, none is published",
            ),
        )

    def spec(self) -> dict[str, object]:
        """Path of ipmitool."""
        return {"tool": self._tool}

    def open(self, spec: dict[str, object]) -> None:
        """Start the reader and wait for its first answer, two seconds at most."""
        self.close()
        folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not for the recorder
        reader = [
            sys.executable,
            "-I",
            "-S",
            f"{folder}/ipmi_reader.py",
            str(spec["tool"]),
            str(_EVERY_S),
            str(_LIMIT_S),
        ]
        self._fd, write = os.pipe()
        os.set_blocking(self._fd, False)
        try:
            # The shell starts it in the background and is gone: whoever adopts it, it is not our child.
            shell = os.posix_spawn(
                "/bin/sh",
                ["/bin/sh", "-c", '"$@" &', "sh", *reader],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, write, 1),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
                setsigdef=[1, 2, 3, 13, 15],
            )
            os.waitpid(shell, 0)
        except OSError:
            self.close()  # absent, as a reading that fails later
        finally:
            os.close(write)
        if self._fd >= 0:
            wait = select.poll()
            wait.register(self._fd, select.POLLIN)
            wait.poll(_FIRST_ANSWER_S * 1000)

    def read(self) -> dict[str, float]:
        """The newest answer in watts; empty when there is none yet, or none for five seconds."""
        if self._fd < 0:
            return {}
        try:
            *lines, self._unread = (self._unread + os.read(self._fd, 65536)).split(b"\n")
        except OSError:
            lines = []  # nothing new
        if lines:
            watts, _, asked_s = lines[-1].partition(b" ")
            self._newest = (float(watts), float(asked_s))
        if self._newest is None or time.monotonic() - self._newest[1] > _STALE_S:
            return {}
        return {_CHANNEL: self._newest[0]}

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the machine."""
        return {}

    def close(self) -> None:
        """Let go of the reader, which ends by itself."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._unread, self._newest = -1, b"", None
