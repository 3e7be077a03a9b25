"""REF001: what it finds, what it leaves alone, its fix and its inverse, and its two programs."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.model import Confidence, Persona, Severity
from wattleak.scanner.scan import scan
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.reading import parse, read

ROOM = find_room("REF001")
PAIRS = pairs(ROOM.smell)

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader

net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(list(zip(torch.randn(256, 8), torch.randint(0, 2, (256,)))), batch_size=16)
"""

KERAS = """\
import keras
import tensorflow as tf

net = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(2)])
criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.SGD(0.1)
data = tf.data.Dataset.from_tensor_slices((tf.random.normal((256, 8)), tf.zeros((256,)))).batch(16)
"""

STEP = """\
    optimizer.zero_grad()
    loss = criterion(net(x), y)
    loss.backward()
    optimizer.step()
"""

TAPE = """\
    with tf.GradientTape() as tape:
        p = net(x, training=True)
        loss = criterion(y, p)
    optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
"""


def module(code: str, path: str = "train.py") -> Module:
    parsed = parse(code, Path(path))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return list(ROOM.detect(module(code), cpus=2))


POSITIVES = {
    "kept for nobody": (
        TORCH + "KEPT = []\nfor x, y in loader:\n    loss = criterion(net(x), y)\n    KEPT.append(loss)  # HERE\n",
        Severity.ERROR,
    ),
    "losses of a training loop": (
        TORCH
        + "losses = []\nfor x, y in loader:\n"
        + STEP
        + "    losses.append(loss)  # HERE\nprint(sum(losses) / len(losses))\n",
        Severity.WARNING,
    ),
    "losses of an evaluation": (
        TORCH
        + "losses = []\nfor x, y in loader:\n    losses.append(criterion(net(x), y))  # HERE\n"
        + "print(torch.stack(losses).mean().item())\n",
        Severity.ERROR,
    ),
    "running total of a training loop": (
        TORCH
        + "total = 0.0\nfor x, y in loader:\n"
        + STEP
        + "    total += loss  # HERE\n"
        + "print(total / len(loader))\n",
        Severity.WARNING,
    ),
    "running total of an evaluation": (
        TORCH + "total = 0.0\nfor x, y in loader:\n    total = total + criterion(net(x), y)  # HERE\nprint(total)\n",
        Severity.ERROR,
    ),
    "running total in a function, divided and printed by the caller": (
        TORCH
        + "def validate(model):\n    total = 0.0\n    for x, y in loader:\n"
        + "        total += criterion(model(x), y)  # HERE\n    return total / len(loader)\n"
        + "for epoch in range(30):\n    score = validate(net)\n    print(f'{score:.3f}')\n",
        Severity.ERROR,
    ),
    "moving average": (
        TORCH
        + "mean = 0.0\nfor x, y in loader:\n"
        + STEP
        + "    mean = 0.9 * mean + 0.1 * loss  # HERE\nprint(float(mean))\n",
        Severity.WARNING,
    ),
    "history of lists": (
        TORCH
        + "history = {'loss': [], 'size': []}\nfor x, y in loader:\n"
        + STEP
        + "    history['loss'].append(loss)  # HERE\n    history['size'].append(len(x))\n"
        + "print(history['loss'][-1])\n",
        Severity.WARNING,
    ),
    "dict by step": (
        TORCH
        + "seen = {}\nfor step, (x, y) in enumerate(loader):\n"
        + STEP
        + "    seen[step] = loss  # HERE\nprint(len(seen))\n",
        Severity.WARNING,
    ),
    "list added to": (
        TORCH + "losses = []\nfor x, y in loader:\n" + STEP + "    losses += [loss]  # HERE\n",
        Severity.WARNING,
    ),
    "piece of a tuple": (
        TORCH
        + "log = []\nfor step, (x, y) in enumerate(loader):\n"
        + STEP
        + "    log.append((step, loss))  # HERE\nfor step, value in log:\n    print(step, value.item())\n",
        Severity.WARNING,
    ),
    "outputs without gradients that nobody reads": (
        TORCH
        + "outputs = []\nwith torch.no_grad():\n    for x, y in loader:\n        outputs.append(net(x))  # HERE\n",
        Severity.WARNING,
    ),
    "activations between": (
        TORCH
        + "kept = []\nfor x, y in loader:\n    optimizer.zero_grad()\n    out = net(x)\n"
        + "    loss = criterion(out, y)\n"
        + "    loss.backward()\n    optimizer.step()\n    kept.append(out)  # HERE\n",
        Severity.WARNING,
    ),
    "attribute of a trainer": (
        TORCH
        + "class Trainer:\n    def __init__(self):\n        self.losses = []\n\n    def epoch(self):\n"
        + "        for x, y in loader:\n"
        + textwrap.indent(STEP, "        ")
        + "            self.losses.append(loss)  # HERE\n        print(self.losses[-1].item())\n",
        Severity.WARNING,
    ),
    "list that a caller made": (
        TORCH
        + "def epoch(model, log):\n    for x, y in loader:\n"
        + textwrap.indent(STEP, "    ")
        + "        log.append(loss)  # HERE\n\ndef main():\n    log = []\n    for _ in range(20):\n"
        + "        epoch(net, log)\n"
        + "    print(max(log))\n",
        Severity.WARNING,
    ),
    "global of a function that a step calls": (
        TORCH
        + "SEEN = []\ndef note(x, y):\n    loss = criterion(net(x), y)\n    SEEN.append(loss)  # HERE\n"
        + "    return loss\n"
        + "for x, y in loader:\n    optimizer.zero_grad()\n    note(x, y).backward()\n    optimizer.step()\n",
        Severity.WARNING,
    ),
    "activations of a forward pass": (
        (
            "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        self.first = nn.Linear(8, 8)\n        self.second = nn.Linear(8, 2)\n"
            "        self.seen = []\n\n    def forward(self, x):\n        hidden = self.first(x)\n"
            "        self.seen.append(hidden)  # HERE\n        return self.second(hidden)\n"
        ),
        Severity.WARNING,
    ),
    "backward with a scaler": (
        TORCH
        + "scaler = torch.amp.GradScaler()\nlosses = []\nfor x, y in loader:\n    loss = criterion(net(x), y)\n"
        + "    scaler.scale(loss).backward()\n    scaler.step(optimizer)\n    losses.append(loss)  # HERE\n",
        Severity.WARNING,
    ),
    "a graph that is retained": (
        TORCH
        + "losses = []\nfor x, y in loader:\n    loss = criterion(net(x), y)\n    loss.backward(retain_graph=True)\n"
        + "    optimizer.step()\n    losses.append(loss)  # HERE\nprint(losses[-1].item())\n",
        Severity.ERROR,
    ),
    "every hundredth step": (
        TORCH
        + "losses = []\nfor step, (x, y) in enumerate(loader):\n"
        + STEP
        + "    if step % 100 == 0:\n        losses.append(loss)  # HERE\n",
        Severity.INFO,
    ),
    "predictions of a Keras loop": (
        KERAS + "kept = []\nfor x, y in data:\n" + TAPE + "    kept.append(p)  # HERE\n",
        Severity.WARNING,
    ),
    "gradients of a Keras loop": (
        KERAS
        + "kept = []\nfor x, y in data:\n    with tf.GradientTape() as tape:\n        loss = criterion(y, net(x))\n"
        + "    grads = tape.gradient(loss, net.trainable_variables)\n"
        + "    optimizer.apply(grads, net.trainable_variables)\n    kept.append(grads)  # HERE\n",
        Severity.WARNING,
    ),
    "predictions beside train_on_batch": (
        KERAS
        + "net.compile(optimizer, criterion)\nstore = []\nfor x, y in data:\n    net.train_on_batch(x, y)\n"
        + "    store.append(net(x))  # HERE\n",
        Severity.WARNING,
    ),
    "outputs of a compiled step": (
        KERAS
        + "@tf.function\ndef step(x, y):\n"
        + TAPE
        + "    return loss, p\n\nkept = []\nfor x, y in data:\n    loss, p = step(x, y)\n"
        + "    kept.append(p)  # HERE\n",
        Severity.WARNING,
    ),
    "predictions of a callback": (
        KERAS
        + "class Keeps(keras.callbacks.Callback):\n    def __init__(self, x):\n        super().__init__()\n"
        + "        self.x, self.outputs = x, []\n\n    def on_train_batch_end(self, batch, logs=None):\n"
        + "        self.outputs.append(self.model(self.x))  # HERE\n",
        Severity.WARNING,
    ),
    "returned by a validation that nobody in the project calls": (
        (
            "import torch\n\ndef validate(model, loader, criterion):\n    model.eval()\n    total = 0\n"
            "    for x, y in loader:\n        out = model(x)\n        total += criterion(out, y)  # HERE\n"
            "    return total / len(loader)\n"
        ),
        Severity.ERROR,
    ),
    "outputs of a model that callers give": (
        (
            "import torch\nOUTPUTS = []\n\ndef train(model, loader, criterion, optimizer):\n    for x, y in loader:\n"
            "        optimizer.zero_grad()\n        out = model(x)\n        loss = criterion(out, y)\n"
            "        loss.backward()\n        optimizer.step()\n        OUTPUTS.append(out)  # HERE\n"
        ),
        Severity.WARNING,
    ),
    "losses of a Lightning step": (
        (
            "import torch\nimport lightning as L\n\nclass Net(L.LightningModule):\n    def __init__(self):\n"
            "        super().__init__()\n        self.linear = torch.nn.Linear(2, 2)\n        self.losses = []\n\n"
            "    def training_step(self, batch, index):\n        x, y = batch\n"
            "        loss = torch.nn.functional.cross_entropy(self.linear(x), y)\n"
            "        self.losses.append(loss)  # HERE\n        return loss\n"
        ),
        Severity.WARNING,
    ),
    "inputs of an operation": (
        (
            "import torch\nSAVED = []\n\nclass Twice(torch.autograd.Function):\n    @staticmethod\n"
            "    def forward(ctx, x):\n        SAVED.append(x.clone())  # HERE\n        return x * 2\n"
        ),
        Severity.WARNING,
    ),
    "predictions of each epoch": (
        KERAS
        + "net.compile(optimizer, criterion)\nkept = []\nfor epoch in range(50):\n    net.fit(data)\n"
        + "    kept.append(net(tf.ones((512, 8))))  # HERE\n",
        Severity.INFO,
    ),
}

