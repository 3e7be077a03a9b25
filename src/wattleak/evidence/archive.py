"""Reading a bundle that may come from anybody: its names, sizes and content are claims until they are checked.

Nothing is unpacked by the names that stand in it. A member's name is a plain relative path of few characters, no name
comes twice, no member is larger than it says, and all together stay below a limit: what a zip bomb would need is
refused before it is unpacked. So are other ways to compress than deflate: of them zipfile unpacks whole pieces at once,
however large they become.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Self

from wattleak.errors import UsageError
from wattleak.evidence.bundle import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.documents import Document

MOST_MEMBERS = 100_000
LARGEST_MEMBER_B = 1 << 30
LARGEST_TOTAL_B = 4 << 30
"""A week of readings of one run is a few megabytes (docs/results): a thousand such runs fit."""

_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,4}")
_COMPRESSED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    *(OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError),
)
"""What zipfile raises for bytes that are no zip, or no longer one."""
_SYMLINK, _KIND = 0o120000, 0o170000
_WITH_WATTLEAK = "it must be a file that `wattleak export` wrote"


class Bundle:
    """An opened bundle. Every way to read it raises UsageError with the member's name when it is not to be trusted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except FileNotFoundError:
            raise UsageError(f"there is no file {path}", "wattleak export ID writes one") from None
        except _BROKEN as error:
            raise UsageError(f"{path} is no evidence bundle, or not a whole one: {error}", _WITH_WATTLEAK) from error
        try:
            self._members = self._checked(members)
            self.manifest = self._manifest()
        except UsageError:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> tuple[str, ...]:
        """All members but the manifest, sorted."""
        return tuple(sorted(name for name in self._members if name != MANIFEST))

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which has that of everything else."""
        return hashlib.sha256(self.read(MANIFEST)).hexdigest()

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each member, as the manifest says."""
        files: Mapping[str, Mapping[str, str]] = self.manifest["files"]
        return {name: facts["sha256"] for name, facts in files.items()}

    def read(self, name: str) -> bytes:
        info = self._members.get(name)
        if info is None:
            raise UsageError(f"{self.path} has no {name}", _WITH_WATTLEAK)
        try:
            with self._zip.open(info) as member:
                data = member.read(info.file_size + 1)
        except _BROKEN as error:
            raise UsageError(f"{self.path}: {name} is damaged: {error}", _WITH_WATTLEAK) from error
        if len(data) != info.file_size:
            raise UsageError(f"{self.path}: {name} is not as large as it says", _WITH_WATTLEAK)
        return data

    def document(self, name: str) -> Document:
        """A member as a JSON object."""
        try:
            found = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{self.path}: {name} is no JSON document: {error}", _WITH_WATTLEAK) from error
        if not isinstance(found, dict):
            raise UsageError(f"{self.path}: {name} is no JSON object", _WITH_WATTLEAK)
        return found

    def _checked(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(members) > MOST_MEMBERS or sum(info.file_size for info in members) > LARGEST_TOTAL_B:
            raise UsageError(f"{self.path} is too large to be an evidence bundle", _WITH_WATTLEAK)
        found: dict[str, zipfile.ZipInfo] = {}
        for info in members:
            shown = repr(info.filename[:80])
            if not _NAME.fullmatch(info.filename):
                raise UsageError(f"{self.path} has a member with a name that no bundle has: {shown}", _WITH_WATTLEAK)
            if info.filename in found:
                raise UsageError(f"{self.path} has two members called {shown}", _WITH_WATTLEAK)
            if (info.external_attr >> 16) & _KIND == _SYMLINK or info.flag_bits & 1:
                raise UsageError(f"{self.path}: {shown} is a link or encrypted", _WITH_WATTLEAK)
            if info.compress_type not in _COMPRESSED:
                raise UsageError(f"{self.path}: {shown} is compressed in a way that no bundle is", _WITH_WATTLEAK)
            if info.file_size > LARGEST_MEMBER_B:
                raise UsageError(f"{self.path}: {shown} is too large", _WITH_WATTLEAK)
            found[info.filename] = info
        return found

    def _manifest(self) -> Document:
        manifest = self.document(MANIFEST)
        files, subject = manifest.get("files"), manifest.get("subject")
        if (
            manifest.get("kind") != "evidence"
            or not isinstance(files, dict)
            or not all(isinstance(facts, dict) and isinstance(facts.get("sha256"), str) for facts in files.values())
            or not isinstance(subject, dict)
            or subject.get("kind") not in ("run", "experiment")
            or not isinstance(subject.get("id"), str)
        ):
            raise UsageError(f"{self.path}: {MANIFEST} is not that of an evidence bundle", _WITH_WATTLEAK)
        return manifest
