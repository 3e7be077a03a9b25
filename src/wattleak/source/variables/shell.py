"""Shell scripts and batch jobs: what they export, what they set for one command, and the CPUs that they ask for."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.variables.assignment import Assignment, Grant, cpu_list, cpu_quantity
from wattleak.source.variables.words import Piece, Word, value_word, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.source.lined import Lined

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=")
_OPENERS = frozenset({"if", "case", "for", "while", "until", "select"})
_CLOSERS = frozenset({"fi", "esac", "done"})
_KEYWORDS = frozenset({"then", "else", "elif", "do", "!", "time", "exec", "command", "nohup", "sudo"})
_EXPORTS = frozenset({"export", "declare", "typeset"})
_LAUNCHERS = frozenset({"srun", "taskset", "numactl", "mpirun", "mpiexec", "timeout", "nice"})
_RESERVED = _OPENERS | _CLOSERS | _KEYWORDS

_DIRECTIVES = (
    # What one process of the batch step may use on its node: CPUs for each task x tasks. Slurm's man page of sbatch.
    re.compile(r"\s*#SBATCH\s+(?P<options>.*)"),
    # PBS Professional: select=1:ncpus=4; Torque: nodes=1:ppn=4.
    re.compile(r"\s*#PBS\s+-l\s*(?P<pbs>.*)"),
    re.compile(r"\s*#BSUB\s+-n\s*(?P<slots>\d+)\s*$"),
    re.compile(r"\s*#\$\s+-pe\s+(?P<environment>smp|openmp|threaded|shared)\s+(?P<smp>\d+)\s*$"),
)
_PER_TASK = re.compile(r"(?:^|\s)(?P<written>(?:--cpus-per-task(?:=|\s+)|-c\s*)(?P<number>\d+))(?=\s|$)")
_TASKS = re.compile(r"(?:^|\s)(?:--ntasks-per-node(?:=|\s+)|--ntasks(?:=|\s+)|-n\s*)(?P<number>\d+)(?=\s|$)")
_BATCH = re.compile(r"^\s*#(?:SBATCH|PBS|BSUB|\$\s+-)", re.MULTILINE)


class Command(NamedTuple):
    """A simple command: its words, and whether it stands in a loop, a condition, a function or behind && and ||."""

    words: tuple[Word, ...]
    is_conditional: bool
    in_subshell: bool


def read_shell(lined: Lined, text: str, *, scope: str, is_elsewhere: bool = False) -> Iterator[Assignment]:
    """Yield what a shell text sets. `text` is that of `lined`, or one of the same shape with parts left empty."""
    grant = _batch_grant(text)
    elsewhere = is_elsewhere or _BATCH.search(text) is not None
    commands = list(_commands(text))
    yield from _Script(lined, text, commands, grant, scope, elsewhere).assignments()


class _Script:
    """One script, read from top to bottom with the values of the variables that it sets itself."""

    def __init__(
        self, lined: Lined, text: str, commands: Sequence[Command], grant: Grant | None, scope: str, elsewhere: bool
    ) -> None:
        self.lined, self.text, self.commands = lined, text, commands
        self.grant, self.scope, self.elsewhere = grant, scope, elsewhere
        self.known: dict[str, str | None] = {}
        self.exported = {
            word.raw
            for command in commands
            if command.words[0].raw in _EXPORTS
            for word in command.words[1:]
            if not _ASSIGNMENT.match(word.raw)
        }
        self.exports_all = any(
            command.words[0].raw == "set" and any(word.raw in {"-a", "allexport"} for word in command.words[1:])
            for command in commands
        )

    def assignments(self) -> Iterator[Assignment]:
        for command in self.commands:
            yield from self._of_command(command)

    def _of_command(self, command: Command) -> Iterator[Assignment]:
        rest = list(command.words)
        prefix = []
        while rest and _sets(rest[0]):
            prefix.append(rest.pop(0))
        first = rest[0].literal if rest else None
        if not rest:
            for word in prefix:
                made = self._made(word, command)
                if self.exports_all or made.name in self.exported:
                    yield made
        elif first in _EXPORTS:
            exported = first == "export" or any(word.raw.startswith("-") and "x" in word.raw for word in rest[1:])
            for word in filter(_sets, rest[1:]):
                made = self._made(word, command)
                if exported or made.name in self.exported:
                    yield made
        elif first == "setenv" and len(rest) == 3 and rest[1].literal:  # csh
            yield self._assignment(rest[1].literal, rest[2], command)
        elif first == "unset":
            self.known.update({word.raw: None for word in rest[1:]})
        elif first in {"read", "source", ".", "eval", "module", "conda", "getopts", "mapfile", "local"}:
            self._forget(first, rest[1:])
        else:
            yield from self._for_one_command(prefix, rest, command)

    def _forget(self, first: str, arguments: list[Word]) -> None:
        """`read NAME` changes a variable; `source file` may change any of them."""
        if first in {"read", "getopts", "mapfile", "local"}:
            self.known.update({word.raw.partition("=")[0]: None for word in arguments})
        else:
            self.known = dict.fromkeys(self.known)

    def _for_one_command(self, prefix: list[Word], rest: list[Word], command: Command) -> Iterator[Assignment]:
        values = [*prefix]
        while rest and (rest[0].literal or "").rpartition("/")[2] == "env":
            rest.pop(0)
            while rest and (_sets(rest[0]) or rest[0].raw.startswith("-")):
                word = rest.pop(0)
                if _sets(word):
                    values.append(word)
        if not rest:
            return
        values += _behind_launcher(rest)
        container = _container_options(rest)
        grant = _own_grant(rest) or (self.grant if container is None else None)
        shown = " ".join(" ".join(word.raw for word in rest).split())[:80]
        inside = values if container is None else []
        for word in inside:
            name = word.raw.partition("=")[0]
            yield self._assignment(name, value_word(word, len(name) + 1, self.text), command, shown, grant)
        for word, skip in container or ():
            name = word.raw[skip:].strip("'\"").partition("=")[0]
            value = value_word(word, word.raw.index("=", skip) + 1, self.text)
            yield self._assignment(name, value, command, shown, grant, elsewhere=True)

    def _made(self, word: Word, command: Command) -> Assignment:
        """Return what NAME=value sets, and remember it for what follows."""
        name = word.raw.partition("=")[0]
        made = self._assignment(name, value_word(word, len(name) + 1, self.text), command)
        if not command.in_subshell:
            again = name in self.known and command.is_conditional
            self.known[name] = None if again or command.is_conditional else made.value
        return made

    def _assignment(
        self,
        name: str,
        value: Word,
        command: Command,
        shown: str | None = None,
        grant: Grant | None = None,
        *,
        elsewhere: bool = False,
    ) -> Assignment:
        parts = [self.known.get(piece.name) if piece.name else piece.text for piece in value.pieces]
        return Assignment(
            name=name,
            value=None if any(part is None for part in parts) else "".join(part or "" for part in parts),
            written="".join(_written(piece) for piece in value.pieces),
            span=self.lined.between(value.start, value.end),
            scope=self.scope if shown is None else "this command",
            command=shown,
            granted=self.grant if shown is None else grant,
            is_elsewhere=self.elsewhere or elsewhere,
            is_conditional=command.is_conditional,
        )


def _written(piece: Piece) -> str:
    if piece.text is not None:
        return piece.text
    return f"${{{piece.name}}}" if piece.name else "$(...)"


def _sets(word: Word) -> bool:
    found = _ASSIGNMENT.match(word.raw)
    return found is not None and found.end() - 1 < word.quoted_from


def _commands(text: str) -> Iterator[Command]:
    """Yield the simple commands of a text."""
    current: list[Word] = []
    open_blocks: list[str] = []  # "if" for every open if, loop or case; "function", "group", "subshell", "parameters"
    behind_condition = False
    named = False  # what stands before is `name ()` or `function name`
    for word in (*words(text), Word("\n", len(text), len(text), is_operator=True)):
        if not word.is_operator:
            if current or word.raw not in _RESERVED:
                current.append(word)
            elif word.raw in _OPENERS:
                open_blocks.append("if")
            elif word.raw in _CLOSERS and "if" in open_blocks:
                open_blocks.remove("if")
            continue
        if word.raw == "(" and len(current) == 1:
            open_blocks.append("parameters")
            current = []
            continue
        if current:
            named = current[0].raw == "function"
            if not named:
                conditional = behind_condition or "if" in open_blocks or "function" in open_blocks
                yield Command(tuple(current), conditional, "subshell" in open_blocks)
            current = []
        if word.raw in {"(", "{"}:
            open_blocks.append("function" if named else "subshell" if word.raw == "(" else "group")
            named = False
        elif word.raw in {")", "}"} and open_blocks and open_blocks[-1] != "if":
            named = open_blocks.pop() == "parameters"
        behind_condition = word.raw in {"&&", "||"} or (behind_condition and word.raw == "|")


def _batch_grant(text: str) -> Grant | None:
    """Return the CPUs that a batch job grants on a node, from the comments that its scheduler reads."""
    options: list[str] = []
    for line in text.split("\n"):
        for pattern in _DIRECTIVES:
            found = pattern.match(line)
            if found is None:
                continue
            groups = found.groupdict()
            if groups.get("slots") or groups.get("smp"):
                number = groups.get("slots") or groups["smp"]
                return Grant(int(number), line.strip()[:60])
            if groups.get("pbs"):
                chunk = re.search(r"(?:ncpus|ppn)=(\d+)", groups["pbs"])
                if chunk:
                    return Grant(int(chunk[1]), chunk[0])
            elif "options" in groups:
                options.append(re.sub(r"\s#.*", "", groups["options"]).strip())
    joined = " ".join(options)
    each = _PER_TASK.search(joined)
    if each is None or "--exclusive" in joined:  # a whole node: how many CPUs it has is not written
        return None
    tasks = [int(found["number"]) for found in _TASKS.finditer(joined)]
    written = " ".join(each["written"].split())
    if tasks and max(tasks) > 1:
        return Grant(int(each["number"]) * max(tasks), f"{written} for {max(tasks)} tasks")
    return Grant(int(each["number"]), written)


def _own_grant(rest: list[Word]) -> Grant | None:
    """Return the CPUs that a launcher gives to the command behind it."""
    launcher = (rest[0].literal or "").rpartition("/")[2]
    texts = [word.literal or "" for word in rest]
    joined = " ".join(texts[1:])
    if launcher == "taskset":
        named = re.match(r"(?:-c|--cpu-list)(?:\s+|=)(\S+)", joined)
        cpus = cpu_list(named[1]) if named else None
        return Grant(cpus, f"taskset -c {named[1]}") if cpus and named else None
    if launcher == "numactl":
        named = re.match(r"(?:-C\s*|--physcpubind=)(\S+)", joined)
        cpus = cpu_list(named[1]) if named else None
        return Grant(cpus, f"numactl {named[0]}") if cpus and named else None
    if launcher in {"srun", "sbatch", "salloc"}:
        each = _PER_TASK.search(joined)
        return Grant(int(each["number"]), " ".join(each["written"].split())) if each else None
    if launcher in {"docker", "podman", "nerdctl"}:
        named = re.search(r"(?:^|\s)--cpus(?:=|\s+)(\S+)", joined)
        limit = cpu_quantity(named[1]) if named else None
        if limit and named:
            return Grant(limit, f"--cpus={named[1]}")
        named = re.search(r"(?:^|\s)--cpuset-cpus(?:=|\s+)(\S+)", joined)
        cpus = cpu_list(named[1]) if named else None
        return Grant(cpus, f"--cpuset-cpus={named[1]}") if cpus and named else None
    return None


def _behind_launcher(rest: list[Word]) -> list[Word]:
    """Return the words that `env` sets behind a launcher: `srun -c 2 env A=1 python train.py`."""
    found: list[Word] = []
    if (rest[0].literal or "").rpartition("/")[2] not in _LAUNCHERS:
        return found
    at = next((number for number, word in enumerate(rest) if word.raw == "env"), len(rest))
    for word in rest[at + 1 :]:
        if not _sets(word):
            break
        found.append(word)
    return found


def _container_options(rest: list[Word]) -> list[tuple[Word, int]] | None:
    """Return the words of `docker run` that set a variable, with the length of what stands before NAME=value."""
    if (rest[0].literal or "").rpartition("/")[2] not in {"docker", "podman", "nerdctl"}:
        return None
    found = []
    for before, word in itertools.pairwise(rest):
        if before.raw in {"-e", "--env"} and "=" in word.raw:
            found.append((word, 0))
        elif re.match(r"--env=['\"]?\w+=", word.raw):
            found.append((word, len("--env=")))
        elif re.match(r"-e['\"]?\w+=", word.raw):
            found.append((word, len("-e")))
    return [pair for pair in found if not pair[0].raw[pair[1] :].startswith(("'", '"'))]
