"""BAT001: what it finds, what it leaves alone, its fixes and their inverse, and its programs."""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.model import Persona, Severity
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.project import Project
from wattleak.source.reading import parse, read

ROOM = find_room("BAT001")
PAIRS = pairs(ROOM.smell)
FRAMEWORKS = ["keras", "torch"]


def module(code: str) -> Module:
    parsed = parse(textwrap.dedent(code), Path("train.py"))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return [finding for finding in ROOM.detect(module(code), cpus=2) if finding.persona is Persona.DEFAULT]


KERAS = """
import keras
import numpy as np
import tensorflow as tf

def build():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model

model = build()
x, y = np.random.rand(1000, 8), np.random.rand(1000, 1)
"""

TORCH = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets

model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
rows = TensorDataset(torch.randn(1000, 8), torch.randn(1000, 1))

def train(loader):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
"""

IGNORED = {
    "a data set with another size": "train = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)\n"
    "model.fit(train, epochs=3, batch_size=64)  # HERE",
    "built step by step": "train = tf.data.Dataset.from_tensor_slices((x, y))\ntrain = train.shuffle(1000)\n"
    "train = train.batch(32).prefetch(1)\nmodel.fit(train, batch_size=1024)  # HERE",
    "an argument of the program": "import sys\ntrain = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)\n"
    "model.fit(train, batch_size=int(sys.argv[1]))  # HERE",
    "from a folder": "train = keras.utils.image_dataset_from_directory('images', batch_size=32)\n"
    "model.fit(train, batch_size=128)  # HERE",
    "a generator": "def batches():\n    while True:\n        yield x[:16], y[:16]\n"
    "model.fit(batches(), steps_per_epoch=10, batch_size=64)  # HERE",
    "a generator with a name": "def batches():\n    yield x[:16], y[:16]\nrows = batches()\n"
    "model.fit(rows, batch_size=64)  # HERE",
    "a Sequence": "class Rows(keras.utils.Sequence):\n    def __getitem__(self, i):\n        return x, y\n"
    "model.fit(Rows(), batch_size=64)  # HERE",
    "a PyDataset": "class Rows(keras.utils.PyDataset):\n    def __getitem__(self, i):\n        return x, y\n"
    "model.fit(x=Rows(), batch_size=64)  # HERE",
    "images from Keras": "from tensorflow.keras.preprocessing.image import ImageDataGenerator\n"
    "images = ImageDataGenerator(rescale=1 / 255)\nmodel.fit(images.flow(x, y, batch_size=8), batch_size=64)  # HERE",
    "a DataLoader": "from torch.utils.data import DataLoader\nmodel.fit(DataLoader(x, batch_size=8), batch_size=64)"
    "  # HERE",
    "a subclass of Model": "class Net(keras.Model):\n    pass\nnet = Net()\n"
    "train = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)\nnet.fit(train, batch_size=64)  # HERE",
    "tf.keras": "net = tf.keras.models.Sequential()\ntrain = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)\n"
    "net.fit(train, None, 64)  # HERE",
    "a builder": "def rows():\n    return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)\n"
    "model.fit(rows(), batch_size=64)  # HERE",
    "pieces of a tuple": "def rows():\n    a = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)\n    return a, a\n"
    "train, test = rows()\nmodel.fit(train, batch_size=64)  # HERE",
    "keywords in a dict": "options = {'batch_size': 64, 'epochs': 3}\n"
    "model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(8), **options)  # HERE",
    "a model that callers give": "def learn(net):\n    net.compile(optimizer='adam', loss='mse')\n"
    "    net.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(8), batch_size=64)  # HERE\n",
}

SINGLE = {
    "fit": "model.fit(x, y, epochs=5, batch_size=1)  # HERE",
    "fit with a constant": "BATCH = 1\nmodel.fit(x, y, batch_size=BATCH)  # HERE",
    "fit with a dict": "options = {'batch_size': 1, 'epochs': 3}\nmodel.fit(x, y, **options)  # HERE",
    "a data set of rows": "train = tf.data.Dataset.from_tensor_slices((x, y)).batch(1)  # HERE\nmodel.fit(train)",
}

SINGLE_TORCH = {
    "a loader": "train(DataLoader(rows, batch_size=1, shuffle=True))  # HERE",
    "a loader without a size": "loader = DataLoader(rows, shuffle=True)  # HERE\ntrain(loader)\ntrain(loader)",
    "positional": "train(DataLoader(rows, 1))  # HERE",
    "known images": "train(DataLoader(datasets.MNIST('.', train=True), batch_size=1))  # HERE",
    "a split of them": "parts = torch.utils.data.random_split(rows, [800, 200])\n"
    "train(DataLoader(parts[0], batch_size=1))  # HERE",
    "a part of them": "train(DataLoader(torch.utils.data.Subset(rows, range(10)), batch_size=1))  # HERE",
    "a builder": "def loaders():\n    return DataLoader(rows), DataLoader(rows, batch_size=64)  # HERE\n"
    "first, second = loaders()\ntrain(first)",
    "rows in a random order": "xs, ys = torch.randn(1000, 8), torch.randn(1000, 1)\n"
    "for some in torch.randperm(1000).split(1):  # HERE\n    optimizer.zero_grad()\n"
    "    nn.functional.mse_loss(model(xs[some]), ys[some]).backward()\n    optimizer.step()",
    "a step in a function": "def step(x, y):\n    nn.functional.mse_loss(model(x), y).backward()\n"
    "    optimizer.step()\nfor x, y in DataLoader(rows, batch_size=1):  # HERE\n    step(x, y)",
}

PIECES = {
    "splits": "for x, y in DataLoader(rows, batch_size=64):\n"
    "    for some_x, some_y in zip(x.split(4), y.split(4)):  # HERE\n        optimizer.zero_grad()\n"
    "        nn.functional.mse_loss(model(some_x), some_y).backward()\n        optimizer.step()",
    "row by row": "for x, y in DataLoader(rows, batch_size=64):\n    for i in range(len(x)):  # HERE\n"
    "        optimizer.zero_grad()\n        nn.functional.mse_loss(model(x[i].unsqueeze(0)), y[i : i + 1]).backward()\n"
    "        optimizer.step()",
    "slices": "for x, y in DataLoader(rows, batch_size=64):\n    for i in range(0, x.size(0), 8):  # HERE\n"
    "        optimizer.zero_grad()\n        nn.functional.mse_loss(model(x[i : i + 8]), y[i : i + 8]).backward()\n"
    "        optimizer.step()",
    "rows of a batch": "for x, y in DataLoader(rows, batch_size=64):\n    for one, label in zip(x, y):  # HERE\n"
    "        optimizer.zero_grad()\n        nn.functional.mse_loss(model(one[None]), label).backward()\n"
    "        optimizer.step()",
}

LARGER = {
    "fit": (KERAS, "model.fit(x, y, batch_size=4096)  # HERE", Severity.WARNING),
    "a known set": (
        "import keras\nmodel = keras.Sequential()\n(x, y), test = keras.datasets.cifar10.load_data()\nx = x / 255.0\n",
        "model.fit(x, y, batch_size=65536)  # HERE",
        Severity.WARNING,
    ),
    "keywords in a dict": (
        KERAS,
        "options = dict(batch_size=4096, epochs=3)\nmodel.fit(x, y, **options)  # HERE",
        Severity.WARNING,
    ),
    "a part of it": (KERAS, "model.fit(x[:100], y[:100], batch_size=128)  # HERE", Severity.WARNING),
    "scikit-learn": (
        "import keras\nfrom sklearn.datasets import load_iris\nmodel = keras.Sequential()\n",
        "x, y = load_iris(return_X_y=True)\nmodel.fit(x, y, batch_size=256)  # HERE",
        Severity.WARNING,
    ),
    "tf.data": (
        KERAS,
        "train = tf.data.Dataset.from_tensor_slices((x, y)).batch(2048)  # HERE\nmodel.fit(train)",
        Severity.WARNING,
    ),
    "nothing is left": (
        TORCH,
        "loader = DataLoader(rows, batch_size=2048, drop_last=True)  # HERE\ntrain(loader)",
        Severity.ERROR,
    ),
    "a loader": (TORCH, "train(DataLoader(rows, batch_size=1024))  # HERE", Severity.WARNING),
    "few updates": (
        "import keras\nmodel = keras.Sequential()\n(x, y), test = keras.datasets.cifar10.load_data()\n",
        "model.fit(x, y, batch_size=32768)  # HERE",
        Severity.INFO,
    ),
}

NOTES = {
    "evaluation row by row": TORCH
    + "def accuracy(loader):\n    model.eval()\n    with torch.no_grad():\n        for x, y in loader:\n"
    "            model(x)\naccuracy(DataLoader(rows, batch_size=1))  # HERE",
    "rows summed to a batch": TORCH + "for step, (x, y) in enumerate(DataLoader(rows, batch_size=1)):  # HERE\n"
    "    nn.functional.mse_loss(model(x), y).backward()\n    if step % 16 == 0:\n        optimizer.step()\n"
    "        optimizer.zero_grad()",
    "the same size twice": KERAS
    + "SIZE = 32\nmodel.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(SIZE), batch_size=SIZE)  # HERE",
    "evaluate": KERAS + "model.evaluate(tf.data.Dataset.from_tensor_slices((x, y)).batch(8), batch_size=64)  # HERE",
}

NEGATIVES = {
    "arrays": KERAS + "model.fit(x, y, batch_size=64)",
    "a data set alone": KERAS + "model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(64))",
    "no size asked for": KERAS
    + "model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(64), batch_size=None, epochs=3)",
    "unknown data": KERAS + "def learn(data):\n    model.fit(data, batch_size=64)",
    "data of either kind": KERAS
    + "import sys\ndata = x if sys.argv[1:] else tf.data.Dataset.from_tensor_slices((x, y)).batch(8)\n"
    "model.fit(data, batch_size=64)",
    "somebody else's fit": "import tensorflow as tf\nfrom mine import Trainer\n"
    "Trainer().fit(tf.data.Dataset.range(10).batch(4), batch_size=64)",
    "a fit of one's own": KERAS + "class Net(keras.Model):\n    def fit(self, data, batch_size):\n        pass\n"
    "Net().fit(tf.data.Dataset.range(10), batch_size=64)",
    "a small size": KERAS + "model.fit(x, y, batch_size=2)",
    "a large size": KERAS + "model.fit(x, y, batch_size=512)",
    "the whole set on purpose": KERAS + "model.fit(x, y, batch_size=len(x))",
    "exactly the whole set": KERAS + "model.fit(x, y, batch_size=1000)",
    "size from the command line": KERAS
    + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--batch-size', default=1, type=int)\n"
    "model.fit(x, y, batch_size=p.parse_args().batch_size)",
    "predict one row": KERAS + "model.predict(x[:1], batch_size=1)",
    "fit a single row": KERAS + "model.fit(x[:1], y[:1], batch_size=1)",
    "as it comes": KERAS + "for i in range(1000):\n    model.fit(x[i : i + 1], y[i : i + 1], batch_size=1)",
    "a stateful network": KERAS
    + "model.add(keras.layers.LSTM(4, stateful=True))\nmodel.fit(x, y, batch_size=1, shuffle=False)",
    "replay": KERAS + "def replay(state, target):\n    model.fit(state, target, epochs=1, batch_size=1, verbose=0)",
    "a loader of 64": TORCH + "train(DataLoader(rows, batch_size=64))",
    "a loader nobody trains with": TORCH + "for x, y in DataLoader(rows):\n    print(x.mean())",
    "batches of one's own": TORCH + "train(DataLoader(rows, batch_sampler=torch.utils.data.BatchSampler(r, 4, False)))",
    "rows of different length": TORCH + "train(DataLoader(rows, batch_size=1, collate_fn=lambda x: x[0]))",
    "a data set of one's own": TORCH
    + "class Mine(Dataset):\n    def __getitem__(self, i):\n        return self.batches[i]\ntrain(DataLoader(Mine()))",
    "no batching": TORCH + "train(DataLoader(rows, batch_size=None))",
    "size unknown": TORCH + "def main(size=1):\n    train(DataLoader(rows, batch_size=size))\nmain(8)\nmain(1)",
    "gradients without an update": TORCH
    + "for x, y in DataLoader(rows, batch_size=1):\n    x.requires_grad_()\n    model(x).sum().backward()\n"
    "    print(x.grad)",
    "micro-batches of a batch": TORCH + "for x, y in DataLoader(rows, batch_size=64):\n    optimizer.zero_grad()\n"
    "    for some_x, some_y in zip(x.split(16), y.split(16)):\n"
    "        nn.functional.mse_loss(model(some_x), some_y).backward()\n    optimizer.step()",
    "differential privacy": TORCH
    + "for x, y in DataLoader(rows, batch_size=64):\n    optimizer.zero_grad()\n    for i in range(len(x)):\n"
    "        nn.functional.mse_loss(model(x[i : i + 1]), y[i : i + 1]).backward()\n"
    "        nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n    optimizer.step()",
    "steps of a sequence": TORCH
    + "for x, y in DataLoader(rows, batch_size=64):\n    for t in range(x.size(1)):\n        optimizer.zero_grad()\n"
    "        model(x[:, t]).sum().backward()\n        optimizer.step()",
    "time goes first": TORCH
    + "for x, y in DataLoader(rows, batch_size=64):\n    for t in range(len(x)):\n        optimizer.zero_grad()\n"
    "        model(x[t]).sum().backward()\n        optimizer.step()",
    "a large batch for evaluation": TORCH
    + "def accuracy(loader):\n    with torch.no_grad():\n        for x, y in loader:\n            model(x)\n"
    "accuracy(DataLoader(rows, batch_size=4096))",
    "scikit-learn": "from sklearn.neural_network import MLPClassifier\nMLPClassifier(batch_size=1).fit([[1]], [1])",
    "text": "note = 'model.fit(train.batch(4), batch_size=64)'",
    "never": KERAS + "if False:\n    model.fit(x, y, batch_size=1)",
    "help text": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--batch-size', default=65536)",
}


def marked(code: str) -> list[int]:
    return [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]


@pytest.mark.parametrize(
    "code",
    [
        *(KERAS + code for code in (IGNORED | SINGLE).values()),
        *(TORCH + code for code in (SINGLE_TORCH | PIECES).values()),
    ],
    ids=[*IGNORED, *SINGLE, *SINGLE_TORCH, *PIECES],
)
def test_finds_it_at_its_line(code: str) -> None:
    findings = found(code)
    assert [finding.line for finding in findings] == marked(code)
    assert findings[0].severity is Severity.WARNING


@pytest.mark.parametrize(("before", "code", "severity"), LARGER.values(), ids=LARGER)
def test_finds_a_batch_of_more_rows_than_there_are(before: str, code: str, severity: Severity) -> None:
    findings = found(before + code)
    assert [finding.line for finding in findings] == marked(before + code)
    assert findings[0].severity is severity


@pytest.mark.parametrize("code", NOTES.values(), ids=NOTES)
def test_a_note_is_no_warning(code: str) -> None:
    findings = found(code)
    assert [finding.line for finding in findings] == marked(code)
    assert findings[0].severity is Severity.INFO


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


def test_no_size_as_such_is_a_finding() -> None:
    for size in (2, 3, 4, 8, 16, 32, 512, 4096, 65536):
        code = TORCH + f"from mine import rows\ntrain(DataLoader(rows, batch_size={size}))"
        assert found(code) == []


def test_across_files(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "import tensorflow as tf\ndef rows(x, y):\n    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)\n"
    )
    (tmp_path / "nets.py").write_text("import keras\nclass Net(keras.Model):\n    pass\n")
    main = tmp_path / "main.py"
    main.write_text("from data import rows\nfrom nets import Net\nnet = Net()\nnet.fit(rows(1, 2), batch_size=64)\n")
    project = Project([*tmp_path.glob("*.py")])
    read_main = project.module_at(main)
    assert read_main is not None
    (finding,) = ROOM.detect(read_main, cpus=2)
    assert finding.line == 4
    assert "batches of 4" in finding.message


def test_a_loader_that_another_file_trains_with(tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text(
        "def train(model, optimizer, loader):\n    for x, y in loader:\n        optimizer.zero_grad()\n"
        "        model(x).sum().backward()\n        optimizer.step()\n"
    )
    main = tmp_path / "main.py"
    main.write_text(
        TORCH.partition("def train")[0]
        + "from engine import train\ntrain(model, optimizer, DataLoader(rows))  # HERE\n"
    )
    project = Project([*tmp_path.glob("*.py")])
    read_main = project.module_at(main)
    assert read_main is not None
    findings = list(ROOM.detect(read_main, cpus=2))
    assert [finding.line for finding in findings] == marked(main.read_text())


def test_the_message_names_both_sizes() -> None:
    (finding,) = found(KERAS + IGNORED["a data set with another size"])
    assert "batch_size=64" in finding.message
    assert "batches of 4" in finding.message


def test_what_fit_does_not_look_at_is_removed_without_asking_where_it_changes_nothing() -> None:
    before = module(KERAS + NOTES["the same size twice"].removeprefix(KERAS))
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert finding.fix.safe
    after = apply(before, finding.fix.edits)
    assert after.endswith("model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(SIZE))  # HERE")
    assert found(after) == []


def test_the_size_that_fit_was_told_becomes_that_of_the_data_set_only_when_asked() -> None:
    before = module(KERAS + IGNORED["a data set with another size"])
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert not finding.fix.safe
    assert finding.fix.why_unsafe
    after = apply(before, finding.fix.edits)
    assert ".batch(64)\nmodel.fit(train, epochs=3)" in after
    assert found(after) == []


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("batches(), batch_size=64, epochs=2", "batches(), epochs=2"),
        ("batches(), epochs=2, batch_size=64", "batches(), epochs=2"),
        ("batches(),\n    batch_size=64,\n    epochs=2,\n", "batches(),\n    epochs=2,\n"),
        ("batches(),  # rows\n    batch_size=64\n", "batches(),  # rows\n    \n"),
        ("(batches()), batch_size=64", "(batches()), "),
        ("x=batches(), batch_size=(64)", "x=batches()"),
        ("batches(), batch_size=64,", "batches(), "),
    ],
)
def test_comments_and_the_rest_of_a_call_stay(written: str, left: str) -> None:
    head = KERAS + "def batches():\n    yield x, y\nmodel.fit("
    before = module(f"{head}{written})\n")
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert apply(before, finding.fix.edits) == f"{head}{left})\n"


@pytest.mark.parametrize(
    "code",
    [*(KERAS + code for code in SINGLE.values()), *(TORCH + code for code in SINGLE_TORCH.values())],
    ids=[*SINGLE, *SINGLE_TORCH],
)
def test_fixes_of_single_rows_are_never_safe_and_leave_nothing(code: str) -> None:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    if "BATCH = 1" in code:
        assert finding.fix is None  # a name: what else it is for is not known
        return
    assert finding.fix is not None
    assert not finding.fix.safe
    assert found(apply(before, finding.fix.edits)) == []


def test_a_forgotten_size_is_that_of_the_loader_beside_it() -> None:
    before = module(TORCH + "N = 128\ntest = DataLoader(rows, batch_size=N)\ntrain(DataLoader(rows, shuffle=True))\n")
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert "train(DataLoader(rows, shuffle=True, batch_size=N))" in apply(before, finding.fix.edits)


CLEAN = {
    "keras arrays": KERAS + "model.fit(x, y, epochs=3)\n",
    "keras arrays with a size": KERAS + "model.fit(x, y, epochs=3, batch_size=64)\n",
    "keras data set": KERAS + "train = tf.data.Dataset.from_tensor_slices((x, y)).batch(64)\nmodel.fit(train)\n",
    "keras data set of small batches": KERAS + "model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(2))\n",
    "torch": TORCH + "loader = DataLoader(rows, batch_size=64, shuffle=True)\ntrain(loader)\n",
    "torch positional": TORCH + "train(DataLoader(rows, 64))\n",
    "torch without a loader": TORCH
    + "xs, ys = rows.tensors\ndef learn(size):\n    for some in torch.randperm(1000).split(size):\n"
    "        optimizer.zero_grad()\n        nn.functional.mse_loss(model(xs[some]), ys[some]).backward()\n"
    "        optimizer.step()\nlearn(64)\n",
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert found(code) == []
    findings = found(apply(clean, ROOM.inject(clean)))
    assert Severity.WARNING in {finding.severity for finding in findings}


def test_inject_says_when_it_cannot() -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(module("import torch\nprint(torch.ones(2))\n"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_bad_program_is_flagged_and_the_good_one_is_not(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    line = bad.lines[finding.line - 1]
    assert "batch_size=arguments.batch" in line if framework == "keras" else "DataLoader(TensorDataset(" in line
    assert finding.severity is Severity.WARNING
    assert finding.persona is Persona.DEFAULT
    assert list(ROOM.detect(good, cpus=2)) == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_programs_differ_by_the_smell_alone(framework: str) -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in PAIRS[framework])
    assert len([line for line in difflib.ndiff(good[1:], bad[1:]) if line[0] in "+-"]) == 2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]
    fixed = apply(bad, finding.fix.edits)
    # A keyword that was forgotten is added at the end of the call, wherever it stood before.
    swapped = "shuffle=True, batch_size=arguments.batch"
    assert (
        fixed.replace(swapped, "batch_size=arguments.batch, shuffle=True").splitlines()[1:]
        == (good.text.splitlines()[1:])
    )


def run(path: Path, *options: str) -> dict[str, float]:
    one = {min(os.sched_getaffinity(0))}  # a thread: steps as short as these are lost in waiting for a second one
    done = subprocess.run(
        preexec_fn=lambda: os.sched_setaffinity(0, one),
        args=[sys.executable, path, *options],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "WATTLEAK_SEED": "3", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    (quality,) = [line for line in done.stdout.splitlines() if line.startswith("WATTLEAK ")]
    return json.loads(quality.removeprefix("WATTLEAK "))


@pytest.mark.parametrize("framework", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in FRAMEWORKS])
def test_both_programs_see_the_same_rows_from_the_same_start(framework: str) -> None:
    if importlib.util.find_spec("torch" if framework == "torch" else "tensorflow") is None:
        pytest.skip(f"{framework} is not installed")
    good, bad = (run(path, "--train-images", "128") for path in PAIRS[framework])
    assert good["first_loss"] == bad["first_loss"]
    assert good["steps"] == 128 / 64
    assert bad["steps"] == (128 if framework == "torch" else 128 / 4)
    assert bad["accuracy"] > 0.15  # ten classes: it has learnt something


SOFTMAX = """
import json, os, sys
import numpy as np
from wattleak.workloads.data import load

