"""TronGrid over HTTP: moves bytes, times out, and maps the library's errors in one place."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx
import msgspec

from actors.chain_rail import ChainUnavailable

T = TypeVar("T")

LIVE_URL: Final = "https://api.trongrid.io"
TIMEOUT: Final = httpx.Timeout(connect=5.0, pool=5.0, write=5.0, read=10.0)


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
            return msgspec.json.decode(response.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ChainUnavailable("unreadable answer") from error
