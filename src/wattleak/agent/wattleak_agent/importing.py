"""Being called after a module was imported, without leaving a trace in it.

The spec comes from the finders behind ours. Its loader is replaced for the length of the import alone: what the module
and everybody else see is the loader that would have been there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from . import Finder


def spec_for(finder: Finder, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    """What the finders behind `finder` say of `name`. What they raise is theirs."""
    finders: list[Any] = list(sys.meta_path)
    behind = finders[finders.index(finder) + 1 :] if finder in finders else finders
    for other in behind:
        find = getattr(other, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, target) if find is not None else None
        if spec is None:
            continue
        if hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, finder.waiting)  # type: ignore[assignment] # it is one while it loads
        return spec
    return None


class _Loader:
    """The loader of somebody else, and what is called once it is done."""

    def __init__(self, loader: Any, waiting: dict[str, list[Any]]) -> None:
        self._loader = loader
        self._waiting = waiting

    @property  # type: ignore[misc] # it may be one
    def __class__(self) -> Any:  # who asks for a spec before the import may ask what kind of loader it has
        return self._loader.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        outer = spec.loader  # this one, or one around it that puts the loading off (importlib.util.LazyLoader)
        spec.loader = self._loader
        try:
            return self._loader.create_module(spec)  # type: ignore[no-any-return]
        finally:
            spec.loader = outer

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for install in self._waiting.pop(module.__name__, ()):
            install(sys.modules.get(module.__name__, module))
