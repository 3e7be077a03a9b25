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
    "another program": """
sys.stdout.flush(); os.execv(sys.executable, [sys.executable, "-c", "import framework; print(framework.work(40))"])
""",
    "stderr closed": "sys.stderr.close(); raise ValueError('unheard')",
    "stdout closed": "sys.stdout.close()",
}
