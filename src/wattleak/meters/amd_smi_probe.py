"""Finding AMD GPUs: which can be read, how, what their figures cover, and why others cannot. For probes only.

Facts and where they come from (AMD SMI documentation, ROCm 7.x, 2025-2026, unless another source is named):

- `amdsmi_get_energy_count` gives an accumulator and the microjoules of one step of it (15.3). Nothing is published
  about how often it moves; the probe looks, and takes the next larger of 1, 2, 5, 10, ... milliseconds. Virtual
  machines have no accumulator.
- The accumulator of some cards stands still although they work (ROCm/amdsmi issue 38, MI100; rocm_smi_lib issue 180,
  MI210). One that does not move within half a second is not used: a GPU at rest takes watts, so a sound one moves.
- `amdsmi_get_power_info` gives whole watts: `current_socket_power` on MI300 and later, `average_socket_power` on
  MI200 and before and on Radeon. The window of the average is not published; a tenth of a second is assumed.
- Of a card with two dies only the first reports power and energy, for both (Linux commit 076f55a45e9e, 2021).
- Partitions of one GPU are PCI functions of one device and share its figures: they are one channel.

AMD states no accuracy: +-10 % for the accumulator and +-15 % for integrated power are assumptions.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wattleak.meters.amd_smi import LOST, accumulated_j, import_quietly, power_w
from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

if TYPE_CHECKING:
    from types import ModuleType

METER = "amd-smi"

_POWER_KEYS = ("current_socket_power", "average_socket_power", "socket_power")
_COUNTER_ERROR = 0.10
_POWER_ERROR = 0.15
_POWER_PERIOD_S = 0.1
_STILL_S = 0.5  # a counter that stands for so long stands for good
_LOOK_S = 0.0005
_PERIODS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Found(NamedTuple):
    """GPUs that can be read, what the recorder needs to read them, and what cannot be read beside them."""

    channels: tuple[Channel, ...]
    devices: tuple[dict[str, object], ...]
    losses: tuple[Unavailable, ...]
    folder: str  # where the package amdsmi lies


class _Card:
    """One GPU, with all partitions of it."""

    def __init__(self, address: str) -> None:
        self.address = address  # domain:bus:device, without the function
        self.handles: list[object] = []
        self.functions: list[str] = []
        self.moved_s: list[float] = []  # when the accumulator was seen to move
        self.last_j: float | None = None


def look() -> Found | Unavailable:
    """Open AMD's library, ask every GPU what it can tell, and close the library again. Takes up to half a second."""
    folder = _find_package()
    if folder is None:
        reason = f"the Python package amdsmi is not installed; {LOST}"
        remedy = "pip install amdsmi (the version of your ROCm: cat /opt/rocm/.info/version)"
        return Unavailable(METER, reason, remedy)
    try:
        amdsmi = import_quietly(folder)
    except Exception as error:  # noqa: BLE001 - it raises whatever comes of a missing library or symbol: KeyError, OSError
        reason = f"AMD's library libamd_smi.so does not load ({type(error).__name__}: {error}); {LOST}"
        remedy = "install amd-smi-lib of ROCm, of the same version as the package amdsmi (pip show amdsmi)"
        return Unavailable(METER, reason, remedy)
    try:
        amdsmi.amdsmi_init()
    except amdsmi.AmdSmiException as error:
        return _why_closed(amdsmi, error)
    try:
        return _ask(amdsmi, folder)
    except amdsmi.AmdSmiException as error:
        return _why_closed(amdsmi, error)
    finally:
        amdsmi.amdsmi_shut_down()


def _find_package() -> str | None:
    """The folder that holds the package `amdsmi`: an installed one, else the one that ROCm brings along."""
    if "amdsmi" in sys.modules or importlib.util.find_spec("amdsmi") is not None:
        spec = importlib.util.find_spec("amdsmi")
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent.parent)
    rocm = os.environ.get("ROCM_HOME") or os.environ.get("ROCM_PATH") or "/opt/rocm"
    folder = Path(rocm, "share/amd_smi")
    return str(folder) if (folder / "amdsmi/__init__.py").is_file() else None


def _ask(amdsmi: ModuleType, folder: str) -> Found | Unavailable:
    cards: dict[str, _Card] = {}
    losses: list[Unavailable] = []
    for number, handle in enumerate(amdsmi.amdsmi_get_processor_handles()):
        try:
            address = str(amdsmi.amdsmi_get_gpu_device_bdf(handle))
        except amdsmi.AmdSmiException as error:
            reason = f"AMD GPU number {number} does not answer: {_first_line(error)}; {LOST}"
            losses.append(Unavailable(METER, reason, "amd-smi list shows its state"))
            continue
        card = cards.setdefault(address.rpartition(".")[0], _Card(address.rpartition(".")[0]))
        card.handles.append(handle)
        card.functions.append(address)
    _watch_counters(amdsmi, list(cards.values()))
    channels: list[Channel] = []
    devices: list[dict[str, object]] = []
    for number, card in enumerate(cards.values()):
        name = f"amdgpu{number}"
        device = _name(amdsmi, card.handles[0])
        key = next((k for k in _POWER_KEYS if power_w(amdsmi, card.handles[0], k) is not None), None)
        counts = len(card.moved_s) > 0
        if not counts and key is None:
            losses.append(_why_silent(name, device, card))
            continue
        if not counts and card.last_j is not None:
            losses.append(_why_still(name, device))
        channels.append(_channel(name, device, card, None if counts else key))
        devices.append({"channel": name, "functions": list(card.functions), "power": None if counts else key})
    if channels:
        return Found(tuple(channels), tuple(devices), tuple(losses), folder)
    if losses:
        return Unavailable(METER, "; ".join(loss.reason for loss in losses), losses[0].remedy)
    reason = f"AMD's driver sees no GPU that this user may read; {LOST}"
    return Unavailable(METER, reason, "sudo usermod -aG render,video $USER, then log in again")


