"""Whether a number matters: how it stands beside things that people know, and when measuring costs more than it finds.

Figures, each with its source (orders of magnitude, not measurements):

    laptop hour    108 kJ: 30 W. Laptops at work draw 15 to 45 W (M. Bluejay, "Saving Electricity", as quoted by
                   ehow.co.uk, 2017); the middle of that.
    phone charge   41.8 kJ: 11.6 Wh. US EPA, Greenhouse Gas Equivalencies Calculator: 14.46 Wh a day less 22 hours of
                   maintenance at 0.13 W (DOE 2020).
    flight         1668 kg CO2e a passenger, London-New York and back in economy: 2 x 5555 km at 0.150 kg per km (UK
                   DESNZ conversion factors 2024 as used by airmilescalc.com; other calculators give 1.4 t).

Measuring: an experiment of n runs costs n times what a run costs, and a saving of a share s gives s of a run back each
time. So it pays for itself after n / s runs, whatever the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.footprint.terms import percent

if TYPE_CHECKING:
    from wattleak.model import Carbon, Estimate

LAPTOP_HOUR_J = 108_000.0
PHONE_CHARGE_J = 41_800.0
FLIGHT_G = 1_668_000.0
FLEET_RUNS = 1_000_000
EXPERIMENT_RUNS = 42  # two variants x (20 blocks and 1 warm-up): what `wattleak compare` does unasked
HOPED_FOR = 0.05  # a saving that is worth looking for
_J_PER_KWH = 3.6e6
_H_PER_YEAR = 8760


def matters(energy_j: Estimate, carbon: Carbon | None = None) -> str:
    """One line: an amount of energy beside a phone charge, a laptop hour, a flight."""
    joules = energy_j.value
    if joules <= 0:
        return "no energy to speak of"
    if joules < PHONE_CHARGE_J / 10:
        size = f"little: {_share(joules / PHONE_CHARGE_J)} of a phone charge"
    elif joules < 10 * LAPTOP_HOUR_J:
        size = f"some: {_times(joules / LAPTOP_HOUR_J)} of a laptop at work"
    else:
        size = f"much: {_count(joules / LAPTOP_HOUR_J)} hours of a laptop at work"
    if carbon is not None and carbon.value_g >= FLIGHT_G / 1000:
        size += f", {_share(carbon.value_g / FLIGHT_G)} of a flight London-New York and back"
    return size


def one_run(energy_j: Estimate, carbon: Carbon | None = None) -> str:
    """Whether one run matters, what a fleet would make of it, and when measuring it further pays."""
    fleet = of_a_million(energy_j.value)
    pays = round(EXPERIMENT_RUNS / HOPED_FOR)
    return (
        f"{matters(energy_j, carbon)}; a million such runs use {fleet}; an experiment on it ({EXPERIMENT_RUNS} runs) "
        f"that finds {percent(HOPED_FOR)} pays for itself after {pays} runs, and below that is not worth its own energy"
    )


def of_a_year(energy_j: float, carbon_g: float) -> str:
    """One line: a year of a fleet beside laptops that work day and night, and flights."""
    laptops, flights = energy_j / (LAPTOP_HOUR_J * _H_PER_YEAR), carbon_g / FLIGHT_G
    if laptops <= 0:
        return "no energy to speak of"
    used = (
        f"what {_count(laptops)} laptops at work day and night use"
        if laptops >= 1.5
        else f"what a laptop uses in {_times(energy_j / LAPTOP_HOUR_J)} at work"
    )
    emitted = f"{_count(flights)} flights" if flights >= 1.5 else f"{_share(flights)} of a flight"
    return f"a year of it is {used}, and emits as much as {emitted} London-New York and back"


def pays_after(cost_j: float, saved_per_run_j: float) -> int | None:
    """After how many runs a saving has given back what finding it cost; None: nothing is saved."""
    return -(-cost_j // saved_per_run_j).__int__() if saved_per_run_j > 0 else None


def of_a_million(run_j: float) -> str:
    """What a million runs of so many joules come to: `10 kWh`."""
    kwh = run_j * FLEET_RUNS / _J_PER_KWH
    for size, unit in ((1e6, "GWh"), (1e3, "MWh"), (1.0, "kWh")):
        if kwh >= size:
            return f"{_count(kwh / size)} {unit}"
    return f"{_count(kwh * 1000)} Wh"


def _share(share: float) -> str:
    """`1/940`, `3.2 times that`: what can be pictured."""
    if share >= 1:
        return f"{_count(share)} times that"
    return percent(share) if share >= 0.1 else f"1/{_count(1 / share)}"


def _times(hours: float) -> str:
    return f"{_count(hours)} hours" if hours >= 1.5 else f"{_count(hours * 60)} minutes"


def _count(value: float) -> str:
    """Two significant digits: these are orders of magnitude."""
    from math import floor, log10  # noqa: PLC0415 - a recording that begins does without

    if value <= 0:
        return "0"
    digits = max(0, 1 - floor(log10(value)))
    return f"{round(value, 1 - floor(log10(value))):,.{min(digits, 6)}f}"
