"""AUT001: evaluations with gradients on, what excuses them, the fixes and their inverse."""

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

ROOM = find_room("AUT001")


def module(code: str, name: str = "train.py") -> Module:
    parsed = parse(textwrap.dedent(code), Path(name))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str, name: str = "train.py"):
    return list(ROOM.detect(module(code, name), cpus=2))


def project(folder: Path, files: dict[str, str]):
    """Return the findings of a project as (file, line)."""
    for name, code in files.items():
        (folder / name).write_text(textwrap.dedent(code), encoding="utf-8")
    (folder / "pyproject.toml").touch()
    made = Project([folder / name for name in files])
    findings = []
    for name in files:
        parsed = read(folder / name)
        assert isinstance(parsed, Module)
        findings += ROOM.detect(made.adopt(parsed), cpus=2)
    return [(finding.path.name, finding.line) for finding in findings]


POSITIVES = {
    "validation": """
        import torch
        def validate(model, loader, loss_fn, device):
            model.eval()
            losses = 0
            for src, tgt in loader:
                logits = model(src.to(device), tgt.to(device))  # HERE
                losses += loss_fn(logits, tgt).item()
            return losses / len(loader)
        """,
    "comprehension": """
        import torch
        def predict(net, loader):
            net.eval()
            return [net(x).argmax(1) for x, _ in loader]  # HERE
        """,
    "module level": """
        import torch
        from torchvision.models import resnet18
        model = resnet18(weights="DEFAULT").eval()
        for x in batches:
            print(model(x).argmax(1))  # HERE
        """,
    "chained and moved": """
        import torch
        def run(args, loader):
            model = Net().to(args.device).eval()
            for x in loader:
                print(model(x).argmax(1).item())  # HERE
        """,
    "train(False)": """
        import torch
        def test(model, loader):
            model.train(False)
            for x, y in loader:
                hits = (model(x).argmax(1) == y).sum().item()  # HERE
        """,
    "attribute of a trainer": """
        import torch
        class Trainer:
            def fit(self):
                self.model.train()
                for x, y in self.train_loader:
                    self.criterion(self.model(x), y).backward()
                    self.optimizer.step()
            def validate(self):
                self.model.eval()
                total = 0.0
                for x, y in self.val_loader:
                    total += self.criterion(self.model(x), y).item()  # HERE
                return total
        """,
    "a module that evaluates itself": """
        import torch
        class Net(torch.nn.Module):
            def score(self, loader):
                self.eval()
                right = 0
                for x, y in loader:
                    right += int((self(x).argmax(1) == y).sum())  # HERE
                return right
        """,
    "after training in the same function": """
        import torch
        def main(model, optimizer, train, test, epochs):
            for epoch in range(epochs):
                model.train()
                for x, y in train:
                    loss = torch.nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    optimizer.step()
                model.eval()
                for x, y in test:
                    loss = torch.nn.functional.mse_loss(model(x), y)  # HERE
                    print(loss.item())
        """,
    "every so often during training": """
        import torch
        def main(model, optimizer, train, test):
            for step, (x, y) in enumerate(train):
                model.train()
                torch.nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
                if step % 100 == 0:
                    model.eval()
                    for a, b in test:
                        print(torch.nn.functional.mse_loss(model(a), b).item())  # HERE
                    model.train()
        """,
    "the loop is in a function that is given the model": """
        import torch
        def loop(net, loader):
            total = 0
            for x, y in loader:
                total += (net(x).argmax(1) == y).sum().item()  # HERE
            return total
        def main(model, loader):
            model.eval()
            print(loop(model, loader))
        """,
    "the forward pass is in a function": """
        import torch
        def compute(net, batch):
            return torch.nn.functional.mse_loss(net(batch[0]), batch[1])
        def validate(model, loader):
            model.eval()
            total = 0
            for batch in loader:
                total += compute(model, batch).item()  # HERE
            return total
        """,
    "eval inside the loop": """
        import torch
        def benchmark(model, batches):
            for x in batches:
                model.eval()
                print(model(x).shape)  # HERE
        """,
    "one of two models has no_grad": """
        import torch
        def validate(first, second, loader):
            first.eval()
            second.eval()
            for x in loader:
                with torch.no_grad():
                    a = first(x)
                print(a.sum().item(), second(x).sum().item())  # HERE
        """,
    "no eval at all": """
        import torch
        from torch.utils.data import DataLoader
        from torchvision.models import resnet18
        def test(model, loader):
            right = 0
            for x, y in loader:
                right += (model(x).argmax(1) == y).sum().item()  # HERE
            return right
        test(resnet18(), DataLoader(data))
        """,
    "the loop is around the function": """
        import torch
        def predict(model, x):
            model.eval()
            return model(x).argmax(1)  # HERE
        def main(model, loader):
            return [predict(model, x) for x in loader]
        """,
    "named after its data": """
        import torch
        from torch.utils.data import DataLoader
        model = torch.nn.Sequential(torch.nn.Linear(2, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss_fn = torch.nn.MSELoss()
        for x, y in DataLoader(train_set):
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        val_loader = DataLoader(val_set)
        for x, y in val_loader:
            print(loss_fn(model(x), y).item())  # HERE
        """,
    "an unknown function computes a metric": """
        import torch
        from metrics import dice
        def validate(model, loader):
            model.eval()
            for x, y in loader:
                print(dice(model(x), y))  # HERE
        """,
    "idle tape": """
        import tensorflow as tf
        def validate(model, loss_fn, data):
            for x, y in data:
                with tf.GradientTape() as tape:  # HERE
                    loss = loss_fn(y, model(x, training=False))
                print(float(loss))
        """,
    "idle tape in a function": """
        import tensorflow as tf
        def step(model, loss_fn, x, y):
            with tf.GradientTape() as tape:  # HERE
                loss = loss_fn(y, model(x, training=False))
            return loss
        def validate(model, loss_fn, data):
            return [float(step(model, loss_fn, x, y)) for x, y in data]
        """,
    "idle tape beside a tape that is asked": """
        import tensorflow as tf
        def fit(model, loss_fn, optimizer, train, test):
            for x, y in train:
                with tf.GradientTape() as tape:
                    loss = loss_fn(y, model(x, training=True))
                grads = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(grads, model.trainable_variables))
            for x, y in test:
                with tf.GradientTape() as tape:  # HERE
                    loss = loss_fn(y, model(x, training=False))
                print(float(loss))
        """,
    "tape around training and validation": """
        import tensorflow as tf
        def fit(model, loss_fn, optimizer, x, y, test):
            with tf.GradientTape(persistent=True) as tape:
                loss = loss_fn(y, model(x, training=True))
                total = 0.0
                for a, b in test:
                    total += loss_fn(b, model(a, training=False))  # HERE
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables))
            return total
        """,
}

