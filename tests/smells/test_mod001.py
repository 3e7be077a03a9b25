"""MOD001: what it finds, what it leaves alone, its fix and its inverse, and its two programs in both frameworks."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
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

ROOM = find_room("MOD001")
PAIRS = pairs(ROOM.smell)


def module(code: str, name: str = "train.py") -> Module:
    parsed = parse(textwrap.dedent(code), Path(name))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return list(ROOM.detect(module(code), cpus=2))


def shown(code: str):
    return [finding for finding in found(code) if finding.persona is Persona.DEFAULT]


def trouble(code: str):
    return [finding for finding in shown(code) if finding.severity is not Severity.INFO]


KERAS = """
import keras
from keras import layers

def build_model():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile(optimizer="adam", loss="mse")
    return model
"""

TORCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Linear(4, width)

    def forward(self, x):
        return self.body(x)
"""

KERAS_POSITIVES = {
    "rebuilt and loaded for every batch": """
        def score(batches, out):
            for batch in batches:
                model = build_model()  # HERE
                model.load_weights("w.weights.h5")
                out(model.predict(batch))
    """,
    "chained": """
        def score(files):
            return [keras.models.load_model("m.keras").predict(file) for file in files]  # HERE
    """,
    "load_model in a loop": """
        for image in images:
            model = keras.models.load_model("m.keras")  # HERE
            print(model.predict(image))
    """,
    "tf.keras, with and try": """
        import tensorflow as tf
        def main(images, strategy):
            for image in images:
                with strategy.scope():
                    try:
                        model = tf.keras.models.load_model("m.keras")  # HERE
                    except OSError:
                        continue
                model.predict(image)
    """,
    "in a function that a loop calls": """
        def answer(x):
            model = build_model()  # HERE
            model.load_weights("w.weights.h5")
            return model.predict(x)

        def main(requests):
            for request in requests:
                print(answer(request))
    """,
    "two calls away": """
        def answer(x):
            model = keras.saving.load_model("m.keras")  # HERE
            return model.predict(x)

        def handle(request):
            return answer(request.body)

        def main(queue):
            while True:
                handle(queue.get())
    """,
    "in a function for apply": """
        def score(text):
            model = keras.models.load_model("m.keras")  # HERE
            return model.predict([text])[0]

        def main(frame):
            return frame["text"].apply(score)
    """,
    "in a lambda for map": """
        def main(rows):
            return list(map(lambda row: keras.models.load_model("m.keras").predict(row), rows))  # HERE
    """,
    "in a request handler": """
        from flask import Flask
        app = Flask(__name__)

        @app.route("/predict")
        def predict():
            model = keras.models.load_model("m.keras")  # HERE
            return model.predict(read_request())
    """,
    "weights carried over in a file": """
        def main(x, y):
            for part in range(10):
                model = build_model()  # HERE
                if part > 0:
                    model.load_weights("last.weights.h5")
                model.fit(x, y, epochs=1)
                model.save_weights("last.weights.h5")
    """,
    "weights carried over in a variable": """
        def main(x, y, weights):
            for part in range(10):
                model = build_model()  # HERE
                model.set_weights(weights)
                model.fit(x, y)
                weights = model.get_weights()
    """,
    "weights carried over by load_model": """
        def main(parts):
            for x, y in parts:
                model = keras.models.load_model("last.keras")  # HERE
                model.fit(x, y)
                model.save("last.keras")
    """,
    "for every epoch": """
        def main(x, y, epochs):
            for epoch in range(epochs):
                model = build_model()  # HERE
                history = model.fit(x, y, epochs=1)
                print(epoch, history.history["loss"])
    """,
    "one step each": """
        def main(x, y):
            for i in range(100):
                model = build_model()  # HERE
                model.train_on_batch(x, y)
    """,
    "the same again, and nothing comes of it": """
        def main(x, y):
            for i in range(3):
                model = build_model()  # HERE
                model.fit(x, y, epochs=1, verbose=0)
    """,
    "attribute of self": """
        class Trainer:
            def run(self, x, y, epochs):
                for epoch in range(epochs):
                    self.model = build_model()  # HERE
                    self.model.fit(x, y)
    """,
    "annotated": """
        def main(x, y, epochs):
            for epoch in range(epochs):
                model: keras.Model = build_model()  # HERE
                model.fit(x, y)
    """,
    "subclass of keras.Model": """
        class Small(keras.Model):
            def __init__(self, width):
                super().__init__()
                self.out = layers.Dense(width)

            def call(self, x):
                return self.out(x)

        def main(batches):
            width = 4
            for batch in batches:
                model = Small(width)  # HERE
                model.load_weights("w.weights.h5")
                print(model(batch))
    """,
    "clear_session does not excuse it": """
        def main(x, y, epochs):
            for epoch in range(epochs):
                keras.utils.clear_session()
                model = build_model()  # HERE
                model.fit(x, y)
                del model
    """,
    "a condition that is the same each time": """
        def main(batches, verbose):
            for batch in batches:
                if verbose:
                    model = keras.models.load_model("m.keras")  # HERE
                    print(model.predict(batch))
    """,
    "two models at once": """
        def main(batches):
            for batch in batches:
                g, d = keras.models.load_model("g.keras"), keras.models.load_model("d.keras")  # HERE # HERE
                d.predict(g.predict(batch))
    """,
    "compile in a loop": """
        def main(x, y):
            model = build_model()
            for _ in range(10):
                model.compile(optimizer="adam", loss="mse")  # HERE
                model.fit(x, y)
    """,
}

