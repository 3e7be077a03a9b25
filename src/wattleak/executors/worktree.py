"""The project as a git commit has it, in a folder of its own: what `--against main` runs.

    TMP/wattleak-worktree-XXXX/lock     held as long as the experiment lives
    TMP/wattleak-worktree-XXXX/tree     `git worktree add --detach`

Nothing in the user's checkout is touched; in its .git folder git notes the worktree until it is removed. It is removed
at the end of the experiment, and where wattleak itself was killed, when the next one begins: a lock that nobody holds
says so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wattleak.model import Variant

_PREFIX = "wattleak-worktree-"
_TREE, _LOCK = "tree", "lock"


def top_level() -> Path:
    """The folder of the project that the present folder belongs to. Raises UsageError where there is no git project."""
    return Path(_git("rev-parse", "--show-toplevel"))


def commit_of(reference: str) -> str | None:
    """The full hash of the commit that a branch, tag or hash names; None when it names none, or there is no project."""
    if reference.startswith("-"):
        return None
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}") or None
    except UsageError:
        return None


def uncommitted() -> int:
    """How many files of the working tree differ from its commit; files that git ignores are left out."""
    return len(_git("status", "--porcelain").splitlines())


def submodules(commit: str) -> tuple[str, ...]:
    """Paths of the submodules of a commit: a worktree has empty folders in their places."""
    listed = _git("ls-tree", "-r", "--full-tree", commit).splitlines()
    return tuple(line.partition("\t")[2] for line in listed if line.startswith("160000 "))


def not_in_git() -> tuple[str, ...]:
    """Paths, from here, that no commit has, as far as they are not made by tools: data, most often."""
    listed = _git("status", "--porcelain", "--ignored", "--untracked-files=normal")
    top = top_level()
    paths = [
        os.path.relpath(top / line[3:].strip('"'), Path.cwd())
        for line in listed.splitlines()
        if line[:2] in {"!!", "??"}
    ]
    made = {"__pycache__", ".wattleak", ".venv", "venv", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
    return tuple(
        path for path in paths if not made & set(Path(path).parts) and not path.endswith((".pyc", ".egg-info"))
    )


@contextlib.contextmanager
def worktrees(variants: Sequence[Variant], store: Path) -> Iterator[Mapping[str, Path]]:
    """The folder of each variant that has one of its own, by its name: a worktree, removed at the end, or a copy.

    Raises UsageError when a commit cannot be checked out, a path cannot be linked, or a copy is not there any more.
    """
    copies = {variant.name: Path(variant.folder) for variant in variants if variant.folder is not None}
    for name, folder in copies.items():
        if not folder.is_dir():
            raise UsageError(f"the copy that {name} runs in is gone: {folder}", "begin a new experiment")
    wanted = [variant for variant in variants if variant.commit is not None]
    if not wanted:
        yield copies
        return
    _remove_leftovers()
    with contextlib.ExitStack() as stack:
        yield copies | {
            variant.name: stack.enter_context(_worktree(variant.commit or "", variant.linked, store))
            for variant in wanted
        }


@contextlib.contextmanager
def _worktree(commit: str, linked: Sequence[str], store: Path) -> Iterator[Path]:
    top = top_level()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        tree = folder / _TREE
        _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
        here = tree / Path.cwd().relative_to(top)
        if not here.is_dir():
            raise UsageError(
                f"commit {commit[:12]} has no folder {Path.cwd().relative_to(top)}", "start from one that it has"
            )
        for path in linked:
            _link(path, top, tree, store)
        yield here
    finally:
        _remove(folder)
        os.close(descriptor)


def _link(path: str, top: Path, tree: Path, store: Path) -> None:
    """Make a path of the working tree appear in the worktree too."""
    ours = Path(os.path.normpath(Path.cwd() / path))  # without following a link: the program opens it by this name
    try:
        place = tree / ours.relative_to(top)
    except ValueError:
        raise UsageError(f"--link {path}: it is not inside {top}", "programs find it there anyway") from None
    if not ours.exists():
        raise UsageError(f"--link {path}: there is no such file or folder", "give a path from where you are")
    if store.resolve() == ours.resolve() or ours == top:
        raise UsageError(f"--link {path}: this cannot be linked", "name the data that the program reads")
    if place.is_symlink() or place.exists():
        raise UsageError(f"--link {path}: the commit has it itself", "leave this --link out")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(ours)


def _remove_leftovers() -> None:
    """Remove the worktrees of this project whose experiment is dead."""
    for line in _git("worktree", "list", "--porcelain").splitlines():
        key, _, path = line.partition(" ")
        folder = Path(path).parent
        if key != "worktree" or Path(path).name != _TREE or not folder.name.startswith(_PREFIX):
            continue
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            _remove(folder)  # its folder is gone; git still has it in its list
            continue
        try:
            _lock(descriptor)
        except OSError:
            continue  # an experiment that runs now
        else:
            _remove(folder)
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    with contextlib.suppress(UsageError):  # it was never added, or half
        _git("worktree", "remove", "--force", "--force", str(folder / _TREE))
    shutil.rmtree(folder, ignore_errors=True)  # never through links: rmtree removes the link


def _lock(descriptor: int) -> None:
    """Raises OSError when another process holds it."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        raise UsageError(
            "a commit cannot be run in a worktree on this system", "compare two checkouts: wattleak compare A B"
        ) from None
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _git(*words: str) -> str:
    """What git prints. Raises UsageError with what it complains of."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise OwnFailure(f"cannot run git: {error.strerror}", "install git, or name a stored experiment") from error
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        raise UsageError(f"git {words[0]}: {complaint[-1] if complaint else 'failed'}", "see git status")
    return done.stdout.rstrip("\n")
