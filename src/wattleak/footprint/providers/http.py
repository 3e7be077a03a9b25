"""One GET, with a deadline, no redirects and no secret in any message."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from wattleak.footprint.providers import ProviderFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 5.0
_MOST_B = 4 * 2**20
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to whoever it names."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401 - the signature of the library
        return None


def base_url(variable: str, default: str) -> str:
    """The address of a provider; `variable` of the environment overrides it (a proxy of one's own, a test).

    Raises ProviderFailure for one that would send a token in the clear over a network.
    """
    url = os.environ.get(variable, "").rstrip("/") or default
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ProviderFailure(f"${variable} is no https address")
    return url


def token(variable: str) -> str:
    """A secret of the environment. Raises ProviderFailure where it is not set."""
    found = os.environ.get(variable, "").strip()
    if not found:
        raise ProviderFailure(f"${variable} is not set")
    if not found.isascii() or not found.isprintable():
        raise ProviderFailure(f"${variable} holds characters that no token has")
    return found


def get_json(
    url: str,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:  # noqa: ANN401 - what a server answers
    """The document at an address. Raises ProviderFailure with what went wrong."""
    host = urlsplit(url).netloc
    full = f"{url}?{urlencode(query)}" if query else url
    request = Request(full, headers={"Accept": "application/json", "User-Agent": "wattleak", **(headers or {})})  # noqa: S310 - the scheme was checked by base_url
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout_s) as answer:
            data = answer.read(_MOST_B + 1)
    except HTTPError as error:
        with error:
            raise ProviderFailure(f"{host} answered {error.code} {error.reason}") from None
    except TimeoutError:
        raise ProviderFailure(f"{host} did not answer within {timeout_s:g} s") from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise ProviderFailure(f"{host} did not answer within {timeout_s:g} s") from None
        raise ProviderFailure(f"{host} cannot be reached: {reason}") from None
    if len(data) > _MOST_B:
        raise ProviderFailure(f"{host} answered more than {_MOST_B} bytes")
    try:
        return json.loads(data)
    except ValueError:
        raise ProviderFailure(f"{host} did not answer with JSON") from None
