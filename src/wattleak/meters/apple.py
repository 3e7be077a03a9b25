"""Apple silicon through powermetrics: channels `cpu`, `gpu` and `ane` (the Neural Engine).

powermetrics needs root. It runs as a child of this meter, streams one property list a second, and each list gives the
average power of an interval with its length: power times length is the energy of the interval, and these are added
up. So the channels count joules since `open`, in steps of a second, and nothing is integrated twice. The first
interval begins when powermetrics is up, some tenths of a second after `open`: what is used before that is in no
figure, and less than one step.

Energy is lost to the sum if powermetrics ends or leaves a value out; from then on the channel is absent.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.model import Channel, Unavailable

_KEYS = {"cpu": b"cpu_power", "gpu": b"gpu_power", "ane": b"ane_power"}
_END = b"</plist>"
# Started through a shell that ends at once: powermetrics must not count as a part of the workload, whose parent the
# recorder is. Its reader's end is its own end: it writes every second, and then there is no pipe any more.
_DETACHED = '"$@" </dev/null 2>/dev/null &'


class AppleMeter:
    """Reads the power of an Apple chip. `absent`: this is no Mac.

    `platform` is that of `sys.platform`, `root` says whether powermetrics may be started without sudo; both are found
    out if they are not given.
    """

    name = "apple"

    def __init__(self, platform: str | None = None, *, root: bool | None = None) -> None:
        self._platform = platform
        self._root = root
        self._spec: dict[str, object] = {}
        self._fd = -1
        self._torn = b""
        self._joules: dict[str, float] = {}
        self.losses: tuple[Unavailable, ...] = ()
        self.absent = False

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """One channel for each value that powermetrics gives; it is asked once, for a tenth of a second."""
        if (self._platform or sys.platform) != "darwin":
            from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

            self.absent = True
            reason = "powermetrics is a program of macOS, and this is no Mac"
            return Unavailable(self.name, reason, "nothing to type")
        from wattleak.meters.apple_probe import Found, look  # noqa: PLC0415 - the recorder reads without finding

        found = look(root=self._root)
        if not isinstance(found, Found):
            return found
        self._spec = {"command": list(found.command), "channels": [channel.name for channel in found.channels]}
        self.losses = found.losses
        return found.channels

    def spec(self) -> dict[str, object]:
        """The command that streams, and the channels to take from it."""
        return dict(self._spec)

    def open(self, spec: dict[str, object]) -> None:
        """Start powermetrics. What fails leaves the channels absent."""
        self.close()
        command: list[str] = spec["command"]  # type: ignore[assignment]  # plain data, written by spec()
        channels: list[str] = spec["channels"]  # type: ignore[assignment]  # as above
        ours, theirs = os.pipe()
        try:
            pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _DETACHED, "sh", *command],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1)],
                setsigdef=[13],  # SIGPIPE, which Python ignores and powermetrics must die of
            )
            os.waitpid(pid, 0)
        except OSError:
            os.close(ours)
            return
        finally:
            os.close(theirs)
        os.set_blocking(ours, False)
        self._fd = ours
        self._joules = dict.fromkeys(channels, 0.0)

    def read(self) -> dict[str, float]:
        """Joules since `open`, up to the last interval that powermetrics has told of."""
        while self._fd >= 0:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.close()
                break
            *documents, self._torn = (self._torn + data).split(_END)
            for document in documents:
                self._add(document)
        return dict(self._joules)

    def _add(self, document: bytes) -> None:
        elapsed_ns = _number(document, b"elapsed_ns")
        for channel in list(self._joules):
            power_mw = _number(document, _KEYS[channel])
            if elapsed_ns is None or power_mw is None:
                del self._joules[channel]
            else:
                self._joules[channel] += power_mw * elapsed_ns / 1e12

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: macOS does not say who uses the chip's GPU."""
        return {}

    def close(self) -> None:
        """Stop listening; powermetrics ends when it next writes, within a second."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._torn, self._joules = -1, b"", {}


def _number(document: bytes, key: bytes) -> float | None:
    """The number that follows a key of a property list; None without it.

    A parser of XML would cost the recorder more than all the rest; these keys occur once.
    """
    after = document.partition(b"<key>" + key + b"</key>")[2]
    text = after.partition(b">")[2].partition(b"<")[0]
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 else None  # not a number is not above zero either
