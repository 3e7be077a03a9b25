"""The store: runs and experiments in one SQLite file, journals and outputs in folders beside it.

    .wattleak/
      wattleak.db                    documents (the JSON that `--json` prints) under a few columns to search by
      runs/ID/journal.jsonl          what the recorder wrote; the truth that the documents are made from
      runs/ID/{metrics.jsonl,stdout.txt,stderr.txt,work/}
      experiments/ID/plan.json       written before the first run

Several wattleak processes may write at once: WAL, one short transaction each, thirty seconds of patience. A run whose
command line was killed is in its folder only; it is taken in when the store is next read.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from wattleak.documents import (
    measurement_document,
    measurement_from_document,
    plan_document,
    plan_from_document,
    run_document,
    run_from_document,
)
from wattleak.environment.provenance import provenance_from_document
from wattleak.errors import OwnFailure, UsageError
from wattleak.experiment.design import redacted
from wattleak.experiment.deviations import as_found
from wattleak.model import Experiment, Measurement, NoiseFloor, Plan, Run, Session, StoredExperiment, StoredRun
from wattleak.recorder.configuration import ensure_store
from wattleak.recorder.journal import JOURNAL
from wattleak.recorder.summary import read_measurement
from wattleak.recorder.trace import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wattleak.environment.checksums import FileMark
    from wattleak.environment.provenance import Provenance

STORE_VERSION = 3
_PATIENCE_S = 30.0
_MOMENT_S = 0.005
_FILE = "wattleak.db"

_SCHEMA = """
create table if not exists runs (
    id text primary key,
    experiment text,            -- null: a run of `measure`
    variant text,
    block integer,
    attempt integer,
    started_at text not null,
    complete integer not null,
    document text not null
) strict;
create index if not exists runs_of_experiment on runs (experiment, block);
create table if not exists experiments (
    id text primary key,
    title text not null,
    created_at text not null,
    complete integer not null,
    plan text not null,
    environment text not null,
    verdict text
) strict;
create table if not exists noise_floors (  -- since version 2: what `compare --aa` found on a machine
    machine text not null,      -- digest of its fingerprint
    metric text not null,
    floor real not null,
    blocks integer not null,
    experiment text not null,
    made_at text not null,
    primary key (machine, metric)
) strict;
create table if not exists provenance (    -- since version 3: what the variants were made of, at each start
    experiment text not null,
    made_at text not null,
    document text not null
) strict;
create index if not exists provenance_of_experiment on provenance (experiment);
create table if not exists checksums (     -- since version 3: files that need not be read again
    path text not null,
    size_b integer not null,
    mtime_ns integer not null,
    sha256 text not null,
    primary key (path, size_b, mtime_ns)
) strict;
create table if not exists sessions (
    experiment text not null,
    id text not null,
    node text not null,
    boot text not null,
    started_at text not null,
    primary key (experiment, id)
) strict;
"""


class SqliteStore:
    """Runs and experiments of one folder. Also a RunSink."""

    def __init__(self, folder: Path, *, region: str | None = None, pue: float | None = None) -> None:
        self.folder = folder
        self._region = region
        self._pue = pue
        ensure_store(folder)
        try:
            self._db = sqlite3.connect(folder / _FILE, timeout=_PATIENCE_S, isolation_level=None)
            self._prepare()
        except sqlite3.Error as error:
            raise _unusable(folder, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def save_measurement(self, measurement: Measurement, experiment: str | None = None) -> None:
        """Keep a run by what was measured. One that was saved with its place in an experiment stays as it is.

        A list reads the folders of runs while `compare` saves them: it may come later, and knows less.
        """
        document = measurement_document(measurement)
        self._write(
            "insert into runs (id, experiment, variant, started_at, complete, document) values (?,?,?,?,?,?)"
            " on conflict (id) do update set experiment = excluded.experiment, variant = excluded.variant,"
            " started_at = excluded.started_at, complete = excluded.complete, document = excluded.document"
            " where runs.block is null",
            (
                measurement.id,
                experiment,
                measurement.name if experiment else None,
                measurement.started_at,
                measurement.complete,
                json.dumps(document),
            ),
        )

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None:
        document = plan_document(replace(plan, design=redacted(plan.design)))
        folder = self.folder / "experiments" / plan.experiment
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "plan.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise OwnFailure(f"cannot write {folder}: {error.strerror}", "choose another store: --store DIR") from error
        self._write(
            "insert or ignore into experiments (id, title, created_at, complete, plan, environment)"
            " values (?,?,?,0,?,?)",
            (
                plan.experiment,
                plan.design.title,
                plan.created_at,
                json.dumps(document),
                json.dumps(dict(environment)),
            ),
        )

    def extend_plan(self, plan: Plan) -> None:
        """Take a longer plan for an experiment that is stored. plan.json, written before the first run, stays."""
        folder = self.folder / "experiments" / plan.experiment
        document = plan_document(replace(plan, design=redacted(plan.design)))
        try:
            path = folder / f"plan-{plan.design.sessions}-sessions.json"
            path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise OwnFailure(f"cannot write {folder}: {error.strerror}", "check free space and permissions") from error
        self._write(
            "update experiments set plan = ?, complete = 0 where id = ?", (json.dumps(document), plan.experiment)
        )

    def save_run(self, run: Run) -> None:
        self._write(
            "insert or replace into runs (id, experiment, variant, block, attempt, started_at, complete, document)"
            " values (?,?,?,?,?,?,?,?)",
            (
                run.id,
                run.experiment,
                run.variant,
                run.block,
                run.attempt,
                run.measurement.started_at,
                run.measurement.complete,
                json.dumps(run_document(run)),
            ),
        )

    def finish(self, experiment: str, complete: bool) -> None:
        self._write("update experiments set complete = ? where id = ?", (complete, experiment))

    def save_verdict(self, experiment: str, verdict: str) -> None:
        self._write("update experiments set verdict = ? where id = ?", (verdict, experiment))

    def save_session(self, experiment: str, session: Session) -> None:
        self._write(
            "insert or ignore into sessions (experiment, id, node, boot, started_at) values (?,?,?,?,?)",
            (experiment, session.id, session.node, session.boot, session.started_at),
        )

    def save_provenance(self, experiment: str, document: Mapping[str, Any]) -> None:
        """Keep what the variants are made of; once for each start of the experiment."""
        self._write(
            "insert into provenance (experiment, made_at, document) values (?,?,?)",
            (experiment, document["made_at"], json.dumps(document)),
        )

    def keep_checksums(self, marks: Mapping[str, FileMark]) -> None:
        """Remember checksums. What is known of a file as it was earlier is forgotten."""
        known = [(path, mark.size_b, mark.mtime_ns, mark.sha256) for path, mark in marks.items() if mark.sha256]
        try:
            with self._transaction():
                self._db.executemany("delete from checksums where path = ?", [(row[0],) for row in known])
                self._db.executemany("insert into checksums (path, size_b, mtime_ns, sha256) values (?,?,?,?)", known)
        except sqlite3.Error as error:
            raise _unusable(self.folder, error) from error

    def save_noise_floor(self, floor: NoiseFloor) -> None:
        """Keep the newest noise floor of a machine and metric."""
        self._write(
            "insert or replace into noise_floors (machine, metric, floor, blocks, experiment, made_at)"
            " values (?,?,?,?,?,?)",
            (floor.machine, floor.metric, floor.floor, floor.blocks, floor.experiment, floor.made_at),
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def runs(self) -> list[StoredRun]:
        """All runs, oldest first; what only has a folder yet is taken in."""
        self._take_in()
        rows = self._db.execute(
            "select id, experiment, started_at, complete, document from runs order by started_at, id"
        )
        return [StoredRun(row[0], row[1], row[2], bool(row[3]), json.loads(row[4])) for row in rows]

    def experiments(self) -> list[StoredExperiment]:
        rows = self._db.execute(
            "select e.id, e.title, e.created_at, e.complete, e.verdict, count(r.id) from experiments e"
            " left join runs r on r.experiment = e.id group by e.id order by e.created_at, e.id"
        )
        return [StoredExperiment(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]

    def find(self, prefix: str) -> tuple[str, str]:
        """("run" | "experiment", id) of the one thing whose id begins so. Raises UsageError."""
        self._take_in()
        rows = self._db.execute(
            "select 'run', id from runs where substr(id, 1, ?) = ? union all"
            " select 'experiment', id from experiments where substr(id, 1, ?) = ?",
            (len(prefix), prefix, len(prefix), prefix),
        ).fetchall()
        exact = [row for row in rows if row[1] == prefix]
        found = exact or rows
        if not found:
            raise UsageError(f"nothing in {self.folder} has the id {prefix!r}", "see the ids: wattleak list")
        if len(found) > 1:
            names = ", ".join(row[1] for row in found[:5])
            raise UsageError(f"{prefix!r} is the beginning of several ids: {names}", "give more of the id")
        return str(found[0][0]), str(found[0][1])

    def measurement(self, run_id: str) -> Measurement:
        row = self._db.execute("select document from runs where id = ?", (run_id,)).fetchone()
        return measurement_from_document(json.loads(row[0]))

    def experiment(self, experiment: str) -> Experiment:
        """The plan and every run that was saved for it, in the order in which they ran."""
        row = self._db.execute(
            "select plan, environment, complete from experiments where id = ?", (experiment,)
        ).fetchone()
        if row is None:
            raise UsageError(f"there is no experiment {experiment!r} in {self.folder}", "see the ids: wattleak list")
        documents = self._db.execute(
            "select document from runs where experiment = ? and block is not null order by started_at, rowid",
            (experiment,),
        )
        return self.as_found(
            Experiment(
                plan=plan_from_document(json.loads(row[0])),
                runs=tuple(run_from_document(json.loads(text)) for (text,) in documents),
                complete=bool(row[2]),
                environment=json.loads(row[1]),
            )
        )

    def as_found(self, experiment: Experiment) -> Experiment:
        """The same with what else is stored of it: the declared difference, and whether the plan was kept to."""
        identity = experiment.plan.experiment
        return as_found(experiment, self.provenance_documents(identity), self.written_plan(identity))

    def run_documents(self, experiment: str) -> list[dict[str, Any]]:
        """Every run of an experiment as it was saved, in the order in which they ran."""
        rows = self._db.execute(
            "select document from runs where experiment = ? and block is not null order by started_at, rowid",
            (experiment,),
        )
        return [json.loads(text) for (text,) in rows]

    def document(self, run_id: str) -> dict[str, Any]:
        """One run as it was saved."""
        row = self._db.execute("select document from runs where id = ?", (run_id,)).fetchone()
        document: dict[str, Any] = json.loads(row[0])
        return document

    def plan_files(self, experiment: str) -> dict[str, bytes]:
        """plan.json and the longer plans that followed it, as they lie in the folder of the experiment."""
        folder = self.folder / "experiments" / experiment
        return {path.name: path.read_bytes() for path in sorted(folder.glob("plan*.json"))}

    def written_plan(self, experiment: str) -> Plan | str:
        """plan.json as it is now, or in words why it cannot be read."""
        path = self.folder / "experiments" / experiment / "plan.json"
        try:
            return plan_from_document(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return "is gone"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except (ValueError, KeyError, TypeError):
            return "is no plan any more"

    def sessions(self, experiment: str) -> list[Session]:
        """In the order in which they began."""
        rows = self._db.execute(
            "select id, node, boot, started_at from sessions where experiment = ? order by started_at, rowid",
            (experiment,),
        )
        return [Session(*row) for row in rows]

    def provenance_documents(self, experiment: str) -> list[dict[str, Any]]:
        """What the variants were made of at each start of the experiment, the first one first."""
        rows = self._db.execute("select document from provenance where experiment = ? order by rowid", (experiment,))
        return [json.loads(text) for (text,) in rows]

    def provenances(self, experiment: str) -> list[Provenance]:
        return [provenance_from_document(document) for document in self.provenance_documents(experiment)]

    def checksum(self, path: str, size_b: int, mtime_ns: int) -> str | None:
        """SHA-256 of a file that looked so when it was read."""
        row = self._db.execute(
            "select sha256 from checksums where path = ? and size_b = ? and mtime_ns = ?", (path, size_b, mtime_ns)
        ).fetchone()
        return None if row is None else str(row[0])

    def noise_floor(self, machine: str, metric: str) -> NoiseFloor | None:
        """What identical programs were seen to differ by on this machine; None when nobody has looked."""
        row = self._db.execute(
            "select machine, metric, floor, blocks, experiment, made_at from noise_floors"
            " where machine = ? and metric = ?",
            (machine, metric),
        ).fetchone()
        return None if row is None else NoiseFloor(*row)

    def last_session(self, experiment: str) -> tuple[Session | None, str | None]:
        """The newest session of an experiment, and when its newest run began."""
        row = self._db.execute(
            "select id, node, boot, started_at from sessions where experiment = ? order by started_at desc, rowid desc",
            (experiment,),
        ).fetchone()
        (last_run_at,) = self._db.execute(
            "select max(started_at) from runs where experiment = ?", (experiment,)
        ).fetchone()
        return (None if row is None else Session(*row)), last_run_at

    # -- inside --------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._write_ahead()
        self._db.execute("pragma synchronous = full")
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version > STORE_VERSION:
            raise OwnFailure(
                f"the store {self.folder} was written by a newer wattleak (version {version} of the store)",
                "upgrade wattleak, or choose another store: --store DIR",
            )
        if version < STORE_VERSION:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {STORE_VERSION}")

    def _write_ahead(self) -> None:
        """Have the file in WAL. Of two that make it at once SQLite turns one away, whatever its patience."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
                    raise
                time.sleep(_MOMENT_S)
            else:
                return

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            with self._transaction():
                self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise _unusable(self.folder, error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def _take_in(self) -> None:
        """Read the folders of runs that no command line lived to save. A running one is shown, and read again later."""
        known = {row[0] for row in self._db.execute("select id from runs")} - self._still_running()
        for folder in sorted((self.folder / "runs").glob("*")):
            if folder.name in known or not (folder / JOURNAL).exists():
                continue
            try:
                recording = read_recording(folder / JOURNAL)
                measurement = read_measurement(folder, region=self._region, pue=self._pue)
            except OwnFailure:
                continue  # the recorder died before its first record: there is nothing to take in
            self.save_measurement(measurement, recording.start.get("experiment"))

    def _still_running(self) -> set[str]:
        rows = self._db.execute(
            "select id from runs where complete = 0 and json_extract(document, '$.incomplete_reason') = 'still running'"
        )
        return {row[0] for row in rows}


def _unusable(folder: Path, error: sqlite3.Error) -> OwnFailure:
    return OwnFailure(
        f"cannot use the store {folder}: {error}",
        "check free space and permissions, or choose another one: --store DIR or WATTLEAK_STORE=DIR",
    )
