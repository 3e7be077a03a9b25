"""Apple's powermetrics, played by a program of the same name that prints what the real one prints."""

import contextlib
import json
import os
import plistlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattleak.meters.apple import AppleMeter
from wattleak.meters.conformance import check_meter
from wattleak.model import Origin, Part, Quantity, Unavailable
from wattleak.recorder.trace import read_recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="powermetrics is a program of macOS")

RECORD = """
import os, pathlib, sys
from wattleak.meters.apple import AppleMeter
from wattleak.meters.probe import Probed
from wattleak.recorder.launch import launch
meter = AppleMeter("darwin", root=True)
probed = Probed((("wattleak.meters.apple:AppleMeter", meter),), meter.probe(), ())
with launch(pathlib.Path(sys.argv[1]), ["sleep", "2"], probed, run_id=f"apple-{os.getpid()}") as recording:
    recording.wait()
"""
INTERVALS = [[1_003_000_000, 1200, 350, 0], [1_001_500_000, 8000.5, 12.25, 40], [998_000_000, 431, 0, 0]]
SUDO = """#!/bin/sh
[ "$1" = -n ] || { echo 'would have asked for a password' >&2; exit 99; }
shift
[ -n "$FAKE_SUDO_REFUSES" ] && { echo 'sudo: a password is required' >&2; exit 1; }
exec "$@"
"""


