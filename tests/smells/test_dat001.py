"""DAT001: loaders that work in the training process, those that have reasons, the fix and its inverse."""

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

ROOM = find_room("DAT001")


def module(code: str) -> Module:
    parsed = parse(textwrap.dedent(code), Path("train.py"))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str):
    return list(ROOM.detect(module(code), cpus=2))


PREAMBLE = """import os, sys, random
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, IterableDataset, random_split
from torchvision import datasets, transforms
from torchvision.datasets import ImageFolder, CIFAR10"""
PREPARED = "transform = transforms.Compose([transforms.RandomResizedCrop(224), transforms.ToTensor()])"
MODEL = """model = nn.Sequential(nn.Flatten(), nn.Linear(10, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"""


def torch_program(
    loader: str = "loader = DataLoader(dataset, batch_size=64, shuffle=True)  # HERE",
    dataset: str = "dataset = ImageFolder('train', transform)",
    device: str = "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    training: str = """
for epoch in range(10):
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
""",
    definitions: str = "",
) -> str:
    """Return a program as users write them; each part can be another."""
    parts = (PREAMBLE, definitions, PREPARED, device, MODEL, dataset, loader, training)
    return "\n".join(parts)


OPENS = """
class Pets(Dataset):
    def __init__(self, files, transform=None):
        self.files = files
        self.transform = transform
    def __len__(self):
        return len(self.files)
    def __getitem__(self, i):
        image = Image.open(self.files[i]).convert('RGB')
        return self.transform(image), 0
"""
READY = """
class Rows(Dataset):
    def __init__(self, rows, transform=None):
        self.rows = torch.tensor(rows)
        self.transform = transform
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, i):
        row = self.rows[i]
        if self.transform is not None:
            row = self.transform(row)
        return row
"""
TRAIN = """
def train(loader, device):
    for images, labels in tqdm(loader):
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
"""
LOADERS = """
def get_loaders():
    train_loader = DataLoader(CIFAR10('d', transform=transform), 64, shuffle=True)  # HERE
    test_loader = DataLoader(CIFAR10('d', train=False, transform=transform), 64)
    return train_loader, test_loader
"""

POSITIVES = {
    "absent": torch_program(),
    "zero": torch_program("loader = DataLoader(  # HERE\n    dataset, num_workers=0\n)"),
    "kwargs without workers": torch_program(
        "options = {'batch_size': 64, 'shuffle': True}\nloader = DataLoader(dataset, **options)  # HERE"
    ),
    "kwargs with zero": torch_program(
        "options = dict(batch_size=64)\noptions.update(num_workers=0)\nloader = DataLoader(dataset, **options)  # HERE"
    ),
    "constant": torch_program("WORKERS = 0\nloader = DataLoader(  # HERE\n    dataset, num_workers=WORKERS)"),
    "positional": torch_program("loader = DataLoader(  # HERE\n    dataset, 64, True, None, None, 0)"),
    "full name": torch_program("loader = torch.utils.data.DataLoader(dataset, 64)  # HERE"),
    "cifar with a transform": torch_program(dataset="dataset = CIFAR10('data', transform=transform)"),
    "only made into tensors": torch_program(dataset="dataset = CIFAR10('data', transform=transform)").replace(
        "transforms.RandomResizedCrop(224)", "transforms.Normalize(0, 1)"
    ),
    "transform by position": torch_program(dataset="dataset = CIFAR10('data', True, transform)"),
    "own data set": torch_program(dataset="dataset = Pets(os.listdir('pets'), transform)", definitions=OPENS),
    "own transform": torch_program(
        dataset="dataset = Rows(np.load('rows.npy'), transform=transform)", definitions=READY
    ),
    "random_split": torch_program(dataset="dataset, held_out = random_split(ImageFolder('x', transform), [9, 1])"),
    "subset": torch_program(dataset="dataset = Subset(ImageFolder('all', transform), range(100))"),
    "enumerate": torch_program(
        training=TRAIN.replace("def train(loader, device):", "if True:").replace(
            "for images, labels in tqdm(loader):", "for i, (images, labels) in enumerate(loader):"
        )
    ),
    "train function": torch_program(
        definitions="from tqdm import tqdm", training=TRAIN + "\nfor epoch in range(3):\n    train(loader, device)\n"
    ),
    "tuple of loaders": torch_program(
        loader="",
        training="from tqdm import tqdm\n"
        + LOADERS
        + TRAIN
        + "\nfirst, second = get_loaders()\nfor epoch in range(3):\n    train(first, device)\n",
    ),
    "dict of loaders": torch_program(
        loader="loaders = {'train': DataLoader(dataset, 64)}  # HERE",
        training="""
