"""TronGrid over HTTP: moves bytes, times out, and maps the library's errors in one place."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx
import msgspec

from actors.chain_rail import ChainUnavailable

T = TypeVar("T")

LIVE_URL: Final = "https://api.trongrid.io"
TIMEOUT: Final = httpx.Timeout(connect=5.0, pool=5.0, write=5.0, read=10.0)


class _Failure(msgspec.Struct):
    """What a node says, with 200, when it could not look: nothing like "unknown"."""

    error: str = msgspec.field(name="Error", default="")


_failure: Final = msgspec.json.Decoder(_Failure).decode


def _check(content: bytes) -> None:
    """Raises ChainUnavailable for a node's own failure, which decodes like an unknown thing."""
    if content.lstrip()[:1] == b"{" and (error := _failure(content).error):
        raise ChainUnavailable(error[:200])


@dataclass(frozen=True, slots=True)
class Settings:
    base_url: str = LIVE_URL
    api_key: str = field(default="", repr=False)


class TronGridApi:
    """One node, or TronGrid's balancer in front of many."""

    def __init__(
        self, http: httpx.AsyncClient, settings: Settings, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        self._http = http
        self._base = settings.base_url.rstrip("/")
        self._headers = {"content-type": "application/json"}
        if settings.api_key:
            self._headers["TRON-PRO-API-KEY"] = settings.api_key
        self._timeout = timeout

    async def ask(self, path: str, body: dict[str, Any], kind: type[T]) -> T:
        """POST `body` to `path`. Raises ChainUnavailable."""
        try:
            response = await self._http.post(
                self._base + path,
                content=msgspec.json.encode(body),
                headers=self._headers,
                timeout=self._timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChainUnavailable(type(error).__name__) from error
        if response.status_code != 200:
            raise ChainUnavailable(f"http {response.status_code}")
        try:
            _check(response.content)
            return msgspec.json.decode(response.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ChainUnavailable("unreadable answer") from error
