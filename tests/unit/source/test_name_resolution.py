"""What names stand for across the files of small projects, against what Python says when it runs the same project.

`ASK(x)` marks the expression that is asked about. Hard negatives must be None: a rule does not fire on what it does
not know.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path  # noqa: TC003 - as below

import pytest

from wattleak.source.arguments import argument_values
from wattleak.source.calls import repetitions
from wattleak.source.module import Module  # noqa: TC001 - tests read better without a block for types
from wattleak.source.project import Project
from wattleak.source.referents import Instance
from wattleak.source.resolving import is_a, qualified_names, referents
from wattleak.source.standing import contexts, decorators, enclosing_class
from wattleak.source.uses import How, uses


def project(folder: Path, files: dict[str, str]) -> Project:
    for name, code in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code), encoding="utf-8")
    (folder / "pyproject.toml").touch()
    return Project(sorted(folder.rglob("*.py")))


def module(made: Project, folder: Path, name: str = "main.py") -> Module:
    found = made.module_at(folder / name)
    assert found is not None
    return found


def asked(code: Module) -> ast.expr:
    """Return the expression in ASK(...)."""
    (call,) = (
        node
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ASK"
    )
    return call.args[0]


BUILDERS = "from torch import nn\ndef build(n=3):\n    return nn.Linear(n, n)\n"
NET = "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"

NAMES: dict[str, tuple[dict[str, str], set[str] | None]] = {
    "alias of a library": ({"main.py": "import torch.nn as layers\nASK(layers.Linear)"}, {"torch.nn.Linear"}),
    "builder in another file": (
        {"main.py": "from builders import build\nmodel = build()\nASK(model)", "builders.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "builder under another name": (
        {"main.py": "import builders as b\nmake = b.build\nASK(make(4))", "builders.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "re-export by a package": (
        {
            "main.py": "from models import build\nASK(build())",
            "models/__init__.py": "from .deep import build\n",
            "models/deep.py": BUILDERS,
        },
        {"torch.nn.Linear"},
    ),
    "relative import two levels up": (
        {
            "pkg/__init__.py": "",
            "pkg/a/__init__.py": "",
            "pkg/builders.py": BUILDERS,
            "main.py": "from pkg.a.use import made\nASK(made)",
            "pkg/a/use.py": "from ..builders import build\nmade = build()\n",
        },
        {"torch.nn.Linear"},
    ),
    "star import of a file of the project": (
        {"main.py": "from builders import *\nASK(build())", "builders.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "submodule as attribute": (
        {
            "main.py": "import models.deep\nASK(models.deep.build())",
            "models/__init__.py": "",
            "models/deep.py": BUILDERS,
        },
        {"torch.nn.Linear"},
    ),
    "src layout": (
        {"scripts/main.py": "", "main.py": "from app.b import build\nASK(build())", "src/app/b.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "folder of examples that is called as a library": (
        {"main.py": "import torch\nASK(torch.optim.SGD)", "torch/train.py": "x = 1\n"},
        {"torch.optim.SGD"},
    ),
    "part of a library, beside a folder of that name": (
        {"main.py": "from torch import nn\nASK(nn.Linear)", "torch/train.py": "x = 1\n"},
        {"torch.nn.Linear"},
    ),
    "folder without __init__": (
        {"main.py": "import models.deep\nASK(models.deep.build())", "models/deep.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "folder without __init__, in a folder": (
        {"main.py": "from lib import models\nASK(models.build())", "lib/a.py": "", "lib/models/__init__.py": BUILDERS},
        {"torch.nn.Linear"},
    ),
    "partial": (
        {"main.py": "import functools, torch\nmake = functools.partial(torch.nn.Linear, 3)\nASK(make(4))"},
        {"torch.nn.Linear"},
    ),
    "attribute of self": (
        {
            "main.py": NET.replace("super().__init__()", "self.fc = nn.Linear(1, 1)")
            + "    def f(self):\n        ASK(self.fc)"
        },
        {"torch.nn.Linear"},
    ),
    "method of a library object": (
        {"main.py": "import keras\nm = keras.Sequential()\nASK(m.fit)"},
        {"keras.Sequential.fit"},
    ),
    "inherited method of a library": (
        {"main.py": NET + "net = Net()\nASK(net.parameters)"},
        {"torch.nn.Module.parameters"},
    ),
    "model that moves to a device": (
        {"main.py": NET + "net = Net()\nnet = net.to('cuda')\nASK(net.eval())"},
        {"main.Net"},
    ),
    "method of a list": ({"main.py": "kept = []\nASK(kept.append)"}, {"builtins.list.append"}),
    "argument that callers give": (
        {"main.py": "import torch\ndef f(m):\n    ASK(m)\nf(torch.nn.ReLU())\nf(torch.nn.Tanh())"},
        {"torch.nn.ReLU", "torch.nn.Tanh"},
    ),
    "argument that another file gives": (
        {
            "main.py": "def train(loader):\n    ASK(loader)",
            "run.py": "from torch.utils.data import DataLoader\nfrom main import train\ntrain(loader=DataLoader([]))",
        },
        {"torch.utils.data.DataLoader"},
    ),
    "two branches": (
        {
            "main.py": "import torch, sys\nif sys.argv[1:]:\n    m = torch.nn.ReLU()\nelse:\n    m = torch.nn.Tanh()\nASK(m)"  # noqa: E501
        },
        {"torch.nn.ReLU", "torch.nn.Tanh"},
    ),
    "optional import": (
        {"main.py": "try:\n    import torch\nexcept ImportError:\n    torch = None\nASK(torch.compile)"},
        {"torch.compile"},
    ),
    "class from a dict of the project": (
        {
            "main.py": "from zoo import MODELS\nASK(MODELS['a'])",
            "zoo.py": "import torch\nMODELS = {'a': torch.nn.ReLU, 'b': torch.nn.Tanh}\n",
        },
        {"torch.nn.ReLU"},
    ),
    "cached builder": (
        {"main.py": "import functools, torch\n@functools.lru_cache(1)\ndef b():\n    return torch.nn.ReLU()\nASK(b())"},
        {"torch.nn.ReLU"},
    ),
    # -- hard negatives
    "the project shadows a library": (
        {"main.py": "import torch\nASK(torch.nn.Linear)", "torch.py": "import x\nnn = x.y\n"},
        {"x.y.Linear"},
    ),
    "relative import of nothing": ({"main.py": "from .gone import build\nASK(build())"}, None),
    "star import of a library": ({"main.py": "from torch.nn import *\nASK(Linear)"}, None),
    "star import afterwards": ({"main.py": "import torch\nf = torch.compile\nfrom lib import *\nASK(f)"}, None),
    "unknown decorator": (
        {"main.py": "import torch, x\n@x.wrap\ndef b():\n    return torch.nn.ReLU()\nASK(b())"},
        None,
    ),
    "generator": ({"main.py": "import torch\ndef b():\n    yield torch.nn.ReLU()\nASK(b())"}, None),
    "may return nothing": (
        {"main.py": "import torch\ndef b(x):\n    if x:\n        return torch.nn.ReLU()\n    return\nASK(b(1))"},
        None,
    ),
    "argument that nobody gives": ({"main.py": "def f(m):\n    ASK(m)"}, None),
    "argument of a callback": (
        {"main.py": "import torch, x\ndef f(m):\n    ASK(m)\nf(torch.nn.ReLU())\nx.register(f)"},
        None,
    ),
    "one caller is not known": (
        {"main.py": "import torch\ndef f(m):\n    ASK(m)\nf(torch.nn.ReLU())\ndef g(y):\n    f(y)"},
        None,
    ),
    "attribute set from outside": (
        {
            "main.py": NET.replace("super().__init__()", "self.fc = nn.Linear(1, 1)")
            + "    def f(self):\n        ASK(self.fc)\nn = Net()\nn.fc = 3"
        },
        None,
    ),
    "dict that is filled later": (
        {"main.py": "import torch\nM = {'a': torch.nn.ReLU}\nM['a'] = len\nASK(M['a'])"},
        None,
    ),
    "registry": ({"main.py": "import torch\nM = {}\ndef reg(n):\n    return M[n]\nASK(reg('a'))"}, None),
    "loop over something unknown": ({"main.py": "import x\nfor m in x.models():\n    ASK(m)"}, None),
    "class with an unknown base": ({"main.py": "from x import *\nclass A(Base):\n    pass\nASK(A().fit)"}, None),
    "its own value": ({"main.py": "a = b\nb = a\nASK(a)"}, None),
    "functions that call each other": (
        {"main.py": "def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nASK(f(1))"},
        None,
    ),
    "property": ({"main.py": "class A:\n    @property\n    def m(self):\n        return 1\nASK(A().m)"}, None),
}


@pytest.mark.parametrize(("files", "expected"), NAMES.values(), ids=NAMES)
def test_names_across_files(tmp_path: Path, files: dict[str, str], expected: set[str] | None) -> None:
    code = module(project(tmp_path, files), tmp_path)
    found = qualified_names(code, asked(code))
    assert (None if found is None else set(found)) == expected


ARGUMENTS: dict[str, tuple[str, set[object] | None]] = {
    "given": ("load(1, workers=4)", {4}),
    "left out": ("load(1)", {0}),
    "constant": ("N = 4\nload(1, workers=N)", {4}),
    "dict": ("kw = {'workers': 4}\nload(1, **kw)", {4}),
    "dict call": ("kw = dict(workers=4)\nload(1, **kw)", {4}),
    "dict without it": ("kw = {'batch': 4}\nload(1, **kw)", {0}),
    "updated under a condition": (
        "import sys\nkw = {'batch': 1}\nif sys.argv[1:]:\n    cuda = {'workers': 1}\n    kw.update(cuda)\nload(1, **kw)",  # noqa: E501
        {0, 1},
    ),
    "item under a condition": ("import sys\nkw = {}\nif sys.argv[1:]:\n    kw['workers'] = 2\nload(1, **kw)", {0, 2}),
    "merged": ("a = {'workers': 1}\nb = {'workers': 2}\nload(1, **(a | b))", {2}),
    "nested": ("a = {'workers': 1}\nload(1, **{'batch': 1, **a})", {1}),
    "either": ("import sys\nload(1, **({'workers': 8} if sys.argv[1:] else {}))", {0, 8}),
    "through a function": ("def make(**kw):\n    return load(1, **kw)\nmake(workers=3)", {3}),
    "dict from another file": ("from config import KW\nload(1, **KW)", {6}),
    "constant of another file": ("import config\nload(1, workers=config.N)", {7}),
    "class constant of another file": ("from config import C\nload(1, workers=C.n)", {8}),
    "conditional value": ("import sys\nload(1, workers=2 if sys.argv[1:] else 5)", {2, 5}),
    "partial": ("import functools\nf = functools.partial(load, workers=9)\nf(1)", {9}),
    "positional": ("load(1, 11)", {11}),
    "unknown splat": ("import sys\nload(1, **vars(sys))", None),
    "unknown key": ("import sys\nkw = {sys.argv[0]: 4}\nload(1, **kw)", None),
    "dict given away": ("import x\nkw = {}\nx.fill(kw)\nload(1, **kw)", None),
    "argument": ("def f(n):\n    load(1, workers=n)", None),
    "argparse": ("import argparse\na = argparse.ArgumentParser().parse_args()\nload(1, workers=a.n)", None),
    "star arguments": ("a = [1, 2]\nload(*a)", None),
}


@pytest.mark.parametrize(("code", "expected"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_through_dicts_and_partials(tmp_path: Path, code: str, expected: set[object] | None) -> None:
    config = "N = 7\nKW = {'workers': 6}\nclass C:\n    n = 8\n"
    made = project(tmp_path, {"main.py": f"from lib import load\n{code}\n", "config.py": config})
    main = module(made, tmp_path)
    (call,) = (
        node
        for node in ast.walk(main.tree)
        if isinstance(node, ast.Call) and qualified_names(main, node.func) == {"lib.load"}
    )
    found = argument_values(main, call, "workers", 1, default=0)
    assert (None if found is None else set(found)) == expected


LOOPS: dict[str, tuple[dict[str, str], int]] = {
    "for": ({"main.py": "for x in []:\n    ASK(x)"}, 1),
    "while test": ({"main.py": "while ASK(1):\n    pass"}, 1),
    "comprehension": ({"main.py": "[ASK(x) for x in []]"}, 1),
    "nested": ({"main.py": "for x in []:\n    for y in []:\n        ASK(x)"}, 2),
    "what is looped over": ({"main.py": "for x in ASK([]):\n    pass"}, 0),
    "first iterable of a comprehension": ({"main.py": "[x for x in ASK([])]"}, 0),
    "else of a loop": ({"main.py": "for x in []:\n    pass\nelse:\n    ASK(1)"}, 0),
    "function called in a loop": ({"main.py": "def f():\n    ASK(1)\nfor x in []:\n    f()"}, 1),
    "function called in a loop of another file": (
        {"main.py": "def f():\n    ASK(1)", "run.py": "import main\nwhile True:\n    main.f()"},
        1,
    ),
    "two hops": ({"main.py": "def f():\n    ASK(1)\ndef g():\n    f()\nfor x in []:\n    g()"}, 1),
    "method called in a loop": (
        {"main.py": "class A:\n    def f(self):\n        ASK(1)\na = A()\nfor x in []:\n    a.f()"},
        1,
    ),
    "function called once": ({"main.py": "def f():\n    ASK(1)\nf()\nfor x in []:\n    pass"}, 0),
    "another function of that name": (
        {"main.py": "def f():\n    ASK(1)\nf()", "run.py": "def f():\n    pass\nfor x in []:\n    f()"},
        0,
    ),
    "recursion ends": ({"main.py": "def f():\n    ASK(1)\n    f()"}, 0),
    "defined in a loop is not called in it": ({"main.py": "for x in []:\n    def f():\n        ASK(1)"}, 0),
}


@pytest.mark.parametrize(("files", "expected"), LOOPS.values(), ids=LOOPS)
def test_what_is_repeated(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    code = module(project(tmp_path, files), tmp_path)
    call = code.scopes.parent_of[asked(code)]
    assert len(repetitions(code, call)) == expected


def test_classes_decorators_and_contexts(tmp_path: Path) -> None:
    files = {
        "main.py": (
            "from layers import Base\nimport torch\nfrom torch import no_grad as quiet\n"
            "class Net(Base):\n    @torch.no_grad()\n    def predict(self):\n        with quiet():\n            ASK(self)\n"  # noqa: E501
        ),
        "layers.py": "import torch.nn as nn\nclass Base(nn.Module):\n    pass\n",
    }
    code = module(project(tmp_path, files), tmp_path)
    node = asked(code)
    owner = enclosing_class(code, node)
    assert owner is not None
    assert owner.name == "Net"
    assert contexts(code, node) == ["torch.no_grad"]
    assert decorators(code, owner.body[0]) == ["torch.no_grad"]
    (itself,) = referents(code, node)
    assert isinstance(itself, Instance)
    assert is_a(itself, {"torch.nn.Module"}) is True
    assert is_a(itself, {"keras.Model"}) is False


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("make()", [How.DISCARDED]),
        ("def f():\n    return make()", [How.RETURNED]),
        ("make().fit(1)", [How.METHOD]),
        ("kept = []\nkept.append(make())", [How.ARGUMENT]),
        ("m = make()\nm.fit(1)\nprint(m)", [How.STORED, How.METHOD, How.ARGUMENT]),
        ("m = make()\ndef f(m):\n    m.fit(1)", [How.STORED]),
        ("class A:\n    def f(self):\n        self.m = make()", [How.ATTRIBUTE_STORE]),
        ("d = {}\nd[1] = make()", [How.ITEM_STORE]),
        ("x = [make()]", [How.ELEMENT]),
        ("for x in make():\n    pass", [How.ITERATED]),
        ("t = 0\nt += make()", [How.OPERAND]),
        ("m = n = make()\ndel m", [How.STORED, How.DELETED, How.STORED]),
    ],
)
def test_where_a_result_goes(tmp_path: Path, code: str, expected: list[How]) -> None:
    main = module(project(tmp_path, {"main.py": f"from lib import make\n{code}\n"}), tmp_path)
    (call,) = (
        node
        for node in ast.walk(main.tree)
        if isinstance(node, ast.Call) and qualified_names(main, node.func) == {"lib.make"}
    )
    assert [use.how for use in uses(main, call)] == expected
