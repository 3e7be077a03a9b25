"""Hand a run or an experiment on: as an evidence bundle that others can check, as a table of its runs, as JSON.

wattleak export 7f3a91c2                                # evidence-7f3a91c2.zip
wattleak export 7f3a91c2 --format csv --output runs.csv
wattleak verify evidence-7f3a91c2.zip
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    from wattleak.evidence.bundle import Evidence
    from wattleak.store.sqlite import SqliteStore

SUMMARY = "write an evidence bundle, or the runs as CSV or JSON"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="id of a run or an experiment, or its beginning (wattleak list)")
    parser.add_argument("--format", choices=("bundle", "csv", "json"), default="bundle", help="default: bundle")
    parser.add_argument(
        "--output", metavar="FILE", help="where to write it; - is standard output, for csv and json the default"
    )
    parser.add_argument(
        "--no-journals",
        action="store_true",
        help="leave out what the recorder wrote: smaller, and the numbers of each run can no longer be recomputed",
    )
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.cli.settings import Settings
    from wattleak.store.sqlite import SqliteStore

    settings = Settings.resolve(args)
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, identity = store.find(args.id)
        if args.format == "bundle":
            return _bundle(store, kind, identity, args)
        return _text(store, kind, identity, args)


def _text(store: SqliteStore, kind: str, identity: str, args: Namespace) -> int:
    import json
    from pathlib import Path

    from wattleak.analysis.comparison import compare
    from wattleak.cli.report import write
    from wattleak.documents import comparison_document, measurement_document
    from wattleak.reports.runs_csv import experiment_csv, measurement_csv

    if kind == "run":
        measurement = store.measurement(identity)
        text = (
            measurement_csv(measurement)
            if args.format == "csv"
            else json.dumps(measurement_document(measurement), indent=1) + "\n"
        )
    else:
        experiment = store.experiment(identity)
        text = (
            experiment_csv(experiment)
            if args.format == "csv"
            else json.dumps(comparison_document(experiment, compare(experiment)), indent=1) + "\n"
        )
    if args.output in (None, "-"):
        sys.stdout.write(text)
    else:
        write(Path(args.output), text)
    return ExitCode.DONE


def _bundle(store: SqliteStore, kind: str, identity: str, args: Namespace) -> int:
    import json
    from pathlib import Path

    from wattleak.documents import envelope
    from wattleak.errors import UsageError
    from wattleak.evidence.bundle import pack

    if args.output == "-":
        raise UsageError("a bundle is a file, not text", "--output FILE, or --format json")
    path = Path(args.output or f"evidence-{identity}.zip")
    digest = pack(_evidence(store, kind, identity, args), path, journals=not args.no_journals)
    if args.json:
        print(
            json.dumps(
                {**envelope("export"), "path": str(path), "manifest_sha256": digest, "size_b": path.stat().st_size}
            )
        )
    elif not args.quiet:
        print(f"Wrote {path} ({path.stat().st_size / 1e6:.2f} MB), evidence of {kind} {identity}")
        print(f"  SHA-256 of its manifest: {digest}")
        print("  keep that somewhere else: who changes a bundle can make its manifest anew")
        print(f"Next: wattleak verify {path}")
    return ExitCode.DONE


def _evidence(store: SqliteStore, kind: str, identity: str, args: Namespace) -> Evidence:
    from wattleak.documents import plan_document
    from wattleak.evidence.bundle import Evidence

    if kind == "run":
        documents = [store.document(identity)]
        return Evidence(identity, documents, _folders(store, documents))
    experiment = store.experiment(identity)
    documents = store.run_documents(identity)
    provenance = store.provenance_documents(identity)
    return Evidence(
        identity,
        documents,
        _folders(store, documents),
        experiment=experiment,
        plan_files=store.plan_files(identity),
        stored_plan=plan_document(experiment.plan),
        sessions=store.sessions(identity),
        provenance=provenance,
        checksums=_late_checksums(store, provenance, quiet=args.quiet),
    )


def _folders(store: SqliteStore, documents: list[dict[str, object]]) -> dict[str, Path]:
    from wattleak.recorder.journal import JOURNAL

    found = {str(document["run_id"]): store.folder / "runs" / str(document["run_id"]) for document in documents}
    return {run: folder for run, folder in found.items() if (folder / JOURNAL).exists()}


def _late_checksums(
    store: SqliteStore, provenance: list[dict[str, object]], *, quiet: bool
) -> dict[str, dict[str, object]]:
    """Checksums that would have delayed the first run, of files that still look as they did then."""
    from pathlib import Path

    from wattleak.environment.checksums import look, mark_all
    from wattleak.environment.provenance import provenance_from_document

    wanted = {
        path: mark
        for document in provenance
        for record in provenance_from_document(document).records
        for path, mark in record.data.items()
        if mark.sha256 is None and look(Path(path)) == mark
    }
    if wanted and not quiet:
        total_gb = sum(mark.size_b for mark in wanted.values()) / 1e9
        print(f"reading {len(wanted)} data files ({total_gb:.1f} GB) for their checksums", file=sys.stderr)
    marks = mark_all(map(Path, wanted), store, budget_s=None)
    return {
        path: {"size_b": mark.size_b, "mtime_ns": mark.mtime_ns, "sha256": mark.sha256}
        for path, mark in marks.items()
        if (mark.size_b, mark.mtime_ns) == (wanted[path].size_b, wanted[path].mtime_ns)
    }
