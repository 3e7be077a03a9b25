"""What a user states of a place and a device, from the settings, and the terms of a run that follow from it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from wattleak.cli.settings import Settings
    from wattleak.footprint.account import Stated
    from wattleak.model import Measurement


def stated(settings: Settings) -> Stated:
    """What the settings state. Raises UsageError for what cannot be."""
    from wattleak.footprint.account import stated as read

    return read(
        price_per_kwh=settings.price,
        wue_l_per_kwh=settings.wue,
        grid_water_l_per_kwh=settings.grid_water,
        embodied=settings.embodied,
        device_life_years=settings.device_life,
        utilisation=settings.utilisation,
        device_share=settings.device_share,
        per=settings.sci,
        with_equivalents=settings.equivalents,
    )


def typed(args: Namespace) -> bool:
    """Whether the command line itself asks for terms: a configuration does so for every run, and for runs alone."""
    from wattleak.cli.settings import FOOTPRINT_TERMS

    return any(getattr(args, f"stated_{name}", None) is not None for name in FOOTPRINT_TERMS)


def with_footprint(measurement: Measurement, asked: Stated) -> Measurement:
    """The run with its terms; as it was where nothing is stated. Why one is absent is said on standard error."""
    if asked.is_empty:
        return measurement
    from dataclasses import replace

    from wattleak.footprint.account import account

    terms, notes = account(measurement, asked)
    for note in notes:
        print(f"wattleak: {note}", file=sys.stderr)
    return replace(measurement, footprint=terms)


def in_context(measurement: Measurement) -> dict[str, Any]:
    """What a document says of a run beside its numbers: whether they matter."""
    if measurement.attributed_energy_j is None:
        return {}
    from wattleak.footprint.context import one_run

    return {"context": one_run(measurement.attributed_energy_j, measurement.carbon_g)}
