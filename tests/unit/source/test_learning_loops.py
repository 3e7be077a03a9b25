"""Which loops run over batches, which are around those, and how often something in them runs."""

from __future__ import annotations

import ast
from pathlib import Path  # noqa: TC003 - a fixture

import pytest
from tests.unit.source.learning_programs import NET, asked, loop_at, marks, read

from wattleak.source.learning import LoopRole, Often, epoch_loops, hot_loop_around, hot_loops, how_often, varies

HEAD = NET + "from torch.utils.data import DataLoader\nimport torch.nn.functional as F\nmodel = Net()\n"
HEAD += "loader = DataLoader(d)\ntest = DataLoader(e)\noptimizer = torch.optim.SGD(model.parameters(), 0.1)\n"

# name -> (program, loops that train, loops that evaluate, loops of epochs)
PROGRAMS: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "script": (
        HEAD
        + """
for epoch in range(3):  # epochs
    for x, y in loader:  # batches
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for x, y in test:  # tests
            hits = model(x).argmax(1) == y
""",
        ["batches"],
        ["tests"],
        ["epochs"],
    ),
    "functions with parameters": (
        """
import torch
from tqdm import tqdm
def train(model, batches, opt):
    model.train()
    for i, (x, y) in enumerate(tqdm(batches)):  # batches
        loss = model(x, y)
        loss.backward()
        opt.step()
def validate(model, batches):
    model.eval()
    for x, y in batches:  # tests
        out = model(x)
def main(model, batches, opt):
    for epoch in range(9):  # epochs
        train(model, batches, opt)
        validate(model, batches)
""",
        ["batches"],
        ["tests"],
        ["epochs"],
    ),
    "step in a function": (
        HEAD
        + """
def step(x, y):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
for epoch in range(3):  # epochs
    for x, y in loader:  # batches
        step(x, y)
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "whole data at once": (
        HEAD
        + """
for epoch in range(100):  # steps
    loss = F.mse_loss(model(X), Y)
    loss.backward()
    optimizer.step()
""",
        ["steps"],
        [],
        [],
    ),
    "micro-batches": (
        HEAD
        + """
while True:  # steps
    for micro in range(4):  # micro
        x, y = get_batch()
        scaler.scale(model(x, y)).backward()
    scaler.step(optimizer)
""",
        ["steps", "micro"],
        [],
        [],
    ),
    "gradients of the whole loader": (
        HEAD
        + """
for epoch in range(3):  # epochs
    optimizer.zero_grad()
    for x, y in loader:  # batches
        F.mse_loss(model(x), y).backward()
    optimizer.step()
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "several optimizers": (
        HEAD
        + """
for x, y in loader:  # batches
    model(x).sum().backward()
    for one in optimizers:
        one.step()
""",
        ["batches"],
        [],
        [],
    ),
    "phases": (
        HEAD
        + """
loaders = {p: DataLoader(p) for p in ("train", "val")}
for epoch in range(3):  # epochs
    for phase in ["train", "val"]:  # phases
        for x, y in loaders[phase]:  # batches
            with torch.set_grad_enabled(phase == "train"):
                loss = F.mse_loss(model(x), y)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
""",
        ["batches"],
        [],
        ["epochs", "phases"],
    ),
    "accelerate": (
        HEAD
        + """
for epoch in range(3):  # epochs
    for batch in loader:  # batches
        with accelerator.accumulate(model):
            accelerator.backward(model(**batch).loss)
            optimizer.step()
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "losses drawn from the validation set": (
        HEAD
        + """
@torch.no_grad()
def estimate():
    for split in ["train", "val"]:  # splits
        for k in range(20):  # tests
            x, y = get_batch(split)
            loss = model(x, y)
""",
        [],
        ["tests"],
        ["splits"],
    ),
    "tape": (
        """
import tensorflow as tf
@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x))
    grads = tape.gradient(loss, model.trainable_variables)
