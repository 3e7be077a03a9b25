"""Whether this CPU multiplies numbers of few bits by itself, or libraries imitate it."""

from __future__ import annotations

from pathlib import Path

# Names as /proc/cpuinfo has them (Linux: arch/x86/include/asm/cpufeatures.h, arch/arm64/kernel/cpuinfo.c).
_FLAGS = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "float16": {"avx512_fp16", "amx_fp16", "asimdhp"},
    "int8": {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"},
}


def native(variant: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether the arithmetic of this variant has instructions of its own; None: it needs none, or nobody says.

    LiteRT keeps float16 weights and computes in float32.
    """
    kind = next((kind for kind in _FLAGS if kind in variant), None)
    if kind is None or variant == "litert-float16":
        return None
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    known = next(
        (set(line.partition(":")[2].split()) for line in lines if line.lower().startswith(("flags", "features"))), None
    )
    return None if known is None else bool(known & _FLAGS[kind])
