"""WattTime, by five minutes: GET /login (user and password), then GET /v3/historical.

https://docs.watttime.org. The signal asked for is `co2_aoer`, the average of the grid, which is what the tables are
about; `--provider watttime:CAISO_NORTH/co2_moer` asks for the marginal one: what one kWh more sets off. Pounds
of CO2 per MWh (CO2 alone, no other gas) x 0.45359237 = g/kWh. The session's token lives in memory for one question.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.providers import ProviderFailure, Stretch, pieces
from wattleak.footprint.providers.http import base_url, get_json, token

if TYPE_CHECKING:
    from collections.abc import Sequence

USER_VARIABLE, PASSWORD_VARIABLE = "WATTTIME_USER", "WATTTIME_PASSWORD"
URL_VARIABLE = "WATTLEAK_WATTTIME_URL"
_SIGNALS = ("co2_aoer", "co2_moer")
_KG_PER_LB = 0.45359237
_AT_ONCE_S = 30 * 86_400.0  # 32 days are the most that is answered at once


class WattTime:
    """Zones are balancing authorities and parts of them, as WattTime names them."""

    name = "watttime"
    source = "WattTime"
    basis = "CO2 of the zone by five minutes; co2_aoer is its average, co2_moer its margin"

    needs = (USER_VARIABLE, PASSWORD_VARIABLE)

    @property
    def url(self) -> str:
        return base_url(URL_VARIABLE, "https://api.watttime.org")

    def zone_of(self, region: str | None) -> str:
        raise UsageError(
            f"watttime has regions of its own, and {region or 'no region'} is none of them",
            "name one: --provider watttime:CAISO_NORTH",
        )

    def stretches(self, zone: str, start_s: float, end_s: float) -> Sequence[Stretch]:
        place, _, signal = zone.partition("/")
        signal = signal or _SIGNALS[0]
        if signal not in _SIGNALS:
            raise ProviderFailure(f"it has no signal {signal} of emissions, but {' and '.join(_SIGNALS)}")
        secret = f"{token(USER_VARIABLE)}:{token(PASSWORD_VARIABLE)}"
        basic = "Basic " + b64encode(secret.encode()).decode("ascii")
        session = get_json(f"{self.url}/login", headers={"Authorization": basic})
        if not isinstance(session, dict) or not isinstance(session.get("token"), str):
            raise ProviderFailure("its answer to the login holds no token")
        bearer = {"Authorization": f"Bearer {session['token']}"}
        found: list[Stretch] = []
        for from_s, until_s in pieces(start_s, end_s, _AT_ONCE_S):
            query = {"region": place, "start": _moment(from_s), "end": _moment(until_s), "signal_type": signal}
            found += _read(get_json(f"{self.url}/v3/historical", query, bearer))
        return tuple({one.start_s: one for one in found}.values())


def _read(answer: object) -> Sequence[Stretch]:
    if not isinstance(answer, dict):
        raise ProviderFailure("its answer is not what it documents")
    try:
        meta = answer["meta"]
        if meta["units"] != "lbs_co2_per_mwh":
            raise ProviderFailure(f"its figures are in {meta['units']}, not in lbs_co2_per_mwh")
        period_s = float(meta.get("data_point_period_seconds", 300))
        found = []
        for row in answer["data"]:
            start_s = datetime.fromisoformat(str(row["point_time"])).timestamp()
            grams = float(row["value"]) * _KG_PER_LB
            found.append(Stretch(start_s, start_s + period_s, grams, grams, grams))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderFailure("its answer is not what it documents") from error
    return found


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
