"""Boots the agent of wattleak, then gives way to the `sitecustomize` that Python would have found without it.

`wattleak measure` puts this folder first on PYTHONPATH. Whatever goes wrong here, the program runs as it would have.
"""

import sys


def _boot() -> None:
    folder = __file__.rpartition("/")[0] or __file__.rpartition("\\")[0]
    try:
        from wattleak_agent import boot  # type: ignore[import-not-found]

        boot(folder)
    except Exception:  # measure says that no agent reported; the program must not notice
        pass
    # The package is loaded and knows its own folder: sys.path becomes what it would have been.
    sys.path[:] = [entry for entry in sys.path if entry != folder]


_boot()
del sys.modules["sitecustomize"], _boot
import sitecustomize  # type: ignore[import-not-found] # noqa: E402, F401 - the next one; where there is none, the error is the one that site expects
