"""What people read: the same story as text, as Markdown, and as one HTML page that works offline.

A format is named here and nowhere else; its module is imported when something is rendered in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model import Comparison, Experiment, Measurement
    from wattleak.reports.style import Style


@dataclass(frozen=True, slots=True)
class Format:
    """Where a format is rendered, and what its files are called."""

    module: str
    comparison: str  # names of the functions
    measurement: str
    suffix: str
    styled: bool = False  # whether it depends on the terminal


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "html": Format("wattleak.reports.html", "render_html", "render_measurement_html", "html"),
        "text": Format("wattleak.reports.text", "render_comparison", "render_measurement", "txt", styled=True),
        "markdown": Format("wattleak.reports.markdown", "render_comparison", "render_measurement", "md"),
    }
)


def render(
    name: str,
    found: Measurement | Experiment,
    comparison: Comparison | None = None,
    *,
    style: Style | None = None,
) -> str:
    """A measurement, or an experiment with its comparison, in the format of this name.

    `style` is for formats that depend on a terminal; without one they are plain ASCII.

    Raises:
        UsageError: there is no such format.
    """
    wanted = FORMATS.get(name)
    if wanted is None:
        raise UsageError(f"there is no report format {name!r}", "choose one of " + ", ".join(FORMATS))
    module = import_module(wanted.module)
    more: dict[str, Any] = {}
    if wanted.styled:
        from wattleak.reports.style import Style as Plain  # noqa: PLC0415 - only text needs it

        more["style"] = style or Plain.plain()
    if comparison is None:
        return str(getattr(module, wanted.measurement)(found, **more))
    return str(getattr(module, wanted.comparison)(found, comparison, **more))