NEGATIVES = {
    "item": TORCH + "losses = []\nfor x, y in loader:\n" + STEP + "    losses.append(loss.item())\nprint(losses)\n",
    "detached": TORCH + "losses = []\nfor x, y in loader:\n" + STEP + "    losses.append(loss.detach())\n",
    "detached, on the CPU": TORCH + "outs = []\nfor x, y in loader:\n    outs.append(net(x).detach().cpu())\n",
    "float": TORCH + "losses = []\nfor x, y in loader:\n" + STEP + "    losses.append(float(loss))\n",
    "total of numbers": TORCH
    + "total = 0\nfor x, y in loader:\n"
    + STEP
    + "    total += loss.item()\n"
    + "print(total)\n",
    "numbers of samples": TORCH + "n = 0\nfor x, y in loader:\n" + STEP + "    n += len(x)\nprint(n)\n",
    "cleared in the step": (
        TORCH
        + "outs = []\nfor x, y in loader:\n    outs.append(net(x))\n    print(outs[-1].sum())\n"
        + "    outs.clear()\n"
    ),
    "popped in the step": (
        TORCH
        + "outs = []\nfor x, y in loader:\n    outs.append(net(x))\n    if len(outs) > 9:\n"
        + "        outs.pop(0)\n"
    ),
    "sliced in the step": TORCH + "o = []\nfor x, y in loader:\n    o.append(net(x))\n    o = o[-9:]\n",
    "made anew in the step": (
        TORCH
        + "for x, y in loader:\n    parts = []\n    parts.append(criterion(net(x), y))\n    sum(parts).backward()\n"
        + "    optimizer.step()\n"
    ),
    "bounded": (
        "import collections\n"
        + TORCH
        + "last = collections.deque(maxlen=9)\nfor x, y in loader:\n"
        + STEP
        + "    last.append(loss)\n"
    ),
    "overwritten": TORCH + "last = {}\nfor x, y in loader:\n" + STEP + "    last['loss'] = loss\n",
    "joined": (
        TORCH
        + "outs = []\nwith torch.no_grad():\n    for x, y in loader:\n        outs.append(net(x))\n"
        + "print(torch.cat(outs).argmax(1))\n"
    ),
    "returned without gradients": (
        TORCH
        + "@torch.no_grad()\ndef predict(model):\n    outs = []\n    for x, y in loader:\n"
        + "        outs.append(model(x))\n"
        + "    return outs\n"
    ),
    "backward through all of them": (
        TORCH
        + "losses = []\nfor x, y in loader:\n    losses.append(criterion(net(x), y))\n"
        + "total = torch.stack(losses).mean()\n"
        + "total.backward()\noptimizer.step()\n"
    ),
    "backward through the total": (
        TORCH
        + "total = 0.0\nfor x, y in loader:\n    total = total + criterion(net(x), y)\ntotal.backward()\n"
        + "optimizer.step()\n"
    ),
    "backward in the caller": (
        TORCH
        + "def objective(model):\n    total = 0.0\n    for x, y in loader:\n        total += criterion(model(x), y)\n"
        + "    return total\n\nobjective(net).backward()\n"
    ),
    "given to somebody unknown": (
        TORCH
        + "from elsewhere import finish\nlosses = []\nfor x, y in loader:\n    losses.append(criterion(net(x), y))\n"
        + "finish(losses)\n"
    ),
    "policy gradients": (
        TORCH
        + "def episode(env):\n    saved, rewards = [], []\n    state, done = env.reset(), False\n"
        + "    while not done:\n"
        + "        chances = torch.distributions.Categorical(logits=net(state))\n        action = chances.sample()\n"
        + "        saved.append(chances.log_prob(action))\n        state, reward, done = env.step(action.item())\n"
        + "        rewards.append(reward)\n    loss = sum(-p * r for p, r in zip(saved, rewards))\n"
        + "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
    ),
    "policy gradients in an attribute": (
        TORCH
        + "class Policy(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        + "        self.linear = nn.Linear(4, 2)\n        self.saved = []\n    def forward(self, x):\n"
        + "        return self.linear(x)\n\npolicy = Policy()\n\ndef select(state):\n    p = policy(state)\n"
        + "    policy.saved.append(p[0])\n    return p.argmax()\n\ndef finish():\n"
        + "    loss = torch.stack(policy.saved).sum()\n    loss.backward()\n    optimizer.step()\n"
        + "    del policy.saved[:]\n"
        + "\nfor episode in range(1000):\n    for t in range(10000):\n        select(torch.randn(1, 4))\n"
        + "    finish()\n"
    ),
    "steps of a recurrent network": (
        TORCH
        + "cell = nn.GRUCell(8, 8)\nfor x, y in loader:\n    h, outs = torch.zeros(1, 8), []\n"
        + "    for t in range(100):\n"
        + "        h = cell(x[:, t], h)\n        outs.append(h)\n    loss = criterion(torch.stack(outs), y)\n"
        + "    loss.backward()\n    optimizer.step()\n"
    ),
    "parts of one loss": (
        TORCH
        + "for x, y in loader:\n    loss = criterion(net(x), y)\n    loss += 0.1 * net(x).abs().mean()\n"
        + "    loss.backward()\n    optimizer.step()\n"
    ),
    "residual": TORCH
    + "x = torch.randn(4, 8)\nfor layer in [nn.Linear(8, 8) for _ in range(99)]:\n    x = x + layer(x)\n",
    "feature maps of one forward pass": (
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))\n"
        "    def forward(self, x):\n        maps = []\n        for block in self.blocks:\n            x = block(x)\n"
        "            maps.append(x)\n        return maps\n"
    ),
    "attention maps that are read and reset": (
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.first = nn.Linear(8, 8)\n        self.maps = []\n"
        "    def forward(self, x):\n        hidden = self.first(x)\n        self.maps.append(hidden)\n"
        "        return hidden\n    def take(self):\n        maps, self.maps = self.maps, []\n        return maps\n"
    ),
    "last activation of a forward pass": (
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.first = nn.Linear(8, 8)\n    def forward(self, x):\n"
        "        self.last = self.first(x)\n        return self.last\n"
    ),
    "inputs": TORCH + "kept = []\nfor x, y in loader:\n" + STEP + "    kept.append(y)\nprint(len(kept))\n",
    "a few rounds": (
        TORCH + "x, y = next(iter(loader))\nlosses = []\nfor _ in range(3):\n" + STEP + "    losses.append(loss)\n"
    ),
    "under an unknown condition": (
        TORCH
        + "import sys\nlosses = []\nfor x, y in loader:\n"
        + STEP
        + "    if sys.argv[1:]:\n        losses.append(loss)\n"
    ),
    "somebody else's container": (
        TORCH
        + "from elsewhere import Meter\nmeter = Meter()\nfor x, y in loader:\n"
        + STEP
        + "    meter.add(loss)\nprint(meter)\n"
    ),
    "losses of a Keras loop that are averaged": (
        "import numpy as np\n" + KERAS + "losses = []\nfor x, y in data:\n" + TAPE + "    losses.append(loss)\n"
        "print(np.mean(losses))\n"
    ),
    "total of a Keras loop": KERAS
    + "total = 0.0\nfor x, y in data:\n"
    + TAPE
    + "    total += loss\nprint(float(total))\n",
    "predictions of a Keras loop that are joined": (
        KERAS
        + "outs = []\nfor x, y in data:\n    outs.append(net(x, training=False))\nprint(tf.concat(outs, 0).shape)\n"
    ),
    "metric of a Keras loop": (
        KERAS
        + "mean = keras.metrics.Mean()\nfor x, y in data:\n"
        + TAPE
        + "    mean.update_state(p)\nprint(mean.result())\n"
    ),
    "numbers of two losses": (
        TORCH
        + "other, kept = nn.Sequential(nn.Linear(8, 8)), []\nfor x, y in loader:\n"
        + "    loss = criterion(net(other(x)), y)\n"
        + "    loss.backward()\n    optimizer.step()\n    kept.append((loss.item(), float(loss)))\nprint(kept)\n"
    ),
    "backward through the total of a few steps": (
        TORCH
        + "total = 0\nfor i, (x, y) in enumerate(loader):\n    total = total + criterion(net(x), y)\n"
        + "    if (i + 1) % 4 == 0:\n        total.backward()\n        optimizer.step()\n        total = 0\n"
    ),
    "memory that is sampled": (
        "import random\n"
        + TORCH
        + "memory = []\nfor x, y in loader:\n    memory.append(net(x))\n    out = random.sample(memory, 1)[0]\n"
        + "    criterion(out, y).backward()\n    optimizer.step()\n"
    ),
    "rollout of many steps": (
        TORCH
        + "for update in range(1000):\n    values = []\n    for step in range(128):\n"
        + "        values.append(net(torch.randn(4, 8)))\n    loss = torch.stack(values).mean()\n"
        + "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
    ),
    "score of each epoch": (
        TORCH
        + "scores = []\nfor epoch in range(50):\n    for x, y in loader:\n"
        + textwrap.indent(STEP, "    ")
        + "    scores.append(loss)\nprint(scores)\n"
    ),
    "no framework": "kept = []\nfor x in range(100):\n    kept.append(x)\n",
    "comment": TORCH + "# KEPT.append(loss)\n",
}


