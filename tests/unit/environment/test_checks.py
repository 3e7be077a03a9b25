"""doctor's checks, on trees of /proc and /sys that are written here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wattleak.environment.cgroups import control_groups, cpu_quota, memory_limit
from wattleak.environment.checks import CHECKS, Host, State, find_check, run_checks
from wattleak.environment.checks.gpu import Gpu
from wattleak.environment.checks.host import moment, this_machine

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[3]


def tree(folder: Path, **files: str) -> Path:
    """Write files under `folder`; `__` in a name is a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def write(folder: Path, files: dict[str, str]) -> Path:
    return tree(folder, **{name.replace("/", "__"): text for name, text in files.items()})


def look(name: str, host: Host) -> tuple[str, str, str]:
    check = find_check(name)
    assert check is not None
    (result,) = run_checks(host, [check])
    return result.state.value, result.finding, result.remedy


def state(name: str, host: Host) -> str:
    return look(name, host)[0]


def two_cpus(folder: Path, **more: str) -> Path:
    return write(
        folder,
        {
            "proc/self/status": "Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n",
            "sys/devices/system/cpu/online": "0-1\n",
            **{name.replace("__", "/"): text for name, text in more.items()},
        },
    )


def test_nothing_that_cannot_be_read_is_ok(tmp_path: Path) -> None:
    """An empty machine: only what concerns this very process and the real disk can be known."""
    known = {"store-writable", "python-environment", "shipped-tables", "batch-system", "process-visibility"}
    host = Host(tmp_path, environ={}, store=tmp_path / "store", before=moment(tmp_path), after=moment(tmp_path))
    states = {result.name: result.state for result in run_checks(host)}

    assert {name for name, found in states.items() if found is not State.NOT_KNOWN} == known
    assert states["process-visibility"] is State.ERROR


def test_every_answer_that_is_not_good_says_what_helps_or_that_nothing_is_wrong(tmp_path: Path) -> None:
    for result in run_checks(this_machine(tmp_path, pause_s=0.01)):
        assert result.finding
        if result.state in {State.ERROR, State.WARNING}:
            assert result.remedy, result.name


def test_names_are_unique_and_every_check_has_a_page_and_stands_in_the_reference() -> None:
    names = [check.name for check in CHECKS]
    reference = (ROOT / "docs/reference/checks.md").read_text()

    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert "ok:" in check.page
        assert "not known:" in check.page or check.name in {
            "store-writable",
            "python-environment",
            "shipped-tables",
            "batch-system",
            "container",
            "process-visibility",
        }
        assert f"| `{check.name}` |" in reference
    assert set(re.findall(r"^\| `([a-z-]+)` \|", reference, re.MULTILINE)) - {"error", "warning", "info", "ok"} == {
        *names
    }


