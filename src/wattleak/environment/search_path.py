"""PYTHONPATH: where a program's Python looks for modules first. Light, because every recording asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def search_words(env: Mapping[str, str]) -> list[str]:
    """The entries of PYTHONPATH. An empty one is the folder that the program starts in; an empty variable has none."""
    given = env.get("PYTHONPATH")
    return given.split(os.pathsep) if given else []
