"""A scenario from a table of keys: the same keys in a TOML file and, with dashes, on the command line."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.footprint import reading_terms as terms
from wattleak.footprint.inputs import Input, count, fraction, ratio
from wattleak.footprint.price import price as price_per_kwh
from wattleak.footprint.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR, Dimension, unit_of
from wattleak.footprint.reading_places import hourly, hours_of_work, places, pue_by_temperature
from wattleak.footprint.scenario import Hours, Scenario, Stream, Work
from wattleak.footprint.water import grid_water, wue
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.footprint.reading_terms import Resolve
    from wattleak.footprint.terms import Rate

KEYS: Mapping[str, str] = {
    "job": "energy of one job: '15 Wh', '15 Wh ± 20%%', 12..18 Wh, run:ID,ID or name:NAME",
    "jobs_per_day": "how many jobs a day: 1000, 1M, 0.8..1.2M",
    "training": "energy of one training, as --job",
    "trainings_per_week": "how many trainings a week",
    "trainings_per_year": "the same per year",
    "inference": "energy of one inference, as --job",
    "inferences_per_run": "how many inferences one recorded run made (with run:ID)",
    "inferences_per_day": "how many inferences a day",
    "hardware": "in place of --job: KIND:SHARE:ENERGY, as 'gpu:40%%:5.1 Wh' or gpu:40%%:quoted; repeat for each kind",
    "growth": "growth per year, running on through the year: 20%%",
    "failure_rate": "share of attempts that fail and are made again until one succeeds",
    "failed_cost": "part of a run that a failed attempt has used (default: all of it)",
    "scheduler": "slurm, kubernetes or htcondor: the quoted overhead",
    "scheduler_overhead": "overhead of your scheduler: 8%%",
    "batch_efficiency": "useful share of what your batch system uses: 92%%",
    "storage": "KIND:SHARE[:CHANGE]: share of the energy that is storage, and its change; nvme has a quoted one",
    "network": "the same for the network; fat-tree and rdma have quoted ones",
    "throttling": "energy added by thermal throttling: 3%%",
    "utilisation": "share of the time in which the machines work, with --idle-share",
    "idle_share": "power of an idle machine over its power at work, with --utilisation",
    "pue": "energy of the building over energy of the computers: 1.3, 1.2..1.5",
    "pue_at": "PUE by temperature outside, with --temperature: 10:1.10,30:1.40",
    "temperature": "temperatures outside in degrees Celsius, as 12 months: 2,3,7,...",
    "region": "place or mix of places: DE, DE:0.6,FR:0.4, gcp:europe-west1, world",
    "intensity": "carbon intensity in place of a region: '380 g/kWh ± 10%%'",
    "hours": "hours of the day in which the work is done: 22-6, or 24 weights",
    "hourly_intensity": "24 numbers from midnight: what the grid emits by hour (only proportions count)",
    "hourly_price": "24 numbers from midnight: the price by hour (only proportions count)",
    "price": "price per kWh: '0.30 EUR', '0.25..0.40 EUR'",
    "wue": "litres on site per kWh of the computers",
    "grid_water": "litres at the power station per kWh",
    "gain": "gain to show the effect of (default: 5%%)",
    "saving": "relative saving: '31%% ± 4 points', 27..35%%, smell:CODE/FRAMEWORK, smell:all",
    "batching": "effect of batching: a share, or quoted",
    "move_to": "region or mix to show the move to; repeat for several",
    "shift_to": "hours to show the shift to (default: as many of the cleanest)",
    "hardware_to": "kind of --hardware, or KIND:ENERGY, to show the change to",
}
"""Every key and what it is, with % doubled for argparse."""

LISTS = frozenset({"hardware", "storage", "network", "move_to"})
_TEXTS = frozenset({"title", "like", "quoted", "note"})
_JOB, _TRAINING, _INFERENCE = "job", "training", "inference"


def scenario_from(name: str, table: Mapping[str, Any], resolve: Resolve | None = None) -> Scenario:
    """Read a scenario, without the changes it asks for (`footprint.changes`).

    `resolve` reads stored runs. Keys are written with underscores or dashes.

    Raises:
        UsageError: an unknown key (with the nearest one), a value that does not fit, or something that is missing.
    """
    keys = known_keys(name, table)
    quoted_from = keys.get("quoted")
    streams = _streams(keys, resolve)
    if quoted_from is not None:
        streams = tuple(_quoted(stream, str(quoted_from)) for stream in streams)
    over, useful, scheduler_notes = terms.scheduler(
        str(keys.get("scheduler", "")), keys.get("scheduler_overhead"), keys.get("batch_efficiency")
    )
    used, resting = _fleet(keys)
    pue, pue_note = _pue(keys)
    money = None if "price" not in keys else price_per_kwh(str(keys["price"]))
    notes = [str(keys["note"])] if "note" in keys else []
    notes += _notes(keys, streams)
    return Scenario(
        name=name,
        title=str(keys.get("title", name)),
        streams=streams,
        places=places(None if "region" not in keys else str(keys["region"]), keys.get("intensity")),
        growth=_optional(keys, "growth", least=-0.99, most=100.0),
        failure_rate=_optional(keys, "failure_rate", most=0.999),
        failed_cost=_optional(keys, "failed_cost"),
        scheduler_overhead=over,
        batch_efficiency=useful,
        parts=_parts(keys),
        throttling=_optional(keys, "throttling", most=10.0),
        utilisation=used,
        idle_share=resting,
        pue=pue,
        pue_note=pue_note,
        price=None if money is None else _rate(money, "price of a kWh"),
        currency="" if money is None else money.unit,
        wue=_rate(wue(keys["wue"]), "water on site") if "wue" in keys else None,
        grid_water=_rate(grid_water(keys["grid_water"]), "water at the power station")
        if "grid_water" in keys
        else None,
        hours=_hours(keys),
        notes=(*notes, *scheduler_notes),
    )


def known_keys(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with underscores in its keys and without what is None. Raises UsageError for an unknown key."""
    keys = {key.replace("-", "_"): value for key, value in table.items() if value is not None}
    for key in keys:
        if key not in KEYS and key not in _TEXTS:
            near = get_close_matches(key, KEYS, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(KEYS)}"
            raise UsageError(f"scenario {name}: unknown key {key!r}", hint)
    return keys


