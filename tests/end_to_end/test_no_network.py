"""No verb touches the network unless it is asked to.

The kernel is the witness: a seccomp filter, inherited by every process that a verb starts (the recorder, the measured
program), kills whoever asks for an internet socket. Names are looked up through such sockets, too. What runs to its
end under the filter has not tried. A namespace without network (`unshare`) then shows that nothing needs one.
"""

from __future__ import annotations

import json
import platform
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

# Runs argv[1:] under the filter: load the architecture, the number of the call and its first argument, and kill the
# process for socket(AF_INET or AF_INET6, ...). Structures and numbers: seccomp(2), linux/filter.h, linux/audit.h.
FILTERED = """
import ctypes, os, struct, sys
ARCH, SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}[os.uname().machine]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
KILL, ALLOW = 0x80000000, 0x7FFF0000
program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD, 0, 0, 4), (EQUAL, 0, 5, ARCH),
    (LOAD, 0, 0, 0), (EQUAL, 0, 3, SOCKET),
    (LOAD, 0, 0, 16), (EQUAL, 2, 0, 2), (EQUAL, 1, 0, 10),
    (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, KILL)))
memory = ctypes.create_string_buffer(program, len(program))
class Program(ctypes.Structure):
    _fields_ = [("steps", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
filtered = Program(len(program) // 8, ctypes.addressof(memory))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filtered), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
"""
INTERNET = "import socket; socket.socket(socket.AF_INET{}, socket.SOCK_DGRAM)"
LOOK_UP = "import socket; socket.getaddrinfo('example.org', 80)"


def filtered(*command: str) -> list[str]:
    return [sys.executable, "-c", FILTERED, *command]


def a_filter_can_be_set() -> bool:
    if platform.machine() not in {"x86_64", "aarch64"} or not sys.platform.startswith("linux"):
        return False
    return subprocess.run(filtered("true"), capture_output=True, check=False).returncode == 0


def a_namespace_can_be_made() -> bool:
    words = ["unshare", "-rn", "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )


needs_filter = pytest.mark.skipif(not a_filter_can_be_set(), reason="this kernel sets no seccomp filter for us")
needs_namespace = pytest.mark.skipif(not a_namespace_can_be_made(), reason="no network namespace can be made here")

SMALL = f"{sys.executable} -c pass"
VERBS = [
    ("measure", "--", sys.executable, "-c", "pass"),
    ("measure", "--region", "DE", "--json", "--", sys.executable, "-c", "pass"),
    (
        "measure",
        "--region",
        "aws:eu-north-1",
        "--price",
        "0.3 EUR",
        "--equivalents",
        "--",
        sys.executable,
        "-c",
        "pass",
    ),
    ("measure", "--intensity", "350", "--no-probes", "--", sys.executable, "-c", "pass"),
    ("compare", SMALL, SMALL, "--runs", "2", "--warmups", "0", "--report"),
    ("scan", "."),
    ("doctor", "--quick"),
    ("doctor", "--noise-seconds", "0.1", "--json"),
    ("list",),
    ("explain",),
    ("explain", "PAR001"),
    ("explain", "steal-time"),
    ("completion", "bash"),
    ("prove", "program.py"),
    ("project", "--scenario", "lhc"),
]


def run(wattleak: CommandLine, prefix: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *wattleak.command, *words],
        cwd=wattleak.folder,
        env=wattleak.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@needs_filter
@pytest.mark.parametrize("program", [INTERNET.format(""), INTERNET.format("6"), LOOK_UP])
def test_the_filter_kills_who_asks_for_the_network_and_nobody_else(wattleak: CommandLine, program: str) -> None:
    """Also when it is a grandchild, and through the recorder: the measured program's death is what measure reports."""
    direct = subprocess.run(filtered(sys.executable, "-c", program), capture_output=True, check=False)
    through = run(wattleak, filtered(), "measure", "-q", "--", sys.executable, "-c", program)
    local = subprocess.run(
        filtered(sys.executable, "-c", "import socket; socket.socketpair()"), capture_output=True, check=False
    )

    assert direct.returncode == -signal.SIGSYS
    assert through.returncode == 128 + signal.SIGSYS
    assert local.returncode == 0


@needs_filter
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_asks_for_the_network(wattleak: CommandLine, words: tuple[str, ...]) -> None:
    (wattleak.folder / "program.py").write_text("import torch\nprint(torch)\n")
    done = run(wattleak, filtered(), *words)

    assert done.returncode == 0, done.stderr


@needs_filter
@pytest.mark.parametrize(
    "asked", [("--provider", "uk-carbon-intensity", "--region", "GB"), ("--region", "auto")], ids=" ".join
)
def test_only_who_is_asked_to_goes_to_the_network(wattleak: CommandLine, asked: tuple[str, ...]) -> None:
    """The filter ends these: it would have ended the others, had they tried."""
    done = run(wattleak, filtered(), "measure", *asked, "--no-probes", "--", "true")

    assert done.returncode == -signal.SIGSYS


@needs_filter
@pytest.mark.parametrize("form", ["html", "text", "markdown"])
def test_no_report_asks_for_the_network(wattleak: CommandLine, form: str) -> None:
    run_id = json.loads(wattleak("measure", "--json", "--", "true").stdout)["run_id"]
    assert run(wattleak, filtered(), "report", run_id, "--format", form).returncode == 0


@needs_namespace
@pytest.mark.parametrize("words", [VERBS[0], VERBS[2], VERBS[4]], ids=" ".join)
def test_nothing_needs_one_either(wattleak: CommandLine, words: tuple[str, ...]) -> None:
    """Not even the loopback interface is up in there."""
    done = run(wattleak, ["unshare", "-rn"], *words)

    assert done.returncode == 0, done.stderr
