"""Which meter steps back for which, and that nothing is inside a sum twice. Channels only: no hardware in it."""

import pytest

from wattleak.analysis.metrics import choose_primary
from wattleak.meters import BUILTIN
from wattleak.meters.rules import OTHERS, OUTER_FIRST, RULES, containment, made_good, selected, steps_back
from wattleak.model import Channel, Origin, Part, Quantity

WHOLE = Channel("machine", "rapl", Part.MACHINE, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.9, 1.1, source="test")
CPU = WHOLE._replace(name="cpu0", part=Part.CPU)
DRAM = WHOLE._replace(name="dram0", part=Part.DRAM)
GPU = WHOLE._replace(name="gpu0", meter="nvml", part=Part.GPU)
ACPI = WHOLE._replace(name="machine-acpi", meter="hwmon", quantity=Quantity.POWER_W, origin=Origin.SAMPLED)
IPMI = ACPI._replace(name="machine-ipmi", meter="ipmi")
WALL = ACPI._replace(name="wall", meter="plug")
THEIRS = ACPI._replace(name="strip", meter="somebody-elses-power-strip")


def test_from_the_wall_inwards_each_holds_the_next_whatever_order_they_are_found_in():
    for channels in ([WALL, IPMI, ACPI, WHOLE, CPU, DRAM, GPU], [GPU, CPU, WHOLE, DRAM, ACPI, WALL, IPMI]):
        inside = containment(channels)
        parts = {"cpu0", "dram0", "gpu0"}
        assert inside["machine"] == parts
        assert inside["machine-acpi"] == parts | {"machine"}
        assert inside["machine-ipmi"] == parts | {"machine", "machine-acpi"}
        assert inside["wall"] == parts | {"machine", "machine-acpi", "machine-ipmi"}
        assert inside["cpu0"] == inside["dram0"] == inside["gpu0"] == frozenset()


def test_one_channel_of_any_set_of_machine_meters_is_left_to_add():
    """What no other channel contains is one channel: the sum of the outermost is one reading, not two."""
    for channels in ([WALL, THEIRS, IPMI], [THEIRS, THEIRS._replace(name="other", meter="other-strip")], [ACPI, WHOLE]):
        inside = containment([*channels, CPU])
        held = frozenset().union(*inside.values())
        assert len([channel for channel in channels if channel.name not in held]) == 1


def test_a_meter_that_we_do_not_know_sits_under_a_plug_and_above_the_machines_own():
    inside = containment([THEIRS, WALL, IPMI])
    assert "strip" in inside["wall"]
    assert inside["strip"] == {"machine-ipmi"}


def test_what_a_meter_says_of_its_own_channels_stays():
    board = WHOLE._replace(name="vdd_in", meter="ina3221", contains=frozenset({"cpu"}))
    assert containment([board, CPU._replace(name="cpu", meter="ina3221")])["vdd_in"] == {"cpu"}


def test_a_script_holds_what_it_says_and_no_more():
    scripted = WHOLE._replace(meter="replay", origin=Origin.SIMULATED)
    assert containment([scripted, CPU])["machine"] == frozenset()


def test_a_stand_in_steps_back_for_its_own_part_only():
    assert steps_back("perf-rapl", [CPU])
    assert steps_back("cpu-model", [CPU])
    assert not steps_back("cpu-model", [DRAM, GPU, WHOLE])
    assert steps_back("ram-model", [DRAM])
    assert not steps_back("ram-model", [CPU, WHOLE])
    assert not steps_back("nvml", [GPU])


def test_perf_makes_good_for_closed_powercap_files_and_nothing_else_does():
    assert made_good(["perf-rapl", "nvml"]) == {"rapl"}
    assert made_good(["nvml", "cpu-model"]) == frozenset()


def test_a_stand_in_comes_after_all_that_it_waits_for_however_they_are_named():
    named = ["cpu-model", "hwmon", "perf-rapl", "my-own", "rapl", "rapl"]
    assert selected(named) == ["my-own", "rapl", "perf-rapl", "hwmon", "cpu-model"]


def test_what_is_slow_or_goes_over_a_network_is_not_tried_unasked():
    assert not {"ipmi", "plug"} & set(selected(None))
    assert selected(["ipmi"]) == ["ipmi"]


@pytest.mark.parametrize("row", [rule for rule in RULES if rule.stands_in_for], ids=lambda rule: rule.meter)
def test_stand_ins_are_tried_unasked(row):
    """One that has to be named would never stand in."""
    assert row.unasked


def test_the_tables_name_every_built_in_meter_once_and_in_one_order():
    assert [rule.meter for rule in RULES] == [name for name, _ in BUILTIN if name != "replay"]
    assert len(set(OUTER_FIRST)) == len(OUTER_FIRST)
    assert set(OUTER_FIRST) - {OTHERS} <= set(dict(BUILTIN))


def test_a_plug_beside_counters_does_not_change_what_decides():
    channels = [WALL, WHOLE, CPU, GPU]
    inside = containment(channels)
    assert choose_primary([channel._replace(contains=inside[channel.name]) for channel in channels]) == "energy_j"
