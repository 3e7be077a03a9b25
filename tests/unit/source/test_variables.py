"""Environment variables in scripts, images, containers and configuration. Where a shell is there, it is the oracle."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattleak.model import Persona
from wattleak.scanner.scan import scan
from wattleak.source.variables.assignment import cpu_list, cpu_quantity
from wattleak.source.variables.reading import Kind, VariableFile, variable_file_of


def read(kind: Kind, text: str) -> VariableFile:
    file = variable_file_of(Path("x"), text.encode(), kind)
    assert isinstance(file, VariableFile)
    return file


def found(kind: Kind, text: str) -> list[tuple[str, str | None, float | None]]:
    return [(one.name, one.value, one.granted and one.granted.cpus) for one in read(kind, text).assignments]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there to say what the text means")
@pytest.mark.parametrize(
    "script",
    [
        "export A=1",
        "export A=1 # comment",
        "export A='x y'",
        'export A="x  y"',
        "export A=x\\ y",
        'N=3; export A="$N"',
        "N=3\nexport A=${N}4",
        "A=5\nexport A",
        "set -a\nA=6",
        "declare -x A=7",
        "export B=1 A=2",
        "export A=1; export A=2",
        "export \\\n  A=3",
        "cat <<E >/dev/null\nexport A=9\nE\nexport A=8",
        "echo 'export A=9'\nexport A=8",
        "export A=a#b",
        "export A=",
        "{ export A=1; }",
        'export A="a\\"b"',
        "export A='a'\"b\"c",
    ],
)
def test_what_a_script_exports_is_what_bash_says(script: str) -> None:
    said = subprocess.run(
        ["bash", "-c", f"{script}\nexec env -0"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    ).stdout
    expected = dict(part.split("=", 1) for part in said.decode().split("\0") if "=" in part)["A"]
    last = [one for one in read(Kind.SHELL, script).assignments if one.name == "A"][-1]
    assert last.value == expected


@pytest.mark.parametrize(
    "script",
    [
        "A=1",  # not exported
        "# export A=1",
        "echo export A=1",
        "echo 'A=1 python x.py'",
        "cat <<'E'\nA=1 python x\nE",
    ],
)
def test_what_a_script_does_not_set(script: str) -> None:
    assert found(Kind.SHELL, script) == []


@pytest.mark.parametrize(
    "value", ["$(nproc)", "`nproc`", "$SLURM_CPUS_PER_TASK", "${N:-4}", "$((2*4))", '"$X"', "$1", "a$X"]
)
def test_what_only_a_run_can_tell_is_not_known(value: str) -> None:
    assert found(Kind.SHELL, f"export A={value}") == [("A", None, None)]


@pytest.mark.parametrize(
    "script",
    [
        "if x; then export A=1; fi",
        "x && export A=1",
        "for i in 1; do export A=1; done",
        "f() { export A=1; }",
        "case x in\n a) export A=1;;\nesac",
        "while x; do\nexport A=1\ndone",
    ],
)
def test_what_stands_under_a_condition_is_marked(script: str) -> None:
    (made,) = read(Kind.SHELL, script).assignments
    assert made.is_conditional
    (after,) = read(Kind.SHELL, f"{script}\nexport B=1").assignments[1:]
    assert not after.is_conditional


@pytest.mark.parametrize(
    ("script", "cpus"),
    [
        ("#SBATCH --cpus-per-task=4\nexport A=1", 4),
        ("#SBATCH -c 4\nexport A=1", 4),
        ("#SBATCH --ntasks=2 --cpus-per-task=4\nexport A=1", 8),
        ("#SBATCH --exclusive\n#SBATCH -c 4\nexport A=1", None),
        ("#SBATCH --ntasks=4\nexport A=1", None),
        ("#PBS -l select=1:ncpus=6:mem=2gb\nexport A=1", 6),
        ("#PBS -l nodes=1:ppn=3\nexport A=1", 3),
        ("#BSUB -n 5\nexport A=1", 5),
        ("A=1 taskset -c 0-2,8 python x", 4),
        ("A=1 numactl --physcpubind=0,1 python x", 2),
        ("srun -c 2 env A=1 python x", 2),
        ("docker run --rm --cpus=1.5 -e A=1 image", 1.5),
        ("docker run --cpuset-cpus 0-3 --env A=1 image", 4),
        ("#SBATCH -c 4\ndocker run -e A=1 image", None),
        ("A=1 python x", None),
    ],
)
def test_cpus_that_a_script_grants(script: str, cpus: float | None) -> None:
    assert found(Kind.SHELL, script) == [("A", "1", cpus)]


def test_a_dockerfile() -> None:
    text = (
        '# syntax=docker/dockerfile:1\nFROM a AS build\nARG N=4\nENV A=1 B="x y" \\\n    # comment\n    C=$N\n'
        "ENV D old form\nRUN <<E\nENV E=1\nE\nFROM b\nCMD F=2 python x.py\n"
    )
    made = read(Kind.DOCKERFILE, text).assignments
    assert [(one.name, one.value) for one in made] == [
        ("A", "1"), ("B", "x y"), ("C", None), ("D", "old form"), ("F", "2"),
    ]  # fmt: skip
    assert [one.scope for one in made[:2]] == ["stage build"] * 2
    assert all(one.is_elsewhere for one in made)


def test_compose() -> None:
    text = (
        "x-env: &env\n  A: 1\nservices:\n  one:\n    cpus: 2\n    environment:\n      <<: *env\n      B: ${B}\n"
        "  two:\n    environment: [\"A=3\", B]\n    deploy: {resources: {limits: {cpus: '0.5'}}}\n"
        "  three:\n    cpuset: 0-3\n    environment:\n      - A=4\n"
    )
    assert found(Kind.YAML, text) == [("A", "1", 2), ("B", None, 2), ("A", "3", 0.5), ("A", "4", 4)]
    assert [one.scope for one in read(Kind.YAML, text).assignments] == ["service one"] * 2 + [
        "service two",
        "service three",
    ]


def test_kubernetes() -> None:
    text = (
        "kind: Job\napiVersion: batch/v1\nspec:\n  template:\n    spec:\n      containers:\n"
        "      - name: main\n        env:\n        - name: A\n          value: '64'\n"
        "        - {name: S, valueFrom: {secretKeyRef: {name: x, key: y}}}\n"
        "        resources: {limits: {cpu: 500m}, requests: {cpu: 4}}\n"
        "      - name: side\n        env: [{name: A, value: '2'}]\n        resources: {requests: {cpu: 1}}\n"
    )
    assert found(Kind.YAML, text) == [("A", "64", 0.5), ("A", "2", None)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.YAML, "env:\n  A: 64\n"),
        (Kind.YAML, "jobs:\n  x:\n    steps:\n    - env: {A: '64'}\n"),
        (Kind.YAML, "name: conda\nvariables:\n  A: 64\n"),
        (Kind.JSON, '{"containerEnv": {"A": "64"}}'),
        (Kind.JSON, '{\t"configurations": [{"env": {"A": 64}}]}'),
        (Kind.TOML, "[tool.x.env]\nA = '64'\n"),
        (Kind.TOML, 'env = { A = "64", B = 2 }\n'),
        (Kind.DOTENV, "A=64\n"),
        (Kind.DOTENV, "\ufeff# c\nexport A='64' # c\n"),
    ],
)
def test_configuration_and_where_the_value_stands(kind: Kind, text: str) -> None:
    file = read(kind, text)
    made = file.assignments[0]
    assert (made.name, made.value) == ("A", "64")
    line, column, end_line, end_column = made.span
    assert line == end_line
    assert file.lines[line - 1][column:end_column].strip("'\"") == "64"


def test_entries_say_where_every_value_of_a_configuration_stands() -> None:
    assert [(entry.path, entry.value) for entry in read(Kind.YAML, "a:\n  b: [1, x]\n").entries] == [
        (("a", "b", 0), "1"), (("a", "b", 1), "x"),
    ]  # fmt: skip
    toml = "[[run]]\nbatch = 1_024\n[[run]]\nbatch = 2 # c\ntext = '''\nbatch = 3\n'''\n"
    assert [(entry.path, entry.value) for entry in read(Kind.TOML, toml).entries] == [
        (("run", 0, "batch"), "1_024"), (("run", 1, "batch"), "2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.yaml", "env:\n  OMP_NUM_THREADS: 64\n {{ if x }}\n", "template"),
        ("x.yaml", "env: {OMP_NUM_THREADS: 64\n", "not YAML"),
        ("x.yaml", "OMP_NUM_THREADS: " + "[" * 5000, "nested"),
        (
            "x.yaml",
            "env: {OMP_NUM_THREADS: 1}\na: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{c}: &{c} [{','.join([f'*{b}'] * 9)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)),
            "more values",
        ),
        ("x.json", '{"OMP_NUM_THREADS": ', "not JSON"),
        ("x.toml", "OMP_NUM_THREADS = = 2", "not TOML"),
        ("x.sh", "export OMP_NUM_THREADS=64 \0", "binary"),
        (".env", "\udcff\udcfe", "utf-8"),
    ],
)
def test_what_cannot_be_read_is_one_note_and_the_scan_goes_on(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "z.py").write_text("import torch\ntorch.set_num_threads(64)\n")
    result = scan(tmp_path, cpus=2)
    assert [reason in problem.message for problem in result.problems] == [True]
    assert len(result.findings) == 1


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    (tmp_path / "x.yaml").write_text(f"env:\n  OMP_NUM_THREADS: !!python/object/apply:os.mkdir ['{mark}']\n")
    scan(tmp_path, cpus=2)
    assert not mark.exists()


FILES = {
    "job.sbatch": ("#!/bin/bash\n#SBATCH --cpus-per-task=4\nexport OMP_NUM_THREADS={}\npython t.py\n", 4),
    "docker-compose.yml": ("services:\n  a:\n    cpus: 4\n    environment:\n      MKL_NUM_THREADS: {}\n", 4),
    "pod.yaml": (
        "kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - name: a\n    env:\n    - name: OMP_NUM_THREADS\n"
        "      value: '{}'\n    resources: {limits: {cpu: 4}}\n".replace(
            "{limits: {cpu: 4}}", "{{limits: {{cpu: 4}}}}"
        ),
        4,
    ),
    "run.sh": ("OMP_NUM_THREADS={} taskset -c 0-3 python t.py\n", 4),
    "start": ("#!/bin/sh\ndocker run --cpus=4 -e OMP_NUM_THREADS={} image\n", 4),
}


@pytest.mark.parametrize(("name", "template", "cpus"), [(name, *rest) for name, rest in FILES.items()], ids=FILES)
def test_threads_against_the_cpus_that_the_same_file_grants(
    tmp_path: Path, name: str, template: str, cpus: int
) -> None:
    path = tmp_path / name
    for threads, expected in ((64, 1), (cpus + 1, 1), (cpus, 0), (1, 0)):
        path.write_text(template.format(threads))
        result = scan(path, cpus=1)  # what this machine has does not matter
        assert len(result.findings) == expected, threads
        assert result.problems == ()
    path.write_text(template.format(64))
    (finding,) = scan(path, cpus=128).findings
    assert "64 threads" in finding.message
    assert (
        path.read_text().splitlines()[finding.line - 1][finding.column - 1 : finding.end_column - 1] == "64"
        or "64" in (path.read_text().splitlines()[finding.line - 1][finding.column - 1 : finding.end_column - 1])
    )


def test_who_grants_nothing_is_compared_with_this_machine_or_left_to_auditors(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("export OMP_NUM_THREADS=64\npython t.py\n")
    (tmp_path / "Dockerfile").write_text("FROM a\nENV OMP_NUM_THREADS=64\n")
    (tmp_path / "if.sh").write_text("if big; then export OMP_NUM_THREADS=64; fi\n")
    result = scan(tmp_path, cpus=2)
    assert [finding.path.name for finding in result.findings] == ["run.sh"]
    assert [finding.path.name for finding in result.hidden] == ["Dockerfile"]
    audited = scan(tmp_path, cpus=2, persona=Persona.AUDITOR)
    assert [finding.path.name for finding in audited.findings] == ["Dockerfile", "run.sh"]
    assert scan(tmp_path, cpus=64, persona="auditor").findings == ()


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("a.sh", "export OMP_NUM_THREADS=64  # wattleak: allow PAR001\n", 0),
        ("a.sh", "# wattleak: allow unnecessary-parallelism\nexport OMP_NUM_THREADS=64\n", 0),
        ("a.sh", "export OMP_NUM_THREADS=64\n# wattleak: allow PAR001\n", 1),
        ("a.yaml", "env:\n  OMP_NUM_THREADS: 64 # wattleak: allow PAR001\n", 0),
    ],
)
def test_comments_allow_here_too(tmp_path: Path, name: str, text: str, kept: int) -> None:
    (tmp_path / name).write_text(text)
    result = scan(tmp_path, cpus=2)
    assert (len(result.findings), len(result.suppressed)) == (kept, 1 - kept)


def test_cpu_quantities() -> None:
    assert [cpu_quantity(text) for text in ("2", "1.5", "500m", "x", "-1", "0", "")] == [
        2,
        1.5,
        0.5,
        None,
        None,
        None,
        None,
    ]
    assert [cpu_list(text) for text in ("0", "0-3", "0-1,4", "1-0", "a", "0-", "")] == [1, 4, 3, None, None, None, None]


PIECES = ["export ", "A=1", "$(", ")", "`", "'", '"', "\\", "\n", "<<E", "E\n", "#", "${", "}", "{", " ", "env:", "- ",
          "[", "]", "&a", "*a", ": ", "services:", "\t", "if ", "fi", "é", "ENV ", "FROM ", "= ", "{{", ","]  # fmt: skip  # noqa: E501


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25), st.sampled_from(list(Kind)))
def test_no_text_whatever_makes_a_reader_fail(pieces: list[str], kind: Kind) -> None:
    file = variable_file_of(Path("x"), "".join(pieces).encode("utf-8", "replace"), kind)
    if not isinstance(file, VariableFile):
        return
    for made in file.assignments:
        assert 1 <= made.span.line <= made.span.end_line <= len(file.lines)
    json.dumps([entry.value for entry in file.entries])
