"""NVIDIA's driver library, opened by whoever changes a setting of a GPU; the meter that reads has its own way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType


def opened(what: str) -> ModuleType:
    """`pynvml`, ready to be asked about `what` ("power limits"); close it with its nvmlShutdown.

    Raises UsageError when the package is not installed, or there is no NVIDIA driver to ask.
    """
    try:
        import pynvml  # noqa: PLC0415 - 40 ms, and only who asks for it
    except ImportError as error:
        raise UsageError(f"{what} need the package nvidia-ml-py", "pip install nvidia-ml-py") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise UsageError(
            f"there is no NVIDIA GPU here, as {what} need: {error}", "wattleak doctor says what is here"
        ) from error
    module: ModuleType = pynvml
    return module
