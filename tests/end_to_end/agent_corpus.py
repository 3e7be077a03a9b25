"""Small programs that live dangerously: what they do, and how they end. Each fragment is a line or more of Python.

Every program has imported `framework` (see FRAMEWORK), whose functions the agent of the test watches (see HOOKS).
"""

FRAMEWORK = """
def work(n=1):
    return n + 1


class Layer:
    def __call__(self, n):
        return n * 2

    @staticmethod
    def fixed():
        return 7

    @classmethod
    def made(cls):
        return cls.__name__
"""

HOOKS = """
from __future__ import annotations

calls = [0]


def register(agent):
    agent.when_imported("framework", lambda module: install(agent, module))


def install(agent, module):
    def count(args, kwargs):
        calls[0] += 1
        if vars(module).get("interrupt"):
            import signal
            signal.raise_signal(signal.SIGALRM)
        agent.tick()
        if calls[0] % 3 == 0:
            agent.emit("call", n=calls[0], site=agent.site())
        return calls[0]

    def fail(token, args, kwargs, result):
        raise ValueError("a hook of the test fails on purpose")

    agent.around(module, "work", before=count, after=fail)
    agent.around(module.Layer, "__call__", before=count)
    agent.around(module.Layer, "fixed", before=count)
    agent.around(module.Layer, "made", before=count)
    agent.at_flush(lambda: [{"k": "calls", "key": "all", "n": calls[0]}], reset=lambda: calls.__setitem__(0, 0))
"""

DOES = {
    "works": "print([framework.work(n) for n in range(10)], framework.Layer()(4), framework.Layer.fixed())",
    "class method": "print(framework.Layer.made(), framework.Layer().made())",
    "pickles": "import pickle; print(pickle.loads(pickle.dumps(framework.work))(2))",
    "introspects": "import inspect; print(inspect.signature(framework.work), inspect.getsource(framework.Layer)[:30])",
    "reads its loader": "print(type(framework.__loader__).__name__, framework.__spec__.loader is framework.__loader__)",
    "reloads": "import importlib; print(importlib.reload(framework) is framework, framework.work(1))",
    "reads sys": "print(sys.argv[1:], sys.path, sorted(m for m in sys.modules if m == 'sitecustomize'), sys.flags)",
    "recurses": """
def deeper(n):
    return framework.work(n) and deeper(n + 1)
try:
    deeper(0)
except RecursionError:
    print("deep enough")
print(framework.work(1))
""",
    "threads that never end": """
import threading
for _ in range(3):
    threading.Thread(target=lambda: [framework.work() or time.sleep(9) for _ in iter(int, 1)], daemon=True).start()
print("started")
""",
    "a thread that outlives main": """
import threading
threading.Thread(target=lambda: (time.sleep(0.05), print("late", framework.work(1)))).start()
""",
    "a thread that dies": """
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
""",
    "forks and exits": """
sys.stdout.flush()
child = os.fork()
if child == 0:
    print("child", framework.work(1)); sys.stdout.flush()
    os._exit(3)
print(os.waitpid(child, 0)[1])
""",
    "forks and ends": """
sys.stdout.flush()
child = os.fork()
if child == 0:
    sys.exit(5)
print(os.waitpid(child, 0)[1])
""",
    "patches the clock": "time.monotonic = lambda: 1.0; time.time = lambda: 0.0",
    "patches os": """
def refuse(*args, **kwargs):
    raise PermissionError("not in this test")
os.open = os.write = os.close = os.getpid = refuse
print(framework.work(1))
""",
    "patches json and open": """
import builtins, json
def refuse(*args, **kwargs):
    raise PermissionError("not in this test")
json.dumps = builtins.open = refuse
print(framework.work(1))
""",
    "patches the framework": """
original = framework.work
framework.work = lambda n: original(n) + 100
print(framework.work(1))
framework.work = original
print(framework.work(1))
""",
    "empties the finders": """
kept = sys.meta_path[:]
sys.meta_path[:] = [finder for finder in kept if "wattleak" not in type(finder).__module__]
import colorsys
sys.meta_path[:] = kept
print(colorsys.__name__)
""",
    "puts a finder first": """
class Mine:
    def find_spec(self, name, path=None, target=None):
        return None
sys.meta_path.insert(0, Mine())
import colorsys
""",
    "forgets modules": """
for name in list(sys.modules):
    if name.startswith("wattleak"):
        del sys.modules[name]
print(framework.work(1), framework.work(2), framework.work(3))
""",
    "imports what fails": """
for name in ("framework_broken", "framework_missing"):
    try:
        __import__(name)
    except Exception as error:
        print(type(error).__name__, error)
""",
    "warnings are errors": "import warnings; warnings.simplefilter('error'); print(framework.work(1))",
    "closes everything": "os.closerange(3, 256); fd = os.open(os.devnull, os.O_RDONLY); print(fd, framework.work(1))",
    "leaves and removes its folder": """
import tempfile
place = tempfile.mkdtemp(); os.chdir(place); os.rmdir(place)
print(framework.work(1), framework.work(2), framework.work(3))
""",
    "writes to its environment": """
import pickle, subprocess
class Settings:
    put = os.putenv
os.environ["OMP_NUM_THREADS"] = "3"
os.environb[b"MKL_NUM_THREADS"] = b"2"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
Settings().put("LD_LIBRARY_PATH", "/nowhere")
print(pickle.loads(pickle.dumps(os.putenv)) is os.putenv, type(os.putenv).__name__)
print(subprocess.run("echo $OMP_NUM_THREADS $MKL_NUM_THREADS", shell=True, capture_output=True).stdout)
try:
    os.environ["OMP_NUM_THREADS"] = 5
except TypeError as error:
    print(error)
""",
    "clears its environment": "os.environ.clear(); print(framework.work(1))",
    "may write no file": """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
framework.work(1)
""",
    "may open no file": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print([framework.work(n) for n in range(5)])
""",
    "its signals folder goes": """
import shutil
if os.environ.get("WATTLEAK_SIGNALS"):
    shutil.rmtree(os.environ["WATTLEAK_SIGNALS"])
print([framework.work(n) for n in range(5)])
""",
    "traces itself": """
seen = []
sys.setprofile(lambda frame, event, arg: seen.append(event))
framework.Layer
sys.setprofile(None)
print(bool(seen))
""",
    "alarms": """
import signal
signal.signal(signal.SIGALRM, lambda *_: print("alarm", framework.work(1)))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.05)
""",
    "traces its lines": """
