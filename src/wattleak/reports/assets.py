"""The files that make a page: templates of ours, and the pinned libraries that draw its charts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from typing import Any

from wattleak.shipped import shipped_bytes, shipped_text

_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S*\s*$")


@cache
def template(name: str) -> str:
    """A file of templates/."""
    return shipped_text("wattleak.reports", "templates", name)


@cache
def libraries() -> tuple[str, ...]:
    """The vendored scripts in the order in which they depend on each other.

    Without their last line, which names a source map: a page in one file has none to offer.
    """
    return tuple(_SOURCE_MAP.sub("", _vendored(entry["file"])) for entry in vendored_files())


@cache
def vendored_files() -> tuple[dict[str, Any], ...]:
    """What vendor/VENDORED.json says of each script: file, package, version, licence, sha256."""
    entries: list[dict[str, Any]] = json.loads(_vendored("VENDORED.json"))["files"]
    return tuple(entries)


@cache
def licence_notice() -> str:
    """Licence texts of the libraries: whoever passes a page on passes them on, too."""
    return _vendored("LICENSES.txt")


def script_hash(script: str) -> str:
    """How a Content-Security-Policy names an inline script that may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def _vendored(name: str) -> str:
    # Bytes, not text: line ends must stay as they were published.
    return shipped_bytes("wattleak.reports", "vendor", name).decode("utf-8")
