"""A smart plug or a Home Assistant sensor at the wall: watts of the whole machine, over plain HTTP.

    --meters plug:http://192.168.1.50                                    Shelly or Tasmota; the kind is found out
    --meters plug:http://192.168.1.50/rpc/Switch.GetStatus?id=1          another outlet
    --meters plug:http://homeassistant.local:8123/api/states/sensor.desk_power

Only the address that the user gave is asked, never another one, and never unasked; a redirect is not followed. Home
Assistant's token is read from the environment variable WATTLEAK_PLUG_TOKEN when it is sent, and never kept.

Power is integrated, not the plug's energy counter differenced: the counters of these plugs step by 0.001 Wh (Shelly
Gen2+), 1/60 Wh (Gen1) or 1 Wh (Tasmota), which is 3.6 J to 3.6 kJ, and the run of a minute is a few hundred joules. The
power moves about once a second. Makers state 1 to 2 % for their chips at full load; small loads are worse: 3 % is
assumed for Shelly, 5 % for a Tasmota device, which its owner calibrates, and for whatever Home Assistant reads.

In the recorder a thread asks once a second and keeps the last answer with its time. So a plug that is slow or gone
never holds up the other meters: its reading is absent.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.model import Channel, Unavailable

_CHANNEL = "plug"
TOKEN_VARIABLE = "WATTLEAK_PLUG_TOKEN"  # noqa: S105 - the name of the variable, not a token
_PERIOD_S = 1.0
_STALE_S = 2.5  # an older answer than this says nothing about now
_DEADLINE_S = 2.0  # for one answer, whole
_FIRST_S = 1.0  # how long `open` waits for the first answer
_MOST_B = 65536

# kind -> (path that is asked when the address has none, keys that lead to the watts, relative error, in words)
_KINDS: dict[str, tuple[str, tuple[str, ...], float, str]] = {
    "shelly-gen2": ("/rpc/Switch.GetStatus?id=0", ("apower",), 0.03, "Shelly Gen2+, apower"),
    "shelly-gen1": ("/meter/0", ("power",), 0.03, "Shelly Gen1, power"),
    "tasmota": ("/cm?cmnd=Status%208", ("StatusSNS", "ENERGY", "Power"), 0.05, "Tasmota, ENERGY.Power"),
    "home-assistant": ("", ("state",), 0.05, "Home Assistant sensor"),
}
_DISCOVERED = ("shelly-gen2", "shelly-gen1", "tasmota")
_UNITS_W = {"W": 1.0, "kW": 1000.0, "mW": 0.001}


class PlugMeter:
    """One channel, `plug`, that contains every other one. `url` is the address that the user gave."""

    name = "plug"

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._spec: dict[str, Any] = {}
        self._latest: tuple[float, float] | None = None  # monotonic seconds, watts
        self._stop: Any = None

    @classmethod
    def from_argument(cls, argument: str) -> PlugMeter:
        """The meter of `plug:URL`. Raises UsageError for an address that is none, or that would carry a secret."""
        from urllib.parse import urlsplit  # noqa: PLC0415 - the recorder has the address ready

        from wattleak.errors import UsageError  # noqa: PLC0415 - as above

        example = "plug:http://192.168.1.50"
        try:
            parts = urlsplit(argument)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"the plug's address does not fit: {error}", example) from error
        if parts.username or parts.password:
            raise UsageError("the plug's address holds a password, which would be stored", f"leave it out: {example}")
        if parts.scheme != "http" or not parts.hostname or port == 0:
            raise UsageError("a plug is read over plain http on your own network", example)
        if not argument.isascii() or not argument.isprintable() or " " in argument:
            raise UsageError("the plug's address holds characters that no address has", example)
        return cls(argument)

    def probe(self) -> tuple[Channel, ...] | Unavailable:
        """Ask once; unavailable with what the address answered."""
        from urllib.parse import urlsplit  # noqa: PLC0415 - the recorder has the address ready

        from wattleak.model import Unavailable  # noqa: PLC0415 - as above

        if not self._url:
            return Unavailable(self.name, "no address is given, and none is looked for", "plug:http://192.168.1.50")
        parts = urlsplit(self._url)
        host, port = str(parts.hostname), parts.port or 80
        where = f"{host}:{port}"
        path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        try:
            family, address = _resolve(host, port)
        except OSError as error:
            return Unavailable(self.name, f"{host} has no address: {error.strerror}", "check the name, or give the IP")
        spec = {"family": family, "address": list(address), "host": f"[{host}]:{port}" if ":" in host else where}
        complaint = f"{where} answers, and is no plug that is known"
        for kind in _kinds_of(path):
            default, keys, _, _ = _KINDS[kind]
            spec |= {"path": path or default, "keys": list(keys), "token": kind == "home-assistant", "scale": 1.0}
            refusal = self._ask(spec, where, kind)
            if not refusal:
                self._spec = spec
                return (_channel(where, kind),)
            if isinstance(refusal, Unavailable):
                return refusal
            complaint = refusal
        return Unavailable(self.name, complaint, "check the path, or give the path of its power as well")

    def _ask(self, spec: dict[str, Any], where: str, kind: str) -> str | Unavailable:
        """Does this kind of plug answer there? Empty: it does. Words: it does not. Unavailable: nobody will."""
        from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

        try:
            status, body = _get(spec, time.monotonic() + _DEADLINE_S)
        except OSError as error:
            reason = error.strerror or "no whole answer in time"
            return Unavailable(self.name, f"{where} cannot be read: {reason}", "check that it is on, and reachable")
        if status in (401, 403):
            return _refused(where, kind)
        answer = _parse(body) if status == 200 else None
        if kind == "home-assistant" and isinstance(answer, dict):
            attributes = answer.get("attributes")
            unit = attributes.get("unit_of_measurement") if isinstance(attributes, dict) else None
            if unit not in _UNITS_W:
                reason = f"the entity at {where} is in {unit or 'no unit'}, not in watts"
                return Unavailable(self.name, reason, "name the sensor of its power")
            spec["scale"] = _UNITS_W[unit]
        return "" if _watts(answer, spec) is not None else f"{where} answers {spec['path']} with {status} and no power"

    def spec(self) -> dict[str, object]:
        """Resolved address, path and place of the watts in the answer; no token."""
        return dict(self._spec)

    def open(self, spec: dict[str, object]) -> None:
        """Start asking; waits a second at most for the first answer, so that a recording begins with one."""
        import _thread  # noqa: PLC0415 - only who has a plug pays for it

        self.close()
        self._spec = dict(spec)
        self._latest = None
        stop, first = _thread.allocate_lock(), _thread.allocate_lock()
        stop.acquire()
        first.acquire()
        self._stop = stop
        _thread.start_new_thread(self._ask_on, (self._spec, stop, first))
        first.acquire(timeout=_FIRST_S)

    def _ask_on(self, spec: dict[str, Any], stop: Any, first: Any) -> None:  # noqa: ANN401 - a lock has no public type
        while True:
            began_s = time.monotonic()
            try:
                status, body = _get(spec, began_s + _DEADLINE_S)
            except OSError:
                status, body = 0, b""
            watts = _watts(_parse(body), spec) if status == 200 else None
            if watts is not None and self._stop is stop:
                self._latest = (time.monotonic(), watts)
            if first.locked():
                first.release()
            if stop.acquire(timeout=max(0.05, began_s + _PERIOD_S - time.monotonic())):
                return

    def read(self) -> dict[str, float]:
        """The last watts that the plug told; empty when that is too long ago."""
        latest = self._latest
        if latest is None or time.monotonic() - latest[0] > _STALE_S:
            return {}
        return {_CHANNEL: latest[1]}

    def holders(self) -> dict[str, frozenset[int]]:
        """Empty: everybody shares the machine."""
        return {}

    def close(self) -> None:
        if self._stop is not None:
            self._stop.release()
            self._stop = None


def _channel(where: str, kind: str) -> Channel:
    from wattleak.model import Channel, Origin, Part, Quantity  # noqa: PLC0415 - the recorder reads without it

    _, _, error_share, words = _KINDS[kind]
    return Channel(
        name=_CHANNEL,
        meter=PlugMeter.name,
        part=Part.MACHINE,
        origin=Origin.SAMPLED,
        quantity=Quantity.POWER_W,
        period_s=_PERIOD_S,
        relative_low=1 - error_share,
        relative_high=1 + error_share,
        device=f"{words} at {where}",
        source=f"{words}, integrated; accuracy {error_share:.0%} (an assumption)",
    )


def _kinds_of(path: str) -> tuple[str, ...]:
    """Which kinds of plug a path can belong to."""
    if path.startswith("/api/states/"):
        return ("home-assistant",)
    if path.startswith("/rpc/"):
        return ("shelly-gen2",)
    if path.startswith(("/meter/", "/emeter/")):
        return ("shelly-gen1",)
    if path.startswith("/cm"):
        return ("tasmota",)
    return _DISCOVERED if not path else ()


def _refused(where: str, kind: str) -> Unavailable:
    from wattleak.model import Unavailable  # noqa: PLC0415 - the recorder reads without it

    if kind == "home-assistant":
        told = f"does not take the token in {TOKEN_VARIABLE}" if os.environ.get(TOKEN_VARIABLE) else "wants a token"
        return Unavailable("plug", f"{where} {told}", f"export {TOKEN_VARIABLE}=... (a long-lived access token)")
    remedy = "switch its password off on your own network, or read it through Home Assistant"
    return Unavailable("plug", f"{where} wants a password", remedy)


def _resolve(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """Address family and socket address of a name. Raises OSError."""
    import _socket  # noqa: PLC0415 - probing only

    family, _type, _protocol, _name, address = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)[0]
    return int(family), address


def _get(spec: dict[str, Any], deadline_s: float) -> tuple[int, bytes]:
    """Status and body of one GET. Raises OSError when no whole answer came before the deadline.

    HTTP/1.0, so that nobody answers in chunks; `_socket`, because `socket` takes the recorder 9 ms to import.
    """
    import _socket  # noqa: PLC0415 - only who has a plug pays for it

    lines = [f"GET {spec['path']} HTTP/1.0", f"Host: {spec['host']}", "Accept: application/json", "Connection: close"]
    token = os.environ.get(TOKEN_VARIABLE, "").strip() if spec["token"] else ""
    if token and token.isascii() and token.isprintable():
        lines.append(f"Authorization: Bearer {token}")
    connection = _socket.socket(int(spec["family"]), _socket.SOCK_STREAM)
    try:
        connection.settimeout(_left_s(deadline_s))
        connection.connect(tuple(spec["address"]))
        connection.settimeout(_left_s(deadline_s))
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        data = b""
        while len(data) < _MOST_B and not _is_whole(data):
            connection.settimeout(_left_s(deadline_s))
            piece = connection.recv(4096)
            if not piece:
                break
            data += piece
    finally:
        connection.close()
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return 0, b""
    return int(words[1]), body


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError(110, "no whole answer in time")
    return left_s


def _is_whole(data: bytes) -> bool:
    """Has the body that the header announces arrived? False without a header: then the other side closes."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def _parse(body: bytes) -> object:
    """The JSON of an answer; None when it is none."""
    import json  # noqa: PLC0415 - only who has a plug pays for it

    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _watts(answer: object, spec: dict[str, Any]) -> float | None:
    """The watts in an answer; None when it has none, or says itself that they are not valid."""
    if isinstance(answer, dict) and answer.get("is_valid") is False:
        return None
    for key in spec["keys"]:
        if not isinstance(answer, dict) or key not in answer:
            return None
        answer = answer[key]
    if isinstance(answer, bool) or not isinstance(answer, int | float | str):
        return None
    try:
        watts = float(answer) * float(spec["scale"])
    except ValueError:
        return None  # "unavailable"
    return watts if 0 <= watts < float("inf") else None
