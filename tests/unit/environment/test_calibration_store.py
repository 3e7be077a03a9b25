"""Where a calibration is kept: real files in a state folder of the test's own."""

import json

import pytest

from wattleak.analysis.calibration import fit
from wattleak.environment.calibration_store import folder, hardware, read_calibration, save_calibration
from wattleak.errors import OwnFailure


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def calibration(readings=((10, 32), (30, 64))):
    return fit(readings, machine=hardware(), channels=("cpu0",), made_at="2026-11-21T06:00:00+00:00")


@pytest.mark.parametrize("readings", [((10, 32), (30, 64)), ((10, 32), (20, 49), (30, 64))])
def test_what_is_kept_comes_back_the_same(readings, state):
    path = save_calibration(calibration(readings))
    assert path.is_relative_to(state / "wattleak")
    assert read_calibration(["cpu0", "ram"]) == (calibration(readings), None)
    assert list(path.parent.iterdir()) == [path], "no half-written file is left"


def test_none_was_made():
    assert read_calibration(["cpu0"]) == (None, None)


def test_a_new_one_takes_the_place_of_the_old():
    save_calibration(calibration())
    save_calibration(calibration(((10, 40), (30, 90))))
    assert read_calibration(["cpu0"])[0].readings == ((10, 40), (30, 90))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 1}',
        '{"version": 1, "slope": 3}',
        "\x00\x01",
        '{"version": 1, "machine": []}',
    ],
)
def test_a_file_that_is_none_of_ours_is_said_and_not_used(text):
    path = save_calibration(calibration())
    path.write_text(text)
    found, why = read_calibration(["cpu0"])
    assert found is None
    assert str(path) in why
    assert "doctor --calibrate" in why


def test_another_version_another_machine_other_channels():
    path = save_calibration(calibration())
    kept = json.loads(path.read_text())
    for change, said in (({"version": 99}, "of version 99"), ({"machine": "other"}, "belongs to another machine")):
        path.write_text(json.dumps({**kept, **change}))
        found, why = read_calibration(["cpu0"])
        assert found is None
        assert said in why
    path.write_text(json.dumps(kept))
    found, why = read_calibration(["cpu"])
    assert found is None
    assert "made with cpu0" in why


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(OwnFailure) as caught:
        save_calibration(calibration())
    assert "XDG_STATE_HOME" in caught.value.remedy


def test_a_relative_state_folder_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".local/state/wattleak/calibrations"


def test_the_digest_is_of_the_hardware(tmp_path):
    def machine(name, cpus=2, kib=24684096, product="Board 1", load="1 2 3"):
        root = tmp_path / name
        (root / "proc").mkdir(parents=True)
        (root / "sys/class/dmi/id").mkdir(parents=True)
        (root / "proc/cpuinfo").write_text("vendor_id\t: GenuineIntel\nmodel name\t: Xeon\ncpu MHz\t: 2000\n\n")
        (root / "proc/stat").write_text(f"cpu  {load}\n" + "".join(f"cpu{n} 1\n" for n in range(cpus)))
        (root / "proc/meminfo").write_text(f"MemTotal:       {kib} kB\n")
        (root / "sys/class/dmi/id/product_name").write_text(product)
        return hardware(str(root))

    first = machine("a")
    assert machine("b", load="9 9 9") == first, "what moves by itself is no part of it"
    assert machine("c", kib=24684096 - 5000) == first, "nor what a new kernel keeps for itself"
    assert len({first, machine("d", cpus=4), machine("e", kib=49000000), machine("f", product="Board 2")}) == 4