# -- parts of it -----------------------------------------------------------------------------------------------------


def _streams(keys: Mapping[str, Any], resolve: Resolve | None) -> tuple[Stream, ...]:
    found = [
        *_jobs(keys, resolve),
        *_stream(keys, _TRAINING, "training", _trainings(keys), resolve),
        *_stream(keys, _INFERENCE, "inference", _per_day(keys, "inferences_per_day", _INFERENCE), resolve),
    ]
    if not found:
        raise UsageError(
            "nothing is stated to project",
            "state an energy and how often: --job '15 Wh' --jobs-per-day 1M, or a stored run: wattleak project ID "
            "--jobs-per-day 1000",
        )
    return tuple(found)


def _jobs(keys: Mapping[str, Any], resolve: Resolve | None) -> list[Stream]:
    per_day = _per_day(keys, "jobs_per_day", _JOB)
    if "hardware" not in keys:
        return _stream(keys, _JOB, "jobs", per_day, resolve)
    if "job" in keys:
        raise UsageError("job and hardware both state the energy of a job", "leave one of them out")
    if per_day is None:
        raise UsageError("hardware: how many jobs a day is not stated", "--jobs-per-day 1000")
    mix = terms.hardware(keys["hardware"], resolve)
    return [Stream(f"jobs on {kind}", _JOB, work, per_day, share) for kind, (share, work) in mix.items()]


def _stream(
    keys: Mapping[str, Any], counted: str, title: str, per_day: Input | None, resolve: Resolve | None
) -> list[Stream]:
    """A kind of work; nothing where neither its energy nor its number is stated."""
    option = {_JOB: "--jobs-per-day 1000", _TRAINING: "--trainings-per-week 1", _INFERENCE: "--inferences-per-day 1M"}
    if counted in keys and per_day is None:
        raise UsageError(f"{counted}: how often is not stated", option[counted])
    if per_day is not None and counted not in keys:
        raise UsageError(f"{title}: their number is stated and not the energy of one", f"--{counted} '15 Wh'")
    if per_day is None:
        return []
    work = terms.work(f"energy of {'an' if counted == _INFERENCE else 'a'} {counted}", keys[counted], resolve)
    if counted == _INFERENCE and "inferences_per_run" in keys:
        number = ratio("inferences per run", keys["inferences_per_run"], example="10000")
        if not number.is_exact or number.value <= 0:
            raise UsageError("inferences-per-run is one number above 0", "--inferences-per-run 10000")
        work = Work(work.energy, work.meter, number.value, work.runs)
    return [Stream(title, counted, work, per_day)]


def _per_day(keys: Mapping[str, Any], key: str, counted: str, days: float = 1.0) -> Input | None:
    if key not in keys:
        return None
    per = _per_day_of(counted)
    item = count(key.replace("_", " "), keys[key], per)
    return Input(item.key, item.value / days, item.low / days, item.high / days, per)


