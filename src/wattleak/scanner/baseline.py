"""A baseline: the findings that a project has already, so that only new ones count.

A finding is known by its smell, its file and the text of its line, so that lines added above it change nothing. Of
two equal lines both must be in the baseline.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.model import Finding
    from wattleak.scanner.scan import ScanResult

_VERSION = 1


class Baseline:
    """Findings that are known. Each is known once: `knows` uses it up."""

    def __init__(self, folder: Path, known: Counter[str]) -> None:
        self.folder, self.left = folder, known

    def knows(self, finding: Finding, line: str) -> bool:
        key = fingerprint(finding, line, self.folder)
        if self.left[key] <= 0:
            return False
        self.left[key] -= 1
        return True

    @property
    def gone(self) -> int:
        """How many of its findings were not met: they are mended, or their lines have changed."""
        return sum(self.left.values())


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        document = json.loads(file.read_bytes())
        counts = document["findings"]
        if document["baseline_version"] != _VERSION or not all(isinstance(count, int) for count in counts.values()):
            raise ValueError  # noqa: TRY301 - said below, with the others
    except OSError as error:
        raise UsageError(
            f"cannot read the baseline {file}: {error.strerror}", f"make it: wattleak scan PATH --write-baseline {file}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{file} is no baseline of this version", f"write it anew: wattleak scan PATH --write-baseline {file}"
        ) from error
    return Baseline(file.resolve().parent, Counter(counts))


def write_baseline(file: Path, result: ScanResult) -> int:
    """Write all findings of `result`, hidden ones too, and return how many there are.

    Raises:
        OwnFailure: the file cannot be written.
    """
    folder = file.resolve().parent
    found = (*result.findings, *result.hidden, *result.known)
    counts = Counter(fingerprint(finding, result.excerpt(finding) or "", folder) for finding in found)
    document = {"baseline_version": _VERSION, "findings": dict(sorted(counts.items()))}
    try:
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OwnFailure(
            f"cannot write the baseline {file}: {error.strerror}", "give a path that can be written"
        ) from error
    return len(found)


def fingerprint(finding: Finding, line: str, folder: Path) -> str:
    """Return `CODE path hash`, the path from `folder`, with which a finding is known again when lines move."""
    path = os.path.relpath(finding.path.resolve(), folder).replace(os.sep, "/")
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = " ".join(line.split()).encode("utf-8", "backslashreplace")
    return f"{finding.code} {shown} {hashlib.sha256(text).hexdigest()[:16]}"
