"""Levels of the presets on machines that are written down, and where they go."""

from __future__ import annotations

import pytest

from wattleak.errors import UsageError
from wattleak.experiment.levels import Machine, clock_levels, places, preset
from wattleak.meters.gpu_clocks import Lock

NODE = Machine(cpus=64, allowed=6, gpu=False)


def test_threads_begin_with_what_a_library_takes_by_itself_and_end_where_the_cpus_do() -> None:
    assert preset("threads", "", NODE).levels == ("64", "1", "2", "4", "6")
    assert preset("threads", "", Machine(2, 2, gpu=False)).levels == ("2", "1")
    assert preset("threads", "3,5", NODE).levels == ("3", "5")


def test_workers_begin_with_the_default_of_a_loader() -> None:
    assert preset("workers", "", NODE).levels == ("0", "1", "2", "4", "6")


def test_half_precision_is_tried_where_there_is_a_gpu() -> None:
    assert "float16" not in preset("precision", "", NODE).levels
    assert "float16" in preset("precision", "", Machine(8, 8, gpu=True)).levels


def test_cuda_graphs_are_tried_where_there_is_a_gpu_and_a_missing_compiler_is_named() -> None:
    assert preset("compile", "", NODE).levels == ("none", "default")
    assert preset("compile", "", Machine(8, 8, gpu=True)).levels == ("none", "default", "reduce-overhead")
    with pytest.raises(UsageError, match=r"no g\+\+ here"):
        preset("compile", "", Machine(8, 8, gpu=False, lacking_compiler="g++"))


def test_clocks_begin_with_what_they_are_and_go_down_to_60_percent_in_steps_that_the_gpu_has() -> None:
    h200 = range(1980, 330, -15)  # 90, 80, 70 and 60 % of 1980 are 1782, 1584, 1386 and 1188 MHz
    assert clock_levels("", None, h200).levels == ("unlocked", "1785", "1590", "1380", "1185")
    assert clock_levels("1200,1410", Lock(1500, 1500), h200).levels == ("1500", "1200", "1410")
    assert clock_levels("unlocked", Lock(1500, 1650), h200).levels == ("1500-1650", "unlocked")
    with pytest.raises(UsageError, match="no clock of 1201 MHz"):
        clock_levels("1201", None, h200)
    for wrong in ("fast", "1410-1200", "0", "-5"):
        with pytest.raises(UsageError, match="no clock to lock a GPU to"):
            clock_levels(wrong, None, h200)
    with pytest.raises(UsageError, match="no other clocks"):
        clock_levels("unlocked", None, h200)


def test_one_cpu_leaves_nothing_to_try() -> None:
    with pytest.raises(UsageError, match="one level"):
        preset("threads", "", Machine(1, 1, gpu=False))


def test_a_factor_in_the_command_needs_no_variable() -> None:
    assert places("threads", ("train", "--threads", "{threads}"), {}, is_preset=True) == {}
    assert places("OMP_NUM_THREADS", ("train",), {}, is_preset=False) == {"OMP_NUM_THREADS": "{OMP_NUM_THREADS}"}
    assert places("threads", ("train",), {}, is_preset=True)["OMP_NUM_THREADS"] == "{threads}"
    assert places("batch", ("train",), {}, is_preset=True) == {}
