"""The agent's files: what interpreters of other people can read, and what they load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wattleak

AGENT = Path(wattleak.__file__).parent / "agent"
FILES = sorted(AGENT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_python_39_can_read_it(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_needs_the_standard_library_alone(path):
    """Frameworks come from the program: a hook is handed the module, and never imports it itself at the top."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            root = name.partition(".")[0]
            assert root in sys.stdlib_module_names or root in {"sitecustomize", "wattleak_agent"}, name


def test_a_boot_loads_next_to_nothing(tmp_path):
    """What an interpreter with the agent has loaded beyond one without it."""
    ask = "import sys; print(*sorted(sys.modules))"

    def loaded(env):
        done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    more = loaded({"PYTHONPATH": str(AGENT), "WATTLEAK_SIGNALS": str(tmp_path)}) - loaded({})
    assert more == {"wattleak_agent", "wattleak_agent.hooks"}
