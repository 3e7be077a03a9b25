"""What `/proc/cpuinfo` says about the processor: who made it, which micro-architecture, whether we are a guest.

Imported by probes only, never by the recorder.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from wattleak.records import NamedTuple

# Intel's family 6 by model number, as in the kernel's arch/x86/include/asm/intel-family.h.
_INTEL = {
    45: "Sandy Bridge",
    62: "Ivy Bridge",
    63: "Haswell",
    79: "Broadwell",
    86: "Broadwell",
    106: "Ice Lake",
    108: "Ice Lake",
    143: "Sapphire Rapids",
    207: "Emerald Rapids",
    142: "Coffee Lake",
    158: "Coffee Lake",
}
_INTEL_SKYLAKE_SERVER = 85  # one model number for three chips; the stepping tells them apart
_CASCADE_LAKE_STEPPINGS = frozenset({5, 6, 7})
_SKYLAKE_STEPPINGS = frozenset({0, 1, 2, 3, 4})

# AMD by (family, first and last model number), as in the kernel's arch/x86/kernel/cpu/amd.c. Ryzen chips share the
# families, not the models.
_AMD = (
    (23, 0x00, 0x07, "EPYC 1st Gen"),
    (23, 0x30, 0x3F, "EPYC 2nd Gen"),
    (25, 0x00, 0x0F, "EPYC 3rd Gen"),
    (25, 0x10, 0x1F, "EPYC 4th Gen"),
    (25, 0xA0, 0xAF, "EPYC 4th Gen"),
)

# Arm by (implementer, part), as in the kernel's arch/arm64/include/asm/cputype.h.
_ARM = {(0x41, 0xD08): "Graviton", (0x41, 0xD0C): "Graviton2"}  # Cortex-A72; Neoverse N1
_CLIENT_NAMES = ("Core(TM)", "Intel Core", "Ryzen", "Pentium", "Celeron", "Atom(TM)", "Athlon")


class Processor(NamedTuple):
    """`architecture` is None when the numbers are not in our lists; `vendor` is "intel", "amd", "arm" or "x86"."""

    vendor: str | None
    architecture: str | None
    name: str | None
    client: bool  # a laptop or desktop chip by its name
    guest: bool  # the CPU says that a hypervisor runs it


def read_processor(host: str = "/") -> Processor:
    """Identify the processor of this machine (`host` is the root under which /proc is looked for).

    A file that cannot be read leaves everything unknown.
    """
    try:
        with (Path(host) / "proc" / "cpuinfo").open(encoding="utf-8", errors="replace") as file:
            first = "".join(takewhile(str.strip, file))  # the kernel takes its time for each of hundreds of CPUs
    except OSError:
        first = ""
    return identify(first)


def identify(cpuinfo: str) -> Processor:
    """Identify a processor from the text of /proc/cpuinfo (its first block; all blocks of a machine agree)."""
    fields: dict[str, str] = {}
    for line in cpuinfo.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name")
    flags = fields.get("flags", "").split()
    vendor, architecture = _vendor_and_architecture(fields)
    client = name is not None and any(word in name for word in _CLIENT_NAMES)
    return Processor(vendor, architecture, name, client, "hypervisor" in flags)


def _vendor_and_architecture(fields: dict[str, str]) -> tuple[str | None, str | None]:
    maker = fields.get("vendor_id", "")
    family, model, stepping = (_number(fields.get(key)) for key in ("cpu family", "model", "stepping"))
    if maker == "GenuineIntel":
        return "intel", _intel(model, stepping) if family == 6 else None
    if maker == "AuthenticAMD":
        hits = (name for f, low, high, name in _AMD if f == family and model is not None and low <= model <= high)
        return "amd", next(hits, None)
    if "CPU implementer" in fields:
        implementer, part = _number(fields["CPU implementer"]), _number(fields.get("CPU part"))
        return "arm", _ARM.get((implementer or -1, part or -1))
    return ("x86", None) if "flags" in fields and "cpu family" in fields else (None, None)


def _intel(model: int | None, stepping: int | None) -> str | None:
    if model == _INTEL_SKYLAKE_SERVER:
        if stepping in _CASCADE_LAKE_STEPPINGS:
            return "Cascade Lake"
        return "Skylake" if stepping in _SKYLAKE_STEPPINGS else None
    return _INTEL.get(model) if model is not None else None


def _number(text: str | None) -> int | None:
    try:
        return int(text or "", 0)
    except ValueError:
        return None


def hypervisor(host: str = "/") -> str | None:
    """What the firmware or the kernel calls the virtual machine we are in, or None when nothing says."""
    base = Path(host)
    words = [_line(base / "sys/class/dmi/id" / entry) for entry in ("sys_vendor", "product_name")]
    named = " ".join(word for word in words if word)
    return named or _line(base / "sys/hypervisor/type") or None


def instance_type(host: str = "/") -> str | None:
    """The type of cloud instance that the firmware names, without asking the network; None where it names none.

    AWS Nitro instances carry it as the product name. Azure and Google Cloud name only the cloud ("Virtual Machine",
    "Google Compute Engine"): there the type has to be stated.
    """
    base = Path(host) / "sys/class/dmi/id"
    return (_line(base / "product_name") or None) if _line(base / "sys_vendor") == "Amazon EC2" else None


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
