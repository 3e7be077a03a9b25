"""The recorder of macOS and Windows, run on Linux: real processes, and what the kernel says they used as the oracle.

`portable` uses what psutil tells on Linux; `portable:darwin` and `portable:win32` no more than it tells there. None of
this is a test on macOS or Windows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

KINDS = pytest.mark.parametrize("kind", ["portable", "portable:darwin", "portable:win32"])
EXACT = pytest.mark.parametrize("kind", ["portable", "portable:darwin"])  # they hear what was waited for
TICK_S = 0.05  # CPU time comes in ticks of 10 ms, rounded once for each of a few processes
BURN = "import time; t = time.process_time()\nwhile time.process_time() - t < {}: pass"


@pytest.fixture
def portable(wattleak: CommandLine, kind: str) -> CommandLine:
    wattleak.env["WATTLEAK_RECORDER_KIND"] = kind
    wattleak.env["WATTLEAK_METERS"] = "cpu-model"
    return wattleak


def script(wattleak: CommandLine, text: str) -> str:
    path = wattleak.folder / "job.py"
    path.write_text(textwrap.dedent(text))
    return str(path)


def measure(wattleak: CommandLine, *words: str, code: int | None = 0) -> dict[str, Any]:
    return wattleak.document("measure", "--", *words, code=code)


def unseen_s(wattleak: CommandLine, run_id: str) -> float:
    """What the last sample says may be missing."""
    lines = (wattleak.folder / ".wattleak" / "runs" / run_id / "journal.jsonl").read_text().splitlines()
    samples = [json.loads(line[9:]) for line in lines if '"k":"s"' in line]
    return float(samples[-1]["u"])


def wait_until(holds: Any, within_s: float = 20.0) -> Any:
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


class TestCpuTime:
    FOUR = """
        import resource, subprocess, sys, time
        burn = "import time; t = time.process_time()\\nwhile time.process_time() - t < 0.5: pass"
        for child in [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(4)]:
            child.wait()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        open("truth", "w").write(str(sum(u.ru_utime + u.ru_stime for u in used)))
    """
    SHORT = """
        import resource, subprocess, sys
        for _ in range(25):
            subprocess.run([sys.executable, "-c", "import json"], check=True)
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        open("truth", "w").write(str(sum(u.ru_utime + u.ru_stime for u in used)))
    """

    @EXACT
    @pytest.mark.parametrize("program", [FOUR, SHORT], ids=["four busy children", "25 short children"])
    def test_children_that_were_waited_for_are_exact(self, portable: CommandLine, kind: str, program: str) -> None:
        document = measure(portable, sys.executable, script(portable, program))
        truth_s = float((portable.folder / "truth").read_text())

        assert document["cpu_s"] == pytest.approx(truth_s, abs=TICK_S)
        assert document["user_s"] + document["system_s"] == pytest.approx(document["cpu_s"], abs=0.001)
        assert not any("may be missing" in note for note in document["notes"])

    @pytest.mark.parametrize("kind", ["portable:win32"])
    @pytest.mark.parametrize("program", [FOUR, SHORT], ids=["four busy children", "25 short children"])
    def test_where_nobody_tells_of_the_dead_the_loss_is_bounded_and_said(
        self, portable: CommandLine, kind: str, program: str
    ) -> None:
        document = measure(portable, sys.executable, script(portable, program))
        truth_s = float((portable.folder / "truth").read_text())
        most_s = document["cpu_s"] + unseen_s(portable, document["run_id"])

        assert document["cpu_s"] - TICK_S <= truth_s <= most_s + TICK_S
        assert any("CPU-seconds may be missing" in note for note in document["notes"])
        assert document["user_s"] is None  # of the whole tree it is not known
        (cpu,) = (item for item in document["attributed"] if item["channel"] == "cpu")
        per_second_j = cpu["energy_j"] / document["cpu_s"]
        assert cpu["low_j"] <= per_second_j * truth_s <= cpu["high_j"]

    @KINDS
    def test_an_orphan_is_waited_for_and_counted_to_the_last_look(self, portable: CommandLine, kind: str) -> None:
        orphan = """
            import time
            t = time.process_time()
            while time.process_time() - t < 0.8: pass
            open("truth", "w").write(str(time.process_time()))
        """
        (portable.folder / "orphan.py").write_text(textwrap.dedent(orphan))
        program = """
            import subprocess, sys, time
            subprocess.Popen([sys.executable, "orphan.py"], start_new_session=True)
            time.sleep(0.3)
        """
        document = measure(portable, sys.executable, script(portable, program))
        truth_s = float((portable.folder / "truth").read_text())

        assert truth_s - unseen_s(portable, document["run_id"]) - 3 * TICK_S <= document["cpu_s"] <= truth_s + 0.3
        assert document["duration_s"] > 0.8

    @KINDS
    def test_a_daemon_that_nobody_saw_leave_is_found_by_its_mark(self, portable: CommandLine, kind: str) -> None:
        program = """
            import os, subprocess, sys
            burn = "import time; time.sleep(0.4); t = time.process_time()\\nwhile time.process_time() - t < 0.8: pass"
            if os.fork() == 0:
                subprocess.Popen([sys.executable, "-c", burn], start_new_session=True)
                os._exit(0)
            os.wait()
        """
        document = measure(portable, sys.executable, script(portable, program))

        assert document["cpu_s"] > 0.5

    @KINDS
    def test_one_process_gives_the_same_as_the_linux_recorder(self, portable: CommandLine, kind: str) -> None:
        burn = BURN.format(0.6)
        ours = measure(portable, sys.executable, "-c", burn)
        portable.env["WATTLEAK_RECORDER_KIND"] = "linux"
        linux = measure(portable, sys.executable, "-c", burn)

        assert linux["cpu_s"] == pytest.approx(0.62, abs=0.08)
        if kind == "portable:win32":  # Linux has no handle that keeps the times of the dead: the tail is missing here
            assert (
                linux["cpu_s"] - unseen_s(portable, ours["run_id"]) - TICK_S <= ours["cpu_s"] <= linux["cpu_s"] + TICK_S
            )
        else:
            assert ours["cpu_s"] == pytest.approx(linux["cpu_s"], abs=TICK_S)


class TestPassThrough:
    @KINDS
    @pytest.mark.parametrize("code", [0, 7, 255])
    def test_exit_code(self, portable: CommandLine, kind: str, code: int) -> None:
        assert portable("measure", "-q", "--", sys.executable, "-c", f"raise SystemExit({code})").returncode == code

    @EXACT
    def test_a_signal_that_ended_it(self, portable: CommandLine, kind: str) -> None:
        document = measure(portable, "sh", "-c", "kill -9 $$", code=137)

        assert (document["signal"], document["complete"]) == (9, False)

    @EXACT
    def test_standard_streams_are_the_commands_own(self, portable: CommandLine, kind: str) -> None:
        done = portable("measure", "-q", "--", "cat", input="through\n")

        assert (done.stdout, done.stderr) == ("through\n", "")

    @EXACT
    def test_sigterm_reaches_the_program_which_may_clean_up(self, portable: CommandLine, kind: str) -> None:
        program = """
            import signal, sys, time
            def stop(*_):
                open("cleaned", "w").close()
                sys.exit(3)
            signal.signal(signal.SIGTERM, stop)
            open("up", "w").close()
            time.sleep(60)
        """
        process = portable.start("measure", "-q", "--", sys.executable, script(portable, program))
        wait_until((portable.folder / "up").exists)
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 3
        assert (portable.folder / "cleaned").exists()

    @EXACT
    def test_what_cannot_be_started(self, portable: CommandLine, kind: str) -> None:
        (portable.folder / "text").write_text("no program")
        (portable.folder / "text").chmod(0o755)

        assert portable("measure", "--", "no-such-program").returncode == 127
        assert portable("measure", "--", "./text").returncode == 126

    @EXACT
    def test_steps_and_spans_of_the_program(self, portable: CommandLine, kind: str) -> None:
        program = f"""
            import wattleak
            with wattleak.measure("train"):
                for _ in range(100): wattleak.step()
                {BURN.format(0.3).replace(chr(10), chr(10) + " " * 16)}
        """
        document = measure(portable, sys.executable, script(portable, program))

        assert [span["name"] for span in document["spans"]] == ["train"]
        assert document["spans"][0]["cpu_s"] == pytest.approx(0.3, abs=0.1)
        assert [step["count"] for step in document["steps"]] == [100]

    @pytest.mark.parametrize("kind", ["portable:darwin"])
    def test_what_the_platform_does_not_count_is_absent(self, portable: CommandLine, kind: str) -> None:
        document = measure(portable, sys.executable, "-c", "open('x', 'wb').write(bytes(1 << 22))")
        shown = portable("report", document["run_id"])

        assert document["read_b"] is None
        assert document["written_b"] is None
        assert "written" not in shown.stdout

    def test_a_recorder_that_does_not_exist(self, wattleak: CommandLine) -> None:
        wattleak.env["WATTLEAK_RECORDER_KIND"] = "portable:amiga"
        done = wattleak("measure", "--", "true")

        assert done.returncode == 2
        assert "portable:darwin" in done.stderr


class TestKills:
    PROGRAM = BURN.format(0.4) + "\nopen('up', 'w').close()\ntime.sleep(1.2)\nopen('ended', 'w').close()"

    def started(self, portable: CommandLine) -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process]:
        """The command line, its recorder, and the workload, which has worked by now."""
        process = portable.start("measure", "-q", "--", sys.executable, "-c", self.PROGRAM)
        wait_until((portable.folder / "up").exists)
        (recorder,) = psutil.Process(process.pid).children()
        (workload,) = recorder.children()
        return process, recorder, workload

    @KINDS
    def test_of_the_workload(self, portable: CommandLine, kind: str) -> None:
        process, _, workload = self.started(portable)
        workload.kill()

        assert process.wait(20) == 137
        (row,) = portable.document("list")["runs"]
        assert row["complete"] is False
        assert row["cpu_s"] > 0.2

    @KINDS
    def test_of_the_recorder(self, portable: CommandLine, kind: str) -> None:
        process, recorder, _ = self.started(portable)
        time.sleep(0.5)  # a sample after the work, as a second between samples allows
        recorder.kill()

        assert process.wait(20) == 125  # the work went on to its end; only its exit code has nobody to tell it
        assert (portable.folder / "ended").exists()
        (row,) = portable.document("list")["runs"]
        assert row["complete"] is False
        assert row["cpu_s"] > 0.2

    @KINDS
    def test_of_the_command_line(self, portable: CommandLine, kind: str) -> None:
        process, recorder, _ = self.started(portable)
        process.kill()
        wait_until(lambda: not recorder.is_running() or recorder.status() == psutil.STATUS_ZOMBIE)

        assert (portable.folder / "ended").exists()
        (row,) = portable.document("list")["runs"]
        assert row["complete"] is False
        assert row["cpu_s"] > 0.3
        assert row["duration_s"] > 1.4


class TestExperiments:
    @KINDS
    def test_compare_ends_what_runs_too_long_and_leaves_nothing(self, portable: CommandLine, kind: str) -> None:
        program = """
            import os, subprocess, sys, time
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            open("pids", "a").write(f"{os.getpid()} {child.pid} ")
            time.sleep(300)
        """
        command = f"{sys.executable} {script(portable, program)}"
        done = portable("compare", "-q", "--blocks", "2", "--warmups", "0", "--timeout", "1", command, command)
        assert done.returncode == 3  # nothing that can be trusted

        for pid in map(int, (portable.folder / "pids").read_text().split()):
            with contextlib.suppress(psutil.NoSuchProcess):
                wait_until(lambda pid=pid: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

    def test_both_recorders_agree_about_an_experiment(self, wattleak: CommandLine) -> None:
        (wattleak.folder / "a.py").write_text(BURN.format(0.2))
        (wattleak.folder / "b.py").write_text(BURN.format(0.4))
        ratios = []
        for kind in ("linux", "portable:darwin"):
            wattleak.env["WATTLEAK_RECORDER_KIND"] = kind
            words = ("--metric", "cpu_s", "--blocks", "3", "--warmups", "0")
            document = wattleak.document("compare", *words, f"{sys.executable} a.py", f"{sys.executable} b.py")
            ratios.append(document["metrics"]["cpu_s"]["change"])

        assert ratios[0] == pytest.approx(0.9, abs=0.2)  # 0.42 over 0.22
        assert ratios[1] == pytest.approx(ratios[0], abs=0.25)


class TestBlocksOfAProgram:
    def run(self, folder: Path, text: str, kind: str) -> Any:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(text)],
            cwd=folder,
            env={**inherited, "WATTLEAK_RECORDER_KIND": kind},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    @EXACT
    def test_as_a_notebook_does_it(self, tmp_path: Path, kind: str) -> None:
        """Cells are executed one by one, off the main thread, by a program with no terminal and an event loop."""
        before = """
            import json, subprocess, sys, time, wattleak
            t = time.process_time()
            while time.process_time() - t < 0.5: pass
        """
        block = """
            child = "import time; t = time.process_time()\\nwhile time.process_time() - t < 0.3: pass"
            with wattleak.measure("cell") as m:
                t = time.thread_time()
                while time.thread_time() - t < 0.3: pass
                subprocess.run([sys.executable, "-c", child], check=True)
        """
        cells = [textwrap.dedent(cell) for cell in (before, block, "with wattleak.measure('again') as n: pass")]
        found = self.run(
            tmp_path,
            f"""
            import asyncio, json
            namespace = {{}}
            async def kernel():
                for cell in {cells!r}:
                    await asyncio.to_thread(exec, cell, namespace)
            asyncio.run(kernel())
            m, n = namespace["m"], namespace["n"]
            print(json.dumps([m.cpu_s, m.measurement.complete, n.cpu_s, m.run_id != n.run_id]))
            """,
            kind,
        )
        cpu_s, complete, again_s, other_run = found

        assert 0.58 < cpu_s < 0.8  # the block and its child, neither the cell before nor the recorder
        assert complete
        assert again_s < 0.1
        assert other_run

    @KINDS
    def test_a_program_killed_inside_a_block(self, wattleak: CommandLine, kind: str) -> None:
        wattleak.env["WATTLEAK_RECORDER_KIND"] = kind
        text = f"import os, wattleak\nwith wattleak.measure('train'):\n    exec({BURN.format(0.4)!r})\n    os.abort()"
        subprocess.run([sys.executable, "-c", text], cwd=wattleak.folder, env=wattleak.env, check=False)

        def row() -> Any:
            found = wattleak.document("list")["runs"][0]
            return found if found["incomplete_reason"] != "still running" else None

        found = wait_until(row)
        assert found["complete"] is False
        assert found["duration_s"] >= 0.3

    @EXACT
    def test_a_stranger_is_sent_away(self, tmp_path: Path, kind: str) -> None:
        answers = self.run(
            tmp_path,
            """
            import json, os, socket, wattleak
            def knock(words):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                    line.sendall(words.encode())
                    return line.recv(100).decode()
            with wattleak.measure("job") as job:
                _, port, token = os.environ["WATTLEAK_RECORDER"].split(":")
                answers = [knock("open - forged\\n"), knock("0" * 32 + "\\nopen - forged\\n")]
                answers.append(knock(token + "\\nopen - real\\n"))
            print(json.dumps([answers, [span.name for span in job.measurement.spans]]))
            """,
            kind,
        )

        assert answers == [["", "", "1\n"], ["real"]]