def _trainings(keys: Mapping[str, Any]) -> Input | None:
    if {"trainings_per_week", "trainings_per_year"} <= keys.keys():
        raise UsageError("trainings are stated per week and per year", "leave one of them out")
    weekly = _per_day(keys, "trainings_per_week", _TRAINING, DAYS_PER_WEEK)
    return weekly or _per_day(keys, "trainings_per_year", _TRAINING, DAYS_PER_YEAR)


def _per_day_of(counted: str) -> Dimension:
    return unit_of(f"{counted}/day")[1]


def _quoted(stream: Stream, source: str) -> Stream:
    """Energies that the user states as somebody else's; what was measured stays measured."""
    energy = stream.work.energy
    if energy.origin is not Origin.CONSTANT:
        return stream
    work = Work(energy.quoted(f"quoted: {source}"), stream.work.meter, stream.work.divided_by, stream.work.runs)
    return Stream(stream.name, stream.counted, work, stream.per_day, stream.share)


def _optional(keys: Mapping[str, Any], key: str, *, least: float = 0.0, most: float = 1.0) -> Input | None:
    return None if key not in keys else fraction(key.replace("_", " "), keys[key], least=least, most=most)


def _parts(keys: Mapping[str, Any]) -> tuple[Any, ...]:
    parts = [part for term in ("storage", "network") if term in keys for part in terms.part_changes(term, keys[term])]
    whole = sum(part.share.value for part in parts)
    if whole > 1 + 1e-9:
        raise UsageError(f"storage and network together are {whole:.0%} of the energy", "their shares are at most 100%")
    return tuple(parts)


def _fleet(keys: Mapping[str, Any]) -> tuple[Input | None, Input | None]:
    if ("utilisation" in keys) != ("idle_share" in keys):
        missing = "idle-share 30%" if "utilisation" in keys else "utilisation 60%"
        raise UsageError("utilisation and idle share are only known together", f"--{missing}")
    return _optional(keys, "utilisation", least=0.001), _optional(keys, "idle_share")


def _pue(keys: Mapping[str, Any]) -> tuple[Input | None, str]:
    curve = {"pue_at", "temperature"} & keys.keys()
    if curve and "pue" in keys:
        raise UsageError("a PUE and a curve of it are both stated", "leave one of them out")
    if len(curve) == 1:
        raise UsageError("pue-at and temperature are only known together", "--pue-at 10:1.1,30:1.4 --temperature 2,3,7")
    if curve:
        return pue_by_temperature(keys["pue_at"], keys["temperature"])
    if "pue" not in keys:
        return None, ""
    return ratio("PUE", keys["pue"], least=1.0), ""


def _rate(rate: Rate, key: str) -> Input:
    size, dimension = unit_of(f"{rate.unit}/{rate.per}")
    return Input(key, rate.value * size, rate.low * size, rate.high * size, dimension, rate.origin, rate.source)


def _hours(keys: Mapping[str, Any]) -> Hours | None:
    if not {"hours", "hourly_intensity", "hourly_price"} & keys.keys():
        return None
    return Hours(
        hours_of_work("hours", keys["hours"]) if "hours" in keys else tuple([1 / 24] * 24),
        hourly("hourly intensity", keys["hourly_intensity"]) if "hourly_intensity" in keys else None,
        hourly("hourly price", keys["hourly_price"]) if "hourly_price" in keys else None,
    )


def _notes(keys: Mapping[str, Any], streams: tuple[Stream, ...]) -> list[str]:
    notes = []
    if "failure_rate" in keys and "failed_cost" not in keys:
        notes.append("a failed attempt is taken to use as much as a whole run (failed-cost says otherwise)")
    if "hours" in keys and "hourly_intensity" not in keys:
        notes.append("hours without hourly-intensity change nothing but the words: no table that is shipped has hours")
    measured = [stream for stream in streams if stream.work.runs is not None]
    if any(stream.work.runs == 1 for stream in measured):
        notes.append("one run stands for all: by how much runs differ is not in the interval")
    if measured and "utilisation" not in keys:
        notes.append(
            "energy of the program alone: machines at rest are not in it (utilisation and idle-share add them)"
        )
    exact = [stream.work.energy.key for stream in streams if stream.work.runs is None and stream.work.energy.is_exact]
    if exact:
        notes.append(f"stated without a range, taken as exact: {', '.join(dict.fromkeys(exact))}")
    if "pue" not in keys and "pue_at" not in keys:
        notes.append("no PUE stated: the energy of the computers alone")
    return notes
