"""`NamedTuple` for the modules that a measured block waits for.

The same class statement as with `typing.NamedTuple`, without its look at every annotation: that compiles each into a
forward reference, and the first `compile` of a process sets up Python's syntax trees. It takes 2.6 of 29 ms of a first
`with wattleak.measure()` (docs/results/start-up.md). Checkers and editors see `typing.NamedTuple`.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - taken from here by others
else:

    class _Maker(type):
        """Makes the subclasses of `NamedTuple`, which are plain named tuples with the methods of their body."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body["__annotations__"]
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024 - see above
            for key, value in body.items():
                if key not in {"__module__", "__qualname__"}:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """Base of a class whose annotated names are the fields."""