for phase in ['train', 'val']:
    for images, labels in loaders[phase]:
        loss = model(images.cuda()).sum()
        if phase == 'train':
            loss.backward()
            optimizer.step()
""",
    ),
    "accelerate": torch_program(
        device="from accelerate import Accelerator\naccelerator = Accelerator()",
        training="""
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for images, labels in loader:
    loss = nn.functional.cross_entropy(model(images), labels)
    accelerator.backward(loss)
    optimizer.step()
""",
    ),
    "lightning": """
import lightning as L
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
class Data(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(ImageFolder('train'), batch_size=64)  # HERE
    def val_dataloader(self):
        return DataLoader(ImageFolder('val'), batch_size=64)
trainer = L.Trainer(accelerator="gpu")
""",
    "one loader after the other": torch_program(
        "loader = DataLoader(dataset, 5000)\nfor images, _ in loader:\n    print(images.mean())\n"
        "loader = DataLoader(dataset, 64, shuffle=True)  # HERE"
    ),
    "collate_fn works": torch_program(
        definitions="def collate(files):\n    return torch.stack([as_tensor(Image.open(f)) for f in files])",
        dataset="dataset = ['a.png', 'b.png']",
        loader="loader = DataLoader(dataset, batch_size=2, collate_fn=collate)  # HERE",
    ),
}

NEGATIVES = {
    "workers": torch_program("loader = DataLoader(dataset, num_workers=4)"),
    "workers by position": torch_program("loader = DataLoader(dataset, 64, True, None, None, 4)"),
    "workers by kwargs": torch_program(
        "options = {'batch_size': 64, 'num_workers': 4}\nloader = DataLoader(dataset, **options)"
    ),
    "kwargs updated on the accelerator": torch_program(
        "options = {'batch_size': 64}\nif torch.cuda.is_available():\n"
        "    options.update({'num_workers': 1, 'pin_memory': True})\nloader = DataLoader(dataset, **options)"
    ),
    "kwargs that may be empty": torch_program(
        "options = {'num_workers': 1} if torch.cuda.is_available() else {}\nloader = DataLoader(dataset, **options)"
    ),
    "kwargs from outside": torch_program("loader = DataLoader(dataset, **load_config())"),
    "workers of an argument": torch_program("loader = DataLoader(dataset, num_workers=args.workers)"),
    "zero on Windows": torch_program("loader = DataLoader(dataset, num_workers=0 if os.name == 'nt' else 4)"),
    "two branches": torch_program(
        "if os.name == 'nt':\n    loader = DataLoader(dataset)\nelse:\n    loader = DataLoader(dataset, num_workers=4)"
    ),
    "debug": torch_program("if DEBUG:\n    loader = DataLoader(dataset)\n", definitions="DEBUG = True"),
    "never": torch_program("if False:\n    loader = DataLoader(dataset)\n"),
    "with a reason": torch_program("loader = DataLoader(dataset, num_workers=0)  # lmdb does not survive a fork"),
    "tensors": torch_program(dataset="dataset = TensorDataset(torch.rand(9, 9), torch.rand(9))"),
    "rows in memory": torch_program(dataset="dataset = Rows(np.load('rows.npy'))", definitions=READY),
    "rows without transform": torch_program(
        dataset="dataset = Rows(np.load('rows.npy'), transform=None)", definitions=READY
    ),
    "transform of somebody": torch_program(
        dataset="dataset = Rows(np.load('rows.npy'), transform=make())", definitions=READY + "from x import make"
    ),
    "cifar without transform": torch_program(dataset="dataset = CIFAR10('data')"),
    "fake data": torch_program(dataset="dataset = datasets.FakeData(100, transform=transform)"),
    "unknown data set": torch_program(dataset="dataset = load_dataset('x')", definitions="from datasets import *"),
    "on the device already": torch_program(
        dataset="dataset = Pets(os.listdir('pets'), transform)",
        definitions=OPENS.replace("self.transform(image), 0", "self.transform(image).cuda(), 0"),
    ),
    "a cache": torch_program(
        dataset="dataset = Kept(os.listdir('pets'))",
        definitions="""
class Kept(Dataset):
    def __init__(self, files):
        self.files, self.cache = files, {}
    def __len__(self):
        return len(self.files)
    def __getitem__(self, i):
        if i not in self.cache:
            self.cache[i] = np.load(self.files[i])
        return self.cache[i]
""",
    ),
    "an open file": torch_program(
        dataset="dataset = Stored('x.h5')",
        definitions="""
import h5py
class Stored(Dataset):
    def __init__(self, path):
        self.path, self.file = path, None
    def __len__(self):
        return 100
    def __getitem__(self, i):
        if self.file is None:
            self.file = h5py.File(self.path)
        return self.file['x'][i]
""",
    ),
    "a stream": torch_program(
        dataset="dataset = Stream()",
        definitions="class Stream(IterableDataset):\n    def __iter__(self):\n        yield Image.open('a.png')",
    ),
    "no accelerator": torch_program(device="device = torch.device('cpu')"),
    "evaluation": torch_program(
        training="with torch.no_grad():\n    for images, labels in loader:\n        model(images.to(device))\n"
    ),
    "nobody reads it": torch_program(training=""),
    "another DataLoader": torch_program(definitions="", loader="loader = DataLoader(dataset)").replace(
        "from torch.utils.data import DataLoader, ", "from mine import DataLoader\nfrom torch.utils.data import "
    ),
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


def test_the_message_names_the_work_that_waits() -> None:
    (finding,) = found(POSITIVES["own data set"])
    assert "Image.open in Pets.__getitem__" in finding.message
    assert "num_workers" in finding.message
    (finding,) = found(POSITIVES["absent"])
    assert "ImageFolder opens and decodes a file" in finding.message
    assert finding.confidence is Confidence.HIGH


def test_a_zero_that_somebody_wrote_is_less_sure() -> None:
    (finding,) = found(POSITIVES["zero"])
    assert finding.confidence is Confidence.MEDIUM


def test_the_loader_the_data_set_and_the_training_may_be_in_files_of_their_own(tmp_path: Path) -> None:
    files = {
        "data/__init__.py": "",
        "data/pets.py": "import torch\nfrom PIL import Image\nfrom torch.utils.data import Dataset\n" + OPENS,
        "data/loaders.py": (
            "from torch.utils.data import DataLoader\nfrom .pets import Pets\n"
            "def make_loaders(files, transform, **options):\n"
            "    train = DataLoader(Pets(files, transform), shuffle=True, **options)\n"
            "    return train, DataLoader(Pets(files, transform), **options)\n"
        ),
        "engine.py": (
            "def train_one_epoch(model, loader, optimizer, device):\n"
            "    for images, labels in loader:\n"
            "        loss = model(images.to(device)).sum()\n"
            "        loss.backward()\n"
            "        optimizer.step()\n"
        ),
        "main.py": (
            "import torch\nfrom torchvision import transforms\nfrom data.loaders import make_loaders\n"
            "from engine import train_one_epoch\n"
            "device = 'cuda'\nmodel = torch.nn.Linear(1, 1).to(device)\n"
            "optimizer = torch.optim.SGD(model.parameters())\n"
            "train, test = make_loaders(['a'], transforms.Compose([transforms.Resize(8)]), batch_size=8)\n"
            "for epoch in range(3):\n    train_one_epoch(model, train, optimizer, device)\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    findings = scanned(tmp_path, files)
    assert [(finding.path.name, finding.line) for finding in findings] == [("loaders.py", 4)]
    (tmp_path / "main.py").write_text(files["main.py"].replace("batch_size=8)", "batch_size=8, num_workers=2)"))
    assert scanned(tmp_path, files) == []


def scanned(folder: Path, names):
    paths = [folder / name for name in names]
    project = Project(paths)
    findings = []
    for path in paths:
        parsed = read(path)
        assert isinstance(parsed, Module)
        findings += ROOM.detect(project.adopt(parsed), cpus=2)
    return findings


# -- Keras and TensorFlow ------------------------------------------------------------------------------------------

KERAS = """
import keras
import numpy as np
import tensorflow as tf
from skimage.io import imread

class Pets(keras.utils.PyDataset):
    def __init__(self, files, labels, **kwargs):
        super().__init__(**kwargs)
        self.files, self.labels = files, labels
    def __len__(self):
        return len(self.files) // 8
    def __getitem__(self, i):
        return np.array([imread(f) for f in self.files[i * 8 : i * 8 + 8]]), self.labels[i * 8 : i * 8 + 8]

gpus = tf.config.list_physical_devices("GPU")
model = keras.Sequential([keras.layers.Dense(2)])
model.compile("adam", "mse")
batches = Pets(files, labels)  # HERE
model.fit(batches, epochs=3)
"""
PIPELINE = """
import tensorflow as tf

def decode(path, label):
    image = tf.io.decode_jpeg(tf.io.read_file(path))
    image = tf.image.random_flip_left_right(image)
    return tf.image.resize(image, (224, 224)), label

gpus = tf.config.list_physical_devices("GPU")
dataset = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(100).map(decode).batch(32)  # HERE
model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
model.compile("adam", "mse")
model.fit(dataset, epochs=3)
"""

GENERATOR = """
import cv2
import numpy as np
import tensorflow as tf

def batches(files):
    while True:
        for start in range(0, len(files), 8):
            yield np.array([cv2.imread(f) for f in files[start : start + 8]]), np.zeros(8)

with tf.device("/GPU:0"):
    model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
model.compile("adam", "mse")
model.fit(batches(files), steps_per_epoch=9)  # HERE
"""

KERAS_POSITIVES = {
    "PyDataset": KERAS,
    "one worker": KERAS.replace("(files, labels)  #", "(files, labels, workers=1)  #"),
    "Sequence of tf.keras": KERAS.replace("keras.utils.PyDataset", "tf.keras.utils.Sequence"),
    "super without arguments": KERAS.replace("super().__init__(**kwargs)", "super().__init__()"),
    "without __init__": KERAS.replace("        super().__init__(**kwargs)\n", "").replace(
        "    def __init__(self, files, labels, **kwargs):\n        self.files",
        "    def fill(self, files):\n        self.files",
    ),
    "given at once": KERAS.replace(
        "batches = Pets(files, labels)  # HERE\nmodel.fit(batches, epochs=3)",
        "model.fit(Pets(files, labels), epochs=3)  # HERE",
    ),
    "generator": GENERATOR,
    "generator with a name": GENERATOR.replace(
        "model.fit(batches(files), steps_per_epoch=9)", "training = batches(files)"
    ).replace("  # HERE", "  # HERE\nmodel.fit(training, steps_per_epoch=9)"),
    "random numbers in map": PIPELINE,
    "Python in map": PIPELINE.replace("tf.image.random_flip_left_right(image)", "tf.py_function(f, [image], tf.uint8)"),
    "lambda in map": PIPELINE.replace(".map(decode)", ".map(lambda path, label: decode(path, label))"),
}
KERAS_NEGATIVES = {
    "workers": KERAS.replace("(files, labels)  # HERE", "(files, labels, workers=4)"),
    "processes": KERAS.replace("(files, labels)  # HERE", "(files, labels, workers=1, use_multiprocessing=True)"),
    "workers in the class": KERAS.replace("super().__init__(**kwargs)", "super().__init__(workers=4)"),
    "workers of an argument": KERAS.replace("(files, labels)  # HERE", "(files, labels, workers=args.workers)"),
    "workers set later": KERAS.replace("# HERE", "\nbatches.workers = 4"),
    "workers of fit": KERAS.replace("epochs=3", "epochs=3, workers=4"),
    "light generator": GENERATOR.replace("cv2.imread(f)", "f"),
    "generator without accelerator": GENERATOR.replace('with tf.device("/GPU:0")', "if True"),
    "in memory": KERAS.replace("np.array([imread(f) for f in self.files[i * 8 : i * 8 + 8]])", "self.files[i]"),
    "evaluation": KERAS.replace("model.fit(batches, epochs=3)", "model.evaluate(batches)"),
    "no accelerator": KERAS.replace('gpus = tf.config.list_physical_devices("GPU")', ""),
    "hidden GPUs": KERAS.replace("model =", 'tf.config.set_visible_devices([], "GPU")\nmodel ='),
    "light map": PIPELINE.replace(".map(decode)", ".map(lambda path, label: (path, label))"),
    "parallel map": PIPELINE.replace(".map(decode)", ".map(decode, num_parallel_calls=tf.data.AUTOTUNE)"),
    "parallel map by position": PIPELINE.replace(".map(decode)", ".map(decode, 4)"),
    "prefetch": PIPELINE.replace(".batch(32)", ".batch(32).prefetch(2)"),
    "prefetch on the way": PIPELINE.replace("model.fit(dataset", "model.fit(dataset.prefetch(2)"),
    "pipeline for evaluation": PIPELINE.replace("model.fit(dataset, epochs=3)", "model.evaluate(dataset)"),
    "pipeline without accelerator": PIPELINE.replace('gpus = tf.config.list_physical_devices("GPU")', ""),
}


@pytest.mark.parametrize("code", KERAS_POSITIVES.values(), ids=KERAS_POSITIVES)
def test_finds_it_in_keras(code: str) -> None:
    marked = [number for number, line in enumerate(textwrap.dedent(code).splitlines(), 1) if "# HERE" in line]
    findings = found(code)
    assert [finding.line for finding in findings] == marked
    assert findings[0].confidence is Confidence.MEDIUM


@pytest.mark.parametrize("code", KERAS_NEGATIVES.values(), ids=KERAS_NEGATIVES)
def test_leaves_it_alone_in_keras(code: str) -> None:
    assert found(code) == []


def test_an_auditor_sees_the_maps_that_tensorflow_helps_with() -> None:
    for old, new in (
        ("    image = tf.image.random_flip_left_right(image)\n", ""),
        ("random_flip_left_right(image)", "stateless_random_flip_left_right(image, seed=(1, 2))"),
    ):
        (finding,) = found(PIPELINE.replace(old, new))
        assert finding.persona is Persona.AUDITOR
        assert finding.confidence is Confidence.LOW


# -- the fix and its inverse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [*POSITIVES.values(), *KERAS_POSITIVES.values()],
    ids=[*POSITIVES, *(f"keras: {name}" for name in KERAS_POSITIVES)],
)
def test_fixed_code_is_silent_and_parses(code: str) -> None:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    if finding.fix is None:
        assert "WORKERS = 0" in code or "num_workers=0" in code or "yield" in code
        return
    assert not finding.fix.safe
    assert finding.fix.why_unsafe
    assert found(apply(before, finding.fix.edits)) == []


LAYOUTS = {
    "DataLoader(d)": "DataLoader(d, num_workers=N, persistent_workers=True)",
    "DataLoader(d, 64, )": "DataLoader(d, 64, num_workers=N, persistent_workers=True, )",
    "DataLoader(d, num_workers=0)": "DataLoader(d, num_workers=N, persistent_workers=True)",
    "DataLoader(d, num_workers=0, shuffle=True)": "DataLoader(d, num_workers=N, shuffle=True, persistent_workers=True)",
    "DataLoader(\n    d,\n    shuffle=True,  # always\n)": (
        "DataLoader(\n    d,\n    shuffle=True,\n    num_workers=N,\n    persistent_workers=True,  # always\n)"
    ),
    "DataLoader(d, persistent_workers=False)": "DataLoader(d, persistent_workers=False, num_workers=N)",
    "DataLoader(d, **{'batch_size': 3})": "DataLoader(d, **{'batch_size': 3}, num_workers=N, persistent_workers=True)",
}


@pytest.mark.parametrize(("written", "fixed"), LAYOUTS.items())
def test_the_fix_keeps_the_layout(written: str, fixed: str) -> None:
    code = torch_program(f"d = dataset\nloader = {written}")
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    after = apply(before, finding.fix.edits)
    assert after == torch_program(f"d = dataset\nloader = {fixed.replace('N', 'min(4, len(os.sched_getaffinity(0)))')}")


def test_the_fix_brings_its_import() -> None:
    code = '"""Doc."""\n' + torch_program().replace("import os, sys, random\n", "")
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    assert apply(before, finding.fix.edits).startswith('"""Doc."""\nimport os\nimport numpy')


def test_a_fix_does_not_take_the_name_os_from_somebody() -> None:
    (finding,) = found(torch_program(definitions="os = 'linux'"))
    assert finding.fix is None


@pytest.mark.parametrize("framework", pairs(ROOM.smell))
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in pairs(ROOM.smell)[framework])
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]


CLEAN = {
    "workers": torch_program("loader = DataLoader(dataset, num_workers=4, prefetch_factor=2, pin_memory=True)"),
    "workers first": torch_program("loader = DataLoader(num_workers=4, dataset=dataset)"),
    "PyDataset": KERAS_NEGATIVES["workers"],
    "super": KERAS_NEGATIVES["workers in the class"],
    "pipeline": PIPELINE.replace(".map(decode).batch(32)", ".map(decode, num_parallel_calls=4).batch(32).prefetch(2)"),
}


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    assert len(found(apply(clean, ROOM.inject(clean)))) == 1


def test_inject_says_when_it_cannot() -> None:
    with pytest.raises(UsageError, match=r"train\.py has no data loader with workers"):
        ROOM.inject(module(torch_program()))
