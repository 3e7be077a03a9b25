"""Which devices torch can compute on here: tried, not assumed. Prints one JSON line; a program of its own.

    python device_probe.py

A driver that crashes takes this program with it and nothing else, and no device stays held by who asked.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from wattleak.errors import WattleakError
from wattleak.workloads.computing import first_line, found_device, title_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def devices() -> dict[str, list[dict[str, str]]]:
    """`found`: name of the candidate, what torch calls it, what kind it is, its title; `absent`: kind, and why."""
    found: list[dict[str, str]] = []
    absent: list[dict[str, str]] = []
    for kind, names in (("cuda", _gpus()), ("mps", _metal()), ("xpu", _xpus()), ("tpu", _tpus())):
        own = "rocm" if kind == "cuda" and torch.version.hip else kind
        if isinstance(names, str):
            absent.append({"kind": own, "why": names})
            continue
        for name in names:
            try:
                title = title_of(found_device(name))
            except WattleakError as error:
                absent.append({"kind": own, "why": error.message})
                continue
            short = own if ":" not in name else f"{own}-{name.rpartition(':')[2]}"
            found.append({"name": short, "device": name, "kind": own, "title": title})
    return {"found": found, "absent": absent}


def _gpus() -> Iterable[str] | str:
    """Of NVIDIA, or of AMD where torch is built for ROCm."""
    if not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} is built without CUDA and ROCm"
    if not torch.cuda.is_available():
        made_for = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return f"torch {torch.__version__} is built for {made_for} and finds no GPU: no device, or no driver for it"
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def _metal() -> Iterable[str] | str:
    if not torch.backends.mps.is_built():
        return f"torch {torch.__version__} is built without Metal"
    return ["mps"] if torch.backends.mps.is_available() else "this Mac has no GPU that Metal computes on"


def _xpus() -> Iterable[str] | str:
    """Of Intel."""
    if not torch.xpu._is_compiled():  # noqa: SLF001 - torch has no public way to ask
        return f"torch {torch.__version__} is built without XPU"
    if not torch.xpu.is_available():
        return f"torch {torch.__version__} is built for XPU and finds no GPU: no device, or no driver for it"
    return [f"xpu:{index}" for index in range(torch.xpu.device_count())]


def _tpus() -> Iterable[str] | str:
    """Of Google, through torch_xla; XLA on anything else is another way to a device that is in the list already."""
    if find_spec("torch_xla") is None:
        return _without_torch_xla()
    try:
        import torch_xla  # noqa: PLC0415 - only where it is
        import torch_xla.runtime  # noqa: PLC0415 - the same

        kind = str(torch_xla.runtime.device_type())
        count = int(torch_xla.runtime.global_runtime_device_count())
    except Exception as error:  # noqa: BLE001 - each plug-in fails in its own way
        return f"torch_xla does not start: {first_line(error)}"
    return [f"xla:{index}" for index in range(count)] if kind == "TPU" else f"torch_xla computes on {kind} here"


def _without_torch_xla() -> str:
    """JAX may see a TPU all the same."""
    if find_spec("jax") is None or find_spec("libtpu") is None:
        return "torch_xla is not installed"
    try:
        import jax  # noqa: PLC0415 - only where a TPU may be

        seen = len(jax.devices("tpu"))
    except Exception as error:  # noqa: BLE001 - each plug-in fails in its own way
        return f"torch_xla is not installed, and JAX finds no TPU: {first_line(error)}"
    return f"JAX sees {seen}, and this job is a program of torch: pip install torch_xla"


if __name__ == "__main__":
    print(json.dumps(devices()))
