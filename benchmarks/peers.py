"""The peers beside which wattleak is measured: newest releases, each in a virtual environment of its own.

They lie in a cache folder outside the repository ($WATTLEAK_BENCH_CACHE, default ~/.cache/wattleak/bench) and are
made when they are not there; `--refresh` makes them anew, so that the releases are the newest of that day.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("WATTLEAK_BENCH_CACHE") or Path.home() / ".cache" / "wattleak" / "bench")
PEERS = {
    "codecarbon": ("CodeCarbon", ["codecarbon"]),
    "zeus": ("Zeus", ["zeus"]),
    "carbontracker": ("carbontracker", ["carbontracker"]),
}
"""Folder and distribution name -> (what it is called, what pip installs)."""
TOOLS = ("wattleak", *PEERS)


def title(tool: str) -> str:
    return PEERS[tool][0] if tool in PEERS else tool


def python_of(tool: str) -> str:
    """The interpreter of a tool's environment: ours for wattleak."""
    return sys.executable if tool == "wattleak" else str(CACHE / "venvs" / tool / "bin" / "python")


def prepare(refresh: bool = False, also: tuple[str, ...] = ()) -> dict[str, str]:
    """Make what is missing; give the version of each tool. `also` is installed beside each peer.

    A peer that cannot be installed has the reason for its version, starting with "not installed".
    """
    versions = {"wattleak": _version(sys.executable, "wattleak")}
    for peer, (name, wanted) in PEERS.items():
        folder = CACHE / "venvs" / peer
        ready = folder / ".ready"
        words = [*wanted, *also]
        if refresh or not ready.exists() or not set(words) <= set(ready.read_text(encoding="utf-8").split()):
            print(f"installing {name} into {folder}", flush=True)
            done = _install(folder, words, fresh=refresh)
            if done is not None:
                versions[peer] = f"not installed: {done}"
                continue
            ready.write_text(" ".join(words), encoding="utf-8")
        versions[peer] = _version(python_of(peer), peer)
    return versions


def usable(versions: dict[str, str]) -> list[str]:
    return [tool for tool in versions if not versions[tool].startswith("not installed")]


def _install(folder: Path, words: list[str], fresh: bool) -> str | None:
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    steps = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *words],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
    return None


def _version(python: str, distribution: str) -> str:
    code = f"import importlib.metadata as m, json; print(json.dumps(m.version({distribution!r})))"
    return str(json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout))