VALIDATE = """
import torch
{decorator}
def validate(model, loader):
    model.eval()
    total = 0.0
    for x, y in loader:
        total += torch.nn.functional.mse_loss(model(x), y).item()
    return total
"""

NEGATIVES = {
    "written for PyTorch before 0.4": """
        from torch.autograd import Variable
        def validate(model, loader, loss_fn):
            model.eval()
            losses = 0
            for src, tgt in loader:
                logits = model(Variable(src, volatile=True))
                losses += loss_fn(logits, Variable(tgt, volatile=True)).data[0]
            return losses / len(loader)
        """,
    "decorator": VALIDATE.format(decorator="@torch.no_grad()"),
    "inference mode": VALIDATE.format(decorator="@torch.inference_mode()"),
    "decorator without a call": VALIDATE.format(decorator="@torch.no_grad"),
    "set_grad_enabled": VALIDATE.format(decorator="@torch.set_grad_enabled(False)"),
    "decorator of nobody knows": "from tools import smart\n" + VALIDATE.format(decorator="@smart()"),
    "decorator of the project": (
        "import torch\ndef smart(fast=True):\n    def decorate(fn):\n"
        "        return (torch.inference_mode if fast else torch.no_grad)()(fn)\n    return decorate\n"
        + VALIDATE.format(decorator="@smart()")
    ),
    "caller turns it off": VALIDATE.format(decorator="")
    + "\ndef main(model, loader):\n    with torch.no_grad():\n        validate(model, loader)\n",
    "one of two callers turns it off": VALIDATE.format(decorator="")
    + "\ndef main(model, loader):\n    with torch.no_grad():\n        validate(model, loader)\n"
    + "\ndef other(model, loader):\n    validate(model, loader)\n",
    "caller of the caller": VALIDATE.format(decorator="")
    + "\ndef epoch(model, loader):\n    return validate(model, loader)\n"
    + "\n@torch.no_grad()\ndef main(model, loader):\n    epoch(model, loader)\n",
    "switched off for good": "import torch\ntorch.set_grad_enabled(False)\n" + VALIDATE.format(decorator=""),
    "with": """
        import torch
        def validate(model, loader):
            model.eval()
            with torch.no_grad():
                for x in loader:
                    model(x)
        """,
    "with inside the loop": """
        import torch
        def validate(model, loader):
            model.eval()
            for x in loader:
                with torch.inference_mode(), torch.autocast("cuda"):
                    model(x)
        """,
    "phases": """
        import torch
        def fit(model, loaders, optimizer):
            for phase in ["train", "val"]:
                if phase == "train":
                    model.train()
                else:
                    model.eval()
                for x, y in loaders[phase]:
                    with torch.set_grad_enabled(phase == "train"):
                        loss = torch.nn.functional.mse_loss(model(x), y)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
        """,
    "saliency": """
        import torch
        def maps(model, loader):
            model.eval()
            for x, y in loader:
                x.requires_grad_()
                model(x).max(1)[0].sum().backward()
                print(x.grad)
        """,
    "autograd.grad": """
        import torch
        def penalty(model, loader):
            model.eval()
            for x in loader:
                y = model(x)
                print(torch.autograd.grad(y.sum(), model.parameters()))
        """,
    "attack of the project": """
        import torch
        def fgsm(model, x, y):
            x.requires_grad = True
            torch.nn.functional.cross_entropy(model(x), y).backward()
            return x + x.grad.sign()
        def test(model, loader):
            model.eval()
            for x, y in loader:
                x = fgsm(model, x, y)
                print(model(x).argmax(1))
        """,
    "attack of nobody knows": """
        import torch
        from attacks import make
        def test(model, loader):
            model.eval()
            for x, y in loader:
                x = make(model, x, y)
                print(model(x).argmax(1))
        """,
    "attack object": """
        import torch
        from attacks import PGD
        def test(model, loader):
            model.eval()
            attack = PGD(model)
            for x, y in loader:
                print(model(attack(x, y)).argmax(1))
        """,
    "library of attacks": """
        import torch
        import torchattacks
        def test(model, loader, attack):
            model.eval()
            for x, y in loader:
                print(model(attack(x, y)).argmax(1))
        """,
    "adaptation at test time": """
        import torch
        def adapt(model, loader, optimizer):
            model.eval()
            for x in loader:
                entropy(model(x)).backward()
                optimizer.step()
        """,
    "named after what it is": """
        import torch
        def grad_cam(model, loader, hook):
            model.eval()
            for x in loader:
                hook(model(x))
        """,
    "training with frozen batch norm": """
        import torch
        def finetune(model, loader, optimizer):
            model.eval()
            for x, y in loader:
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
        """,
    "loss of all batches is differentiated": """
        import torch
        def meta(model, loader, optimizer):
            model.eval()
            losses = []
            for x, y in loader:
                losses.append(torch.nn.functional.mse_loss(model(x), y))
            torch.stack(losses).mean().backward()
            optimizer.step()
        """,
    "caller differentiates": """
        import torch
        def evaluate(model, loader):
            model.eval()
            total = 0
            for x, y in loader:
                total = total + torch.nn.functional.mse_loss(model(x), y)
            return total
        def main(model, loader):
            evaluate(model, loader).backward()
        """,
    "forces by autograd in the model": """
        import torch
        class Field(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(3, 1)
            def forward(self, x):
                energy = self.layer(x).sum()
                return torch.autograd.grad(energy, x)[0]
        def main(loader):
            model = Field()
            model.eval()
            for x in loader:
                print(model(x))
        """,
    "Lightning": """
        import torch, lightning as L
        class Net(L.LightningModule):
            def validation_step(self, batch, index):
                self.model.eval()
                for x in batch:
                    self.log("y", self.model(x).mean())
        """,
    "heir of a trainer": """
        import torch
        from transformers import Trainer
        class Mine(Trainer):
            def prediction_loop(self, loader):
                self.model.eval()
                for x in loader:
                    self.model(x)
        """,
    "base of nobody knows": """
        import torch
        from mine import Base
        class Runner(Base):
            def validate(self, loader):
                self.model.eval()
                for x in loader:
                    self.model(x)
        """,
    "frozen": """
        import torch
        def features(model, loader):
            model.requires_grad_(False)
            model.eval()
            for x in loader:
                print(model(x).mean().item())
        """,
    "numpy would not work otherwise": """
        import torch
        def predict(model, loader):
            model.eval()
            for x in loader:
                print(model(x).cpu().numpy())
        """,
    "no loop": """
        import torch
        def predict(model, x):
            model.eval()
            return model(x)
        """,
    "only the first batch": """
        import torch
        def show(model, loader):
            model.eval()
            for x in loader:
                y = model(x)
                break
            return y.shape
        """,
    "generate() turns it off": """
        import torch
        def talk(model, prompts):
            model.eval()
            for prompt in prompts:
                print(model.generate(prompt))
        """,
    "no PyTorch": "def run(expression, rows):\n    expression.eval()\n    for row in rows:\n        expression(row)\n",
    "eval of a frame": "import torch\nfor row in rows:\n    frame.eval('a + b')\n    frame(row)\n",
    "forward of a module": """
        import torch
        class Loss(torch.nn.Module):
            def forward(self, images):
                self.vgg.eval()
                return sum(self.vgg(x) for x in images)
        """,
    "Keras without a tape, named after what it is": """
        import keras
        def evaluate(data, model):
            for x in data:
                print(model(x))
        evaluate(data, keras.Sequential([keras.layers.Dense(1)]))
        """,
    "Keras evaluate": """
        import tensorflow as tf
        def score(model, sets):
            for data in sets:
                print(model.evaluate(data), model.predict(data))
        """,
    "Keras without a tape": """
        import tensorflow as tf
        def score(model, data):
            for x in data:
                print(model(x, training=False))
        """,
    "tape that is asked": """
        import tensorflow as tf
        def fit(model, data, optimizer, loss_fn):
            for x, y in data:
                with tf.GradientTape() as tape:
                    loss = loss_fn(y, model(x, training=False))
                optimizer.apply_gradients(zip(tape.gradient(loss, model.weights), model.weights))
        """,
    "tape in a graph": """
        import tensorflow as tf
        @tf.function
        def step(model, loss_fn, x, y):
            with tf.GradientTape() as tape:
                return loss_fn(y, model(x, training=False))
        def validate(model, loss_fn, data):
            return [float(step(model, loss_fn, x, y)) for x, y in data]
        """,
    "predict in a loop that differentiates": """
        import torch
        def predict(model, x):
            model.eval()
            return model(x)
        def main(model, loader, optimizer):
            for x, y in loader:
                (predict(model, x) - y).pow(2).mean().backward()
                optimizer.step()
        """,
    "tape given to an optimizer": """
        import tensorflow as tf
        def fit(model, data, optimizer, loss_fn):
            for x, y in data:
                with tf.GradientTape() as tape:
                    loss = loss_fn(y, model(x))
                optimizer.minimize(loss, model.weights, tape=tape)
        """,
    "validation that the gradient depends on": """
        import tensorflow as tf
        def fit(model, loss_fn, x, y, test):
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x, training=True))
                for a, b in test:
                    loss += loss_fn(b, model(a, training=False))
            return tape.gradient(loss, model.trainable_variables)
        """,
    "recording stopped": """
        import tensorflow as tf
        def fit(model, loss_fn, x, y, test):
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x, training=True))
                with tape.stop_recording():
                    for a, b in test:
                        print(loss_fn(b, model(a, training=False)))
            return tape.gradient(loss, model.trainable_variables)
        """,
}


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_finds_it_at_its_line(code: str) -> None:
    code = textwrap.dedent(code)
    marked = [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]
    findings = found(code)
    assert [finding.line for finding in findings] == marked
    assert {(finding.severity, finding.persona) for finding in findings} == {(Severity.WARNING, Persona.DEFAULT)}
    assert all(finding.confidence > Confidence.LOW for finding in findings)


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_fixed_code_is_silent_and_parses(code: str) -> None:
    before = module(code.replace("  # HERE", ""))
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert (finding.fix.why_unsafe is None) is finding.fix.safe
    assert found(apply(before, finding.fix.edits)) == []


