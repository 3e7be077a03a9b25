"""What a dataset does for one sample: whether it really works, and which call of it does."""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source import flow
from wattleak.source.arguments import Argument, argument
from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.loaders import SPLITS, origins
from wattleak.source.referents import Class, Function, Instance, Library
from wattleak.source.resolving import bases, is_a, stores
from wattleak.source.standing import owner_class
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_CALLS = frozenset(
    {
        *("builtins.open", "io.open", "gzip.open", "PIL.Image.open", "json.load", "pickle.load", "pickle.loads"),
        *("numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "torch.load", "h5py.File"),
        *("nibabel.load", "pydicom.dcmread", "pydicom.read_file", "rasterio.open", "av.open", "decord.VideoReader"),
        *("soundfile.read", "torchaudio.load", "scipy.io.loadmat", "scipy.io.wavfile.read", "SimpleITK.ReadImage"),
        *("torch.nn.functional.grid_sample", "torch.nn.functional.interpolate", "torch.stft", "tifffile.imread"),
        *("imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "matplotlib.image.imread"),
        *("zlib.decompress", "gzip.decompress", "lzma.decompress", "keras.utils.load_img", "imutils.rotate"),
        *("tensorflow.keras.utils.load_img", "keras.preprocessing.image.load_img"),
        *("tensorflow.keras.preprocessing.image.load_img", "keras.src.utils.load_img"),
    }
)
_FAMILIES = (
    *("cv2.", "skimage.", "librosa.", "torchvision.io.", "torchvision.transforms.", "torchaudio.functional."),
    *("torchaudio.transforms.", "scipy.ndimage.", "scipy.signal.", "PIL.ImageOps.", "PIL.ImageEnhance.", "kornia."),
    *("albumentations.", "audiomentations.", "pandas.read_", "imgaug.", "monai.transforms."),
)
"""Calls that open, decode or change one sample: some 20 microseconds to some milliseconds each."""

_LIGHT = re.compile(
    r"\.(?:ToTensor|ToPILImage|PILToTensor|ToImage|ToDtype|ToPureTensor|ConvertImageDtype|Normalize|Lambda|Identity|"
    r"Compose|Sequential|to_tensor|pil_to_tensor|to_pil_image|to_image|to_dtype|convert_image_dtype|normalize|"
    r"IMREAD_\w+|COLOR_\w+|setNumThreads)$"
)
"""They only bring a sample into another form."""
_COMPOSED = re.compile(r"\.(?:Compose|Sequential|OneOf|SomeOf|RandomApply|RandomChoice|RandomOrder)$")

_READS = frozenset({"read_bytes", "read_text"})  # methods of paths
_STREAMS = frozenset({"torch.utils.data.IterableDataset", "torch.utils.data.dataset.IterableDataset"})
_PARTS = SPLITS | {"torch.utils.data.Subset", "torch.utils.data.dataset.Subset"}
_JOINED = frozenset({"torch.utils.data.ConcatDataset", "torch.utils.data.dataset.ConcatDataset"})
_CACHED = frozenset({"functools.lru_cache", "functools.cache", "joblib.Memory.cache"})

_VISION = "torchvision.datasets."
_IN_MEMORY = frozenset(
    f"{_VISION}{name}"
    for name in (
        *("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST", "CIFAR10", "CIFAR100", "SVHN", "STL10", "USPS"),
        *("SEMEION", "PhotoTour", "MovingMNIST"),
    )
)
"""They keep their images as one array: the work is what the transform does."""
_NO_WORK = frozenset({f"{_VISION}FakeData"})  # for tests of speed

_HOPS = 2  # functions between __getitem__ and the call that works


class Weight(IntEnum):
    """How much work a sample takes."""

    SLIGHT = 1  # it is brought into another form
    REAL = 2  # it is changed: turned, cut, resized, filtered
    READS = 3  # a file is opened or decoded


class Work(NamedTuple):
    """What happens for every sample."""

    what: str
    weight: Weight


def of_dataset(module: Module, dataset: ast.expr) -> Work | None:
    """Return what reading one sample of `dataset` takes; None: not much, or nobody knows."""
    found = origins(module, dataset)
    if not found:
        return None
    works = [_of_origin(home, node) for home, node in found]
    if any(work is None for work in works):
        return None
    return next(work for work in works if work is not None)


def of_function(function: Function) -> Work | None:
    """Return the work that a function does: a collate_fn, a generator's body."""
    return _Search(function.module, None).work(function, _HOPS)


def _of_origin(module: Module, node: ast.expr) -> Work | None:  # noqa: PLR0911 - one for each kind
    if not isinstance(node, ast.Call):
        return None
    known = resolved(module, node.func)
    if known is None or len(known) != 1:
        return None
    match next(iter(known)):
        case Library(name=name) if name in _PARTS and node.args:
            return of_dataset(module, node.args[0])
        case Library(name=name) if name in _JOINED and node.args:
            pieces = node.args[0].elts if isinstance(node.args[0], ast.List | ast.Tuple) else []
            works = [of_dataset(module, piece) for piece in pieces]
            return next((work for work in works if work is not None), None)
        case Library(name=name) if name.startswith(_VISION) and name not in _NO_WORK:
            return _of_torchvision(module, node, name)
        case Class() as owner:
            return of_class(owner, module, node)
        case _:
            return None


def _of_torchvision(module: Module, call: ast.Call, name: str) -> Work | None:
    short = name.removeprefix(_VISION)
    if name not in _IN_MEMORY:
        return Work(f"{short} opens and decodes a file", Weight.READS)
    # It is the third parameter of most, after the folder and the part of the data.
    for given in (argument(module, call, "transform", 2), argument(module, call, "transforms")):
        weight = _weight_of(given)
        if weight is Weight.REAL:
            return Work(f"{short} makes an image and transforms it", weight)
        if weight is Weight.SLIGHT:
            return Work(f"{short} makes a tensor of an image", weight)
    return None


def _weight_of(given: Argument | None) -> Weight | None:
    """Return how much work a transform is; None: there may be none, or nobody knows."""
    if given is None or given.may_be_absent or not given.values:
        return None
    weights = [_weight(located.module, located.node, 4) for located in given.values]
    known = [weight for weight in weights if weight is not None]
    return min(known) if len(known) == len(weights) else None


def _weight(module: Module, node: ast.expr, depth: int) -> Weight | None:
    made = origins(module, node) if depth else None
    weights: list[Weight] = []
    for home, one in made or ():
        if isinstance(one, ast.Constant):
            return None
        name = (resolved_name(home, one.func) if isinstance(one, ast.Call) else None) or ""
        weight = Weight.REAL if works(name) else Weight.SLIGHT
        if isinstance(one, ast.Call) and one.args and _COMPOSED.search(name):
            pieces = origins(home, one.args[0]) or ()
            inner = [
                _weight(place, element, depth - 1)
                for place, piece in pieces
                if isinstance(piece, ast.List | ast.Tuple)
                for element in piece.elts
            ]
            weight = max([weight, *(each for each in inner if each is not None)])
        weights.append(weight)
    return min(weights, default=None)


def of_class(owner: Class, module: Module, construction: ast.Call) -> Work | None:
    """Return what `__getitem__` of a class of the project does, for the instance that `construction` makes."""
    if is_a(Class(owner.module, owner.node), _STREAMS) is not False or _uses_device(owner):
        return None
    method = _method(owner, "__getitem__")
    return None if method is None else _Search(module, construction).work(method, _HOPS)


def _method(owner: Class, name: str, depth: int = 6) -> Function | None:
    """Return a method of a class or of the nearest class of the project that it inherits from."""
    for item in owner.node.body:
        if isinstance(item, ast.FunctionDef) and item.name == name:
            return Function(owner.module, item)
    for parent in (bases(owner) or []) if depth else []:
        if isinstance(parent, Class):
            found = _method(parent, name, depth - 1)
            if found is not None:
                return found
    return None


def _uses_device(owner: Class) -> bool:
    """Tell whether the samples are, or may be, put on the accelerator by the data set: a worker cannot do that."""
    for node in walk(owner.node):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            return True
        placed = [keyword.value for keyword in node.keywords if keyword.arg == "device"]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "to":
            placed += node.args[:1]
        if any(re.search(r"device|cuda|mps|gpu", owner.module.segment(place), re.IGNORECASE) for place in placed):
            return True
    return False


class _Search:
    """Looks for work in a method of a dataset, and in what it calls."""

    def __init__(self, module: Module, construction: ast.Call | None) -> None:
        self.module = module  # where the dataset is made
        self.construction = construction
        self.seen: set[ast.AST] = set()

    def work(self, function: Function, hops: int) -> Work | None:
        home, node = function.module, function.node
        if node in self.seen or self._remembers(home, node):
            return None
        self.seen.add(node)
        calls = [item for item in own_nodes(node) if isinstance(item, ast.Call)]
        for call in sorted(calls, key=lambda item: (item.lineno, item.col_offset)):
            if _is_remembered(home, node, call):
                continue
            work = self._of_call(home, node, call, hops)
            if work is not None:
                return work
        return None

    def _of_call(self, home: Module, function: ast.AST, call: ast.Call, hops: int) -> Work | None:
        written = home.segment(call.func)
        where = f"{written} in {_title(home, function)} runs"
        if isinstance(call.func, ast.Attribute) and call.func.attr in _READS:
            return Work(where, Weight.READS)
        known = resolved(home, call.func)
        for referent in known or ():
            match referent:
                case Library(name=name):
                    if works(name):
                        return Work(where, Weight.READS if name in _CALLS else Weight.REAL)
                case Instance(of=Library(name=name)) if works(name):
                    return Work(where, Weight.REAL)  # `transform = Compose([...])` at the top of the file, called here
                case Function() if hops and len(known or ()) == 1:
                    return self.work(referent, hops - 1)
                case _:
                    pass
        match call.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self._is_given(home, function, name):
                return Work(where, Weight.REAL)
            case _:
                return None

    def _is_given(self, home: Module, function: ast.AST, attribute: str) -> bool:
        """Tell whether `self.transform` is something: made in the class, or given to the instance that is asked for."""
        owner = owner_class(home, function)
        if owner is None or self.construction is None:
            return False
        stored = stores(Class(home, owner)).get(attribute, [])
        return bool(stored) and all(
            value is not None and self._is_something(Class(home, owner), value) for value in stored
        )

    def _is_something(self, owner: Class, value: ast.expr) -> bool:
        home = owner.module
        if isinstance(value, ast.Name) and self.construction is not None:
            initial = _method(owner, "__init__")
            binding = home.scopes.bindings(value.id, home.scopes.scope_of[value])
            if initial is not None and len(binding) == 1 and isinstance(binding[0].node, ast.arg):
                return self._argument_is_something(initial, value.id)
        return _weight(home, value, 4) is Weight.REAL

    def _argument_is_something(self, initial: Function, parameter: str) -> bool:
        assert self.construction is not None
        arguments = initial.node.args
        names = [item.arg for item in (*arguments.posonlyargs, *arguments.args)][1:]
        position = names.index(parameter) if parameter in names else None
        given = argument(self.module, self.construction, parameter, position)
        if _weight_of(given) is Weight.REAL:
            return True
        if given is None or given.may_be_absent or not given.values:
            return False
        return all(self._is_working_function(located.module, located.node) for located in given.values)

    def _is_working_function(self, module: Module, node: ast.expr) -> bool:
        known = resolved(module, node)
        functions = [one for one in known or () if isinstance(one, Function)]
        return bool(functions) and all(self.work(function, 1) is not None for function in functions)

    def _remembers(self, module: Module, function: ast.AST) -> bool:
        """Tell whether a function keeps what it returns: its work is done once for each sample, or nobody knows."""
        if isinstance(function, ast.Lambda):
            return False
        names = {
            resolved_name(module, item.func if isinstance(item, ast.Call) else item)
            for item in getattr(function, "decorator_list", [])
        }
        return bool(names & _CACHED)


def works(name: str) -> bool:
    """Tell whether what is called `name` takes real time for each sample."""
    return (name in _CALLS or name.startswith(_FAMILIES)) and not _LIGHT.search(name)


def _is_remembered(module: Module, function: ast.AST, call: ast.Call) -> bool:
    """Tell whether `call` fills a cache: it stands under `if index not in self.cache` or `if self.file is None`."""
    inside = set(walk(function))
    for test in flow.conditions(module, call):
        if test not in inside:
            continue
        for node in walk(test):
            if isinstance(node, ast.Compare) and any(isinstance(one, ast.NotIn | ast.Is | ast.In) for one in node.ops):
                return True
            if isinstance(node, ast.Name | ast.Attribute):
                word = node.id if isinstance(node, ast.Name) else node.attr
                if re.search(r"cache|memory|preload|loaded|\bram\b", word, re.IGNORECASE):
                    return True
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr":
                return True
    return False


def _title(module: Module, function: ast.AST) -> str:
    owner = owner_class(module, function)
    name = getattr(function, "name", "a lambda")
    return f"{owner.name}.{name}" if owner is not None else name
