"""Packages whose files are read when one of their names is first asked for."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def names_in(
    package: str, holds: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` (PEP 562) of a package whose files hold those names: {file: names}."""
    homes = {name: file for file, names in holds.items() for name in names}

    def find(name: str) -> object:
        from importlib import import_module  # noqa: PLC0415 - for a package whose names are never asked for

        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, found)  # from here on the name is found without this function
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
