"""Electricity Maps, by hour and zone: GET /v3/carbon-intensity/history (the last 24 hours) and /past-range (older).

https://portal.electricitymaps.com/docs/api: header `auth-token`; life-cycle emissions of consumption (imports followed)
unless another type is asked for; hours that are not measured yet are estimated. Terms depend on the plan; the data are
not passed on by wattleak.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.providers import ProviderFailure, Stretch, pieces
from wattleak.footprint.providers.http import base_url, get_json, token

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_VARIABLE = "ELECTRICITY_MAPS_TOKEN"  # noqa: S105 - the name of the variable, not a token
URL_VARIABLE = "WATTLEAK_ELECTRICITY_MAPS_URL"
_HISTORY_S = 23 * 3600.0
_AT_ONCE_S = 9 * 86_400.0  # ten days are the most that is answered at once by the hour
_HOUR_S = 3600.0


class ElectricityMaps:
    """Zones are countries (`DE`) or parts of them (`US-CAL-CISO`, `SE-SE3`)."""

    name = "electricity-maps"
    source = "Electricity Maps"
    basis = "life-cycle emissions of the electricity consumed in the zone, by hour"

    needs = (TOKEN_VARIABLE,)

    @property
    def url(self) -> str:
        return base_url(URL_VARIABLE, "https://api.electricitymaps.com")

    def zone_of(self, region: str | None) -> str:
        if region is not None and len(region) == 2 and region.isalpha():
            return region.upper()
        raise UsageError(
            f"electricity-maps needs a zone, and {region or 'no region'} is none of its own",
            "name it: --provider electricity-maps:US-CAL-CISO",
        )

    def stretches(self, zone: str, start_s: float, end_s: float) -> Sequence[Stretch]:
        headers = {"auth-token": token(TOKEN_VARIABLE)}
        where = f"{self.url}/v3/carbon-intensity"
        if time.time() - start_s < _HISTORY_S:
            return _read(get_json(f"{where}/history", {"zone": zone}, headers))
        found: list[Stretch] = []
        for from_s, until_s in pieces(start_s, end_s, _AT_ONCE_S):
            query = {"zone": zone, "start": _moment(from_s // _HOUR_S * _HOUR_S), "end": _moment(until_s)}
            found += _read(get_json(f"{where}/past-range", query, headers))
        return tuple({one.start_s: one for one in found}.values())


def _read(answer: object) -> Sequence[Stretch]:
    if not isinstance(answer, dict):
        raise ProviderFailure("its answer is not what it documents")
    try:
        rows = answer.get("history", answer.get("data"))
        return tuple(
            Stretch(start_s, start_s + _HOUR_S, value, value, value)
            for row in rows or ()
            if row.get("carbonIntensity") is not None
            for start_s, value in [
                (datetime.fromisoformat(str(row["datetime"])).timestamp(), float(row["carbonIntensity"]))
            ]
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderFailure("its answer is not what it documents") from error


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