@pytest.fixture
def mac(tmp_path, monkeypatch):
    """A function that says what powermetrics will play; `powermetrics` and `sudo` are first on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = Path(__file__).with_name("fake_powermetrics.py")
    (programs / "powermetrics").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n')
    (programs / "sudo").write_text(SUDO)
    for program in programs.iterdir():
        program.chmod(0o755)
    play = tmp_path / "play.json"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_POWERMETRICS", str(play))

    def say(**what: object) -> Path:
        play.write_text(json.dumps({"intervals": INTERVALS, "then": "repeat"} | what))
        return play

    yield say
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(play.with_suffix(".pid").read_text()), signal.SIGKILL)


def until(happens, what: str) -> None:
    """Wait for something that happens by itself; give up after a time that says that it does not."""
    deadline_s = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError, IndexError):  # dead and not yet waited for by whoever inherited it
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def opened(spec=None) -> AppleMeter:
    meter = AppleMeter("darwin", root=True)
    if spec is None:
        assert not isinstance(meter.probe(), Unavailable)
        spec = meter.spec()
    meter.open(spec)
    return meter


def played(state: Path) -> dict[str, float]:
    """Joules of everything that is played, by the definition of power, read by a parser that is not ours."""
    done = subprocess.run(["powermetrics", "-f", "plist"], capture_output=True, check=True)
    total = {"cpu": 0.0, "gpu": 0.0, "ane": 0.0}
    for document in map(plistlib.loads, done.stdout.split(b"\0")):
        for name in total:
            total[name] += document["processor"][f"{name}_power"] / 1e3 * document["elapsed_ns"] / 1e9
    assert state.exists()
    return total


def test_power_times_interval_is_added_up(mac):
    """Intervals of which the last three are at rest, so that the sum stays while the stream goes on."""
    rest = [[1_000_000_000, 0, 0, 0]] * 3
    state = mac(intervals=INTERVALS + rest, then="die")
    expected = played(state)
    mac(intervals=INTERVALS + rest)
    meter = opened()
    until(lambda: meter.read()["cpu"] >= expected["cpu"] * 0.999999, "the stream is read to its end")
    assert meter.read() == {name: pytest.approx(total, rel=1e-9) for name, total in expected.items()}
    meter.close()
    assert meter.read() == {}


def test_lists_that_arrive_in_pieces_are_put_together(mac):
    rest = [[1_000_000_000, 0, 0, 0]] * 3
    expected = played(mac(intervals=INTERVALS + rest, then="die"))
    mac(intervals=INTERVALS + rest, piece=7, pause_s=0)
    meter = opened()
    seen = []
    until(lambda: seen.append(meter.read()["cpu"]) or seen[-1] >= expected["cpu"] * 0.999999, "all pieces")
    assert seen == sorted(seen)
    assert meter.read()["cpu"] == pytest.approx(expected["cpu"], rel=1e-9)
    meter.close()


def test_what_the_channels_say(mac):
    mac()
    meter = AppleMeter("darwin", root=True)
    channels = {channel.name: channel for channel in meter.probe()}
    assert {name: channel.part for name, channel in channels.items()} == {
        "cpu": Part.CPU,
        "gpu": Part.GPU,
        "ane": Part.GPU,
    }
    for channel in channels.values():
        assert (channel.origin, channel.quantity, channel.period_s) == (Origin.SAMPLED, Quantity.ENERGY_J, 1.0)
    assert channels["ane"].device == "Mac14,2 Neural Engine"
    assert meter.losses == ()


def test_a_chip_without_neural_engine_says_so(mac):
    mac(intervals=[[1_000_000_000, 900, 100, None]])
    meter = AppleMeter("darwin", root=True)
    assert [channel.name for channel in meter.probe()] == ["cpu", "gpu"]
    assert "gives no ane_power" in meter.losses[0].reason


def test_a_value_that_stays_away_takes_its_channel_with_it(mac):
    mac(intervals=[[1_000_000_000, 900, 100, 0], [1_000_000_000, 900, None, 0]])
    meter = opened()
    until(lambda: set(meter.read()) == {"cpu", "ane"}, "the channel without a value is absent")
    meter.close()


def test_when_powermetrics_dies_its_channels_are_absent_from_then_on(mac):
    mac(then="die", pause_s=0.5)
    meter = opened()
    assert set(meter.read()) == {"cpu", "gpu", "ane"}
    until(lambda: meter.read() == {}, "the end is noticed")
    assert meter.read() == {}
    meter.close()


@pytest.mark.parametrize("then", ["repeat", "die"])
def test_it_conforms(mac, then):
    mac(then=then, pause_s=0.5)
    assert check_meter(AppleMeter("darwin", root=True)) == ()


def test_without_root_it_goes_through_sudo_and_never_asks_for_a_password(mac):
    state = mac()
    meter = AppleMeter("darwin", root=False)
    assert not isinstance(meter.probe(), Unavailable)
    assert meter.spec()["command"][1] == "-n"
    asked_once = json.loads(state.with_suffix(".words").read_text())
    meter.open(meter.spec())
    until(lambda: meter.read()["cpu"] > 0, "it streams through sudo")
    streamed = json.loads(state.with_suffix(".words").read_text())
    meter.close()
    assert asked_once[-2:] == ["-n", "1"]
    assert streamed == ["-b", "0", "-f", "plist", "--samplers", "cpu_power,gpu_power", "-i", "1000"]


def test_when_sudo_refuses_the_remedy_allows_exactly_what_is_run(mac, monkeypatch, tmp_path):
    mac()
    monkeypatch.setenv("FAKE_SUDO_REFUSES", "1")
    answer = AppleMeter("darwin", root=False).probe()
    assert isinstance(answer, Unavailable)
    assert "a password is required" in answer.reason
    assert "sudo visudo -f /etc/sudoers.d/wattleak" in answer.remedy
    program = tmp_path / "bin/powermetrics"
    for options in ("-i 100 -n 1", "-i 1000"):
        assert rf"{program} -b 0 -f plist --samplers cpu_power\,gpu_power {options}" in answer.remedy


@pytest.mark.parametrize(
    ("play", "reason", "remedy"),
    [
        ({"refuse": "powermetrics must be invoked as the superuser"}, "needs root", "visudo"),
        ({"refuse": "unrecognized sampler: gpu_power"}, "unrecognized sampler", "shows why"),
        ({"intervals": [[1_000_000_000, None, None, None]]}, "an Intel Mac?", "plug meter"),
    ],
)
def test_why_not(mac, play, reason, remedy):
    mac(**play)
    answer = AppleMeter("darwin", root=True).probe()
    assert isinstance(answer, Unavailable)
    assert reason in answer.reason
    assert remedy in answer.remedy


def test_it_says_where_powermetrics_is_when_it_is_not_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = AppleMeter("darwin", root=True).probe()
    assert isinstance(answer, Unavailable)
    assert "/usr/bin" in answer.remedy


@pytest.mark.skipif(sys.platform == "darwin", reason="this is a Mac")
def test_elsewhere_it_is_absent_and_nothing_is_lost():
    meter = AppleMeter()
    assert isinstance(meter.probe(), Unavailable)
    assert meter.absent


def test_powermetrics_is_no_part_of_the_workload(mac):
    """The recorder waits for every child that it has, and bills it: this one is none."""
    state = mac()
    spec = AppleMeter("darwin", root=True)
    assert not isinstance(spec.probe(), Unavailable)
    program = (
        "import json, os, sys; from wattleak.meters.apple import AppleMeter\n"
        "AppleMeter().open(json.loads(sys.argv[1]))\n"
        "try: os.waitpid(-1, 0)\n"
        "except ChildProcessError: print('none')"
    )
    command = [sys.executable, "-c", program, json.dumps(spec.spec())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
    pid_file = state.with_suffix(".pid")
    until(pid_file.exists, "it was started")
    until(lambda: is_gone(int(pid_file.read_text() or 0)), "it ends after its reader")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="both recorders run on Linux only")
@pytest.mark.parametrize("kind", ["linux", "portable:darwin"])
def test_through_the_recorder_joules_arrive_and_only_the_workload_is_the_workload(mac, tmp_path, kind):
    """5 W of CPU and 1 W of GPU, told ten times a second: what is missing at the end is a few of these steps."""
    mac(intervals=[[100_000_000, 5000, 1000, 0]], pause_s=0.1)
    (tmp_path / "run").mkdir()
    env = {**os.environ, "WATTLEAK_RECORDER_KIND": kind}
    subprocess.run([sys.executable, "-c", RECORD, str(tmp_path / "run")], check=True, env=env)
    samples = read_recording(tmp_path / "run/journal.jsonl").trace.samples
    last = samples[-1]
    told = last.raw["gpu"] / 0.1  # intervals
    assert last.raw["cpu"] == pytest.approx(0.5 * told)
    assert 1 <= told <= 10 * (last.time_s - samples[0].time_s) + 10  # it may be up a second before the first sample
    assert max(sample.processes for sample in samples) == 1


@pytest.mark.parametrize("end", ["close", "kill"])
def test_powermetrics_does_not_outlive_its_reader(mac, end):
    state = mac()
    probing = AppleMeter("darwin", root=True)
    assert not isinstance(probing.probe(), Unavailable)
    program = (
        "import json, sys, time; from wattleak.meters.apple import AppleMeter\n"
        "meter = AppleMeter(); meter.open(json.loads(sys.argv[1]))\n"
        "while meter.read()['cpu'] == 0: time.sleep(0.01)\n"
        "print('reading', flush=True); sys.stdin.readline(); meter.close(); print('closed', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, json.dumps(probing.spec())]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout.readline() == "reading\n"
        pid = int(state.with_suffix(".pid").read_text())
        assert not is_gone(pid)
        if end == "kill":
            reader.kill()
        else:
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == "closed\n"
        until(lambda: is_gone(pid), "powermetrics ends")
    finally:
        reader.kill()
        reader.communicate()
