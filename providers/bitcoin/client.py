"""Esplora over HTTP: moves bytes, times out, and maps the library's errors in one place."""

from typing import Any, Final, TypeVar

import httpx
import msgspec

from actors.chain_rail import ChainUnavailable

T = TypeVar("T")

LIVE_URL: Final = "https://blockstream.info/api"
TIMEOUT: Final = httpx.Timeout(connect=5.0, pool=5.0, write=5.0, read=10.0)


class Rejected(Exception):
    """The node answered that it will not; the text is its own."""


class EsploraApi:
    """One Esplora instance."""

    def __init__(
        self, http: httpx.AsyncClient, base_url: str, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._timeout = timeout

    async def json(self, path: str, kind: type[T]) -> T | None:
        """GET, None for 404. Raises ChainUnavailable."""
        body = await self.raw(path)
        if body is None:
            return None
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ChainUnavailable("unreadable answer") from error

    async def text(self, path: str) -> str | None:
        """GET, None for 404. Raises ChainUnavailable."""
        body = await self.raw(path)
        return None if body is None else body.decode("ascii", errors="replace").strip()

    async def raw(self, path: str) -> bytes | None:
        """GET, None for 404. Raises ChainUnavailable."""
        response = await self._exchange("GET", path)
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise ChainUnavailable(f"http {response.status_code}")
        return response.content

    async def broadcast(self, raw: bytes) -> str:
        """The transaction's id. Raises Rejected, or ChainUnavailable when nobody knows."""
        response = await self._exchange("POST", "/tx", raw.hex())
        if response.status_code == 400:
            raise Rejected(response.text[:300])
        if response.status_code != 200:
            raise ChainUnavailable(f"http {response.status_code}")
        return response.text.strip()

    async def _exchange(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            return await self._http.request(
                method, self._base + path, content=body, timeout=self._timeout
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChainUnavailable(type(error).__name__) from error
