"""Carbon intensity of the hours in which the work was done, from who publishes it. Opt-in: `--provider NAME[:ZONE]`.

    --provider uk-carbon-intensity            Great Britain, half hours; no account
    --provider electricity-maps:DE            token in $ELECTRICITY_MAPS_TOKEN
    --provider watttime:CAISO_NORTH           account in $WATTTIME_USER and $WATTTIME_PASSWORD

Nothing is asked unless a provider is named, and then only that one. Tokens are read from the environment when they are
sent, and never stored. An answer is kept in the user's cache folder until it expires. What cannot be asked does not
stop a run: the yearly table is used, and the result says so.

Other packages register a class under the entry-point group `wattleak.intensity_providers`: name = "module:Class", with
the attributes and methods of `Provider`.

Range: from the lowest to the highest stretch that the work touched (with forecast and outcome where both are
published), and 10 % beyond: providers publish no error of their figures, this one is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from wattleak.errors import UsageError
from wattleak.footprint.terms import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.footprint.intensity import Intensity

BUILTIN: tuple[tuple[str, str], ...] = (
    ("uk-carbon-intensity", "wattleak.footprint.providers.uk:UkCarbonIntensity"),
    ("electricity-maps", "wattleak.footprint.providers.electricity_maps:ElectricityMaps"),
    ("watttime", "wattleak.footprint.providers.watttime:WattTime"),
)
ENTRY_POINTS = "wattleak.intensity_providers"
_ASSUMED_ERROR = 0.10


class ProviderFailure(Exception):
    """A provider gave no answer that can be used; the message says why, without any secret."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Grams of CO2 equivalent per kWh from start to end (seconds since 1970); `low` and `high` of what is published."""

    start_s: float
    end_s: float
    value: float
    low: float
    high: float


class Provider(Protocol):
    """Who publishes intensities over time."""

    name: str
    source: str  # who it is, and under which terms
    basis: str  # what its figures count
    needs: tuple[str, ...]  # variables of the environment that hold its account

    def zone_of(self, region: str | None) -> str:
        """The provider's name of a region. Raises UsageError where it cannot be told from it."""
        ...

    def stretches(self, zone: str, start_s: float, end_s: float) -> Sequence[Stretch]:
        """Every published stretch that touches the time. Raises ProviderFailure."""
        ...


def pieces(start_s: float, end_s: float, most_s: float) -> Iterator[tuple[float, float]]:
    """Cut a time into what a service answers at once, `most_s` seconds at the most."""
    while start_s < end_s:
        until_s = min(end_s, start_s + most_s)
        yield start_s, until_s
        start_s = until_s


def online_region(provider: str, region: str | None) -> str:
    """The region that stands for `--provider NAME[:ZONE]` with a place for the table beside it. Raises UsageError."""
    name, _, zone = provider.strip().partition(":")
    make_provider(name)
    return f"online:{name}:{zone}:{region or ''}"


def online_intensity(text: str, during: tuple[float, float] | None) -> Intensity:
    """The intensity of `online:NAME:ZONE:REGION` during the work; of the table where the provider gives none.

    Raises UsageError for an unknown provider, zone or region.
    """
    from wattleak.footprint.intensity import intensity  # noqa: PLC0415 - it is what imports us

    parts = [*text.split(":", 3), "", "", ""]
    name, zone, region = parts[1], parts[2], parts[3] or None
    provider = make_provider(name)
    zone = zone or provider.zone_of(region)
    beside = intensity(region)
    if during is None:
        import os  # noqa: PLC0415 - for those who named a provider

        if missing := [variable for variable in provider.needs if not os.environ.get(variable, "").strip()]:
            raise UsageError(
                f"{name} needs an account, and ${missing[0]} is not set",
                f"export {missing[0]}=..., or leave --provider out",
            )
        return replace(beside, note=f"{name} is asked when the work has ended; this is the yearly table; {beside.note}")
    try:
        from wattleak.footprint.providers.cache import remembered  # noqa: PLC0415 - whoever asks pays

        found, asked_at = remembered(provider, zone, *during)
        return _over(provider, zone, found, during, asked_at)
    except ProviderFailure as failure:
        return replace(
            beside, note=f"{name} gave no intensity ({failure}): the yearly table was used instead; {beside.note}"
        )


def known_providers() -> dict[str, str]:
    """Name and `module:Class` of each provider: ours, and what other packages register."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - for those who named a provider

    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)} | dict(BUILTIN)


def make_provider(name: str) -> Provider:
    from importlib import import_module  # noqa: PLC0415 - for those who named a provider

    known = known_providers()
    if name not in known:
        raise UsageError(f"no provider of carbon intensities is called {name!r}", f"known are {', '.join(known)}")
    module, _, attribute = known[name].partition(":")
    provider: Provider = getattr(import_module(module), attribute)()
    return provider


def _over(
    provider: Provider, zone: str, found: Sequence[Stretch], during: tuple[float, float], asked_at: str
) -> Intensity:
    """The mean over the work, each stretch weighted by how long the work was in it."""
    from wattleak.footprint.intensity import Intensity  # noqa: PLC0415 - it is what imports us

    start_s, end_s = during[0], max(during[1], during[0] + 1e-3)
    shares = [(min(one.end_s, end_s) - max(one.start_s, start_s), one) for one in found]
    touched = [(share_s, one) for share_s, one in shares if share_s > 0]
    if not touched:
        raise ProviderFailure("it has published nothing for that time yet")
    covered_s = sum(share_s for share_s, _ in touched)
    value = sum(share_s * one.value for share_s, one in touched) / covered_s
    partly = (
        "" if covered_s >= 0.99 * (end_s - start_s) else f", for {percent(covered_s / (end_s - start_s))} of the work"
    )
    stretches = "1 stretch" if len(touched) == 1 else f"{len(touched)} stretches"
    return Intensity(
        value=value,
        low=min(one.low for _, one in touched) * (1 - _ASSUMED_ERROR),
        high=max(one.high for _, one in touched) * (1 + _ASSUMED_ERROR),
        source=provider.source,
        year=int(asked_at[:4]),
        region=zone,
        note=f"{provider.basis}; {stretches} of {provider.name}{partly}; 10 % beyond them assumed",
        table=f"{provider.name}, asked {asked_at}",
    )
