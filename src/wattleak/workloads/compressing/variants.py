"""The ways to compress that are compared, and what each of them needs. Imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from wattleak.errors import UsageError

REFERENCE = "float32"


@dataclass(frozen=True, slots=True)
class Compression:
    """One way in one framework."""

    name: str
    framework: str
    what: str  # in a few words
    only_cpu: bool = False  # it has no kernels for an accelerator


CATALOGUE: tuple[Compression, ...] = (
    Compression(REFERENCE, "torch", "as trained"),
    Compression("bfloat16", "torch", "weights and arithmetic of 16 bits, range of float32"),
    Compression("float16", "torch", "weights and arithmetic of 16 bits"),
    Compression("int8-dynamic", "torch", "dense layers int8, their inputs scaled at each inference", only_cpu=True),
    Compression("int8-static", "torch", "all layers int8, scales from training images", only_cpu=True),
    Compression("pruned-weights", "torch", "small weights set to zero"),
    Compression("pruned-channels", "torch", "small channels taken out"),
    Compression("pruned-channels-tuned", "torch", "small channels taken out, then trained again"),
    Compression(REFERENCE, "keras", "as trained"),
    Compression("bfloat16", "keras", "weights and arithmetic of 16 bits, range of float32"),
    Compression("float16", "keras", "weights and arithmetic of 16 bits"),
    Compression("int8-dynamic", "keras", "dense layers int8, their inputs scaled at each inference"),
    Compression("pruned-weights", "keras", "small weights set to zero"),
    Compression("pruned-channels", "keras", "small channels taken out"),
    Compression("pruned-channels-tuned", "keras", "small channels taken out, then trained again"),
    Compression("litert-float32", "keras", "converted to LiteRT", only_cpu=True),
    Compression("litert-float16", "keras", "LiteRT, weights kept in 16 bits", only_cpu=True),
    Compression("litert-int8-dynamic", "keras", "LiteRT, weights int8", only_cpu=True),
    Compression("litert-int8-full", "keras", "LiteRT, all int8, scales from training images", only_cpu=True),
)
"""By framework, the reference first."""

_PACKAGES = {"torch": ("torch",), "keras": ("tensorflow", "keras")}
FRAMEWORKS = tuple(_PACKAGES)


def of_framework(framework: str) -> tuple[Compression, ...]:
    """The ways of this framework. Raises UsageError when there is none."""
    found = tuple(one for one in CATALOGUE if one.framework == framework)
    if not found:
        raise UsageError(
            f"the study of compression has no programs for {framework!r}", f"--framework {', '.join(FRAMEWORKS)} or all"
        )
    return found


def find_compression(framework: str, name: str) -> Compression:
    """The way of this name. Raises UsageError when there is none."""
    known = of_framework(framework)
    for one in known:
        if one.name == name:
            return one
    raise UsageError(
        f"{framework} has no variant {name!r} in this study", f"choose of {', '.join(one.name for one in known)}"
    )


def lacking(framework: str) -> str:
    """The package that this Python lacks for the framework; empty when it has all. Imports none."""
    return next((name for name in _PACKAGES[framework] if find_spec(name) is None), "")


def left_out(compression: Compression, *, accelerator: bool) -> str:
    """Why this way cannot be compared here; empty when it can.

    Figures of a CPU beside figures of an accelerator would compare the devices.
    """
    if accelerator and compression.only_cpu:
        return (
            "its kernels are for CPUs, and the others run on the accelerator: -- --device cpu compares all on the CPU"
        )
    return ""