for epoch in range(3):  # epochs
    for x, y in data:  # batches
        train_step(x, y)
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "train_on_batch": (
        (
            "import keras\nmodel = keras.Sequential()\nfor e in range(3):  # epochs\n"
            "    for x, y in data:  # batches\n        model.train_on_batch(x, y)\n"
        ),
        ["batches"],
        [],
        ["epochs"],
    ),
    "fit in a loop": (
        "import keras\nmodel = keras.Sequential()\nfor e in range(3):  # epochs\n    model.fit(x, y, epochs=1)\n",
        [],
        [],
        ["epochs"],
    ),
    "predict in a loop": (
        "import keras\nmodel = keras.Sequential()\nfor x in rows:  # tests\n    model.predict(x)\n",
        [],
        ["tests"],
        [],
    ),
    "jax": (
        """
import jax, optax
@jax.jit
def update(params, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
    return optax.apply_updates(params, grads)
for epoch in range(3):  # epochs
    for x, y in data:  # batches
        params = update(params, x, y)
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "jitted under another name": (
        """
import jax
def update(params, x):
    return jax.grad(loss_fn)(params, x)
step = jax.jit(update)
for x in data:  # batches
    params = step(params, x)
""",
        ["batches"],
        [],
        [],
    ),
    "trainer class": (
        """
import torch
class Trainer:
    def __init__(self, model, batches):
        self.model = model
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1)
    def _epoch(self, epoch):
        for batch in self.batches:  # batches
            loss = self.model(batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
    def train(self):
        for epoch in range(3):  # epochs
            self._epoch(epoch)
""",
        ["batches"],
        [],
        ["epochs"],
    ),
    "evaluation now and then": (
        HEAD
        + """
for i, (x, y) in enumerate(loader):  # batches
    F.mse_loss(model(x), y).backward()
    optimizer.step()
    if i % 100 == 0:
        for x, y in test:  # tests
            model(x)
""",
        ["batches"],
        ["tests"],
        [],
    ),
    "evaluation now and then, over anything": (
        """
import torch
def run(model, batches, held_out, every):
    for i, batch in enumerate(batches):  # batches
        model.train()
        model(batch).sum().backward()
        if i % every == 0:
            model.eval()
            for k, other in enumerate(held_out):  # tests
                answer = model(other)
""",
        ["batches"],
        ["tests"],
        [],
    ),
    "no training": (
        """
import torch
from torch import nn
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(9))
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
for name in names:
    print(name)
""",
        [],
        [],
        [],
    ),
    "a token after the other": (
        HEAD + "for _ in range(100):\n    logits = model(ids)\n    ids = torch.cat([ids, logits.argmax(-1)])\n",
        [],
        [],
        [],
    ),
    "a token after the other into a list": (
        HEAD + "for _ in range(100):\n    logits = model(torch.tensor(ids))\n    ids.append(logits.argmax(-1))\n",
        [],
        [],
        [],
    ),
    "a token after the other in its place": (
        HEAD + "for i in range(9, 100):\n    ids[:, i] = model(ids)[:, i - 1].argmax(-1)\n",
        [],
        [],
        [],
    ),
    "a state after the other": (
        HEAD + "while not done:\n    action = model(state)\n    state, reward, done = env.step(action)\n",
        [],
        [],
        [],
    ),
    "one model after the other": (HEAD + "for net in [model, Net()]:\n    net(x)\n", [], [], []),
    "benchmark of the same batch": (HEAD + "for _ in range(100):\n    model(x)\n", [], [], []),
    "without a framework": ("for x in data:\n    loss.step()\n", [], [], []),
    "environment": ("import torch\nfor action in plan:\n    env.step(action)\n", [], [], []),
    "scheduler": ("import torch\nfor epoch in range(3):\n    scheduler.step()\n", [], [], []),
    "chunks inside a step": (
        HEAD
        + """
for x, y in loader:  # batches
    total = 0
    for piece in x.split(8):
        total = total + model(piece).sum()
    total.backward()
    optimizer.step()
