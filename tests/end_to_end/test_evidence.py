"""Bundles of evidence: honest ones follow from their journals, changed ones are told where, hostile ones do nothing.

Every forger here is a good one: he makes the manifest anew, so that checksums alone would not find him.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import sys
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from conftest import CommandLine
from wattleak.errors import UsageError
from wattleak.evidence.archive import Bundle
from wattleak.evidence.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PYTHON = sys.executable
PROGRAM = """
import os, sys, wattleak
with wattleak.measure("train"):
    for i in range(int(sys.argv[1])): i * i
wattleak.report_metric("accuracy", 0.75)
print('WATTLEAK {"model_hash": "ab12"}')
print("password=hunter2 WATTLEAK was here")
print("loss=0.25")
# The fourth run fails: it must be in the bundle, with its reason.
open("count", "a").write("x")
sys.exit(os.path.getsize("count") == 4)
"""

Members = dict[str, Any]


class Made:
    """An experiment and its bundle."""

    def __init__(self, wattleak: CommandLine) -> None:
        self.wattleak = wattleak
        (wattleak.folder / "train.py").write_text(PROGRAM)
        commands = (f"{PYTHON} train.py 200000", f"{PYTHON} train.py 300000 --token abc123secret")
        options = ("--blocks", "2", "--warmups", "0", "--seed", "5", "--region", "DE", "--pue", "1.2")
        self.document = wattleak.document("compare", *commands, *options, "--quality-regex", "loss=(?P<loss>[0-9.]+)")
        self.identity: str = self.document["experiment_id"]
        done = wattleak("export", self.identity, "--output", "evidence.zip")
        assert done.returncode == 0, done.stderr
        self.printed = done.stdout
        self.path = wattleak.folder / "evidence.zip"

    def members(self) -> Members:
        with zipfile.ZipFile(self.path) as archive:
            return {
                name: json.loads(archive.read(name)) if name.endswith(".json") else archive.read(name)
                for name in archive.namelist()
            }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    wattleak = CommandLine(tmp_path_factory.mktemp("evidence"))
    yield Made(wattleak)
    wattleak.end_all()


def packed(members: Members, path: Path, *, with_manifest: bool = True) -> Path:
    """A bundle of these members; its manifest is made to fit, as a forger would."""
    texts = {name: value if isinstance(value, bytes) else json.dumps(value).encode() for name, value in members.items()}
    if with_manifest:
        files = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size_b": len(data)}
            for name, data in texts.items()
            if name != "MANIFEST.json"
        }
        texts["MANIFEST.json"] = json.dumps({**members["MANIFEST.json"], "files": files}).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in texts.items():
            archive.writestr(name, data)
    return path


def findings(path: Path) -> list[str]:
    with Bundle(path) as bundle:
        return [f"{finding.file}: {finding.what}" for finding in verify(bundle).findings]


class TestHonest:
    def test_it_is_verified_from_the_journals_in_another_folder(self, made: Made, tmp_path: Path) -> None:
        """Nothing but the file is needed: neither the store nor the folder in which it was made."""
        elsewhere = CommandLine(tmp_path)
        document = elsewhere.document("verify", str(made.path))
        text = elsewhere("verify", str(made.path)).stdout

        assert document["verified"] is True
        assert document["findings"] == []
        assert document["runs"] == document["from_journals"] == 6  # two blocks of two, and a block that broke
        assert document["digest"] in made.printed
        assert text.startswith("VERIFIED: experiment")
        assert not (tmp_path / ".wattleak").exists()

    def test_it_holds_everything_and_no_secret(self, made: Made) -> None:
        members = made.members()
        (failed,) = (name for name in members if name.startswith("runs/") and members[name]["failure"])
        excluded = {item["run_id"]: item["why"] for item in members["exclusions.json"]}

        assert members["plan.json"]["design"]["seed"] == 5
        assert [run["variant"] for run in members["plan.json"]["order"]] == [
            run["variant"] for run in made.document["design"]["order"]
        ]
        assert excluded[members[failed]["run_id"]] == "failed: exit code 1"
        assert members["experiment.json"]["environment"]["cpus"]
        assert (
            members["comparison.json"]["difference"][0]["summary"]
            == members["provenance/000.json"]["differences"][0]["summary"]
        )
        assert {"tables/ember_countries.json", "tables/cpu_watts.csv"} <= set(members)
        everything = b"".join(
            value if isinstance(value, bytes) else json.dumps(value).encode() for value in members.values()
        )
        assert b"abc123secret" not in everything
        assert b"hunter2" not in everything

    def test_the_same_experiment_gives_the_same_bytes(self, made: Made) -> None:
        made.wattleak("export", made.identity, "--output", "again.zip", "-q")

        assert (made.wattleak.folder / "again.zip").read_bytes() == made.path.read_bytes()

    def test_without_journals_the_answer_is_still_recomputed_and_what_is_not_is_said(self, made: Made) -> None:
        made.wattleak("export", made.identity, "--no-journals", "--output", "small.zip", "-q")
        document = made.wattleak.document("verify", "small.zip")

        assert document["verified"] is True
        assert document["from_journals"] == 0
        assert "6 of 6 runs come without a journal" in document["notes"][0]
        assert (made.wattleak.folder / "small.zip").stat().st_size < made.path.stat().st_size

    def test_a_single_run_too(self, made: Made) -> None:
        made.wattleak("measure", "-q", "--", PYTHON, "-c", "sum(range(10**6))")
        run = next(r for r in made.wattleak.document("list")["runs"] if r["experiment_id"] is None)
        made.wattleak("export", run["id"], "--output", "run.zip", "-q")
        document = made.wattleak.document("verify", "run.zip")

        assert (document["verified"], document["runs"], document["from_journals"]) == (True, 1, 1)

    def test_the_digest_that_was_kept_elsewhere_tells_another_bundle(self, made: Made, tmp_path: Path) -> None:
        forged = packed(made.members(), tmp_path / "forged.zip")  # every number is right, and it is another file
        digest = made.wattleak.document("verify", str(made.path))["digest"]
        codes = [made.wattleak("verify", str(path), "--digest", digest).returncode for path in (made.path, forged)]

        assert codes == [0, 1]


def some_run(members: Members, *, failed: bool = False) -> str:
    return next(
        name for name in sorted(members) if name.startswith("runs/") and bool(members[name]["failure"]) is failed
    )


def set_in_run(key: str, change: Callable[[Any], Any], *, failed: bool = False) -> Callable[[Members], tuple[str, str]]:
    def forge(members: Members) -> tuple[str, str]:
        name = some_run(members, failed=failed)
        members[name][key] = change(members[name][key])
        return name, key

    return forge


def last_bit(value: float) -> float:
    return value * (1 + 2**-52)


def energy_of_a_channel(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members[name]["energy"][0]["energy_j"] = last_bit(members[name]["energy"][0]["energy_j"])
    return name, "energy[0].energy_j"


def emissions(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members[name]["carbon_g"]["value"] /= 2
    return name, "carbon_g.value"


def a_span(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members[name]["spans"][0]["cpu_s"] = 0.0
    return name, "spans[0].cpu_s"


def another_variant(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members[name]["variant"] = "B" if members[name]["variant"] == "A" else "A"
    return name, "variant is"


def a_reading_of_a_journal(members: Members) -> tuple[str, str]:
    name = some_run(members)
    journal = f"journals/{members[name]['run_id']}/journal.jsonl"
    lines = members[journal].splitlines(keepends=True)
    at = max(place for place, line in enumerate(lines) if b'"k":"s"' in line.replace(b" ", b""))
    lines[at] = lines[at].replace(b"1", b"2", 1)
    members[journal] = b"".join(lines)
    return name, "recomputed"


def reported_quality(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members[f"journals/{members[name]['run_id']}/metrics.jsonl"] = b'{"accuracy": 0.99}\n'
    return name, "quality.accuracy is 0.75, recomputed 0.99"


def the_answer(members: Members) -> tuple[str, str]:
    members["comparison.json"]["metrics"]["cpu_s"]["change"] *= 0.5
    return "comparison.json", "metrics.cpu_s.change"


def the_verdict(members: Members) -> tuple[str, str]:
    members["comparison.json"]["verdict"] = "saving"
    return "comparison.json", 'verdict is "saving", recomputed "not_enough_runs"'


def the_seed_of_the_plan(members: Members) -> tuple[str, str]:
    members["stored-plan.json"]["design"]["seed"] = 6
    return "stored-plan.json", "digest is not that"


def the_margin_of_both_plans(members: Members) -> tuple[str, str]:
    for name in ("plan.json", "stored-plan.json"):
        members[name]["design"]["smallest_effect"] = 0.5
    return "stored-plan.json", "digest is not that"


def the_plan_that_was_written_first(members: Members) -> tuple[str, str]:
    members["plan.json"]["design"]["blocks"] = 3
    return "comparison.json", "exploratory is false, recomputed true"


def a_run_that_is_left_out(members: Members) -> tuple[str, str]:
    name = some_run(members)
    members["experiment.json"]["runs"].remove(members[name]["run_id"])
    return name, "not in the list of runs"


def a_run_that_is_gone(members: Members) -> tuple[str, str]:
    name = some_run(members, failed=True)
    del members[name]
    members["experiment.json"]["runs"].remove(name[5:-5])
    return "exclusions.json", ""


def the_reason_of_an_exclusion(members: Members) -> tuple[str, str]:
    members["exclusions.json"][0]["why"] = "it was a full moon"
    return "exclusions.json", "[0].why"


def the_difference(members: Members) -> tuple[str, str]:
    members["provenance/000.json"]["differences"][0]["diff"] = ""
    return "comparison.json", "difference[0].diff"


FORGERIES: list[Callable[[Members], tuple[str, str]]] = [
    set_in_run("cpu_s", last_bit),
    set_in_run("duration_s", lambda value: value / 2),
    set_in_run("peak_memory_b", lambda value: value - 1),
    set_in_run("exit_code", lambda _: 0, failed=True),
    set_in_run("outputs", lambda _: {"model_hash": "other"}),
    set_in_run("quality", lambda value: {**value, "loss": 0.1}),
    set_in_run("complete", lambda _: False),
    set_in_run("failure", lambda _: None, failed=True),
    energy_of_a_channel,
    emissions,
    a_span,
    another_variant,
    a_reading_of_a_journal,
    reported_quality,
    the_answer,
    the_verdict,
    the_seed_of_the_plan,
    the_margin_of_both_plans,
    the_plan_that_was_written_first,
    a_run_that_is_left_out,
    a_run_that_is_gone,
    the_reason_of_an_exclusion,
    the_difference,
]


class TestForged:
    @pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: getattr(forge, "__name__", ""))
    def test_a_change_is_found_where_it_was_made_though_the_manifest_fits(
        self, made: Made, tmp_path: Path, forge: Callable[[Members], tuple[str, str]]
    ) -> None:
        members = made.members()
        file, what = forge(members)
        found = findings(packed(members, tmp_path / "forged.zip"))

        assert any(line.startswith(f"{file}: ") and what in line for line in found), found

    def test_a_seed_that_no_plan_gave_is_found(self, made: Made, tmp_path: Path) -> None:
        members = made.members()
        members[some_run(members)]["seed"] += 1
        path = packed(members, tmp_path / "forged.zip")
        with Bundle(path) as bundle:
            found = verify(bundle)

        assert any("seed" in reason for reason in found.exploratory)
        assert any(finding.file == "comparison.json" for finding in found.findings)

    def test_the_command_line_says_which_file_and_number_and_ends_with_1(self, made: Made, tmp_path: Path) -> None:
        members = made.members()
        name, _ = set_in_run("cpu_s", lambda _: 0.125)(members)
        done = made.wattleak("verify", str(packed(members, tmp_path / "forged.zip")))

        assert done.returncode == 1
        assert f"{name}: cpu_s is 0.125, recomputed" in done.stdout
        assert "NOT VERIFIED" in done.stdout

    def test_any_byte_that_matters(self, made: Made, tmp_path: Path) -> None:
        """60 bytes anywhere in the file, turned over: each is found, unless every member is still what it was."""
        honest, data = made.members(), made.path.read_bytes()
        draw = random.Random(20)
        told = 0
        for _ in range(60):
            broken = bytearray(data)
            broken[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            path = tmp_path / "broken.zip"
            path.write_bytes(broken)
            try:
                with Bundle(path) as bundle:
                    found = bool(verify(bundle).findings)
                    same = set(bundle.names) | {"MANIFEST.json"} == set(honest)
            except UsageError:
                found, same = True, False
            told += found
            assert found or same

        assert told > 40  # most of a bundle is content

    def test_members_that_are_added_removed_or_changed_without_the_manifest(self, made: Made, tmp_path: Path) -> None:
        members = made.members()
        del members["tables/cpu_watts.csv"]
        members["extra.txt"] = b"hello"
        members["README.txt"] += b"!"
        found = findings(packed(members, tmp_path / "forged.zip", with_manifest=False))

        assert "extra.txt: is not in the manifest: it was added" in found
        assert "tables/cpu_watts.csv: is in the manifest and not in the bundle: it was removed" in found
        assert any(line.startswith("README.txt: was changed") for line in found)


def zip_of(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("runs/a.json")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("MANIFEST.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("MANIFEST.json", "{}")
    return out.getvalue()


def bomb() -> bytes:
    """A member that says it has 5 GB, as its few bytes would unpack to."""
    data = bytearray(zip_of(**{"MANIFEST.json": b"0" * 1000}))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (0xFFFFFF00).to_bytes(4, "little")
    return bytes(data)


def lying() -> bytes:
    """A member that says it is smaller than it is."""
    data = bytearray(zip_of(**{"MANIFEST.json": b"0" * 100_000}))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def packed_by(method: int) -> bytes:
    """A member that unpacks to a hundred thousand times its size, at once."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("MANIFEST.json", b"0" * 50_000_000)
    return out.getvalue()