def test_an_evaluation_in_a_test_is_for_auditors() -> None:
    (finding,) = found("import pytest\n" + textwrap.dedent(POSITIVES["validation"]), "test_model.py")
    assert finding.persona is Persona.AUDITOR


def test_the_message_names_the_model() -> None:
    (finding,) = found(POSITIVES["attribute of a trainer"])
    assert "self.model(...)" in finding.message
    assert "gradients" in finding.message


def test_no_grad_in_a_caller_in_another_file(tmp_path: Path) -> None:
    engine = VALIDATE.format(decorator="")
    calling = "import torch\nfrom engine import validate\ndef main(model, loader):\n    {}validate(model, loader)\n"
    on = project(tmp_path, {"engine.py": engine, "main.py": calling.format("")})
    assert on == [("engine.py", 8)]
    off = calling.format("with torch.no_grad():\n        ")
    assert project(tmp_path, {"engine.py": engine, "main.py": off}) == []


def test_a_loop_in_another_file_is_told_where_the_model_is_put_into_evaluation_mode(tmp_path: Path) -> None:
    engine = "def loop(net, loader):\n    return sum(net(x).argmax(1).sum().item() for x in loader)\n"
    main = (
        "import torch\nfrom engine import loop\ndef main(model, loader):\n    model.eval()\n    loop(model, loader)\n"
    )
    assert project(tmp_path, {"engine.py": engine, "main.py": main}) == [("main.py", 5)]