TORCH_POSITIVES = {
    "one step each": """
        def main(loader):
            for x, y in loader:
                net = Net()  # HERE
                optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
                loss = (net(x) - y).pow(2).mean()
                loss.backward()
                optimizer.step()
    """,
    "layers made in the step": """
        def main(loader, loss_fn):
            for x, y in loader:
                encoder, decoder = nn.Linear(8, 16), nn.Linear(16, 4)  # HERE # HERE
                loss_fn(decoder(encoder(x)), y).backward()
    """,
    "for every epoch": """
        def main(loader, epochs):
            for epoch in range(epochs):
                net = Net(width=16).to("cuda")  # HERE
                optimizer = torch.optim.Adam(net.parameters())
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = (net(x) - y).pow(2).mean()
                    loss.backward()
                    optimizer.step()
    """,
    "for every epoch, trained by a function": """
        def train(net, optimizer, loader):
            for x, y in loader:
                optimizer.zero_grad()
                (net(x) - y).pow(2).mean().backward()
                optimizer.step()

        def main(loader, epochs):
            for epoch in range(epochs):
                net = Net()  # HERE
                optimizer = torch.optim.Adam(net.parameters())
                train(net, optimizer, loader)
    """,
    "model and optimizer of one function": """
        def prepare():
            net = Net()
            return net, torch.optim.Adam(net.parameters())

        def main(loader, epochs):
            for epoch in range(epochs):
                net, optimizer = prepare()  # HERE
                for x, y in loader:
                    (net(x) - y).pow(2).mean().backward()
                    optimizer.step()
    """,
    "loaded for every batch": """
        @torch.no_grad()
        def predict(x):
            net = Net()  # HERE
            net.load_state_dict(torch.load("net.pt"))
            net.eval()
            return net(x)

        def main(loader):
            return [predict(x).argmax(1) for x, _ in loader]
    """,
    "state in a variable": """
        def main(files):
            for file in files:
                state = torch.load("net.pt")
                net = Net()  # HERE
                net.load_state_dict(state["model"])
                print(net(torch.load(file)))
    """,
    "from_pretrained": """
        from transformers import AutoModelForSequenceClassification
        def main(texts, tokenizer):
            for text in texts:
                model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased")  # HERE
                print(model(**tokenizer(text)).logits)
    """,
    "a teacher in the training loop": """
        import torchvision
        def main(loader, student, optimizer):
            for x, _ in loader:
                teacher = Net()  # HERE
                teacher.load_state_dict(torch.load("teacher.pt"))
                with torch.no_grad():
                    wanted = teacher(x)
                loss = (student(x) - wanted).pow(2).mean()
                loss.backward()
                optimizer.step()
    """,
    "weights carried over": """
        def main(loader, path):
            for part in range(8):
                net = Net()  # HERE
                if path.exists():
                    saved = torch.load(path)
                    net.load_state_dict(saved["net"])
                optimizer = torch.optim.Adam(net.parameters())
                for x, y in loader:
                    (net(x) - y).pow(2).mean().backward()
                    optimizer.step()
                torch.save({"net": net.state_dict()}, path)
    """,
}

