"""Whether the C++ compiler is here that torch.compile calls."""

from __future__ import annotations

import os
import shutil
import sys


def lacking_compiler() -> str | None:
    """The compiler that torch.compile calls and this machine lacks; None: it is there.

    $CXX, else g++, on macOS clang++ (torch._inductor.config.cpp.cxx).
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    return None if shutil.which(name) else name