# -- fixes ---------------------------------------------------------------------------------------------------------


def test_a_function_that_only_evaluates_gets_a_decorator() -> None:
    before = module(VALIDATE.format(decorator="").replace("\n\n", "\n"))
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix.safe
    assert apply(before, finding.fix.edits) == before.text.replace("def v", "@torch.no_grad()\ndef v")


def test_a_function_that_trains_too_keeps_its_gradients() -> None:
    before = module(POSITIVES["after training in the same function"])
    (finding,) = ROOM.detect(before, cpus=2)
    after = apply(before, finding.fix.edits)
    assert "@" not in after
    assert (
        "        model.eval()\n        with torch.no_grad():\n            for x, y in test:\n"
        "                loss = torch.nn.functional.mse_loss(model(x), y)  # HERE\n"
        "                print(loss.item())\n"
    ) in after


def test_a_decorator_stands_below_those_that_are_there() -> None:
    code = (
        "from torch import nn\nclass T:\n    @staticmethod\n    def validate(model, loader):\n        model.eval()\n"
        "        for x in loader:\n            print(model(x).sum().item())\n"
    )
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    after = apply(before, finding.fix.edits)
    assert after.startswith("import torch\nfrom torch import nn\n")
    assert "    @staticmethod\n    @torch.no_grad()\n    def validate" in after