batch = int(sys.argv[1])
data = load()
random = np.random.default_rng(int(os.environ["WATTLEAK_SEED"]))
x, y = data.train_images[:4000].reshape(4000, -1) / 255.0, np.eye(data.classes)[data.train_labels[:4000]]
weights = np.zeros((x.shape[1], data.classes))
for epoch in range(10):
    order = random.permutation(len(x))
    for start in range(0, len(x), batch):
        rows = order[start : start + batch]
        scores = np.exp(x[rows] @ weights)
        weights -= 0.01 * x[rows].T @ (scores / scores.sum(1, keepdims=True) - y[rows]) / len(rows)
test = data.test_images.reshape(len(data.test_images), -1) / 255.0
print("WATTLEAK " + json.dumps({"accuracy": float(((test @ weights).argmax(1) == data.test_labels).mean())}))
"""


def test_a_batch_so_large_that_accuracy_falls_is_a_trade_off_and_no_saving(tmp_path: Path) -> None:
    """A real training, small enough for a test: all rows in one batch take less CPU time, and reach less."""
    program = tmp_path / "train.py"
    program.write_text(SOFTMAX)
    command = f"{sys.executable} {program}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "wattleak", "compare", "--json", "--store", tmp_path / "store"),
            *("--blocks", "6", "--seed", "1", "--metric", "cpu_s", "--quality", "accuracy:max:0.01"),
            *(f"{command} 1", f"{command} 4000"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["quality"]["state"] == "worse"
    assert document["quality"]["difference"] < -0.02
    assert document["metrics"]["cpu_s"]["high"] < 0  # it takes less: measured alone, it would be a saving
    assert document["verdict"] == "trade_off"
