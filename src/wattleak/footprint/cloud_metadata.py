"""`--region auto`: ask the cloud that this machine runs in where it stands. Only when it is asked for.

Each cloud answers at a link-local address, which no packet leaves the host for: AWS (IMDSv2, with its session token),
Google Cloud and Azure. Half a second for each, all at once. `$WATTLEAK_METADATA_URL` replaces the address (a test).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.client import HTTPConnection, HTTPException
from json import loads
from urllib.parse import urlsplit

from wattleak.errors import UsageError

URL_VARIABLE = "WATTLEAK_METADATA_URL"
_LINK_LOCAL = "http://169.254.169.254"
_TIMEOUT_S = 0.5
_MOST_B = 65536


def region_here() -> str:
    """The region of this machine as `aws:...`, `gcp:...` or `azure:...`. Raises UsageError where no cloud answers."""
    return _ask(os.environ.get(URL_VARIABLE) or _LINK_LOCAL)


@cache
def _ask(url: str) -> str:
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, url) for ask in (_aws, _gcp, _azure)]
        found = [name for one in asked if (name := one.result()) is not None]
    if not found:
        raise UsageError(
            "--region auto: no cloud's metadata service answers here", "name the place: --region DE, or leave it out"
        )
    return found[0]


def _aws(url: str) -> str | None:
    """IMDSv2: a session token by PUT, then placement/region."""
    session = _get(url, "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, method="PUT")
    if session is None:
        return None
    region = _get(url, "/latest/meta-data/placement/region", {"X-aws-ec2-metadata-token": session})
    return f"aws:{region}" if region else None


def _gcp(url: str) -> str | None:
    """projects/NUMBER/zones/europe-west1-b."""
    zone = _get(url, "/computeMetadata/v1/instance/zone", {"Metadata-Flavor": "Google"})
    name = (zone or "").rpartition("/zones/")[2].rpartition("-")[0]
    return f"gcp:{name}" if name else None


def _azure(url: str) -> str | None:
    text = _get(url, "/metadata/instance/compute?api-version=2021-02-01", {"Metadata": "true"})
    try:
        location = loads(text or "null")
    except ValueError:
        return None
    name = location.get("location") if isinstance(location, dict) else None
    return f"azure:{name}" if isinstance(name, str) and name else None


def _get(url: str, path: str, headers: dict[str, str], *, method: str = "GET") -> str | None:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S)  # never a proxy
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        text = answer.read(_MOST_B).decode("utf-8", "replace").strip()
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return text if answer.status == 200 else None
