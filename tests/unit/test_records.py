"""Our quick named tuples beside those of `typing`, from the same class statement."""

from __future__ import annotations

import pickle
import subprocess
import sys
import typing

import pytest

from wattleak import records
from wattleak.model import Channel, Estimate, Origin, Part, Quantity


class Quick(records.NamedTuple):
    """What it is for."""

    name: str
    size_b: int = 0
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return self.size_b > 0

    def shown(self) -> str:
        return f"{self.name}: {self.size_b} B"


class Usual(typing.NamedTuple):
    """What it is for."""

    name: str
    size_b: int = 0
    notes: tuple[str, ...] = ()


def test_it_is_what_typing_makes_of_the_same_words() -> None:
    quick, usual = Quick("a", 3), Usual("a", 3)

    assert quick == usual
    assert quick._asdict() == usual._asdict()
    assert quick._replace(size_b=0) == usual._replace(size_b=0)
    assert repr(quick) == repr(usual).replace("Usual", "Quick")
    assert typing.get_type_hints(Quick) == typing.get_type_hints(Usual)
    for member in ("_fields", "_field_defaults", "__doc__", "__module__"):
        assert getattr(Quick, member) == getattr(Usual, member), member
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        quick.name = "b"  # type: ignore[misc]


def test_methods_and_properties_of_the_body_are_there() -> None:
    assert Quick("a", 3).shown() == "a: 3 B"
    assert (Quick("a", 3).known, Quick("a").known) == (True, False)


def test_a_channel_travels_between_processes() -> None:
    power = Estimate(1.0, 0.5, 2.0, Origin.MODELLED)
    channel = Channel("cpu", "cpu-model", Part.CPU, Origin.MODELLED, Quantity.ENERGY_J, 0.01, 0.5, 2.0, idle_w=power)

    assert pickle.loads(pickle.dumps(channel)) == channel


def test_a_block_compiles_no_annotation() -> None:
    """What it is there for: the first `compile` of a process takes more than a millisecond."""
    program = (
        "import sys, tempfile, wattleak\n"
        "block = wattleak.measure('b', store=tempfile.mkdtemp())\n"
        "seen = set()\n"
        "sys.addaudithook(lambda event, given: event == 'compile' and seen.add(given[0]))\n"
        "with block: print(sorted(name for name in ('str', 'float', 'int', 'bool') if name.encode() in seen))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
