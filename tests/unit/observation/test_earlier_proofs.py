"""Which variant of an earlier proof tried a fix of a place: only where the line still reads as it did."""

import linecache

import pytest

from wattleak.cli.proofs import treatment_of
from wattleak.experiment.proof import Proof, Suspect, Treatment
from wattleak.model import EvidenceLevel, Place


def proof(root):
    def suspect(number, line, excerpt, code="MOD001"):
        return Suspect(number, {"code": code, "path": "train.py", "line": line}, excerpt, None, None)

    return Proof(
        script="train.py",
        root=str(root),
        python="python",
        files=1,
        suspects=(suspect(1, 2, "model = build()"), suspect(2, 3, "losses.append(loss)", "REF001")),
        treatments=(
            Treatment("fixed", (1, 2), "", ()),
            Treatment("fix-1", (1,), "", ()),
        ),
    )


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("for epoch in range(9):\n    model = build()\n    losses.append(loss)\n")
    linecache.clearcache()
    return path


def place(path, line, code):
    return Place(code, code, EvidenceLevel.SEEN, str(path), line, None)


def test_the_variant_with_that_fix_alone_then_the_one_with_all(script, tmp_path):
    assert treatment_of(proof(tmp_path), place(script, 2, "MOD001")) == "fix-1"
    assert treatment_of(proof(tmp_path), place(script, 3, "REF001")) == "fixed"


def test_another_smell_line_or_file_was_not_tried(script, tmp_path):
    (tmp_path / "other.py").write_text(script.read_text())
    for item in (place(script, 3, "MOD001"), place(script, 1, "MOD001"), place(tmp_path / "other.py", 2, "MOD001")):
        assert treatment_of(proof(tmp_path), item) is None


def test_a_line_that_was_changed_since_is_another_line(script, tmp_path):
    script.write_text(script.read_text().replace("build()", "build(3)"))
    linecache.clearcache()
    assert treatment_of(proof(tmp_path), place(script, 2, "MOD001")) is None
