"""Models, loaders and optimizers, in the ways that people write them; and what only looks like one."""

from __future__ import annotations

import ast
from pathlib import Path  # noqa: TC003 - a fixture

import pytest
from tests.unit.source.learning_programs import NET, asked, read

from wattleak.source.learning import (
    Framework,
    LoopRole,
    builds_model,
    frameworks,
    hot_loops,
    is_loader,
    is_model,
    is_optimizer,
)
from wattleak.source.module import Module
from wattleak.source.reading import module_of

BUILDS = {
    "class of the file": NET + "ASK(Net())",
    "library": "from torchvision import models\nASK(models.resnet18(weights=None))",
    "picked by its name": "import torchvision.models as models\nASK(models.__dict__[args.arch]())",
    "with getattr": "import torchvision\nASK(getattr(torchvision.models, name)(pretrained=True))",
    "timm": "import timm\nASK(timm.create_model('resnet50'))",
    "transformers": "from transformers import AutoModelForCausalLM as A\nASK(A.from_pretrained('gpt2'))",
    "keras sequential": "from tensorflow import keras\nASK(keras.Sequential([keras.layers.Dense(1)]))",
    "tf.keras": "import tensorflow as tf\nASK(tf.keras.models.Sequential())",
    "keras functional": "import keras\nASK(keras.Model(inputs, outputs))",
    "keras application": "from keras.applications import ResNet50\nASK(ResNet50(weights=None))",
    "load_model": "from keras.models import load_model\nASK(load_model('m.keras'))",
    "clone_model": "import keras\nASK(keras.models.clone_model(model))",
    "pipeline": "from diffusers import DiffusionPipeline\nASK(DiffusionPipeline.from_pretrained('a'))",
    "class of a table": NET + "MODELS = {'net': Net}\nASK(MODELS[name]())",
    "sequential in a script": "from torch import nn\nmodel = ASK(nn.Sequential(nn.Linear(1, 1), nn.ReLU()))",
    "one layer that is trained": "import torch\nm = ASK(torch.nn.Linear(2, 1))\nfor p in m.parameters(): print(p)",
    "function that returns a fresh one": NET
    + "def build(device):\n    net = Net()\n    net = net.to(device)\n    return net.train()\nASK(build('cpu'))",
    "function that returns it with its optimizer": NET
    + "def setup():\n    net = Net()\n    return net, torch.optim.SGD(net.parameters(), 0.1)\nASK(setup())",
    "keras function": "from keras.models import Sequential\nfrom keras.layers import Dense\n"
    "def make(n):\n    m = Sequential()\n    m.add(Dense(n))\n    m.compile(loss='mse')\n    return m\nASK(make(3))",
    "LightningModule": "import lightning as L\nclass Lit(L.LightningModule):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = build()\nASK(Lit())",
    "in a lightning module": NET + "import lightning as L\nclass Lit(L.LightningModule):\n    def __init__(self):\n"
    "        super().__init__()\n        self.model = ASK(Net())\n",
    "kept by a trainer": NET + "class Trainer:\n    def __init__(self):\n        self.model = ASK(Net())\n",
    "class method": NET + "class Other(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.f = nn.Linear(n, n)\n    @classmethod\n    def small(cls):\n"
    "        return cls(1)\nASK(Other.small())",
}

DOES_NOT_BUILD = {
    "forward pass": NET + "net = Net()\nASK(net(x))",
    "move": NET + "ASK(Net().to('cuda'))",
    "wrapper": NET + "net = Net()\nASK(nn.DataParallel(net))",
    "compile": NET + "net = Net()\nASK(torch.compile(net))",
    "copy": NET + "import copy\nnet = Net()\nASK(copy.deepcopy(net))",
    "layer of a module": NET + "class Big(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.a = ASK(Net())\n",
    "class that is a layer of another": NET + "class Big(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.a = Net()\nASK(Net())",
    "layer among layers": "from torch import nn\nm = nn.Sequential(ASK(nn.Sequential(nn.Linear(1, 1))), nn.ReLU())",
    "function that gives layers": "from torch import nn\ndef block(n):\n"
    "    return ASK(nn.Sequential(nn.Linear(n, n)))\n"
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = block(1)\n",
    "keras layer": "import keras\nASK(keras.layers.Dense(3))",
    "loss": "from torch import nn\ncriterion = ASK(nn.CrossEntropyLoss())",
    "loss of the project": "from torch import nn\nclass DiceLoss(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.w = nn.Linear(1, 1)\nASK(DiceLoss())",
    "tokenizer": "from transformers import AutoTokenizer\nASK(AutoTokenizer.from_pretrained('gpt2'))",
    "configuration": "from transformers import AutoConfig\nASK(AutoConfig.from_pretrained('gpt2'))",
    "weights": "from torchvision import models\nASK(models.get_weight('x'))",
    "preprocessing": "from keras.applications import resnet\nASK(resnet.preprocess_input(x))",
    "function that keeps one": NET + "NET = Net()\ndef get():\n    return NET\nASK(get())",
    "cached function": NET + "from functools import lru_cache\n@lru_cache\ndef get():\n    return Net()\nASK(get())",
    "data class": "import torch\nclass Config:\n    def __init__(self):\n        self.n = int('3')\nASK(Config())",
    "unknown class": "import torch\nfrom somewhere import Model\nASK(Model())",
    "unknown base": "import torch\nfrom somewhere import Base\nclass Net(Base):\n    pass\nASK(Net())",
    "class that callers give": NET + "def build(kind):\n    return ASK(kind())\nbuild(thing)",
}


