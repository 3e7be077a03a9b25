"""Reading what agents noted, in whatever state a program's end left it."""

import pytest

from wattleak.signals import read_signals


def test_nothing_was_noted(tmp_path):
    assert read_signals(tmp_path / "nowhere").facts == ()


def test_the_last_line_of_a_key_holds_and_every_event_does(tmp_path):
    (tmp_path / "7-aa.jsonl").write_text(
        '{"k":"boot","t":1.5,"pid":7,"python":"3.9.1"}\n'
        '{"k":"wait","key":"loader","s":1,"t":2}\n'
        '{"k":"jump","t":3}\n'
        '{"k":"wait","key":"loader","s":4,"t":5}\n'
        '{"k":"jump","t":6}\n'
    )
    (tmp_path / "8-bb.jsonl").write_text('{"k":"fork","pid":8,"parent":7}\n{"k":"wait","key":"loader","s":9}\n')
    signals = read_signals(tmp_path)
    assert [fact.number("s") for fact in signals.of("wait")] == [4, 9]
    assert [fact.time_s for fact in signals.of("jump")] == [3, 6]
    assert [(process.pid, process.parent, process.python) for process in signals.processes] == [
        (7, None, "3.9.1"),
        (8, 7, None),
    ]


@pytest.mark.parametrize(
    "junk",
    [
        b'{"k":"jump","t":3',  # the last line of a process that was killed
        b"\xff\xfe\x00",
        b"[1, 2]\n",
        b'{"no":"kind"}\n',
        b'{"k":7}\n',
        b"[" * 100_000,
        b"\n\n",
    ],
)
def test_half_lines_and_junk_are_skipped(tmp_path, junk):
    (tmp_path / "7-aa.jsonl").write_bytes(b'{"k":"kept","t":1}\n' + junk + b'\n{"k":"kept","t":2}\n')
    assert len(list(read_signals(tmp_path).of("kept"))) == 2


def test_a_value_that_is_no_number_is_absent(tmp_path):
    (tmp_path / "7-aa.jsonl").write_text(
        '{"k":"x","a":"12","b":true,"c":NaN,"d":2,"e":[1,"no",2.5,Infinity],"f":null,"t":"late"}\n'
    )
    (fact,) = read_signals(tmp_path).facts
    assert [fact.number(name) for name in "abcdfg"] == [None, None, None, 2.0, None, None]
    assert fact.text("a") == "12"
    assert fact.text("d") is None
    assert fact.numbers("e") == (1.0, 2.5)
    assert fact.time_s is None