MANIFEST_OF_ONE = b'{"kind": "evidence", "files": {"a.json": {"sha256": ""}}, "subject": {"kind": "run", "id": "a"}}'


def misnamed() -> bytes:
    """A member whose own name is no text."""
    data = bytearray(zip_of(**{"a.json": b"{}", "MANIFEST.json": MANIFEST_OF_ONE}))
    data[7] |= 0x08  # it is UTF-8
    data[30:36] = b"\xff" * 6
    return bytes(data)


class TestHostile:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"PK\x03\x04",
            bytes(range(256)) * 100,
            zip_of(),
            zip_of(**{"../outside.json": b"{}", "MANIFEST.json": b"{}"}),
            zip_of(**{"/tmp/outside.json": b"{}"}),
            zip_of(**{"runs\\..\\a.json": b"{}"}),
            zip_of(**{"runs/./a.json": b"{}"}),
            zip_of(**{"MANIFEST.json": b"[" * 100_000}),
            zip_of(**{"MANIFEST.json": b"{}"}),
            zip_of(**{"MANIFEST.json": b'{"kind": "evidence", "files": {"a": 1}, "subject": {}}'}),
            zip_of(**{"MANIFEST.json": b"9" * 10_000}),
            link(),
            bomb(),
            lying(),
            packed_by(zipfile.ZIP_BZIP2),
            packed_by(zipfile.ZIP_LZMA),
        ],
        ids=[
            *("empty", "begun", "junk", "no-member", "climbs", "absolute", "backslash", "dot", "deep", "no-manifest"),
            *("wrong-types", "long-number", "link", "bomb", "lying", "bzip2", "lzma"),
        ],
    )
    def test_what_is_no_bundle_gives_one_clear_error(self, tmp_path: Path, data: bytes) -> None:
        wattleak = CommandLine(tmp_path)
        (tmp_path / "x.zip").write_bytes(data)
        before = sorted(path.name for path in tmp_path.parent.iterdir())
        done = wattleak("verify", "x.zip")

        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 2  # the error and its remedy
        assert done.stderr.startswith("wattleak: error: ")
        assert sorted(path.name for path in tmp_path.parent.iterdir()) == before

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_what_unpacks_without_a_limit_is_not_unpacked(self, tmp_path: Path, method: int) -> None:
        (tmp_path / "x.zip").write_bytes(packed_by(method))

        tracemalloc.start()
        with pytest.raises(UsageError, match="compressed in a way that no bundle is"):
            Bundle(tmp_path / "x.zip")
        _, most_b = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most_b < 10_000_000

    def test_a_broken_member_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "x.zip").write_bytes(misnamed())

        with Bundle(tmp_path / "x.zip") as bundle, pytest.raises(UsageError, match=r"x\.zip: a\.json is damaged"):
            bundle.read("a.json")

    def test_two_members_of_one_name(self, tmp_path: Path) -> None:
        (tmp_path / "x.zip").write_bytes(twice())

        with pytest.raises(UsageError, match="two members"):
            Bundle(tmp_path / "x.zip")

    def test_a_bundle_that_ends_early(self, made: Made, tmp_path: Path) -> None:
        data = made.path.read_bytes()
        for part in (100, len(data) // 2, len(data) - 1):
            (tmp_path / "x.zip").write_bytes(data[:part])
            with pytest.raises(UsageError):
                Bundle(tmp_path / "x.zip")

    def test_no_such_file(self, tmp_path: Path) -> None:
        done = CommandLine(tmp_path)("verify", "nothing.zip")

        assert done.returncode == 2
        assert "there is no file nothing.zip" in done.stderr

    @pytest.mark.parametrize(
        "forge",
        [
            lambda members: members.update({"experiment.json": {"runs": "abc"}}),
            lambda members: members.update({"stored-plan.json": {"design": None}}),
            lambda members: members[some_run(members)].update({"channels": 7}),
            lambda members: members[some_run(members)].update({"started_at": None}),
            lambda members: members.pop("comparison.json"),
            lambda members: members.update({"provenance/000.json": {"accepted": 3, "differences": None}}),
            lambda members: members.update({f"journals/{some_run(members)[5:-5]}/journal.jsonl": b"\xff\0" * 1000}),
        ],
        ids=["runs", "plan", "channels", "time", "no-answer", "provenance", "journal"],
    )
    def test_documents_that_are_none_are_findings_not_crashes(
        self, made: Made, tmp_path: Path, forge: Callable[[Members], object]
    ) -> None:
        members = made.members()
        forge(members)

        assert findings(packed(members, tmp_path / "odd.zip"))


class TestTables:
    def test_csv_has_one_row_for_each_run_with_what_was_stored(self, made: Made) -> None:
        rows = list(csv.DictReader(io.StringIO(made.wattleak("export", made.identity, "--format", "csv").stdout)))
        by_id = {run["run_id"]: run for run in made.document["runs"]}

        assert {row["run_id"] for row in rows} == set(by_id)
        for row in rows:
            run = by_id[row["run_id"]]
            assert float(row["cpu_s"]) == run["cpu_s"]
            assert float(row["attributed_energy_j"]) == run["attributed_energy_j"]["energy_j"]
            assert row["attributed_energy_origin"] == run["attributed_energy_j"]["origin"]
            assert (row["variant"], int(row["block"]), int(row["seed"])) == (run["variant"], run["block"], run["seed"])
            assert row["signal"] == ""  # absent, not zero
        assert [row["why_not"] for row in rows if row["counts"] == "no"].count("failed: exit code 1") == 1

    def test_json_is_the_document_of_compare(self, made: Made) -> None:
        exported = json.loads(made.wattleak("export", made.identity, "--format", "json").stdout)

        assert exported == {**made.document, "environment": exported["environment"]}

    def test_a_name_that_a_spreadsheet_would_compute_is_text(self, wattleak: CommandLine) -> None:
        wattleak("measure", "-q", "--name", "=1+1", "--", "true")
        run = wattleak.document("list")["runs"][0]["id"]
        wattleak("export", run, "--format", "csv", "--output", "runs.csv")
        (row,) = csv.DictReader(io.StringIO((wattleak.folder / "runs.csv").read_text()))

        assert row["name"] == "'=1+1"


def test_results_that_do_not_match_plan_json_are_called_exploratory_everywhere(wattleak: CommandLine) -> None:
    (wattleak.folder / "a.py").write_text("sum(range(10**5))\n")
    commands = (f"{PYTHON} a.py", f"{PYTHON} a.py --x")
    planned = wattleak.document("compare", *commands, "--blocks", "2", "--warmups", "0")
    identity = planned["experiment_id"]
    plan = wattleak.folder / ".wattleak" / "experiments" / identity / "plan.json"
    plan.write_text(plan.read_text().replace('"metric": "cpu_s"', '"metric": "duration_s"'))
    document = wattleak.document("report", identity)
    pages = [wattleak("report", identity, "--format", kind, "--output", "-").stdout for kind in ("text", "markdown")]
    page = wattleak("report", identity, "--format", "html", "--output", "-").stdout
    plan.unlink()
    gone = wattleak.document("report", identity)

    assert planned["exploratory"] is False
    assert document["exploratory"] is True
    assert "its digest is that of another plan" in document["exploratory_reasons"][0]
    assert all("EXPLORATORY" in text and "plan.json was changed" in text for text in (*pages, page))
    assert gone["exploratory_reasons"] == ["plan.json is gone"]
