"""Which tensors hold a graph, and where gradients are off: by block, decorator, statement, caller and hook."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - a fixture

import pytest
from tests.unit.source.learning_programs import NET, asked, read

from wattleak.source.learning import Graph, gradients_off, graph_of

HEAD = NET + "from torch.utils.data import DataLoader\nimport torch.nn.functional as F\nmodel = Net()\n"
HEAD += "criterion = nn.CrossEntropyLoss()\nloader = DataLoader(d)\n"
STEP = "for x, y in loader:\n    out = model(x)\n    loss = criterion(out, y)\n    loss.backward()\n"

GRAPHS: dict[str, tuple[str, Graph]] = {
    "output": (HEAD + STEP + "    ASK(out)", Graph.ATTACHED),
    "loss": (HEAD + STEP + "    total += ASK(loss)", Graph.ATTACHED),
    "loss that is scaled": (HEAD + STEP + "    ASK(loss * x.size(0) / 2)", Graph.ATTACHED),
    "mean of an output": (HEAD + STEP + "    ASK(out.mean(0).view(-1))", Graph.ATTACHED),
    "sum of losses": (HEAD + "total = 0\n" + STEP + "    total += loss\nASK(total)", Graph.ATTACHED),
    "output of transformers": (HEAD + "out = model(**batch)\nASK(out.loss)", Graph.ATTACHED),
    "piece of an output": (HEAD + "logits, loss = model(x, y)\nASK(loss)", Graph.ATTACHED),
    "indexed output": (HEAD + "ASK(model(x)[0])", Graph.ATTACHED),
    "stacked": (HEAD + "kept = []\nfor x in loader:\n    kept.append(model(x))\nASK(torch.cat(kept))", Graph.ATTACHED),
    "loss of a function": (
        HEAD + "def compute(x, y):\n    out = model(x)\n    return F.mse_loss(out, y)\nASK(compute(a, b))",
        Graph.ATTACHED,
    ),
    "differentiated": ("import torch\nloss = f(x)\nloss.backward()\nASK(loss)", Graph.ATTACHED),
    "differentiated by a scaler": (
        "import torch\nloss = f(x)\nscaler.scale(loss).backward()\nASK(loss)",
        Graph.ATTACHED,
    ),
    "differentiated by accelerate": (
        "import torch\nloss = f(x)\naccelerator.backward(loss)\nASK(loss)",
        Graph.ATTACHED,
    ),
    "loss of any criterion": (HEAD + "def run(criterion):\n    ASK(criterion(model(x), y))", Graph.ATTACHED),
    "greatest logits": (HEAD + "v, i = torch.max(model(x), 1)\nASK(v)", Graph.ATTACHED),
    "of self": (
        NET + "class T:\n    def __init__(self):\n        self.net = Net()\n    def run(self, x):\n"
        "        self.loss = self.net(x).sum()\n        ASK(self.loss)\nT().run(1)",
        Graph.ATTACHED,
    ),
    "item": (HEAD + STEP + "    ASK(loss.item())", Graph.NOT_A_TENSOR),
    "float": (HEAD + STEP + "    ASK(float(loss))", Graph.NOT_A_TENSOR),
    "numpy": (HEAD + STEP + "    ASK(out.detach().cpu().numpy())", Graph.NOT_A_TENSOR),
    "length": (HEAD + "ASK(len(loader))", Graph.NOT_A_TENSOR),
    "size": (HEAD + STEP + "    ASK(out.size(0))", Graph.NOT_A_TENSOR),
    "shape": (HEAD + STEP + "    ASK(out.shape[0])", Graph.NOT_A_TENSOR),
    "number": ("import torch\nASK(3.5)", Graph.NOT_A_TENSOR),
    "item under the same name": (HEAD + STEP + "    loss = loss.item()\n    ASK(loss)", Graph.NOT_A_TENSOR),
    "sum of items": (HEAD + "total = 0.0\n" + STEP + "    total += loss.item()\nASK(total / 3)", Graph.NOT_A_TENSOR),
    "counter": (HEAD + "for i, x in enumerate(loader):\n    ASK(i)", Graph.NOT_A_TENSOR),
    "keras evaluate": ("import keras\nm = keras.Sequential()\nASK(m.evaluate(x))", Graph.NOT_A_TENSOR),
    "detach": (HEAD + STEP + "    ASK(loss.detach())", Graph.DETACHED),
    "data attribute": (HEAD + STEP + "    ASK(loss.data)", Graph.DETACHED),
    "batch": (HEAD + "for x, y in loader:\n    ASK(y)", Graph.DETACHED),
    "batch on the device": (HEAD + "for x, y in loader:\n    x = x.to('cuda')\n    ASK(x)", Graph.DETACHED),
    "prediction": (HEAD + STEP + "    ASK(out.argmax(1))", Graph.DETACHED),
    "places of the greatest": (HEAD + STEP + "    _, best = torch.max(out, 1)\n    ASK(best)", Graph.DETACHED),
    "second of max": (HEAD + STEP + "    ASK(out.max(1)[1])", Graph.DETACHED),
    "hits": (HEAD + STEP + "    ASK((out.argmax(1) == y).sum())", Graph.DETACHED),
    "under no_grad": (HEAD + "with torch.no_grad():\n    out = model(x)\nASK(out)", Graph.DETACHED),
    "loss under no_grad": (HEAD + "with torch.no_grad():\n    ASK(criterion(model(x), y))", Graph.DETACHED),
    "loss of detached": (HEAD + "with torch.no_grad():\n    out = model(x)\nASK(out.mean() * 2)", Graph.DETACHED),
    "decorated": (HEAD + "@torch.inference_mode()\ndef run(x):\n    return ASK(model(x))", Graph.DETACHED),
    "caller without": (
        HEAD + "def run(x):\n    return ASK(model(x))\nwith torch.no_grad():\n    run(1)",
        Graph.DETACHED,
    ),
    "keras output": ("import keras\nm = keras.Sequential()\nASK(m(x))", Graph.DETACHED),
    "zeros": ("import torch\nASK(torch.zeros(3))", Graph.DETACHED),
    "unknown function": ("import torch\nASK(f(x))", Graph.UNKNOWN),
    "what differentiates": (
        "import torch\naccelerator = f()\naccelerator.backward(loss)\nASK(accelerator)",
        Graph.UNKNOWN,
    ),
    "parameter": ("import torch\ndef f(x):\n    ASK(x)", Graph.UNKNOWN),
    "phase": (HEAD + "with torch.set_grad_enabled(train):\n    ASK(model(x))", Graph.UNKNOWN),
    "frozen": (HEAD + "model.requires_grad_(False)\nASK(model(x))", Graph.UNKNOWN),
    "frozen one by one": (
        HEAD + "for p in model.parameters():\n    p.requires_grad = False\nASK(model(x))",
        Graph.UNKNOWN,
    ),
    "either": (HEAD + "loss = model(x)\nif small:\n    loss = loss.item()\nASK(loss)", Graph.UNKNOWN),
    "list of outputs": (HEAD + "kept = []\nkept.append(model(x))\nASK(kept)", Graph.UNKNOWN),
    "inside a forward pass": (NET.replace("return self.fc(x)", "return ASK(self.fc(x))"), Graph.UNKNOWN),
    "other library": ("import numpy as np\nASK(f(np.ones(3)))", Graph.UNKNOWN),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_holds_a_graph(tmp_path: Path, name: str) -> None:
    code, wanted = GRAPHS[name]
    module = read(tmp_path, code)
    assert graph_of(module, asked(module)) is wanted


OFF: dict[str, tuple[str, bool | None]] = {
    "script": ("import torch\nASK(1)", False),
    "no_grad": ("import torch\nwith torch.no_grad():\n    for x in d:\n        ASK(x)", True),
    "among others": ("import torch\nwith open('f') as f, torch.no_grad():\n    ASK(f)", True),
    "imported": ("from torch import inference_mode\nwith inference_mode():\n    ASK(1)", True),
    "inference_mode(False)": ("import torch\nwith torch.inference_mode(False):\n    ASK(1)", False),
    "set to False": ("import torch\nwith torch.set_grad_enabled(False):\n    ASK(1)", True),
    "set by phase": ("import torch\nwith torch.set_grad_enabled(phase == 'train'):\n    ASK(1)", None),
    "on inside off": ("import torch\nwith torch.no_grad():\n    with torch.enable_grad():\n        ASK(1)", False),
    "statement": ("import torch\ntorch.set_grad_enabled(False)\nASK(1)", True),
    "statement and back": ("import torch\ntorch.set_grad_enabled(False)\ntorch.set_grad_enabled(True)\nASK(1)", False),
    "statement somewhere": ("import torch\nif fast:\n    torch.set_grad_enabled(False)\nASK(1)", None),
    "autocast": ("import torch\nwith torch.autocast('cuda'):\n    ASK(1)", False),
    "context of nanoGPT": (
        (
            "import torch\nfrom contextlib import nullcontext\n"
            "ctx = nullcontext() if cpu else torch.amp.autocast('cuda')\n"
            "with ctx:\n    ASK(1)"
        ),
        False,
    ),
    "context that somebody gives": ("import torch\ndef f(ctx):\n    with ctx:\n        ASK(1)\nf(c)", None),
    "accumulate": ("import torch\nwith accelerator.accumulate(model):\n    ASK(1)", False),
    "decorator": ("import torch\n@torch.no_grad()\ndef f():\n    ASK(1)", True),
    "decorator without brackets": ("import torch\n@torch.no_grad\ndef f():\n    ASK(1)", True),
    "decorator of YOLOv5": (
        (
            "import torch\ndef smart():\n    def decorate(fn):\n"
            "        return torch.inference_mode()(fn)\n    return decorate\n"
            "@smart()\ndef f():\n    ASK(1)"
        ),
        None,
    ),
    "decorator that only measures": (
        (
            "import time\ndef timed(fn):\n    def run():\n        return fn()\n    return run\n"
            "@timed\ndef f():\n    ASK(1)"
        ),
        False,
    ),
    "unknown decorator": ("import torch\n@f.decorate\ndef g():\n    ASK(1)\ndef h(f):\n    pass\nf = h(3)", None),
    "decorator of a library": ("import torch, hydra\n@hydra.main()\ndef f():\n    ASK(1)", False),
    "called": ("import torch\ndef f():\n    ASK(1)\nf()", False),
    "called without": ("import torch\ndef f():\n    ASK(1)\nwith torch.no_grad():\n    f()", True),
    "called by one that is called without": (
        "import torch\ndef f():\n    ASK(1)\ndef g():\n    f()\nwith torch.no_grad():\n    g()",
        True,
    ),
    "called both ways": ("import torch\ndef f():\n    ASK(1)\nf()\nwith torch.no_grad():\n    f()", None),
    "given to spawn": ("import torch\ndef f(rank):\n    ASK(1)\ntorch.multiprocessing.spawn(f, nprocs=2)", False),
    "wrapped by hand": ("import torch\ndef f():\n    ASK(1)\ng = torch.no_grad()(f)", True),
    "nobody calls it": ("import torch\ndef validate(model):\n    ASK(1)", False),
    "method that nobody calls": ("import torch\nclass T:\n    def f(self):\n        ASK(1)", None),
    "forward": ("import torch\nclass T:\n    def forward(self):\n        ASK(1)\nT().forward()", None),
    "validation of lightning": (
        "import lightning as L\nclass M(L.LightningModule):\n    def validation_step(self, b, i):\n        ASK(1)",
        True,
    ),
    "training of lightning": (
        (
            "import pytorch_lightning as pl\nclass M(pl.LightningModule):\n"
            "    def training_step(self, b, i):\n        ASK(1)"
        ),
        False,
    ),
    "own no_grad": ("import torch\ndef no_grad():\n    pass\nwith no_grad():\n    ASK(1)", None),
}


@pytest.mark.parametrize("name", OFF)
def test_where_gradients_are_off(tmp_path: Path, name: str) -> None:
    code, wanted = OFF[name]
    module = read(tmp_path, code)
    assert gradients_off(module, asked(module)) is wanted


def test_gradients_are_off_where_the_caller_in_another_file_says_so(tmp_path: Path) -> None:
    module = read(
        tmp_path,
        "import torch\ndef evaluate(model):\n    ASK(1)\n",
        run="import torch\nfrom main import evaluate\nwith torch.no_grad():\n    evaluate(m)\n",
    )
    assert gradients_off(module, asked(module)) is True