KEPT = {
    "returned": ("features = []", "features.append(model(x))", "return torch.cat(features)"),
    "a running loss without item()": ("total = 0", "total += model(x).mean()", "return total"),
    "stored in the object": ("pass", "self.last = model(x)", "return None"),
    "put into a list of the caller's": ("pass", "out.append(model(x))", "return None"),
}
LEFT = {
    "numbers": ("total = 0", "total += model(x).mean().item()", "return total"),
    "classes": ("classes = []", "classes.append(model(x).argmax(1))", "return torch.cat(classes)"),
    "second of max": (
        "classes = []",
        "_, best = torch.max(model(x), 1)\n        classes.append(best)",
        "return classes",
    ),
    "detached": ("features = []", "features.append(model(x).detach())", "return torch.cat(features)"),
    "a comparison": ("right = 0", "right += (model(x).max(1)[1] == y).sum()", "return right / len(loader)"),
}


def _evaluating(start: str, body: str, end: str) -> str:
    return (
        "import torch\nclass T:\n  def validate(self, model, loader, out):\n    model.eval()\n"
        f"    {start}\n    for x, y in loader:\n        {body}\n    {end}\n"
    )


@pytest.mark.parametrize("parts", KEPT.values(), ids=KEPT)
def test_a_fix_is_unsafe_where_a_graph_leaves(parts: tuple[str, str, str]) -> None:
    (finding,) = found(_evaluating(*parts))
    assert not finding.fix.safe
    assert "differentiate" in finding.fix.why_unsafe


