"""Programs in namespaces of their own: with a small disk, or with processes of their own. Skipped where not allowed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OWN_PROCESSES = ("unshare", "-Urpf", "--mount-proc")
"""The words before a command that then is process 1."""


def with_small_disk(
    script: str, *words: str, folder: Path, size_kb: int = 64, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a folder where `disk` is an empty file system of so many KiB; $0, $1 ... are the words."""
    (folder / "disk").mkdir()
    mounted = f"mount -t tmpfs -o size={size_kb}k none disk || exit 99\n{script}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 99 or "Operation not permitted" in done.stderr:
        pytest.skip("mounting a small file system needs root")
    return done


def _can_have_own_processes() -> bool:
    if shutil.which(OWN_PROCESSES[0]) is None:
        return False
    return subprocess.run([*OWN_PROCESSES, "true"], check=False, capture_output=True).returncode == 0


needs_own_processes = pytest.mark.skipif(
    not _can_have_own_processes(), reason="needs unshare and the right to make a PID namespace"
)
