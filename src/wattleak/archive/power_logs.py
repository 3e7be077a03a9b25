"""Logs of power and energy: nvidia-smi, DCGM (dmon, exporter), Azure Monitor.

Formats and facts:

- `nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1`: local time without a zone, unit in the header.
  `power.draw` is an average over one second on Ampere and later except GA100, and of the moment before (NVML reference,
  nvmlDeviceGetPowerUsage); `power.draw.instant` is of the moment.
- `dcgmi dmon -e 155,156`: columns POWER (W) and TOTEC (mJ since the driver was loaded); no clock, a line each `-d` ms.
- dcgm-exporter: DCGM_FI_DEV_POWER_USAGE (W) and DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION (mJ), Prometheus text; a time in
  milliseconds may follow the value.
- Azure Monitor, `az monitor metrics list -o json` and the table AzureMetrics as CSV: GpuEnergyJoules of Azure Machine
  Learning is the energy of each minute (aggregation Total).

The error of a reading is that of the meters' own page: +-5 % for the counter (Yang et al., SC 2024, arXiv:2312.02741),
and, as assumptions, +-10 % for integrated power, +-20 % where a name says A100 or H100, whose sensor looks at a quarter
of the time (same source). For Azure nobody published an error: +-10 %, an assumption.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wattleak.archive.imported import PowerLog, PowerPoint, PowerSeries
from wattleak.archive.tables import header_of, moment_s, parse_number
from wattleak.archive.text import read_json
from wattleak.archive.units import split_column, unit_named
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.archive.imported import Source

_COUNTER_ERROR, _POWER_ERROR, _QUARTER_ERROR = 0.05, 0.10, 0.20
_YANG = "Yang et al. (SC 2024)"
_DEVICE_COLUMNS = ("index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial", "gpu_serial")
_NAME_COLUMNS = ("name", "gpu_name")
_POWER_COLUMNS = ("power.draw.instant", "power.draw", "power.draw.average")
_QUARTER = re.compile(r"\b(A100|H100|GH100|GH200|H200|H800|A800)", re.IGNORECASE)
_SAME_TICK_S = 0.0005
_DMON = re.compile(r"^\s*(?:(?P<time>\d{4}[-/]\S+(?: \d\S+)?)\s+)?(?P<device>GPU(?:-\w+)?\s+\d+)\s+(?P<cells>.+)$")
_SAMPLE = re.compile(
    r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+(?P<time>-?\d+))?\s*(?:#.*)?$"
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_POWER_FIELD, _ENERGY_FIELD = "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
_AZURE_ENERGY = "GpuEnergyJoules"
_GRAIN = re.compile(r"^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$")

Readings = dict[str, list[PowerPoint]]


# -- what a text is --------------------------------------------------------------------------------------------------


def is_nvidia_smi(header: Sequence[str]) -> bool:
    names = {split_column(name)[0].lower() for name in header}
    return "timestamp" in names and bool(names & set(_POWER_COLUMNS))


def is_dmon(text: str) -> bool:
    return re.search(r"^#\s*Entity\b.*\b(POWER|TOTEC)\b", text[:65_536], re.MULTILINE) is not None


def is_dcgm_exporter(text: str) -> bool:
    return _POWER_FIELD in text[:1_048_576] or _ENERGY_FIELD in text[:1_048_576]


def is_azure_json(document: object) -> bool:
    values = document.get("value") if isinstance(document, dict) else None
    return isinstance(values, list) and bool(values) and isinstance(values[0], dict) and "timeseries" in values[0]


def is_azure_csv(header: Sequence[str]) -> bool:
    names = {_plain(name) for name in header}
    return "metricname" in names and any(name.startswith("timegenerated") for name in names)


# -- readers ---------------------------------------------------------------------------------------------------------


def read_nvidia_smi(source: Source, text: str, period_s: float | None) -> PowerLog:
    """A log of `nvidia-smi --query-gpu=... --format=csv`. It has its own clock, so `period_s` must not be given."""
    _no_period(source, period_s)
    header = header_of(text)
    plain = [split_column(name)[0].lower() for name in header]
    power = next(plain.index(name) for name in _POWER_COLUMNS if name in plain)
    clock = plain.index("timestamp")
    device = next((plain.index(name) for name in _DEVICE_COLUMNS if name in plain), None)
    model = next((plain.index(name) for name in _NAME_COLUMNS if name in plain), None)
    instant = plain[power] == "power.draw.instant"
    readings: Readings = {}
    models: dict[str, str] = {}
    start: tuple[float, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        if not line.strip() or cells == header:
            continue  # a log that was begun again repeats its header
        where = f"{source.path.name}:{number}"
        if len(cells) != len(header):
            if number == text.count("\n") + 1:
                continue  # the last line of a log that was killed
            raise UsageError(f"{where} has {len(cells)} cells, the header {len(header)}", "check the log")
        time_s = moment_s(cells[clock], where)
        start = start or (time_s, cells[clock])
        name = "gpu" if device is None else f"gpu{cells[device]}" if cells[device].isdigit() else cells[device]
        if model is not None:
            models[name] = cells[model]
        readings.setdefault(name, []).append(PowerPoint(time_s - start[0], _watts(cells[power], header[power], where)))
    if start is None:
        raise _nothing(source)
    if device is None:
        _refuse_several(source, readings["gpu"])
    window = (
        "power of the moment"
        if instant
        else "an average over one second on Ampere and later (GA100 apart), of the moment before"
    )
    return PowerLog(
        "nvidia-smi",
        source,
        tuple(_power(name, points, window, models.get(name, "")) for name, points in readings.items()),
        start[1],
        ()
        if model is not None
        else ("the log does not name the GPU: +-20 % would hold for an A100 or H100 (add name)",),
    )


def read_dmon(source: Source, text: str, period_s: float | None) -> PowerLog:
    """A log of `dcgmi dmon`; its lines have no time, so power needs the period that `-d` had."""
    columns: list[str] = []
    power: Readings = {}
    energy: Readings = {}
    stamped = False
    begin: float | None = None
    ticks: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            columns = line.replace("#", " ").split()[1:]
            continue
        match = _DMON.match(line)
        if match is None or not columns:
            continue  # the line of units below the header
        device = match["device"].replace(" ", "").lower()
        cells = match["cells"].split()
        where = f"{source.path.name}:{number}"
        if len(cells) != len(columns):
            raise UsageError(f"{where} has {len(cells)} values, the header {len(columns)}", "check the log")
        tick = ticks.get(device, 0)
        ticks[device] = tick + 1
        time_s = tick * (period_s or 1.0)
        if match["time"]:
            stamped = True
            moment = moment_s(match["time"], where)
            begin = moment if begin is None else begin
            time_s = moment - begin
        for name, target, size in (("POWER", power, 1.0), ("TOTEC", energy, 1e-3)):
            if name in columns:
                value = parse_number(cells[columns.index(name)], where)[0]
                point = PowerPoint(time_s, None if value is None else value * size)
                target.setdefault(device, []).append(point)
    return _counter_or_power(source, "dcgm-dmon", power, energy, clock=stamped or period_s is not None)


def read_dcgm_exporter(source: Source, text: str, period_s: float | None) -> PowerLog:
    """Scrapes of dcgm-exporter, one after another in one file."""
    power: Readings = {}
    energy: Readings = {}
    begin: float | None = None
    stamped = False
    for number, line in enumerate(text.splitlines(), start=1):
        match = _SAMPLE.match(line)
        if match is None or match["name"] not in {_POWER_FIELD, _ENERGY_FIELD}:
            continue
        labels = dict(_LABEL.findall(match["labels"] or ""))
        host = labels.get("Hostname") or labels.get("hostname") or labels.get("instance")
        device = "gpu" + str(labels.get("gpu") or labels.get("UUID") or "") + (f"@{host}" if host else "")
        target, size = (power, 1.0) if match["name"] == _POWER_FIELD else (energy, 1e-3)
        points = target.setdefault(device, [])
        time_s = len(points) * (period_s or 1.0)
        if match["time"]:
            stamped = True
            moment = int(match["time"]) / 1e3
            begin = moment if begin is None else begin
            time_s = moment - begin
        value = parse_number(match["value"], f"{source.path.name}:{number}")[0]
        points.append(PowerPoint(time_s, None if value is None else value * size))
    return _counter_or_power(source, "dcgm-exporter", power, energy, clock=stamped or period_s is not None)


def read_azure(source: Source, text: str, period_s: float | None) -> PowerLog:
    """An export of Azure Monitor: joules of each interval, or watts."""
    _no_period(source, period_s)
    rows = _azure_json(source, text) if text.lstrip().startswith("{") else _azure_csv(source, text)
    joules: dict[str, list[tuple[float, float | None, float]]] = {}
    watts: Readings = {}
    others: set[str] = set()
    begin = min((row[2] for row in rows), default=0.0)
    for name, device, moment, grain_s, values, unit in rows:
        time_s = moment - begin
        if name.lower() == _AZURE_ENERGY.lower():
            joules.setdefault(device, []).append((time_s, values.get("total"), grain_s))
        elif (found := unit_named(unit) or split_column(name)[1]) is not None and found.ending == "w":
            average = values.get("average")
            value = None if average is None else average * found.size
            watts.setdefault(device, []).append(PowerPoint(time_s, value))
        else:
            others.add(name)
    series = [
        PowerSeries(
            device,
            (*(PowerPoint(t, v) for t, v, _ in sorted(points)), PowerPoint(max(t + g for t, _, g in points), None)),
            counter=False,
            interval_j=True,
            window="the energy of each interval, as Azure adds it up",
            relative_error=_POWER_ERROR,
            error_source="an assumption",
        )
        for device, points in joules.items()
    ]
    series += [_power(device, points, "the average of each interval", "") for device, points in watts.items()]
    if not series:
        there = ", ".join(sorted(others)) or "nothing"
        raise UsageError(
            f"{source.path} holds {there}, and no energy or power", f"export the metric {_AZURE_ENERGY} (Total, PT1M)"
        )
    notes = (f"not energy, left out: {', '.join(sorted(others))}",) if others else ()
    return PowerLog("azure", source, tuple(series), datetime.fromtimestamp(begin, UTC).isoformat(), notes)


# -- inside ----------------------------------------------------------------------------------------------------------


def _azure_json(source: Source, text: str) -> list[tuple[str, str, float, float, dict[str, float | None], str]]:
    document: Any = read_json(source.path, text)
    rows: list[tuple[str, str, float, float, dict[str, float | None], str]] = []
    try:
        grain_s = _grain(str(document.get("interval") or "PT1M"))
        for metric in document["value"]:
            for series in metric["timeseries"]:
                labels = {
                    str(item["name"]["value"]).lower(): str(item["value"])
                    for item in series.get("metadatavalues") or []
                }
                device = labels.get("deviceid") or labels.get("instanceid") or ""
                for point in series["data"]:
                    values: dict[str, float | None] = {
                        key.lower(): value for key, value in point.items() if isinstance(value, int | float)
                    }
                    moment = moment_s(point["timeStamp"], str(source.path))
                    name, unit = str(metric["name"]["value"]), str(metric.get("unit") or "")
                    rows.append((name, f"gpu{device}", moment, grain_s, values, unit))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{source.path} is no whole answer of Azure Monitor: {error}", "export it again") from error
    return rows


def _azure_csv(source: Source, text: str) -> list[tuple[str, str, float, float, dict[str, float | None], str]]:
    import csv  # noqa: PLC0415 - read once

    lines = list(csv.reader(text.splitlines()))
    header = [_plain(name) for name in lines[0]]
    clock = next(place for place, name in enumerate(header) if name.startswith("timegenerated"))
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if not cells:
            continue
        where = f"{source.path.name}:{number}"
        row = dict(zip(header, cells, strict=False))
        values = {key: parse_number(row.get(key, ""), where)[0] for key in ("total", "average")}
        moment = _azure_moment(cells[clock], where)
        resource = row.get("resource") or row.get("resourceid", "").rpartition("/")[2]
        device = row.get("deviceid") or resource or ""
        rows.append(
            (row["metricname"], f"gpu{device}" if device.isdigit() else device or "gpu", moment,
             _grain(row.get("timegrain") or "PT1M"), values, row.get("unitname") or "")
        )  # fmt: skip
    return rows


def _azure_moment(text: str, where: str) -> float:
    """ISO 8601, or the form of the portal: 11/21/2026, 9:01:00.000 AM."""
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y, %I:%M:%S.%f %p").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return moment_s(text, where)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "").replace("[utc]", "")


def _grain(text: str) -> float:
    match = _GRAIN.match(text.strip().upper())
    if match is None or not any(match.groups()):
        raise UsageError(f"cannot read the interval {text!r}", "export with --interval PT1M")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def _counter_or_power(source: Source, kind: str, power: Readings, energy: Readings, *, clock: bool) -> PowerLog:
    """The counter where there is one: it needs no clock and loses nothing between readings."""
    if energy:
        series = [
            PowerSeries(
                device,
                tuple(points),
                counter=True,
                window="a counter of the GPU",
                relative_error=_COUNTER_ERROR,
                error_source=_YANG,
            )
            for device, points in energy.items()
        ]
        notes = (
            () if clock else ("the log has no clock: the counter's energy holds, its duration is not known (--period)",)
        )
        return PowerLog(kind, source, tuple(series), None if not clock else "0", notes)
    if not power:
        raise _nothing(source)
    if not clock:
        raise UsageError(
            f"{source.path} has power and no times: nobody can say how many joules that is",
            "--period SECONDS between its lines (dcgmi dmon -d, in milliseconds), or log field 156 too",
        )
    window = "as NVML reads it: an average over one second on Ampere and later (GA100 apart)"
    return PowerLog(kind, source, tuple(_power(d, points, window, "") for d, points in power.items()), "0")


def _power(device: str, points: Iterable[PowerPoint], window: str, model: str) -> PowerSeries:
    quarter = _QUARTER.search(model) is not None
    error = _QUARTER_ERROR if quarter else _POWER_ERROR
    seen = f"; the sensor of {model} looks at a quarter of the time ({_YANG})" if quarter else ""
    return PowerSeries(
        device,
        tuple(points),
        counter=False,
        window=window + seen,
        relative_error=error,
        error_source="an assumption",
    )


def _watts(cell: str, column: str, where: str) -> float | None:
    number, written = parse_number(cell, where)
    if number is None:
        return None
    unit = unit_named(written) if written else split_column(column)[1]
    if unit is None or unit.ending != "w":
        raise UsageError(f"{where}: {cell!r} is no power", "log power.draw in watts")
    return number * unit.size


def _refuse_several(source: Source, points: Sequence[PowerPoint]) -> None:
    """Two readings of one moment are two GPUs, and nobody can say which is which."""
    close = sum(after.time_s - before.time_s < _SAME_TICK_S for before, after in pairwise(points))
    if close:
        raise UsageError(
            f"{source.path} holds readings of several GPUs ({close} at the moment of another) and no column says which",
            "log it with --query-gpu=timestamp,index,power.draw",
        )


def _no_period(source: Source, period_s: float | None) -> None:
    if period_s is not None:
        raise UsageError(f"{source.path} has times of its own: --period does not apply", "leave --period out")


def _nothing(source: Source) -> UsageError:
    return UsageError(f"{source.path} has a header and no readings", "give a log with readings in it")
