"""Runs programs one after the other, each in a fork of a process that has imported the framework already.

    python one_by_one.py torch,torch._dynamo results.json program.py[?argument[?argument...]] ...

Each program is __main__ in a process of its own, with the agent's hooks in place; results.json tells its pid and exit
code. Only the seconds that the import takes are shared.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path


def next_program(words: list[str], results: list[dict]) -> list[str] | None:
    """Return the words of a program in each of the children, one after the other; None in the parent, at the end."""
    for word in words:
        pid = os.fork()
        if pid == 0:
            cpus = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cpus[os.getpid() % len(cpus)]})  # threads would spin for each other
            return word.split("?")
        _, status, used = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        results.append({"program": word, "pid": pid, "exit_code": code, "cpu_s": used.ru_utime + used.ru_stime})
    return None


def main() -> None:
    for name in sys.argv[1].split(","):
        importlib.import_module(name)
    gc.freeze()  # or the children would copy what the import has made, page by page
    results: list[dict] = []
    words = next_program(sys.argv[3:], results)
    if words is None:
        Path(sys.argv[2]).write_text(json.dumps(results), encoding="utf-8")
        return
    sys.argv = words
    sys.path.insert(0, str(Path(words[0]).parent))
    runpy.run_path(words[0], run_name="__main__")
    atexit._run_exitfuncs()  # the end of a program, without the half second in which all of torch is taken apart
    sys.stdout.flush()
    os._exit(0)


main()