@pytest.mark.parametrize("name", BUILDS)
def test_builds_a_model(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, BUILDS[name])
    call = asked(module)
    assert isinstance(call, ast.Call)
    assert builds_model(module, call)


@pytest.mark.parametrize("name", DOES_NOT_BUILD)
def test_builds_no_model(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, DOES_NOT_BUILD[name])
    call = asked(module)
    assert isinstance(call, ast.Call)
    assert not builds_model(module, call)


def test_a_model_is_built_across_files(tmp_path: Path) -> None:
    module = read(
        tmp_path,
        "from zoo import create\nASK(create('small'))",
        zoo____init__="from .factory import create\n",
        zoo__nets=NET + "class Wide(Net):\n    pass\n",
        zoo__factory="""
            from .nets import Net, Wide
            def create(name):
                if name == "small":
                    model = Net()
                else:
                    model = Wide()
                return model
        """,
    )
    call = asked(module)
    assert isinstance(call, ast.Call)
    assert builds_model(module, call)


MODELS = {
    "made here": NET + "net = Net()\nASK(net)",
    "moved and wrapped": NET + "net = Net().cuda()\nnet = nn.DataParallel(net)\nnet = torch.compile(net)\nASK(net)",
    "prepared": NET + "from accelerate import Accelerator\naccelerator = Accelerator()\nnet = Net()\n"
    "net, loader = accelerator.prepare(net, loader)\nASK(net)",
    "only to be prepared": NET + "net = Net()\nnet, opt = fabric.setup(net, opt)\nASK(net)",
    "unwrapped": NET + "net = nn.DataParallel(Net())\nASK(net.module)",
    "either": NET + "net = Net() if small else nn.Sequential(nn.Linear(1, 1))\nASK(net)",
    "first None": NET + "net = None\nif train:\n    net = Net()\nASK(net)",
    "parameter that callers fill": NET + "def run(m, x):\n    ASK(m)\nrun(Net(), 1)",
    "parameter that is evaluated": "import torch\ndef run(model, x):\n    model.eval()\n    ASK(model)(x)",
    "parameter with parameters": "import torch\ndef run(net):\n"
    "    opt = torch.optim.SGD(net.parameters(), 0.1)\n    ASK(net)",
    "parameter that trains and is called": "import torch\ndef run(m, x):\n    m.train()\n    ASK(m)\n    return m(x)",
    "of a trainer": "import torch\nclass T:\n    def __init__(self, model):\n        self.model = model\n"
    "    def step(self, x):\n        self.model.eval()\n        return ASK(self.model)",
    "of a trainer that is made with one": NET + "class T:\n    def __init__(self, model):\n        self.model = model\n"
    "    def step(self, x):\n        return ASK(self.model)\nT(Net())",
    "self": NET.replace("return self.fc(x)", "return ASK(self)"),
    "keras that is compiled": "import keras\ndef run(model):\n"
    "    model.compile(optimizer='sgd', loss='mse')\n    ASK(model)",
    "from a tuple": NET + "def setup():\n    net = Net()\n    return net, 1\nnet, n = setup()\nASK(net)",
    "loaded, and evaluated": "import torch\nmodel = torch.load('m.pt')\nmodel.eval()\nASK(model)",
    "deepspeed": "import deepspeed\nengine, opt, _, _ = deepspeed.initialize(args)\nASK(engine)",
    "in a notebook that used another": "from sklearn.svm import SVC\nimport keras\n"
    "m = SVC()\nm = keras.Sequential()\nASK(m)",
}

