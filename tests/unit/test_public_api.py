"""What `import wattleak` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import wattleak


def test_every_public_name_exists_and_the_list_is_complete() -> None:
    for name in wattleak.__all__:
        assert getattr(wattleak, name) is not None

    assert set(dir(wattleak)) == set(wattleak.__all__)


def test_importing_wattleak_imports_nothing_outside_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import wattleak; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["wattleak"]


def test_the_recorder_imports_only_light_modules_of_the_standard_library() -> None:
    """Each of these would cost the start of every measured command several milliseconds."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import wattleak.recorder.sidecar; print(*sys.modules)"
    source = str(__import__("pathlib").Path(wattleak.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, source], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())

    assert not loaded & {"json", "re", "enum", "dataclasses", "typing", "inspect", "socket", "signal", "pathlib"}
    assert {name.partition(".")[0] for name in loaded} <= set(sys.stdlib_module_names) | {"wattleak", "__main__"}


def test_help_of_every_verb(capsys: object) -> None:
    from wattleak.cli.main import VERBS, build_parser

    parser = build_parser()
    text = parser.format_help()

    for verb in VERBS:
        assert verb in text
