"""The agent: it runs inside the user's program and notes what happens there, for wattleak to read afterwards.

Standard library only, Python 3.9 and later, imports nothing of wattleak. At boot it costs one small file and a finder
on `sys.meta_path`; all else waits until a framework is imported (`hooks.py`). `agent.py` is what a hook uses.
"""

import os
import sys
import time

from .hooks import LISTED

the_agent = None  # of this process; None until a framework is imported
children_before = 0  # page faults of processes that this one had waited for when Python began: exec keeps the count
_LAUNCHERS = (  # the innermost first: torchrun and accelerate, Open MPI, MPICH and Intel MPI, srun
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
_name = ""  # of the file in $WATTLEAK_SIGNALS that this process writes to


def boot(folder: str) -> None:
    """Report in, and wait for a framework, if $WATTLEAK_SIGNALS names a folder. `folder` is that of this package."""
    global _name, children_before  # noqa: PLW0603 - one agent for one process
    target = os.environ.get("WATTLEAK_SIGNALS")
    if not target or _name:
        return
    pid = os.getpid()
    try:
        with open("/proc/self/stat", "rb") as file:
            children_before = int(file.read().rpartition(b")")[2].split()[8])
    except (OSError, ValueError, IndexError):
        pass  # not on Linux
    _name = f"{pid}-{os.urandom(4).hex()}.jsonl"
    version = ".".join(map(str, sys.version_info[:3]))
    born = f'"pid":{pid},"starter":{os.getppid()},"python":"{version}"{_rank()}'
    line = f'{{"k":"boot","t":{time.monotonic()!r},{born}}}\n'
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(os.path.join(target, _name), flags, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError:
        return  # nowhere to write to: as if we were not here
    sys.meta_path.insert(0, Finder(target, folder))


def _rank() -> str:
    """Which part of a distributed program this is, as its launcher says it, for the line above; "": it is none."""
    for name, size in _LAUNCHERS:
        rank, world = os.environ.get(name, ""), os.environ.get(size, "")
        if rank.isdecimal() and world.isdecimal() and int(world) > 1:
            return f',"rank":{int(rank)},"world":{int(world)}'
    return ""


class Finder:
    """First on `sys.meta_path` and asked for every import of the program: two look-ups, then None."""

    def __init__(self, target: str, folder: str) -> None:
        self.triggers = dict(LISTED)  # name of a package -> modules of ours that have something to do then
        self.waiting: dict = {}  # type: ignore[type-arg] # name of a module -> what to call after its import
        self._place = target, folder, _name, os.getpid()

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - typing is slow
        """None, or for a module that a hook waits for: the spec that the finders behind this one give."""
        if name in self.triggers:
            self._start(self.triggers.pop(name))
        if name not in self.waiting:
            return None
        from .importing import spec_for

        return spec_for(self, name, path, target)

    def _start(self, modules: "tuple[str, ...]") -> None:
        global the_agent  # noqa: PLW0603 - as above
        try:
            if the_agent is None:
                from .agent import Agent

                the_agent = Agent(*self._place, self.waiting)
            for module in modules:
                the_agent.load(module)
        except Exception:  # measure says what was not seen; the program must not notice
            pass