@pytest.mark.parametrize(("code", "severity"), POSITIVES.values(), ids=POSITIVES)
def test_finds_it_at_its_line(code: str, severity: Severity) -> None:
    findings = found(code)
    marked = [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]
    assert [finding.line for finding in findings] == marked
    assert findings[0].severity is severity
    assert findings[0].persona is Persona.DEFAULT
    assert findings[0].confidence > Confidence.LOW


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


@pytest.mark.parametrize("code", [code for code, _ in POSITIVES.values()], ids=POSITIVES)
def test_fixed_code_parses_and_is_silent(code: str) -> None:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert finding.fix.safe == (finding.fix.why_unsafe is None)
    assert found(apply(before, finding.fix.edits)) == []


def fixed(code: str) -> tuple[str, bool]:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    return apply(before, finding.fix.edits), finding.fix.safe


def test_what_is_read_later_is_cut_off_its_graph() -> None:
    code, _ = POSITIVES["losses of a training loop"]
    assert fixed(code) == (code.replace("losses.append(loss)", "losses.append(loss.detach())"), True)
    code, _ = POSITIVES["moving average"]
    assert fixed(code) == (code.replace("0.1 * loss", "0.1 * loss.detach()"), True)


def test_what_nobody_reads_is_not_kept() -> None:
    code = TORCH + (
        "def run():\n    kept = []\n    size = 0\n    for x, y in loader:\n        out = net(x)\n"
        "        size += len(x)\n"
        "        kept.append(out)  # for later\n    return size\n"
    )
    after = code.replace("    kept = []\n", "").replace("kept.append(out)  # for later", "# for later")
    assert fixed(code) == (after, True)