KERAS_NEGATIVES = {
    "cross-validation": """
        from sklearn.model_selection import KFold
        def main(x, y):
            for train, test in KFold(5).split(x):
                model = build_model()
                model.fit(x[train], y[train])
    """,
    "folds by hand": """
        def main(x, y, k, size):
            for i in range(k):
                part = x[i * size : (i + 1) * size]
                model = build_model()
                model.fit(part, y[i * size : (i + 1) * size], epochs=10)
    """,
    "fold in the name": """
        def main(x, y):
            for fold in range(5):
                model = build_model()
                model.fit(x, y)
    """,
    "search": """
        def make(width):
            return keras.Sequential([layers.Dense(width)])
        def main(x, y):
            for width in (8, 16, 32):
                model = make(width)
                model.fit(x, y)
    """,
    "search over a rate": """
        def main(x, y, rates):
            for rate in rates:
                model = build_model()
                model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
                model.fit(x, y)
    """,
    "layers added as the loop says": """
        def main(x, y, depths):
            for depth in depths:
                model = keras.Sequential()
                for _ in range(depth):
                    model.add(layers.Dense(8))
                model.fit(x, y)
    """,
    "objective of a search": """
        def objective(trial):
            model = build_model()
            model.fit(X, Y)
            return model.evaluate(X, Y)
        study.optimize(objective)
    """,
    "ensemble": """
        def main(x, y):
            models = []
            for _ in range(5):
                model = build_model()
                model.fit(x, y)
                models.append(model)
            return models
    """,
    "ensemble in a comprehension": "models = [build_model() for _ in range(5)]",
    "ensemble in a dict": """
        def main(x, y, names):
            models = {}
            for name in names:
                models[name] = build_model()
                models[name].fit(x, y)
    """,
    "yielded": """
        def models():
            while True:
                model = build_model()
                model.load_weights("w.weights.h5")
                yield model
    """,
    "seeds": """
        def main(x, y):
            for seed in range(5):
                keras.utils.set_random_seed(seed)
                model = build_model()
                model.fit(x, y)
    """,
    "seeds under another name": """
        def main(x, y):
            for number in range(5):
                keras.utils.set_random_seed(number)
                model = build_model()
                model.fit(x, y)
    """,
    "repeated runs": """
        def main(x, y):
            scores = []
            for i in range(10):
                model = build_model()
                model.fit(x, y)
                scores.append(model.evaluate(x, y))
    """,
    "one model for each part of the data": """
        def main(parts):
            for name, (x, y) in parts.items():
                model = build_model()
                model.fit(x, y)
                model.save(f"{name}.keras")
    """,
    "federated": """
        def main(clients, weights):
            updates = []
            for client in clients:
                model = build_model()
                model.set_weights(weights)
                model.fit(client.x, client.y)
                updates.append(model.get_weights())
    """,
    "loaded once": """
        model = None
        def main(batches):
            global model
            for batch in batches:
                if model is None:
                    model = keras.models.load_model("m.keras")
                model.predict(batch)
    """,
    "a cache": """
        cache = {}
        def answer(name, x):
            if name not in cache:
                cache[name] = keras.models.load_model("m.keras")
            return cache[name].predict(x)
        def main(rows):
            for row in rows:
                answer("m", row)
    """,
    "lru_cache": """
        import functools
        @functools.lru_cache(1)
        def the_model():
            return keras.models.load_model("m.keras")
        def main(rows):
            for row in rows:
                the_model().predict(row)
    """,
    "every tenth epoch": """
        def main(x, epochs):
            for epoch in range(epochs):
                if epoch % 10 == 0:
                    model = keras.models.load_model("m.keras")
                    model.predict(x)
    """,
    "until it works": """
        def main(x):
            while True:
                model = keras.models.load_model("m.keras")
                model.predict(x)
                break
    """,
    "GAN": """
        def main(batches):
            generator, discriminator = build_model(), build_model()
            for batch in batches:
                fake = generator.predict(batch)
                discriminator.train_on_batch(fake, batch)
    """,
    "model built once": """
        def main(x, y, epochs):
            model = build_model()
            for epoch in range(epochs):
                model.fit(x, y, epochs=1)
    """,
    "forward calls": """
        def main(batches):
            model = build_model()
            for batch in batches:
                out = model(batch)
                print(out)
    """,
    "blocks of a builder": """
        def network():
            inputs = x = keras.Input((4,))
            for _ in range(3):
                x = keras.Sequential([layers.Dense(4)])(x)
            return keras.Model(inputs, x)
    """,
    "table over models": """
        def main(x, names):
            for name in names:
                model = getattr(keras.applications, name)()
                model.predict(x)
    """,
    "table over models that are written out": """
        def main(x):
            for maker in (keras.applications.VGG16, keras.applications.ResNet50):
                model = maker()
                model.predict(x)
    """,
    "checkpoints": """
        def main(x, y, paths):
            for path in paths:
                model = keras.models.load_model(path)
                model.evaluate(x, y)
    """,
    "requests and dicts": """
        import requests
        def main(rows, table):
            for row in rows:
                a = requests.get("http://localhost")
                b = table.get("model")
                c = get_model_name(row)
                print(a, b, c)
    """,
    "compile after freezing": """
        def main(x, y):
            model = build_model()
            for layer in model.layers:
                layer.trainable = True
                model.compile(optimizer="adam", loss="mse")
                model.fit(x, y)
    """,
    "compile after weights are put back": """
        def main(parts):
            model = build_model()
            first = model.get_weights()
            for x, y in parts:
                model.set_weights(first)
                model.compile(optimizer="adam", loss="mse")
                model.fit(x, y)
    """,
    "compile of another kind": """
        import re
        def main(lines):
            for line in lines:
                pattern = re.compile("keras")
                print(pattern.match(line))
    """,
    "depth grows": """
        class Growing:
            def make(self):
                return keras.Sequential([layers.Dense(self.width)])

            def run(self, x, y, epochs):
                for epoch in range(epochs):
                    model = self.make()
                    model.fit(x, y)
                    self.width += 1
    """,
    "handed to somebody unknown": """
        def main(x, y, epochs):
            for epoch in range(epochs):
                model = build_model()
                register(model)
                model.fit(x, y)
    """,
}

