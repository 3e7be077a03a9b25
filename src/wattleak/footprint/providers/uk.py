"""Great Britain's half hours, from the National Energy System Operator: GET /intensity/{from}/{to}, no account.

https://carbon-intensity.github.io/api-definitions (data CC BY 4.0). Each half hour has a forecast and, once it is over,
an outcome ("actual"), in g/kWh of generation and imports, without upstream emissions; at most 14 days are answered at
once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.providers import ProviderFailure, Stretch, pieces
from wattleak.footprint.providers.http import base_url, get_json

if TYPE_CHECKING:
    from collections.abc import Sequence

URL_VARIABLE = "WATTLEAK_UK_CARBON_INTENSITY_URL"
_AT_ONCE_S = 13 * 86_400.0


class UkCarbonIntensity:
    """The national figure; regions of Great Britain have forecasts only and are not asked for."""

    name = "uk-carbon-intensity"
    source = "NESO Carbon Intensity API (CC BY 4.0)"
    basis = "generation and imports of Great Britain by half hour, without upstream emissions"

    needs: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return base_url(URL_VARIABLE, "https://api.carbonintensity.org.uk")

    def zone_of(self, region: str | None) -> str:
        if region is not None and region.lower() not in {
            "gb",
            "uk",
            "united kingdom",
            "britain (uk)",
            "aws:eu-west-2",
            "gcp:europe-west2",
            "azure:uksouth",
            "azure:ukwest",
        }:
            raise UsageError(
                f"uk-carbon-intensity knows Great Britain only, not {region}", "--region GB, or leave it out"
            )
        return "GB"

    def stretches(self, zone: str, start_s: float, end_s: float) -> Sequence[Stretch]:
        if zone != "GB":
            raise ProviderFailure(f"it knows Great Britain (GB), not {zone}")
        found = []
        for from_s, until_s in pieces(start_s, end_s, _AT_ONCE_S):
            answer = get_json(f"{self.url}/intensity/{_moment(from_s)}/{_moment(until_s)}")
            try:
                found += [one for row in answer["data"] if (one := _stretch(row)) is not None]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ProviderFailure("its answer is not what it documents") from error
        return tuple({one.start_s: one for one in found}.values())


def _stretch(row: dict[str, object]) -> Stretch | None:
    figures = row["intensity"]
    if not isinstance(figures, dict):
        raise TypeError("intensity is no object")
    published = [float(value) for key in ("actual", "forecast") if (value := figures.get(key)) is not None]
    if not published:
        return None
    return Stretch(_seconds(row["from"]), _seconds(row["to"]), published[0], min(published), max(published))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _seconds(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
