"""Whether a program computes on an accelerator, by what its file and its neighbours say."""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING

from wattleak.source.learning.asking import whole
from wattleak.source.learning.memory import of_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_WORDS = re.compile(
    r"cuda|\bmps\b|\bxpu\b|\bhpu\b|\bnpu\b|xla|[gG][pP][uU]|[tT][pP][uU]|Accelerator|accelerat|device_map|PartialState|Strategy"
)
_DEVICE = re.compile(r"^(?:cuda|mps|xpu|hpu|npu|xla)(?::(?:\d+|\{\}|%d)?)?$")
_TF_DEVICE = re.compile(r"^/?(?:device:)?(?:GPU|TPU|gpu|tpu)(?::\d+)?$|/(?:GPU|TPU|gpu|tpu):\d+$")
_QUESTIONS = frozenset(
    {"is_available", "device_count", "current_device", "set_device", "is_built", "current_accelerator"}
)
_LIBRARY_TRAINERS = frozenset({"Trainer", "Fabric"})
_CHOICES = frozenset({"gpu", "tpu", "cuda", "auto", "mps", "hpu"})
_STRATEGIES = frozenset({"MirroredStrategy", "TPUStrategy", "MultiWorkerMirroredStrategy"})
_MOST_IMPORTERS = 20


def on_accelerator(module: Module) -> bool:
    """Tell whether the file, a file that it imports, or one that imports it, shows that an accelerator is used.

    Evidence is `.cuda()`, a device that is named (`"cuda"`, `"cuda:0"`, `"mps"`), torch.cuda.is_available(),
    Accelerator(), Trainer(accelerator=...) other than "cpu", xla_device(), tf.device("/GPU:0"), a list of the physical
    GPUs. A file that hides all GPUs (CUDA_VISIBLE_DEVICES="") uses none. Comments say nothing.
    """
    own = _says(module)
    if own is not None:
        return own
    whole(module)
    return any(_says(other) is True for other in _neighbours(module))


@of_module
def _says(module: Module) -> bool | None:
    """What one file says: True, it uses one; False, it hides them; None: nothing."""
    if not _WORDS.search(module.text):
        return None
    found = False
    for node in module.scopes.scope_of:  # every node, in one list
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value="CUDA_VISIBLE_DEVICES"))], value=value):
                if isinstance(value, ast.Constant) and value.value in {"", "-1"}:
                    return False
                found = True
            case ast.Call():
                found = found or _is_evidence(module, node)
            case ast.Constant(value=str(text)) if len(text) < 24 and _DEVICE.match(text):
                found = found or _is_device(module, node)
            case ast.JoinedStr(values=[ast.Constant(value="cuda:"), *_]):
                found = True
            case _:
                pass
    return True if found else None


def _is_evidence(module: Module, call: ast.Call) -> bool:  # noqa: PLR0911 - one return for each kind
    match call.func:
        case ast.Attribute(attr="cuda"):
            return True
        case ast.Attribute(attr=name, value=ast.Attribute(attr="cuda" | "mps" | "xpu" | "accelerator")) if (
            name in _QUESTIONS
        ):
            return not _is_for_seeds(module, call)
        case ast.Attribute(attr="is_gpu_available" | "xla_device" | "get_xla_device"):
            return True
        case ast.Attribute(attr="list_physical_devices" | "list_logical_devices"):
            return any(isinstance(item, ast.Constant) and item.value in {"GPU", "TPU"} for item in call.args)
        case ast.Attribute(attr="device"):
            return any(
                isinstance(item, ast.Constant) and isinstance(item.value, str) and _TF_DEVICE.search(item.value)
                for item in call.args
            )
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in _STRATEGIES:
            return True
        case ast.Attribute(attr="Accelerator" | "PartialState") | ast.Name(id="Accelerator" | "PartialState"):
            return "accelerate" in module.text and not any(
                keyword.arg == "cpu" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                for keyword in call.keywords
            )
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in _LIBRARY_TRAINERS:
            return any(_chooses(keyword) for keyword in call.keywords)
        case ast.Attribute(attr="from_pretrained"):
            return any(_chooses(keyword) for keyword in call.keywords)
        case _:
            return False


