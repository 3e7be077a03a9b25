"""Which recorder is chosen: by the platform, by what a Linux lacks, by the variable."""

from __future__ import annotations

import os
import sys

import pytest

from wattleak.errors import UsageError
from wattleak.model import Sample
from wattleak.recorder.hindsight import narrow
from wattleak.recorder.platforms import VARIABLE, portable_platform


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of a whole Linux")
class TestOnLinux:
    def test_its_own_recorder(self) -> None:
        assert portable_platform() is None

    def test_a_python_that_knows_no_pidfd_takes_the_portable_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "pidfd_open")
        platform = portable_platform()

        assert platform is not None
        assert (platform.name, platform.children_times, platform.exit_usage) == ("linux", True, True)

    def test_so_does_a_kernel_that_refuses_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_pid: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", refuse)
        assert portable_platform() is not None

        monkeypatch.setenv(VARIABLE, "linux")  # whoever insists is told why not
        with pytest.raises(UsageError, match="pidfd_open"):
            portable_platform()

    @pytest.mark.parametrize("name", ["linux", "darwin", "win32"])
    def test_the_variable_names_what_may_be_used(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(VARIABLE, f"portable:{name}")
        platform = portable_platform()

        assert platform is not None
        assert platform.name == name

    @pytest.mark.parametrize("kind", ["macos", "portable:", "portable:beos", "Linux"])
    def test_a_kind_that_does_not_exist(self, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        monkeypatch.setenv(VARIABLE, kind)
        with pytest.raises(UsageError) as raised:
            portable_platform()
        assert "portable:win32" in raised.value.remedy


def sample(time_s: float, cpu_s: float, unseen_s: float) -> Sample:
    return Sample(time_s, {}, cpu_s, None, 0, None, None, 1, unseen_s=unseen_s)


def test_the_end_narrows_what_may_have_been_missing_before() -> None:
    """Two seconds were seen, a stranger used five; at the end 2.5 came to light, and 0.1 of an orphan stay open."""
    samples = [sample(0, 0, 0), sample(1, 1, 2), sample(2, 2, 5), sample(3, 2.5, 0.1)]

    assert [one.unseen_s for one in narrow(samples)] == pytest.approx([0, 1.6, 0.6, 0.1])


def test_without_such_an_end_the_bounds_stay() -> None:
    samples = [sample(0, 0, 0), sample(1, 1, 2), sample(2, 2, 5)]

    assert narrow(samples) == samples