@pytest.mark.parametrize("parts", LEFT.values(), ids=LEFT)
def test_a_fix_is_safe_where_only_numbers_leave(parts: tuple[str, str, str]) -> None:
    (finding,) = found(_evaluating(*parts))
    assert finding.fix.safe


def test_a_coroutine_gets_no_decorator() -> None:
    (finding,) = found(VALIDATE.format(decorator="").replace("def ", "async def "))
    assert finding.fix is None


def test_text_over_several_lines_is_not_indented() -> None:
    code = textwrap.dedent(POSITIVES["module level"]).replace("print(model(x)", 'print("""a\nb""", model(x)')
    (finding,) = found(code)
    assert finding.fix is None


def test_a_block_with_comments_and_blank_lines_is_moved_whole() -> None:
    code = (
        "import torch\nimport torch.nn as nn\n\nmodel = nn.Linear(1, 1).eval()\nfor x in data:\n    # why\n\n"
        "    y = model(\n        x\n    )\n    print(y.item())  # out\nprint('done')\n"
    )
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    assert apply(before, finding.fix.edits) == (
        "import torch\nimport torch.nn as nn\n\nmodel = nn.Linear(1, 1).eval()\n"
        "with torch.no_grad():\n    for x in data:\n        # why\n\n        y = model(\n            x\n        )\n"
        "        print(y.item())  # out\nprint('done')\n"
    )


# -- inject --------------------------------------------------------------------------------------------------------

CLEAN = {
    "decorator": VALIDATE.format(decorator="@torch.no_grad()"),
    "with": NEGATIVES["with"],
    "with inside the loop": NEGATIVES["with inside the loop"].replace(', torch.autocast("cuda")', ""),
    "Keras": NEGATIVES["Keras without a tape"].replace(
        "print(model(x, training=False))", "y = model(x, training=False)"
    ),
    "the other no_grad is left": """
        import torch
        class Ema:
            @torch.no_grad()
            def update(self, model):
                self.kept = model
        @torch.no_grad()
        def validate(model, loader):
            model.eval()
            for x in loader:
                model(x)
        """,
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    smelly = apply(clean, ROOM.inject(clean))
    assert len(found(smelly)) == 1
    assert smelly.count("no_grad") in {0, clean.text.count("no_grad") - 1}


def test_inject_says_when_it_cannot() -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(module("import torch\nprint(torch.ones(1))\n"))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_inject_turns_the_good_program_into_the_bad_one(framework: str) -> None:
    good, bad = (read(path) for path in pairs(ROOM.smell)[framework])
    assert isinstance(good, Module)
    assert isinstance(bad, Module)
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]
