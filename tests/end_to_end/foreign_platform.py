"""A Linux that lacks what macOS or Windows lack: `python foreign_platform.py PLATFORM import|run`, words on stdin.

It imports modules, or runs wattleak's command line, in a process that finds no /proc and no /sys, and from which the
names were taken away that the standard library documents as missing there (Python 3.11 to 3.13). It is no macOS and no
Windows: paths, signals and processes stay Linux's. It shows where our code reaches for what does not exist there.

What the standard library and other packages have imported for themselves by then was made for this system and stays
whole. Only ours is under test.
"""

from __future__ import annotations

# ruff: noqa: F401 - imported so that they are whole
import argparse
import asyncio
import atexit
import builtins
import concurrent.futures
import concurrent.futures.process
import csv
import ctypes
import dataclasses
import difflib
import fcntl
import gzip
import hashlib
import html
import http.server
import importlib.metadata
import inspect
import io
import json
import logging
import mmap
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import multiprocessing.shared_memory
import os
import platform as platform_module
import random
import runpy
import select
import selectors
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import types
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rich.console
import rich.progress
import rich.table
import scipy.optimize
import scipy.special
import scipy.stats
import shtab
import statsmodels.api

MODULES = {
    "win32": ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "readline", "syslog"),
    "darwin": (),
}
OS_NAMES = {
    "win32": (
        *("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "getpgrp", "getsid"),
        *("getloadavg", "killpg", "mkfifo", "nice", "posix_spawn", "posix_spawnp", "pidfd_open", "pread", "pwrite"),
        *("preadv", "pwritev", "sched_getaffinity", "sched_setaffinity", "setsid", "setpgid", "fstatvfs"),
        *("sysconf", "sysconf_names", "confstr", "uname", "wait3", "wait4", "waitid", "chown", "fchown", "fchmod"),
        *("fdatasync", "posix_fallocate", "posix_fadvise", "register_at_fork", "O_CLOEXEC", "O_NONBLOCK"),
        *("O_DIRECTORY", "O_NOFOLLOW", "WNOHANG", "WIFEXITED", "WEXITSTATUS", "WIFSIGNALED", "WTERMSIG", "P_PID"),
        *("P_PIDFD", "memfd_create", "eventfd", "POSIX_SPAWN_OPEN", "getresuid", "sendfile", "openpty", "lockf"),
    ),
    "darwin": (
        *("pidfd_open", "sched_getaffinity", "sched_setaffinity", "fdatasync", "posix_fallocate", "posix_fadvise"),
        *("memfd_create", "eventfd", "P_PIDFD", "getresuid"),
    ),
}
SIGNALS = {
    "win32": ("SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "SIGPIPE"),
    "darwin": (),
}


class Missing:
    """Finds the modules of other systems not to exist."""

    def __init__(self, names: tuple[str, ...], platform: str) -> None:
        self.names = names
        self.platform = platform

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ImportError(f"No module named {name!r} on {self.platform}")


def stand_in_for_msvcrt() -> types.ModuleType:
    """Locks as msvcrt does, seen by the recorder, which is a Linux process here and uses flock."""
    msvcrt = types.ModuleType("msvcrt")

    def locking(fd: int, mode: int, _size: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN if mode == 0 else fcntl.LOCK_SH | fcntl.LOCK_NB)

    vars(msvcrt).update(locking=locking, LK_UNLCK=0, LK_LOCK=1, LK_NBLCK=2)
    return msvcrt


def hide_proc() -> None:
    """No /proc and no /sys, but for psutil: it has other sources on other systems."""
    folder = tempfile.mkdtemp(prefix="wattleak-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder, "p").symlink_to("/proc")
    psutil.PROCFS_PATH = f"{folder}/p"
    for module, name in (
        (builtins, "open"),
        (io, "open"),
        *((os, name) for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "access")),
    ):
        setattr(module, name, hiding(getattr(module, name)))


def hiding(function: Any) -> Any:
    def call(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
        if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(("/proc/", "/sys/")):
            raise FileNotFoundError(2, "No such file or directory", os.fsdecode(path))
        return function(path, *args, **kwargs)

    return call


def become(platform: str) -> None:
    hide_proc()
    for name in MODULES[platform]:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Missing(MODULES[platform], platform))  # type: ignore[arg-type]
    for module in (os, signal):  # subprocess looks names up as it runs, and was made for this system
        whole = types.ModuleType(module.__name__)
        whole.__dict__.update(module.__dict__)
        setattr(subprocess, module.__name__, whole)
    for module, names in ((os, OS_NAMES[platform]), (signal, SIGNALS[platform])):
        for name in names:
            vars(module).pop(name, None)
    if platform == "win32":
        for module, name in ((socket, "AF_UNIX"), (select, "poll"), (select, "epoll")):
            vars(module).pop(name, None)
        sys.modules["msvcrt"] = stand_in_for_msvcrt()
    if platform == "darwin":
        vars(select).pop("epoll", None)
    sys.platform = platform


def imports_that_fail(names: list[str]) -> dict[str, str]:
    failed = {}
    for name in names:
        try:
            __import__(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is for
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


def run(words: list[str]) -> tuple[int, str, str]:
    """One command line: exit code, standard output, standard error."""
    sys.argv = ["wattleak", *words]
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code: object = 0
        try:
            runpy.run_module("wattleak", run_name="__main__", alter_sys=True)
        except SystemExit as exit_:
            code = exit_.code
        sys.stdout.flush()
        sys.stderr.flush()
        for number, fd in enumerate(kept, start=1):
            os.dup2(fd, number)
            os.close(fd)
        for file in (out, err):
            file.seek(0)
        return int(code or 0), out.read(), err.read()  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a name for the path of imports
    become(sys.argv[1])
    given = json.load(sys.stdin)
    print(json.dumps(imports_that_fail(given) if sys.argv[2] == "import" else [run(words) for words in given]))
