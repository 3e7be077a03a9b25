"""With the agent inside, programs behave, print and end as they do without it, however they live and end."""

import os
import re
import shutil
import stat
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest
from agent_corpus import DOES, ENDS, FRAMEWORK, HOOKS
from hypothesis import given, settings
from hypothesis import strategies as st

import wattleak
from wattleak.signals import read_signals

AGENT = Path(wattleak.__file__).parent / "agent"
HEAD = "import framework, os, sys, time\nCHILD = os.getpid()\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an agent whose hooks watch `framework`, and fail on purpose."""
    root = tmp_path_factory.mktemp("programs")
    shutil.copytree(AGENT, root / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    listed = ("hooks_reported", "hooks_debugging", "hooks_cleaning", "hooks_settings", "hooks_framework")
    (root / "agent/wattleak_agent/hooks.py").write_text(f"LISTED = {{'framework': {listed}}}\n")
    (root / "agent/wattleak_agent/hooks_framework.py").write_text(HOOKS)
    (root / "lib").mkdir()
    (root / "lib/framework.py").write_text(FRAMEWORK)
    (root / "lib/framework_broken.py").write_text("import framework\nraise RuntimeError('cannot be imported')\n")
    return root


class Ran:
    """How a program ended, and what it noted."""

    def __init__(self, done, signals):
        self.stdout, self.code, self.signals = done.stdout, done.returncode, signals
        lines = re.sub("0x[0-9a-f]+", "0x", done.stderr.decode(errors="replace")).splitlines()
        # A traceback through a watched function has the frame of the watch in it: two lines, and a third of marks.
        ours = re.compile("around.py|hooks_reported.py")
        hidden = {place + step for place, line in enumerate(lines) if ours.search(line) for step in range(2)}
        self.stderr = [
            line for place, line in enumerate(lines) if place not in hidden and set(line.strip()) - set("^~ ")
        ]


def run(place, words, *, agent, search=(), env=None, cwd=None, stdin=b"in"):
    signals = place / "signals"
    shutil.rmtree(signals, ignore_errors=True)
    signals.mkdir()
    folders = [*([place / "agent"] if agent else []), *search, place / "lib"]
    given = {name: value for name, value in os.environ.items() if not name.startswith(("WATTLEAK", "PYTHON", "COV"))}
    given |= {"PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    if agent:
        given["WATTLEAK_SIGNALS"] = str(signals)
        given["WATTLEAK_METRICS"] = str(signals / "metrics")
    done = subprocess.run(
        [*map(str, words)],
        input=stdin,
        env=given,
        cwd=cwd or place,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ran(done, read_signals(signals))


def both(place, words, **more):
    without = run(place, words, agent=False, **more)
    return without, run(place, words, agent=True, **more)


def same(place, text, **more):
    script = place / "program.py"
    script.write_text(HEAD + text)
    without, within = both(place, [sys.executable, script, "--epochs", "2"], **more)
    assert (within.stdout, within.code) == (without.stdout, without.code)
    assert within.stderr == without.stderr
    return within


def of_kind(ran, kind):
    return list(ran.signals.of(kind))


@pytest.mark.parametrize("does", DOES.values(), ids=DOES)
def test_whatever_a_program_does(place, does):
    same(place, does)


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_however_a_program_ends(place, ends):
    same(place, "print(framework.work(1))\n" + ends)


@settings(max_examples=8, derandomize=True)
@given(
    does=st.lists(st.sampled_from(sorted(DOES)), min_size=2, max_size=4, unique=True),
    ends=st.sampled_from(sorted(ENDS)),
)
def test_one_trouble_after_the_other(place, does, ends):
    same(place, "\n".join([*(DOES[name] for name in does), ENDS[ends]]))


# -- that it is there at all: silence would pass everything above -----------------------------------------------------


def test_the_agent_sees_what_happens(place):
    ran = same(place, "for n in range(10):\n    framework.Layer()(n)\n")
    (calls,) = of_kind(ran, "calls")
    assert calls.number("n") == 10
    file, line, function = of_kind(ran, "call")[0].values["site"]
    assert (Path(file).name, line, function) == ("program.py", 4, "<module>")
    assert [process.pid is not None for process in ran.signals.processes] == [True]


def test_a_variable_is_seen_where_it_is_written(place):
    text = "os.environ['OMP_NUM_THREADS'] = '3'\nos.environb[b'MKL_NUM_THREADS'] = b'2'\n"
    ran = same(place, text, env={"OMP_NUM_THREADS": "7"})
    told = {fact.text("name"): (fact.text("now"), fact.number("line")) for fact in of_kind(ran, "environment")}
    assert told == {"OMP_NUM_THREADS": ("3", 3), "MKL_NUM_THREADS": ("2", 4)}


def test_a_hook_that_fails_is_reported_once_and_the_others_go_on(place):
    ran = same(place, "[framework.work(n) for n in range(9)]\nframework.Layer()(1)")
    (failure,) = of_kind(ran, "failure")
    assert "fails on purpose" in failure.text("error")
    assert of_kind(ran, "calls")[0].number("n") == 10


def test_a_hook_module_that_does_not_load_is_reported(place):
    listed = place / "agent/wattleak_agent/hooks.py"
    before = listed.read_text()
    listed.write_text("LISTED = {'framework': ('hooks_missing', 'hooks_framework')}\n")
    try:
        ran = same(place, "print(framework.work(1))")
    finally:
        listed.write_text(before)
    assert "hooks_missing" in of_kind(ran, "failure")[0].text("error")
    assert of_kind(ran, "calls")


def test_a_forked_child_reports_what_it_did_itself(place):
    text = (
        "[framework.Layer()(1) for _ in range(4)]\nif os.fork() == 0:\n    framework.Layer()(1)\nelse:\n    os.wait()\n"
    )
    ran = same(place, text)
    assert sorted(fact.number("n") for fact in of_kind(ran, "calls")) == [1, 4]
    parent, child = sorted(ran.signals.processes, key=lambda process: process.parent or 0)
    assert child.parent == parent.pid


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_report(place, method):
    text = f"""
import multiprocessing
def task():
    for _ in range(6):
        framework.Layer()(1)
if __name__ == "__main__":
    worker = multiprocessing.get_context("{method}").Process(target=task)
    worker.start(); worker.join()
    print(worker.exitcode)
"""
    ran = same(place, text)
    assert ran.stdout == b"0\n"
    assert max(fact.number("n") for fact in of_kind(ran, "calls")) == 6


def test_what_a_signal_handler_raises_inside_a_hook_is_the_programs_own(place):
    text = """
import signal
def late(*_):
    raise TimeoutError("too late")
signal.signal(signal.SIGALRM, late)
framework.interrupt = True  # the hook of the test is interrupted while it runs
for _ in range(2):
    try:
        framework.Layer()(1)
    except TimeoutError as error:
        print(error)
framework.interrupt = False
framework.Layer()(1)
"""
    script = place / "program.py"
    script.write_text(HEAD + text)
    ran = run(place, [sys.executable, script], agent=True)
    assert (ran.stdout, ran.stderr, ran.code) == (b"too late\ntoo late\n", [], 0)
    assert of_kind(ran, "failure") == []
    assert of_kind(ran, "calls")[0].number("n") == 3  # and the hook goes on


def test_what_was_noted_five_seconds_ago_outlives_a_kill(place):
    text = """
import wattleak_agent.agent as inside
inside.FLUSH_S = 0.01
framework.Layer()(1)
sys.modules["wattleak_agent"].the_agent._due_s = 0
framework.Layer()(1)
os.kill(CHILD, 9)
"""
    script = place / "program.py"
    script.write_text(HEAD + text)
    ran = run(place, [sys.executable, script], agent=True)
    assert ran.code == -9
    assert of_kind(ran, "calls")[0].number("n") == 2


# -- ways to start a program ------------------------------------------------------------------------------------------


def test_modules_console_scripts_and_code_on_the_command_line(place):
    (place / "lib/program_module.py").write_text(HEAD + "print(__name__, framework.work(1))\n")
    console = place / "train"
    console.write_text(f"#!{sys.executable}\n{HEAD}print(framework.work(1))\n")
    console.chmod(console.stat().st_mode | stat.S_IXUSR)
    for words in (
        [sys.executable, "-m", "program_module"],
        [console],
        [sys.executable, "-c", "import framework; print(framework.work(1))"],
        ["/bin/sh", "-c", f"{sys.executable} -c 'import framework; print(framework.work(1))' | cat"],
    ):
        without, within = both(place, words)
        assert (within.stdout, within.stderr, within.code) == (without.stdout, without.stderr, 0)
        assert of_kind(within, "calls"), words


def test_a_zipped_program_with_its_libraries(place, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(HEAD + "print(framework.work(1), type(framework.__loader__).__name__)\n")
    shutil.copy(place / "lib/framework.py", tmp_path / "app/framework.py")
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    without, within = both(place, [sys.executable, tmp_path / "app.pyz"])
    assert (within.stdout, within.stderr) == (without.stdout, without.stderr) == (b"2 zipimporter\n", [])
    assert of_kind(within, "calls")


ASKS_FIRST = """
import importlib.machinery, importlib.util, sys
spec = importlib.util.find_spec("framework")
print(isinstance(spec.loader, importlib.machinery.SourceFileLoader))
print(spec.loader.get_filename("framework") == spec.origin)
spec.loader = importlib.util.LazyLoader(spec.loader)
framework = sys.modules["framework"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(framework)
print(type(framework).__name__, framework.work(1), type(framework).__name__, framework.work(2))
"""


def test_a_framework_that_is_asked_for_first_and_loaded_late(place):
    script = place / "program.py"
    script.write_text(ASKS_FIRST)
    without, within = both(place, [sys.executable, script])
    assert (within.stdout, within.stderr) == (without.stdout, without.stderr)
    assert of_kind(within, "calls")


RUN_BY_A_RUNNER = """
import builtins, framework, json, os, sys, time, unittest
from unittest import mock

def refuse(*args, **kwargs):
    raise PermissionError("not in this test")

class TestFramework(unittest.TestCase):
    def test_patched(self):
        with mock.patch("os.open", refuse), mock.patch("builtins.open", refuse), mock.patch("json.dumps", refuse):
            with mock.patch("time.monotonic", lambda: 1.0), mock.patch("os.getpid", lambda: 1):
                self.assertEqual([framework.work(n) for n in range(5)], [1, 2, 3, 4, 5])
        with mock.patch.dict(sys.modules), mock.patch.object(sys, "meta_path", list(sys.meta_path)):
            del sys.modules["framework"]
            import framework as again
            self.assertEqual(again.work(1), 2)
        with mock.patch.dict(os.environ, clear=True), mock.patch.object(framework, "work", return_value=9):
            self.assertEqual(framework.work(1), 9)
        self.assertEqual(framework.Layer()(4), 8)

    def test_fails(self):
        self.assertEqual(framework.Layer()(4), 9)
"""


@pytest.mark.parametrize("runner", ["unittest", "pytest -q -p no:cacheprovider"], ids=["unittest", "pytest"])
def test_a_test_runner_that_patches_everything(place, runner):
    (place / "test_patched.py").write_text(RUN_BY_A_RUNNER)
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    without, within = both(place, [sys.executable, "-m", *runner.split(), "test_patched.py"], env=quick)
    times = re.compile(r"in [0-9.]+s")

    assert times.sub("in", within.stdout.decode()) == times.sub("in", without.stdout.decode())
    assert [times.sub("in", line) for line in within.stderr] == [times.sub("in", line) for line in without.stderr]
    assert within.code == without.code == 1
    assert of_kind(within, "calls")


@pytest.mark.parametrize(
    "options", ["-X dev -W error", "-O", "-OO -B", "-u", "-P", "-q -i"], ids=lambda options: options.replace(" ", "")
)
def test_options_of_the_interpreter(place, options):
    words = [sys.executable, *options.split(), "-c", "import framework, sys; print(framework.work(1), sys.path[:1])"]
    without, within = both(place, words, stdin=b"print(framework.work(2))\n")
    assert (within.stdout, within.stderr, within.code) == (without.stdout, without.stderr, 0)
    assert of_kind(within, "calls")


def test_a_virtual_environment_with_customisations_of_its_own(place, tmp_path):
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (site,) = home.glob("lib/*/site-packages")
    (site / "first.pth").write_text("import framework; framework.marked = 3\n")
    (site / "sitecustomize.py").write_text("import framework; print('customised', framework.work(1))\n")
    code = (
        "import framework, sys; print(framework.marked, 'sitecustomize' in sys.modules, sys.prefix != sys.base_prefix)"
    )
    without, within = both(place, [home / "bin/python", "-c", code], env={"PYTHONSAFEPATH": "1"})
    assert (within.stdout, within.stderr) == (without.stdout, without.stderr)
    assert within.stdout.startswith(b"customised 2\n3 True")
    assert [process.pid is not None for process in within.signals.processes] == [True]


def test_the_customisation_of_a_user(place, tmp_path):
    python, env = sys._base_executable, {"PYTHONUSERBASE": str(tmp_path)}
    asked = run(place, [python, "-c", "import site; print(site.getusersitepackages())"], agent=False, env=env)
    folder = Path(asked.stdout.decode().strip())
    folder.mkdir(parents=True)
    (folder / "usercustomize.py").write_text("import framework; print('mine', framework.work(1))\n")
    without, within = both(place, [python, "-c", "import framework; print(framework.work(2))"], env=env)
    assert (within.stdout, within.stderr) == (without.stdout, without.stderr) == (b"mine 2\n3\n", [])
    assert of_kind(within, "calls")


def test_standard_input_as_the_program(place):
    without, within = both(place, [sys.executable, "-"], stdin=b"import framework\nprint(framework.work(1))\n")
    assert within.stdout == without.stdout == b"2\n"
    assert of_kind(within, "calls")


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_an_interpreter_that_ignores_its_environment_has_no_agent(place, option):
    without, within = both(place, [sys.executable, option, "-c", "print('here')"])
    assert within.stdout == without.stdout
    assert within.signals.processes == ()


def test_a_read_only_folder_and_nowhere_to_report_to(place):
    words = [sys.executable, "-c", "import framework; print(framework.work(1))"]
    for target in (None, "/proc/self/nowhere", "/dev/null", ""):
        env = {} if target is None else {"WATTLEAK_SIGNALS": target}
        ran = run(place, words, agent=bool(not env), env=env, search=[place / "agent"], cwd="/proc/self")
        assert (ran.stdout, ran.stderr, ran.code) == (b"2\n", [], 0)


def test_closed_standard_error(place):
    words = ["/bin/sh", "-c", f"exec {sys.executable} -c 'import framework; print(framework.work(1))' 2>&-"]
    without, within = both(place, words)
    assert (within.stdout, within.code) == (without.stdout, without.code) == (b"2\n", 0)


@pytest.mark.parametrize(
    "text",
    [
        "print('mine'); import sys; print(__name__, __file__, sys.modules[__name__].__spec__.name)",
        "raise RuntimeError('mine is broken')",
        "import no_such_module",
    ],
    ids=["prints", "fails", "imports what is not there"],
)
def test_the_sitecustomize_that_was_there_runs_as_before(place, tmp_path, text):
    (tmp_path / "sitecustomize.py").write_text(text)
    command = "import sys; print(sorted(n for n in sys.modules if n == 'sitecustomize'), sys.path[1:3])"
    without, within = both(place, [sys.executable, "-c", command], search=[tmp_path])
    assert (within.stdout, within.code) == (without.stdout, without.code)
    assert within.stderr == without.stderr


# -- Python versions --------------------------------------------------------------------------------------------------


def other_python(minor):
    """An interpreter of that version on this machine; None: there is none that starts."""
    name = f"python3.{minor}"
    for path in (*Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"), shutil.which(name)):
        if path is not None and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            return path
    return None


@pytest.mark.parametrize("minor", range(9, 15))
def test_on_the_pythons_that_people_have(place, minor):
    python = other_python(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    script = place / "program.py"
    script.write_text(HEAD + "print([framework.work(n) for n in range(3)], sys.path[1:])\n" + DOES["forks and ends"])
    without, within = both(place, [python, script])
    assert (within.stdout, within.stderr, within.code) == (without.stdout, without.stderr, 0)
    assert of_kind(within, "calls")