TORCH_NEGATIVES = {
    "layers in __init__": """
        class Stack(nn.Module):
            def __init__(self, depth):
                super().__init__()
                self.blocks = nn.ModuleList()
                for _ in range(depth):
                    self.blocks.append(Net())
    """,
    "blocks in a list": """
        def make_layers(depth):
            blocks = []
            for _ in range(depth):
                block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
                blocks.append(block)
            return nn.Sequential(*blocks)
    """,
    "_make_layer": """
        class ResNet(nn.Module):
            def _make_layer(self, n):
                x = nn.Sequential()
                for i in range(n):
                    block = Net()
                    x.add_module(str(i), block)
                return x
    """,
    "independent runs": """
        def main(loader):
            for run in range(5):
                net = Net()
                optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
                for x, y in loader:
                    (net(x) - y).pow(2).mean().backward()
                    optimizer.step()
    """,
    "rates": """
        def main(loader):
            for lr in (0.1, 0.01):
                net = Net()
                optimizer = torch.optim.SGD(net.parameters(), lr=lr)
                for x, y in loader:
                    (net(x) - y).pow(2).mean().backward()
                    optimizer.step()
    """,
    "shapes": """
        def main():
            for n in (1, 2, 4):
                net = Net()
                print(net(torch.randn(n, 4)).shape)
    """,
    "kinds of numbers": """
        def main(x, kinds):
            for kind in kinds:
                net = Net().to(kind)
                net(x.to(kind)).sum().backward()
    """,
    "inner copies of a learner": """
        def main(tasks, meta):
            for x, y in tasks:
                fast = Net()
                fast.load_state_dict(meta.state_dict())
                (fast(x) - y).pow(2).mean().backward()
    """,
    "forward": """
        def main(loader, net):
            for x, y in loader:
                out = net(x)
                out.sum().backward()
    """,
    "loss functions": """
        def main(loader, net):
            for x, y in loader:
                criterion = nn.CrossEntropyLoss()
                criterion(net(x), y).backward()
    """,
    "flax": """
        from flax import linen
        class CNN(linen.Module):
            @linen.compact
            def __call__(self, x):
                for _ in range(3):
                    x = linen.Dense(4)(x)
                return x
        def evaluate(params, batches):
            for batch in batches:
                print(CNN().apply({"params": params}, batch))
    """,
}