""",
        ["batches"],
        [],
        [],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_over_batches_and_epochs(tmp_path: Path, name: str) -> None:
    code, training, evaluation, epochs = PROGRAMS[name]
    module = read(tmp_path, code)
    found = hot_loops(module)
    assert marks(module, [hot.node for hot in found if hot.role is LoopRole.TRAINING]) == training
    assert marks(module, [hot.node for hot in found if hot.role is LoopRole.EVALUATION]) == evaluation
    assert marks(module, list(epoch_loops(module))) == epochs


def test_loops_reach_into_other_files(tmp_path: Path) -> None:
    module = read(
        tmp_path,
        """
        from engine import train_one_epoch
        import steps, torch
        for epoch in range(3):  # epochs
            train_one_epoch(model, loader)
        for batch in loader:  # batches
            steps.update(model, batch)
        """,
        engine="""
            import torch
            def train_one_epoch(model, loader):
                for x in loader:
                    model(x).backward()
        """,
        steps="""
            import torch
            def update(model, batch):
                compute(model, batch)
            def compute(model, batch):
                model(batch).backward()
        """,
    )
    assert marks(module, [hot.node for hot in hot_loops(module)]) == ["batches"]
    assert marks(module, list(epoch_loops(module))) == ["epochs"]


def test_the_innermost_hot_loop_of_the_function_is_around_a_line(tmp_path: Path) -> None:
    module = read(
        tmp_path,
        HEAD
        + """
for epoch in range(3):
    before = 1
    for x, y in loader:  # batches
        def later():
            return x.item()
        for name in names:
            here = name
        F.mse_loss(model(x), y).backward()
