"""What to type for a package that is missing: the packages of an extra themselves, for wattleak is not on PyPI."""

from __future__ import annotations

_PACKAGES = {
    "torch": ("torch",),
    "vision": ("torch", "torchvision"),
    "tensorflow": ("tensorflow",),
    "keras": ("tensorflow", "keras"),
    "jax": ("jax",),
    "sklearn": ("scikit-learn",),
    "formats": ("pillow", "pyarrow"),
    "trend": ("ruptures",),
}  # as in pyproject.toml, without versions


def install(*extras: str) -> str:
    """`pip install torch torchvision` for the extra `vision`."""
    packages = dict.fromkeys(package for extra in extras for package in _PACKAGES[extra])
    return f"pip install {' '.join(packages)}"
