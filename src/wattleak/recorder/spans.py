"""Spans: programs open and close them over a Unix socket, and each edge is an exact reading.

A line asks, a line answers: `open PARENT NAME` gives the id of the new span, `close ID` gives `ok`.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    import select

    from wattleak.recorder.journal import JournalWriter
    from wattleak.recorder.sampling import Sampler

_LONGEST_NAME = 200
_PAUSE_S = 0.01


class SpanServer:
    """Serves any number of programs of the tree; a program that dies leaves its spans open in the journal."""

    def __init__(self, listen: int | None, poll: select.poll, journal: JournalWriter, sampler: Sampler) -> None:
        self._listen = listen
        self._poll = poll
        self._journal = journal
        self._sampler = sampler
        self._open: dict[int, str] = {}
        self._count = 0
        self._clients: dict[int, bytes] = {}
        self._spare = -1  # a file to close when no more can be opened: who knocks is then turned away, not left waiting
        if listen is not None:
            self._spare = os.dup(listen)
            poll.register(listen, 1)  # POLLIN

    def serve(self, fd: int) -> None:
        """A descriptor became readable: a program knocks, speaks or is gone."""
        if fd == self._listen:
            self._accept(fd)
        elif fd in self._clients:
            self._client_spoke(fd)

    def _accept(self, listen: int) -> None:
        import _socket  # noqa: PLC0415 - only programs that open spans pay for it

        door = _socket.socket(fileno=listen)  # `socket` itself costs 9 ms
        try:
            fd, _address = door._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - as `socket` does
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away(door)
            return
        finally:
            door.detach()
        os.set_blocking(fd, False)
        self._clients[fd] = b""
        self._poll.register(fd, 1)  # POLLIN

    def _turn_away(self, door: _socket.socket) -> None:
        """No file is left for one more connection. Its program is told at once that nobody listens."""
        if self._spare >= 0:
            os.close(self._spare)
        try:
            os.close(door._accept()[0])  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        except OSError:
            # It gave up, or the whole system has no file left and somebody took ours: then it goes on knocking.
            time.sleep(_PAUSE_S)
        try:
            self._spare = os.dup(door.fileno())
        except OSError:
            self._spare = -1

    def _client_spoke(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(fd)
            os.close(fd)
            del self._clients[fd]
            return
        *lines, self._clients[fd] = (self._clients[fd] + data).split(b"\n")
        for line in lines:
            answer = self._answer(line.decode("utf-8", "replace"))
            try:
                os.write(fd, answer.encode() + b"\n")
            except OSError:
                break  # the program is gone; its spans stay open in the journal

    def _answer(self, line: str) -> str:
        """Do what a line asks; anything that is not understood is refused."""
        verb, _, rest = line.partition(" ")
        first, _, name = rest.partition(" ")
        # The edge of a span is the moment of its reading: between readings nobody knows how the power moved.
        time_s = self._sampler.take(exact=True, opening=verb == "open")
        if verb == "open" and name:
            self._count += 1
            parent = int(first) if first.isdigit() and int(first) in self._open else None
            self._open[self._count] = name
            self._journal.write({"k": "open", "t": time_s, "id": self._count, "n": name[:_LONGEST_NAME], "p": parent})
            return str(self._count)
        if verb == "close" and first.isdigit() and int(first) in self._open:
            del self._open[int(first)]
            self._journal.write({"k": "close", "t": time_s, "id": int(first)})
            return "ok"
        return "error"
