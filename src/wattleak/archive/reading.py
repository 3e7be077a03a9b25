"""From files to runs or power logs: which format it is, and who reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.archive import benchmarks, power_logs, tables
from wattleak.archive.imported import Archive, ImportedRun, PowerLog
from wattleak.archive.text import read_json, read_text
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wattleak.archive.imported import DeviceEnergy, Source
    from wattleak.archive.tables import TableOptions

FORMATS = (
    "csv",
    "codecarbon",
    "experiment-runner",
    "hyperfine",
    "pyperf",
    "pytest-benchmark",
    "nvidia-smi",
    "dcgm-dmon",
    "dcgm-exporter",
    "azure",
)

_TABLES: dict[str, Callable[[Sequence[tuple[Source, str]], TableOptions], Archive]] = {
    "csv": tables.read_csv,
    "codecarbon": tables.read_codecarbon,
    "experiment-runner": tables.read_experiment_runner,
}
_BENCHMARKS: dict[str, Callable[[Sequence[tuple[Source, str]]], Archive]] = {
    "hyperfine": benchmarks.read_hyperfine,
    "pyperf": benchmarks.read_pyperf,
    "pytest-benchmark": benchmarks.read_pytest_benchmark,
}
_POWER: dict[str, Callable[[Source, str, float | None], PowerLog]] = {
    "nvidia-smi": power_logs.read_nvidia_smi,
    "dcgm-dmon": power_logs.read_dmon,
    "dcgm-exporter": power_logs.read_dcgm_exporter,
    "azure": power_logs.read_azure,
}

TABLE_FORMATS = frozenset(_TABLES)
POWER_FORMATS = frozenset(_POWER)


def recognise(path: Path, text: str) -> str:
    """The format of a file, from what is in it.

    Raises:
        UsageError: none that is known; the message names them all.
    """
    found = _of_json(path, text) if text.lstrip()[:1] in {"{", "["} else _of_lines(path, text)
    if found is None:
        raise UsageError(
            f"{path} is in no format that is known here: {', '.join(FORMATS)}",
            "export it as CSV with a header and a row for each run, or say what it is: --format NAME",
        )
    return found


def read(
    sources: Sequence[Source], asked: str | None, options: TableOptions, period_s: float | None = None
) -> Archive | tuple[PowerLog, ...]:
    """Read all files; they have to be of one format.

    Raises:
        UsageError: a file cannot be read, formats differ, or a column, unit or number is not what it should be.
    """
    texts = [(source, read_text(source.path)) for source in sources]
    kinds = [asked or recognise(source.path, text) for source, text in texts]
    if len(set(kinds)) > 1:
        raise UsageError(
            f"the files are of different formats: {', '.join(dict.fromkeys(kinds))}", "import one format at a time"
        )
    kind = kinds[0]
    if asked is not None:
        _check(kind, texts)
    if kind in _POWER:
        return tuple(_POWER[kind](source, text, period_s) for source, text in texts)
    if kind in _BENCHMARKS:
        return _BENCHMARKS[kind](texts)
    return _TABLES[kind](texts, options)


def runs_of_logs(logs: Sequence[PowerLog], energies: Sequence[DeviceEnergy]) -> Archive | None:
    """Each power log as one run of the variant that the user named; None where files have no variant.

    Raises:
        UsageError: some files have a variant and others none.
    """
    named = [log.source.variant is not None for log in logs]
    if not any(named):
        return None
    if not all(named):
        raise UsageError("some files have a variant and some have none", "write NAME=FILE for each")
    runs = []
    place = 0
    for log in logs:
        own = energies[place : place + len(log.series)]
        place += len(log.series)
        values = {"gpu_energy_j": sum(item.energy_j.value for item in own)}
        durations = [item.duration_s for item in own if item.duration_s is not None]
        if durations:
            values["duration_s"] = max(durations)
        runs.append(ImportedRun(str(log.source.variant), log.source.path.name, values))
    devices = {tuple(sorted(series.device for series in log.series)) for log in logs}
    doubts = (
        () if len(devices) == 1 else ("the logs do not all have the same GPUs: their sums are of different machines",)
    )
    metrics = tuple(dict.fromkeys(name for run in runs for name in run.values))
    return Archive(
        logs[0].format, tuple(str(log.source.path) for log in logs), tuple(runs), metrics, None, doubts=doubts
    )


# -- inside ----------------------------------------------------------------------------------------------------------


def _of_json(path: Path, text: str) -> str | None:
    document = read_json(path, text)
    checks = {
        "hyperfine": benchmarks.is_hyperfine,
        "pytest-benchmark": benchmarks.is_pytest_benchmark,
        "pyperf": benchmarks.is_pyperf,
        "azure": power_logs.is_azure_json,
    }
    return next((name for name, check in checks.items() if check(document)), None)


def _of_lines(path: Path, text: str) -> str | None:
    if power_logs.is_dmon(text):
        return "dcgm-dmon"
    if power_logs.is_dcgm_exporter(text):
        return "dcgm-exporter"
    header = tables.header_of(text)
    checks = {
        "nvidia-smi": power_logs.is_nvidia_smi,
        "azure": power_logs.is_azure_csv,
        "experiment-runner": tables.is_experiment_runner,
        "codecarbon": tables.is_codecarbon,
    }
    found = next((name for name, check in checks.items() if check(header)), None)
    return found or ("csv" if tables.is_table(path, header) else None)


def _check(kind: str, texts: Sequence[tuple[Source, str]]) -> None:
    """A format that the user names is taken at their word only where the file can be it."""
    for source, text in texts:
        is_json = text.lstrip()[:1] in {"{", "["}
        found = recognise(source.path, text) if is_json or kind != "csv" else "csv"
        if found != kind:
            raise UsageError(f"{source.path} is no file of {kind}; it looks like {found}", "leave --format out")