NO_MODELS = {
    "loaded": "import torch\nweights = torch.load('m.pt')\nASK(weights)",
    "pipeline, which runs it without gradients": "from diffusers import DiffusionPipeline\n"
    "pipe = DiffusionPipeline.from_pretrained('a')\nASK(pipe)",
    "class": NET + "ASK(Net)",
    "layer": NET.replace("return self.fc(x)", "return ASK(self.fc)(x)"),
    "loss": "from torch import nn\nloss = nn.MSELoss()\nASK(loss)",
    "loss that callers give": "import torch\ndef run(criterion):\n    criterion.eval()\n    ASK(criterion)",
    "output": NET + "net = Net()\ny = net(1)\nASK(y)",
    "unknown": "import torch\ndef run(model, x):\n    ASK(model)(x)",
    "trainer": "from transformers import Trainer\ntrainer = Trainer()\ntrainer.train()\nASK(trainer)",
    "trainer that somebody gives": "import torch\ndef run(trainer):\n    trainer.train()\n    ASK(trainer)",
    "estimator": "from sklearn.svm import SVC\nASK(SVC())",
    "frame": "import torch\ndef run(df):\n    df.eval('a + b')\n    ASK(df)",
    "tensor of TensorFlow 1": "import tensorflow as tf\ndef run(x):\n    x.eval()\n    ASK(x)",
    "agent of the project": "import torch\nclass Agent:\n    def eval(self):\n        pass\ndef run(a):\n"
    "    a.eval()\n    ASK(a)",
    "model or not": NET + "net = Net()\nif small:\n    net = shrink(net)\nASK(net)",
    "callers that differ": NET + "def run(m):\n    ASK(m)\nrun(Net())\nrun(3)",
}


@pytest.mark.parametrize("name", MODELS)
def test_is_a_model(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, MODELS[name])
    assert is_model(module, asked(module))


@pytest.mark.parametrize("name", NO_MODELS)
def test_is_no_model(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, NO_MODELS[name])
    assert not is_model(module, asked(module))


LOADER = "from torch.utils.data import DataLoader\n"
LOADERS = {
    "made here": LOADER + "ASK(DataLoader(data))",
    "in enumerate and tqdm": LOADER
    + "from tqdm import tqdm\nloader = DataLoader(data)\nfor i, (x, y) in ASK(enumerate(tqdm(loader))):\n    pass",
    "bar that was made before": LOADER
    + "from tqdm.auto import tqdm\nbar = tqdm(enumerate(DataLoader(data)), total=3)\nASK(bar)",
    "from a function of the project": LOADER + "def loaders(n):\n    a = DataLoader(d, n)\n    b = DataLoader(e, n)\n"
    "    return a, b\ntrain, test = loaders(3)\nASK(test)",
    "in a dict of phases": LOADER + "loaders = {p: DataLoader(d[p]) for p in ['train', 'val']}\n"
    "for phase in loaders:\n    ASK(loaders[phase])",
    "dict from a function": LOADER + "def get():\n    return {'train': DataLoader(a), 'val': DataLoader(b)}\n"
    "loaders = get()\nASK(loaders['val'])",
    "parameter with a data set": "import torch\ndef run(loader):\n    for x, y in loader:\n        pass\n"
    "    n = len(loader.dataset)\n    ASK(loader)",
    "parameter that callers fill": LOADER + "def run(batches):\n    ASK(batches)\nrun(DataLoader(d))",
    "prepared": LOADER + "loader = DataLoader(d)\nm, loader = accelerator.prepare(m, loader)\nASK(loader)",
    "subclass": LOADER + "class Fast(DataLoader):\n    pass\nASK(Fast(d))",
    "tf.data": "import tensorflow as tf\nds = tf.data.Dataset.from_tensor_slices(x).shuffle(9).batch(32)\n"
    "ds = ds.prefetch(tf.data.AUTOTUNE)\nASK(ds)",
    "keras from a folder": "import keras\nds = keras.utils.image_dataset_from_directory('d')\nASK(ds.map(f))",
    "both halves": "from tensorflow import keras\n"
    "a, b = keras.utils.image_dataset_from_directory('d', subset='both')\nASK(b)",
    "of self": LOADER + "class T:\n    def __init__(self, d):\n        self.loader = DataLoader(d)\n"
    "    def run(self):\n        ASK(self.loader)",
}
NO_LOADERS = {
    "parameter in a loop": "import torch\ndef run(loader):\n    for x, y in ASK(loader):\n        pass",
    "arguments": "import torch\ndef run(args):\n    n = args.batch_size\n    ASK(args)",
    "subset": "import torch\ndef run(subset):\n    d = subset.dataset\n    ASK(subset)",
    "batch": LOADER + "for x in DataLoader(d):\n    ASK(x)",
    "list": "import torch\nASK([1, 2])",
    "data set of torch": "from torchvision import datasets\nASK(datasets.MNIST('.'))",
    "count of a tf data set": "import tensorflow as tf\nds = tf.data.Dataset.range(3)\nASK(ds.cardinality())",
    "own class of that name": "import torch\nclass DataLoader:\n    pass\nASK(DataLoader())",
    "some are not": LOADER + "loaders = {'a': DataLoader(d), 'b': 3}\nASK(loaders[k])",
}


