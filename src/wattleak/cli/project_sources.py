"""What `wattleak project` takes from the store and from the studies of smells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from wattleak.analysis.effect import Change as Moved
    from wattleak.footprint.inputs import Input
    from wattleak.footprint.scenario import Change, Work
    from wattleak.model import Measurement, MetricComparison, PairComparison, Smell
    from wattleak.smells.evidence import Evidence
    from wattleak.store.sqlite import SqliteStore


class Stored:
    """Energies of stored runs and changes of studies, by reference. The store is opened when one is asked for."""

    def __init__(self, args: Namespace) -> None:
        self._args = args

    def open(self) -> SqliteStore:
        from wattleak.cli.settings import Settings
        from wattleak.store.sqlite import SqliteStore

        settings = Settings.resolve(self._args)
        return SqliteStore(settings.store)

    def work(self, key: str, reference: str) -> Work:
        """`run:ID,ID`, `run:EXPERIMENT:VARIANT`, `name:NAME`. Raises WattleakError."""
        from wattleak.cli.against import archived
        from wattleak.footprint.measured import work_of

        names = [reference] if reference.startswith("name:") else reference.removeprefix("run:").split(",")
        runs: dict[str, Measurement] = {}
        with self.open() as store:
            for name in names:
                runs |= {run.id: run for run in archived(store, _key(store, name.strip())).measurements}
        if (programs := {run.command for run in runs.values()}) and len(programs) > 1 and len(names) > 1:
            raise UsageError(
                f"{key}: {reference} are runs of {len(programs)} commands, and a mean is of one",
                "runs that belong together have a name: measure --name NAME, then name:NAME",
            )
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        return work_of(key, list(runs.values()), f"{count} of {reference.removeprefix('run:')}")

    def changes(self, reference: str) -> tuple[Change, ...]:
        """`smell:BAT001/torch`, `smell:BAT001` or `smell:all`: what taking the smell out changed in its study."""
        from wattleak.smells.evidence import evidence
        from wattleak.smells.registry import all_smells, find_smell

        code, _, framework = reference.removeprefix("smell:").partition("/")
        chosen = all_smells() if code == "all" else (find_smell(code),)
        kept = [(smell, item) for smell in chosen for item in evidence(smell) if framework in {"", item.framework}]
        if not kept:
            what = f"{code} in {framework}" if framework else code
            raise UsageError(
                f"saving: no study of {what} was kept", "state a share, or study it: wattleak study " + chosen[0].name
            )
        return tuple(change for smell, item in kept if (change := _taken_out(smell, item)) is not None)


def _taken_out(smell: Smell, found: Evidence) -> Change | None:
    """The good program of a study in place of the bad one; None where neither energy nor CPU time has an interval."""
    from wattleak.footprint.changes import relative

    for metric, what in (("energy_j", "energy was counted"), ("cpu_s", "energy is taken to follow CPU time")):
        cost = found.changes.get(metric)
        if cost is None or cost.low is None or cost.high is None:
            continue
        shown = "" if cost.low > 0 or cost.high < 0 else "NO DIFFERENCE SHOWN, the interval holds zero; "
        worse = "; the result gets worse with it: a trade-off" if found.quality == "better" else ""
        note = f"{shown}{what}; {found.runs} runs of each program, {found.data}, {found.machine}, {found.date}{worse}"
        # `cost` is bad over good minus one; what is left without it is good over bad.
        ends = [1 / (1 + end) - 1 for end in (cost.change, cost.high, cost.low)]
        item = _input(f"change without {smell.code} ({found.framework})", ends[0], ends[1], ends[2])
        return relative(f"{smell.code} {smell.name} taken out ({found.framework})", item, note)
    return None


def tables_of_ids(args: Namespace, stored: Stored) -> dict[str, dict[str, Any]]:
    """Scenario tables of the ids of the command line: one for runs of one program, one for each variant."""
    with stored.open() as store:
        kinds = {name: ("name", name) if name.startswith("name:") else store.find(name) for name in args.ids}
        experiments = [found for kind, found in kinds.values() if kind == "experiment"]
        if not experiments:
            if any(name.startswith("name:") for name in args.ids) and len(args.ids) > 1:
                raise UsageError("name:NAME stands alone", "wattleak project name:NAME --jobs-per-day 1000")
            reference = (
                args.ids[0] if kinds[args.ids[0]][0] == "name" else "run:" + ",".join(i for _, i in kinds.values())
            )
            return {reference.removeprefix("run:"): {args.as_: reference}}
        if len(args.ids) > 1:
            raise UsageError("an experiment stands alone", f"wattleak project {experiments[0]} --jobs-per-day 1000")
        return _variants(store, experiments[0], args.as_)


def _variants(store: SqliteStore, identity: str, kind: str) -> dict[str, dict[str, Any]]:
    """One table for each variant; that of the reference asks for the change to every candidate."""
    from wattleak.cli.against import judged

    found = store.experiment(identity)
    names = [variant.name for variant in found.plan.design.variants]
    tables: dict[str, dict[str, Any]] = {
        name: {"title": f"{name} (experiment {identity})", kind: f"run:{identity}:{name}"} for name in names
    }
    if len(names) > 1:
        _, comparison = judged(store, found)
        for pair in comparison.pairs:
            change = _change_of(pair)
            if change is not None and pair.candidate in tables:
                # The change is that of the paired blocks, which is sharper than the difference of two means.
                tables[names[0]].setdefault("saving", []).append(change)
    return tables


def _change_of(pair: PairComparison) -> Change | None:
    from wattleak.footprint.changes import relative
    from wattleak.reports import words

    name = says_energy(pair.metrics)
    if name is None:
        return None
    metric = pair.metrics[name]
    follows = f", {words.origin_note(metric)}"
    note = f"{words.headline(pair)} [{pair.grade.value}] by {words.title(pair.primary_metric)}{follows}"
    item = as_input(f"change to {pair.candidate}", metric)
    return relative(f"{pair.candidate} in place of {pair.reference}", item, note)


def says_energy(changes: Mapping[str, Moved | MetricComparison]) -> str | None:
    """The metric whose change is taken for that of the energy of a run: the firmest that has an interval."""
    names = ("attributed_energy_j", "energy_j", "cpu_s")
    return next((name for name in names if name in changes and changes[name].low is not None), None)


def as_input(key: str, change: Moved | MetricComparison) -> Input:
    """A relative change with its interval."""
    assert change.change is not None
    assert change.low is not None
    assert change.high is not None
    return _input(key, change.change, change.low, change.high)


def _input(key: str, value: float, low: float, high: float) -> Input:
    from wattleak.footprint.inputs import Input
    from wattleak.model import Origin

    return Input(key, value, low, high, origin=Origin.MODELLED, source="an experiment", least=-1.0)


def _key(store: SqliteStore, name: str) -> str:
    """What `archived` calls it: an experiment needs a variant."""
    if name.startswith("name:"):
        return name
    identity, _, variant = name.partition(":")
    kind, found = store.find(identity)
    if kind == "run":
        return found
    names = [item.name for item in store.experiment(found).plan.design.variants]
    if variant not in names:
        raise UsageError(f"{name!r}: experiment {found} has the variants {', '.join(names)}", f"run:{found}:{names[0]}")
    return f"{found}:{variant}"