seen = []
def trace(frame, event, arg):
    seen.append(frame.f_lineno) if frame.f_code.co_filename == __file__ else None
    return trace
def traced():
    framework.work(1)
    return 2
sys.settrace(trace); traced(); sys.settrace(None)
print(len(seen))
""",
    "monitors its lines": """
if hasattr(sys, "monitoring"):
    lines, monitoring = [], sys.monitoring
    monitoring.use_tool_id(3, "mine")
    monitoring.register_callback(3, monitoring.events.LINE, lambda code, line: lines.append(code.co_filename))
    monitoring.set_events(3, monitoring.events.LINE)
    framework.work(1)
    monitoring.set_events(3, 0)
    print(lines.count(__file__))
""",
    "has faults told": """
import faulthandler
faulthandler.enable()
faulthandler.dump_traceback_later(60)
print(framework.work(1))
faulthandler.cancel_dump_traceback_later()
faulthandler.dump_traceback()
""",
    "blocks signals": """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
os.kill(CHILD, signal.SIGALRM)
print(framework.work(1), signal.sigpending() == {signal.SIGALRM}, signal.sigwait({signal.SIGALRM}).name)
""",
    "is woken by a descriptor": """
import signal
end, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(CHILD, signal.SIGUSR1)
print(framework.work(1), os.read(end, 9) == bytes([signal.SIGUSR1]))
signal.set_wakeup_fd(-1)
""",
    "patches builtins": """
import builtins
kept = {name: getattr(builtins, name) for name in ("len", "getattr", "isinstance", "max", "min", "sorted", "list")}
def refuse(*args, **kwargs):
    raise TypeError("not in this test")
for name in kept:
    setattr(builtins, name, refuse)
answers = [framework.work(n) for n in range(5)]
for name in kept:
    setattr(builtins, name, kept[name])
print(answers)
""",
    "patches the import": """
import builtins
kept = builtins.__import__
asked = []
def mine(name, *args, **kwargs):
    asked.append(name)
    return kept(name, *args, **kwargs)
builtins.__import__ = mine
import colorsys
builtins.__import__ = kept
print(asked)
""",
    "mocks the framework": """
from unittest import mock
with mock.patch("framework.work", autospec=True, return_value=5) as work:
    print(framework.work(3), work.call_args)
with mock.patch.object(framework.Layer, "__call__", autospec=True, return_value=6):
    print(framework.Layer()(1))
print(framework.work(3), framework.Layer()(3))
""",
    "freezes its finders": """
class Frozen(list):
    def refuse(self, *args):
        raise TypeError("nobody puts a finder here")
    insert = append = extend = remove = pop = clear = refuse
sys.meta_path = Frozen(sys.meta_path)
import colorsys
print(framework.work(1))
""",
    "asks all finders": """
import importlib, importlib.metadata, pkgutil
importlib.invalidate_caches()
print(any(module.name == "framework" for module in pkgutil.iter_modules()), framework.work(1))
print(importlib.metadata.version("framework") if 0 else len(list(importlib.metadata.distributions(name="framework"))))
""",
    "has a path hook": """
