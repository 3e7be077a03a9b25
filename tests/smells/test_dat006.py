"""DAT006: loaders that are read to be counted, readings that have a purpose, the fix and its inverse."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.model import Confidence, Persona, Severity
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.project import Project
from wattleak.source.reading import parse, read

ROOM = find_room("DAT006")


def module(code: str) -> Module:
    parsed = parse(textwrap.dedent(code), Path("train.py"))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return list(ROOM.detect(module(code), cpus=2))


HEAD = """import functools, itertools, time
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchvision.datasets import ImageFolder

class Rows(Dataset):
    def __init__(self, rows):
        self.rows = rows
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, i):
        return self.rows[i]

class Stream(IterableDataset):
    def __iter__(self):
        yield from open("lines.txt")

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(Rows(torch.rand(9, 1)), batch_size=2, shuffle=True)
lines = DataLoader(Stream(), batch_size=2)
"""
EPOCH = """
def train(batches):
    total = 0
    for x in batches:
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / COUNT  # HERE
"""


def program(body: str) -> str:
    return HEAD + textwrap.dedent(body)


POSITIVES = {
    "len of list": program("n = len(list(loader))  # HERE"),
    "len of tuple": program("n = len(tuple(loader))  # HERE"),
    "len of a comprehension": program("n = len([batch for batch in loader])  # HERE"),
    "len of list of a generator": program("n = len(list(batch for batch in loader))  # HERE"),
    "len of a star": program("n = len([*loader])  # HERE"),
    "sum of ones": program("n = sum(1 for _ in loader)  # HERE"),
    "sum of a list of ones": program("n = sum([1 for _ in loader])  # HERE"),
    "sum of ones over enumerate": program("n = sum(1 for i, b in enumerate(loader))  # HERE"),
    "a loop": program("n = 0\nfor _ in loader:  # HERE\n    n += 1"),
    "a loop with a progress bar": program("from tqdm import tqdm\nn = 0\nfor b in tqdm(loader):  # HERE\n    n += 1"),
    "mean of the epoch": program(
        EPOCH.replace("COUNT", "len(list(batches))") + "for epoch in range(3):\n    train(loader)\n"
    ),
    "stream beside its loop": program(
        EPOCH.replace("COUNT", "len(list(batches))") + "for epoch in range(3):\n    train(lines)\n"
    ),
    "stream in every epoch": program(
        """
        for epoch in range(3):
            n = sum(1 for _ in lines)  # HERE
            for x in lines:
                loss = model(x).sum()
                loss.backward()
                optimizer.step()
            """
    ),
    "image folder": program("data = ImageFolder('x')\nn = len(list(DataLoader(data)))  # HERE"),
    "attribute": program(
        """
        class Trainer:
            def __init__(self):
                self.loader = DataLoader(Rows([1]))
            def run(self):
                return len(list(self.loader))  # HERE
        """
    ),
    "tensorflow": "import tensorflow as tf\nds = tf.data.Dataset.range(9).batch(2)\nprint(len(list(ds)))  # HERE",
    "tensorflow reduce": (
        "import numpy as np, tensorflow as tf\n"
        "ds = tf.data.Dataset.from_tensor_slices(x).map(f).batch(2).prefetch(1)\n"
        "n = ds.reduce(np.int64(0), lambda n, _: n + 1)  # HERE"
    ),
    "tensorflow images": (
        "from tensorflow import keras\nds = keras.utils.image_dataset_from_directory('x')\n"
        "n = sum(1 for _ in ds)  # HERE"
    ),
    "tensorflow stream beside its loop": """
        import tensorflow as tf
        def train(model):
            ds = tf.data.TFRecordDataset("x").map(parse).batch(2)
            for x, y in ds:
                model.train_on_batch(x, y)
            return sum(1 for _ in ds)  # HERE
    """,
}

NEGATIVES = {
    "len": program("n = len(loader)"),
    "len of the data set": program("n = len(loader.dataset)"),
    "len of a list": program("n = len(list(range(3)))"),
    "len of a data set as list": program("n = len(list(Rows([1])))"),
    "unknown loader": "import torch\ndef f(loader):\n    return len(list(loader))",
    "stream counted once": program("n = sum(1 for _ in lines)"),
    "stream of several loops": program("for name in 'ab':\n    n = len(list(DataLoader(Stream())))"),
    "batches are kept": program("batches = list(loader)\nn = len(batches)\nfor b in batches:\n    print(b)"),
    "something is done with each": program("n = len([model(b) for b in loader])"),
    "some are counted": program("n = sum(1 for b in loader if b.sum() > 0)"),
    "samples are added up": program("n = 0\nfor b in loader:\n    n += len(b)"),
    "something else in the loop": program("n = 0\nfor b in loader:\n    n += 1\n    print(b)"),
    "an assertion": program("assert len(list(loader)) == 5"),
    "its time is taken": program("start = time.perf_counter()\nn = sum(1 for _ in loader)\nprint(n)"),
    "its time is taken after": program("n = 0\nfor _ in loader:\n    n += 1\ntook = time.time() - start"),
    "never": program("if False:\n    n = len(list(loader))"),
    "list is something else": program("def list(x):\n    return [1]\nn = len(list(loader))"),
    "first batches": program("n = len(list(itertools.islice(range(9), 3)))"),
    "endless": "import tensorflow as tf\nds = tf.data.Dataset.range(9).repeat()\nn = sum(1 for _ in ds)",
    "tensorflow stream": "import tensorflow as tf\nds = tf.data.TFRecordDataset('x')\nn = sum(1 for _ in ds)",
    "tensorflow filter": (
        "import tensorflow as tf\nds = tf.data.Dataset.range(9).filter(f)\nn = ds.reduce(0, lambda n, _: n + 1)"
    ),
    "reduce of a sum": "import tensorflow as tf\nn = tf.data.Dataset.range(9).reduce(0, lambda n, x: n + x)",
    "functools.reduce": "import functools\nn = functools.reduce(lambda n, _: n + 1, [1], 0)",
    "no framework": "n = len(list(loader))",
}


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_finds_it_at_its_line(code: str) -> None:
    findings = found(code)
    marked = [number for number, line in enumerate(textwrap.dedent(code).splitlines(), 1) if "# HERE" in line]
    assert [finding.line for finding in findings] == marked
    assert findings[0].severity is Severity.WARNING
    assert findings[0].persona is Persona.DEFAULT
    assert findings[0].confidence >= Confidence.MEDIUM


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


def test_the_message_says_what_knows_the_number() -> None:
    (finding,) = found(POSITIVES["len of list"])
    assert "len(loader) knows" in finding.message
    (finding,) = found(POSITIVES["stream beside its loop"])
    assert "loop" in finding.message
    assert "len(" not in finding.message


def test_a_test_counts_what_it_likes(tmp_path: Path) -> None:
    code = POSITIVES["len of list"]
    (tmp_path / "tests").mkdir()
    for name, findings in (("tests/helpers.py", 0), ("train.py", 1)):
        (tmp_path / name).write_text(code)
        parsed = read(tmp_path / name)
        assert isinstance(parsed, Module)
        mine = Project([tmp_path / name]).adopt(parsed)
        (tmp_path / "pyproject.toml").touch()
        assert len(list(ROOM.detect(mine, cpus=2))) == findings


def test_a_loader_that_comes_from_another_file_in_a_tuple(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "from torch.utils.data import DataLoader\nfrom torchtext.datasets import Multi30k\n"
        "def get_data(options):\n"
        "    train = DataLoader(Multi30k(split='train'), batch_size=options.batch, collate_fn=options.collate)\n"
        "    valid = DataLoader(Multi30k(split='valid'), batch_size=options.batch)\n"
        "    return train, valid, 'en', 'de'\n"
    )
    main = tmp_path / "main.py"
    main.write_text(
        "import torch\nfrom tqdm import tqdm\nfrom data import get_data\n"
        "def train(model, train_dl, optim):\n"
        "    losses = 0\n"
        "    for x, y in tqdm(train_dl, ascii=True):\n"
        "        loss = model(x, y)\n"
        "        loss.backward()\n"
        "        optim.step()\n"
        "        losses += loss.item()\n"
        "    return losses / len(list(train_dl))\n"
        "def validate(model, valid_dl):\n"
        "    losses = 0\n"
        "    for x, y in tqdm(valid_dl):\n"
        "        losses += model(x, y).item()\n"
        "    return losses / len(list(valid_dl))\n"
        "def main(options):\n"
        "    train_dl, valid_dl, _, _ = get_data(options)\n"
        "    model = torch.nn.Linear(1, 1)\n"
        "    optim = torch.optim.Adam(model.parameters())\n"
        "    for epoch in range(options.epochs):\n"
        "        train(model, train_dl, optim)\n"
        "        validate(model, valid_dl)\n"
    )
    parsed = read(main)
    assert isinstance(parsed, Module)
    project = Project([main, tmp_path / "data.py"])
    mine = project.adopt(parsed)
    findings = list(ROOM.detect(mine, cpus=2))
    assert [finding.line for finding in findings] == [11, 16]
    after = apply(mine, findings[0].fix.edits)
    assert "    batches = 0\n    for x, y in tqdm(train_dl, ascii=True):\n        batches += 1\n" in after
    assert "return losses / batches\n" in after
    assert not findings[0].fix.safe


# -- the fix and its inverse ---------------------------------------------------------------------------------------

FIXED = {
    "len of list": "n = len(loader)  # HERE",
    "len of a comprehension": "n = len(loader)  # HERE",
    "sum of ones over enumerate": "n = len(loader)  # HERE",
    "a loop": "n = 0\nn += len(loader)",
    "mean of the epoch": "return total / len(batches)  # HERE",
    "stream beside its loop": "    batches_read = 0\n    for x in batches:\n        batches_read += 1\n        loss =",
    "tensorflow": "print(len(ds))  # HERE",
    "tensorflow reduce": "n = ds.cardinality()  # HERE",
}


@pytest.mark.parametrize(("name", "text"), FIXED.items())
def test_the_fix_asks_for_the_number(name: str, text: str) -> None:
    before = module(POSITIVES[name])
    (finding,) = ROOM.detect(before, cpus=2)
    assert text.replace("batches_read", "number_of_batches") in apply(before, finding.fix.edits)


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_fixed_code_is_silent_and_parses(code: str) -> None:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    if finding.fix is None:
        assert "every epoch" in finding.message
        return
    assert bool(finding.fix.why_unsafe) is not finding.fix.safe
    assert found(apply(before, finding.fix.edits)) == []


def test_a_loop_whose_batch_is_read_later_is_not_taken_away() -> None:
    (finding,) = found(program("n = 0\nfor b in loader:\n    n += 1\nprint(b)"))
    assert finding.fix is None


SAFE = {
    "DataLoader(TensorDataset(x), generator=torch.Generator())": None,
    "DataLoader(TensorDataset(x))": "random stream",
    "DataLoader(TensorDataset(x), generator=torch.Generator(), shuffle=True)": "order",
    "DataLoader(TensorDataset(x), generator=torch.Generator(), shuffle=config.shuffle)": "order",
    "DataLoader(TensorDataset(x), generator=torch.Generator(), sampler=sampler)": "order",
    "DataLoader(Rows(x), generator=torch.Generator())": "data set",
    "tf.data.Dataset.range(9).batch(3)": None,
    "tf.data.Dataset.range(9).shuffle(3)": "random streams",
    "tf.data.Dataset.range(9).map(f)": "random streams",
}


@pytest.mark.parametrize(("loader", "reason"), SAFE.items())
def test_a_fix_is_safe_where_a_reading_leaves_no_trace(loader: str, reason: str | None) -> None:
    (finding,) = found(program(f"import tensorflow as tf\nloader_here = {loader}\nn = len(list(loader_here))"))
    assert finding.fix.safe is (reason is None)
    assert (reason or "") in (finding.fix.why_unsafe or "")


def test_the_mark_is_where_the_reading_is() -> None:
    code = program("x = 'größer 日本'; n = len(list(loader))")
    (finding,) = found(code)
    line = code.splitlines()[finding.line - 1]
    assert line[finding.column - 1 : finding.end_column - 1] == "len(list(loader))"


def test_inside_an_f_string_it_is_found_and_not_fixed() -> None:
    (finding,) = found(program("print(f'{len(list(loader))} batches')"))
    assert finding.fix is None


@pytest.mark.parametrize("framework", pairs(ROOM.smell))
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in pairs(ROOM.smell)[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


CLEAN = {
    "a length is asked for": program(EPOCH.replace("COUNT", "len(batches)") + "train(loader)\n"),
    "no length is asked for": program(EPOCH.replace("COUNT", "9") + "train(loader)\n"),
    "tensorflow": (
        "import tensorflow as tf\nmodel = tf.keras.Sequential([])\nds = tf.data.Dataset.range(9).batch(2)\n"
        "for epoch in range(3):\n    for x in ds:\n"
        "        with tf.GradientTape() as tape:\n            loss = model(x)\n"
        "        gradients = tape.gradient(loss, model.trainable_variables)\n"
    ),
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    assert len(found(apply(clean, ROOM.inject(clean)))) == 1


def test_inject_says_when_it_cannot() -> None:
    with pytest.raises(UsageError, match=r"train\.py has no data loader"):
        ROOM.inject(module("import torch\nn = len([1])\n"))