@pytest.mark.parametrize("name", LOADERS)
def test_is_a_loader(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, LOADERS[name])
    assert is_loader(module, asked(module))


@pytest.mark.parametrize("name", NO_LOADERS)
def test_is_no_loader(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, NO_LOADERS[name])
    assert not is_loader(module, asked(module))


OPTIMIZERS = {
    "torch": "import torch.optim as optim\nASK(optim.Adam(p, lr=1))",
    "long name": "from torch.optim.adamw import AdamW\nASK(AdamW(p))",
    "keras": "from tensorflow.keras.optimizers import SGD\nASK(SGD())",
    "by what is done": "import torch\ndef run(o):\n    o.zero_grad()\n    o.step()\n    ASK(o)",
    "with groups": "import torch\ndef run(o):\n    for g in o.param_groups:\n        g['lr'] = 0\n    ASK(o)",
    "one of two": "import torch\no = torch.optim.SGD(p, 1) if sgd else torch.optim.Adam(p)\nASK(o)",
}
NO_OPTIMIZERS = {
    "scheduler": "import torch\nASK(torch.optim.lr_scheduler.StepLR(o, 3))",
    "scheduler by use": "import torch\ndef run(s):\n    s.step()\n    ASK(s)",
    "environment": "import torch\ndef run(env):\n    env.step(1)\n    ASK(env)",
    "engine": "import torch\ndef run(engine, x):\n    engine(x)\n    engine.zero_grad()\n"
    "    engine.step()\n    ASK(engine)",
    "keras schedule": "import keras\nASK(keras.optimizers.schedules.ExponentialDecay(1, 2, 3))",
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_is_an_optimizer(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, OPTIMIZERS[name])
    assert is_optimizer(module, asked(module))


@pytest.mark.parametrize("name", NO_OPTIMIZERS)
def test_is_no_optimizer(tmp_path: Path, name: str) -> None:
    module = read(tmp_path, NO_OPTIMIZERS[name])
    assert not is_optimizer(module, asked(module))


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import os, torch", {Framework.TORCH}),
        ("from tensorflow.keras import layers", {Framework.TENSORFLOW, Framework.KERAS}),
        ("from accelerate import Accelerator", {Framework.TORCH}),
        ("import jax.numpy as jnp", {Framework.JAX}),
        ("from sklearn.svm import SVC", {Framework.SKLEARN}),
        ("import numpy", set()),
        ("text = 'torch'", set()),
    ],
)
def test_frameworks_are_those_of_the_imports(tmp_path: Path, code: str, wanted: set[Framework]) -> None:
    assert frameworks(read(tmp_path, code)) == wanted


def test_a_file_that_was_read_alone_is_answered_too(tmp_path: Path) -> None:
    path = tmp_path / "alone.py"
    found = module_of(path, (NET + "net = Net()\nfor x in data:\n    net(x).sum().backward()\n").encode())
    assert isinstance(found, Module)
    assert [hot.role for hot in hot_loops(found)] == [LoopRole.TRAINING]


def test_an_answer_that_rests_on_other_files_is_asked_again_when_one_of_them_changes(tmp_path: Path) -> None:
    module = read(tmp_path, "from net import Net\nASK(Net())", net=NET)
    call = asked(module)
    assert isinstance(call, ast.Call)
    for _ in range(2):  # the second time it is remembered
        module.home.begin()
        assert builds_model(module, call)
        assert module.home.asked_whole