class TestProcessor:
    @pytest.mark.parametrize(
        ("governors", "expected"),
        [
            (("performance", "performance"), "ok"),
            (("performance", "powersave"), "warning"),
            (("schedutil",), "warning"),
        ],
    )
    def test_governor_of_every_cpu_counts(self, tmp_path: Path, governors: tuple[str, ...], expected: str) -> None:
        files = {
            f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor": f"{name}\n" for n, name in enumerate(governors)
        }
        assert state("cpu-governor", Host(write(tmp_path, files))) == expected

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"intel_pstate/no_turbo": "1"}, "ok"),
            ({"intel_pstate/no_turbo": "0"}, "info"),
            ({"cpufreq/boost": "0"}, "ok"),
            ({"cpufreq/boost": "1"}, "info"),
            ({"intel_pstate/no_turbo": "", "cpufreq/other": "1"}, "not_known"),
        ],
    )
    def test_turbo(self, tmp_path: Path, files: dict[str, str], expected: str) -> None:
        root = write(tmp_path, {f"sys/devices/system/cpu/{name}": f"{text}\n" for name, text in files.items()})
        assert state("cpu-turbo", Host(root)) == expected

    @pytest.mark.parametrize(
        ("low", "high", "able", "expected", "said"),
        [
            ("2000000", "2000000", "2000000", "ok", "2.00 GHz"),
            ("800000", "3500000", "3500000", "info", "0.80 to 3.50 GHz"),
            ("800000", "2000000", "3500000", "warning", "3.50GHz"),
        ],
    )
    def test_clock_range(self, tmp_path: Path, low: str, high: str, able: str, expected: str, said: str) -> None:
        base = "sys/devices/system/cpu/cpu0/cpufreq/"
        files = {f"{base}scaling_min_freq": low, f"{base}scaling_max_freq": high, f"{base}cpuinfo_max_freq": able}
        found, finding, _ = look("cpu-frequency", Host(write(tmp_path, files)))
        assert found == expected
        assert said in finding

    def test_steal_is_told_now_and_since_boot(self, tmp_path: Path) -> None:
        before = write(tmp_path / "a", {"proc/stat": "cpu  1000 0 1000 8000 0 0 0 0 0 0\n"})
        after = write(tmp_path / "b", {"proc/stat": "cpu  1050 0 1000 8100 0 0 0 50 0 0\n"})
        host = Host(after, before=moment(before, 0.0), after=moment(after, 1.0))
        found, finding, remedy = look("steal-time", host)

        assert found == "warning"
        assert finding.startswith("25 % now, 0.49 % since boot")  # 50 of 200 ticks; 50 of 10,200
        assert "dedicated" in remedy
        assert state("steal-time", replace(host, before=None)) == "ok"

    @pytest.mark.parametrize(
        ("earlier", "later", "expected"), [("0", "0", "ok"), ("7", "7", "info"), ("7", "9", "warning")]
    )
    def test_heat(self, tmp_path: Path, earlier: str, later: str, expected: str) -> None:
        path = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
        before, after = write(tmp_path / "a", {path: earlier}), write(tmp_path / "b", {path: later})
        assert state("thermal-throttle", Host(after, before=moment(before, 0.0), after=moment(after, 1.0))) == expected

    def test_temperatures_against_the_limits_of_their_sensors(self, tmp_path: Path) -> None:
        zone, chip = "sys/class/thermal/thermal_zone0/", "sys/class/hwmon/hwmon0/"
        files = {
            f"{zone}type": "x86_pkg_temp",
            f"{zone}temp": "61000",
            f"{zone}trip_point_0_type": "critical",
            f"{zone}trip_point_0_temp": "100000",
            f"{chip}name": "coretemp",
            f"{chip}temp1_input": "64000",
            f"{chip}temp1_label": "Package id 0",
            f"{chip}temp1_crit": "100000",
            f"{chip}temp2_input": "-128000",  # not connected
        }
        root = write(tmp_path, files)
        assert look("temperature", Host(root))[:2] == ("ok", "hottest: Package id 0 at 64 °C")
        write(tmp_path, {f"{zone}temp": "95000"})
        assert look("temperature", Host(root))[:2] == ("warning", "x86_pkg_temp is at 95 °C, its limit 100 °C")

    @pytest.mark.parametrize(
        ("source", "expected"), [("tsc", "ok"), ("kvm-clock", "ok"), ("hpet", "warning"), ("acpi_pm", "warning")]
    )
    def test_clock_source(self, tmp_path: Path, source: str, expected: str) -> None:
        root = write(tmp_path, {"sys/devices/system/clocksource/clocksource0/current_clocksource": source})
        assert state("clock-source", Host(root)) == expected

    def test_a_guest_is_known_by_its_processor_and_named_by_its_firmware(self, tmp_path: Path) -> None:
        root = write(tmp_path, {"proc/cpuinfo": "flags : fpu hypervisor\n", "sys/class/dmi/id/sys_vendor": "QEMU\n"})
        found, finding, _ = look("virtual-machine", Host(root))
        assert (found, "QEMU" in finding) == ("info", True)
        write(tmp_path, {"proc/cpuinfo": "flags : fpu vme\n"})
        assert state("virtual-machine", Host(root)) == "ok"


