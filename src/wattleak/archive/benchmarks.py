"""Files of benchmark tools: hyperfine, pyperf, pytest-benchmark. All keep seconds.

What is one run differs. hyperfine starts a process for each time it keeps, so each is a run. pyperf keeps several
values of one process and pytest-benchmark all rounds of one process; these repeat under the same hash seed, memory
layout and neighbours, so the mean of a process is one run (Georges et al., OOPSLA 2007; Kalibera and Jones, ISMM 2013).
Sources of the formats: hyperfine `--export-json`, pyperf "API" (version 1.0 of its JSON), pytest-benchmark
`--benchmark-json`.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattleak.archive.imported import Archive, ImportedRun
from wattleak.archive.tables import moment_s
from wattleak.archive.text import read_json
from wattleak.archive.units import metric_name, unit_named
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wattleak.archive.imported import Source


@dataclass(frozen=True, slots=True)
class _Run:
    values: dict[str, float]  # ending of the metric -> value: {"duration_s": 0.2}
    time_s: float | None
    place: str


@dataclass(frozen=True, slots=True)
class _Series:
    """The runs of one benchmark in one file."""

    source: Source
    name: str
    runs: tuple[_Run, ...]
    excluded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_hyperfine(document: object) -> bool:
    return _has(document, "results", "times") or _has(document, "results", "command")


def is_pyperf(document: object) -> bool:
    return _has(document, "benchmarks", "runs")


def is_pytest_benchmark(document: object) -> bool:
    return _has(document, "benchmarks", "stats")


def read_hyperfine(files: Sequence[tuple[Source, str]]) -> Archive:
    """hyperfine: each time is a fresh process; all of one command ran before the next."""
    return _archive("hyperfine", files, _hyperfine)


def read_pyperf(files: Sequence[tuple[Source, str]]) -> Archive:
    """pyperf: the mean over the values of a process is one run; warm-ups and calibration runs do not count."""
    return _archive("pyperf", files, _pyperf)


def read_pytest_benchmark(files: Sequence[tuple[Source, str]]) -> Archive:
    """pytest-benchmark: a file is one process, so one run of each benchmark; several files make several runs."""
    return _archive("pytest-benchmark", files, _pytest_benchmark)


# -- one file --------------------------------------------------------------------------------------------------------


def _hyperfine(source: Source, document: dict[str, Any]) -> list[_Series]:
    found = []
    for number, result in enumerate(document["results"]):
        name = str(result.get("command") or f"command {number + 1}")
        times = result.get("times")
        if not times:
            raise UsageError(f"{source.path} holds no single times of {name!r}", "hyperfine --export-json writes them")
        codes = result.get("exit_codes") or [0] * len(times)
        memory = result.get("memory_usage_byte") or []
        runs, excluded = [], []
        for place, value in enumerate(times):
            where = f"{source.path.name}: {name}, run {place + 1}"
            if place < len(codes) and codes[place] != 0:
                excluded.append(f"{where} ended with exit code {codes[place]}")
                continue
            values = {"duration_s": _number(value, where)}
            if len(memory) == len(times) and memory[place]:
                values["peak_memory_b"] = _number(memory[place], where)
            runs.append(_Run(values, None, where))
        found.append(_Series(source, name, tuple(runs), tuple(excluded)))
    return found


def _pyperf(source: Source, document: dict[str, Any]) -> list[_Series]:
    shared = document.get("metadata") or {}
    found = []
    for number, benchmark in enumerate(document["benchmarks"]):
        own = shared | (benchmark.get("metadata") or {})
        name = str(own.get("name") or f"benchmark {number + 1}")
        unit = {"second": "s", "byte": "B"}.get(str(own.get("unit", "second")))
        ending = {"s": "duration_s", "B": "memory_b"}.get(unit or "", "value")
        runs, most = [], 0
        for place, run in enumerate(benchmark["runs"]):
            values = run.get("values") or []
            if not values:
                continue  # calibration
            where = f"{source.path.name}: {name}, process {place + 1}"
            most = max(most, len(values))
            date = (run.get("metadata") or {}).get("date")
            mean = statistics.fmean(_number(value, where) for value in values)
            runs.append(_Run({ending: mean}, None if date is None else moment_s(str(date), where), where))
        notes = [f"up to {most} values of one process count as one run, their mean"] if most > 1 else []
        found.append(_Series(source, name, tuple(runs), notes=tuple(notes)))
    return found


def _pytest_benchmark(source: Source, document: dict[str, Any]) -> list[_Series]:
    date = document.get("datetime")
    time_s = None if date is None else moment_s(str(date), str(source.path))
    found = []
    for number, benchmark in enumerate(document["benchmarks"]):
        name = str(benchmark.get("fullname") or benchmark.get("name") or f"benchmark {number + 1}")
        where = f"{source.path.name}: {name}"
        stats = benchmark["stats"]
        rounds = int(stats.get("rounds") or 1)
        notes = [f"{rounds} rounds inside one process count as one run, their mean"] if rounds > 1 else []
        run = _Run({"duration_s": _number(stats.get("mean"), where)}, time_s, where)
        found.append(_Series(source, name, (run,), notes=tuple(notes)))
    return found


# -- all files -------------------------------------------------------------------------------------------------------


def _archive(
    kind: str, files: Sequence[tuple[Source, str]], read: Callable[[Source, dict[str, Any]], list[_Series]]
) -> Archive:
    """What is compared: the benchmarks of a file with each other, or, where files share benchmarks, file with file."""
    series: list[_Series] = []
    for source, text in files:
        try:
            document = read_json(source.path, text)
            assert isinstance(document, dict)  # else it would not have been recognised
            series += read(source, document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{source.path} is no whole {kind} file: {error}", "write it again") from error
    named = any(source.variant is not None for source, _ in files)
    if named and not all(source.variant is not None for source, _ in files):
        raise UsageError("some files have a variant and some have none", "write NAME=FILE for each")
    by_file = named or (len(files) > 1 and _share_benchmarks(series))
    single = len({item.name for item in series}) == 1
    merged = _merged(series) if by_file and not single else series
    runs: list[tuple[float | None, ImportedRun]] = []
    for item in merged:
        variant = (item.source.variant or item.source.path.stem) if by_file else item.name
        runs += [(run.time_s, ImportedRun(variant, run.place, run.values)) for run in item.runs]
    if not runs:
        raise UsageError(f"no run in {files[0][0].path} counts", "run the benchmark again")
    timed = [(time_s, run) for time_s, run in runs if time_s is not None]
    by_time = len(timed) == len(runs)
    ordered = [run for _, run in sorted(timed, key=lambda pair: pair[0])] if by_time else [run for _, run in runs]
    own_order = kind == "hyperfine" and len(files) == 1
    return Archive(
        kind,
        tuple(str(source.path) for source, _ in files),
        tuple(ordered),
        tuple(dict.fromkeys(name for run in ordered for name in run.values)),
        "the time of each run" if by_time else "the way hyperfine works" if own_order else None,
        tuple(text for item in series for text in item.excluded),
        tuple(dict.fromkeys(text for item in series for text in item.notes)),
    )


def _merged(series: Sequence[_Series]) -> list[_Series]:
    """The benchmarks of each file side by side, as several figures: its n-th runs become one, for counting."""
    files: dict[str, list[_Series]] = {}
    for item in series:
        files.setdefault(str(item.source.path), []).append(item)
    merged = []
    for own in files.values():
        runs = []
        for number in range(max(len(item.runs) for item in own)):
            there = [(item.name, item.runs[number]) for item in own if number < len(item.runs)]
            values = {_of(name, ending): value for name, run in there for ending, value in run.values.items()}
            runs.append(_Run(values, there[0][1].time_s, f"{own[0].source.path.name}: run {number + 1}"))
        merged.append(_Series(own[0].source, own[0].name, tuple(runs)))
    return merged


def _share_benchmarks(series: Sequence[_Series]) -> bool:
    files: dict[str, set[str]] = {}
    for item in series:
        files.setdefault(item.name, set()).add(str(item.source.path))
    return any(len(where) > 1 for where in files.values())


def _of(benchmark: str, ending: str) -> str:
    unit = unit_named(ending.rpartition("_")[2])
    return metric_name(f"{benchmark} {ending.rpartition('_')[0]}" if ending != "duration_s" else benchmark, unit)


def _number(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UsageError(f"{where}: {value!r} is no time", "run the benchmark again")
    return float(value)


def _has(document: object, key: str, inner: str) -> bool:
    items = document.get(key) if isinstance(document, dict) else None
    return isinstance(items, list) and bool(items) and isinstance(items[0], dict) and inner in items[0]
