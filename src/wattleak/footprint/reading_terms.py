"""The named terms of a scenario as they are written: `nvme:10%`, `gpu:40%:5.1 Wh`, `slurm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint import quoted
from wattleak.footprint.inputs import Input, amount, fraction
from wattleak.footprint.quantities import ENERGY
from wattleak.footprint.scenario import PartChange, Work
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    Resolve = Callable[[str, str], Work]  # name of the input, reference as run:ID -> energy of one run

_STORED = ("run:", "name:")
QUOTED = "quoted"


def work(key: str, value: object, resolve: Resolve | None) -> Work:
    """An energy as `15 Wh ± 20%`, or stored runs: `run:ID,ID`, `name:NAME`. Raises UsageError."""
    if isinstance(value, Work):
        return value
    if isinstance(value, str) and value.strip().startswith(_STORED):
        if resolve is None:
            raise UsageError(
                f"{key}: {value!r} names stored runs, and there is no store here", "state an energy: 15 Wh"
            )
        return resolve(key, value.strip())
    return Work(amount(key, value, ENERGY, "15 Wh ± 20%, 12..18 Wh, run:ID or name:NAME"))


def hardware(value: object, resolve: Resolve | None) -> dict[str, tuple[float, Work]]:
    """Share and energy of a job on each kind: `cpu:60%:23.4 Wh`, `gpu:40%:quoted`, `gpu:40%:run:ID`.

    Raises:
        UsageError: shares that do not add up to 1, an energy that is none.
    """
    example = "cpu:60%:23.4 Wh and gpu:40%:quoted; shares add up to 1"
    mix: dict[str, tuple[float, Work]] = {}
    for text in _items("hardware", value):
        kind, _, rest = text.partition(":")
        share, colon, energy = rest.partition(":")
        if not kind.strip() or not colon:
            raise UsageError(f"hardware: {text!r} is not KIND:SHARE:ENERGY", f"write {example}")
        name = kind.strip().lower()
        if name in mix:
            raise UsageError(f"hardware: {kind!r} stands twice", f"write {example}")
        part = fraction(f"share of {name}", share.strip(), example=example)
        if not part.is_exact:
            raise UsageError(f"hardware: the share of {name} is one number", f"write {example}")
        mix[name] = (part.value, energy_on(name, energy.strip(), resolve))
    whole = sum(share for share, _ in mix.values())
    if abs(whole - 1.0) > 1e-6:
        raise UsageError(f"hardware: the shares add up to {whole:g}, not to 1", f"write {example}")
    return mix


def energy_on(kind: str, text: str, resolve: Resolve | None) -> Work:
    """Energy of a job on a kind of hardware; `quoted` is the published figure. Raises UsageError."""
    key = f"energy of a job on {kind}"
    if text.lower() == QUOTED:
        wh = quoted.quoted("hardware_wh_per_job", kind, f"{kind}:100%:15 Wh")
        return Work(amount(key, f"{wh} Wh").quoted(quoted.source()))
    return work(key, text, resolve)


def part_changes(term: str, value: object) -> tuple[PartChange, ...]:
    """`nvme:10%` (a quoted change of that tenth of the energy), `ssd:10%:-20%` (a change of yours).

    `term` is storage or network. Raises UsageError.
    """
    found = []
    for text in _items(term, value):
        kind, colon, rest = text.partition(":")
        share, also, change = rest.partition(":")
        example = f"{kind.strip() or 'nvme'}:10%:-20%, which says that a tenth of the energy falls by a fifth"
        if not colon or not kind.strip():
            raise UsageError(f"{term}: {text!r} says no share of the energy", f"write {example}")
        name = kind.strip().lower()
        part = fraction(f"share of {term} ({name})", share.strip(), example=example)
        if also and change.strip().lower() != QUOTED:
            by = fraction(f"change of {term} ({name})", change.strip(), least=-1.0, most=10.0, example=example)
            what = f"{term} energy"
        else:
            figure = quoted.quoted(term, name, example)
            what = quoted.what_of(term, name)
            by = Input(
                f"change of {term} ({name})",
                figure,
                figure,
                figure,
                origin=Origin.QUOTED,
                source=quoted.source(),
                least=-1.0,
            )
        found.append(PartChange(f"{term}: {name}", part, by, what))
    return tuple(found)


def scheduler(name: str, overhead: object, efficiency: object) -> tuple[Input | None, Input | None, tuple[str, ...]]:
    """Overhead, batch efficiency, notes. A name takes the quoted overhead.

    The quoted efficiencies are 100 % minus the overheads, to the digit: one figure told twice, so it is counted once.
    Raises UsageError.
    """
    notes: list[str] = []
    over = None if overhead is None else fraction("scheduler overhead", overhead, most=10.0, example="8%")
    useful = None if efficiency is None else fraction("batch efficiency", efficiency, least=1e-6, example="92%")
    if name:
        if over is not None or useful is not None:
            raise UsageError(f"scheduler {name!r} and a figure of yours are both stated", "leave one of them out")
        figure = quoted.quoted("scheduler_overhead", name, "scheduler-overhead 8%")
        over = Input("scheduler overhead", figure, figure, figure, origin=Origin.QUOTED, source=quoted.source())
        notes.append(
            f"the quoted batch efficiency of {name.lower()} is 100 % minus its overhead: one figure, counted once"
        )
    elif over is not None and useful is not None and abs(over.value + useful.value - 1.0) < 1e-9:
        notes.append(
            "overhead and batch efficiency add up to 100 %: if that is one figure told twice, leave one of them out"
        )
    return over, useful, tuple(notes)


def _items(key: str, value: object) -> list[str]:
    if isinstance(value, dict):  # a TOML table: cpu = "60%:23.4 Wh"
        return [f"{name}:{rest}" for name, rest in value.items()]
    parts = value if isinstance(value, (list, tuple)) else [value]
    texts = [part.strip() for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        raise UsageError(f"{key}: {value!r} is no list of texts", "write KIND:SHARE:…, several of them as a list")
    return texts