def test_what_is_computed_is_still_computed() -> None:
    code = TORCH + "def run():\n    kept = []\n    for x, y in loader:\n        kept.append(net(x))\n"
    assert fixed(code) == (TORCH + "def run():\n    for x, y in loader:\n        net(x)\n", True)


def test_a_file_that_was_not_scanned_may_read_an_attribute() -> None:
    _, safe = fixed(POSITIVES["activations of a forward pass"][0])
    assert not safe


def test_another_file_that_reads_it_is_asked(tmp_path: Path) -> None:
    code = TORCH + "KEPT = []\nwith torch.no_grad():\n    for x, y in loader:\n        KEPT.append(net(x))\n"
    (tmp_path / "train.py").write_text(code)
    assert [finding.code for finding in scan(tmp_path, select=["REF001"]).findings] == ["REF001"]
    (tmp_path / "plot.py").write_text("from train import KEPT\n\nprint(KEPT[0].sum())\n")
    assert scan(tmp_path, select=["REF001"]).findings == ()


def test_a_test_is_for_auditors(tmp_path: Path) -> None:
    code, _ = POSITIVES["kept for nobody"]
    (tmp_path / "pyproject.toml").touch()  # where the project begins
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_memory.py").write_text(code)
    assert scan(tmp_path, select=["REF001"]).findings == ()
    assert len(scan(tmp_path, select=["REF001"], persona=Persona.AUDITOR).findings) == 1


