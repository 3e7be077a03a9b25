"""Say what a process that already runs is doing: threads against CPUs, quota, memory, libraries, power.

    wattleak watch 4242
    wattleak watch 4242 --json --for 30

From outside: nothing is put into the process, stopped or changed, and the cost to it is nothing. One screen that is
renewed each second, until the process ends, --for is over or Ctrl-C. With --json, one document at the end; with
--json --every SECONDS, one on a line each time. What the probes of `measure` see from outside is listed as there.

Exit code 2: there is no such process, or it belongs to somebody else. 3: it ended before it could be looked at twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from wattleak.observation.watching import Watcher

SUMMARY = "say what a process that already runs is doing"

_JSON_S = 10.0  # of a document without --for: memory has its eight readings by then
_SCREEN_EVERY_S = 1.0


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", help="the process; all that it has started is watched with it")
    parser.add_argument(
        "--for",
        dest="duration",
        metavar="SECONDS",
        help=f"end after so long (default: at the end of the process; with --json {_JSON_S:g})",
    )
    parser.add_argument("--every", metavar="SECONDS", help="with --json: a document on a line each time, until the end")
    parser.add_argument("--meters", metavar="NAMES", help="meters to use, by comma: rapl, nvml, cpu-model, replay:FILE")
    parser.add_argument(
        "--loader-trace",
        action="store_true",
        help="at the end, import its frameworks once more in a Python of their own, for the loader's own statistics",
    )
    options.add_output(parser)


def run(args: Namespace) -> int:
    if not sys.platform.startswith("linux"):
        raise UsageError("watch reads Linux' /proc, which is not here", "measure the program: wattleak measure -- ...")
    from wattleak.cli.settings import Settings
    from wattleak.environment.outside.asking import check_process

    every_s = _seconds(args.every, "--every")
    duration_s = _seconds(args.duration, "--for")
    if every_s is not None and not args.json:
        raise UsageError(
            "--every is about JSON lines", "add --json, or leave --every out: the screen is renewed anyway"
        )
    if not args.json and not sys.stdout.isatty():
        raise UsageError(
            "standard output is no terminal, and a screen that renews itself needs one",
            f"wattleak watch {args.pid} --json --for {duration_s or _JSON_S:g}",
        )
    pid = check_process(args.pid)
    settings = Settings.resolve(args)
    from wattleak.meters.probe import probe_meters
    from wattleak.observation.watching import Watcher

    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    with Watcher(pid, probed, every_s=every_s or _SCREEN_EVERY_S) as watcher:
        if args.json:
            _as_json(watcher, args, every_s=every_s, duration_s=duration_s)
        else:
            _on_screen(watcher, args, duration_s=duration_s)
    return ExitCode.DONE


def _as_json(watcher: Watcher, args: Namespace, *, every_s: float | None, duration_s: float | None) -> None:
    import json

    from wattleak.documents.watching import watched_document

    shown = 0

    def put() -> None:
        nonlocal shown
        shown += 1
        print(json.dumps(watched_document(watcher.state(thorough=True))), flush=True)

    if every_s is None:
        _until(watcher, duration_s or _JSON_S, lambda: None)
    else:
        _until(watcher, duration_s, put)
    if args.loader_trace:
        watcher.trace_loader()
    if not shown or args.loader_trace:
        put()


def _on_screen(watcher: Watcher, args: Namespace, *, duration_s: float | None) -> None:
    from rich.console import Console
    from rich.live import Live

    from wattleak.cli.terminal import style_for
    from wattleak.cli.watch_screen import draw
    from wattleak.reports.watching import tell_watched

    style = style_for(sys.stdout, args)
    console = Console(no_color=not style.color, highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        _until(
            watcher,
            duration_s,
            lambda: live.update(draw(tell_watched(watcher.state()), style, *console.size), refresh=True),
        )
    if args.loader_trace:
        watcher.trace_loader()
    # What was on the screen goes with it: the last state stays.
    console.print(draw(tell_watched(watcher.state(thorough=True)), style, console.width, None))


def _until(watcher: Watcher, duration_s: float | None, show: Callable[[], None]) -> None:
    """Look again and again until the process ends, the time is over, or Ctrl-C; `show` after each look that saw it."""
    import signal
    import time

    ends_s = None if duration_s is None else time.monotonic() + duration_s
    # Ctrl-C comes while it rests, never into the drawing of a screen: a terminal would be left half drawn.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        while not watcher.ended:
            wait_s = watcher.wait_s
            if ends_s is not None:
                if time.monotonic() >= ends_s:
                    return
                wait_s = min(wait_s, ends_s - time.monotonic())
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            watcher.sleep(max(0.0, wait_s))
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            watcher.look()
            if not watcher.ended:
                show()
    except KeyboardInterrupt:
        return  # the way to end it
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _seconds(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{name} {text} is no time", f"give seconds: {name} 10")
    return value
