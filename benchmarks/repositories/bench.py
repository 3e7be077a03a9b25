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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks import page

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("WATTLEAK_BENCH_CACHE") or Path.home() / ".cache" / "wattleak" / "bench") / "repositories"
READ = (".py", ".pyw", ".ipynb", ".sh", ".bash", ".sbatch", ".slurm", ".yml", ".yaml", ".toml", ".json", ".env")
SHOWN = ("error", "warning")  # what the promise is about; notes are listed, too
ABSENT = ".absent"  # what a mirror did not have
AROUND = 12  # lines of a finding that a reader sees on each side


@dataclass(frozen=True)
class Group:
    """Repositories that were chosen together."""

    name: str
    fixed_on: str
    note: str
    history: str
    repositories: dict[str, str]


@dataclass
class Tally:
    """What readers said of the errors and warnings of some repositories."""

    lines: int = 0
    notes: int = 0
    says: Counter[str] = field(default_factory=Counter)

    @property
    def shown(self) -> int:
        return self.says.total()

    def add(self, other: Tally) -> None:
        self.lines += other.lines
        self.notes += other.notes
        self.says += other.says

    def row(self, name: str, commit: str) -> list[str]:
        counts = (self.lines, self.shown, self.says["right"], self.says["wrong"])
        return [
            name,
            commit,
            *(f"{count:,}" for count in counts),
            f"{1000 * self.shown / self.lines:.3f}",
            str(self.notes),
        ]

    def sentence(self) -> str:
        """Precision with its exact 95 % interval (Clopper and Pearson, 1934), and density."""
        judged = self.says["right"] + self.says["wrong"]
        if not judged:
            return "No error or warning was judged."
        interval = binomtest(self.says["right"], judged).proportion_ci(0.95, method="exact")
        return (
            f"Precision of errors and warnings: **{self.says['right'] / judged:.0%}** ({self.says['right']} of {judged}; 95 % interval "
            f"{interval.low:.0%} to {interval.high:.0%}; asked: 95 %). Density: **{1000 * self.shown / self.lines:.3f}** per 1,000 lines "
            "(asked: at most 0.3)."
            + (f" **{self.says['not judged']} not judged yet.**" if self.says["not judged"] else "")
        )


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
    groups = [Group(name, **kept) for name, kept in json.loads((HERE / "commits.json").read_text())["groups"].items()]
    commits = {name: commit for group in groups for name, commit in group.repositories.items()}
    trees = {name: tree(name, commit, asked.mirrors) for name, commit in commits.items()}
    found = {name: scan(name, path) for name, path in trees.items()}
    kept = HERE / "judgements.json"
    judged: dict[str, dict[str, str]] = json.loads(kept.read_text()) if kept.exists() else {}
    if asked.unjudged:
        every = [item for items in found.values() for item in items if item.key not in judged]
        print(json.dumps([_question(item, trees[item.repository]) for item in every], indent=1))
        return
    write(groups, trees, found, judged)


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
    groups: list[Group], trees: dict[str, Path], found: dict[str, list[Found]], judged: dict[str, dict[str, str]]
) -> None:
    rows, parts, all_ = [], [], Tally()
    for group in groups:
        together = Tally()
        for name, commit in group.repositories.items():
            tally = tallied(trees[name], found[name], judged)
            rows.append(tally.row(name, f"`{commit[:12]}`"))
            together.add(tally)
        rows.append(together.row(f"**{group.name}**", ""))
        parts.append(
            f"**{group.name.capitalize()}** ({group.fixed_on}). {group.note} {together.sentence()} {group.history}".strip()
        )
        all_.add(together)
    rows.append(all_.row("**all**", ""))
    listed = "\n".join(_line(item, judged.get(item.key)) for items in found.values() for item in items)
    page.write(
        "repositories",
        "Findings in well-known repositories",
        "Repositories and commits are in `benchmarks/repositories/commits.json`. Every finding was judged by two readers who did not see "
        "each other's answer: is the stated cost really there, at this line? A finding is right when both say so. Default persona, "
        "8 CPUs; errors and warnings are what the promise is about, notes are listed below as well.",
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
        "\n\n".join((*parts, f"**All.** {all_.sentence()}"))
        + f"\n\n## Every finding\n\n| finding | severity | first reader | second reader |\n|---|---|---|---|\n{listed}",
    )


def tallied(tree: Path, found: list[Found], judged: dict[str, dict[str, str]]) -> Tally:
    shown = [item for item in found if item.is_shown]
    return Tally(lines_of(tree), len(found) - len(shown), Counter(verdict(judged.get(item.key)) for item in shown))


def verdict(judgement: dict[str, str] | None) -> str:
    """Right when both readers say so; wrong as soon as one of them says so."""
    if judgement is None:
        return "not judged"
    return "right" if judgement["first"].startswith("right") and judgement["second"].startswith("right") else "wrong"


def _line(item: Found, judgement: dict[str, str] | None) -> str:
    said = judgement or {"first": "", "second": ""}
    cells = [item.key, item.document["severity"], said["first"], said["second"]]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