def test_the_message_says_what_stays() -> None:
    (with_graph,) = found(POSITIVES["losses of an evaluation"][0])
    assert "`losses` keeps `criterion(net(x), y)` of every step" in with_graph.message
    assert "no backward() frees" in with_graph.message
    (spent,) = found(POSITIVES["losses of a training loop"][0])
    assert "nodes of its graph" in spent.message
    (unread,) = found(POSITIVES["outputs without gradients that nobody reads"][0])
    assert "nothing reads" in unread.message
    assert "graph" not in unread.message
    for finding in (with_graph, spent, unread):
        assert not re.search(r"\d\s*(%|joule|J\b)", finding.message)


@pytest.mark.parametrize("framework", PAIRS)
def test_the_programs_differ_by_the_smell_alone(framework: str) -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in PAIRS[framework])
    changed = [line for line in difflib.ndiff(good, bad) if line[0] in "+-"]
    assert changed == [f"- {good[0]}", f"+ {bad[0]}", "+     kept = []", "+         kept.append(activations)"]


@pytest.mark.parametrize("framework", PAIRS)
def test_the_bad_program_is_flagged_and_the_good_one_is_not(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert bad.lines[finding.line - 1].strip() == "kept.append(activations)"
    assert finding.persona is Persona.DEFAULT
    assert finding.confidence > Confidence.LOW
    assert list(ROOM.detect(good, cpus=2)) == []


@pytest.mark.parametrize("framework", PAIRS)
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert finding.fix.safe
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


CLEAN = {
    "loss alone has a name": TORCH + "for x, y in loader:\n" + STEP,
    "output has a name": TORCH
    + "for x, y in loader:\n    out = net(x)\n    criterion(out, y).backward()\n    optimizer.step()",
    "name is taken": TORCH + "kept = 1\nfor x, y in loader:\n    out = net(x)\n    criterion(out, y).backward()\n",
    "in a function": (
        TORCH
        + "def epoch(model):\n    for x, y in loader:\n"
        + textwrap.indent(STEP, "    ")
        + "    return 1\n\nepoch(net)\n"
    ),
    "keras": KERAS + "for x, y in data:\n" + TAPE,
    "evaluation": TORCH
    + "with torch.no_grad():\n    for x, y in loader:\n        out = net(x)\n        print(out.sum())\n",
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    smelly = apply(clean, ROOM.inject(clean))
    (finding,) = found(smelly)
    assert ".append(" in smelly.splitlines()[finding.line - 1]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\n",
        (
            "import keras\nmodel = keras.Sequential([keras.layers.Dense(2)])\nmodel.compile('sgd', 'mse')\n"
            "model.fit([1], [1])\n"
        ),
    ],
    ids=["no loop", "model.fit"],
)
def test_inject_says_when_it_cannot(code: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py") as caught:
        ROOM.inject(module(code))
    assert "loop" in caught.value.remedy


@pytest.mark.torch
def test_an_injected_program_really_holds_its_tensors(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    count = "import gc\nprint(sum(torch.is_tensor(one) and one.shape == (16, 2) for one in gc.get_objects()))\n"
    clean = module(TORCH + "for x, y in loader:\n    out = net(x)\n    criterion(out, y).backward()\n" + count)
    alive = []
    for name, code in (("clean", clean.text), ("smelly", apply(clean, ROOM.inject(clean)))):
        script = tmp_path / f"{name}.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        alive.append(int(done.stdout))
    assert alive == [1, 16]


def test_times_that_a_step_returns_beside_its_backward_are_no_tensors(tmp_path: Path) -> None:
    """timm's benchmark.py: the step calls backward() and returns how long its parts took."""
    program = tmp_path / "bench.py"
    program.write_text(
        "import time\nimport torch\n\n\nclass Bench:\n    def run(self, count):\n        def step(detail=False):\n"
        "            start = time.perf_counter()\n            output = self.model(self.inputs)\n"
        "            middle = time.perf_counter()\n            self.loss(output, self.target).backward()\n"
        "            self.optimizer.step()\n            return middle - start, time.perf_counter() - middle\n\n"
        "        forward = backward = 0.0\n        for _ in range(count):\n            first, second = step(True)\n"
        "            forward += first\n            backward += second\n        return forward, backward\n"
    )

    assert scan(program, select=["REF001"]).findings == ()