def _watch_counters(amdsmi: ModuleType, cards: list[_Card]) -> None:
    """Look at the accumulators until each has moved twice, or has stood still for too long."""
    for card in cards:
        card.last_j = accumulated_j(amdsmi, card.handles[0])
    begun_s = time.monotonic()
    waiting = [card for card in cards if card.last_j is not None]
    while waiting and time.monotonic() - begun_s < _STILL_S:
        time.sleep(_LOOK_S)
        for card in waiting:
            now_j = accumulated_j(amdsmi, card.handles[0])
            if now_j is not None and card.last_j is not None and now_j > card.last_j:
                card.last_j = now_j
                card.moved_s.append(time.monotonic())
        waiting = [card for card in waiting if len(card.moved_s) < 2]


def _channel(name: str, device: str | None, card: _Card, power_key: str | None) -> Channel:
    energy = power_key is None
    error = _COUNTER_ERROR if energy else _POWER_ERROR
    what = "AMD SMI energy accumulator" if energy else f"AMD SMI {power_key}"
    shared = f"; all {len(card.handles)} partitions together" if len(card.handles) > 1 else ""
    return Channel(
        name=name,
        meter=METER,
        part=Part.GPU,
        origin=Origin.COUNTER if energy else Origin.SAMPLED,
        quantity=Quantity.ENERGY_J if energy else Quantity.POWER_W,
        period_s=_period_s(card.moved_s) if energy else _POWER_PERIOD_S,
        relative_low=1 - error,
        relative_high=1 + error,
        device=device,
        source=f"{what} of PCI {card.address}; +-{error:.0%} assumed, none is published{shared}",
    )


def _period_s(moved_s: list[float]) -> float:
    """How often the accumulator moves; the longest that is possible when it was seen to move only once."""
    if len(moved_s) < 2:
        return _STILL_S
    seen_s = moved_s[1] - moved_s[0]
    return next((period_s for period_s in _PERIODS_S if period_s >= seen_s), _STILL_S)


def _name(amdsmi: ModuleType, handle: object) -> str | None:
    try:
        said: dict[str, Any] = amdsmi.amdsmi_get_gpu_asic_info(handle)
    except (amdsmi.AmdSmiException, ValueError):  # ValueError: a serial number that is none
        return None
    name = str(said.get("market_name", "N/A"))
    return None if name == "N/A" else name


def _why_still(name: str, device: str | None) -> Unavailable:
    reason = (
        f"the energy accumulator of {name} ({device or 'AMD GPU'}) does not move (a known fault: ROCm/amdsmi "
        f"issue 38); its power reading is integrated instead"
    )
    return Unavailable(METER, reason, "a reboot has helped, or a newer ROCm; amd-smi metric --energy shows it")


def _why_silent(name: str, device: str | None, card: _Card) -> Unavailable:
    what = f"{name} ({device or 'AMD GPU'}, PCI {card.address})"
    if card.last_j == 0:
        reason = f"{what} reports no power: on a card with two dies the first one reports for both"
        return Unavailable(METER, reason, "the figure of the other die is the whole card's; use both dies or none")
    if card.last_j is not None:
        reason = f"{what} has an energy accumulator that does not move and no power reading; {LOST}"
        return Unavailable(METER, reason, "a reboot has helped, or a newer ROCm; amd-smi metric --energy shows it")
    reason = f"{what} has neither an energy accumulator nor a power reading (virtual machines have none); {LOST}"
    return Unavailable(METER, reason, "measure on the machine itself, not in a virtual one")


def _why_closed(amdsmi: ModuleType, error: Exception) -> Unavailable:
    said = _first_line(error)
    remedy = "amd-smi list shows what the driver says"
    if "NO_PERM" in said or "FILE_ERROR" in said:
        remedy = (
            "sudo usermod -aG render,video $USER, then log in again; in a container --device /dev/kfd --device /dev/dri"
        )
    elif "DRIVER_NOT_LOADED" in said or "NO_DRV" in said or "INIT_ERROR" in said:
        remedy = "sudo modprobe amdgpu; dmesg | grep amdgpu shows whether that worked"
    version = getattr(amdsmi, "__version__", "of unknown version")
    return Unavailable(METER, f"AMD SMI {version} does not open: {said}; {LOST}", remedy)


def _first_line(error: Exception) -> str:
    get = getattr(error, "get_error_info", None)
    return str(get()) if get is not None else " ".join(str(error).split())
