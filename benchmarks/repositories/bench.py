"""`python -m benchmarks repositories`: scan the repositories of commits.json, hold the findings against the judgements.

    .venv/bin/python -m benchmarks repositories [--mirrors DIR] [--unjudged]

Each repository is taken at its commit from GitHub, or from DIR/owner+name/repo, a git folder that is there already. What
two readers said of each finding is in judgements.json; `--unjudged` prints as JSON what nobody has judged yet, with the
lines around it, and writes no page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import page

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("WATTLEAK_BENCH_CACHE") or Path.home() / ".cache" / "wattleak" / "bench") / "repositories"
READ = (".py", ".pyw", ".ipynb", ".sh", ".bash", ".sbatch", ".slurm", ".yml", ".yaml", ".toml", ".json", ".env")
SHOWN = ("error", "warning")  # what the promise is about; notes are listed, too
ABSENT = ".absent"  # what a mirror did not have
AROUND = 12  # lines of a finding that a reader sees on each side


@dataclass(frozen=True)
class Found:
    """One finding in one repository."""

    repository: str
    document: dict[str, Any]

    @property
    def key(self) -> str:
        """What a judgement is kept under: a line of a commit does not move."""
        cell = f":cell {self.document['cell']}" if "cell" in self.document else ""
        return f"{self.repository}/{self.document['path']}{cell}:{self.document['line']} {self.document['code']}"

    @property
    def is_shown(self) -> bool:
        return self.document["severity"] in SHOWN


def run(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks repositories")
    parser.add_argument("--mirrors", type=Path, help="folder with owner+name/repo git folders, instead of GitHub")
    parser.add_argument("--unjudged", action="store_true", help="print what nobody has judged yet; write no page")
    asked = parser.parse_args(words)
    commits: dict[str, str] = json.loads((HERE / "commits.json").read_text())["repositories"]
    trees = {name: tree(name, commit, asked.mirrors) for name, commit in commits.items()}
    found = {name: scan(name, path) for name, path in trees.items()}
    kept = HERE / "judgements.json"
    judged: dict[str, dict[str, str]] = json.loads(kept.read_text()) if kept.exists() else {}
    if asked.unjudged:
        every = [item for items in found.values() for item in items if item.key not in judged]
        print(json.dumps([_question(item, trees[item.repository]) for item in every], indent=1))
        return
    write(commits, trees, found, judged)


def tree(name: str, commit: str, mirrors: Path | None) -> Path:
    """The files of a commit in a folder of the cache; made once."""
    folder = CACHE / name.replace("/", "+") / commit[:12]
    if (folder / ".complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    git = CACHE / name.replace("/", "+") / "git"
    if mirrors is not None:
        git = mirrors / name.replace("/", "+") / "repo"
    elif not git.exists():
        url = f"https://github.com/{name}"
        subprocess.run(["git", "clone", "--quiet", "--bare", "--filter=blob:none", url, str(git)], check=True)
    listed = subprocess.run(
        ["git", "-C", str(git), "ls-tree", "-r", "-z", "--name-only", commit],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    names = [name for name in listed if name.endswith(READ) or Path(name).name.startswith(("Dockerfile", ".env"))]
    absent = [name for name in names if not _take(git, f"{commit}:{name}", folder / name)]
    (folder / ABSENT).write_text("".join(f"{name}\n" for name in absent))
    (folder / ".complete").touch()
    return folder


def _take(git: Path, blob: str, target: Path) -> bool:
    """Write one file; False where a mirror lacks it (they leave the largest files out)."""
    done = subprocess.run(["git", "-C", str(git), "cat-file", "blob", blob], check=False, capture_output=True)
    if done.returncode == 0:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(done.stdout)
    return done.returncode == 0


def scan(name: str, folder: Path) -> list[Found]:
    words = [sys.executable, "-m", "wattleak", "scan", ".", "--json", "--no-cache", "--cpus", "8"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{name}: the scan ended with {done.returncode}: {done.stderr[-500:]}")
    return [Found(name, item) for item in json.loads(done.stdout)["findings"]]


def lines_of(folder: Path) -> int:
    """Lines of Python: files, and the code cells of notebooks."""
    total = 0
    for path in folder.rglob("*"):
        if path.suffix == ".py" and path.is_file():
            total += path.read_bytes().count(b"\n")
        elif path.suffix == ".ipynb" and path.is_file():
            try:
                cells = json.loads(path.read_bytes()).get("cells", [])
            except ValueError:
                continue
            total += sum(len(cell.get("source", ())) for cell in cells if cell.get("cell_type") == "code")
    return total


def _question(item: Found, folder: Path) -> dict[str, Any]:
    """What a reader is shown."""
    document = item.document
    text = ""
    if "cell" not in document:
        lines = (folder / document["path"]).read_text(errors="replace").splitlines()
        first = max(0, document["line"] - 1 - AROUND)
        text = "\n".join(
            f"{number + 1}: {line}" for number, line in enumerate(lines) if first <= number < document["line"] + AROUND
        )
    return {
        "key": item.key,
        "severity": document["severity"],
        "message": document["message"],
        "lines": text,
        "file": str(folder / document["path"]),
    }


def write(
    commits: dict[str, str], trees: dict[str, Path], found: dict[str, list[Found]], judged: dict[str, dict[str, str]]
) -> None:
    rows, total, right, wrong, open_ = [], 0, 0, 0, 0
    for name, commit in commits.items():
        shown = [item for item in found[name] if item.is_shown]
        says = Counter(verdict(judged.get(item.key)) for item in shown)
        lines = lines_of(trees[name])
        total += lines
        right, wrong, open_ = right + says["right"], wrong + says["wrong"], open_ + says["not judged"]
        notes = len(found[name]) - len(shown)
        rate = f"{1000 * len(shown) / lines:.3f}"
        rows.append(
            [
                name,
                f"`{commit[:12]}`",
                f"{lines:,}",
                str(len(shown)),
                str(says["right"]),
                str(says["wrong"]),
                rate,
                str(notes),
            ]
        )
    shown_in_all = right + wrong + open_
    precision = f"{right / shown_in_all:.0%}" if shown_in_all else "no finding"
    rows.append(
        [
            "**all**",
            "",
            f"{total:,}",
            str(shown_in_all),
            str(right),
            str(wrong),
            f"{1000 * shown_in_all / total:.3f}",
            "",
        ]
    )
    listed = "\n".join(_line(item, judged.get(item.key)) for items in found.values() for item in items)
    page.write(
        "repositories",
        "Findings in well-known repositories",
        "The repositories and commits were fixed before the rules were written (`benchmarks/repositories/commits.json`). "
        "Every finding was judged by two readers who did not see each other's answer: is the stated cost really there, at "
        "this line? A finding is right when both say so. Default persona, 8 CPUs; errors and warnings are what the "
        "promise is about, notes are listed below as well.",
        [
            "repository",
            "commit",
            "lines of Python",
            "errors and warnings",
            "right",
            "wrong",
            "per 1,000 lines",
            "notes",
        ],
        rows,
        f"Precision of errors and warnings: **{precision}** ({right} of {shown_in_all}; asked: 95 %). Density: "
        f"**{1000 * shown_in_all / total:.3f}** per 1,000 lines (asked: at most 0.3)."
        + (f" **{open_} not judged yet.**" if open_ else "")
        + f"\n\n{json.loads((HERE / 'commits.json').read_text())['history']}"
        + f"\n\n## Every finding\n\n| finding | severity | first reader | second reader |\n|---|---|---|---|\n{listed}",
    )


def verdict(judgement: dict[str, str] | None) -> str:
    """Right when both readers say so; wrong as soon as one of them says so."""
    if judgement is None:
        return "not judged"
    return "right" if judgement["first"].startswith("right") and judgement["second"].startswith("right") else "wrong"


def _line(item: Found, judgement: dict[str, str] | None) -> str:
    said = judgement or {"first": "", "second": ""}
    cells = [item.key, item.document["severity"], said["first"], said["second"]]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
