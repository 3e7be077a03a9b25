"""Reading code: positions, edits, and values against what Python itself makes of the same text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattleak.errors import UsageError
from wattleak.model import Edit
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse
from wattleak.source.values import CpuMultiple, Number, Text, evaluate

_WRITTEN = st.recursive(
    st.integers(0, 9).map(str) | st.sampled_from(["1.5", "0.25"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"int({text})"),
        inner.map(lambda text: f"int(str(int({text})))"),
        inner.map(lambda text: f"abs({text})"),
    ),
    max_leaves=6,
)


def last_value(code: str):
    parsed = parse(code, Path("x.py"))
    assert isinstance(parsed, Module)
    statement = parsed.tree.body[-1]
    assert isinstance(statement, ast.Expr)
    return evaluate(parsed, statement.value)


@given(_WRITTEN)
def test_arithmetic_is_pythons(text: str) -> None:
    try:
        expected = Number(eval(text))
    except ZeroDivisionError:
        expected = None
    assert last_value(f"x = {text}\nx\n") == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from os import cpu_count as n\n3 * n()", CpuMultiple(3)),
        ("import os\nstr(2 * os.cpu_count())", CpuMultiple(2, is_text=True)),
        ("import os\nint(str(2 * os.cpu_count()))", CpuMultiple(2)),
        ("import os\n(os.cpu_count() or 1) << 2", CpuMultiple(4)),
        ("6 / 4", Number(1.5)),
        ("9 ** 9 ** 9", None),
        ("f'{4 * 4}'", Text("16")),
        ("f'{4}x{2}'", Text("4x2")),
        ("f'{4:03d}'", None),
        ("import os\nmin(4, os.cpu_count())", None),
        ("import os\nos.cpu_count() ** 2", None),
        ("a = b + b\nb = a\na", None),
        ("def f():\n    global x\n    x = 2\nx = 1\nx", None),
        ("[y := 5 for _ in 'a']\ny", Number(5)),
    ],
)
def test_known_and_unknown(code: str, expected: object) -> None:
    assert last_value(code) == expected


def test_chains_of_names_cost_their_length_only() -> None:
    code = "x0 = 0\n" + "".join(f"x{n + 1} = x{n} + x{n}\n" for n in range(25)) + "x25\n"
    assert last_value(code) == Number(0)


@given(st.text(alphabet="aé日\U0001d518 \t", max_size=20), st.sampled_from(["\n", "\r\n", "\r"]))
def test_segments_and_edits_count_characters(prefix: str, newline: str) -> None:
    code = f"y = 1{newline}x = {prefix!r}, 40 + 2{newline}z = 3{newline}"
    parsed = parse(code, Path("x.py"))
    assert isinstance(parsed, Module)
    number = parsed.tree.body[1].value.elts[1]
    assert parsed.segment(number) == "40 + 2"
    assert apply(parsed, [Edit(*parsed.span(number), "42")]) == code.replace("40 + 2", "42")


def test_edits_that_cross_or_leave_the_text_are_refused() -> None:
    parsed = parse("x = 12\n", Path("x.py"))
    assert apply(parsed, [Edit(1, 4, 1, 6, "3")] * 2) == "x = 3\n"
    with pytest.raises(UsageError, match="same text"):
        apply(parsed, [Edit(1, 4, 1, 6, "3"), Edit(1, 5, 1, 6, "4")])
    for outside in (Edit(9, 0, 9, 0, ""), Edit(1, 99, 1, 99, ""), Edit(1, 4, 1, 3, "")):
        with pytest.raises(UsageError, match="outside"):
            apply(parsed, [outside])
