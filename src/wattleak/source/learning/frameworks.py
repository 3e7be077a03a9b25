"""Which libraries a file speaks of. It is asked first by every question: a file that speaks of none costs nothing."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning.memory import of_module

if TYPE_CHECKING:
    from wattleak.source.module import Module


class Framework(Enum):
    """What trains."""

    TORCH = "torch"
    KERAS = "keras"
    TENSORFLOW = "tensorflow"
    JAX = "jax"
    SKLEARN = "sklearn"


_WORDS = re.compile(
    r"\b(?:import|from)\s+[^\n]*?\b(torch\w*|pytorch\w*|lightning|transformers|accelerate|timm|fastai|deepspeed|diffusers|"
    r"sentence_transformers|ultralytics|peft|monai|keras\w*|tensorflow\w*|tf_keras|jax|flax|optax|equinox|sklearn)\b"
)
_OF_WORD = {
    **dict.fromkeys(
        (
            *("lightning", "transformers", "accelerate", "timm", "fastai", "deepspeed", "diffusers"),
            *("sentence_transformers", "ultralytics", "peft", "monai"),
        ),
        Framework.TORCH,
    ),
    **dict.fromkeys(("jax", "flax", "optax", "equinox"), Framework.JAX),
    "sklearn": Framework.SKLEARN,
    "tf_keras": Framework.KERAS,
}


@of_module
def frameworks(module: Module) -> frozenset[Framework]:
    """Return the frameworks that the import lines of a file name, by themselves or by a library built on them.

    A file that uses tf.keras speaks of both TENSORFLOW and KERAS.
    """
    found: set[Framework] = set()
    for word in set(_WORDS.findall(module.text)):
        if word in _OF_WORD:
            found.add(_OF_WORD[word])
        elif word.startswith(("torch", "pytorch")):
            found.add(Framework.TORCH)
        elif word.startswith("keras"):
            found.add(Framework.KERAS)
        elif word.startswith("tensorflow"):
            found |= {Framework.TENSORFLOW, *([Framework.KERAS] if "keras" in module.text else [])}
    return frozenset(found)


@of_module
def learns(module: Module) -> bool:
    """Tell whether a file speaks of a framework at all, in an import or in passing."""
    return _ANY.search(module.text) is not None


_ANY = re.compile(
    r"torch|tensorflow|keras|\bjax\b|sklearn|transformers|accelerate|lightning|\btimm\b|fastai|optax|\bflax\b|deepspeed|"
    r"\.backward\(|\.zero_grad\(|\.train_on_batch\("
)