import importlib.machinery
class Hook:
    def __init__(self, path):
        if not path.endswith("nowhere"):
            raise ImportError
    def find_spec(self, name, target=None):
        return None
sys.path_hooks.insert(0, Hook); sys.path.insert(0, "/nowhere"); sys.path_importer_cache.clear()
import colorsys
print(type(sys.path_importer_cache["/nowhere"]).__name__)
""",
    "becomes a daemon": """
sys.stdout.flush()
end, begin = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/"); os.umask(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.write(begin, b"%d" % framework.work(41))
    os._exit(0)
os.wait(); os.close(begin)
print(os.read(end, 9), os.read(end, 9))
""",
    "closes what it was given": """
os.close(0)
sys.stdout.flush(); kept = os.dup(1); os.close(1)
framework.work(1); framework.work(2); framework.work(3)
os.dup2(kept, 1)
print(os.path.exists("/proc/self/fd/0"), framework.work(4))
""",
    "starts a child with its own environment": """
import subprocess
print(subprocess.run([sys.executable, "-c", "import os; print(sorted(os.environ))"], env={"A": "1"},
                     capture_output=True, text=True).stdout)
pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "raise SystemExit(7)"], {})
print(os.waitpid(pid, 0)[1] >> 8)
""",
    "a pool of futures": """
import concurrent.futures, multiprocessing
with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
    print(list(pool.map(framework.work, range(4))))
    try:
        pool.submit(os._exit, 3).result()
    except Exception as error:
        print(type(error).__name__)
""",
    "another interpreter in it": """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
interpreters.run_string(other, "import framework; print(framework.work(6), flush=True)")
interpreters.destroy(other)
print(framework.work(1))
""",
    "has little memory": """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    bytearray(1 << 32)
except MemoryError:
    print("no room", framework.work(1))
""",
    "forgets what was to be done at the end": "import atexit; atexit._clear(); print(framework.work(1))",
    "at exit, in order": """
import atexit
for n in range(3):
    atexit.register(print, "exit", n)
framework.work(1)
""",
    "takes and gives modules as they are": """
import copy, types
other = types.ModuleType("framework"); vars(other).update(vars(framework))
sys.modules["framework"] = other
import framework
print(framework is other, framework.work(1), copy.copy(framework.Layer())(2))
""",
    "awaits": """
import asyncio
async def main():
    return await asyncio.gather(*(asyncio.to_thread(framework.work, n) for n in range(4)))
print(asyncio.run(main()))
""",
    "prints much": "print('x' * 2_000_000); print(framework.work(1))",
    "reads stdin": "print(sys.stdin.read())",
    "says what it prints": "import logging; logging.warning('careful'); print('err', file=sys.stderr)",
    "starts a child": """
import subprocess
print(subprocess.run([sys.executable, "-c", "import sys, framework; print(sys.path[1:], framework.work(1))"],
                     capture_output=True, text=True).stdout)
""",
    "a pool": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(framework.work, range(4)))
""",
    "at exit": "import atexit; atexit.register(lambda: print('bye', framework.work(1)))",
    "fails at exit": "import atexit; atexit.register(lambda: 1 / 0)",
}

ENDS = {
    "well": "",
    "exit code": "sys.exit(3)",
    "exit with words": "sys.exit('so long')",
    "a crash": "raise ValueError('crashed')",
    "a crash inside the framework": "framework.work('x')",
    "os._exit": "sys.stdout.flush(); os._exit(4)",
    "SIGKILL": "sys.stdout.flush(); os.kill(CHILD, 9)",
    "SIGTERM": "sys.stdout.flush(); os.kill(CHILD, 15)",
    "abort": "sys.stdout.flush(); os.abort()",
    "Ctrl-C": "raise KeyboardInterrupt",
    "a fault": "import ctypes, faulthandler; faulthandler.enable(); sys.stdout.flush(); ctypes.string_at(0)",
    "os._exit in a thread": """
import threading
threading.Thread(target=lambda: (framework.work(1), sys.stdout.flush(), os._exit(6))).start()
""",
    "a thread for good": """
import threading
threading.Thread(target=lambda: [framework.work(1) or time.sleep(9) for _ in iter(int, 1)]).start()
sys.stdout.flush(); os._exit(8)
""",
    "everything closed": "sys.stdout.flush(); os.closerange(0, 256)",
    "an exit that is refused": """
import atexit
class Loud:
    def __del__(self):
        print("gone", flush=True)
kept = Loud()
atexit.register(sys.exit, 5)
""",
    "another program": """
sys.stdout.flush(); os.execv(sys.executable, [sys.executable, "-c", "import framework; print(framework.work(40))"])
""",
    "stderr closed": "sys.stderr.close(); raise ValueError('unheard')",
    "stdout closed": "sys.stdout.close()",
}
