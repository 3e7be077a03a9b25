"""Whose code is it? The user's own files, apart from everything that was installed, shipped or generated."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

_INSTALLED = ("site-packages", "dist-packages")
_GENERATED = ("__autograph_generated_file", "torchinductor_", "tmp_keras_")  # written by a framework, not by a person
_TYPED = ("<stdin>", "<string>", "<ipython-input")  # python -, python -c, a notebook's cell
# Ours, and what may lie in any folder that PYTHONPATH names (pip install --target), which no path tells.
_OTHERS = frozenset(
    {
        *("wattleak", "wattleak_agent", "accelerate", "jax", "jaxlib", "joblib", "keras", "numpy", "sklearn"),
        *("tensorflow", "torch", "torchvision"),
    }
)
_CELLS = os.sep + "ipykernel_"  # Jupyter compiles cells as files that do not exist
_DEEPEST = 200  # frames; beyond that nobody is helped by a line


class Places:
    """Answers for code objects, each looked at once."""

    def __init__(self, agent_folder: str) -> None:
        stdlib = os.path.dirname(os.path.realpath(os.__file__))
        folders = (agent_folder, os.path.dirname(os.__file__), stdlib, os.path.join(sys.prefix, "bin"))
        self._foreign = tuple(folder + os.sep for folder in folders)
        self._start = os.getcwd()  # the program may go elsewhere; a relative name is from here
        self._own: dict[CodeType, bool] = {}

    def innermost(self, frame: FrameType | None) -> tuple[str, int, str] | None:
        """(file, line, function) of the first frame of the user's own, from `frame` outwards."""
        found = self.next_own(frame)
        return None if found is None else self.named(found.f_code, found.f_lineno)

    def named(self, code: CodeType, line: int) -> tuple[str, int, str]:
        """(file, line, function) of a line in `code`; the file of a notebook's cell is `In [3]`."""
        file = code.co_filename
        if _CELLS in file:
            return _cell(file), line, code.co_name
        return (file if file[0] == "<" else os.path.join(self._start, file)), line, code.co_name

    def is_own_file(self, file: str) -> bool:
        """Whether a file is the user's own."""
        return self._is_own(file, "__main__" if file[:1] == "<" else "")

    def is_own_type(self, kind: type) -> bool:
        """Whether a class is the user's own."""
        module = getattr(kind, "__module__", None) or ""
        if module == "__main__":
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        return bool(file) and self._is_own(str(file), module)

    def next_own(self, frame: FrameType | None) -> FrameType | None:
        """The first frame of the user's own, from `frame` outwards."""
        own = self._own
        for _ in range(_DEEPEST):
            if frame is None:
                return None
            code = frame.f_code
            mine = own.get(code)
            if mine is None:
                mine = self._is_own(code.co_filename, frame.f_globals.get("__name__") or "")
                if len(own) > 20000:  # a program that makes functions without end
                    own.clear()
                own[code] = mine
            if mine:
                return frame
            frame = frame.f_back
        return None

    def _is_own(self, file: str, module: str) -> bool:
        if not file or module.partition(".")[0] in _OTHERS:
            return False
        if file[0] == "<":
            return module == "__main__" and file.startswith(_TYPED)
        if file.startswith(self._foreign):
            return False
        parts = file.split(os.sep)
        return not any(part in _INSTALLED for part in parts) and not any(word in file for word in _GENERATED)


def _cell(file: str) -> str:
    """`In [3]`, as the person at the notebook sees it; the name that was made up where IPython does not tell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    tell = getattr(getattr(shell, "compile", None), "format_code_name", None)
    told = None if tell is None else tell(file)
    return told[1].replace("In[", "In [") if told else file
