"""What platforms without a recorder of their own tell about processes."""

from __future__ import annotations

from typing import NamedTuple


class Platform(NamedTuple):
    """What psutil and the standard library give on a platform (psutil's documentation, 5.9 to 7.2)."""

    name: str
    children_times: bool  # a living process shows the CPU time of the children that it has waited for
    exit_usage: bool  # wait4 gives what a dead child, and all that it had waited for, have used
    io: bool  # bytes read and written by a process

    @property
    def loses(self) -> str:
        """What the portable recorder cannot see there, for the notes of a measurement."""
        if self.children_times or self.exit_usage:
            return "a process that left its parent and ended between two looks is not counted"
        return "what a child used after the last look, and a child that lived between two looks, is not counted"


PLATFORMS = {
    "linux": Platform("linux", children_times=True, exit_usage=True, io=True),
    "darwin": Platform("darwin", children_times=False, exit_usage=True, io=False),
    "win32": Platform("win32", children_times=False, exit_usage=False, io=True),
}