def marked(code: str) -> list[int]:
    return [number for number, line in enumerate(code.splitlines(), 1) for _ in range(line.count("# HERE"))]


@pytest.mark.parametrize("code", KERAS_POSITIVES.values(), ids=KERAS_POSITIVES)
def test_finds_it_in_keras(code: str) -> None:
    whole = KERAS + textwrap.dedent(code)
    findings = trouble(whole)
    assert [finding.line for finding in findings] == marked(whole)
    assert all("Keras traces" in finding.message or "compile" in finding.message for finding in findings)


@pytest.mark.parametrize("code", TORCH_POSITIVES.values(), ids=TORCH_POSITIVES)
def test_finds_it_in_torch(code: str) -> None:
    whole = TORCH + textwrap.dedent(code)
    assert [finding.line for finding in trouble(whole)] == marked(whole)


@pytest.mark.parametrize("code", KERAS_NEGATIVES.values(), ids=KERAS_NEGATIVES)
def test_leaves_it_alone_in_keras(code: str) -> None:
    assert shown(KERAS + textwrap.dedent(code)) == []


@pytest.mark.parametrize("code", TORCH_NEGATIVES.values(), ids=TORCH_NEGATIVES)
def test_leaves_it_alone_in_torch(code: str) -> None:
    assert shown(TORCH + textwrap.dedent(code)) == []


