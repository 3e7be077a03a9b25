"""Check an evidence bundle: recompute every number, and name whatever does not follow.

    wattleak verify evidence-7f3a91c2.zip
    wattleak verify evidence-7f3a91c2.zip --digest 1f2e3d...    # as `wattleak export` printed it

Ends with 0 when everything follows, with 1 when something does not, with 2 when the file is no bundle.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.evidence.verify import Verification

SUMMARY = "check an evidence bundle by recomputing it"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="a file that `wattleak export` wrote")
    parser.add_argument("--digest", metavar="SHA256", help="of the manifest, as it was printed when it was exported")
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json
    from dataclasses import asdict, replace
    from pathlib import Path

    from wattleak.documents import envelope
    from wattleak.evidence.archive import Bundle
    from wattleak.evidence.bundle import MANIFEST
    from wattleak.evidence.verify import Finding, verify

    with Bundle(Path(args.bundle)) as bundle:
        found = verify(bundle)
    if args.digest and args.digest.strip().lower() != found.digest:
        other = Finding(MANIFEST, f"its SHA-256 is {found.digest}, not {args.digest}: this is another bundle")
        found = replace(found, findings=(other, *found.findings))
    if args.json:
        print(json.dumps({**envelope("verify"), "verified": not found.findings, **asdict(found)}))
    elif not args.quiet:
        _tell(found, args)
    return ExitCode.FINDINGS if found.findings else ExitCode.DONE


def _tell(found: Verification, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for

    style = style_for(sys.stdout, args)
    for finding in found.findings:
        print(f"{style.text(finding.file)}: {style.text(finding.what)}")
    if found.findings:
        print(style.paint(f"NOT VERIFIED: {found.subject}", "bad"))
    else:
        journals = f"{found.from_journals} of {found.runs} runs recomputed from their journals"
        print(style.paint(f"VERIFIED: {found.subject}", "good") + f"  {found.members} files, {journals}")
    for reason in found.exploratory:
        print(f"  exploratory: {style.text(reason)}")
    for note in found.notes:
        print(f"  note: {style.text(note)}")
    print(f"  SHA-256 of the manifest: {found.digest}")