class TestSharing:
    def processes(self, root: Path, ticks: dict[str, int]) -> None:
        for number, (name, used) in enumerate(ticks.items()):
            words = " ".join(["R", "1", *["0"] * 9, str(used), "0", *["0"] * 10])
            write(root, {f"proc/{100 + number}/stat": f"{100 + number} ({name}) {words}\n"})

    def test_the_busiest_of_others_are_named(self, tmp_path: Path) -> None:
        before = write(tmp_path / "a", {"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\n"})
        after = write(tmp_path / "b", {"proc/stat": f"cpu  {TICKS} 0 0 {TICKS} 0 0 0 0 0 0\n"})
        self.processes(before, {"a (b) c": 0, "rests": 5})
        self.processes(after, {"a (b) c": TICKS, "rests": 5})
        host = Host(after, before=moment(before, 0.0), after=moment(after, 1.0))

        assert look("other-load", host)[:2] == ("warning", "1.00 CPUs busy: a (b) c (pid 100) 1.00")

    def test_load_that_no_living_process_explains_is_said(self, tmp_path: Path) -> None:
        before = write(tmp_path / "a", {"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\n"})
        after = write(tmp_path / "b", {"proc/stat": f"cpu  {TICKS} 0 0 0 0 0 0 0 0 0\n"})
        host = Host(after, before=moment(before, 0.0), after=moment(after, 1.0))
        assert "came and went" in look("other-load", host)[1]

    def test_a_quota_of_any_group_above_holds(self, tmp_path: Path) -> None:
        base = "sys/fs/cgroup/"
        root = two_cpus(
            tmp_path,
            proc__self__cgroup="0::/a.slice/b.service\n",
            proc__self__mountinfo="30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        )
        write(root, {f"{base}cgroup.procs": "", f"{base}a.slice/b.service/cpu.max": "max 100000\n"})
        assert cpu_quota(control_groups(root)) == float("inf")
        assert state("cpu-quota", Host(root)) == "ok"
        write(root, {f"{base}a.slice/cpu.max": "150000 100000\n"})
        assert cpu_quota(control_groups(root)) == 1.5
        found, finding, remedy = look("cpu-quota", Host(root))
        assert (found, finding[:8], "OMP_NUM_THREADS=1" in remedy) == ("warning", "1.5 CPUs", True)

    def test_version_one_beside_version_two(self, tmp_path: Path) -> None:
        root = two_cpus(
            tmp_path,
            proc__self__cgroup="4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n",
            proc__self__mountinfo=(
                "31 1 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                "32 1 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                "33 1 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
            ),
        )
        cpu, memory = "sys/fs/cgroup/cpu/", "sys/fs/cgroup/memory/"
        write(
            root,
            {
                f"{cpu}cpu.cfs_quota_us": "-1\n",
                f"{cpu}job/cpu.cfs_quota_us": "50000\n",
                f"{cpu}job/cpu.cfs_period_us": "100000\n",
                f"{cpu}job/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 7\n",
                f"{memory}memory.limit_in_bytes": "9223372036854771712\n",
                f"{memory}job/memory.limit_in_bytes": "1073741824\n",
                "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 8000000 kB\n",
            },
        )
        assert cpu_quota(control_groups(root)) == 0.5
        assert memory_limit(control_groups(root)) == 2**30
        assert look("cpu-throttling", Host(root))[:2] == ("info", "stopped in 3 periods so far, not now")
        assert look("memory-limit", Host(root))[1].startswith("1.0 GiB")

    def test_a_container_whose_group_path_its_mount_does_not_show(self, tmp_path: Path) -> None:
        """No cgroup namespace: /proc/self/cgroup has the host's path, the mount only the container's own group."""
        root = two_cpus(
            tmp_path,
            proc__self__cgroup="0::/docker/abc\n",
            proc__self__mountinfo="30 1 0:1 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        )
        write(root, {"sys/fs/cgroup/cpu.max": "50000 100000\n"})
        assert cpu_quota(control_groups(root)) == 0.5
        assert look("container", Host(root, environ={}))[1].startswith("Docker")

    @pytest.mark.parametrize(
        ("environ", "quota", "expected"),
        [
            ({}, None, "info"),
            ({"OMP_NUM_THREADS": "2"}, None, "ok"),
            ({"OMP_NUM_THREADS": "2,1"}, None, "ok"),
            ({"OMP_NUM_THREADS": "64"}, None, "warning"),
            ({"MKL_NUM_THREADS": "2"}, "100000 100000", "warning"),
            ({}, "100000 100000", "warning"),
        ],
    )
    def test_threads_against_the_cpus_that_are_ours(
        self, tmp_path: Path, environ: dict[str, str], quota: str | None, expected: str
    ) -> None:
        root = two_cpus(tmp_path)
        if quota:
            write(
                root,
                {
                    "proc/self/cgroup": "0::/\n",
                    "proc/self/mountinfo": "30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                    "sys/fs/cgroup/cpu.max": quota,
                },
            )
        assert state("thread-settings", Host(root, environ=environ)) == expected

    def test_only_some_cpus_are_ours(self, tmp_path: Path) -> None:
        root = two_cpus(tmp_path, sys__devices__system__cpu__online="0-7\n")
        assert look("cpu-affinity", Host(root))[:2] == ("info", "2 of 8: others may run on the rest")
        slurm = Host(root, environ={"SLURM_JOB_ID": "17", "SLURM_CPUS_ON_NODE": "2"})
        assert look("batch-system", slurm)[:2] == (
            "warning",
            "Slurm job 17, with 2 of 8 CPUs: other jobs may run beside",
        )
        whole = Host(root, environ={"SLURM_JOB_ID": "17", "SLURM_CPUS_ON_NODE": "8"})
        assert state("batch-system", whole) == "info"

    def test_where_there_is_no_proc_by_nature_psutil_is_asked(self, tmp_path: Path) -> None:
        found, finding, _ = look("process-visibility", Host(tmp_path, system="darwin"))
        assert (found, "psutil" in finding) == ("info", True)
        assert state("process-visibility", Host(tmp_path, system="linux")) == "error"

    @pytest.mark.parametrize(
        ("options", "expected"),
        [("rw", "ok"), ("rw,hidepid=2", "warning"), ("rw,hidepid=invisible", "warning"), ("rw,hidepid=0", "ok")],
    )
    def test_hidepid(self, tmp_path: Path, options: str, expected: str) -> None:
        files = {
            "proc/self/stat": "1 (x) R",
            "proc/self/io": "rchar: 1\n",
            "proc/self/task/1/children": "",
            "proc/self/mountinfo": f"22 27 0:21 / /proc rw,relatime - proc proc {options}\n",
        }
        root = write(tmp_path, files)
        assert state("process-visibility", Host(root)) == expected
        (root / "proc/self/io").unlink()
        assert state("process-visibility", Host(root)) == "warning"


class TestMemory:
    @pytest.mark.parametrize(
        ("left", "psi", "expected"),
        [
            ("8000000", "some avg10=0.00 avg60=0 avg300=0 total=0\n", "ok"),
            ("500000", "some avg10=0.00 avg60=0 avg300=0 total=0\n", "warning"),
            ("8000000", "some avg10=3.20 avg60=0 avg300=0 total=0\nfull avg10=0.00\n", "warning"),
        ],
    )
    def test_pressure(self, tmp_path: Path, left: str, psi: str, expected: str) -> None:
        meminfo = f"MemTotal: 8388608 kB\nMemAvailable: {left} kB\n"
        root = write(tmp_path, {"proc/meminfo": meminfo, "proc/pressure/memory": psi})
        assert state("memory-pressure", Host(root)) == expected

    def test_swap(self, tmp_path: Path) -> None:
        def swap(total: int, free: int, moved: tuple[int, int] = (0, 0)) -> str:
            meminfo = f"SwapTotal: {total} kB\nSwapFree: {free} kB\n"
            trees = [
                write(tmp_path / name, {"proc/meminfo": meminfo, "proc/vmstat": f"pswpin 1\npswpout {pages}\n"})
                for name, pages in zip("ab", moved, strict=True)
            ]
            return state("swap", Host(trees[1], before=moment(trees[0], 0.0), after=moment(trees[1], 1.0)))

        assert swap(0, 0) == "ok"
        assert swap(1000, 1000) == "info"
        assert swap(1000, 400) == "warning"
        assert swap(1000, 1000, (5, 9)) == "warning"


class TestSystem:
    def test_battery(self, tmp_path: Path) -> None:
        base = "sys/class/power_supply/"
        (tmp_path / base).mkdir(parents=True)
        assert state("power-supply", Host(tmp_path)) == "ok"
        write(
            tmp_path,
            {f"{base}mouse/type": "Battery", f"{base}mouse/scope": "Device", f"{base}mouse/status": "Discharging"},
        )
        assert state("power-supply", Host(tmp_path)) == "ok"
        write(tmp_path, {f"{base}BAT0/type": "Battery", f"{base}BAT0/status": "Discharging"})
        assert state("power-supply", Host(tmp_path)) == "warning"
        write(tmp_path, {f"{base}AC/type": "Mains", f"{base}AC/online": "1"})
        assert state("power-supply", Host(tmp_path)) == "ok"

    def test_limits_as_the_kernel_prints_them_for_a_real_shell(self, tmp_path: Path) -> None:
        for words, expected in (
            ("ulimit -n 100", "warning"),
            ("ulimit -n 2048", "ok"),
            ("ulimit -n 2048 -t 60", "warning"),
        ):
            limits = subprocess.run(
                ["sh", "-c", f"{words.replace(' -t', '; ulimit -t')}; cat /proc/self/limits"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert state("resource-limits", Host(write(tmp_path, {"proc/self/limits": limits}))) == expected

    def test_a_store_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert state("store-writable", Host(store=tmp_path / "file" / "store")) == "error"
        assert state("store-writable", Host(store=tmp_path / "not" / "yet")) in {"ok", "warning"}
        assert not (tmp_path / "not").exists()

    def test_the_file_system_that_holds_the_store(self, tmp_path: Path) -> None:
        mounts = (
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
            "40 22 0:44 / /home rw - nfs4 server:/home rw\n"
            "41 40 0:45 / /home/me/fast rw - xfs /dev/sdb rw\n"
        )
        root = write(tmp_path, {"proc/self/mountinfo": mounts})
        assert look("store-filesystem", Host(root, store=Path("/home/me/.wattleak")))[:1] == ("warning",)
        assert look("store-filesystem", Host(root, store=Path("/home/me/fast/.wattleak")))[:2] == ("ok", "xfs")
        assert look("store-filesystem", Host(root, store=Path("/homestead/.wattleak")))[:2] == ("ok", "ext4")

    @pytest.mark.parametrize(("level", "expected"), [("-1", "ok"), ("0", "ok"), ("2", "info"), ("4", "info")])
    def test_perf(self, tmp_path: Path, level: str, expected: str) -> None:
        assert state("perf-events", Host(write(tmp_path, {"proc/sys/kernel/perf_event_paranoid": level}))) == expected

    @pytest.mark.parametrize(("synchronised", "expected"), [(True, "ok"), (False, "info"), (None, "not_known")])
    def test_clock_sync(self, synchronised: bool | None, expected: str) -> None:
        assert state("clock-sync", Host(clock_synchronised=synchronised)) == expected

    def test_python_switches_that_slow_everything_down(self) -> None:
        assert state("python-environment", Host(environ={"PYTHONDEVMODE": "1"})) == "warning"
        assert state("python-environment", Host(environ={"PYTHONMALLOC": "debug"})) == "warning"
        inside = "ok" if sys.prefix != sys.base_prefix else "info"
        assert state("python-environment", Host(environ={})) == inside


class TestGpus:
    def test_a_gpu_in_order_and_one_that_is_not(self) -> None:
        good = Gpu("H200", 0, persistent=True, holders=(), slowed="")
        bad = Gpu("H200", 1, persistent=False, holders=(4711,), slowed="heat")
        silent = Gpu("vGPU", 0, persistent=None, holders=None, slowed=None)
        names = ("nvidia-persistence", "gpu-sharing", "gpu-clock")

        assert [state(name, Host(gpus=(good,))) for name in names] == ["ok"] * 3
        assert [state(name, Host(gpus=(good, bad))) for name in names] == ["warning"] * 3
        assert [state(name, Host(gpus=(silent,))) for name in names] == ["not_known"] * 3
        assert "4711" in look("gpu-sharing", Host(gpus=(good, bad)))[1]
        assert look("gpu-sharing", Host(gpus=(good, bad)))[2] == "export CUDA_VISIBLE_DEVICES=0"
