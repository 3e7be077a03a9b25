"""Where and how a torch program computes: device, number format, compilation; with the options that say it.

    --device cpu | cuda:1 | mps | xpu | xla        default: cuda where torch finds one, else the CPU
    --precision float32 | bfloat16 | float16       autocast; float16 with scaled gradients
    --compile none | default | reduce-overhead | max-autotune

On ROCm torch calls AMD's GPUs cuda, too. float32 is torch's default, which on NVIDIA GPUs convolves in TF32.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from wattleak.environment.compiler import lacking_compiler
from wattleak.environment.cpus import allowed_cpus
from wattleak.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from torch import nn

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MODES = ("none", "default", "reduce-overhead", "max-autotune")
"""Modes of torch.compile; none: the model is run as it is."""


@dataclass(frozen=True)
class Computing:
    """Device, number format and compilation of one run."""

    device: torch.device
    precision: str = "float32"
    mode: str = "none"

    def describe(self) -> str:
        """In a line, for people."""
        compiled = "" if self.mode == "none" else f", compiled ({self.mode})"
        return f"{title_of(self.device)}, {self.precision}{compiled}"

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Inside, operations that stand it are done in the chosen format."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=PRECISIONS[self.precision])

    def scaler(self) -> torch.amp.GradScaler:
        """What keeps small gradients from vanishing in float16; it does nothing for the other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")

    def compiled(self, model: nn.Module) -> nn.Module:
        """The model as it is to be trained: the same weights, its computation compiled at the first batch."""
        if self.mode == "none":
            return model
        own_cache()
        made: Any = torch.compile(model, mode=None if self.mode == "default" else self.mode)
        trained: nn.Module = made
        return trained

    def end_step(self) -> None:
        """XLA collects operations until it is told to run them; the others run them as they come."""
        if self.device.type == "xla":
            import torch_xla  # noqa: PLC0415 - only where there is such a device

            torch_xla.sync()

    def peak_memory_b(self) -> dict[str, int]:
        """The most memory that tensors took on the device, as the figure `gpu_peak_memory_b`; empty: not known."""
        if self.device.type == "cuda":
            return {"gpu_peak_memory_b": int(torch.cuda.max_memory_allocated(self.device))}
        if self.device.type == "xpu":
            return {"gpu_peak_memory_b": int(torch.xpu.max_memory_allocated(self.device))}
        return {}


def add_options(parser: argparse.ArgumentParser) -> None:
    """--device, --precision, --compile."""
    parser.add_argument("--device", help="cpu, cuda:1, mps, xpu, xla (default: cuda where torch finds one, else cpu)")
    parser.add_argument("--precision", default="float32", help=", ".join(PRECISIONS))
    parser.add_argument("--compile", default="none", help="mode of torch.compile: " + ", ".join(MODES))


def computing_from(arguments: argparse.Namespace) -> Computing:
    """What the options say. Raises UsageError for what torch does not know or this machine does not have."""
    for name, known in (("precision", tuple(PRECISIONS)), ("compile", MODES)):
        if getattr(arguments, name) not in known:
            raise UsageError(f"there is no --{name} {getattr(arguments, name)}", f"choose one of {', '.join(known)}")
    device = found_device(arguments.device)
    lacking = lacking_compiler()
    if arguments.compile != "none" and lacking is not None:
        raise UsageError(
            f"--compile: torch.compile needs a C++ compiler, and there is no {lacking} here",
            "apt-get install g++, or set CXX to the one there is",
        )
    return Computing(device, arguments.precision, arguments.compile)


def found_device(name: str | None) -> torch.device:
    """The device of this name, after it has computed something.

    Raises:
        UsageError: torch does not know the name, or the device does not answer.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    is_xla = name.partition(":")[0] == "xla"
    if is_xla and find_spec("torch_xla") is None:
        raise UsageError("--device xla needs torch_xla, which is not installed", "pip install torch_xla")
    try:
        if is_xla:
            import torch_xla  # noqa: PLC0415, F401 - makes the device known to torch
        device = torch.device(name)
        works = float((torch.ones(8, device=device) * 2).sum()) == 16.0
    except Exception as error:  # each backend fails in its own way, with classes of its own
        raise UsageError(f"torch cannot compute on {name!r}: {first_line(error)}", "--device cpu") from error
    if not works:
        raise UsageError(f"{name!r} does not add up eight twos to 16", "have the device looked at")
    return device


def title_of(device: torch.device) -> str:
    """What the device is called by its maker."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "xpu":
        return str(torch.xpu.get_device_name(device))
    return {"cpu": "CPU", "mps": "Apple GPU (Metal)", "xla": "XLA device"}.get(device.type, device.type)


def use_all_cpus() -> None:
    """One thread for each CPU that this process may use, unless the environment says how many."""
    allowed = allowed_cpus()
    if "OMP_NUM_THREADS" not in os.environ and allowed is not None:
        torch.set_num_threads(allowed)


def first_line(error: BaseException) -> str:
    """What went wrong, without the stack that some backends write into their messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def own_cache() -> None:
    """Every recorded run compiles for itself: what an earlier run had left would make it cheaper than it is."""
    own = os.environ.get("WATTLEAK_RUN_DIR")
    if own and "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="torchinductor-", dir=own, ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder.name
