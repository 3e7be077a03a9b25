"""The gate before a run: sensors are files that a test writes, power and time are scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.experiment.test_pipeline import Kept

from wattleak.analysis.comparison import compare
from wattleak.environment.sensors import Thermometers
from wattleak.executors.scripted import ScriptedExecutor, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.gate import Gate, MeasuredPower
from wattleak.experiment.runner import run_experiment
from wattleak.meters.clock import FakeClock
from wattleak.meters.probe import Probed
from wattleak.meters.replay import ReplayMeter
from wattleak.model import Channel, Design, Origin, Part, PlannedRun, Quantity, Session, Variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sensor(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    return file


class Cooling(FakeClock):
    """A clock on which a machine cools: whoever sleeps finds the sensor rewritten."""

    def __init__(self, file: Path, celsius_at: Callable[[float], float]) -> None:
        super().__init__()
        self._file = file
        self._celsius_at = celsius_at

    def sleep(self, duration_s: float) -> None:
        super().sleep(duration_s)
        self._file.write_text(f"{round(1000 * self._celsius_at(self.now_s()))}\n")


class ScriptedPower:
    def __init__(self, clock: FakeClock, watts_at: Callable[[float], float | None]) -> None:
        self._clock = clock
        self._watts_at = watts_at

    def read(self) -> float | None:
        return self._watts_at(self._clock.now_s())


class TestThermometers:
    def test_zones_and_chips_in_degrees(self, tmp_path: Path) -> None:
        sensor(tmp_path, "sys/class/thermal/thermal_zone0/temp", "41500")
        sensor(tmp_path, "sys/class/thermal/thermal_zone0/type", "x86_pkg_temp")
        sensor(tmp_path, "sys/class/hwmon/hwmon2/temp1_input", "38000")
        sensor(tmp_path, "sys/class/hwmon/hwmon2/temp1_label", "Tctl")
        sensor(tmp_path, "sys/class/hwmon/hwmon2/name", "k10temp")

        assert Thermometers(tmp_path, gpus=lambda: {"gpu0": 55.0}).read() == {
            "thermal_zone0 (x86_pkg_temp)": 41.5,
            "hwmon2 (k10temp Tctl)": 38.0,
            "gpu0": 55.0,
        }

    @pytest.mark.parametrize("shown", ["-128000", "0", "255000", "N/A", ""])
    def test_what_is_no_temperature_is_left_out(self, tmp_path: Path, shown: str) -> None:
        sensor(tmp_path, "sys/class/hwmon/hwmon0/temp1_input", shown)
        sensor(tmp_path, "sys/class/hwmon/hwmon0/temp2_input", "40000")
        sensor(tmp_path, "sys/class/hwmon/hwmon0/temp2_fault", "1")

        assert Thermometers(tmp_path).read() == {}


class TestGate:
    def gate(self, root: Path, celsius_at: Callable[[float], float]) -> tuple[Gate, Cooling]:
        file = sensor(root, "sys/class/thermal/thermal_zone0/temp", "40000")
        clock = Cooling(file, celsius_at)
        gate = Gate(clock, Thermometers(root))
        gate.begin()
        return gate, clock

    def test_it_waits_until_three_degrees_above_the_start(self, tmp_path: Path) -> None:
        """Cooling by a degree in ten seconds from 50: 43 are reached after 70."""
        gate, _ = self.gate(tmp_path, lambda time_s: 50 - time_s / 10)
        rest = gate.wait(1000)

        assert rest.waited_s == pytest.approx(70)
        assert rest.hot is None

    def test_never_less_than_ten_seconds(self, tmp_path: Path) -> None:
        gate, _ = self.gate(tmp_path, lambda _time_s: 30.0)  # cooler than at the start is no reason to wait

        assert gate.wait(1000).waited_s == pytest.approx(10)

    def test_never_more_than_three_hundred_and_then_it_says_what_was_hot(self, tmp_path: Path) -> None:
        gate, _ = self.gate(tmp_path, lambda _time_s: 60.0)
        rest = gate.wait(1)

        assert rest.waited_s == pytest.approx(300)
        assert rest.hot is not None
        assert "60 °C, 40 °C at the start" in rest.hot

    @pytest.mark.parametrize(("last_s", "waits_s"), [(10, 60), (120, 60), (600, 300), (7200, 3600)])
    def test_without_sensors_a_minute_or_half_of_the_last_run(
        self, tmp_path: Path, last_s: float, waits_s: float
    ) -> None:
        clock = FakeClock()
        gate = Gate(clock, Thermometers(tmp_path))
        gate.begin()
        rest = gate.wait(last_s)

        assert (rest.waited_s, rest.hot, clock.now_s()) == (waits_s, None, waits_s)

    def test_idle_power_within_three_deviations_of_the_first_minute(self, tmp_path: Path) -> None:
        """19, 20, 21 W in turn: median 20, median absolute deviation 1 (two thirds deviate by 1), so 23 W at most.

        Afterwards 30 W for 40 s, then 20: the mean of the last ten seconds is 23 when three of ten are still high.
        """
        clock = FakeClock()

        def watts(time_s: float) -> float:
            if time_s <= 60:
                return 19.0 + round(time_s) % 3
            return 30.0 if time_s <= 100 else 20.0

        gate = Gate(clock, Thermometers(tmp_path), ScriptedPower(clock, watts))
        gate.begin()
        rest = gate.wait(1)

        assert rest.waited_s == pytest.approx(47)
        assert rest.hot is None

    def test_power_that_does_not_come_back_is_flagged(self, tmp_path: Path) -> None:
        clock = FakeClock()
        gate = Gate(clock, Thermometers(tmp_path), ScriptedPower(clock, lambda t: 20.0 if t <= 60 else 25.0))
        gate.begin()
        rest = gate.wait(1)

        assert rest.waited_s == pytest.approx(300)
        assert rest.hot is not None
        assert rest.hot.startswith("25.0 W at rest")


def test_measured_power_differences_counters_and_leaves_out_what_is_inside_or_modelled() -> None:
    def channel(name: str, origin: Origin, contains: frozenset[str] = frozenset()) -> Channel:
        return Channel(name, "replay", Part.CPU, origin, Quantity.ENERGY_J, 0.001, 1.0, 1.0, contains=contains)

    channels = (
        channel("package", Origin.COUNTER, frozenset({"core"})),
        channel("core", Origin.COUNTER),
        channel("model", Origin.MODELLED),
    )
    clock = FakeClock()
    line = [(0.0, 0.0), (100.0, 1500.0)]  # 15 W
    meter = ReplayMeter(channels, {item.name: line for item in channels}, clock)
    power = MeasuredPower(Probed((("replay", meter),), channels, ()), clock)
    first = power.read()
    clock.sleep(10)

    assert power.channels == ("package",)
    assert first is None
    assert power.read() == pytest.approx(15.0)


def test_a_hot_run_counts_is_stored_and_is_doubted(tmp_path: Path) -> None:
    """The machine never cools down again after its first run."""
    file = sensor(tmp_path, "sys/class/thermal/thermal_zone0/temp", "40000")
    clock = Cooling(file, lambda time_s: 40.0 if time_s <= 5 else 70.0)
    design = Design(
        variants=(Variant("a", ("a",)), Variant("b", ("b",))), blocks=2, seed=1, metric="cpu_s", warmups=0, gated=True
    )

    def work(_variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        return ScriptedWork(duration_s=20.0, cpu_s=20.0)

    sink = Kept()
    experiment = run_experiment(
        make_plan(design),
        ScriptedExecutor(work, clock=clock),
        sink,
        session=Session("s", "node", "boot", "2026-01-01T00:00:00+00:00"),
        environment={},
        gate=Gate(clock, Thermometers(tmp_path)),
    )
    comparison = compare(experiment)

    assert [run.rest_s for run in sink.runs] == pytest.approx([0, 300, 300, 300])
    assert [run.hot is not None for run in sink.runs] == [False, True, True, True]
    assert all(run.failure is None for run in sink.runs)
    assert comparison.pairs[0].metrics["cpu_s"].blocks == 2
    assert any("3 of 4 runs began before the machine was at rest" in doubt for doubt in comparison.doubts)