def _is_for_seeds(module: Module, call: ast.Call) -> bool:
    """`if torch.cuda.is_available(): torch.cuda.manual_seed_all(seed)` stands in programs that never use one."""
    parent = module.scopes.parent_of.get(call)
    if not isinstance(parent, ast.If):
        return False
    return all("seed" in ast.unparse(statement) or "cudnn" in ast.unparse(statement) for statement in parent.body)


def _chooses(keyword: ast.keyword) -> bool:
    match keyword:
        case ast.keyword(arg="accelerator", value=ast.Constant(value=str(name))):
            return name in _CHOICES
        case ast.keyword(arg="device_map", value=ast.Constant(value="auto" | "balanced" | "sequential")):
            return True
        case ast.keyword(arg="gpus", value=ast.Constant(value=number)):
            return bool(number)
        case _:
            return False


def _is_device(module: Module, constant: ast.Constant) -> bool:
    """A text "cuda" that names a device; not one that a device is compared with, or a key."""
    parent = module.scopes.parent_of.get(constant)
    match parent:
        case ast.Compare() | ast.Expr():
            return False
        case ast.List() | ast.Tuple() | ast.Set():
            above = module.scopes.parent_of.get(parent)
            return not (isinstance(above, ast.keyword) and above.arg == "choices") and not isinstance(
                above, ast.Compare
            )
        case ast.Dict(keys=keys):
            return constant not in keys
        case ast.Subscript():
            return False
        case _:
            return True


def _neighbours(module: Module) -> Iterator[Module]:
    yield from imported(module)
    yield from importers(module)


def imported(module: Module) -> list[Module]:
    """Return the modules of the project that a file imports, at any place in it."""
    kept: list[Module] | None = module.__dict__.get("_learning_imported")
    if kept is None:
        kept = list(_imported(module))
        module.__dict__["_learning_imported"] = kept
    return kept


def _imported(module: Module) -> Iterator[Module]:
    if module.project is None:
        return
    seen = {module.path}
    for node in _statements(module.tree):
        targets: list[tuple[int, str]] = []
        match node:
            case ast.Import(names=names):
                targets = [(0, alias.name) for alias in names]
            case ast.ImportFrom(module=origin, level=level, names=names):
                targets = [(level, ".".join(filter(None, (origin, alias.name)))) for alias in names]
            case _:
                continue
        for level, target in targets:
            for other in _followed(module, level, target):
                if other.path not in seen:
                    seen.add(other.path)
                    yield other


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a tree, without looking into expressions: those are most of it."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                waiting += block


def _followed(module: Module, level: int, target: str) -> Iterator[Module]:
    project = module.home
    parts = tuple(part for part in target.split(".") if part and part != "*")
    folders = [module.path.resolve().parents[level - 1]] if level else list(project.import_folders(module.path))
    for folder in folders:
        reached = project.find(folder, parts)
        if reached is None:
            continue
        path, _ = reached
        file = path if path.suffix else path / "__init__.py"
        other = project.module_at(file) if file.is_file() else None
        if other is not None:
            yield other
        return


def importers(module: Module) -> list[Module]:
    """Return the scanned modules that import a file."""
    if module.project is None:
        return []
    kept: list[Module] | None = module.__dict__.get("_learning_importers")
    if kept is None:
        name = module.path.stem if module.path.stem != "__init__" else module.path.parent.name
        path = _real(module)
        kept = []
        for other in module.home.mentioning(name):
            if other.path != module.path and any(_real(each) == path for each in imported(other)):
                kept.append(other)
            if len(kept) >= _MOST_IMPORTERS:
                break
        module.__dict__["_learning_importers"] = kept
    return kept


def _real(module: Module) -> str:
    """Return the path of a module without links."""
    kept: str | None = module.__dict__.get("_learning_real")
    if kept is None:
        kept = module.__dict__["_learning_real"] = os.path.realpath(module.path)
    return kept