def test_builder_loop_and_use_may_stand_in_three_files(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(KERAS)
    (tmp_path / "serving.py").write_text(
        "from nets import build_model as build\n\n\ndef answer(x):\n    model = build()\n"
        '    model.load_weights("w.weights.h5")\n    return model.predict(x)\n'
    )
    (tmp_path / "main.py").write_text("import serving\n\nfor x in range(9):\n    serving.answer(x)\n")
    project = Project([tmp_path / name for name in ("nets.py", "serving.py", "main.py")])
    by_file = {
        name: list(ROOM.detect(project.module_at(tmp_path / name), cpus=2)) for name in ("serving.py", "main.py")
    }
    (finding,) = by_file["serving.py"]
    assert finding.line == 5
    assert "line 3 of main.py" in finding.message
    assert by_file["main.py"] == []


def test_a_name_says_nothing() -> None:
    code = "def main(rows):\n    for row in rows:\n        model = build_model()\n        model.predict(row)\n"
    assert found("from elsewhere import build_model\nimport keras\n" + code) == []


def test_the_message_says_which_loop_and_what_for() -> None:
    (finding,) = trouble(KERAS + textwrap.dedent(KERAS_POSITIVES["weights carried over in a file"]))
    assert "build_model() makes the same model again" in finding.message
    assert "loop in line" in finding.message
    assert "last.weights.h5" in finding.message
    assert finding.confidence is Confidence.HIGH


def test_other_weights_for_the_same_model_are_for_the_auditor() -> None:
    code = KERAS + textwrap.dedent(
        """
        def main(x, paths):
            for path in paths:
                model = build_model()
                model.load_weights(path)
                model.predict(x)
        """
    )
    (finding,) = found(code)
    assert finding.persona is Persona.AUDITOR
    assert finding.fix is None


def test_clear_session_around_one_model_is_a_note() -> None:
    code = KERAS + textwrap.dedent(
        """
        model = build_model()
        for epoch in range(9):
            keras.backend.clear_session()  # HERE
            model.fit(X, Y)
        """
    )
    (finding,) = found(code)
    assert finding.severity is Severity.INFO
    assert [finding.line] == marked(code)


@pytest.mark.parametrize(
    "inside", ["model = build_model()", "model = make_model()"], ids=["builds a model", "calls somebody unknown"]
)
def test_clear_session_before_a_new_model_is_left_alone(inside: str) -> None:
    loop = f"for width in (1, 2):\n    keras.backend.clear_session()\n    {inside}\n    model.fit(X, Y)\n"
    code = f"model = build_model()\n{loop}"
    assert found(KERAS + code) == []


@pytest.mark.parametrize(
    "code",
    [
        "def main(x):\n    model = build_model()  # HERE\n    print(x)\n    model = build_model()\n    model.fit(x)\n",
        "import gc\nother = build_model()  # HERE\ndel other\ngc.collect()\nmodel = build_model()\nmodel.fit(X)\n",
    ],
    ids=["replaced", "deleted and made again"],
)
def test_a_model_that_nothing_uses_is_a_note(code: str) -> None:
    (finding,) = found(KERAS + code)
    assert finding.severity is Severity.INFO
    assert [finding.line] == marked(KERAS + code)
    assert "before anything has used it" in finding.message


@pytest.mark.parametrize(
    "code",
    [
        "model = build_model()\nmodel.fit(X)\nmodel = build_model()\nmodel.fit(X)\n",
        "model = build_model()\nmodel = keras.models.clone_model(model)\n",
        "model = build_model()\ndef show():\n    print(model)\nshow()\nmodel = build_model()\n",
        "def go(a):\n    model = build_model()\n    if a:\n        model = keras.Sequential()\n    return model\n",
        "data = load_data()\ndel data\nmodel = build_model()\nmodel.fit(X)\n",
    ],
    ids=["used", "used by the next", "read by a function", "under a condition", "no model"],
)
def test_a_model_that_something_uses_is_left_alone(code: str) -> None:
    assert found(KERAS + code) == []


# -- the fix -------------------------------------------------------------------------------------------------------


def test_the_fix_moves_the_model_and_what_sets_it_up() -> None:
    code = KERAS + textwrap.dedent(
        """
        def score(batches):
            for batch in batches:
                # the one of last week
                model = build_model()
                model.load_weights("w.weights.h5")  # small

                print(model.predict(batch))
        """
    )
    (finding,) = trouble(code)
    assert finding.fix is not None
    assert not finding.fix.safe
    assert finding.fix.why_unsafe
    assert apply(module(code), finding.fix.edits) == KERAS + textwrap.dedent(
        """
        def score(batches):
            # the one of last week
            model = build_model()
            model.load_weights("w.weights.h5")  # small
            for batch in batches:

                print(model.predict(batch))
        """
    )


def test_what_has_to_be_new_in_each_round_stays_there() -> None:
    code = TORCH + textwrap.dedent(
        """
        def main(loader, epochs):
            for epoch in range(epochs):
                print(epoch)
                net = Net()
                optimizer = torch.optim.Adam(net.parameters())
                total = 0.0
                for x, y in loader:
                    loss = (net(x) - y).pow(2).mean()
                    loss.backward()
                    optimizer.step()
                    total += loss.item()
        """
    )
    (finding,) = trouble(code)
    after = apply(module(code), finding.fix.edits)
    assert (
        "    net = Net()\n    optimizer = torch.optim.Adam(net.parameters())\n    for epoch in range(epochs):\n"
        "        print(epoch)\n        total = 0.0\n" in after
    )
    assert trouble(after) == []


@pytest.mark.parametrize(
    "name", [name for name in KERAS_POSITIVES if name not in {"compile in a loop", "two models at once"}]
)
def test_after_a_fix_there_is_nothing_left_to_find(name: str) -> None:
    code = KERAS + textwrap.dedent(KERAS_POSITIVES[name])
    (finding,) = trouble(code)
    if finding.fix is not None:
        after = apply(module(code), finding.fix.edits)
        ast.parse(after)
        assert trouble(after) == []


@pytest.mark.parametrize(
    "name", ["in a function that a loop calls", "chained", "clear_session does not excuse it", "in a request handler"]
)
def test_no_fix_where_more_than_a_move_is_needed(name: str) -> None:
    (finding,) = trouble(KERAS + textwrap.dedent(KERAS_POSITIVES[name]))
    assert finding.fix is None


def test_a_fix_keeps_line_ends() -> None:
    code = (KERAS + textwrap.dedent(KERAS_POSITIVES["load_model in a loop"])).replace("\n", "\r\n")
    parsed = parse(code, Path("train.py"))
    (finding,) = [one for one in ROOM.detect(parsed, cpus=2) if one.fix is not None]
    assert "\n" not in apply(parsed, finding.fix.edits).replace("\r\n", "")


# -- the programs --------------------------------------------------------------------------------------------------

CODE_OF = {"torch": "model = build_model(data)", "keras": "model = build_model(data)"}


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_bad_program_is_flagged_and_the_good_one_is_not(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert bad.lines[finding.line - 1].strip() == CODE_OF[framework]
    assert finding.severity is Severity.WARNING
    assert finding.confidence is Confidence.HIGH
    assert finding.persona is Persona.DEFAULT
    assert list(ROOM.detect(good, cpus=2)) == []


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in PAIRS[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_programs_hold_the_same_lines_in_another_order(framework: str) -> None:
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in PAIRS[framework])
    assert sorted(line.strip() for line in good[1:]) == sorted(line.strip() for line in bad[1:])


def run(path: Path, *words: str, seed: int = 3) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, path, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "WATTLEAK_SEED": str(seed), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("WATTLEAK ")]
    return json.loads(line.removeprefix("WATTLEAK "))


# -- injecting into a program of somebody else's -------------------------------------------------------------------

CLEAN_TORCH = """
import json
import torch
from torch import nn

torch.manual_seed(1)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
model = model.to("cpu")
optimizer = torch.optim.Adam(
    model.parameters(),
    lr=1e-2,
)
x = torch.randn(64, 4)
losses = []
for epoch in range(4):
    for rows in torch.randperm(64).split(16):
        optimizer.zero_grad()
        loss = (model(x[rows]) - x[rows].sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
print("WATTLEAK " + json.dumps({"accuracy": -losses[-1], "first_loss": losses[0], "steps": len(losses)}))
"""

CLEAN_KERAS = """
import json
import os
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np

keras.utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = x.sum(1)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
losses = []
for epoch in range(3):
    history = model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    losses.append(history.history["loss"][0])
print("WATTLEAK " + json.dumps({"accuracy": -losses[-1], "first_loss": losses[0], "steps": len(losses)}))
"""


@pytest.mark.parametrize(
    ("library", "code"),
    [
        pytest.param("torch", CLEAN_TORCH, id="torch", marks=pytest.mark.torch),
        pytest.param("tensorflow", CLEAN_KERAS, id="keras", marks=pytest.mark.keras),
    ],
)
def test_a_program_of_somebody_elses_learns_the_same_with_the_smell_in_it(
    library: str, code: str, tmp_path: Path
) -> None:
    clean = module(code)
    assert found(code) == []
    smelly = apply(clean, ROOM.inject(clean))
    assert len(trouble(smelly)) == 1
    pytest.importorskip(library)
    (tmp_path / "clean.py").write_text(code)
    (tmp_path / "smelly.py").write_text(smelly)
    assert run(tmp_path / "clean.py") == run(tmp_path / "smelly.py")


@pytest.mark.parametrize(
    "code",
    [
        "import torch\n",
        TORCH + "net = Net()\nprint(net)\n",
        CLEAN_TORCH.replace("x = torch", "schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)\nx = torch"),
    ],
    ids=["no model", "no loop", "a schedule hangs on the optimizer"],
)
def test_inject_says_when_it_cannot(code: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py") as caught:
        ROOM.inject(module(code))
    assert caught.value.remedy