""",
    )
    named = {
        node.targets[0].id: node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = hot_loop_around(module, named["here"])
    assert found is not None
    assert found.node is loop_at(module, "batches")
    assert hot_loop_around(module, named["before"]) is None
    assert hot_loop_around(module, found.node.iter) is None
    returned = next(
        node for node in ast.walk(module.tree) if isinstance(node, ast.Return) and node.lineno > found.node.lineno
    )
    assert hot_loop_around(module, returned) is None


# -- how often -------------------------------------------------------------------------------------------------------

OFTEN: dict[str, tuple[str, Often]] = {
    "plain": ("for i, x in enumerate(loader):  # loop\n    ASK(x)", Often.EACH_TIME),
    "in a block": (
        "for x in loader:  # loop\n    with ctx:\n        try:\n            ASK(x)\n        finally:\n            pass",
        Often.EACH_TIME,
    ),
    "modulo": ("for i, x in enumerate(loader):  # loop\n    if i % 100 == 0:\n        ASK(x)", Often.SOMETIMES),
    "modulo of the next": (
        "for i in range(9):  # loop\n    if (i + 1) % args.k == 0:\n        ASK(i)",
        Often.SOMETIMES,
    ),
    "not modulo": ("for i in range(9):  # loop\n    if not i % 5:\n        ASK(i)", Often.SOMETIMES),
    "modulo and another": (
        "for i in range(9):  # loop\n    if rank == 0 and i % 5 == 0:\n        ASK(i)",
        Often.SOMETIMES,
    ),
    "modulo or last": ("for i in range(9):  # loop\n    if i % 5 == 0 or i == n - 1:\n        ASK(i)", Often.SOMETIMES),
    "modulo or anything": ("for i in range(9):  # loop\n    if i % 5 == 0 or verbose:\n        ASK(i)", Often.UNKNOWN),
    "counter of its own": (
        "step = 0\nwhile True:  # loop\n    if step % 10 == 0:\n        ASK(1)\n    step += 1",
        Often.SOMETIMES,
    ),
    "attribute that counts": (
        "for x in d:  # loop\n    if self.global_step % 10 == 0:\n        ASK(1)",
        Often.SOMETIMES,
    ),
    "first ones": ("for i in range(9):  # loop\n    if i < 3:\n        ASK(i)", Often.SOMETIMES),
    "all but the first": ("for i in range(9):  # loop\n    if i > 0:\n        ASK(i)", Often.UNKNOWN),
    "all but each tenth": ("for i in range(9):  # loop\n    if i % 10 != 0:\n        ASK(i)", Often.UNKNOWN),
    "otherwise": (
        "for i in range(9):  # loop\n    if i % 10 != 0:\n        pass\n    else:\n        ASK(i)",
        Often.SOMETIMES,
    ),
    "continue": ("for i in range(9):  # loop\n    if i % 10:\n        continue\n    ASK(i)", Often.SOMETIMES),
    "continue for a reason": ("for x in d:  # loop\n    if x is None:\n        continue\n    ASK(x)", Often.UNKNOWN),
    "break": ("for i in range(9):  # loop\n    if i > n:\n        break\n    ASK(i)", Often.EACH_TIME),
    "raise": ("for x in d:  # loop\n    if bad(x):\n        raise ValueError\n    ASK(x)", Often.EACH_TIME),
    "flag": ("for x in d:  # loop\n    if verbose:\n        ASK(x)", Often.UNKNOWN),
    "inner condition": ("for i in range(9):  # loop\n    y = ASK(i) if i % 9 == 0 else 0", Often.SOMETIMES),
    "short circuit": ("for i in range(9):  # loop\n    i % 9 == 0 and print(ASK(i))", Often.SOMETIMES),
    "handler": ("for x in d:  # loop\n    try:\n        f()\n    except E:\n        ASK(x)", Often.UNKNOWN),
    "later": ("for x in d:  # loop\n    f = lambda: ASK(x)", Often.UNKNOWN),
    "what is looped over": ("for x in ASK(d):  # loop\n    pass", Often.UNKNOWN),
    "a value that is no counter": ("for x in d:  # loop\n    if x % 2 == 0:\n        ASK(x)", Often.UNKNOWN),
    "inner loop": ("for x in d:  # loop\n    for i in range(9):\n        ASK(x)", Often.EACH_TIME),
}


@pytest.mark.parametrize("name", OFTEN)
def test_how_often_it_runs(tmp_path: Path, name: str) -> None:
    code, wanted = OFTEN[name]
    module = read(tmp_path, "import torch\n" + code)
    assert how_often(module, asked(module), loop_at(module, "loop")) is wanted


VARIES: dict[str, tuple[str, bool | None]] = {
    "loop variable": ("for i in r:  # loop\n    ASK(i + 1)", True),
    "from outside": ("n = 3\nfor i in r:  # loop\n    ASK(n * 2)", False),
    "through names": ("for i in r:  # loop\n    a = f[i]\n    b = a\n    ASK(b)", True),
    "written in the loop": ("for i in r:  # loop\n    size = 32\n    ASK(size)", False),
    "grows": ("n = 0\nfor i in r:  # loop\n    n += 1\n    ASK(n)", True),
    "appended to": ("kept = []\nfor i in r:  # loop\n    kept.append(1)\n    ASK(kept)", True),
    "entry": ("d = {}\nfor i in r:  # loop\n    d['a'] = i\n    ASK(d)", True),
    "attribute that is set": ("for i in r:  # loop\n    self.n = i\n    ASK(self.n)", True),
    "attribute that is not": ("for i in r:  # loop\n    ASK(self.n)", False),
    "library": ("import torch\nn = 2\nfor i in r:  # loop\n    ASK(torch.zeros(n))", False),
    "random": ("import torch\nfor i in r:  # loop\n    ASK(torch.randn(3))", True),
    "next": ("for i in r:  # loop\n    ASK(next(it))", True),
    "function of the project": ("def f():\n    return 1\nfor i in r:  # loop\n    ASK(f())", None),
    "unknown function": ("from somewhere import f\nfor i in r:  # loop\n    ASK(f())", None),
    "epoch that a sampler hears": ("for e in r:  # loop\n    sampler.set_epoch(e)\n    ASK(sampler)", True),
    "comprehension over what stays": ("a = [1]\nfor i in r:  # loop\n    ASK([x for x in a])", False),
    "while": ("n = 0\nwhile n < 3:  # loop\n    n = n + 1\n    ASK(n)", True),
    "outer loop variable": ("for e in r:\n    for i in r:  # loop\n        ASK(e)", False),
}


@pytest.mark.parametrize("name", VARIES)
def test_what_varies(tmp_path: Path, name: str) -> None:
    code, wanted = VARIES[name]
    module = read(tmp_path, code)
    assert varies(module, asked(module), loop_at(module, "loop")) is wanted
