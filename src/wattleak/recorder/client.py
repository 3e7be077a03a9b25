"""Measuring from inside a Python program.

    with wattleak.measure("train") as m:
        train()
    print(m.duration_s, m.attributed_energy_j)

The first block of a program starts a recorder that attaches to it. A block inside another one, or inside a program
that runs under `wattleak measure` or `compare`, is a span of the recording that is already there: there is one
recorder, and its sums are right. The numbers are worked out when they are asked for, not inside the program's time.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import socket
import sys
import time
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from wattleak.errors import OwnFailure, WattleakError
from wattleak.recorder import marks
from wattleak.recorder.journal import append_fact
from wattleak.recorder.platforms import portable_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from wattleak.meters.probe import Probed
    from wattleak.model import Carbon, ChannelEnergy, Estimate, Measurement, SpanCost
    from wattleak.recorder.portable_platforms import Platform
    from wattleak.recorder.spawning import Sidecar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_current_span: ContextVar[int | None] = ContextVar("wattleak_span", default=None)
_PATIENCE_S = 30  # an answer takes a reading of the meters; a recorder that was stopped never gives one


class measure:  # noqa: N801 - it is used as a verb: `with measure("train")`
    """Measure a block of code: `with measure("train") as m:`.

    Args:
        name: What the block is called in reports.
        store: Folder of the store; default $WATTLEAK_STORE or `.wattleak`.
        region: Place for the carbon intensity, as `--region`; default $WATTLEAK_REGION, else the world average.
        pue: Energy of the building over energy of the machine; default none stated.
        idle_power: Watts of channels at rest, as `--idle-power`: {"cpu0": 50}. Without it the part of a CPU counter
            that belongs to this process is known only as well as the run itself shows what rest is.

    After the block, `m` has `duration_s`, `cpu_s`, `energy` (by channel, of the machine), `attributed_energy_j` (of
    this process tree), and for the outermost block `carbon_g`, `peak_memory_b` and `measurement`. Each energy is an
    Estimate with `value`, `low`, `high` in joules and `origin`.

    Raises OwnFailure when no recorder can be started. When one was there and has been killed since, the program goes
    on and says so: then only asking for the numbers of the block raises OwnFailure.
    """

    def __init__(
        self,
        name: str = "block",
        *,
        store: str | Path | None = None,
        region: str | None = None,
        pue: float | None = None,
        idle_power: Mapping[str, float] | None = None,
    ) -> None:
        self.name = " ".join(name.split()) or "block"
        self._store = Path(store or os.environ.get("WATTLEAK_STORE") or ".wattleak")
        self._region = region or os.environ.get("WATTLEAK_REGION")
        self._pue = pue
        self._idle_power = idle_power
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None
        self._span_id: int | None = None
        self._unmeasured = False
        self._done = False

    def __enter__(self) -> Self:
        self._done = False
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            if os.environ.get("WATTLEAK_RECORDER"):
                self._open_span(stack)
            else:
                self._attach(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._done = True

    # -- the two ways to be measured -----------------------------------------------------------------------------

    def _open_span(self, stack: contextlib.ExitStack) -> None:
        self._folder = Path(os.environ["WATTLEAK_JOURNAL"]).parent
        parent = _current_span.get()
        try:
            line = stack.enter_context(_Line(os.environ["WATTLEAK_RECORDER"]))
            self._span_id = int(line.ask(f"open {'-' if parent is None else parent} {self.name}"))
        except OwnFailure as failure:
            if not (self._folder / "journal.jsonl").exists():
                raise  # there never was a recorder: the environment is wrong
            # There was one, killed or stopped by now. Hours of training are worth more than what is left to measure.
            self._unmeasured = True
            print(f"wattleak: {failure}; the block {self.name!r} runs unmeasured", file=sys.stderr)
            return
        stack.callback(line.close_span, self._span_id, self._folder / "journal.jsonl")
        token = _current_span.set(self._span_id)
        stack.callback(_current_span.reset, token)

    def _attach(self, stack: contextlib.ExitStack) -> None:
        platform = portable_platform()
        run_id = os.urandom(4).hex()
        booting = _boot(run_id, stack) if platform is None else None
        with _no_collection():
            from wattleak.meters.probe import probe_meters  # noqa: PLC0415 - a span does not need the meters
            from wattleak.recorder.configuration import attach_config, new_run_folder  # noqa: PLC0415 - as above

            self._folder = new_run_folder(self._store, run_id).resolve()
            probed = probe_meters(idle_power_w=self._idle_power)
            if booting is not None:
                booting.open_meters(probed)
            config = attach_config(self._folder, probed, run_id=run_id, name=self.name, pid=os.getpid())
        if booting is not None:
            address = booting.watch(config, stack)
        else:
            assert platform is not None
            address = _watch_portably(config, probed, platform, stack)
        stack.enter_context(
            _environment(
                WATTLEAK_RECORDER=address,
                WATTLEAK_RUN_ID=run_id,
                WATTLEAK_METRICS=str(self._folder / "metrics.jsonl"),
                WATTLEAK_JOURNAL=str(self._folder / "journal.jsonl"),
            )
        )
        marks.begin(str(self._folder))
        stack.callback(marks.finish)

    # -- results -------------------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """Id of the recording, for `wattleak report`."""
        return self._finished_folder().name

    @functools.cached_property
    def measurement(self) -> Measurement:
        """The whole recording that this block is, or is a part of. A part is known up to its own end."""
        from wattleak.recorder.summary import read_measurement  # noqa: PLC0415 - only those who ask pay for it

        return read_measurement(self._finished_folder(), region=self._region, pue=self._pue)

    @functools.cached_property
    def _cost(self) -> Measurement | SpanCost:
        if self._unmeasured:
            raise OwnFailure(
                f"the block {self.name!r} was not measured: no recorder answered when it began",
                "see what was recorded until then: wattleak list",
            )
        if self._span_id is None:
            return self.measurement
        from wattleak.recorder.summary import read_span  # noqa: PLC0415

        return read_span(self._finished_folder(), self._span_id)

    @property
    def duration_s(self) -> float:
        return self._cost.duration_s

    @property
    def cpu_s(self) -> float:
        """CPU-seconds of the process and its children during the block."""
        return self._cost.cpu_s

    @property
    def energy(self) -> tuple[ChannelEnergy, ...]:
        """Energy of the whole machine by channel."""
        return self._cost.energy

    @property
    def attributed_energy_j(self) -> Estimate | None:
        """Energy of this process tree in joules, with range and origin; None when nothing can be attributed."""
        return self._cost.attributed_energy_j

    @property
    def carbon_g(self) -> Carbon | None:
        """Emissions of the attributed energy, in grams of CO2 equivalent."""
        from wattleak.footprint.intensity import carbon  # noqa: PLC0415

        energy_j = self.attributed_energy_j
        return None if energy_j is None else carbon(energy_j, self._region, self._pue)

    def _finished_folder(self) -> Path:
        if not self._done or self._folder is None:
            raise OwnFailure(f"the block {self.name!r} has not ended", "read its results after the with statement")
        return self._folder


@overload
def measured(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def measured(name: str | None = None, /) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def measured(target: Any = None, /) -> Any:
    """Measure every call of a function: `@measured` or `@measured("train")`. Coroutine functions too."""
    if callable(target):
        return _measured(target, target.__name__)
    return lambda function: _measured(function, target or function.__name__)


def _measured(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    from inspect import iscoroutinefunction  # noqa: PLC0415 - only those who decorate pay for it

    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: object, **kwargs: object) -> object:
            with measure(name):
                return await function(*args, **kwargs)

        return call_async

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        with measure(name):
            return function(*args, **kwargs)

    return call


def report_metric(name: str, value: float) -> bool:
    """Tell wattleak how good the result is: `report_metric("accuracy", 0.91)`. The last value of a name wins.

    Returns whether somebody listens: outside of a measurement the call does nothing and returns False, so that it may
    stay in a program for good. Raises TypeError or ValueError when `value` is no finite number.
    """
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN, without importing math
        raise ValueError(f"report_metric({name!r}, {value!r}): a metric must be a finite number")
    return _report(str(name), number)


def report_output(path: str | os.PathLike[str], name: str | None = None) -> bool:
    """Tell wattleak what the result is, by the SHA-256 of a file: `report_output("predictions.npy")`.

    Runs whose outputs have the same hash have the same result: quality is then `identical`, without any test. `name`
    is what the output is called; default the file's name without its ending. The file is read inside the run, and
    reading it is a part of what the run costs.

    Returns whether somebody listens, as `report_metric` does; when nobody does the file is not read. Raises OSError
    when it cannot be read.
    """
    if not os.environ.get("WATTLEAK_METRICS"):
        return False
    from hashlib import file_digest  # noqa: PLC0415 - only those who report an output pay for it

    with open(path, "rb") as file:  # noqa: PTH123 - a path of any kind
        digest = file_digest(file, "sha256").hexdigest()
    return _report(f"{name or Path(path).stem}_sha256", digest)


def _report(name: str, value: float | str) -> bool:
    path = os.environ.get("WATTLEAK_METRICS")
    if not path:
        return False
    line = json.dumps({name: value}) + "\n"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)
    return True


class _Line:
    """A connection to the recorder."""

    def __init__(self, address: str) -> None:
        kind, _, rest = address.partition(":")
        local = kind != "tcp"  # the portable recorder says tcp:PORT:TOKEN
        port, _, token = rest.partition(":")
        self._socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_STREAM)
        self._be_patient(local)
        try:
            self._socket.connect(address if local else ("127.0.0.1", int(port)))
            if not local:
                self._socket.sendall(token.encode() + b"\n")
        except OSError as error:
            self._socket.close()
            raise OwnFailure(
                f"no recorder answers at {address}: {error.strerror}", "unset WATTLEAK_RECORDER to start an own one"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _be_patient(self, local: bool) -> None:
        if not local:
            self._socket.settimeout(_PATIENCE_S)
            return
        from struct import pack  # noqa: PLC0415 - only programs that open spans pay for it

        # Not settimeout: a local socket that does not block is refused when many knock at once.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, pack("ll", _PATIENCE_S, 0))

    def ask(self, words: str) -> str:
        """What the recorder answers. Raises OwnFailure when it is gone, silent, or of another version."""
        answer = b""
        try:
            self._socket.sendall(words.encode() + b"\n")
            while not answer.endswith(b"\n"):
                piece = self._socket.recv(4096)
                if not piece:
                    raise _recorder_gone()
                answer += piece
        except (TimeoutError, BlockingIOError) as error:
            raise OwnFailure(
                f"the recorder has not answered for {_PATIENCE_S} s",
                "see whether somebody stopped it (state T): ps -o stat,args -C python3",
            ) from error
        except OSError as error:
            raise _recorder_gone() from error
        if answer.startswith(b"error"):
            raise OwnFailure(f"the recorder did not understand {words!r}", "use one version of wattleak on both sides")
        return answer.decode().strip()

    def close_span(self, span_id: int, journal: Path) -> None:
        """End a span. When the recorder is gone the program goes on, and writes the end into the journal itself."""
        try:
            self.ask(f"close {span_id}")
        except WattleakError as error:
            print(f"wattleak: {error}", file=sys.stderr)
            # Not a reading: what the span cost after the recorder's last one is in the range alone.
            append_fact(str(journal), {"k": "close", "t": time.monotonic(), "id": span_id})


def _recorder_gone() -> OwnFailure:
    return OwnFailure("the recorder is gone", "the run is in the store, marked incomplete")


class _Booting:
    """A Linux recorder that boots while we think about what it is to record."""

    def __init__(self, sidecar: Sidecar, control: socket.socket, listen: socket.socket, address: str) -> None:
        self._sidecar = sidecar
        self._control = control
        self._listen = listen
        self._address = address

    def open_meters(self, probed: Probed) -> None:
        """Have it open them while we go on thinking."""
        from wattleak.recorder.spawning import tell_meters  # noqa: PLC0415 - a span does not need it

        tell_meters(self._control, probed)

    def watch(self, config: dict[str, Any], stack: contextlib.ExitStack) -> str:
        """Have it watch this process until the stack ends; the address for spans."""
        from wattleak.recorder import spawning  # noqa: PLC0415 - a span does not need it

        # What we started has forked and gone: wait for it before the first reading, or its CPU time would be ours.
        self._sidecar.wait()
        spawning.configure(self._control, {**config, "listen": self._listen.fileno()})
        self._listen.close()
        if not (spawning.read_line(self._control) or "").startswith("ready"):
            raise OwnFailure("the recorder ended before it was ready", "see what it printed above")
        stack.callback(lambda: _say(spawning.stop_recorder(self._control, _PATIENCE_S)))
        return self._address


def _boot(run_id: str, stack: contextlib.ExitStack) -> _Booting:
    from wattleak.recorder.spawning import listen_for_spans, start_sidecar  # noqa: PLC0415 - a span does not need it

    listen, address = listen_for_spans(run_id)
    stack.callback(_unlink, address)
    stack.callback(listen.close)
    sidecar, control = start_sidecar(os.environ, (listen.fileno(),), attach=True)
    stack.callback(sidecar.wait)  # it ends when the line to it is closed, if it was told nothing
    stack.callback(control.close)
    return _Booting(sidecar, control, listen, address)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Leave the garbage collector alone meanwhile: beside a loaded torch one full collection takes 80 ms."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _watch_portably(config: dict[str, Any], probed: Probed, platform: Platform, stack: contextlib.ExitStack) -> str:
    """The same with the portable recorder, which is told what our children used: it cannot always see that."""
    from wattleak.recorder import portable_launch  # noqa: PLC0415 - Linux does without
    from wattleak.recorder.spawning import twins_of  # noqa: PLC0415 - as above

    line, address = portable_launch.attach(config | twins_of(probed), platform)
    before_s = portable_launch.children_waited_for_s()

    def stop() -> None:
        _say(portable_launch.detach(line, portable_launch.children_waited_for_s() - before_s, _PATIENCE_S))

    stack.callback(stop)
    return address


def _say(trouble: str | None) -> None:
    """What the recorder could not do is said, never raised: the program's work is done."""
    if trouble is not None:
        print(f"wattleak: {trouble}", file=sys.stderr)


def _unlink(address: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(address)  # noqa: PTH108 - an address


@contextlib.contextmanager
def _environment(**variables: str) -> Any:  # noqa: ANN401 - the type of a generator context is noise
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
